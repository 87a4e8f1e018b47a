//! Posts of mod_json_cdr: what became of one leg, told after its end, as JSON or in a form field `cdr`.
//! Called by rpc/ingest.rs; the same leg posted again gives the same facts, so repeats change nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kontor_kit::{Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config::Rules;
use super::event::decode;
use super::translate::{dial_status, has_digit};
use crate::domain::call::{Outcome, TransferKind};
use crate::domain::fact::{CallFact, CallKey, DialStatus, FactKind, LegRef, Micros, Side};
use crate::domain::number::Party;

/// Longest id of a leg, in bytes.
const ID_BYTES: usize = 160;
/// How far ahead of our clock an end may be, in microseconds: a day.
const AHEAD_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Checks the secret of a post: the password of basic auth, or the header `x-kontor-secret`.
///
/// # Errors
/// UNAUTHENTICATED; it never tells the right secret.
pub fn verify(secret: &str, authorization: Option<&str>, header: Option<&str>) -> Result<()> {
    let basic = authorization.and_then(|text| {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let told = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
        let at = told.iter().position(|byte| *byte == b':')?;
        Some(told[at + 1..].to_vec())
    });
    let Some(told) = header.map(|text| text.as_bytes().to_vec()).or(basic) else {
        let message = "give the secret as the password of basic auth (`cred` of mod_json_cdr), or in the header x-kontor-secret";
        return Err(Error::unauthenticated(message));
    };
    // of digests: the time of the comparison tells nothing of the secret
    if secret.is_empty() || Sha256::digest(secret) != Sha256::digest(told) {
        return Err(Error::unauthenticated(
            "the secret is wrong: it is `freeswitch.post_secret` of the connector",
        ));
    }
    Ok(())
}

/// One post, read.
#[derive(Debug)]
pub struct Cdr {
    body: Value,
}

impl Cdr {
    /// Reads a post: JSON, or a form with the field `cdr`, which holds JSON as text or in base64.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming what is wrong.
    pub fn read(body: &[u8]) -> Result<Cdr> {
        let text = body.trim_ascii();
        let json = if text.starts_with(b"{") { text.to_vec() } else { form(text)? };
        let body: Value = serde_json::from_slice(&json)
            .map_err(|cause| Error::invalid("body", format!("the record is no JSON: {cause}")))?;
        if !body.is_object() {
            return Err(Error::invalid("body", "the record is no JSON object"));
        }
        Ok(Cdr { body })
    }

    /// A variable of the channel; none when it is absent or empty.
    fn variable(&self, name: &str) -> Option<String> {
        let text = self.body.get("variables")?.get(name)?.as_str()?;
        Some(decode(text.as_bytes(), false)).filter(|text| !text.is_empty())
    }

    /// An instant of the channel in microseconds; none when it did not come to that.
    fn time(&self, name: &str) -> Option<Micros> {
        let time = self.variable(name)?.parse().ok()?;
        (time > 0).then_some(Micros(time))
    }

    /// A field of the caller's profile as it was at first.
    fn profile(&self, name: &str) -> Option<String> {
        let flow = self.body.get("callflow")?;
        // the newest stands first; older versions have one alone
        let first = flow.as_array().map_or(Some(flow), |all| all.last())?;
        let text = first.get("caller_profile")?.get(name)?.as_str()?;
        Some(decode(text.as_bytes(), false)).filter(|text| !text.is_empty())
    }

    fn id(&self, name: &str) -> Result<Option<String>> {
        let id = self.variable(name);
        if id.as_ref().is_some_and(|id| id.len() > ID_BYTES || id.chars().any(char::is_control)) {
            let message = format!("an id has at most {ID_BYTES} bytes and no control characters");
            return Err(Error::invalid(format!("variables.{name}"), message));
        }
        Ok(id)
    }

    /// What the record says, as facts.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the variable that is missing or wrong.
    pub fn facts(&self, connector: &str, rules: &Rules, now: i64) -> Result<Vec<CallFact>> {
        let missing = |name: &str| Error::invalid(format!("variables.{name}"), "it is missing");
        let leg = self.id("uuid")?.ok_or_else(|| missing("uuid"))?;
        let parent = self.id("originating_leg_uuid")?.or(self.id("cc_member_session_uuid")?);
        let told = self.id("call_uuid")?;
        let call = parent.clone().or(told).unwrap_or_else(|| leg.clone());
        let start = self.time("start_uepoch").ok_or_else(|| missing("start_uepoch"))?;
        let end = self.time("end_uepoch").ok_or_else(|| missing("end_uepoch"))?;
        if end < start || end.0 > now.saturating_add(AHEAD_MICROS) {
            let message = "it is before start_uepoch, or more than a day ahead of the server's clock";
            return Err(Error::invalid("variables.end_uepoch", message));
        }
        let arriving = match self.variable("direction").as_deref() {
            Some("inbound") => true,
            Some("outbound") => false,
            _ => return Err(Error::invalid("variables.direction", "it is neither inbound nor outbound")),
        };
        let channel = self.variable("channel_name").unwrap_or_default();
        let side = rules.trunks.side(&channel, self.profile("context").as_deref(), arriving);
        let is_first = call == leg;
        let told = Told {
            cdr: self,
            rules,
            key: CallKey { connector: connector.to_owned(), call },
            leg: LegRef { id: leg, channel, side },
            by: parent,
        };
        Ok(told.facts(arriving, is_first, start, end))
    }
}

/// A record and whose it is.
struct Told<'a> {
    cdr: &'a Cdr,
    rules: &'a Rules,
    key: CallKey,
    leg: LegRef,
    by: Option<String>,
}

impl Told<'_> {
    fn facts(&self, arriving: bool, is_first: bool, start: Micros, end: Micros) -> Vec<CallFact> {
        let mut facts = Vec::new();
        let mut add =
            |time: Micros, kind: FactKind| facts.push(CallFact { key: self.key.clone(), time, kind });
        let leg = || self.leg.clone();
        let answer = self.cdr.time("answer_uepoch");
        let cause = self.cdr.variable("hangup_cause").unwrap_or_default();
        let (party, dialled) = self.parties(arriving);
        add(
            start,
            FactKind::LegStarted { leg: leg(), arriving, found: false, party: party.clone(), dialled },
        );
        if let Some(time) = answer {
            add(time, FactKind::LegUp { leg: leg() });
        }
        if !arriving {
            let by = || self.by.clone().or_else(|| (!is_first).then(|| self.key.call.clone()));
            let target = party.clone().filter(|_| self.leg.side == Side::Trunk);
            add(start, FactKind::Dialled { leg: leg(), by: by(), party, target, found: false });
            let rang = [self.cdr.time("progress_uepoch"), self.cdr.time("progress_media_uepoch")];
            if let Some(time) = rang.into_iter().flatten().min() {
                add(time, FactKind::LegRinging { leg: leg() });
            }
            let (time, status) =
                answer.map_or((end, dial_status(&cause)), |time| (time, DialStatus::Answered));
            add(time, FactKind::DialEnded { leg: leg(), by: by(), status });
        }
        // the record of the first leg alone must tell whether anybody took the call
        if let (true, Some(answer), Some(bridged)) = (is_first, answer, self.cdr.time("bridge_uepoch")) {
            add(answer.max(bridged), FactKind::Answered);
        }
        let transferred = self.transferred(&cause);
        let went_on = transferred.is_some();
        if let Some(kind) = transferred {
            add(end, kind);
        }
        if is_first && arriving && answer.is_none() && !went_on {
            let outcome = self.cdr.variable("originate_disposition").and_then(|cause| outcome(&cause));
            add(end, FactKind::HungUp { outcome });
        }
        let q850 = self.cdr.variable("hangup_cause_q850").and_then(|text| text.parse().ok());
        add(end, FactKind::LegEnded { leg: leg(), cause: q850 });
        facts
    }

    fn parties(&self, arriving: bool) -> (Option<Party>, Option<Party>) {
        let numbers = &self.rules.numbers;
        let called = self.cdr.profile("destination_number").filter(|text| has_digit(text));
        if !arriving {
            let party = called.and_then(|text| numbers.dialled(&text));
            let fits = |party: &Party| self.leg.side == Side::Trunk || matches!(party, Party::Internal(_));
            return (party.filter(fits), None);
        }
        let caller = self.cdr.profile("caller_id_number").and_then(|text| numbers.caller(&text));
        let dialled = called.and_then(|text| match self.leg.side {
            Side::Trunk => numbers.caller(&text),
            _ => numbers.dialled(&text),
        });
        (caller, dialled)
    }

    fn transferred(&self, cause: &str) -> Option<FactKind> {
        let told = self.cdr.variable("endpoint_disposition").unwrap_or_default();
        let is = |name: &str| told == name || cause == name;
        let kind = match (is("BLIND_TRANSFER"), is("ATTENDED_TRANSFER")) {
            (true, _) => TransferKind::Blind,
            (_, true) => TransferKind::Attended,
            _ => return None,
        };
        let to = self.cdr.variable("sip_refer_to");
        let to = to.as_deref().and_then(super::translate::user_part);
        let to = to.and_then(|text| self.rules.numbers.dialled(text));
        Some(FactKind::Transferred { kind, by: self.leg.id.clone(), to })
    }
}

/// How the call ended when nobody took it; none where the caller gave up, which its direction names.
fn outcome(cause: &str) -> Option<Outcome> {
    match dial_status(cause) {
        DialStatus::Busy => Some(Outcome::Busy),
        DialStatus::NoAnswer => Some(Outcome::NoAnswer),
        DialStatus::Failed if !matches!(cause, "" | "SUCCESS" | "CALL_REJECTED") => Some(Outcome::Failed),
        DialStatus::Failed | DialStatus::Cancelled | DialStatus::Answered => None,
    }
}

/// The JSON in the field `cdr` of a form.
fn form(text: &[u8]) -> Result<Vec<u8>> {
    let mut fields = text.split(|byte| *byte == b'&');
    let value = fields.find_map(|field| field.strip_prefix(b"cdr="));
    let value = value
        .ok_or_else(|| Error::invalid("body", "it is neither a JSON object nor a form with the field cdr"))?;
    if value.starts_with(b"{") || value.starts_with(b"%7B") || value.starts_with(b"%7b") {
        return Ok(decode(value, true).into_bytes());
    }
    // "+" stands for itself here
    let plain = decode(value, false);
    let packed: Vec<u8> = plain.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).map_err(|_| Error::invalid("body", "the field cdr is neither JSON nor base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_as_json_as_form_and_in_base64() {
        let json = br#"{"variables": {"uuid": "a%2Fb", "x": ""}}"#;
        let in_form = b"uuid=a_1&cdr=%7B%22variables%22%3A+%7B%22uuid%22%3A%22a%252Fb%22%7D%7D";
        let packed = format!("cdr={}", STANDARD.encode(json)).replace('+', "%2B").replace('=', "%3D");
        let packed = packed.replacen("cdr%3D", "cdr=", 1);
        for body in [&json[..], in_form, packed.as_bytes()] {
            let cdr = Cdr::read(body).expect("a record");
            assert_eq!(cdr.variable("uuid").as_deref(), Some("a/b"), "{}", body.escape_ascii());
            assert_eq!(cdr.variable("x"), None);
        }
        for body in ["", "[]", "{", "7", "cdr=", "cdr=%%%", "xml=1", "cdr=W10="] {
            let refused = Cdr::read(body.as_bytes()).expect_err(body);
            assert_eq!(refused.field(), Some("body"), "{body}");
        }
    }

    #[test]
    fn the_secret_is_the_password_or_a_header() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let secret = "0123456789abcdef";
        assert!(verify(secret, Some(&basic("kontor:0123456789abcdef")), None).is_ok());
        assert!(verify(secret, None, Some(secret)).is_ok());
        for (authorization, header) in [
            (None, None),
            (Some(basic("kontor:wrong")), None),
            (Some(basic("no colon")), None),
            (Some("Bearer 0123456789abcdef".to_owned()), None),
            (Some(basic("kontor:0123456789abcdef")), Some("wrong")),
        ] {
            let refused = verify(secret, authorization.as_deref(), header).expect_err("refused");
            assert_eq!(refused.code(), tonic::Code::Unauthenticated);
            assert!(!refused.message().contains(secret));
        }
        assert!(verify("", Some(&basic("kontor:")), None).is_err(), "without a secret nothing is taken");
    }
}
