//! Formats by locale: numbers, money, dates, plural and salutation, from CLDR's facts (row L4).
//! Called by the filters of expressions and by Word's switches.

pub mod date;
pub mod locale;
pub mod number;
pub mod plural;
pub mod salutation;
mod table;
