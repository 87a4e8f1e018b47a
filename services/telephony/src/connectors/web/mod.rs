//! What the connectors of cloud telephone systems share: a post as it came, its fields, its address, and who is at an end of a call.
//! Called by their rooms; pure: clock, secret and address come in.

pub mod fields;
pub mod time;
pub mod trial;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kontor_kit::{Error, Result};

use crate::domain::fact::{CallFact, CallKey, FactKind, LegRef, Micros, Side};
use crate::domain::number::{NumberRules, Party};
use crate::domain::record::Item;

/// Largest body of a cloud telephone system's post, in bytes; theirs have about 2 KiB.
pub const BODY_BYTES: usize = 64 * 1024;
/// Longest id of a call or a leg, in characters.
const ID_CHARACTERS: usize = 150;

/// A post as it came.
pub struct Post<'a> {
    /// Headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// Address that the sender posted to, without its query; none when nobody told it.
    pub url: Option<&'a str>,
    /// Query as it came, without "?".
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Post<'_> {
    /// A header, trimmed; none when it is missing or empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The address with its query.
    ///
    /// # Errors
    /// UNAUTHENTICATED with the reason NO_PUBLIC_URL.
    pub fn address(&self) -> Result<String> {
        let url = self.url.ok_or_else(|| {
            let message = "the signature covers the public address, and Kontor does not know it: set public_url of the connector or public.address of the installation";
            Error::refused("NO_PUBLIC_URL", message)
        })?;
        Ok(if self.query.is_empty() { url.to_owned() } else { format!("{url}?{}", self.query) })
    }

    /// Checks the body's size.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the body.
    pub fn check_size(&self) -> Result<()> {
        if self.body.len() <= BODY_BYTES {
            return Ok(());
        }
        let message = format!("it has {} bytes, at most {BODY_BYTES} are taken", self.body.len());
        Err(Error::invalid("body", message))
    }
}

/// A post without its signature.
pub fn unsigned(message: impl Into<String>) -> Error {
    Error::refused("UNSIGNED", message)
}

/// A post whose signature is not that of its sender.
pub fn wrong_signature(message: impl Into<String>) -> Error {
    Error::refused("WRONG_SIGNATURE", message)
}

/// A signature in base64 as bytes; none when it can't be one.
pub fn signature(text: &str) -> Option<Vec<u8>> {
    if text.len() > 200 { None } else { STANDARD.decode(text).ok() }
}

/// Lower-case hexadecimal text of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
pub fn same(one: &str, other: &str) -> bool {
    use sha2::Digest;
    // hashed first, so that not even the length shows
    let digest = |text: &str| sha2::Sha256::digest(text.as_bytes());
    let differ = digest(one).iter().zip(digest(other).iter()).fold(0_u8, |all, (a, b)| all | (a ^ b));
    differ == 0
}

/// The id of a call or leg in a field.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn id<'a>(field: &str, value: &'a str) -> Result<&'a str> {
    let good = (1..=ID_CHARACTERS).contains(&value.chars().count()) && !value.chars().any(char::is_control);
    if good { Ok(value) } else { Err(Error::invalid(field, "give the id: 1 to 150 characters")) }
}

/// One leg of a call at a cloud telephone system, and what one post says of it.
pub struct Told<'a> {
    /// The connector's name.
    pub connector: &'a str,
    /// Id of the call.
    pub call: &'a str,
    /// Id of the leg.
    pub leg: &'a str,
    /// How the leg came to be.
    pub origin: Origin<'a>,
    /// Who calls.
    pub from: Option<Party>,
    /// Who is called.
    pub to: Option<Party>,
    /// Name of the caller, or empty.
    pub caller_name: &'a str,
    /// When the leg began, as far as this post tells.
    pub begun: Micros,
    /// What happened, and when.
    pub news: Vec<(Micros, News)>,
}

/// How a leg came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Somebody called in.
    Arriving,
    /// It was dialled, for the leg of that id where one asked for it.
    Dialled(Option<&'a str>),
}

/// What happened to a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It rings.
    Ringing,
    /// It was taken: for a dialled leg somebody answered, an arriving one was only let in.
    Taken,
    /// It is over; for a dialled leg that nobody took, why.
    Over(Option<crate::domain::fact::DialStatus>),
}

impl Told<'_> {
    /// The facts in it. Told again they are the same, and any order of posts gives the same call.
    pub fn items(self) -> Vec<Item> {
        let key = CallKey { connector: self.connector.to_owned(), call: self.call.to_owned() };
        let arriving = self.origin == Origin::Arriving;
        let far = if arriving { &self.from } else { &self.to };
        let leg = LegRef {
            id: self.leg.to_owned(),
            channel: far.as_ref().map(|party| party.raw().to_owned()).unwrap_or_default(),
            side: if far.as_ref().is_some_and(|far| far.internal().is_some()) {
                Side::Phone
            } else {
                Side::Trunk
            },
        };
        let by = match self.origin {
            Origin::Arriving => None,
            Origin::Dialled(by) => by.map(str::to_owned),
        };
        let begun = match self.origin {
            Origin::Arriving => FactKind::LegStarted {
                leg: leg.clone(),
                arriving: true,
                found: false,
                party: self.from.clone(),
                dialled: self.to.clone(),
            },
            Origin::Dialled(_) => FactKind::Dialled {
                leg: leg.clone(),
                by: by.clone(),
                party: self.to.clone(),
                target: self.to.clone(),
                found: false,
            },
        };
        let mut facts = vec![(self.begun, begun)];
        facts.extend(offered(arriving, by.is_some(), &self.from, &self.to).map(|kind| (self.begun, kind)));
        for (time, news) in self.news {
            let ended = |status| FactKind::DialEnded { leg: leg.clone(), by: by.clone(), status };
            match news {
                News::Ringing if arriving => {}
                News::Ringing => facts.push((time, FactKind::LegRinging { leg: leg.clone() })),
                News::Taken => {
                    if !arriving {
                        facts.push((time, ended(crate::domain::fact::DialStatus::Answered)));
                    }
                    facts.push((time, FactKind::LegUp { leg: leg.clone() }));
                }
                News::Over(status) => {
                    facts.extend(status.filter(|_| !arriving).map(|status| (time, ended(status))));
                    facts.push((time, FactKind::LegEnded { leg: leg.clone(), cause: None }));
                }
            }
        }
        let name = Some(self.caller_name.trim())
            .filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
        let caller_name = name.map(str::to_owned);
        let item = |(time, kind)| Item {
            fact: CallFact { key: key.clone(), time, kind },
            caller_name: caller_name.clone(),
            extension: None,
        };
        facts.into_iter().map(item).collect()
    }
}

/// Who calls whom, as a leg dialled for another one tells it: its caller is the call's, and an own telephone at one end tells the direction.
fn offered(arriving: bool, asked_for: bool, from: &Option<Party>, to: &Option<Party>) -> Option<FactKind> {
    use crate::domain::call::Direction;
    let inside = |party: &Option<Party>| party.as_ref().is_some_and(|party| party.internal().is_some());
    if arriving || !asked_for {
        return None;
    }
    match (inside(from), inside(to)) {
        (false, true) => {
            Some(FactKind::Offered { direction: Some(Direction::Inbound), from: from.clone(), to: None })
        }
        (true, false) => Some(FactKind::Offered {
            direction: Some(Direction::Outbound),
            from: from.clone(),
            to: to.clone(),
        }),
        _ => None,
    }
}

/// Who is at an end: "client:anna", "user:anna" and "sip:101@..." are own telephones, digits without "+" are an international number when `bare`.
pub fn party(text: &str, rules: &NumberRules, bare: bool) -> Option<Party> {
    let text = text.trim();
    for scheme in ["client:", "user:", "app:", "sip:", "sips:"] {
        if let Some(rest) = text
            .get(..scheme.len())
            .filter(|head| head.eq_ignore_ascii_case(scheme))
            .map(|_| &text[scheme.len()..])
        {
            let name = rest.split(['@', ';', '?']).next().unwrap_or_default();
            // a number behind "sip:" is a way to it, not an own telephone
            if name.starts_with('+') {
                return rules.caller(name);
            }
            let name = crate::domain::number::clip(name, 32);
            return (!name.is_empty()).then(|| Party::Internal(name.to_owned()));
        }
    }
    let digits = bare
        && (8..=15).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { rules.caller(&format!("+{text}")) } else { rules.caller(text) }
}
