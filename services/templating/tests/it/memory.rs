//! Bombs in a process of their own: how much memory each took at most, as the kernel counted it (VmHWM). Row L9: under 128 MiB.

use std::process::Command;

use kontor_templating::domain::message::limits;
use kontor_templating::domain::{Format, Limits, Message, Record, Renderer, Template};

use crate::support::{Zip, crc, docx, docx_of, letter as letter_of, odt, p};

/// Names the bomb to a child.
const BOMB: &str = "KONTOR_BOMB";
/// MiB.
const MOST: usize = 128;

type Bomb = (&'static str, fn() -> bool);

/// Each gives whether it was refused; those that are not may take what is allowed.
const BOMBS: [Bomb; 15] = [
    ("zip", || letter(&zip_bomb())),
    ("deep XML", || letter(&docx(&format!("{}{}", "<w:x>".repeat(5_000), "</w:x>".repeat(5_000))))),
    ("wide XML", || letter(&docx(&"<w:x/>".repeat(500_000)))),
    ("long text", || letter(&docx(&p(&"x".repeat(14 << 20))))),
    ("many tags", || letter(&docx(&p(&"{{ a }}".repeat(30_000))))),
    ("rows of ODT", || letter(&odt(&"<text:p>{{ a }}</text:p>".repeat(100_000)))),
    ("entities", || {
        // Each of ten entities is ten of the one before: gigabytes for whoever follows them.
        let all: String = (1..10)
            .map(|at| format!("<!ENTITY e{at} \"{}\">", format!("&e{};", at - 1).repeat(10)))
            .collect();
        let part = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY e0 \"bomb\">{all}]><w:document XMLNS><w:body><w:p><w:r><w:t>&e9;</w:t></w:r></w:p></w:body></w:document>"
        );
        letter(&docx_of(&[("word/document.xml", &part)]))
    }),
    ("macros", || {
        let text = "x".repeat(10 << 20);
        letter(&docx_of(&[
            ("word/document.xml", "<w:document XMLNS><w:body/></w:document>"),
            ("word/vbaProject.bin", &text),
        ]))
    }),
    ("endless loop", || {
        let body = "{% for a in list %}{% for b in list %}{% for c in list %}{{ c }}{% endfor %}{% endfor %}{% endfor %}";
        let limits = Limits { steps: 500_000, ..Limits::default() };
        let Ok(template) = Template::compile(&docx(&p(body)), &limits) else { return false };
        let data = [Record::new().with("list", (0..1_000).collect::<Vec<i64>>())];
        Renderer::new(&template).render(letter_of(&data, "en")).is_err()
    }),
    ("deep HTML", || message(Format::Html, &"<div>".repeat(170_000))),
    ("table of HTML", || message(Format::Html, &format!("<table>{}</table>", "<tr><td>x".repeat(100_000)))),
    ("findings", || message(Format::Html, &"\u{e000}".repeat(340_000))),
    ("styles", || {
        let rules = "* * a{color:red}".repeat(30_000);
        message(Format::Html, &format!("<style>{rules}</style>{}", "<p>x</p>".repeat(15_000)))
    }),
    ("wide MJML", || {
        let sections = "<mj-section></mj-section>".repeat(30_000);
        message(Format::Mjml, &format!("<mjml><mj-body>{sections}</mj-body></mjml>"))
    }),
    ("attributes of MJML", || {
        let all = format!("<mj-all font-family=\"{}\" />", "x".repeat(4_000));
        let text = "<mj-section><mj-column><mj-text>a</mj-text></mj-column></mj-section>".repeat(950);
        message(
            Format::Mjml,
            &format!(
                "<mjml><mj-head><mj-attributes>{all}</mj-attributes></mj-head><mj-body>{text}</mj-body></mjml>"
            ),
        )
    }),
];

fn letter(bytes: &[u8]) -> bool {
    Template::compile(bytes, &Limits::default()).is_err()
}

fn message(format: Format, source: &str) -> bool {
    Message::compile(format, source.as_bytes(), &limits()).is_err()
}

fn zip_bomb() -> Vec<u8> {
    use std::io::Write;
    let zeros = vec![b' '; 20 << 20];
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(&zeros).expect("memory");
    let mut zip = Zip::default();
    let packed = out.finish().expect("memory");
    zip.put("word/document.xml", 8, &packed, zeros.len() as u32, crc(&zeros), 0);
    zip.finish()
}

/// The most memory that this process held so far, in KiB.
fn highest() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux counts memory");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn one_bomb() {
    let wanted = std::env::var(BOMB).expect("the name of a bomb");
    let (_, bomb) = BOMBS.iter().find(|(name, _)| *name == wanted).expect("a bomb");
    let before = highest();
    let refused = bomb();
    println!("RESULT {refused} {before} {}", highest());
}

#[test]
fn l9_no_bomb_takes_128_mib() {
    for (name, _) in BOMBS {
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "memory::one_bomb", "--ignored", "--nocapture"])
            .env(BOMB, name)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&child.stdout).into_owned();
        let line = told.lines().find_map(|line| line.split_once("RESULT ")).map(|(_, rest)| rest);
        let words: Vec<&str> = line.unwrap_or_else(|| panic!("{name}: {told}")).split(' ').collect();
        let highest: usize = words[2].parse().expect("a number");
        println!("{name}: refused {}, {} MiB at most", words[0], highest / 1024);
        assert_eq!(words[0], "true", "{name} was taken");
        assert!(highest < MOST * 1024, "{name} took {} MiB", highest / 1024);
    }
}
