//! One TCP connection to an Asterisk: bytes in, messages out, actions with ids.
//! Called by [`super::line`], which decides what to ask and what messages mean.

use std::fmt;
use std::io;
use std::time::Duration;

use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::action::{Action, BadValue};
use super::config::Config;
use super::message::{self, Message};
use super::wire;

/// How much is read at once.
const READ_BYTES: usize = 32 * 1024;

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    decoder: wire::Decoder,
    chunk: Box<[u8]>,
    next_id: u64,
}

impl Link {
    /// Connects and takes the banner.
    pub(super) async fn connect(config: &Config) -> Result<Link, Failure> {
        let address = (config.host.as_str(), config.port);
        let connected = timeout(config.timing.answer, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| Failure::Silent(config.timing.answer))?.map_err(Failure::Io)?;
        // actions are small and each waits for its answer
        stream.set_nodelay(true).map_err(Failure::Io)?;
        let chunk = vec![0; READ_BYTES].into_boxed_slice();
        Ok(Link { stream, decoder: wire::Decoder::new(), chunk, next_id: 0 })
    }

    /// The version in the banner, once it came.
    pub(super) fn version(&self) -> Option<&str> {
        self.decoder.version()
    }

    /// Writes an action and tells its id.
    pub(super) async fn send(&mut self, action: &Action) -> Result<String, Failure> {
        self.next_id += 1;
        let id = action.id().map_or_else(|| format!("kontor-session-{}", self.next_id), str::to_owned);
        let bytes = action.render(&id).map_err(Failure::BadAction)?;
        self.stream.write_all(&bytes).await.map_err(Failure::Io)?;
        Ok(id)
    }

    /// Waits for bytes, at most so long. Dropping this while it waits loses nothing.
    pub(super) async fn fill(&mut self, patience: Duration) -> Result<(), Failure> {
        let read = timeout(patience, self.stream.read(&mut self.chunk)).await;
        let count = read.map_err(|_| Failure::Silent(patience))?.map_err(Failure::Io)?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        self.decoder.push(&self.chunk[..count]);
        Ok(())
    }

    /// The next wanted message among the bytes that are here; the door drops the others unread.
    pub(super) fn next(&mut self) -> Result<Option<Message<'_>>, Failure> {
        while let Some(range) = self.decoder.next_range().map_err(Failure::Wire)? {
            if message::is_wanted(self.decoder.bytes(range.clone())) {
                return Ok(Some(Message::read(self.decoder.bytes(range))));
            }
        }
        Ok(None)
    }
}

/// The answer to the challenge of an Asterisk, as it wants it: MD5 of challenge and secret.
pub(super) fn challenge_key(challenge: &str, secret: &str) -> String {
    let digest = Md5::new().chain_update(challenge).chain_update(secret).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a connection came to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The network said no.
    Io(io::Error),
    /// The Asterisk closed the connection.
    Closed,
    /// Nothing came for so long.
    Silent(Duration),
    /// What came is not AMI.
    Wire(wire::Error),
    /// The Asterisk refused an action, with these words.
    Refused { what: &'static str, words: String },
    /// An action cannot be written.
    BadAction(BadValue),
    /// Nobody takes the facts any more.
    Unwanted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(error) => write!(f, "the connection failed: {error}"),
            Failure::Closed => f.write_str("the telephone system closed the connection"),
            Failure::Silent(time) => write!(f, "the telephone system said nothing for {time:?}"),
            Failure::Wire(error) => write!(f, "the telephone system does not speak AMI: {error}"),
            Failure::Refused { what, words } => write!(f, "the telephone system refused {what}: {words}"),
            Failure::BadAction(error) => write!(f, "an action cannot be sent: {error}"),
            Failure::Unwanted => f.write_str("the events are not taken any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_key_is_the_md5_of_challenge_and_secret() {
        // printf '%s' 840415273mysecret | md5sum
        assert_eq!(challenge_key("840415273", "mysecret"), "72ee2809cbf69e9bdb27bdd924cda8e3");
    }
}
