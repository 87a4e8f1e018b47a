//! Plivo's callbacks as facts. A leg is a CallUUID; what Dial dials for it has its own id (DialBLegUUID).
//! Called by rpc/ingest.rs after the signature was checked.

use kontor_kit::{Error, Result};

use crate::connectors::web::fields::Fields;
use crate::connectors::web::{News, Origin, Told, id, party, time};
use crate::domain::fact::{DialStatus, Micros};
use crate::domain::number::NumberRules;
use crate::domain::record::Item;

/// Turns the fields of one callback into items. A callback without a time happened when it came.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn items(fields: &Fields, connector: &str, rules: &NumberRules, now: i64) -> Result<Vec<Item>> {
    if fields.get("DialBLegUUID").is_empty() {
        call(fields, connector, rules, now)
    } else {
        dialled(fields, connector, rules, now)
    }
}

/// A callback of the call itself: ring, answer or hang-up address.
fn call(fields: &Fields, connector: &str, rules: &NumberRules, now: i64) -> Result<Vec<Item>> {
    let leg = id("CallUUID", fields.get("CallUUID"))?;
    let instant = |field: &str| time::instant(field, fields.get(field), now);
    let (start, answer, end) = (instant("StartTime")?, instant("AnswerTime")?, instant("EndTime")?);
    let talked = time::seconds("Duration", fields.get("Duration"))?;
    let came = Micros(now);
    let arriving = fields.get("Direction") != "outbound";
    let origin = if arriving { Origin::Arriving } else { Origin::Dialled(None) };
    let ended = end.unwrap_or(came);
    let taken = || answer.unwrap_or_else(|| ended.plus(-talked.unwrap_or(0) * 1_000_000));
    let over = |status| vec![(ended, News::Over(Some(status)))];
    let news = match fields.get("CallStatus") {
        // the answer address is asked while it still rings
        "ringing" => vec![(start.unwrap_or(came), News::Ringing)],
        "in-progress" => vec![(answer.unwrap_or(came), News::Taken)],
        "completed" => vec![(taken(), News::Taken), (ended, News::Over(None))],
        "busy" => over(DialStatus::Busy),
        "no-answer" | "timeout" => over(DialStatus::NoAnswer),
        "cancel" | "canceled" | "cancelled" => over(DialStatus::Cancelled),
        "failed" => over(DialStatus::Failed),
        _ => return Err(Error::invalid("CallStatus", "it is not one that Plivo documents")),
    };
    let first = news.iter().map(|(time, _)| *time).min();
    let begun = start.or(first).unwrap_or(came);
    let told = Told {
        connector,
        call: leg,
        leg,
        origin,
        from: party(fields.get("From"), rules, true),
        to: party(fields.get("To"), rules, true),
        caller_name: fields.get("CallerName"),
        begun,
        news,
    };
    Ok(told.items())
}

/// A callback of Dial (`callbackUrl`): what became of a leg that was dialled for the call.
fn dialled(fields: &Fields, connector: &str, rules: &NumberRules, now: i64) -> Result<Vec<Item>> {
    let leg = id("DialBLegUUID", fields.get("DialBLegUUID"))?;
    let parent = [fields.get("DialALegUUID"), fields.get("CallUUID")].into_iter().find(|it| !it.is_empty());
    let parent = id("DialALegUUID", parent.unwrap_or_default())?;
    let came = Micros(now);
    let talked = time::seconds("DialBLegDuration", fields.get("DialBLegDuration"))?.unwrap_or(0);
    let action =
        [fields.get("DialAction"), fields.get("DialBLegStatus")].into_iter().find(|it| !it.is_empty());
    let taken = came.plus(-talked * 1_000_000);
    let news = match action.unwrap_or_default() {
        "ringing" | "ring" => vec![(came, News::Ringing)],
        "answer" | "connected" => vec![(came, News::Taken)],
        "hangup" if talked > 0 => vec![(taken, News::Taken), (came, News::Over(None))],
        "hangup" => vec![(came, News::Over(Some(cause(fields))))],
        // somebody pressed a key
        "digits" => Vec::new(),
        _ => return Err(Error::invalid("DialAction", "it is not one that Plivo documents")),
    };
    let told = Told {
        connector,
        call: parent,
        leg,
        origin: Origin::Dialled(Some(parent)),
        from: party(fields.get("DialBLegFrom"), rules, true),
        to: party(fields.get("DialBLegTo"), rules, true),
        caller_name: "",
        begun: taken,
        news,
    };
    Ok(told.items())
}

/// Why a dialled leg that nobody took is over.
fn cause(fields: &Fields) -> DialStatus {
    let named = [fields.get("DialBLegHangupCause"), fields.get("DialBLegHangupCauseName")];
    let named = named.into_iter().find(|it| !it.is_empty()).unwrap_or_default().to_ascii_uppercase();
    match named.replace(' ', "_").as_str() {
        "USER_BUSY" | "BUSY" | "BUSY_LINE" => DialStatus::Busy,
        "NO_ANSWER" | "NO_USER_RESPONSE" | "ALLOTTED_TIMEOUT" | "RING_TIMEOUT_REACHED" => {
            DialStatus::NoAnswer
        }
        "ORIGINATOR_CANCEL" | "LOSE_RACE" | "NORMAL_CLEARING" | "CANCELLED" => DialStatus::Cancelled,
        _ => DialStatus::Failed,
    }
}
