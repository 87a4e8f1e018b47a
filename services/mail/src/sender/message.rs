//! A message as it goes over the wire: headers, the two bodies, and its signature.
//! Called by the preview, the test and the sender.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};

use crate::domain::header::one_line;
use crate::domain::{Address, Mailbox};
use crate::settings::Settings;

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
    /// Where the recipient unsubscribes; empty in a test.
    pub unsubscribe_url: &'a str,
}

/// The bytes of a message.
///
/// # Errors
/// In words, why it can't be made.
pub fn build(settings: &Settings, parts: Parts<'_>) -> Result<Vec<u8>, String> {
    let Parts { from, reply_to, to_name, to, subject, text, html, message_id, .. } = parts;
    let date = UNIX_EPOCH + Duration::from_micros(parts.date.unsigned_abs());
    let to = Mailbox { name: one_line(to_name), address: to.clone() };
    let mut builder = lettre::Message::builder()
        .date(date)
        .from(mailbox(from)?)
        .to(mailbox(&to)?)
        .subject(one_line(subject))
        .message_id(Some(message_id.to_owned()));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(mailbox(reply_to)?);
    }
    let message = if html.is_empty() {
        builder.singlepart(SinglePart::plain(text.to_owned()))
    } else {
        builder.multipart(MultiPart::alternative_plain_html(text.to_owned(), html.to_owned()))
    };
    let mut message = message.map_err(|cause| cause.to_string())?;
    let mut header = |name: &'static str, value: String| {
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    // Who is away does not answer these.
    header("Precedence", "bulk".to_owned());
    if parts.unsubscribe_url.is_empty() {
        header("X-Kontor-Test", "yes".to_owned());
    } else {
        header("List-Unsubscribe", format!("<{}>", parts.unsubscribe_url));
        header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
    }
    if let Some(dkim) = &settings.dkim {
        message.sign(dkim);
    }
    Ok(message.formatted())
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
