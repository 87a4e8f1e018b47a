//! Whole letters from templates that python-docx, odfpy and LibreOffice wrote; see tests/scripts/corpus.py.

use kontor_templating::domain::{Limits, Record, Rendered, Renderer, Value, check};

use crate::support::{compile, data, directory, fields, file, letter, paragraphs, part, record, render};

const LETTER: [&str; 27] = [
    "Anna Müller & Söhne <AG>",
    "Rue 5\nBâtiment B\nParis",
    "Sehr geehrte Frau Dr. Müller,",
    "we offer SOLAR ROOF for 1.234,50\u{a0}€ until 24. Dezember 2026: 2 lines.",
    "This is our best price.",
    "No",
    "Item",
    "Amount",
    "Price",
    "1",
    "Panel",
    "12,0",
    "1.000,00\u{a0}€",
    "2",
    "Cable\t5 m",
    "2,5",
    "234,50\u{a0}€",
    "",
    "Total",
    "",
    "1.234,50\u{a0}€",
    "first",
    "second",
    "third",
    "",
    "",
    "D/7 a",
];

#[test]
fn l1_a_letter_of_word_has_all_its_values() {
    let made = render(&data("letter.docx"), &record(), "de");
    let found = paragraphs(&part(&made, "word/document.xml"));
    assert_eq!(found[..27], LETTER);
    assert_eq!(found[27..], ["Yours, bob Builder"]);
    let header =
        directory(&made).into_iter().find(|(name, ..)| name.starts_with("word/header")).expect("a header");
    assert_eq!(paragraphs(&part(&made, &header.0)), ["Kontor Ltd on 30.11.26"]);
}

#[test]
fn l1_the_same_letter_converted_by_libreoffice_says_the_same() {
    let made = render(&data("letter-from-docx.odt"), &record(), "de");
    let found = paragraphs(&part(&made, "content.xml"));
    let wanted: Vec<&str> = LETTER.iter().chain(&["Yours, bob Builder"]).copied().collect();
    assert_eq!(found, wanted);
}

#[test]
fn l1_a_letter_of_odf_has_all_its_values() {
    for (name, inside) in [("letter.odt", "content.xml"), ("letter-from-odt.docx", "word/document.xml")] {
        let mut own = record();
        let Some(Value::Record(deal)) = own.get("deal").cloned() else { panic!("a deal") };
        own.set("deal", deal.with("discount", crate::support::decimal("0.05")));
        let found = paragraphs(&part(&render(&data(name), &own, "fr"), inside));
        let wanted = [
            "Anna Müller & Söhne <AG>",
            "Rue 5\nBâtiment B",
            "Madame Dr.,",
            "we offer SOLAR ROOF for 1\u{202f}234,50\u{a0}€ until 24 décembre 2026.",
            "You save 5\u{a0}%.",
            "No",
            "Item",
            "Price",
            "1",
            "Panel",
            "1\u{202f}000,00\u{a0}€",
            "2",
            "Cable\t5 m",
            "234,50\u{a0}€",
            "",
            "Total",
            "1\u{202f}234,50\u{a0}€",
            "first",
            "second",
            "third",
            "",
            "D/7 a",
            "Yours, bob Builder",
        ];
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn l2_words_own_mail_merge_works_as_it_is() {
    let made = render(&data("merge.docx"), &record(), "de");
    let found = paragraphs(&part(&made, "word/document.xml"));
    let wanted = [
        "Dear ANNA MÜLLER & SÖHNE <AG>,",
        "Bonjour Anna Müller & Söhne <AG>",
        "Sum 1.234,50 on 24 Dezember 2026",
        "Extra.",
        "large in P",
        "Simple Bob Builder",
        "Letter 1 of 30.11.2026",
        "Page «old»",
    ];
    assert_eq!(found, wanted);
    // Word would ask for the data source of its own mail merge.
    assert!(!part(&made, "word/settings.xml").contains("mailMerge"));
    let mut other = record();
    other.set(
        "partner",
        Record::new().with("name", "Li").with("country", "DE").with("city", "Rome").with("extra", "VIP"),
    );
    let found = paragraphs(&part(&render(&data("merge.docx"), &other, "en"), "word/document.xml"));
    assert_eq!(found[1..5], ["Hello", "Sum 1,234.50 on 24 December 2026", "Extra (VIP).", "large"]);
}

#[test]
fn l2_libreoffices_own_fields_work_as_they_are() {
    let found = paragraphs(&part(&render(&data("fields.odt"), &record(), "en"), "content.xml"));
    assert_eq!(found, ["Dear Anna Müller & Söhne <AG>,", "Bonjour there", "Visible and large.", "End"]);
    let mut other = record();
    let Some(Value::Record(partner)) = other.get("partner").cloned() else { panic!("a partner") };
    other.set("partner", partner.with("country", "IT"));
    let found = paragraphs(&part(&render(&data("fields.odt"), &other, "en"), "content.xml"));
    assert_eq!(found[1..4], ["Hello there", "Visible and large.", "Only outside of France"]);
}

#[test]
fn l2_next_fills_a_sheet_of_labels() {
    let template = compile(&data("labels.docx"));
    assert_eq!(template.records(), 4);
    let person =
        |name: &str| Record::new().with("partner", Record::new().with("name", name).with("city", "X"));
    let all: Vec<Record> = ["a", "b", "c"].into_iter().map(person).collect();
    let mut renderer = Renderer::new(&template);
    let done = renderer.render(letter(&all, "en")).expect("a sheet");
    assert_eq!(done, Rendered::Letter { used: 3 });
    assert_eq!(paragraphs(&part(renderer.bytes(), "word/document.xml"))[..4], ["a/X", "b/X", "c/X", "/"]);
}

#[test]
fn l1_pictures_and_links_are_the_partners_own() {
    let made = render(&data("letter.docx"), &record(), "en");
    let relations = part(&made, "word/_rels/document.xml.rels");
    assert!(relations.contains("Target=\"https://example.com/o/D%2F7%20a?c=Paris\""), "{relations}");
    assert!(!relations.contains("%7B"), "the template's link is gone");
    let document = part(&made, "word/document.xml");
    assert_eq!(document.matches("r:embed=\"kontorR").count(), 2);
    assert!(!document.contains("{{"), "{document}");
    // 4 cm by 3 cm hold a square of 3 cm.
    assert!(document.contains("cx=\"1080000\" cy=\"1080000\""), "{document}");
    for name in ["word/media/kontor1.png", "word/media/kontor2.png"] {
        assert!(file(&made, name).expect("a picture").starts_with(b"\x89PNG"));
    }
    let made = render(&data("letter.odt"), &record(), "en");
    let content = part(&made, "content.xml");
    assert!(
        content.contains("xlink:href=\"Pictures/kontor1.png\"") && content.contains("svg:width=\"3.000cm\""),
        "{content}"
    );
    assert!(content.contains("https://example.com/o/D%2F7%20a"));
    assert!(part(&made, "META-INF/manifest.xml").contains("Pictures/kontor1.png"));
}

#[test]
fn l8_the_mimetype_of_odt_comes_first_and_is_not_packed() {
    let made = render(&data("letter.odt"), &record(), "en");
    assert_eq!(&made[30..38], b"mimetype");
    assert_eq!(&made[38..77], b"application/vnd.oasis.opendocument.text");
    assert_eq!(directory(&made)[0].1, 0);
}

#[test]
fn l8_the_same_data_give_the_same_bytes() {
    for name in ["letter.docx", "letter.odt"] {
        assert_eq!(render(&data(name), &record(), "pl"), render(&data(name), &record(), "pl"), "{name}");
    }
}

#[test]
fn l3_templates_of_the_corpus_have_no_findings() {
    for name in [
        "letter.docx",
        "letter.odt",
        "merge.docx",
        "fields.odt",
        "labels.docx",
        "letter-from-docx.odt",
        "letter-from-odt.docx",
    ] {
        let found = check(&data(name), &fields(), &Limits::default());
        assert!(found.is_empty(), "{name}: {:?}", crate::support::told(&found));
    }
}
