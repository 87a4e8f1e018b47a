//! Zip packages of DOCX and ODT: read with caps and without trust, written byte for byte the same each time.
//! Our own, not the `zip` crate: see docs/adr/0024-letters.md. Called by the compilers and by the renderer.

mod read;
mod write;

pub use read::{Entry, Package};
pub use write::{Archive, Ready, Skeleton, Spool};

pub(crate) const LOCAL: u32 = 0x0403_4b50;
pub(crate) const CENTRAL: u32 = 0x0201_4b50;
pub(crate) const END: u32 = 0x0605_4b50;
pub(crate) const DESCRIPTOR: u32 = 0x0807_4b50;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// By deflate.
    Deflated,
}
