//! Vonage's voice events as facts. A leg is a uuid, and the call is its conversation.
//! Called by rpc/ingest.rs after the signature was checked.

use kontor_kit::{Error, Result};

use crate::connectors::web::fields::Fields;
use crate::connectors::web::{News, Origin, Told, id, party, time};
use crate::domain::fact::{DialStatus, Micros};
use crate::domain::number::NumberRules;
use crate::domain::record::Item;

/// Events of legs that say nothing of how the call stands.
const OTHERS: [&str; 9] =
    ["human", "machine", "record", "input", "transfer", "dtmf", "asr", "payment", "error"];

/// Turns one event into items. "ringing" may come before "started", with the same time.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub fn items(fields: &Fields, connector: &str, rules: &NumberRules, now: i64) -> Result<Vec<Item>> {
    let status = fields.get("status");
    // recordings and errors have no status, and no leg
    if OTHERS.contains(&status) || (status.is_empty() && !fields.get("conversation_uuid").is_empty()) {
        return Ok(Vec::new());
    }
    let leg = id("uuid", fields.get("uuid"))?;
    let conversation = Some(fields.get("conversation_uuid")).filter(|it| !it.is_empty());
    let call = id("conversation_uuid", conversation.unwrap_or(leg))?;
    let at = time::instant("timestamp", fields.get("timestamp"), now)?.unwrap_or(Micros(now));
    let taken = time::instant("start_time", fields.get("start_time"), now)?;
    let ended = time::instant("end_time", fields.get("end_time"), now)?.unwrap_or(at);
    let talked = time::seconds("duration", fields.get("duration"))?;
    let arriving = fields.get("direction") == "inbound";
    let origin = if arriving { Origin::Arriving } else { Origin::Dialled(Some(call)) };
    let over = |status| vec![(at, News::Over(Some(status)))];
    let news = match status {
        "started" => Vec::new(),
        "ringing" => vec![(at, News::Ringing)],
        "answered" => vec![(taken.unwrap_or(at), News::Taken)],
        // a leg that was never taken is completed too, without a beginning
        "completed" if taken.is_none() && talked.unwrap_or(0) == 0 => vec![(ended, News::Over(None))],
        "completed" => {
            let taken = taken.unwrap_or_else(|| ended.plus(-talked.unwrap_or(0) * 1_000_000));
            vec![(taken, News::Taken), (ended, News::Over(None))]
        }
        "disconnected" => vec![(at, News::Over(None))],
        "busy" => over(DialStatus::Busy),
        "unanswered" | "timeout" => over(DialStatus::NoAnswer),
        "cancelled" => over(DialStatus::Cancelled),
        "rejected" | "failed" => over(DialStatus::Failed),
        _ => return Err(Error::invalid("status", "it is not one that Vonage documents")),
    };
    let begun = news.iter().map(|(time, _)| *time).min().unwrap_or(at).min(at);
    let end = |number: &str, user: &str| {
        let user = fields.get(user);
        if user.is_empty() {
            party(fields.get(number), rules, true)
        } else {
            party(&format!("user:{user}"), rules, true)
        }
    };
    let (from, to) = (end("from", "from_user"), end("to", "to_user"));
    Ok(Told { connector, call, leg, origin, from, to, caller_name: "", begun, news }.items())
}
