//! One connection to the relay: a conversation of which each step is known, so that a refusal is told from a broken line.
//! Called by the deliverers and the test of a mailing.
//!
//! A relay that says PIPELINING (RFC 2920) gets the three commands before a message in one go: two waits a message instead of four. A message goes out in one
//! write: of two, the second one would wait until the first one is acknowledged, which takes the other side up to 40 ms (Nagle's algorithm).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Rset};
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
/// How long the certificates are good that were read of the system: reading them takes some milliseconds.
const TRUSTED: Duration = Duration::from_secs(600);

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

/// Whose certificates are trusted: those of the system, read now and then and not for each connection. A process has one relay.
#[derive(Default)]
pub struct Trust(Mutex<Option<(Instant, TlsParameters)>>);

impl Trust {
    fn of(&self, host: &str) -> Answer<TlsParameters> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, tls)) = &*read
            && at.elapsed() < TRUSTED
        {
            return Ok(tls.clone());
        }
        let tls = TlsParameters::new(host.to_owned())?;
        *read = Some((Instant::now(), tls.clone()));
        Ok(tls)
    }
}

impl Refusal {
    /// Whether nothing more is said on this connection.
    fn ends_the_line(&self) -> bool {
        !(400..=599).contains(&self.code) || self.code == 421
    }
}

/// An open connection.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    pipelines: bool,
    messages: u32,
    last: Instant,
    is_broken: bool,
}

impl Connection {
    /// Connects, protects the line and signs in.
    ///
    /// # Errors
    /// What the relay said, or what broke; without secrets.
    pub async fn open(relay: &Relay, own_domain: &str, trust: &Trust) -> Result<Connection, Refusal> {
        let opened = tokio::time::timeout(OPEN, connect(relay, own_domain, trust)).await;
        let (smtp, pipelines) = match opened {
            Ok(opened) => opened.map_err(|cause| refusal(Stage::Connection, &cause))?,
            Err(_) => return Err(late(Stage::Connection)),
        };
        Ok(Connection { smtp, pipelines, messages: 0, last: Instant::now(), is_broken: false })
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
        (from, to): (&lettre::Address, &lettre::Address),
        message: &str,
    ) -> Result<String, Refusal> {
        self.messages += 1;
        let outcome = self.conversation((from, to), message).await;
        self.last = Instant::now();
        if let Err(refusal) = &outcome {
            self.is_broken |= refusal.ends_the_line();
            if !self.is_broken {
                self.is_broken = step(Stage::Sender, COMMAND, self.smtp.command(Rset)).await.is_err();
            }
        }
        outcome
    }

    async fn conversation(
        &mut self,
        (from, to): (&lettre::Address, &lettre::Address),
        message: &str,
    ) -> Result<String, Refusal> {
        let (mail, recipient) =
            (Mail::new(Some(from.clone()), Vec::new()), Rcpt::new(to.clone(), Vec::new()));
        if self.pipelines {
            self.in_one_go(&mail, &recipient).await?;
        } else {
            step(Stage::Sender, COMMAND, self.smtp.command(mail)).await?;
            step(Stage::Recipient, COMMAND, self.smtp.command(recipient)).await?;
            in_turn(step(Stage::Content, COMMAND, self.smtp.command(Data)).await?, true)?;
        }
        let taken = step(Stage::Content, MESSAGE, self.smtp.command(on_the_wire(message))).await?;
        let taken = in_turn(taken, false)?;
        Ok(shorten(&taken.message().collect::<Vec<_>>().join(" ")))
    }

    /// The three commands before the message at once. Each has its own answer; the first refusal counts, for those behind it follow from it.
    async fn in_one_go(&mut self, mail: &Mail, recipient: &Rcpt) -> Result<(), Refusal> {
        let commands = format!("{mail}{recipient}{Data}");
        let mail = step(Stage::Sender, COMMAND, self.smtp.command(commands)).await;
        if mail.as_ref().is_err_and(Refusal::ends_the_line) {
            return mail.map(|_| ());
        }
        let recipient = step(Stage::Recipient, COMMAND, self.smtp.read_response()).await;
        if recipient.as_ref().is_err_and(Refusal::ends_the_line) {
            self.is_broken = true;
            return mail.and(recipient).map(|_| ());
        }
        let content = step(Stage::Content, COMMAND, self.smtp.read_response()).await;
        let content = content.and_then(|answer| in_turn(answer, true));
        // An answer that is missing must not be taken for that to a later command.
        self.is_broken |= content.as_ref().is_err_and(Refusal::ends_the_line);
        let refused = mail.and(recipient);
        if refused.is_err() && content.is_ok() {
            // It takes a message for nobody: an empty one ends that (RFC 2920 section 3.1).
            let ended = step(Stage::Content, COMMAND, self.smtp.command(".\r\n")).await;
            self.is_broken |= ended.is_err_and(|it| it.ends_the_line());
        }
        refused.and(content).map(|_| ())
    }

    /// Says good-bye.
    pub async fn close(mut self) {
        if !self.is_broken {
            let _ = tokio::time::timeout(Duration::from_secs(2), self.smtp.quit()).await;
        }
    }
}

/// 354 asks for the message and answers nothing else (RFC 5321 section 4.3.2). A relay that is out of turn gets nothing more on this connection.
fn in_turn(answer: Response, is_data: bool) -> Result<Response, Refusal> {
    if answer.has_code(354) == is_data {
        return Ok(answer);
    }
    Err(Refusal { stage: Stage::Content, code: 0, words: "the relay answers out of turn".to_owned() })
}

type Answer<T> = Result<T, lettre::transport::smtp::Error>;

async fn connect(relay: &Relay, own_domain: &str, trust: &Trust) -> Answer<(AsyncSmtpConnection, bool)> {
    let hello = ClientId::Domain(own_domain.to_owned());
    let tls = || trust.of(&relay.host);
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
    let pipelines = pipelines(&mut smtp, hello).await?;
    Ok((smtp, pipelines))
}

/// Whether the relay takes several commands in one go. The library does not keep that, so it is asked once more; one that minds gets one command after the other.
async fn pipelines(smtp: &mut AsyncSmtpConnection, hello: ClientId) -> Answer<bool> {
    match smtp.command(Ehlo::new(hello)).await {
        Ok(answer) if answer.has_code(250) => {
            Ok(answer.message().any(|line| line.trim().eq_ignore_ascii_case("PIPELINING")))
        }
        Ok(_) => Ok(false),
        // What it says to a command that it does not take; a refused sign-in is none of these.
        Err(cause) if cause.status().is_some_and(|code| (500..=504).contains(&u16::from(code))) => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// A message with its end, and with a second dot where a line begins with one (RFC 5321 section 4.5.2).
fn on_the_wire(message: &str) -> String {
    let mut wire = String::with_capacity(message.len() + 64);
    for line in message.split_inclusive('\n') {
        if line.starts_with('.') {
            wire.push('.');
        }
        wire.push_str(line);
    }
    if !wire.ends_with("\r\n") {
        wire.push_str("\r\n");
    }
    wire.push_str(".\r\n");
    wire
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
    Refusal { stage, code, words: shorten(&with_advice(words)) }
}

/// What to do about a certificate that is not trusted: the library's words are those of a programmer.
fn with_advice(words: String) -> String {
    let why = match words.split_once("invalid peer certificate: ") {
        None => return words,
        Some((_, why)) => why,
    };
    let advice = if why.starts_with("UnknownIssuer") {
        "; nobody whom this system trusts has signed it: install its issuer's certificate, or name its file in SSL_CERT_FILE"
    } else if why.contains("not valid for name") {
        "; write the name in mail.relay that the certificate has"
    } else {
        ""
    };
    format!("the relay's certificate is refused: {why}{advice}")
}

fn shorten(words: &str) -> String {
    crate::domain::header::one_line(words).chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::{on_the_wire, with_advice};

    #[test]
    fn a_line_of_a_dot_does_not_end_a_message() {
        assert_eq!(on_the_wire("a\r\n.\r\n..b\r\nc.d\r\n"), "a\r\n..\r\n...b\r\nc.d\r\n.\r\n");
        assert_eq!(on_the_wire(".a"), "..a\r\n.\r\n");
        // Some servers take a bare line feed for the end of a line.
        assert_eq!(on_the_wire("a\n.\nb"), "a\n..\nb\r\n.\r\n");
    }

    #[test]
    fn other_words_stay_as_they_are() {
        assert_eq!(with_advice("connection refused".to_owned()), "connection refused");
        let told = with_advice("x: invalid peer certificate: Revoked".to_owned());
        assert_eq!(told, "the relay's certificate is refused: Revoked");
    }
}
