//! Any bytes as values of fields, as they come over gRPC and as they are kept, and as a picture: no panic, and nothing beyond its caps.
//! Run by `cargo +nightly fuzz run value` in `services/templating`.
#![no_main]

use kontor_proto::templating::v1::Fields;
use kontor_templating::domain::{Picture, data};
use prost::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(fields) = Fields::decode(bytes) {
        let _ = data::record(&fields, "fields");
    }
    let _ = Picture::parse(bytes.to_vec());
});
