//! Tests of zones.
//! Run by `cargo nextest run -p kontor-vobject`.
