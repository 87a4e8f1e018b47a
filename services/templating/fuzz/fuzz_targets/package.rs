//! Any bytes as a package and as a template: no panic; what is read has the size that it says.
//! Run by `cargo +nightly fuzz run package` in `services/templating`; tests/data is a good corpus.
#![no_main]

use kontor_templating::domain::package::Package;
use kontor_templating::domain::{Limits, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { unpacked_bytes: 16 << 20, nodes: 50_000, ..Limits::default() };
    if let Ok(package) = Package::open(bytes, &limits) {
        for entry in package.entries() {
            if let Ok(read) = package.read(entry, 1 << 20) {
                assert_eq!(read.len(), entry.size as usize);
            }
        }
    }
    if let Err(findings) = Template::compile(bytes, &limits) {
        assert!(!findings.is_empty());
    }
});
