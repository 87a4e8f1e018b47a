//! Any text as the body of a DOCX and of an ODT: what compiles makes a letter or says where it does not.
//! Run by `cargo +nightly fuzz run body` in `services/templating`.
#![no_main]

use jiff::civil::date;
use kontor_templating::domain::package::{Archive, Package, Ready, Skeleton};
use kontor_templating::domain::{Letter, Limits, Locale, Record, Renderer, Template};
use libfuzzer_sys::fuzz_target;

const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
const MANIFEST: &str = "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"><manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"\"/></manifest:manifest>";

fn package(files: &[(&str, &str)]) -> Vec<u8> {
    let mut skeleton = Skeleton::default();
    for (name, text) in files {
        skeleton.add(&Ready::pack(name, text.as_bytes()));
    }
    let mut archive = Archive::default();
    archive.begin(&skeleton);
    archive.finish();
    archive.bytes().to_vec()
}

fuzz_target!(|body: &str| {
    let word = format!("<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>");
    let office = format!("<office:document-content><office:body><office:text>{body}</office:text></office:body></office:document-content>");
    let docx = package(&[("[Content_Types].xml", TYPES), ("word/document.xml", &word)]);
    let odt = package(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &office), ("META-INF/manifest.xml", MANIFEST)]);
    let limits = Limits { steps: 100_000, output_bytes: 4 << 20, nodes: 50_000, ..Limits::default() };
    let records = [Record::new().with("a", "b").with("list", vec!["x", "y"])];
    let letter = Letter { records: &records, locale: Locale::english(), now: date(2026, 1, 1).at(0, 0, 0, 0), number: 1 };
    for bytes in [docx, odt] {
        let Ok(template) = Template::compile(&bytes, &limits) else { continue };
        let mut renderer = Renderer::new(&template);
        if renderer.render(letter).is_ok() {
            Package::open(renderer.bytes(), &Limits::default()).expect("a letter is a package");
        }
    }
});
