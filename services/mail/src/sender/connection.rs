//! One connection to the relay: a conversation of which each step is known, so that a refusal is told from a broken line.
//! Called by the deliverers and the test of a mailing.

use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use crate::domain::relay::{Relay, Security};
use crate::domain::reply::Stage;

/// Time for the connection, with TLS and sign-in.
const OPEN: Duration = Duration::from_secs(30);
/// Time for the answer to a command.
const COMMAND: Duration = Duration::from_secs(120);
/// Time for the answer to the whole message (RFC 5321 section 4.5.3.2.6).
const MESSAGE: Duration = Duration::from_secs(600);
/// Messages of one connection: some relays end it after a hundred.
const MESSAGES: u32 = 100;
/// A connection that was idle so long is not used any more.
const IDLE: Duration = Duration::from_secs(10);
/// Longest words of a relay that are kept, in characters.
const WORDS: usize = 500;

/// Why a message was not taken.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Where in the conversation.
    pub stage: Stage,
    /// The reply code; 0 when there was none.
    pub code: i32,
    /// The relay's words, or what broke.
    pub words: String,
}

/// An open connection.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    messages: u32,
    last: Instant,
    is_broken: bool,
}

impl Connection {
    /// Connects, protects the line and signs in.
    ///
    /// # Errors
    /// What the relay said, or what broke; without secrets.
    pub async fn open(relay: &Relay, own_domain: &str) -> Result<Connection, Refusal> {
        let opened = tokio::time::timeout(OPEN, connect(relay, own_domain)).await;
        let smtp = match opened {
            Ok(opened) => opened.map_err(|cause| refusal(Stage::Connection, &cause))?,
            Err(_) => return Err(late(Stage::Connection)),
        };
        Ok(Connection { smtp, messages: 0, last: Instant::now(), is_broken: false })
    }

    /// Whether another message may go over it.
    pub fn is_good(&self) -> bool {
        !self.is_broken && self.messages < MESSAGES && self.last.elapsed() < IDLE
    }

    /// Sends one message. The relay's words when it took it.
    ///
    /// # Errors
    /// What the relay said, or what broke.
    pub async fn send(
        &mut self,
        from: &lettre::Address,
        to: &lettre::Address,
        bytes: &[u8],
    ) -> Result<String, Refusal> {
        self.messages += 1;
        let outcome = self.conversation(from, to, bytes).await;
        self.last = Instant::now();
        if let Err(refusal) = &outcome {
            // 421 says that the relay closes.
            self.is_broken = !(400..=599).contains(&refusal.code) || refusal.code == 421;
            if !self.is_broken {
                self.is_broken = step(Stage::Sender, COMMAND, self.smtp.command(Rset)).await.is_err();
            }
        }
        outcome
    }

    async fn conversation(
        &mut self,
        from: &lettre::Address,
        to: &lettre::Address,
        bytes: &[u8],
    ) -> Result<String, Refusal> {
        let mail = self.smtp.command(Mail::new(Some(from.clone()), Vec::new()));
        step(Stage::Sender, COMMAND, mail).await?;
        let recipient = self.smtp.command(Rcpt::new(to.clone(), Vec::new()));
        step(Stage::Recipient, COMMAND, recipient).await?;
        step(Stage::Content, COMMAND, self.smtp.command(Data)).await?;
        let taken = step(Stage::Content, MESSAGE, self.smtp.message(bytes)).await?;
        Ok(shorten(&taken.message().collect::<Vec<_>>().join(" ")))
    }

    /// Says good-bye.
    pub async fn close(mut self) {
        if !self.is_broken {
            let _ = tokio::time::timeout(Duration::from_secs(2), self.smtp.quit()).await;
        }
    }
}

type Answer<T> = Result<T, lettre::transport::smtp::Error>;

async fn connect(relay: &Relay, own_domain: &str) -> Answer<AsyncSmtpConnection> {
    let hello = ClientId::Domain(own_domain.to_owned());
    let tls = || TlsParameters::new(relay.host.clone());
    let from_the_start = if relay.security == Security::Tls { Some(tls()?) } else { None };
    let place = (relay.host.as_str(), relay.port);
    let mut smtp =
        AsyncSmtpConnection::connect_tokio1(place, Some(OPEN), &hello, from_the_start, None).await?;
    if relay.security == Security::StartTls {
        smtp.starttls(tls()?, &hello).await?;
    }
    if let Some((user, secret)) = &relay.credentials {
        let credentials = Credentials::new(user.clone(), secret.clone());
        smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
    }
    Ok(smtp)
}

async fn step(
    stage: Stage,
    limit: Duration,
    command: impl Future<Output = Answer<Response>>,
) -> Result<Response, Refusal> {
    match tokio::time::timeout(limit, command).await {
        Ok(answer) => answer.map_err(|cause| refusal(stage, &cause)),
        Err(_) => Err(late(stage)),
    }
}

fn late(stage: Stage) -> Refusal {
    Refusal { stage, code: 0, words: "the relay did not answer in time".to_owned() }
}

fn refusal(stage: Stage, cause: &lettre::transport::smtp::Error) -> Refusal {
    let code = cause.status().map_or(0, |code| i32::from(u16::from(code)));
    let words = match std::error::Error::source(cause) {
        Some(source) if code > 0 => source.to_string(),
        _ => cause.to_string(),
    };
    Refusal { stage, code, words: shorten(&words) }
}

fn shorten(words: &str) -> String {
    crate::domain::header::one_line(words).chars().take(WORDS).collect()
}
