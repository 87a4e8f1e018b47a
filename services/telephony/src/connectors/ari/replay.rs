//! Recorded events of ARI, one on a line, turned into facts at once, without a connection.
//! Called by the tests, the fuzz target and whoever wants to know what a recording says.

use super::config::Rules;
use super::event::Event;
use super::translate::Translator;
use crate::domain::fact::{CallFact, Micros};

/// All facts in the lines. `now` stands for the time of events that carry none.
///
/// # Errors
/// The number of the first line that is no event, and why.
pub fn replay(rules: &Rules, text: &str, now: Micros) -> Result<Vec<CallFact>, String> {
    let mut translator = Translator::new("replay", rules.clone(), &[]);
    let mut facts = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let event = Event::read(line).map_err(|words| format!("line {}: {words}", number + 1))?;
        if let Some(event) = event {
            translator.translate(&event, now, &mut facts);
        }
    }
    Ok(facts)
}
