//! The WebSocket over which an Asterisk tells its events.
//! Called by [`super::line`], which decides what events mean.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::config::Config;
use super::event::MAX_BYTES;
use super::rest::{authorization, encoded, words};
use crate::connectors::failure::Failure;
use crate::connectors::stream::{self, Bytes};

/// What came.
pub(super) enum Heard {
    /// An event.
    Event(String),
    /// A sign of life.
    Life,
}

/// A connection.
pub(super) struct Link(WebSocketStream<Box<dyn Bytes>>);

impl Link {
    /// Connects, proves who we are, and subscribes to all there is.
    pub(super) async fn connect(config: &Config) -> Result<Link, Failure> {
        let (tls, patience) = (config.tls.as_ref(), config.timing.answer);
        let stream = stream::connect(&config.host, config.port, tls, patience).await?;
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() };
        let application = encoded(&config.application);
        let address =
            format!("{scheme}://{host}:{}/ari/events?app={application}&subscribeAll=true", config.port);
        let mut request = address.into_client_request().map_err(|cause| broken(cause, patience))?;
        request.headers_mut().insert(header::AUTHORIZATION, authorization(config)?);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_BYTES))
            .max_frame_size(Some(MAX_BYTES))
            .max_write_buffer_size(MAX_BYTES);
        let opened = timeout(patience, client_async_with_config(request, stream, Some(limits))).await;
        let (socket, _) =
            opened.map_err(|_| Failure::Silent(patience))?.map_err(|cause| broken(cause, patience))?;
        Ok(Link(socket))
    }

    /// Waits for what comes next, at most so long. Dropping this while it waits loses nothing.
    pub(super) async fn hear(&mut self, patience: Duration) -> Result<Heard, Failure> {
        let heard = timeout(patience, self.0.next()).await.map_err(|_| Failure::Silent(patience))?;
        match heard {
            None | Some(Ok(Message::Close(_))) => Err(Failure::Closed),
            Some(Ok(Message::Text(text))) => Ok(Heard::Event(text.as_str().to_owned())),
            // pings are answered by the library
            Some(Ok(_)) => Ok(Heard::Life),
            Some(Err(cause)) => Err(broken(cause, patience)),
        }
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self, patience: Duration) -> Result<(), Failure> {
        let sent = timeout(patience, self.0.send(Message::Ping(Vec::new().into()))).await;
        sent.map_err(|_| Failure::Silent(patience))?.map_err(|cause| broken(cause, patience))
    }
}

fn broken(cause: tungstenite::Error, patience: Duration) -> Failure {
    match cause {
        tungstenite::Error::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
            Failure::Silent(patience)
        }
        tungstenite::Error::Io(cause) => Failure::Io(cause),
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Failure::Closed,
        tungstenite::Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            Failure::Refused { what: "the log-in", words: words(answer.status(), body) }
        }
        cause => Failure::Foreign(format!("WebSocket: {cause}")),
    }
}
