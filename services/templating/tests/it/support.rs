//! What the tests share: sample data, small templates written by hand, a plain zip writer, and letters read back as text.
//! Used by all tests here.

use std::io::Read;

use jiff::civil::date;
use kontor_templating::domain::{
    Fields, Finding, Kind, Letter, Limits, Locale, Money, Picture, Record, Rendered, Renderer, Template,
    Value,
};
use rust_decimal::Decimal;

/// A file of tests/data.
pub fn data(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(path).expect("the file is in the repository")
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

pub fn euro(text: &str) -> Money {
    Money { amount: decimal(text), currency: "EUR".into() }
}

/// The data of one partner.
pub fn record() -> Record {
    let line = |name: &str, count: &str, price: &str| {
        Record::new().with("name", name).with("count", decimal(count)).with("price", euro(price))
    };
    let partner = Record::new()
        .with("name", "Anna Müller & Söhne <AG>")
        .with("first_name", "Anna")
        .with("last_name", "Müller")
        .with("gender", "f")
        .with("title", "Dr.")
        .with("street", "Rue 5\nBâtiment B")
        .with("city", "Paris")
        .with("country", "FR")
        .with("extra", Value::Empty)
        .with("photo", Picture::qr("photo").expect("short"));
    let deal = Record::new()
        .with("id", "D/7 a")
        .with("title", "solar roof")
        .with("total", euro("1234.5"))
        .with("until", date(2026, 12, 24))
        .with("discount", Value::Empty)
        .with("url", "https://example.com/d/7")
        .with("lines", vec![line("Panel", "12", "1000"), line("Cable\t5 m", "2.5", "234.5")])
        .with("notes", vec!["first", "second", "third"]);
    Record::new()
        .with("partner", partner)
        .with("deal", deal)
        .with("company", Record::new().with("name", "Kontor Ltd"))
        .with("user", Record::new().with("name", "bob Builder"))
}

/// The description of these data.
pub fn fields() -> Fields {
    let line = Fields::new().with("name", Kind::Text).with("count", Kind::Number).with("price", Kind::Money);
    let mut partner = Fields::new().with("photo", Kind::Picture);
    for name in ["name", "first_name", "last_name", "gender", "title", "street", "city", "country", "extra"] {
        partner = partner.with(name, Kind::Text);
    }
    let deal = Fields::new()
        .with("id", Kind::Text)
        .with("title", Kind::Text)
        .with("total", Kind::Money)
        .with("until", Kind::Date)
        .with("discount", Kind::Number)
        .with("url", Kind::Text)
        .list("lines", line)
        .with("notes", Kind::List(Box::new(Kind::Text)));
    Fields::new()
        .group("partner", partner)
        .group("deal", deal)
        .group("company", Fields::new().with("name", Kind::Text))
        .group("user", Fields::new().with("name", Kind::Text))
}

pub fn letter<'d>(records: &'d [Record], locale: &str) -> Letter<'d> {
    let locale = Locale::parse(locale).expect("a known locale");
    Letter { records, locale, now: date(2026, 11, 30).at(9, 5, 0, 0), number: 1 }
}

pub fn compile(template: &[u8]) -> Template {
    Template::compile(template, &Limits::default())
        .unwrap_or_else(|findings| panic!("{}", told(&findings).join("\n")))
}

pub fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// A letter of one record.
pub fn render(template: &[u8], record: &Record, locale: &str) -> Vec<u8> {
    let template = compile(template);
    let mut renderer = Renderer::new(&template);
    let done = renderer
        .render(letter(std::slice::from_ref(record), locale))
        .unwrap_or_else(|finding| panic!("{finding}"));
    assert!(matches!(done, Rendered::Letter { .. }));
    renderer.bytes().to_vec()
}

/// The paragraphs of a letter that is made of a body.
pub fn word(body: &str, record: &Record) -> Vec<String> {
    paragraphs(&part(&render(&docx(body), record, "en"), "word/document.xml"))
}

pub fn office(body: &str, record: &Record) -> Vec<String> {
    paragraphs(&part(&render(&odt(body), record, "en"), "content.xml"))
}

/// What compiling and checking a body says.
pub fn word_findings(body: &str) -> Vec<String> {
    told(&kontor_templating::domain::check(&docx(body), &fields(), &Limits::default()))
}

const WORD: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" xmlns:w14=\"http://schemas.microsoft.com/office/word/2010/wordml\"";

/// The smallest DOCX around a body.
pub fn docx(body: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:document {WORD}><w:body>{body}<w:sectPr/></w:body></w:document>"
    );
    docx_of(&[("word/document.xml", &document)])
}

pub fn docx_of(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut types = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>".to_owned();
    for (name, _) in parts {
        let kind = match *name {
            "word/document.xml" => "document.main",
            name if name.contains("header") => "header",
            name if name.contains("footnotes") => "footnotes",
            name if name.contains("numbering") => "numbering",
            _ => continue,
        };
        if name.contains("_rels") {
            continue;
        }
        types.push_str(&format!("<Override PartName=\"/{name}\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml\"/>"));
    }
    types.push_str("</Types>");
    let relations = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";
    let mut zip = Zip::default();
    zip.add("[Content_Types].xml", types.as_bytes());
    zip.add("_rels/.rels", relations.as_bytes());
    for (name, text) in parts {
        let text = text.replace("XMLNS", WORD);
        zip.add(name, text.as_bytes());
    }
    zip.finish()
}

/// The smallest ODT around a body.
pub fn odt(body: &str) -> Vec<u8> {
    let spaces = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" xmlns:draw=\"urn:oasis:names:tc:opendocument:xmlns:drawing:1.0\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" xmlns:svg=\"urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0\"";
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<office:document-content {spaces} office:version=\"1.2\"><office:automatic-styles/><office:body><office:text>{body}</office:text></office:body></office:document-content>"
    );
    let manifest = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" manifest:version=\"1.2\"><manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"application/vnd.oasis.opendocument.text\"/><manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>";
    let mut zip = Zip::default();
    zip.add("mimetype", b"application/vnd.oasis.opendocument.text");
    zip.add("content.xml", content.as_bytes());
    zip.add("META-INF/manifest.xml", manifest.as_bytes());
    zip.finish()
}

/// A paragraph of Word with one run.
pub fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// A file of a package as text.
pub fn part(package: &[u8], name: &str) -> String {
    String::from_utf8(file(package, name).unwrap_or_else(|| panic!("{name} is missing"))).expect("text")
}

/// A file of a package, read by a reader of our own that trusts the directory.
pub fn file(package: &[u8], name: &str) -> Option<Vec<u8>> {
    let (_, method, begin, packed) = directory(package).into_iter().find(|(found, ..)| found == name)?;
    let bytes = &package[begin..begin + packed];
    if method == 0 {
        return Some(bytes.to_vec());
    }
    let mut out = Vec::new();
    flate2::read::DeflateDecoder::new(bytes).read_to_end(&mut out).expect("deflate");
    Some(out)
}

/// Name, method, where the packed bytes begin and how many they are.
pub fn directory(package: &[u8]) -> Vec<(String, u16, usize, usize)> {
    let half = |at: usize| u16::from_le_bytes([package[at], package[at + 1]]);
    let word = |at: usize| {
        u32::from_le_bytes([package[at], package[at + 1], package[at + 2], package[at + 3]]) as usize
    };
    let end = package.len() - 22;
    let mut at = word(end + 16);
    let mut found = Vec::new();
    for _ in 0..half(end + 10) {
        let name =
            String::from_utf8_lossy(&package[at + 46..at + 46 + usize::from(half(at + 28))]).into_owned();
        let offset = word(at + 42);
        let begin = offset + 30 + usize::from(half(offset + 26)) + usize::from(half(offset + 28));
        found.push((name, half(at + 10), begin, word(at + 20)));
        at += 46 + usize::from(half(at + 28)) + usize::from(half(at + 30));
    }
    found
}

/// The texts of the paragraphs of a part, each part of which must be well-formed.
pub fn paragraphs(xml: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut in_text = 0;
    loop {
        let event = reader.read_event().expect("well-formed");
        let is_odt = |name: &str| matches!(name, "text:p" | "text:h");
        match event {
            Event::Start(tag) => {
                let name = tag.name().as_ref().to_owned();
                if name == "w:p" || is_odt(&name) {
                    open.push(String::new());
                }
                in_text += i32::from(name == "w:t" || is_odt(&name));
            }
            Event::End(tag) => {
                let name = tag.name().as_ref().to_owned();
                if name == "w:p" || is_odt(&name) {
                    found.extend(open.pop());
                }
                in_text -= i32::from(name == "w:t" || is_odt(&name));
            }
            Event::Empty(tag) => {
                let sign = match tag.name().as_ref() {
                    "w:br" | "text:line-break" => "\n",
                    "w:tab" | "text:tab" => "\t",
                    "text:s" => " ",
                    "w:p" | "text:p" => {
                        found.push(String::new());
                        continue;
                    }
                    _ => continue,
                };
                if let Some(text) = open.last_mut() {
                    text.push_str(sign);
                }
            }
            Event::Text(text) if in_text > 0 => {
                if let Some(open) = open.last_mut() {
                    open.push_str(&text);
                }
            }
            Event::GeneralRef(name) if in_text > 0 => {
                let raw = format!("&{};", &*name);
                if let Some(open) = open.last_mut() {
                    open.push_str(&quick_xml::escape::unescape(&raw).expect("a reference"));
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// A zip writer that packs nothing and can lie.
#[derive(Default)]
pub struct Zip {
    pub out: Vec<u8>,
    pub central: Vec<u8>,
    pub count: u16,
}

impl Zip {
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        self.put(name, 0, bytes, bytes.len() as u32, crc(bytes), 0);
    }

    pub fn put(&mut self, name: &str, method: u16, packed: &[u8], size: u32, crc: u32, flags: u16) {
        let offset = self.out.len() as u32;
        let mut common = Vec::new();
        for half in [20, flags, method, 0, 0x21] {
            common.extend_from_slice(&u16::to_le_bytes(half));
        }
        for word in [crc, packed.len() as u32, size] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        self.out.extend_from_slice(b"PK\x03\x04");
        self.out.extend_from_slice(&common);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(packed);
        self.central.extend_from_slice(b"PK\x01\x02\x14\0");
        self.central.extend_from_slice(&common);
        self.central.extend_from_slice(&[0; 10]);
        self.central.extend_from_slice(&offset.to_le_bytes());
        self.central.extend_from_slice(name.as_bytes());
        self.count += 1;
    }

    pub fn finish(mut self) -> Vec<u8> {
        let begin = self.out.len() as u32;
        self.out.extend_from_slice(&self.central);
        self.out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        for _ in 0..2 {
            self.out.extend_from_slice(&self.count.to_le_bytes());
        }
        self.out.extend_from_slice(&(self.central.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&begin.to_le_bytes());
        self.out.extend_from_slice(&[0; 2]);
        self.out
    }
}

pub fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
