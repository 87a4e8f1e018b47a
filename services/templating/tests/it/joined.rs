//! Many letters in one file (row L5): each on its own page, ids and lists its own, the file written as it grows.

use kontor_templating::domain::{Joiner, Record, Rendered};

use crate::support::{compile, data, directory, docx_of, file, letter, odt, p, paragraphs, part, record};

fn person(name: &str) -> Record {
    let mut record = record();
    let Some(kontor_templating::domain::Value::Record(partner)) = record.get("partner").cloned() else {
        panic!("a partner")
    };
    record.set("partner", partner.with("name", name));
    record
}

fn join(template: &[u8], records: &[Record]) -> Vec<u8> {
    let template = compile(template);
    let mut joiner = Joiner::new(&template, Vec::new()).expect("it joins");
    for (record, number) in records.iter().zip(1..) {
        let mut letter = letter(std::slice::from_ref(record), "en");
        letter.number = number;
        assert_eq!(joiner.add(letter).expect("a letter"), Rendered::Letter { used: 1 });
    }
    joiner.finish().expect("written")
}

/// Three letters of a template in one file.
pub fn three(name: &str) -> Vec<u8> {
    join(&data(name), &[person("Ann"), person("Bob"), person("Cem")])
}

#[test]
fn l5_a_joined_docx_has_each_letter_with_its_own_header_and_lists() {
    let made = three("letter.docx");
    let document = part(&made, "word/document.xml");
    let names: Vec<String> = paragraphs(&document)
        .into_iter()
        .filter(|text| ["Ann", "Bob", "Cem"].contains(&text.as_str()))
        .collect();
    assert_eq!(names, ["Ann", "Bob", "Cem"]);
    // A section ends in the last paragraph of each letter but the last, whose section is the document's.
    assert_eq!(document.matches("<w:sectPr").count(), 3);
    assert_eq!(document.matches("</w:sectPr></w:pPr>").count(), 2);
    assert_eq!(document.matches("w:start=\"1\"").count(), 3);
    let ids: Vec<&str> = document
        .split("<wp:docPr id=\"")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').expect("a quote")])
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6"]);
    let headers: Vec<_> = directory(&made)
        .into_iter()
        .map(|(name, ..)| name)
        .filter(|name| name.contains("kontorH") && !name.contains("_rels"))
        .collect();
    assert_eq!(headers.len(), 2, "{headers:?}");
    let types = part(&made, "[Content_Types].xml");
    let relations = part(&made, "word/_rels/document.xml.rels");
    for header in &headers {
        assert!(types.contains(&format!("/{header}")));
        assert!(relations.contains(header.trim_start_matches("word/")));
        assert_eq!(paragraphs(&part(&made, header)), ["Kontor Ltd on 11/30/26"]);
    }
}

#[test]
fn l5_numbered_lists_and_footnotes_begin_anew_in_each_letter() {
    let numbering = "<w:numbering XMLNS><w:abstractNum w:abstractNumId=\"4\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"1\"/><w:numFmt w:val=\"decimal\"/></w:lvl></w:abstractNum><w:num w:numId=\"7\"><w:abstractNumId w:val=\"4\"/></w:num></w:numbering>";
    let notes = "<w:footnotes XMLNS><w:footnote w:type=\"separator\" w:id=\"0\"><w:p/></w:footnote><w:footnote w:id=\"2\"><w:p><w:r><w:t>{{ partner.name }}</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let document = "<w:document XMLNS><w:body><w:p><w:pPr><w:numPr><w:numId w:val=\"7\"/></w:numPr></w:pPr><w:bookmarkStart w:id=\"0\" w:name=\"b\"/><w:r><w:t>x</w:t></w:r><w:r><w:footnoteReference w:id=\"2\"/></w:r><w:bookmarkEnd w:id=\"0\"/></w:p><w:sectPr/></w:body></w:document>";
    let template = docx_of(&[
        ("word/document.xml", document),
        ("word/footnotes.xml", notes),
        ("word/numbering.xml", numbering),
    ]);
    let made = join(&template, &[person("Ann"), person("Bob")]);
    let document = part(&made, "word/document.xml");
    assert!(
        document.contains("w:numId w:val=\"7\"") && document.contains("w:numId w:val=\"8\""),
        "{document}"
    );
    assert!(
        document.contains("footnoteReference w:id=\"2\"")
            && document.contains("footnoteReference w:id=\"1002\"")
    );
    assert_eq!(document.matches("w:name=\"b\"").count(), 1);
    let numbering = part(&made, "word/numbering.xml");
    assert!(numbering.contains("<w:num w:numId=\"8\"><w:abstractNumId w:val=\"4\"/><w:lvlOverride w:ilvl=\"0\"><w:startOverride w:val=\"1\"/>"), "{numbering}");
    assert_eq!(paragraphs(&part(&made, "word/footnotes.xml")), ["", "Ann", "Bob"]);
}

#[test]
fn l5_a_joined_odt_begins_each_letter_on_a_new_page() {
    let made = join(&data("letter.odt"), &[person("Ann"), person("Bob")]);
    let content = part(&made, "content.xml");
    assert_eq!(content.matches("text:style-name=\"KontorNextLetter\"").count(), 1, "{content}");
    assert!(content.contains("style:name=\"KontorNextLetter\""));
    // The first paragraph has no style of its own, so there is none to go back to.
    assert!(!content.contains("style:parent-style-name=\"Standard\""), "{content}");
    assert!(content.contains("style:page-number=\"1\""), "the footer counts pages");
    let names: Vec<String> =
        paragraphs(&content).into_iter().filter(|text| text == "Ann" || text == "Bob").collect();
    assert_eq!(names, ["Ann", "Bob"]);
    assert!(file(&made, "Pictures/kontor1.png").is_some());
}

#[test]
fn l5_a_letter_that_is_wrong_leaves_the_joined_file_as_it_was() {
    let template = compile(&odt("<text:p>{{ partner.name }}<text:bookmark text:name=\"b\"/></text:p>"));
    let mut joiner = Joiner::new(&template, Vec::new()).expect("it joins");
    let (wrong, right) = ([Record::new()], [person("Ann")]);
    joiner.add(letter(&wrong, "en")).expect_err("no partner");
    joiner.add(letter(&right, "en")).expect("a letter");
    let made = joiner.finish().expect("written");
    let content = part(&made, "content.xml");
    assert_eq!(paragraphs(&content), ["Ann"]);
    assert!(
        content.contains("text:bookmark ")
            && !content.contains("<text:p text:style-name=\"KontorNextLetter\"/>")
    );
}

#[test]
fn l5_ten_thousand_letters_are_written_as_they_come() {
    /// Counts what is written and keeps nothing.
    #[derive(Default)]
    struct Sink {
        written: u64,
        largest: usize,
    }
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.written += bytes.len() as u64;
            self.largest = self.largest.max(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let template =
        compile(&crate::support::docx(&[p("{{ partner.name }} {{ partner.street }}"), p("end")].concat()));
    let mut joiner = Joiner::new(&template, Sink::default()).expect("it joins");
    let one = [person("Ann")];
    for _ in 0..10_000 {
        joiner.add(letter(&one, "en")).expect("a letter");
    }
    assert_eq!(joiner.letters(), 10_000);
    let sink = joiner.finish().expect("written");
    assert!(
        sink.written > 20_000 && sink.largest < 100_000,
        "{} bytes, {} at once",
        sink.written,
        sink.largest
    );
}
