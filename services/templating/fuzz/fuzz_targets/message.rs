//! Any text as a template of messages: no panic; what compiles makes messages whose values are never markup.
//! Run by `cargo +nightly fuzz run message` in `services/templating`.
#![no_main]

use jiff::civil::date;
use kontor_templating::domain::message::limits;
use kontor_templating::domain::{Format, Letter, Locale, Message, Record, Snippet, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let hard = "<script>\"'&\r\n</style>";
    let partner = Record::new().with("name", hard).with("email", hard);
    let line = Value::Record(Record::new().with("title", hard));
    let record = Record::new()
        .with("partner", Value::Record(partner))
        .with("lines", Value::List(vec![line.clone(), line]))
        .with("vip", true);
    let now = date(2026, 1, 1).at(0, 0, 0, 0);
    let letter = Letter { records: std::slice::from_ref(&record), locale: Locale::english(), now, number: 1 };
    let Ok(subject) = Snippet::subject("{{ partner.name }}") else { unreachable!("it is a subject") };
    for format in [Format::Html, Format::Mjml, Format::Text] {
        let Ok(message) = Message::compile(format, source.as_bytes(), &limits()) else { continue };
        if let Ok(Some(made)) = message.make(&subject, None, letter) {
            assert!(!made.subject.contains(['\r', '\n']));
            assert!(!made.html.to_ascii_lowercase().contains("<script"));
        }
    }
});
