//! Any bytes through all that posts of cloud telephone systems meet: the fields, the translations, the signatures.
//! Called by the fuzz target `post` and by the test that runs its corpus.

use std::collections::BTreeMap;

use super::Post;
use super::fields::{Fields, MAX_FIELDS};
use crate::connectors::{plivo, threecx, twilio, vonage};
use crate::domain::fact::{CallKey, Micros};
use crate::domain::fold::CallState;
use crate::domain::number::NumberRules;
use crate::domain::record::Item;

/// What all of it is signed with.
pub const SECRET: &str = "a-secret-for-trials";

/// Runs bytes: the first letter says what the rest is (`f` form, `j` JSON, `x` XML; others a header, a line break and a body).
/// Answers how many facts were in it.
pub fn run(bytes: &[u8], rules: &NumberRules, now: i64) -> usize {
    let Some((first, rest)) = bytes.split_first() else { return 0 };
    let fields = match first {
        b'f' => Fields::form(rest),
        b'j' => Fields::json(rest),
        b'x' => Fields::xml(rest),
        _ => {
            signed(rest, now);
            return 0;
        }
    };
    let Ok(fields) = fields else { return 0 };
    assert!(fields.iter().count() <= MAX_FIELDS, "more fields than are taken");
    let read = [
        twilio::items(&fields, "trial", rules, now),
        plivo::items(&fields, "trial", rules, now),
        vonage::items(&fields, "trial", rules, now),
        threecx::items(&fields, "trial", rules, now),
    ];
    let mut facts = 0;
    for items in read.into_iter().flatten() {
        assert!(items.len() <= 8, "one post tells of one leg");
        let state = fold(items.iter());
        assert_eq!(state, fold(items.iter().rev().chain(&items)), "order and doubling do not matter");
        state.values().for_each(|state| {
            state.summary(Micros(now), 3_000_000);
        });
        facts += items.len();
    }
    facts
}

fn fold<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeMap<CallKey, CallState> {
    let mut states = BTreeMap::new();
    for Item { fact, .. } in items {
        let state = states.entry(fact.key.clone()).or_insert_with(|| CallState::new(fact.key.clone()));
        state.apply(fact);
    }
    states
}

/// Nobody signs by chance.
fn signed(rest: &[u8], now: i64) {
    let at = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let header = String::from_utf8_lossy(&rest[..at]).into_owned();
    let body = rest.get(at + 1..).unwrap_or_default();
    let names = ["x-twilio-signature", "x-plivo-signature-v3", "x-plivo-signature-v3-nonce", "authorization"];
    let headers: BTreeMap<String, String> =
        names.iter().map(|name| ((*name).to_owned(), header.clone())).collect();
    let url = Some("https://crm.example.com/telephony/trial/events");
    let post = Post { headers: &headers, url, query: header.split(' ').next().unwrap_or_default(), body };
    assert!(twilio::verify(SECRET, &post).is_err());
    assert!(plivo::verify(SECRET, &post).is_err());
    assert!(vonage::verify(SECRET, &post, now).is_err());
}
