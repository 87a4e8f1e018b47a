//! Any bytes as a partner's card: its language, gender, title and photo: no panic, and nothing beyond its caps.
//! Run by `cargo +nightly fuzz run photo` in `services/templating`.
#![no_main]

use kontor_proto::directory::v1::Partner;
use kontor_templating::domain::person::{FromCard, fields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let card = FromCard::read(bytes);
    assert!(card.photo.len() <= 512 * 1024);
    let _ = fields(&Partner::default(), &card, true);
});
