//! One TCP connection to a FreeSWITCH: bytes in, frames out, commands written.
//! Called by [`super::line`], which decides what to ask and what frames mean.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::Config;
use super::wire::{self, Frame};

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    decoder: wire::Decoder,
    chunk: Box<[u8]>,
}

impl Link {
    /// Connects.
    pub(super) async fn connect(config: &Config) -> Result<Link, Failure> {
        let address = (config.host.as_str(), config.port);
        let connected = timeout(config.timing.answer, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| Failure::Silent(config.timing.answer))?.map_err(Failure::Io)?;
        // commands are small and each waits for its answer
        stream.set_nodelay(true).map_err(Failure::Io)?;
        let chunk = vec![0; READ_BYTES].into_boxed_slice();
        Ok(Link { stream, decoder: wire::Decoder::new(), chunk })
    }

    /// Writes a command.
    pub(super) async fn send(&mut self, command: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(command).await.map_err(Failure::Io)
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

    /// The next frame among the bytes that are here.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Failure> {
        self.decoder.next().map_err(Failure::Wire)
    }
}

/// Why a connection came to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The network said no.
    Io(io::Error),
    /// The FreeSWITCH closed the connection.
    Closed,
    /// It said nothing for so long.
    Silent(Duration),
    /// What came is no event socket.
    Wire(wire::Error),
    /// It refused something, with these words.
    Refused { what: &'static str, words: String },
    /// A command cannot be written.
    BadCommand(String),
    /// It is another one than it was, though the connection stayed.
    Restarted,
    /// Nobody takes the facts any more.
    Unwanted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(error) => write!(f, "the connection failed: {error}"),
            Failure::Closed => f.write_str("the telephone system closed the connection"),
            Failure::Silent(time) => write!(f, "the telephone system said nothing for {time:?}"),
            Failure::Wire(error) => {
                write!(f, "the telephone system does not speak as an event socket: {error}")
            }
            Failure::Refused { what, words } => write!(f, "the telephone system refused {what}: {words}"),
            Failure::BadCommand(words) => write!(f, "a command cannot be sent: {words}"),
            Failure::Restarted => f.write_str("the telephone system was started anew"),
            Failure::Unwanted => f.write_str("the events are not taken any more"),
        }
    }
}
