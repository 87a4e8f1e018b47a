//! What only this installation can make: the tokens of unsubscribing, the tags of return paths, and the hashes of suppressed addresses.
//! Called by rpc, the store and the maker of messages. The key stands in the database and nowhere else.

use hmac::{Hmac, Mac};
use kontor_kit::secret::Secret;
use sha2::Sha256;

use super::Address;

/// Bytes of the key.
pub const KEY: usize = 32;
/// Bytes of the check in a return path's tag: 64 bits.
const CHECK: usize = 8;
/// Letters of a return path's tag: 16 bytes of the id and 8 of the check, 5 bits each.
const TAG: usize = 39;
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a test token: half of them are any, half their check (80 bits each).
const HALF: usize = 16;
/// For what tokens are hashed: one of another kind is never taken for one.
const PURPOSE: &str = "mail.unsubscribe";

/// The installation's key.
#[derive(Clone)]
pub struct Keys([u8; KEY]);

impl Keys {
    /// Of the bytes in the database.
    pub fn new(key: [u8; KEY]) -> Keys {
        Keys(key)
    }

    fn mac(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is a key");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// The token by which a message's recipient unsubscribes. It tells nothing, and nobody else can make it.
    pub fn token(&self, outgoing: &str) -> Secret {
        let mac = self.mac("unsubscribe", outgoing.as_bytes());
        let mut first = [0; 20];
        first.copy_from_slice(&mac[..20]);
        Secret::from_random(first)
    }

    /// The token of a test message, by which nobody unsubscribes: any letters and their check, so that it is known without being kept.
    pub fn test_token(&self, random: [u8; 10]) -> Secret {
        let any = letters(&random);
        let token = format!("{any}{}", self.test_check(&any));
        Secret::read(&token).expect("32 letters are a secret")
    }

    /// Whether a token is one of a test message of this installation.
    pub fn is_test(&self, token: &Secret) -> bool {
        let token = token.plain();
        let (any, check) = token.split_at(HALF);
        let right = self.test_check(any);
        check.bytes().zip(right.bytes()).fold(0, |all, (left, right)| all | (left ^ right)) == 0
    }

    fn test_check(&self, any: &str) -> String {
        letters(&self.mac("unsubscribe test", any.as_bytes())[..HALF * 5 / 8])
    }

    /// By what a token is found again.
    pub fn token_hash(token: &Secret) -> Vec<u8> {
        token.hash(PURPOSE).to_vec()
    }

    /// By what a suppressed address is found, also when the address itself was erased.
    pub fn address_hash(&self, address: &Address) -> String {
        hex(&self.mac("address", address.key().as_bytes()))
    }

    /// By what a suppressed domain is found.
    pub fn domain_hash(&self, domain: &str) -> String {
        hex(&self.mac("domain", domain.as_bytes()))
    }

    /// The return path of one message: "bounces+TAG@example.com" for "bounces@example.com". None when it would be too long or the id is no UUID.
    pub fn return_path(&self, base: &Address, outgoing: &str) -> Option<Address> {
        let id = uuid_bytes(outgoing)?;
        let mut bytes = id.to_vec();
        bytes.extend_from_slice(&self.mac("return path", &id)[..CHECK]);
        Address::parse(&format!("{}+{}@{}", base.local(), letters(&bytes), base.domain())).ok()
    }

    /// The message that a return path belongs to; none when this installation did not make it. For bounces (M6).
    pub fn of_return_path(&self, base: &Address, path: &Address) -> Option<String> {
        if path.domain() != base.domain() {
            return None;
        }
        let tag = path.local().get(base.local().len()..)?.strip_prefix('+')?;
        if !path.local().to_ascii_lowercase().starts_with(&base.local().to_ascii_lowercase()) {
            return None;
        }
        let bytes = from_letters(tag)?;
        let (id, check) = bytes.split_at_checked(16)?;
        let right = self.mac("return path", id);
        // Both are of our making or guessed: a comparison in constant time costs nothing.
        let differs = check.iter().zip(&right[..CHECK]).fold(0, |all, (left, right)| all | (left ^ right));
        (check.len() == CHECK && differs == 0).then(|| uuid_text(id))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|it| *it != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn uuid_text(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Bytes as letters of 5 bits, the last one filled with zeros.
fn letters(bytes: &[u8]) -> String {
    let count = (bytes.len() * 8).div_ceil(5);
    let letter = |at: usize| {
        let value = (0..5).fold(0, |value, place| {
            let bit = at * 5 + place;
            let set = bytes.get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
            (value << 1) | usize::from(set)
        });
        char::from(LETTERS[value])
    };
    (0..count).map(letter).collect()
}

fn from_letters(text: &str) -> Option<Vec<u8>> {
    if text.len() != TAG {
        return None;
    }
    let mut bytes = vec![0_u8; text.len() * 5 / 8];
    for (at, letter) in text.bytes().enumerate() {
        let letter = letter.to_ascii_lowercase();
        let value = LETTERS.iter().position(|known| *known == letter)?;
        for place in 0..5 {
            let bit = at * 5 + place;
            if value & (0x10 >> place) != 0 {
                // The bits that fill the last letter up are zeros.
                *bytes.get_mut(bit / 8)? |= 0x80 >> (bit % 8);
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::new([7; KEY])
    }

    fn base() -> Address {
        Address::parse("bounces@example.com").unwrap()
    }

    #[test]
    fn tokens_are_of_one_message_and_one_installation() {
        let token = keys().token("a");
        assert_eq!(Keys::token_hash(&token), Keys::token_hash(&keys().token("a")));
        assert_ne!(token.plain(), keys().token("b").plain());
        assert_ne!(token.plain(), Keys::new([8; KEY]).token("a").plain());
    }

    #[test]
    fn a_test_token_is_known_by_itself_and_no_other_is_one() {
        let token = keys().test_token([3; 10]);
        assert!(keys().is_test(&token));
        assert_ne!(token.plain(), keys().test_token([4; 10]).plain());
        assert!(!Keys::new([8; KEY]).is_test(&token), "of another installation");
        assert!(!keys().is_test(&keys().token("a")));
        let plain = token.plain();
        for at in 0..plain.len() {
            let mut forged = plain.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = Secret::read(&String::from_utf8(forged).unwrap()).unwrap();
            assert!(!keys().is_test(&forged), "letter {at}");
        }
    }

    #[test]
    fn the_same_address_has_one_hash_however_it_is_written() {
        let hash = |text: &str| keys().address_hash(&Address::parse(text).unwrap());
        assert_eq!(hash("Anna@Example.com"), hash("anna@example.com"));
        assert_ne!(hash("anna@example.com"), hash("anne@example.com"));
        assert_ne!(keys().domain_hash("example.com"), hash("a@example.com"));
    }

    proptest! {
        #[test]
        fn a_return_path_leads_to_its_message_and_a_changed_one_nowhere(bytes in any::<[u8; 16]>(), at in 0_usize..TAG, by in 1_u8..32) {
            let id = uuid_text(&bytes);
            let path = keys().return_path(&base(), &id).unwrap();
            prop_assert!(path.local().len() <= 64);
            prop_assert_eq!(keys().of_return_path(&base(), &path), Some(id.clone()));
            let upper = Address::parse(&path.to_string().to_uppercase()).unwrap();
            prop_assert_eq!(keys().of_return_path(&base(), &upper), Some(id), "servers change the case");
            prop_assert_eq!(Keys::new([8; KEY]).of_return_path(&base(), &path), None);
            let mut local = path.local().as_bytes().to_vec();
            let place = "bounces+".len() + at;
            let old = LETTERS.iter().position(|it| *it == local[place]).unwrap();
            local[place] = LETTERS[(old + usize::from(by)) % 32];
            let forged = Address::parse(&format!("{}@example.com", String::from_utf8(local).unwrap())).unwrap();
            prop_assert_eq!(keys().of_return_path(&base(), &forged), None);
        }

        #[test]
        fn no_tag_makes_it_panic(tag in "[!-~]{0,60}") {
            if let Ok(path) = Address::parse(&format!("bounces+{tag}@example.com")) {
                prop_assert_eq!(keys().of_return_path(&base(), &path), None);
            }
        }
    }
}
