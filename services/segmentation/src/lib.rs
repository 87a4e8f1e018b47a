//! Segmentation: groups of partners by anything known of them, kept as they change.
//! Composed by the `kontor` binary.

pub mod domain;
