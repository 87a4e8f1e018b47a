//! One connection to an Asterisk, by TCP or TLS: bytes in, messages out, actions with ids.
//! Called by [`super::line`], which decides what to ask and what messages mean.

use std::time::Duration;

use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::action::Action;
use super::config::Config;
use super::message::{self, Message};
use super::wire;
use crate::connectors::failure::Failure;
use crate::connectors::stream::{self, Bytes};

/// How much is read at once.
const READ_BYTES: usize = 32 * 1024;

/// A connection.
pub(super) struct Link {
    stream: Box<dyn Bytes>,
    decoder: wire::Decoder,
    chunk: Box<[u8]>,
    next_id: u64,
}

impl Link {
    /// Connects and takes the banner.
    pub(super) async fn connect(config: &Config) -> Result<Link, Failure> {
        let (tls, patience) = (config.tls.as_ref(), config.timing.answer);
        let stream = stream::connect(&config.host, config.port, tls, patience).await?;
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
        let bytes = action.render(&id).map_err(|cause| Failure::BadOrder(cause.to_string()))?;
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
        while let Some(range) =
            self.decoder.next_range().map_err(|cause| Failure::Foreign(format!("AMI: {cause}")))?
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_key_is_the_md5_of_challenge_and_secret() {
        // printf '%s' 840415273mysecret | md5sum
        assert_eq!(challenge_key("840415273", "mysecret"), "72ee2809cbf69e9bdb27bdd924cda8e3");
    }
}
