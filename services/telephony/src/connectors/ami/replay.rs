//! A recorded AMI stream turned into facts at once, without a connection.
//! Called by the tests, the fuzz target and whoever wants to know what a recording says.

use super::config::Rules;
use super::message::{Message, is_wanted};
use super::translate::Translator;
use super::wire::{Decoder, Error};
use crate::domain::fact::{CallFact, Micros};

/// All facts in the bytes that `decoder` gets, cut into chunks of `chunk` bytes (at least 1).
/// `now` stands for the time of messages that carry none.
///
/// # Errors
/// [`Error`] when the bytes are not AMI.
pub fn replay(
    mut decoder: Decoder,
    rules: &Rules,
    bytes: &[u8],
    chunk: usize,
    now: Micros,
) -> Result<Vec<CallFact>, Error> {
    let mut translator = Translator::new("replay", rules.clone(), &[]);
    let mut facts = Vec::new();
    for bytes in bytes.chunks(chunk.max(1)) {
        decoder.push(bytes);
        while let Some(message) = decoder.next()? {
            if is_wanted(message) {
                translator.translate(&Message::read(message), now, &mut facts);
            }
        }
    }
    translator.flush(Micros(i64::MAX), &mut facts);
    Ok(facts)
}
