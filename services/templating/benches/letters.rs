//! Letters a CPU second from a compiled template, and how the cost grows with the rows of a table; messages for mail beside them.
//! Run: cargo bench -p kontor-templating --bench letters. With `-- many`: a million letters of one template one after the other, and what is resident meanwhile.

use std::hint::black_box;
use std::time::Duration;

use jiff::civil::date;
use kontor_templating::domain::{
    Format, Letter, Limits, Locale, Message, Money, Record, Renderer, Snippet, Template, message,
};

fn main() {
    if std::env::args().any(|word| word == "many") {
        return many();
    }
    println!("| template | rows | letters a CPU second | bytes a letter |");
    println!("|---|---|---|---|");
    for rows in [5, 50] {
        measure_messages(rows);
    }
    for name in ["bench.docx", "bench.odt"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let bytes = std::fs::read(path).expect("the template is in the repository");
        let template = Template::compile(&bytes, &Limits::default()).expect("it compiles");
        // The kernel counts in ticks, so one alone is too short.
        let begin = cpu();
        for _ in 0..200 {
            black_box(Template::compile(&bytes, &Limits::default()).expect("it compiles"));
        }
        let compiled = (cpu() - begin) / 200;
        for rows in [20, 200, 2_000, 20_000, 100_000] {
            measure(name, &template, rows);
        }
        println!("| {name} | compiled in | {:.2} ms | |", compiled.as_secs_f64() * 1_000.0);
    }
}

/// A million letters of 10 fields and a table of 20 rows, each given away before the next one is made.
fn many() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench.docx");
    let bytes = std::fs::read(path).expect("the template is in the repository");
    let template = Template::compile(&bytes, &Limits::default()).expect("it compiles");
    let mut renderer = Renderer::new(&template);
    println!("| letters | resident, MiB |\n|---|---|\n| 0 | {:.1} |", resident());
    for number in 1..=1_000_000_u32 {
        let letter = Letter {
            records: &[record(number.into(), 20)],
            locale: Locale::english(),
            now: date(2026, 11, 30).at(9, 0, 0, 0),
            number: 1,
        };
        renderer.render(letter).expect("a letter");
        black_box(renderer.bytes());
        if number.is_multiple_of(200_000) || number == 1_000 {
            println!("| {number} | {:.1} |", resident());
        }
    }
}

/// What is resident of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

/// Messages with subject, HTML and the plain text that follows from it.
fn measure_messages(rows: i64) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench.mjml");
    let source = std::fs::read(path).expect("the template is in the repository");
    let compile = || Message::compile(Format::Mjml, &source, &message::limits()).expect("it compiles");
    let begin = cpu();
    for _ in 0..50 {
        black_box(compile());
    }
    let compiled = (cpu() - begin) / 50;
    let template = compile();
    let subject = Snippet::subject("{{ deal.title }} for {{ partner.name }}").expect("a subject");
    let addresses = Record::new()
        .with("unsubscribe_url", "https://example.com/u/0123456789abcdef")
        .with("view_url", "https://example.com/v/0123456789abcdef");
    let records: Vec<Record> =
        (0..50).map(|number| record(number, rows).with("message", addresses.clone())).collect();
    let (mut made, mut bytes) = (0_u32, 0);
    let begin = cpu();
    while cpu() - begin < Duration::from_secs(3) {
        for record in &records {
            let letter = Letter {
                records: std::slice::from_ref(record),
                locale: Locale::english(),
                now: date(2026, 11, 30).at(9, 0, 0, 0),
                number: 1,
            };
            let message = template.make(&subject, None, letter).expect("a message").expect("it is for all");
            bytes = message.html.len() + message.text.len();
            black_box(message);
            made += 1;
        }
    }
    let spent = (cpu() - begin).as_secs_f64();
    println!("| bench.mjml (message) | {rows} | {:.1} | {bytes} |", f64::from(made) / spent);
    println!("| bench.mjml (message) | compiled in | {:.2} ms | |", compiled.as_secs_f64() * 1_000.0);
}

fn measure(name: &str, template: &Template, rows: i64) {
    let records: Vec<Record> =
        (0..50).map(|number| record(number, rows)).take(if rows > 200 { 1 } else { 50 }).collect();
    let mut renderer = Renderer::new(template);
    let mut made = 0_u32;
    let begin = cpu();
    while cpu() - begin < Duration::from_secs(3) {
        for record in &records {
            let letter = Letter {
                records: std::slice::from_ref(record),
                locale: Locale::english(),
                now: date(2026, 11, 30).at(9, 0, 0, 0),
                number: 1,
            };
            renderer.render(letter).expect("a letter");
            black_box(renderer.bytes());
            made += 1;
        }
    }
    let spent = (cpu() - begin).as_secs_f64();
    println!("| {name} | {rows} | {:.1} | {} |", f64::from(made) / spent, renderer.bytes().len());
}

fn record(number: i64, rows: i64) -> Record {
    let row = |row: i64| {
        Record::new()
            .with("name", format!("Article {row} of {number}"))
            .with("count", row % 9 + 1)
            .with("price", Money { amount: (row * 199 % 10_000 + number).into(), currency: "EUR".into() })
            .with("sum", Money { amount: (row * 397 % 90_000 + number).into(), currency: "EUR".into() })
    };
    Record::new()
        .with(
            "partner",
            Record::new()
                .with("name", format!("Partner {number}"))
                .with("street", format!("Long Street {number}"))
                .with("city", "Springfield")
                .with("country", "France")
                .with("last_name", "Doe")
                .with("first_name", "Jo")
                .with("gender", "f"),
        )
        .with("user", Record::new().with("name", "Max").with("phone", "+49 30 1"))
        .with(
            "deal",
            Record::new()
                .with("title", "Offer")
                .with("total", Money { amount: (number * 1_000).into(), currency: "EUR".into() })
                .with("until", date(2026, 12, 24))
                .with("lines", (0..rows).map(row).collect::<Vec<_>>()),
        )
}

/// The process's CPU time, from Linux's own count.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux counts CPU time");
    let nanoseconds = stat.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number");
    Duration::from_nanos(nanoseconds)
}
