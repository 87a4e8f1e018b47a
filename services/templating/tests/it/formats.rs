//! Formats by locale, compared with what ICU answers (tests/data/formats.tsv, written by tests/scripts/formats.mjs).

use kontor_templating::domain::Locale;
use kontor_templating::domain::format::salutation::{Person, salutation};
use kontor_templating::domain::format::{date, number, plural};

use crate::support::{data, decimal};

#[test]
fn l4_numbers_money_dates_and_plurals_are_those_of_icu() {
    let text = String::from_utf8(data("formats.tsv")).expect("text");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [tag, kind, style, input, wanted] = cells.as_slice() else { panic!("five cells: {line}") };
        let locale = Locale::parse(tag).expect("a known locale");
        let found = match *kind {
            "number" => number::number(decimal(input), style.parse().expect("digits"), locale),
            "percent" => number::percent(decimal(input), 0, locale),
            "money" => number::money(decimal(input), style, locale),
            "date" => date::date(input.parse().expect("a time"), style, locale),
            "time" => date::time(input.parse().expect("a time"), style, locale),
            _ => format!("{:?}", plural::form(decimal(input), locale)).to_lowercase(),
        };
        seen += 1;
        // Kinds of spaces differ between versions of CLDR.
        let plain = |text: &str| text.replace(['\u{202f}', '\u{a0}', '\u{2009}'], " ").replace('’', "'");
        if plain(&found) != plain(wanted) {
            wrong.push(format!("{line} -> {found}"));
        }
    }
    assert!(seen > 1_000);
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn l4_words_numeric_pictures_take_the_locales_signs() {
    let cases = [
        ("1234.5", "#,##0.00", "de", "1.234,50"),
        ("1234.5", "#.##0,00", "de", "1.234,50"),
        ("-1234.5", "$#,##0.00;($#,##0.00)", "en", "($1,234.50)"),
        ("0", "0.00;-0.00;'none'", "en", "none"),
        ("7", "000", "en", "007"),
        ("0.5", "#.00", "en", ".50"),
        ("1234567", "#,##0", "fr", "1\u{202f}234\u{202f}567"),
        ("12.345", "0.0#", "en", "12.35"),
        ("15", "# 'pieces'", "en", "15 pieces"),
    ];
    for (value, picture, locale, wanted) in cases {
        let locale = Locale::parse(locale).expect("a known locale");
        assert_eq!(number::by_picture(decimal(value), picture, locale), wanted, "{value} {picture}");
    }
}

#[test]
fn l4_polish_has_three_forms_and_bends_its_months() {
    let locale = Locale::parse("pl").expect("Polish");
    let forms = ["list", "listy", "listów"];
    let found: Vec<&str> =
        ["1", "3", "5", "12", "22"].into_iter().map(|n| plural::choose(decimal(n), &forms, locale)).collect();
    assert_eq!(found, ["list", "listy", "listów", "listów", "listy"]);
    let at = jiff::civil::date(2026, 3, 8).at(0, 0, 0, 0);
    assert_eq!(date::date(at, "d MMMM yyyy", locale), "8 marca 2026");
    assert_eq!(date::date(at, "MMMM yyyy", locale), "marzec 2026");
}

#[test]
fn l4_a_salutation_fits_the_person_and_the_language() {
    let anna = Person { gender: "f", title: "Dr.", first_name: "Anna", last_name: "Müller" };
    let sam = Person { first_name: "Sam", last_name: "Doe", ..Person::default() };
    let cases = [
        ("en", "Dear Dr. Müller", "Dear Sam Doe", "Dear Sir or Madam"),
        ("de", "Sehr geehrte Frau Dr. Müller", "Guten Tag Sam Doe", "Sehr geehrte Damen und Herren"),
        ("fr", "Madame Dr.", "Bonjour Sam Doe", "Madame, Monsieur"),
        ("nl", "Geachte mevrouw Dr. Müller", "Geachte Sam Doe", "Geachte heer, mevrouw"),
        ("es", "Estimada Sra. Dr. Müller", "Hola, Sam Doe", "Estimados señores"),
        ("it", "Gentile Sig.ra Dr. Müller", "Buongiorno Sam Doe", "Gentili Signore e Signori"),
        ("pl", "Szanowna Pani", "Szanowni Państwo", "Szanowni Państwo"),
    ];
    for (tag, woman, unknown, nobody) in cases {
        let locale = Locale::parse(tag).expect("a known locale");
        let found = [anna, sam, Person::default()].map(|person| salutation(person, locale));
        assert_eq!(found, [woman, unknown, nobody], "{tag}");
    }
}
