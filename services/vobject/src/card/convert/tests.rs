//! Tests of the two ways between 3.0 and 4.0.
//! Run by cargo.

use super::*;

fn card(version: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:{version}\r\nUID:u-1\r\nFN:Jane Doe\r\nN:Doe;Jane;;;\r\n{lines}END:VCARD\r\n"
    )
}

/// The lines of the card in the other version, unfolded, without the frame.
fn converted(version: &str, lines: &str) -> Vec<String> {
    let to = if version == "4.0" { Version::V3 } else { Version::V4 };
    let text = convert(card(version, lines).as_bytes(), to).expect("it has another version");
    let text = String::from_utf8(text).unwrap().replace("\r\n ", "");
    let frame = ["BEGIN:", "END:", "VERSION:", "UID", "FN:", "N:"];
    text.lines()
        .filter(|line| !frame.iter().any(|begin| line.starts_with(begin)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_each_version_says_in_its_own_way_is_said_in_the_others() {
    // (3.0, 4.0): both ways.
    for (three, four) in [
        ("TEL;TYPE=cell,pref:+32 1", "TEL;TYPE=cell;PREF=1:+32 1"),
        ("EMAIL;TYPE=work:a@b.c", "EMAIL;TYPE=work:a@b.c"),
        ("PHOTO;ENCODING=b;TYPE=JPEG:AAAA", "PHOTO:data:image/jpeg;base64,AAAA"),
        ("LOGO;ENCODING=b;TYPE=PNG:QUJD", "LOGO:data:image/png;base64,QUJD"),
        ("SOUND;ENCODING=b;TYPE=OGG:QUJD", "SOUND:data:audio/ogg;base64,QUJD"),
        ("KEY;ENCODING=b;TYPE=PGP:QUJD", "KEY:data:application/pgp-keys;base64,QUJD"),
        (
            "PHOTO;VALUE=uri;TYPE=PNG:https://a.b/c;d,e",
            "PHOTO;VALUE=uri;MEDIATYPE=image/png:https://a.b/c;d,e",
        ),
        ("BDAY;VALUE=date:1996-04-15", "BDAY:19960415"),
        ("BDAY;VALUE=date-time:1953-10-15T23:10:00Z", "BDAY:19531015T231000Z"),
        ("BDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:1604-04-15", "BDAY:--0415"),
        ("BDAY;VALUE=text:circa 1800", "BDAY;VALUE=text:circa 1800"),
        ("X-ANNIVERSARY;VALUE=date:2009-08-08", "ANNIVERSARY:20090808"),
        ("X-GENDER:M", "GENDER:M"),
        ("REV:1995-10-31T22:27:10Z", "REV:19951031T222710Z"),
        ("REV:1995-10-31T22:27:10+02:00", "REV:19951031T222710+0200"),
        ("TZ:-05:00", "TZ;VALUE=utc-offset:-0500"),
        ("GEO:37.38;-122.08", "GEO:geo:37.38,-122.08"),
        ("X-ADDRESSBOOKSERVER-KIND:group", "KIND:group"),
        ("X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:2", "MEMBER:urn:uuid:2"),
        ("item1.TEL;TYPE=pref:1", "item1.TEL;PREF=1:1"),
        ("LANG;TYPE=work:nl", "LANG;TYPE=work:nl"),
        ("X-Odd;x=y:keep  me\\, as \"I\" am", "X-Odd;x=y:keep  me\\, as \"I\" am"),
        ("NOTE:a\\nb", "NOTE:a\\nb"),
    ] {
        assert_eq!(converted("3.0", &format!("{three}\r\n")), [four], "{three} in 4.0");
        assert_eq!(converted("4.0", &format!("{four}\r\n")), [three], "{four} in 3.0");
    }
}

#[test]
fn other_spellings_are_understood() {
    for (three, four) in [
        ("PHOTO;ENCODING=BASE64;TYPE=image/gif:QU\r\n JD", "PHOTO:data:image/gif;base64,QUJD"),
        ("PHOTO;TYPE=jpg;ENCODING=B:QUJD", "PHOTO:data:image/jpeg;base64,QUJD"),
        ("EMAIL;type=INTERNET;type=HOME;type=pref:a@b.c", "EMAIL;TYPE=HOME;PREF=1:a@b.c"),
        ("BDAY:1996-04-15", "BDAY:19960415"),
        ("BDAY:19960415", "BDAY:19960415"),
        ("BDAY:spring", "BDAY;VALUE=text:spring"),
        ("TZ:Europe/Brussels", "TZ:Europe/Brussels"),
        ("NOTE;CHARSET=UTF-8:ü", "NOTE:ü"),
    ] {
        assert_eq!(converted("3.0", &format!("{three}\r\n")), [four], "{three}");
    }
    for (four, three) in [
        (
            "TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+1-555-555-5555;ext=5555",
            "TEL;TYPE=voice,home,pref:+1-555-555-5555 ext. 5555",
        ),
        ("EMAIL;PREF=2:a@b.c", "EMAIL;PREF=2:a@b.c"),
        ("PHOTO:data:image/jpeg;base64\\,QUJD", "PHOTO;ENCODING=b;TYPE=JPEG:QUJD"),
        ("PHOTO:data:image/svg+xml,%3Csvg/%3E", "PHOTO;VALUE=uri:data:image/svg+xml,%3Csvg/%3E"),
        ("GEO:geo:1.5,2.5;u=9", "GEO:1.5;2.5"),
        ("BDAY:1985-04", "BDAY:1985-04"),
        ("BDAY:---12", "BDAY:---12"),
    ] {
        assert_eq!(converted("4.0", &format!("{four}\r\n")), [three], "{four}");
    }
}

#[test]
fn labels_and_sorting_change_their_places() {
    let three = "ADR;TYPE=home:;;A 1;;;;\r\nLABEL;TYPE=home:A 1\\nTown\r\nLABEL;TYPE=work:none of these\r\nLABEL;TYPE=home:one too many\r\nSORT-STRING:Doe\r\n";
    assert_eq!(
        converted("3.0", three),
        [
            "N;SORT-AS=Doe:Doe;Jane;;;",
            "ADR;LABEL=A 1^nTown;TYPE=home:;;A 1;;;;",
            "LABEL;TYPE=work:none of these",
            "LABEL;TYPE=home:one too many"
        ]
    );
    let four = "ADR;LABEL=\"A 1^nTown\";TYPE=home:;;A 1;;;;\r\n";
    assert_eq!(converted("4.0", four), ["LABEL;TYPE=home:A 1\\nTown", "ADR;TYPE=home:;;A 1;;;;"]);
}

#[test]
fn the_uid_never_changes() {
    for uid in
        ["u-1", "urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1", "4fbe8971-0bc3-424c-9c26-36c3e1eff6b1"]
    {
        for (version, to) in [("3.0", Version::V4), ("4.0", Version::V3)] {
            let text = card(version, "").replace("u-1", uid);
            let text = convert(text.as_bytes(), to).unwrap();
            let document = Document::parse(&text, &Limits::default()).unwrap();
            let read = Card::read(&document).unwrap();
            assert_eq!((read.uid.as_str(), read.version), (uid, to));
        }
    }
    let text = String::from_utf8(convert(card("3.0", "").as_bytes(), Version::V4).unwrap()).unwrap();
    assert!(text.contains("UID;VALUE=text:u-1\r\n"), "{text}");
}

#[test]
fn three_gets_a_name_and_a_card_of_2_1_becomes_either() {
    let group = "BEGIN:VCARD\nVERSION:4.0\nUID:g\nFN:Team\\, all\nKIND:group\nEND:VCARD\n";
    let text = String::from_utf8(convert(group.as_bytes(), Version::V3).unwrap()).unwrap();
    assert!(text.contains("N:Team\\, all;;;;\n") && !text.contains('\r'), "{text}");
    let old = "BEGIN:VCARD\r\nVERSION:2.1\r\nUID:1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Eva\r\n\
               TEL;CELL;PREF:1\r\nPHOTO;JPEG;ENCODING=BASE64:\r\n AAAA\r\n\r\nEND:VCARD\r\n";
    for (to, lines) in [
        (
            Version::V3,
            ["N:Müller;Eva", "TEL;TYPE=CELL,pref:1", "PHOTO;ENCODING=b;TYPE=JPEG:AAAA", "FN:Eva Müller"],
        ),
        (
            Version::V4,
            ["N:Müller;Eva", "TEL;TYPE=CELL;PREF=1:1", "PHOTO:data:image/jpeg;base64,AAAA", "FN:Eva Müller"],
        ),
    ] {
        let text = String::from_utf8(convert(old.as_bytes(), to).unwrap()).unwrap();
        for line in lines {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line} is not in {text}");
        }
    }
}

#[test]
fn what_needs_no_change_or_is_no_card_is_left_alone() {
    assert_eq!(convert(card("3.0", "").as_bytes(), Version::V3), None);
    assert_eq!(convert(card("4.0", "").as_bytes(), Version::V4), None);
    assert_eq!(convert(card("4.0", "").as_bytes(), Version::V2), None);
    assert_eq!(convert(b"BEGIN:VCARD\r\nnonsense", Version::V3), None);
    assert_eq!(convert(card("5.0", "").as_bytes(), Version::V3), None);
    assert_eq!(version_of(b"BEGIN:VCARD\r\nversion: 4.0 \r\n"), Some(Version::V4));
    assert_eq!(version_of(b"BEGIN:VCARD\r\nUID:1\r\n"), None);
}

#[test]
fn there_and_back_the_typed_card_is_the_same() {
    let lines = "ORG:Acme\\, Inc;Sales\r\nitem1.TEL;TYPE=CELL;TYPE=pref:+49 30 1\r\nitem1.X-ABLabel:_$!<Mobile>!$_\r\n\
        EMAIL;TYPE=WORK:J@x.de\r\nADR;TYPE=WORK:;;Street 1;Town;;12345;DE\r\nURL:https://a.b/c;d\r\nNOTE:one\\,\\ntwo\r\n\
        CATEGORIES:a,b\r\nPHOTO;ENCODING=b;TYPE=JPEG:AAAA\r\n BBBB\r\nX-UNKNOWN;x=y:keep  me\r\n";
    let first = card("3.0", lines);
    let four = convert(first.as_bytes(), Version::V4).unwrap();
    let back = convert(&four, Version::V3).unwrap();
    let read = |bytes: &[u8]| Card::read(&Document::parse(bytes, &Limits::default()).unwrap()).unwrap();
    assert_eq!(read(&back), read(first.as_bytes()));
    assert_eq!(Card { version: Version::V3, ..read(&four) }, read(first.as_bytes()));
    assert!(String::from_utf8(back).unwrap().contains("X-UNKNOWN;x=y:keep  me\r\n"));
}

#[test]
fn a_large_picture_and_many_lines_take_linear_time() {
    let picture = format!("PHOTO;ENCODING=b;TYPE=JPEG:{}\r\n", "QUJD".repeat(100_000));
    let many = "LABEL;TYPE=home:x\r\nADR;TYPE=home:;;;;;;\r\n".repeat(3_000);
    let start = std::time::Instant::now();
    let text = card("3.0", &format!("{picture}{many}"));
    let four = convert(text.as_bytes(), Version::V4).unwrap();
    assert!(convert(&four, Version::V3).is_some());
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}
