//! Bombs and lies: an error in under a second and under 128 MiB, which names what is wrong (row L9).

use kontor_templating::domain::{Finding, Limits, Record, Renderer, Template};

use crate::support::{Zip, compile, crc, docx, docx_of, letter, odt, p, told};

/// CPU time of this thread: what other tests do meanwhile does not count.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn refused(bytes: &[u8], wanted: &str) {
    let begin = cpu_seconds();
    let found: Vec<Finding> = Template::compile(bytes, &Limits::default()).expect_err(wanted);
    assert!(
        told(&found).iter().any(|finding| finding.contains(wanted)),
        "{:?} has no {wanted:?}",
        told(&found)
    );
    // A debug build is several times slower than what people run.
    let most = if cfg!(debug_assertions) { 6.0 } else { 1.0 };
    let spent = cpu_seconds() - begin;
    assert!(spent < most, "{wanted}: {spent} s");
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

#[test]
fn l9_a_template_of_200_mb_is_refused() {
    refused(&vec![b'P'; 200 << 20], "209715200 bytes");
}

#[test]
fn l9_zip_bombs_are_refused() {
    let zeros = vec![b' '; 20 << 20];
    let packed = deflated(&zeros);
    let mut zip = Zip::default();
    zip.put("word/document.xml", 8, &packed, zeros.len() as u32, crc(&zeros), 0);
    refused(&zip.finish(), "times larger");
    // One that says to be small and is not.
    let mut zip = Zip::default();
    zip.put("[Content_Types].xml", 8, &packed, 1_000, 0, 0);
    refused(&zip.finish(), "larger than the directory says");
    // Many files that are each allowed.
    let mut zip = Zip::default();
    for at in 0..2_001 {
        zip.add(&format!("a{at}"), b"");
    }
    refused(&zip.finish(), "2001 files");
    let mut zip = Zip::default();
    let noise: Vec<u8> = (0..4_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 29) as u8).collect();
    let packed = deflated(&noise);
    for at in 0..41 {
        zip.put(&format!("a{at}"), 8, &packed[..packed.len().min(700_000)], noise.len() as u32, 0, 0);
    }
    refused(&zip.finish(), "bytes unpacked");
}

#[test]
fn l9_zips_that_lie_are_refused() {
    let cases: [(&str, &str); 3] =
        [("../x", "leads elsewhere"), ("/x", "leads elsewhere"), ("a\\b", "leads elsewhere")];
    for (name, wanted) in cases {
        let mut zip = Zip::default();
        zip.add(name, b"");
        refused(&zip.finish(), wanted);
    }
    let mut zip = Zip::default();
    zip.add("A", b"");
    zip.add("a", b"");
    refused(&zip.finish(), "twice");
    let mut zip = Zip::default();
    zip.put("a", 0, b"x", 1, 0, 1);
    refused(&zip.finish(), "encrypted");
    let mut zip = Zip::default();
    zip.put("a", 0, b"x", u32::MAX, 0, 0);
    refused(&zip.finish(), "packed in a way");
    let mut good = docx(&p("x"));
    good.truncate(good.len() - 30);
    refused(&good, "cut off");
    refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .doc");
    refused(b"hello", "no DOCX or ODT");
    // Two entries over the same bytes.
    let mut zip = Zip::default();
    zip.add("a", b"xxxx");
    zip.add("b", b"xxxx");
    let at = zip.central.len() - 5;
    zip.central[at..at + 4].copy_from_slice(&0_u32.to_le_bytes());
    refused(&zip.finish(), "another name");
}

#[test]
fn l9_xml_bombs_are_refused() {
    let entity =
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bbbb\">]><w:document XMLNS><w:body/></w:document>";
    refused(&docx_of(&[("word/document.xml", entity)]), "word/document.xml: a DOCTYPE");
    refused(&docx(&p("&b;")), "no reference &b;");
    let deep = format!("{}{}", "<w:x>".repeat(5_000), "</w:x>".repeat(5_000));
    refused(&docx(&deep), "inside of each other");
    refused(&docx(&"<w:x/>".repeat(500_000)), "elements and texts");
    refused(&docx(&p(&"{{ a }}".repeat(30_000))), "tags");
    refused(&docx("<w:p>"), "XML is broken");
    refused(&docx(&p(&format!("{{{{ {}1{} }}}}", "(".repeat(900), ")".repeat(900)))), "parentheses");
    let fields = "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r>".repeat(30);
    refused(&docx(&format!("<w:p>{fields}</w:p>")), "fields inside of each other");
}

#[test]
fn l9_macros_and_encryption_are_refused() {
    refused(
        &docx_of(&[
            ("word/document.xml", "<w:document XMLNS><w:body/></w:document>"),
            ("word/vbaProject.bin", "x"),
        ]),
        "macros",
    );
    let mut zip = Zip::default();
    zip.add("mimetype", b"application/vnd.oasis.opendocument.text");
    zip.add("content.xml", b"<a/>");
    zip.add("Basic/Standard/Module1.xml", b"<a/>");
    refused(&zip.finish(), "macros");
    let mut sheet = Zip::default();
    sheet.add("mimetype", b"application/vnd.oasis.opendocument.spreadsheet");
    sheet.add("content.xml", b"<a/>");
    refused(&sheet.finish(), "no text document");
}

#[test]
fn l9_endless_loops_end() {
    let list: Vec<i64> = (0..1_000).collect();
    let data = [Record::new().with("list", list).with("text", "x".repeat(1_000))];
    let cases = [
        (
            "{% for a in list %}{% for b in list %}{% for c in list %}{% endfor %}{% endfor %}{% endfor %}",
            "steps of work",
        ),
        (
            "{% for a in list %}{% for b in list %}{{ text }}{{ text }}{% endfor %}{% endfor %}",
            "the letter has more than",
        ),
        ("{{ text | replace('x', text) | replace('x', text) }}", "a text of"),
        (
            "{% for a in list %}{% for b in list %}{% for c in list | sort | reverse %}{% endfor %}{% endfor %}{% endfor %}",
            "steps of work",
        ),
    ];
    // In a debug build work costs many times more, so the cap is lower here.
    let limits = Limits { steps: 500_000, output_bytes: 16 << 20, ..Limits::default() };
    for (body, wanted) in cases {
        let template =
            Template::compile(&docx(&p(body)), &limits).unwrap_or_else(|found| panic!("{:?}", told(&found)));
        let finding = Renderer::new(&template).render(letter(&data, "en")).expect_err(wanted);
        assert!(finding.to_string().contains(wanted), "{finding}");
    }
}

#[test]
fn l9_the_cost_of_a_letter_grows_with_its_rows_and_not_faster() {
    let template = compile(&odt(
        "<text:p>{% for n in rows %}{{ n.name }} {{ n.price | number(2) }} {% endfor %}</text:p>",
    ));
    let size = |rows: i64| {
        let rows: Vec<Record> =
            (0..rows).map(|n| Record::new().with("name", "row").with("price", 1_000_000 + n)).collect();
        let data = [Record::new().with("rows", rows)];
        let mut renderer = Renderer::new(&template);
        renderer.render(letter(&data, "en")).expect("a letter");
        crate::support::part(renderer.bytes(), "content.xml").len()
    };
    let (none, some, many) = (size(0), size(1_000), size(100_000));
    assert_eq!((many - none) / (some - none), 100);
}
