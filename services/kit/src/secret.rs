//! Random secrets that programs hold: app passwords, tokens, secret addresses. Shown once, kept as a hash.
//! Made by directory and calendar.

use sha2::{Digest, Sha256};

/// Letters of a secret: no i, l, o, u, which are easily taken for others (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters in a secret: 5 bits each make 160.
const LENGTH: usize = 32;
/// A secret in its plain form: 32 letters, without dashes.
#[derive(Clone)]
pub struct Secret([u8; LENGTH]);

impl Secret {
    /// Makes one from 20 random bytes.
    pub fn from_random(random: [u8; 20]) -> Secret {
        let mut letters = [0; LENGTH];
        for (place, letter) in letters.iter_mut().enumerate() {
            let bit = place * 5;
            let pair = u16::from_be_bytes([random[bit / 8], *random.get(bit / 8 + 1).unwrap_or(&0)]);
            *letter = LETTERS[usize::from((pair >> (11 - bit % 8)) & 31)];
        }
        Secret(letters)
    }

    /// Reads what a person typed: case, dashes and blanks don't matter, o is 0, i and l are 1. None when it can't be one.
    pub fn read(text: &str) -> Option<Secret> {
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
        (count == LENGTH).then_some(Secret(letters))
    }

    /// As it is shown: eight groups of four.
    pub fn shown(&self) -> String {
        let groups: Vec<_> = self.0.chunks(4).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// Without dashes, as it stands in an address.
    pub fn plain(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// What is kept. A fast hash is enough: 160 random bits can't be guessed. `purpose` keys it, so that a secret of one kind
    /// never opens what belongs to another.
    pub fn hash(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(self.0);
        hash.finalize().into()
    }
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // A system without random numbers can't keep secrets: better to end than to go on with zeros.
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_reads_what_people_type() {
        let secret = Secret::from_random([0x5a; 20]);
        let shown = secret.shown();
        assert_eq!(shown.len(), 39);
        let typed = format!(" {} ", shown.to_uppercase().replace('-', " ").replace('1', "l"));
        assert_eq!(Secret::read(&typed).map(|read| read.hash("a")), Some(secret.hash("a")));
        assert!(Secret::read(&shown[..38]).is_none());
        assert!(Secret::read(&format!("{shown}0")).is_none());
        assert_ne!(secret.hash("a"), secret.hash("b"));
        assert_eq!(secret.plain(), shown.replace('-', ""));
        assert!(Secret::read(&"u".repeat(32)).is_none());
    }

    #[test]
    fn every_random_bit_counts() {
        let zero = Secret::from_random([0; 20]).shown();
        for bit in 0..160 {
            let mut random = [0; 20];
            random[bit / 8] = 0x80 >> (bit % 8);
            let shown = Secret::from_random(random).shown();
            assert_eq!(shown.chars().zip(zero.chars()).filter(|(left, right)| left != right).count(), 1);
        }
    }
}
