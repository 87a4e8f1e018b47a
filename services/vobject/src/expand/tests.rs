//! Tests of expansion.
//! Run by `cargo nextest run -p kontor-vobject`.
