//! The engine: a template's bytes in, compiled once; a letter's bytes out. No tonic, no database, no clock, no disk.
//! Called by the service's merge jobs, previews and checks.

pub mod data;
pub mod declared;
mod docx;
pub mod expression;
pub mod finding;
pub mod format;
pub mod letter;
pub mod limits;
mod markup;
pub mod merge;
pub mod message;
mod odt;
pub mod package;
pub mod person;
pub mod picture;
mod program;
pub mod stored;
pub mod template;
pub mod tree;
pub mod value;
pub mod xml;

pub use finding::{Finding, Place, Problem};
pub use format::locale::Locale;
pub use letter::{JoinError, Joiner, Letter, Rendered, Renderer};
pub use limits::Limits;
pub use message::{Message, Snippet};
pub use picture::Picture;
pub use template::{Format, Template, check};
pub use value::{Fields, Kind, Money, Record, Value};
