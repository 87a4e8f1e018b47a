//! One connection to a FreeSWITCH, by TCP or TLS: bytes in, frames out, commands written.
//! Called by [`super::line`], which decides what to ask and what frames mean.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::config::Config;
use super::wire::{self, Frame};
use crate::connectors::failure::Failure;
use crate::connectors::stream::{self, Bytes};

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A connection.
pub(super) struct Link {
    stream: Box<dyn Bytes>,
    decoder: wire::Decoder,
    chunk: Box<[u8]>,
}

impl Link {
    /// Connects.
    pub(super) async fn connect(config: &Config) -> Result<Link, Failure> {
        let (tls, patience) = (config.tls.as_ref(), config.timing.answer);
        let stream = stream::connect(&config.host, config.port, tls, patience).await?;
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
        self.decoder.next().map_err(|cause| Failure::Foreign(format!("as an event socket: {cause}")))
    }
}
