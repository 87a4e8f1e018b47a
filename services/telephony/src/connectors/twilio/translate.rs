//! Twilio's status callbacks as facts. A leg is a CallSid, and the call is the leg that began it (ParentCallSid).
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
    let leg = id("CallSid", fields.get("CallSid"))?;
    let parent = Some(fields.get("ParentCallSid")).filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| id("ParentCallSid", parent)).transpose()?;
    let at = time::instant("Timestamp", fields.get("Timestamp"), now)?.unwrap_or(Micros(now));
    let status = fields.get("CallStatus");
    let status = if status.is_empty() { fields.get("CallEvent") } else { status };
    let talked = time::seconds("CallDuration", fields.get("CallDuration"))?;
    let from = party(fields.get("From"), rules, false);
    // what an own telephone dialled has no "+"
    let to = party(fields.get("To"), rules, false);
    let origin = match (parent, fields.get("Direction")) {
        (None, "inbound") => Origin::Arriving,
        (parent, _) => Origin::Dialled(parent),
    };
    let mut begun = at;
    let news = match status {
        "queued" | "initiated" => Vec::new(),
        "ringing" => vec![(at, News::Ringing)],
        "in-progress" | "answered" => vec![(at, News::Taken)],
        "completed" => {
            // the length counts from when it was taken, so the beginning is known even when nothing came before
            begun = at.plus(-talked.unwrap_or(0) * 1_000_000);
            vec![(begun, News::Taken), (at, News::Over(None))]
        }
        "busy" => vec![(at, News::Over(Some(DialStatus::Busy)))],
        "no-answer" => vec![(at, News::Over(Some(DialStatus::NoAnswer)))],
        "canceled" => vec![(at, News::Over(Some(DialStatus::Cancelled)))],
        "failed" => vec![(at, News::Over(Some(DialStatus::Failed)))],
        _ => return Err(Error::invalid("CallStatus", "it is not one that Twilio documents")),
    };
    let caller_name = fields.get("CallerName");
    let told =
        Told { connector, call: parent.unwrap_or(leg), leg, origin, from, to, caller_name, begun, news };
    Ok(told.items())
}
