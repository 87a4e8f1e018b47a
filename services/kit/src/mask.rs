//! Field masks (AIP-134): which fields an update takes over.
//! Called by every Update method.

use prost_types::FieldMask;

use crate::{Error, Result};

/// The fields of an update, checked against those that may be changed.
#[derive(Debug, Clone)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Reads a mask. Without one, all of `set` (the fields that the message has set) are taken; "*" takes all of `allowed`.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the unknown or immutable path.
    pub fn read(mask: Option<&FieldMask>, allowed: &[&str], set: &[&str]) -> Result<Mask> {
        let paths = match mask {
            Some(mask) if !mask.paths.is_empty() => &mask.paths,
            _ => return Ok(Mask(set.iter().map(|field| (*field).to_owned()).collect())),
        };
        if paths.iter().any(|path| path == "*") {
            return Ok(Mask(allowed.iter().map(|field| (*field).to_owned()).collect()));
        }
        for path in paths {
            if !allowed.contains(&path.as_str()) {
                let message =
                    format!("{path:?} is not a field that can be changed; those are {}", allowed.join(", "));
                return Err(Error::invalid("update_mask", message));
            }
        }
        Ok(Mask(paths.clone()))
    }

    /// Whether the field is taken over.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|path| path == field)
    }

    /// The fields.
    pub fn fields(&self) -> &[String] {
        &self.0
    }
}
