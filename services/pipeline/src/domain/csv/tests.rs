//! What the reader takes, what it refuses, and where.

use super::*;

fn read_as(encoding: Encoding, bytes: &[u8]) -> Result<Vec<Record>, Fault> {
    let mut records = Vec::new();
    let mut reader = Reader::new(encoding, None);
    let mut take = |record| records.push(record);
    reader.push(bytes, &mut take)?;
    reader.end(&mut take)?;
    Ok(records)
}

fn rows(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
    let records = read_as(Encoding::Utf8, bytes).unwrap();
    records.into_iter().map(|record| (record.line, record.fields)).collect()
}

fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
    (line, fields.iter().map(|field| (*field).to_owned()).collect())
}

fn fault(bytes: &[u8]) -> (&'static str, u64, usize) {
    let fault = read_as(Encoding::Utf8, bytes).unwrap_err();
    (fault.reason, fault.line, fault.column)
}

#[test]
fn quotes_hold_delimiters_line_breaks_and_doubled_quotes() {
    let text = b"a,b\r\n\"x, \"\"y\"\"\r\nz\",2\n\"\",3\n";
    assert_eq!(rows(text), [row(1, &["a", "b"]), row(2, &["x, \"y\"\r\nz", "2"]), row(4, &["", "3"])]);
}

#[test]
fn the_last_line_needs_no_end_and_empty_lines_are_none() {
    assert_eq!(
        rows(b"\na,b\n\n1,2\n,\n\r\n3,"),
        [row(2, &["a", "b"]), row(4, &["1", "2"]), row(7, &["3", ""])]
    );
    assert!(rows(b"").is_empty() && rows(b"\xEF\xBB\xBF").is_empty() && rows(b"\n\r\n").is_empty());
}

#[test]
fn the_delimiter_is_found_outside_quotes_or_told() {
    assert_eq!(rows(b"a;b;c\n1,5;2;3")[1], row(2, &["1,5", "2", "3"]));
    assert_eq!(rows(b"a\tb\n1\t2")[1], row(2, &["1", "2"]));
    assert_eq!(rows(b"\"a,b,c\"|d\n1|2")[0], row(1, &["a,b,c", "d"]));
    assert_eq!(rows(b"alone\n1")[1], row(2, &["1"]));
    assert_eq!(rows(b"sep=;\r\na,b;c\r\n1;2")[0], row(2, &["a,b", "c"]));
    assert_eq!(fault(b"a,b;c\n"), ("CSV_DELIMITER", 1, 1));
    let mut fields = Vec::new();
    let mut reader = Reader::new(Encoding::Utf8, Some(Delimiter::Semicolon));
    reader.push(b"a,b;c\n", &mut |record| fields = record.fields).unwrap();
    assert_eq!(fields, ["a,b", "c"]);
}

#[test]
fn each_departure_has_its_own_fault_at_its_own_place() {
    assert_eq!(fault(b"a,b\n1,\"2\n3,4\n"), ("CSV_QUOTE_OPEN", 2, 2));
    assert_eq!(fault(b"a,b\n1,\"2\n3,\"4\"\n"), ("CSV_TEXT_AFTER_QUOTE", 3, 2));
    assert_eq!(fault(b"a,b\n1,2\"3\n"), ("CSV_BARE_QUOTE", 2, 2));
    assert_eq!(fault(b"a,b\n\"1\" ,2\n"), ("CSV_TEXT_AFTER_QUOTE", 2, 1));
    assert_eq!(fault(b"a,b\r1,2\r"), ("CSV_LINE_END", 1, 2));
    assert_eq!(fault(b"a,b\n1,2\r"), ("CSV_LINE_END", 2, 2));
    assert_eq!(fault(b"a,b\n1,2\0\n"), ("CSV_NUL", 2, 2));
    assert_eq!(fault("a,".repeat(200).as_bytes()), ("CSV_TOO_MANY_COLUMNS", 1, 200));
    let long = "x".repeat(FIELD_BYTES + 1);
    assert_eq!(fault(format!("a,b\n1,{long}").as_bytes()), ("CSV_FIELD_TOO_LONG", 2, 2));
    let open = read_as(Encoding::Utf8, format!("a,b\n1,\"\n\n{long}").as_bytes()).unwrap_err();
    assert!(open.message.contains("line 2 never closed"), "{}", open.message);
    let some = "x".repeat(FIELD_BYTES - 1);
    assert_eq!(fault(format!("a,b,c\n{some},{some},{some}").as_bytes()), ("CSV_RECORD_TOO_LONG", 2, 3));
    assert_eq!(fault(format!("\"{}", "x".repeat(70_000)).as_bytes()), ("CSV_HEADING", 1, 1));
}

#[test]
fn utf_8_goes_with_a_mark_or_without_and_a_wrong_byte_is_named() {
    assert_eq!(rows("\u{FEFF}naïve,b\n€,2".as_bytes()), [row(1, &["naïve", "b"]), row(2, &["€", "2"])]);
    let wrong = read_as(Encoding::Utf8, b"a,b\n1,2\n3,Andr\xE9\n").unwrap_err();
    assert_eq!((wrong.reason, wrong.line, wrong.column, wrong.byte), ("CSV_ENCODING", 3, 2, Some(14)));
    assert!(wrong.message.contains("0xE9") && wrong.message.contains("'é'"), "{}", wrong.message);
    let heading = read_as(Encoding::Utf8, b"a;Pr\xE9nom;c\n").unwrap_err();
    assert_eq!((heading.line, heading.column, heading.byte), (1, 2, Some(4)));
    let cut = read_as(Encoding::Utf8, b"a,b\n1,\xE2\x82").unwrap_err();
    assert_eq!((cut.line, cut.column, cut.byte), (2, 2, Some(6)));
    for wide in [&b"\xFF\xFEa\0"[..], b"\xFE\xFF\0a"] {
        let fault = read_as(Encoding::Utf8, wide).unwrap_err();
        assert!(fault.message.contains("UTF_16") && fault.byte == Some(0), "{fault:?}");
    }
    assert_eq!(fault(b"a\0,\0b\0\n\0"), ("CSV_NUL", 1, 1));
}

#[test]
fn named_encodings_are_read_and_faults_in_them_are_named() {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    for big in [false, true] {
        for mark in ["", "\u{FEFF}"] {
            let records = read_as(Encoding::Utf16, &utf16(&format!("{mark}a\té\n1\t😀\n"), big)).unwrap();
            assert_eq!(records[1].fields, ["1", "😀"]);
            assert_eq!(records[0].fields, ["a", "é"]);
        }
    }
    let mut half = utf16("a,b\n1,", false);
    half.extend([0x3D, 0xD8, b'x', 0]);
    let fault = read_as(Encoding::Utf16, &half).unwrap_err();
    assert_eq!((fault.reason, fault.line, fault.column, fault.byte), ("CSV_ENCODING", 2, 2, Some(14)));
    assert!(read_as(Encoding::Utf16, b"a,\0b\0\n").is_err() && read_as(Encoding::Utf16, b"a,b\n").is_err());
    let records = read_as(Encoding::Windows1252, b"a;b\n\x80 5;Andr\xE9\n").unwrap();
    assert_eq!(records[1].fields, ["€ 5", "André"]);
    let empty = read_as(Encoding::Windows1252, b"a;b\n1;\x81").unwrap_err();
    assert_eq!((empty.line, empty.column, empty.byte), (2, 2, Some(6)));
    let marked = read_as(Encoding::Windows1252, "\u{FEFF}a".as_bytes()).unwrap_err();
    assert!(marked.message.contains("UTF_8"));
}
