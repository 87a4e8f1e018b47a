//! Why a connection to a telephone system came to its end, and which refusals are none.
//! Used by the links and lines of ami, ari and freeswitch; the loop in run.rs looks at it.

use std::time::Duration;
use std::{fmt, io};

use tracing::warn;

/// Why a connection came to its end.
#[derive(Debug)]
pub enum Failure {
    /// The network or TLS said no.
    Io(io::Error),
    /// The telephone system closed the connection.
    Closed,
    /// Nothing came for so long.
    Silent(Duration),
    /// What came is not what it should speak, in words.
    Foreign(String),
    /// It refused something, with these words.
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Its words.
        words: String,
    },
    /// An order cannot be written down, in words.
    BadOrder(String),
    /// It is another one than it was, though the connection stayed.
    Restarted,
    /// Nobody takes the facts any more.
    Unwanted,
}

impl Failure {
    /// Whether trying again soon is of no use: a wrong secret does not become right in a second.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Failure::Refused { .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(error) => write!(f, "the connection failed: {error}"),
            Failure::Closed => f.write_str("the telephone system closed the connection"),
            Failure::Silent(time) => {
                write!(f, "the telephone system said nothing for {:.0} s", time.as_secs_f64())
            }
            Failure::Foreign(words) => write!(f, "the telephone system does not speak {words}"),
            Failure::Refused { what, words } => write!(f, "the telephone system refused {what}: {words}"),
            Failure::BadOrder(words) => write!(f, "an order cannot be sent: {words}"),
            Failure::Restarted => f.write_str("the telephone system was started anew"),
            Failure::Unwanted => f.write_str("the events are not taken any more"),
        }
    }
}

/// A refused question is no reason to hang up: the account may lack a right, or there are no queues.
pub(super) fn optional<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure::Refused { what, words }) => {
            warn!(what, words, "telephone system does not tell everything");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
