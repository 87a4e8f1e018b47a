//! A number that the company does not call.
//! Called by rpc/do_not_call.rs and the dispatch; kept by store/do_not_call.rs.

/// Said by the person in a call. The numbers of reasons are those of the API.
pub const ASKED: i32 = 1;

/// A number, and why it is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoNotCall {
    /// The number in E.164 without "+".
    pub id: String,
    /// Version.
    pub version: i64,
    /// In E.164.
    pub e164: String,
    /// Why.
    pub reason: i32,
    /// Free text.
    pub note: String,
    /// Who added it: "users/{user}"; empty for Kontor itself.
    pub user: String,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
}

impl DoNotCall {
    /// Of a number in E.164.
    pub fn new(e164: &str, reason: i32, note: &str, user: String, now: i64) -> DoNotCall {
        DoNotCall {
            id: e164.trim_start_matches('+').to_owned(),
            version: 1,
            e164: e164.to_owned(),
            reason,
            note: note.to_owned(),
            user,
            create_time: now,
        }
    }
}
