//! iCalendar and vCard text: byte-true lines, patching, typed reading, recurrence and time zones. No I/O.
//! Called by the collection engine, the services that own calendars and cards, and the gateway.

pub mod availability;
pub mod card;
pub mod content;
pub mod error;
pub mod expand;
pub mod free_busy;
pub mod ical;
pub mod limits;
mod line;
pub mod patch;
mod quoted;
pub mod recur;
pub mod tree;
pub mod value;
pub mod write;
pub mod zone;

pub use content::ContentLine;
pub use error::{Error, Kind, Result};
pub use limits::Limits;
pub use patch::Patch;
pub use tree::{Component, Document, Property};
