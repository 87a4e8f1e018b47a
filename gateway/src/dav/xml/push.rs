//! The body of push-register (draft-bitfire-webdav-push-00) as a type.
//! Called by methods/push.rs.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;

use super::Space;
use super::reader::{Error, Reader, malformed};

/// base64url with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// What a client registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Address that messages are posted to; empty when there is none.
    pub push_resource: String,
    /// Public key; empty when there is none, or none that is understood.
    pub public_key: Vec<u8>,
    /// Authentication secret; the same.
    pub auth_secret: Vec<u8>,
    /// The encoding, when one is named.
    pub content_encoding: Option<String>,
    /// Wants to hear of new, changed and removed objects.
    pub content_updates: bool,
    /// Wants to hear of changed properties.
    pub property_updates: bool,
    /// When it should end, as it stands there; may be empty.
    pub expires: String,
}

/// Reads the body. Elements that are not known are passed over. Without triggers all are meant (section 3.1).
///
/// # Errors
/// When it is no XML, or something else than push-register.
pub fn register(body: &[u8]) -> Result<Register, Error> {
    let mut reader = Reader::new(body)?;
    if !reader.root()?.is(&Space::Push, "push-register") {
        return Err(malformed("the root element is not push-register"));
    }
    let mut found = Register::default();
    let mut triggers = 0;
    while let Some(child) = reader.child()? {
        match (&child.space, child.local()) {
            (Space::Push, "subscription") => subscription(&mut reader, &mut found)?,
            (Space::Push, "trigger") => {
                while let Some(trigger) = reader.child()? {
                    triggers += 1;
                    found.content_updates |= trigger.is(&Space::Push, "content-update");
                    found.property_updates |= trigger.is(&Space::Push, "property-update");
                    reader.skip()?;
                }
            }
            (Space::Push, "expires") => found.expires = reader.text()?.trim().to_owned(),
            _ => reader.skip()?,
        }
    }
    reader.finish()?;
    if triggers == 0 {
        (found.content_updates, found.property_updates) = (true, true);
    }
    Ok(found)
}

fn subscription(reader: &mut Reader<'_>, found: &mut Register) -> Result<(), Error> {
    while let Some(child) = reader.child()? {
        if !child.is(&Space::Push, "web-push-subscription") {
            reader.skip()?;
            continue;
        }
        while let Some(part) = reader.child()? {
            match (&part.space, part.local()) {
                (Space::Push, "push-resource") => found.push_resource = reader.text()?.trim().to_owned(),
                (Space::Push, "content-encoding") => {
                    found.content_encoding = Some(reader.text()?.trim().to_owned());
                }
                // Earlier versions of the draft called it by the second name.
                (Space::Push, "subscription-public-key" | "client-public-key") => {
                    found.public_key = decoded(&reader.text()?);
                }
                (Space::Push, "auth-secret") => found.auth_secret = decoded(&reader.text()?),
                _ => reader.skip()?,
            }
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text.trim()).unwrap_or_default()
}
