//! Tests of the engine from outside: templates as Word and LibreOffice write them, letters read back.
//! Run by cargo, in CI too.

mod corpus;
mod findings;
mod formats;
mod joined;
mod letters;
mod limits;
mod memory;
mod messages;
mod office;
mod support;
mod tags;
