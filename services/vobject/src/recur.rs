//! Recurrence rules: reading an RRULE and walking the local times it generates (RFC 5545 3.3.10, RFC 7529).
//! Called by `expand` for whole calendar objects and by `zone` for the rules inside a VTIMEZONE.

mod budget;
pub mod day;
mod days;
mod iter;
mod load;
mod parse;
mod plan;
mod rule;

pub use budget::Budget;
pub use iter::Iter;
pub use plan::Plan;
pub use rule::{End, Frequency, NthWeekday, Rule, Skip, Until};

#[cfg(test)]
mod tests;
