//! The fuzz targets' bodies over their corpus and over changed copies of it: no panic, no run-away, and a finding where there is no letter.
//! The targets in `fuzz/fuzz_targets` call the same functions.

use kontor_proto::directory::v1::Partner;
use kontor_proto::templating::v1 as proto;
use kontor_templating::domain::data as data_of;
use kontor_templating::domain::expression::{Scope, parse};
use kontor_templating::domain::message::limits as message_limits;
use kontor_templating::domain::package::Package;
use kontor_templating::domain::person::{FromCard, fields as person_fields};
use kontor_templating::domain::tree;
use kontor_templating::domain::{
    Format, Limits, Message, Picture, Record, Renderer, Snippet, Template, Value,
};
use proptest::prelude::*;
use prost::Message as _;

use crate::support::{data, docx, fields, letter, odt, record};

/// Caps for outsiders' bytes in tests: a debug build is slow.
fn small() -> Limits {
    Limits {
        steps: 20_000,
        output_bytes: 1 << 20,
        nodes: 20_000,
        tags: 500,
        unpacked_bytes: 4 << 20,
        ..Limits::default()
    }
}

/// Any bytes as a package.
fn package(bytes: &[u8]) {
    let limits = small();
    if let Ok(package) = Package::open(bytes, &limits) {
        for entry in package.entries() {
            if let Ok(read) = package.read(entry, 1 << 20) {
                assert_eq!(read.len(), entry.size as usize);
            }
        }
    }
}

/// Any bytes as a template: what compiles, renders or says where it does not.
fn template(bytes: &[u8]) {
    let limits = small();
    match Template::compile(bytes, &limits) {
        Ok(template) => {
            template.check(&fields());
            let all = [record()];
            let mut renderer = Renderer::new(&template);
            if renderer.render(letter(&all, "de")).is_ok() {
                // A letter is a package, and its parts are well-formed.
                Package::open(renderer.bytes(), &Limits::default()).expect("a package");
            }
        }
        Err(findings) => assert!(!findings.is_empty()),
    }
}

/// Any text as an expression.
fn expression(text: &str) {
    let mut scope = Scope::default();
    scope.enter("line");
    // An expression that is read is checked and run by the template around it.
    if parse(text, 2, &scope).is_ok() && !text.contains("}}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        template(&docx(&format!(
            "<w:p><w:r><w:t>{{% for line in deal.lines %}}{{{{{escaped}}}}}{{% endfor %}}</w:t></w:r></w:p>"
        )));
    }
}

/// Any text as a template of messages: the values of a message are never its markup.
fn message(source: &[u8]) {
    let hard = "<script>\"'&\r\n</style>";
    let line = Value::Record(Record::new().with("title", hard));
    let record = Record::new()
        .with("partner", Value::Record(Record::new().with("name", hard).with("email", hard)))
        .with("deal", Value::Record(Record::new().with("color", "red").with("url", "https://a.example")))
        .with("lines", Value::List(vec![line.clone(), line]))
        .with("vip", true);
    let all = [record];
    let subject = Snippet::subject("{{ partner.name }}").expect("a subject");
    for format in [Format::Html, Format::Mjml, Format::Text] {
        let compiled = match Message::compile(format, source, &message_limits()) {
            Ok(compiled) => compiled,
            Err(findings) => {
                assert!(!findings.is_empty());
                continue;
            }
        };
        let Ok(Some(made)) = compiled.make(&subject, None, letter(&all, "de")) else { continue };
        assert!(!made.subject.contains(['\r', '\n']));
        // What was made is HTML of the same kind: no value is an element, ends one, or ends a quote.
        let is_plain = !["{{", "{%", "{#", "\u{e000}"].iter().any(|sign| made.html.contains(sign));
        if is_plain && !made.html.is_empty() {
            let again = Message::compile(Format::Html, made.html.as_bytes(), &big());
            assert!(again.is_ok(), "{:?}\n{}", again.err(), made.html);
        }
    }
}

fn big() -> Limits {
    Limits { template_bytes: 16 << 20, ..message_limits() }
}

/// Any text as a path of the tree of documents, and as a name in it.
fn path(text: &str) {
    if let Ok(segments) = tree::segments(text) {
        assert!(segments.iter().all(|it| !it.is_empty() && *it != "." && *it != ".." && !it.contains('/')));
        if let Some(parent) = tree::parent(text) {
            assert!(tree::segments(parent).is_ok());
        }
    }
    let _ = tree::template_name(text);
    let named = tree::with_id(text, "id");
    assert_eq!(tree::id_in(&named), Some("id"));
    assert!(!named.contains(['/', '\\']) && tree::segments(&named).is_ok(), "{named:?}");
}

/// Any bytes as values of fields, and as a picture.
fn value(bytes: &[u8]) {
    if let Ok(fields) = proto::Fields::decode(bytes) {
        let _ = data_of::record(&fields, "fields");
    }
    let _ = Picture::parse(bytes.to_vec());
}

/// Any bytes as a partner's card.
fn photo(bytes: &[u8]) {
    let card = FromCard::read(bytes);
    assert!(card.photo.len() <= 512 * 1024);
    let _ = person_fields(&Partner::default(), &card, true);
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is in the repository")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

#[test]
fn every_file_of_the_corpus_is_read_or_refused() {
    let bodies = corpus("body");
    assert!(bodies.len() >= 8);
    for body in bodies {
        let body = String::from_utf8_lossy(&body).into_owned();
        template(&docx(&body));
        template(&odt(&body));
    }
    for text in corpus("expression") {
        for line in String::from_utf8_lossy(&text).lines() {
            expression(line);
        }
    }
    corpus("path").iter().for_each(|text| path(&String::from_utf8_lossy(text)));
    corpus("value").iter().for_each(|bytes| value(bytes));
    corpus("photo").iter().for_each(|bytes| photo(bytes));
    assert!(corpus("path").len() >= 10 && corpus("value").len() >= 10 && corpus("photo").len() >= 6);
    let messages = corpus("message");
    assert!(messages.len() >= 10);
    for source in messages {
        message(&source);
    }
    for name in ["letter.docx", "letter.odt", "merge.docx", "fields.odt"] {
        package(&data(name));
        template(&data(name));
    }
}

/// A file of the corpus with some bytes changed, cut or doubled.
fn changed(bytes: &[u8], changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, kind, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *byte),
            _ => {
                let end = (at + usize::from(*byte)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// A poor man's fuzzer for CI.
    #[test]
    fn changed_bodies_break_nothing(file in any::<prop::sample::Index>(), changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..6)) {
        let bodies = corpus("body");
        let body = changed(&bodies[file.index(bodies.len())], &changes);
        let body = String::from_utf8_lossy(&body).into_owned();
        template(&docx(&body));
        template(&odt(&body));
    }

    #[test]
    fn changed_packages_break_nothing(changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..4)) {
        let bytes = changed(&data("letter.odt"), &changes);
        package(&bytes);
        template(&bytes);
    }

    #[test]
    fn changed_messages_break_nothing(file in any::<prop::sample::Index>(), changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..6)) {
        let sources = corpus("message");
        message(&changed(&sources[file.index(sources.len())], &changes));
    }

    #[test]
    fn changed_paths_values_and_photos_break_nothing(file in any::<prop::sample::Index>(), changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..6)) {
        let changed = |target: &str| {
            let files = corpus(target);
            changed(&files[file.index(files.len())], &changes)
        };
        path(&String::from_utf8_lossy(&changed("path")));
        value(&changed("value"));
        photo(&changed("photo"));
    }

    #[test]
    fn any_text_is_an_expression_or_is_none(text in "[a-z0-9 .|()'\"+*/%<>=~!,\\[\\]-]{0,60}") {
        expression(&text);
    }
}
