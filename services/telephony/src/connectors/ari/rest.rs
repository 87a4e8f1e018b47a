//! Questions and orders to an Asterisk over HTTP: one connection for each, for there are few.
//! Called by [`super::line`].

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::config::Config;
use super::event;
use crate::connectors::failure::Failure;
use crate::connectors::session::Refusal;
use crate::connectors::stream::{self, Tls};
use crate::domain::dial::Originate;

/// Largest answer, in bytes: some thousand channels.
pub(super) const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// What stands as it is in a query or a part of a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How an Asterisk is asked. Cheap to clone; the password is in it, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Rest {
    host: String,
    port: u16,
    tls: Option<Tls>,
    authorization: HeaderValue,
    patience: Duration,
}

/// How far a question got.
enum Broken {
    /// It did not get onto the wire.
    Before(Failure),
    /// It may have arrived.
    After(Failure),
}

impl Rest {
    pub(super) fn new(config: &Config) -> Result<Rest, Failure> {
        Ok(Rest {
            host: config.host.clone(),
            port: config.port,
            tls: config.tls.clone(),
            authorization: authorization(config)?,
            patience: config.timing.answer,
        })
    }

    /// Asks for JSON.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<T, Failure> {
        let body = taken(what, self.send(Method::GET, path, Bytes::new()).await)?;
        serde_json::from_slice(&body).map_err(|cause| Failure::Foreign(format!("ARI: {what}: {cause}")))
    }

    /// Sends JSON.
    pub(super) async fn put(&self, what: &'static str, path: &str, body: String) -> Result<(), Failure> {
        taken(what, self.send(Method::PUT, path, body.into()).await).map(|_| ())
    }

    /// Orders a call.
    pub(super) async fn originate(&self, order: &Originate) -> Result<(), Refusal> {
        // Asterisk takes whole seconds
        let ring = order.ring.as_millis().div_ceil(1_000).to_string();
        let mut query = vec![
            ("endpoint", order.channel.as_str()),
            ("extension", &order.exten),
            ("context", &order.context),
            ("priority", "1"),
            ("timeout", &ring),
            ("channelId", &order.id),
        ];
        query.extend(order.caller_id.as_deref().map(|text| ("callerId", text)));
        let query: Vec<String> =
            query.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        self.order(Method::POST, &format!("channels?{}", query.join("&"))).await
    }

    /// Hangs up a channel.
    pub(super) async fn hang_up(&self, channel: &str) -> Result<(), Refusal> {
        self.order(Method::DELETE, &format!("channels/{}", encoded(channel))).await
    }

    async fn order(&self, method: Method, path: &str) -> Result<(), Refusal> {
        match self.send(method, path, Bytes::new()).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, body)) => Err(Refusal::Refused(words(status, &body))),
            Err(Broken::Before(failure)) => Err(Refusal::NotSent(failure.to_string())),
            Err(Broken::After(failure)) => Err(Refusal::Lost(failure.to_string())),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Broken> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/ari/{path}"))
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        let request = request.map_err(|cause| Broken::Before(Failure::BadOrder(cause.to_string())))?;
        let stream = stream::connect(&self.host, self.port, self.tls.as_ref(), self.patience).await;
        let stream = TokioIo::new(stream.map_err(Broken::Before)?);
        let shaken = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = shaken.map_err(|cause| Broken::Before(foreign(&cause)))?;
        // the sender goes with the exchange, so that the connection ends after it
        let exchange = async move {
            let answer = sender.send_request(request).await.map_err(|cause| foreign(&cause))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|cause| Failure::Foreign(format!("HTTP: {cause}")))?.to_bytes()))
        };
        // how the connection ends does not matter: if it was too early, the exchange says so
        let answer = timeout(self.patience, async { tokio::join!(exchange, connection).0 });
        let answer = answer.await.unwrap_or(Err(Failure::Silent(self.patience)));
        answer.map_err(Broken::After)
    }
}

/// The header by which Asterisk knows us. Never in an address: those are logged.
pub(super) fn authorization(config: &Config) -> Result<HeaderValue, Failure> {
    let pair = format!("{}:{}", config.user, config.password.0);
    let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
    let mut value = value.map_err(|cause| Failure::BadOrder(cause.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn taken(what: &'static str, answer: Result<(StatusCode, Bytes), Broken>) -> Result<Bytes, Failure> {
    let (status, body) = answer.map_err(|(Broken::Before(failure) | Broken::After(failure))| failure)?;
    if !status.is_success() {
        return Err(Failure::Refused { what, words: words(status, &body) });
    }
    event::check(&body, MAX_ANSWER).map_err(|words| Failure::Foreign(format!("ARI: {what}: {words}")))?;
    Ok(body)
}

/// What a refusal means, for people.
pub(super) fn words(status: StatusCode, body: &[u8]) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "check user and password in ari.conf (401)".to_owned(),
        StatusCode::FORBIDDEN => "the user in ari.conf is read_only (403)".to_owned(),
        StatusCode::NOT_FOUND if body.is_empty() => "there is no ARI: enable it in ari.conf (404)".to_owned(),
        status => {
            let said = serde_json::from_slice::<serde_json::Value>(body).ok();
            let said = said.as_ref().and_then(|said| said.get("message").or(said.get("error"))?.as_str());
            let said: String = said.unwrap_or("no reason given").chars().take(200).collect();
            format!("{said} ({})", status.as_u16())
        }
    }
}

fn foreign(cause: &hyper::Error) -> Failure {
    Failure::Foreign(format!("HTTP: {cause}"))
}
