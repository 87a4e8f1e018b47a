//! Entries of a partner's history: what they say, and what an event changes in them.
//! Made by events.rs, written by store/timeline.rs.

use sha2::{Digest, Sha256};

/// Longest summary, in characters.
const SUMMARY: usize = 300;

/// What an event changes. Applied in order; applying the same events again gives the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes an entry, or writes it anew.
    Put(Entry),
    /// Takes an entry from a partner.
    Remove { partner: String, entry: String },
    /// Takes an entry from all partners but this one: a call belongs to one.
    OnlyAt { partner: String, entry: String },
    /// All entries about a subject follow it to its present partner (when given) and to those who may see it.
    Follow { subject: String, partner: Option<String>, owner: String, team: String },
    /// Takes away all entries about a subject.
    Forget { subject: String },
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// "partners/{id}"; empty when the subject has no partner yet: nobody sees it until the subject gets one.
    pub partner: String,
    /// Id within the partner: the same for the same thing, so that it is never there twice.
    pub entry: String,
    /// Microseconds since 1970 UTC.
    pub occur_time: i64,
    /// "call", "meeting", "answer", "proposal", "stage_move", "next_step", "won", "lost", "lead", "opportunity", "merged", "consent".
    pub kind: &'static str,
    /// Resource name of the thing.
    pub subject: String,
    /// One line for people.
    pub summary: String,
    /// "users/{user}", or empty.
    pub actor: String,
    /// Who may see it: "users/{user}"; everyone when owner and team are empty.
    pub owner: String,
    /// Who may see it: "teams/{team}".
    pub team: String,
}

/// Id of the one entry about a call or a meeting.
pub fn entry_of(kind: &str, subject: &str) -> String {
    let digest = Sha256::digest(subject.as_bytes());
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{hex}")
}

/// Way of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From outside.
    In,
    /// To outside.
    Out,
}

/// End of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// People talked for so many seconds.
    Talked(i64),
    /// Nobody answered.
    Missed,
    /// The line was busy.
    Busy,
    /// The caller gave up in a queue.
    Abandoned,
    /// It could not be set up.
    Failed,
    /// Not said.
    Unknown,
}

/// "missed call from +33145551234"
pub fn call_summary(way: Way, end: End, number: &str) -> String {
    let number = if number.trim().is_empty() { "a hidden number" } else { number };
    let call = match way {
        Way::In => format!("call from {number}"),
        Way::Out => format!("call to {number}"),
    };
    one_line(&match end {
        End::Talked(seconds) => format!("{call}, {}", spoken(seconds)),
        End::Missed if way == Way::In => format!("missed {call}"),
        End::Missed => format!("{call}, not answered"),
        End::Busy => format!("{call}, the line was busy"),
        End::Abandoned => format!("{call}, given up in the queue"),
        End::Failed => format!("{call}, it failed"),
        End::Unknown => call,
    })
}

/// "3 min 20 s"
fn spoken(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// A text of others as one line of at most 300 characters.
pub fn one_line(text: &str) -> String {
    let mut line: String = text
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SUMMARY)
        .collect();
    if text.trim().chars().count() > SUMMARY {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_read_like_a_sentence() {
        assert_eq!(call_summary(Way::In, End::Missed, "+33145551234"), "missed call from +33145551234");
        assert_eq!(call_summary(Way::Out, End::Talked(200), "+321"), "call to +321, 3 min 20 s");
        assert_eq!(call_summary(Way::In, End::Talked(7_380), ""), "call from a hidden number, 2 h 3 min");
    }

    #[test]
    fn a_long_or_broken_title_stays_one_short_line() {
        let line = one_line(&format!(" a\r\nb{}", "é".repeat(500)));
        assert_eq!(line.chars().count(), SUMMARY);
        assert!(line.starts_with("a  bé") && line.ends_with('…'));
    }
}
