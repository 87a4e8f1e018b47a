//! Letters from templates of Word and LibreOffice: compiled once, rendered many times, each byte for byte the same for the same data.
//! The pure engine stands in `domain`.

pub mod domain;
