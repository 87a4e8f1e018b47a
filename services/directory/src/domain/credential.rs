//! Secrets: app passwords (random, kept as a fast hash) and account passwords (chosen, kept as argon2id).
//! Called by rpc/sign_in.rs, rpc/app_password.rs, rpc/user.rs and admin.rs.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

/// Letters of an app password: no i, l, o, u, which are easily taken for others (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters in an app password: 5 bits each make 160.
const LENGTH: usize = 32;
/// Longest secret looked at, in bytes.
pub const LONGEST: usize = 1_024;
/// Shortest account password, in characters.
const SHORTEST: usize = 8;

/// An app password or a bearer token in its plain form: 32 letters, without dashes.
#[derive(Clone)]
pub struct AppSecret([u8; LENGTH]);

impl AppSecret {
    /// Makes one from 20 random bytes.
    pub fn from_random(random: [u8; 20]) -> AppSecret {
        let mut letters = [0; LENGTH];
        for (place, letter) in letters.iter_mut().enumerate() {
            let bit = place * 5;
            let pair = u16::from_be_bytes([random[bit / 8], *random.get(bit / 8 + 1).unwrap_or(&0)]);
            *letter = LETTERS[usize::from((pair >> (11 - bit % 8)) & 31)];
        }
        AppSecret(letters)
    }

    /// Reads what a person typed: case, dashes and blanks don't matter, o is 0, i and l are 1. None when it can't be one.
    pub fn read(text: &str) -> Option<AppSecret> {
        if text.len() > 2 * LENGTH {
            return None;
        }
        let mut letters = [0; LENGTH];
        let mut count = 0;
        for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
            let letter = match byte.to_ascii_lowercase() {
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            };
            *letters.get_mut(count)? = *LETTERS.iter().find(|known| **known == letter)?;
            count += 1;
        }
        (count == LENGTH).then_some(AppSecret(letters))
    }

    /// As it is shown: eight groups of four.
    pub fn shown(&self) -> String {
        let groups: Vec<_> = self.0.chunks(4).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// What is kept. A fast hash is enough: 160 random bits can't be guessed.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"kontor app password\0");
        hash.update(self.0);
        hash.finalize().into()
    }
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
    fn app_secret_reads_what_people_type() {
        let secret = AppSecret::from_random([0x5a; 20]);
        let shown = secret.shown();
        assert_eq!(shown.len(), 39);
        let typed = format!(" {} ", shown.to_uppercase().replace('-', " ").replace('1', "l"));
        assert_eq!(AppSecret::read(&typed).map(|read| read.hash()), Some(secret.hash()));
        assert!(AppSecret::read(&shown[..38]).is_none());
        assert!(AppSecret::read(&format!("{shown}0")).is_none());
        assert!(AppSecret::read(&"u".repeat(32)).is_none());
    }

    #[test]
    fn every_random_bit_counts() {
        let zero = AppSecret::from_random([0; 20]).shown();
        for bit in 0..160 {
            let mut random = [0; 20];
            random[bit / 8] = 0x80 >> (bit % 8);
            let shown = AppSecret::from_random(random).shown();
            assert_eq!(shown.chars().zip(zero.chars()).filter(|(left, right)| left != right).count(), 1);
        }
    }

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
