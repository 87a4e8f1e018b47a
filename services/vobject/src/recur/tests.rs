//! Tests of rules: reading, the examples of RFC 5545, skipping ahead, work.
//! Run by `cargo nextest run -p kontor-vobject`.
