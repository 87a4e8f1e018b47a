//! The bytes of an event socket turned into facts at once, without a connection.
//! Called by the tests, the fuzz target and whoever wants to know what a recording says.

use super::config::Rules;
use super::event::Event;
use super::listing;
use super::translate::Translator;
use super::wire::{Decoder, Error};
use crate::domain::fact::{CallFact, Micros};

/// All facts in the bytes, cut into chunks of `chunk` bytes (at least 1). `now` stands for the time of what carries none.
///
/// # Errors
/// [`Error`] when the bytes are no event socket.
pub fn replay(rules: &Rules, bytes: &[u8], chunk: usize, now: Micros) -> Result<Vec<CallFact>, Error> {
    let mut decoder = Decoder::new();
    let mut translator = Translator::new("replay", rules.clone(), &[]);
    let mut facts = Vec::new();
    for bytes in bytes.chunks(chunk.max(1)) {
        decoder.push(bytes);
        while let Some(frame) = decoder.next()? {
            match frame.kind.as_str() {
                "text/event-json" => {
                    if let Ok(event) = Event::json(&frame.body) {
                        translator.translate(&event, now, &mut facts);
                    }
                }
                "text/event-plain" => translator.translate(&Event::plain(&frame.body), now, &mut facts),
                "api/response" => {
                    let rows = listing::read(&frame.body).unwrap_or_default();
                    translator.found(&rows, true, now, &mut facts);
                }
                _ => {}
            }
        }
    }
    Ok(facts)
}
