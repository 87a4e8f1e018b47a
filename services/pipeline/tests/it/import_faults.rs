//! Files that are refused as a whole: each with its own error at its place, and never half an import.

use bytes::Bytes;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_leads_request::Part;
use kontor_proto::pipeline::v1::import_service_client::ImportServiceClient;
use kontor_testbed::admin;
use tonic::{Code, Status};

use crate::import_file::{import, last, leads, messages, numbered, settings};
use crate::world::{World, anna};

kontor_testbed::on_both! { World;
    p15_each_fault_of_a_file_has_its_own_error_and_nothing_is_written,
    p15_a_fault_at_the_end_of_a_long_file_leaves_nothing_behind,
    p15_marks_semicolons_and_named_encodings_are_read,
    p15_a_number_without_a_digit_is_a_fault_of_its_row_and_a_dash_is_none,
    p15_a_file_of_a_gigabyte_is_refused,
    p15_wrong_settings_are_refused_by_name,
    p15_pieces_out_of_order_are_refused,
}

/// What the error says for programs: reason, line, column, field, byte.
fn place(status: &Status) -> (String, [String; 4]) {
    let (reason, metadata) = kontor_kit::error::reason(status).expect("ErrorInfo");
    let of = |key: &str| metadata.get(key).cloned().unwrap_or_default();
    (reason, [of("line"), of("column"), of("field"), of("byte")])
}

async fn p15_each_fault_of_a_file_has_its_own_error_and_nothing_is_written(world: World) {
    let good = "title,email\nRoof,a@x.com\n";
    let long = "x".repeat(400_001);
    let wide = format!("title{}\n", ",".repeat(200));
    let cases: Vec<(Vec<u8>, &str, [&str; 4], &str)> = vec![
        (
            format!("{good}Gate,\"b@x.com\nFence,c@x.com\n").into(),
            "CSV_QUOTE_OPEN",
            ["3", "2", "email", ""],
            "never closed",
        ),
        (
            format!("{good}Gate,\"b\nFence,\"c\"\n").into(),
            "CSV_TEXT_AFTER_QUOTE",
            ["4", "2", "email", ""],
            "begins in line 3",
        ),
        (format!("{good}Ga\"te,b\n").into(), "CSV_BARE_QUOTE", ["3", "1", "title", ""], "double this one"),
        ([good.as_bytes(), b"Andr\xE9,b\n"].concat(), "CSV_ENCODING", ["3", "1", "title", "29"], "CSV UTF-8"),
        (b"\xFF\xFEt\0i\0t\0l\0e\0\n\0".to_vec(), "CSV_ENCODING", ["1", "1", "", "0"], "UTF_16"),
        (b"t\0i\0t\0l\0e\0\n\0".to_vec(), "CSV_NUL", ["1", "1", "", ""], "UTF_16"),
        (b"title,email\rRoof,a\r".to_vec(), "CSV_LINE_END", ["1", "2", "", ""], "CR LF"),
        (format!("{good}{long},b\n").into(), "CSV_FIELD_TOO_LONG", ["3", "1", "title", ""], "400000 bytes"),
        (wide.into(), "CSV_TOO_MANY_COLUMNS", ["1", "200", "", ""], "200 fields"),
        (b"title,email;phone\n".to_vec(), "CSV_DELIMITER", ["1", "1", "", ""], "say which"),
        (b"title,mail\nRoof,a\n".to_vec(), "INVALID_FIELD", ["1", "2", "mail", ""], "no field of a lead"),
        (b"title,Title\nRoof,a\n".to_vec(), "INVALID_FIELD", ["1", "2", "Title", ""], "so is column 1"),
        (b"external_id\n1\n".to_vec(), "INVALID_FIELD", ["1", "", "data", ""], "no column is a field"),
        (b"".to_vec(), "INVALID_FIELD", ["1", "", "data", ""], "empty"),
        (b"\xEF\xBB\xBF\r\n\r\n".to_vec(), "INVALID_FIELD", ["1", "", "data", ""], "empty"),
    ];
    for (file, reason, at, message) in cases {
        let status = import(&world, &anna(), settings("fair"), &file).await.unwrap_err();
        let shown = String::from_utf8_lossy(&file[..file.len().min(60)]).into_owned();
        assert_eq!(status.code(), Code::InvalidArgument, "{shown}");
        assert_eq!(
            place(&status),
            (reason.to_owned(), at.map(str::to_owned)),
            "{shown}: {}",
            status.message()
        );
        assert!(status.message().contains(message), "{shown}: {}", status.message());
    }
    assert!(leads(&world, &admin()).await.is_empty() && world.events(&admin()).await.is_empty());
}

async fn p15_a_number_without_a_digit_is_a_fault_of_its_row_and_a_dash_is_none(world: World) {
    let file = b"title,Telefon\nRoof,abc\nGate,-\nFence,N/A\nDoor,101\n";
    let columns = [("Telefon".to_owned(), "phone".to_owned())].into();
    let answers =
        import(&world, &anna(), proto::LeadImport { columns, ..settings("fair") }, file).await.unwrap();
    let end = last(&answers);
    assert_eq!((end.created_rows, end.failed_rows), (3, 1));
    let faults: Vec<_> = answers.iter().flat_map(|answer| &answer.errors).collect();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!(
        (fault.line, fault.column, fault.field.as_str(), fault.reason.as_str()),
        (2, 2, "Telefon", "INVALID_FIELD")
    );
    assert!(fault.message.contains("\"abc\" is no telephone number"), "{}", fault.message);
    let mut phones: Vec<_> =
        leads(&world, &admin()).await.into_iter().map(|it| (it.title, it.phone)).collect();
    phones.sort();
    let wanted = [("Door", "101"), ("Fence", ""), ("Gate", "")];
    assert_eq!(phones, wanted.map(|(title, phone)| (title.to_owned(), phone.to_owned())));
}

async fn p15_a_fault_at_the_end_of_a_long_file_leaves_nothing_behind(world: World) {
    let mut file = numbered(3_000);
    file.extend_from_slice(b"Last,\"nobody");
    let status = import(&world, &anna(), settings("fair"), &file).await.unwrap_err();
    assert_eq!(place(&status).0, "CSV_QUOTE_OPEN");
    assert!(status.message().starts_with("line 3002, column 2 (\"email\"): "), "{}", status.message());
    assert!(leads(&world, &admin()).await.is_empty());
}

async fn p15_marks_semicolons_and_named_encodings_are_read(world: World) {
    let text = "title;email\r\nDak van André, €5;a@x.com\r\n";
    let wide: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let windows: Vec<u8> = text
        .chars()
        .map(|letter| match letter {
            '€' => 0x80,
            letter => u8::try_from(u32::from(letter)).unwrap(),
        })
        .collect();
    let cases = [
        (format!("\u{FEFF}{text}").into_bytes(), proto::TextEncoding::Unspecified),
        (wide, proto::TextEncoding::Utf16),
        (windows, proto::TextEncoding::Windows1252),
        (text.replace(';', "\t").into_bytes(), proto::TextEncoding::Utf8),
        (format!("sep=;\r\n{text}").into_bytes(), proto::TextEncoding::Utf8),
    ];
    for (number, (file, encoding)) in cases.into_iter().enumerate() {
        let settings = proto::LeadImport { encoding: encoding.into(), ..settings("fair") };
        let end = last(&import(&world, &anna(), settings, &file).await.unwrap()).clone();
        // All of them are the same row.
        let created = i64::from(number == 0);
        assert_eq!(
            (end.created_rows, end.unchanged_rows, end.failed_rows),
            (created, 1 - created, 0),
            "{number}"
        );
    }
    let all = leads(&world, &anna()).await;
    assert_eq!((all.len(), all[0].title.as_str()), (1, "Dak van André, €5"));
    // A heading that would be read another way, with the delimiter given.
    let given = proto::LeadImport {
        delimiter: ";".to_owned(),
        columns: [("a,b,c".to_owned(), "-".to_owned())].into(),
        ..settings("other")
    };
    let end = last(&import(&world, &anna(), given, b"title;a,b,c\nRoof;1\n").await.unwrap()).clone();
    assert_eq!(end.created_rows, 1);
}

async fn p15_a_file_of_a_gigabyte_is_refused(world: World) {
    // Told beforehand: at once.
    let known = proto::LeadImport { size_bytes: 1 << 30, ..settings("fair") };
    let status = import(&world, &anna(), known, b"title\nRoof\n").await.unwrap_err();
    assert_eq!((status.code(), place(&status).0.as_str()), (Code::InvalidArgument, "CSV_TOO_LARGE"));
    // Not told: where the limit is passed, however much would follow.
    let row = format!("Roof,{}\n", "x".repeat(1_000));
    let piece = Bytes::from(row.repeat(1_000));
    let head = messages(settings("fair"), b"title,description\n");
    let pieces = std::iter::repeat_n(piece, 1_100)
        .map(|piece| proto::ImportLeadsRequest { part: Some(Part::Data(piece)) });
    let requests = tokio_stream::iter(head.into_iter().chain(pieces));
    let mut client = ImportServiceClient::new(world.link.clone());
    let mut stream = client.import_leads(anna().request(requests)).await.unwrap().into_inner();
    let mut most = 0;
    let status = loop {
        match stream.message().await {
            Ok(Some(message)) => most = most.max(message.received_bytes),
            Ok(None) => panic!("it was taken"),
            Err(status) => break status,
        }
    };
    assert_eq!(place(&status).0, "CSV_TOO_LARGE");
    assert!(status.message().contains("256 MiB"), "{}", status.message());
    assert!((200 << 20..=256 << 20).contains(&most), "{most}");
    assert!(leads(&world, &admin()).await.is_empty());
}

async fn p15_wrong_settings_are_refused_by_name(world: World) {
    let good = || settings("fair");
    let cases = [
        (settings(" "), "settings.source"),
        (settings(&"x".repeat(101)), "settings.source"),
        (proto::LeadImport { delimiter: ",;".to_owned(), ..good() }, "settings.delimiter"),
        (proto::LeadImport { encoding: 9, ..good() }, "settings.encoding"),
        (proto::LeadImport { assignee: "users/zoe".to_owned(), ..good() }, "settings.assignee"),
        (proto::LeadImport { team: "teams/moon".to_owned(), ..good() }, "settings.team"),
        (proto::LeadImport { region: "Belgium".to_owned(), ..good() }, "settings.region"),
        (proto::LeadImport { tags: vec![String::new()], ..good() }, "settings.tags"),
        (proto::LeadImport { max_errors: -1, ..good() }, "settings.max_errors"),
        (proto::LeadImport { max_errors: 100_001, ..good() }, "settings.max_errors"),
        (proto::LeadImport { size_bytes: -1, ..good() }, "settings.size_bytes"),
        (proto::LeadImport { size_bytes: 5, ..good() }, "settings.size_bytes"),
        (
            proto::LeadImport { columns: [("Fax".to_owned(), "phone".to_owned())].into(), ..good() },
            "settings.columns[Fax]",
        ),
    ];
    for (settings, field) in cases {
        let status = import(&world, &anna(), settings, b"title\nRoof\n").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert_eq!(place(&status).1[2], field, "{}", status.message());
    }
    assert!(leads(&world, &admin()).await.is_empty());
}

async fn p15_pieces_out_of_order_are_refused(world: World) {
    let good = messages(settings("fair"), b"title\nRoof\n");
    let (first, data) = (good[0].clone(), good[1].clone());
    let large = proto::ImportLeadsRequest { part: Some(Part::Data(vec![b'x'; (1 << 20) + 1].into())) };
    let cases = [
        (vec![], "settings"),
        (vec![data.clone(), first.clone()], "settings"),
        (vec![first.clone(), data.clone(), first.clone()], "settings"),
        (vec![first.clone(), proto::ImportLeadsRequest { part: None }], "part"),
        (vec![first.clone(), large], "data"),
    ];
    for (number, (requests, field)) in cases.into_iter().enumerate() {
        let mut client = ImportServiceClient::new(world.link.clone());
        let answer = client.import_leads(anna().request(tokio_stream::iter(requests))).await;
        let mut stream = answer.unwrap().into_inner();
        let status = stream.message().await.unwrap_err();
        assert_eq!((status.code(), place(&status).1[2].as_str()), (Code::InvalidArgument, field), "{number}");
    }
    assert!(leads(&world, &admin()).await.is_empty());
}
