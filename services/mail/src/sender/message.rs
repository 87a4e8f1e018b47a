//! A message as it goes over the wire: headers, the two bodies, and its signature.
//! Called by the preview, the test and the sender.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};

use crate::domain::header::one_line;
use crate::domain::{Address, Mailbox};
use crate::settings::Settings;

/// Longest name of a recipient in characters; what is longer is cut.
const NAME: usize = 100;
/// Longest subject in characters, when its fields are in it. The library that signs goes down one call for each character of a header.
const SUBJECT: usize = 500;

/// All that a message is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// From.
    pub from: &'a Mailbox,
    /// Where answers go.
    pub reply_to: Option<&'a Mailbox>,
    /// The recipient's name for people; may be empty.
    pub to_name: &'a str,
    /// The recipient.
    pub to: &'a Address,
    /// One line.
    pub subject: &'a str,
    /// The plain text.
    pub text: &'a str,
    /// A whole document; empty for text alone.
    pub html: &'a str,
    /// With its angle brackets.
    pub message_id: &'a str,
    /// Microseconds UTC.
    pub date: i64,
    /// Where the recipient unsubscribes; empty when there is no public address.
    pub unsubscribe_url: &'a str,
    /// It is a test.
    pub is_test: bool,
}

/// A message, in ASCII and with CRLF at the end of each line.
///
/// # Errors
/// In words, why it can't be made.
pub fn build(settings: &Settings, parts: Parts<'_>) -> Result<String, String> {
    let Parts { from, reply_to, to_name, to, subject, text, html, message_id, .. } = parts;
    let subject = one_line(subject);
    if subject.chars().count() > SUBJECT {
        return Err(format!("its subject is longer than {SUBJECT} characters"));
    }
    let date = UNIX_EPOCH + Duration::from_micros(parts.date.unsigned_abs());
    let to = Mailbox { name: one_line(to_name).chars().take(NAME).collect(), address: to.clone() };
    let mut builder = lettre::Message::builder()
        .date(date)
        .from(mailbox(from)?)
        .to(mailbox(&to)?)
        .subject(subject)
        .message_id(Some(message_id.to_owned()));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(mailbox(reply_to)?);
    }
    let message = if html.is_empty() {
        builder.singlepart(SinglePart::plain(with_crlf(text)))
    } else {
        builder.multipart(MultiPart::alternative_plain_html(with_crlf(text), with_crlf(html)))
    };
    let mut message = message.map_err(|cause| cause.to_string())?;
    let mut header = |name: &'static str, value: String| {
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    // Who is away does not answer these.
    header("Precedence", "bulk".to_owned());
    if parts.is_test {
        header("X-Kontor-Test", "yes".to_owned());
    }
    if !parts.unsubscribe_url.is_empty() {
        header("List-Unsubscribe", format!("<{}>", parts.unsubscribe_url));
        header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
    }
    if let Some(dkim) = &settings.dkim {
        message.sign(dkim);
    }
    String::from_utf8(message.formatted()).map_err(|_| "it is no text".to_owned())
}

/// A text with CRLF for each of CR, LF and CRLF. The library would insert each CR into the whole text, which takes seconds of a long one; and nobody may end a message
/// by a bare CR or LF.
fn with_crlf(text: &str) -> String {
    let (mut rest, mut out) = (text, String::with_capacity(text.len() + text.len() / 16));
    while let Some(at) = rest.find(['\r', '\n']) {
        out.push_str(&rest[..at]);
        out.push_str("\r\n");
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    out.push_str(rest);
    out
}

fn mailbox(mailbox: &Mailbox) -> Result<lettre::message::Mailbox, String> {
    let name = (!mailbox.name.is_empty()).then(|| mailbox.name.clone());
    Ok(lettre::message::Mailbox::new(name, address(&mailbox.address)?))
}

/// An address as the library has it.
///
/// # Errors
/// In words, when it refuses one that we took.
pub fn address(address: &Address) -> Result<lettre::Address, String> {
    lettre::Address::new(address.local(), address.domain()).map_err(|cause| format!("{address}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    #[test]
    fn every_line_ends_in_the_same_way() {
        assert_eq!(with_crlf("a\nb\r\nc\rd\r\r\n\n"), "a\r\nb\r\nc\r\nd\r\n\r\n\r\n");
        assert_eq!(with_crlf("é"), "é");
    }

    /// The longest headers that there are, signed on a stack as small as that of the threads that do it.
    #[test]
    fn the_longest_headers_are_signed_on_a_small_stack() {
        let file = std::env::temp_dir().join(format!("kontor-key-{}.pem", kontor_kit::id::new()));
        // An Ed25519 key of RFC 8410 section 10.3.
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        std::fs::write(&file, key).unwrap();
        let config = Config {
            dkim_domain: "example.com".to_owned(),
            dkim_selector: "k1".to_owned(),
            dkim_key_file: file.display().to_string(),
            ..Config::default()
        };
        let settings = Settings::read(&config).ok().unwrap();
        std::fs::remove_file(file).unwrap();
        let wide = |count: usize| "\u{1f4e8}".repeat(count);
        let address = crate::domain::Address::parse(&format!("{}@example.com", "a".repeat(64))).unwrap();
        let mailbox = Mailbox { name: wide(200), address: address.clone() };
        let build = move |subject: usize| {
            let url = format!("https://crm.example.com/unsubscribe/{}", "0".repeat(32));
            let subject = wide(subject);
            let parts = Parts {
                from: &mailbox,
                reply_to: Some(&mailbox),
                to_name: &wide(500),
                to: &address,
                subject: &subject,
                text: "x",
                html: "<p>x</p>",
                message_id: "<0198@example.com>",
                date: 1_795_424_400_000_000,
                unsubscribe_url: &url,
                is_test: false,
            };
            build(&settings, parts)
        };
        let work = move || (build(SUBJECT), build(SUBJECT + 1));
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap();
        let (longest, longer) = thread.join().unwrap();
        let longest = longest.unwrap();
        assert!(longest.contains("DKIM-Signature: v=1; a=ed25519-sha256"), "{longest}");
        assert!(longest.split("\r\n").all(|line| line.len() < 998), "lines are folded");
        assert!(longer.unwrap_err().contains("subject"));
    }
}
