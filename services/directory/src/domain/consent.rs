//! What a partner said about a purpose, and which of two words counts.
//! Called by rpc/consent.rs and store/consent.rs.

use std::cmp::Ordering;

use kontor_kit::{Error, Result};

/// Longest purpose, in characters.
const PURPOSE: usize = 64;
/// Longest source, in characters.
const SOURCE: usize = 2_000;

/// What was said. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Yes.
    Granted = 1,
    /// No, or not any more.
    Withdrawn = 2,
}

impl State {
    /// By its number.
    pub fn of(number: i64) -> Option<State> {
        match number {
            1 => Some(State::Granted),
            2 => Some(State::Withdrawn),
            _ => None,
        }
    }

    /// As the audit shows it.
    pub fn text(self) -> &'static str {
        match self {
            State::Granted => "GRANTED",
            State::Withdrawn => "WITHDRAWN",
        }
    }
}

/// What counts for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What for.
    pub purpose: String,
    /// What was said.
    pub state: State,
    /// When, in microseconds UTC.
    pub state_time: i64,
    /// Id of the word that decides.
    pub consent: String,
}

impl Standing {
    /// Which of two words about one purpose counts: the later one, of the same moment the withdrawal, else what was written down last.
    pub fn compare(&self, other: &Standing) -> Ordering {
        let key = |it: &Standing| (it.state_time, it.state);
        key(self).cmp(&key(other)).then_with(|| self.consent.cmp(&other.consent))
    }
}

/// Checks a purpose.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_purpose(field: &str, purpose: &str) -> Result<()> {
    let good = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if (1..=PURPOSE).contains(&purpose.len()) && purpose.bytes().all(good) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("write 1 to {PURPOSE} of a-z, 0-9 and -, such as \"mailings\"")))
}

/// Checks a source and gives it without blanks around it.
///
/// # Errors
/// INVALID_ARGUMENT.
pub fn check_source(source: &str) -> Result<String> {
    let source = source.trim();
    let is_bad = |it: char| it.is_control() && it != '\n' && it != '\t';
    if source.is_empty() || source.chars().count() > SOURCE || source.chars().any(is_bad) {
        let message = format!("say where the partner said it, in 1 to {SOURCE} characters: it is the proof");
        return Err(Error::invalid("source", message));
    }
    Ok(source.to_owned())
}

/// When it was said, in microseconds UTC.
///
/// # Errors
/// INVALID_ARGUMENT for a time to come, and one before 1970.
pub fn check_time(given: Option<i64>, now: i64) -> Result<i64> {
    match given {
        None => Ok(now),
        Some(time) if (0..=now).contains(&time) => Ok(time),
        Some(_) => Err(Error::invalid("state_time", "it is when the partner said it: from 1970 until now")),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Standing, State, check_purpose, check_time};

    fn said(state: State, state_time: i64, consent: &str) -> Standing {
        Standing { purpose: "mailings".to_owned(), state, state_time, consent: consent.to_owned() }
    }

    #[test]
    fn a_withdrawal_wins_unless_the_grant_is_later() {
        let (no, yes) = (said(State::Withdrawn, 5, "a"), said(State::Granted, 5, "b"));
        assert_eq!(no.compare(&yes), Ordering::Greater);
        assert_eq!(no.compare(&said(State::Granted, 6, "b")), Ordering::Less);
        assert_eq!(no.compare(&said(State::Granted, 4, "b")), Ordering::Greater);
        assert_eq!(yes.compare(&said(State::Granted, 5, "c")), Ordering::Less);
    }

    #[test]
    fn purposes_are_short_and_plain() {
        assert!(check_purpose("purpose", "mailings-2").is_ok());
        for bad in ["", "Mailings", "a b", "ä", &"a".repeat(65)] {
            assert!(check_purpose("purpose", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_says_anything_tomorrow() {
        assert_eq!(check_time(None, 7).unwrap(), 7);
        assert_eq!(check_time(Some(7), 7).unwrap(), 7);
        assert!(check_time(Some(8), 7).is_err() && check_time(Some(-1), 7).is_err());
    }
}
