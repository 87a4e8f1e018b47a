//! Secrets: app passwords (random, kept as a fast hash) and account passwords (chosen, kept as argon2id).
//! Called by rpc/sign_in.rs, rpc/app_password.rs, rpc/user.rs and admin.rs.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
pub use kontor_kit::secret::Secret as AppSecret;
use kontor_kit::{Error, Result};

/// Longest secret looked at, in bytes.
pub const LONGEST: usize = 1_024;
/// Shortest account password, in characters.
const SHORTEST: usize = 8;

/// What the hash of an app password or a bearer token is for.
const PURPOSE: &str = "kontor app password";

/// What is kept of an app password. A fast hash is enough: 160 random bits can't be guessed.
pub fn hash_of(secret: &AppSecret) -> [u8; 32] {
    secret.hash(PURPOSE)
}

/// An account password, checked.
pub struct Password(String);

impl Password {
    /// A password that a person chose: 8 characters to 1,024 bytes.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field password.
    pub fn parse(text: &str) -> Result<Password> {
        if text.chars().count() < SHORTEST {
            return Err(Error::invalid("password", format!("use at least {SHORTEST} characters")));
        }
        Password::any(text)
    }

    /// A password of any length from 1: those of the demo accounts, which stand in the documents anyway.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field password.
    pub fn any(text: &str) -> Result<Password> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(Error::invalid("password", format!("use 1 to {LONGEST} bytes")));
        }
        Ok(Password(text.to_owned()))
    }

    /// The text that is kept (PHC form). Takes tens of milliseconds: not on an async thread.
    ///
    /// # Errors
    /// INTERNAL.
    pub fn hash(&self, salt: [u8; 16]) -> Result<String> {
        let salt = SaltString::encode_b64(&salt).map_err(Error::internal)?;
        let hash = hasher()?.hash_password(self.0.as_bytes(), &salt).map_err(Error::internal)?;
        Ok(hash.to_string())
    }
}

/// Whether a secret is the password of a kept text. Takes as long as `Password::hash`, in constant time over the hash.
pub fn is_password(secret: &str, kept: &str) -> bool {
    let Ok(hash) = PasswordHash::new(kept) else { return false };
    hasher().is_ok_and(|hasher| hasher.verify_password(secret.as_bytes(), &hash).is_ok())
}

/// argon2id with 19 MiB, two passes and one lane (OWASP's first choice).
fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1_024, 2, 1, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_verifies_against_its_hash_only() {
        let kept = Password::parse("correct horse").unwrap().hash([7; 16]).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_password("correct horse", &kept));
        assert!(!is_password("correct horsf", &kept));
        assert!(!is_password("correct horse", ""));
        assert!(Password::parse("1234567").is_err());
    }
}
