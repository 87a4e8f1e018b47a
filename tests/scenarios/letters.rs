//! Letters through a whole Kontor in its own process: a merge that is killed without warning goes on where it stood.
//! Row L5. What merges do otherwise is shown by the tests of templating, on both databases.

use std::collections::BTreeSet;

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::MergeState;
use kontor_proto::templating::v1::field_value::Kind;
use kontor_tests::{Grpc, Process};

/// Recipients: many steps of the worker.
const RECIPIENTS: usize = 6_000;
const KILLS: usize = 3;

/// A zip of files that are not packed.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let size = u32::try_from(text.len()).expect("small").to_le_bytes();
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5b];
        head.extend(crc.sum().to_le_bytes());
        head.extend(size);
        head.extend(size);
        head.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        head.extend([0, 0]);
        let at = u32::try_from(out.len()).expect("small").to_le_bytes();
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(text.as_bytes());
        central.extend(b"PK\x01\x02\x14\x00");
        central.extend(&head);
        central.extend([0; 10]);
        central.extend(at);
        central.extend(name.as_bytes());
    }
    let begin = u32::try_from(out.len()).expect("small").to_le_bytes();
    let size = u32::try_from(central.len()).expect("small").to_le_bytes();
    let count = u16::try_from(files.len()).expect("few").to_le_bytes();
    out.extend(central);
    out.extend(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend(count);
    out.extend(count);
    out.extend(size);
    out.extend(begin);
    out.extend([0, 0]);
    out
}

pub fn docx(text: &str) -> Vec<u8> {
    let types = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let relations = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";
    let document = format!(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"
    );
    zip(&[("[Content_Types].xml", types), ("_rels/.rels", relations), ("word/document.xml", &document)])
}

async fn get(grpc: &Grpc, name: &str) -> proto::Merge {
    let request = proto::GetMergeRequest { name: name.to_owned() };
    grpc.letter_merges().get_merge(request).await.expect("the merge").into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_kill_nine_in_the_middle_of_a_merge_makes_each_letter_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Process::start(folder.path(), &["--demo"]).await;
    let mut grpc = Grpc::new(&process.address, "sales", "demo");
    let declared = proto::FieldDeclaration { path: "number".to_owned(), ..Default::default() };
    let template = proto::Template {
        content: docx("No. {{ number }}").into(),
        fields: vec![declared],
        ..Default::default()
    };
    let request = proto::CreateTemplateRequest {
        template: Some(template),
        template_id: "letter".to_owned(),
        ..Default::default()
    };
    let made = grpc.templates().create_template(request).await.expect("a template").into_inner();
    assert_eq!(made.findings, []);
    let row = |number: usize| {
        let value = proto::FieldValue { kind: Some(Kind::Text(number.to_string())) };
        let fields = proto::Fields { fields: [("number".to_owned(), value)].into_iter().collect() };
        proto::MergeRow { fields: Some(fields), ..Default::default() }
    };
    let request = proto::CreateMergeRequest {
        template: made.name,
        rows: (1..=RECIPIENTS).map(row).collect(),
        ..Default::default()
    };
    let merge = grpc.letter_merges().create_merge(request).await.expect("a merge").into_inner().name;
    let (mut killed, mut reached) = (0, 0);
    for _ in 0..KILLS {
        // In the middle: letters more than at the last kill are there, and not all.
        for () in kontor_testbed::patience() {
            let now = get(&grpc, &merge).await;
            if now.state() == MergeState::Done {
                break;
            }
            if now.letter_count > reached {
                reached = now.letter_count;
                killed += 1;
                break;
            }
        }
        process.kill().await;
        process = Process::start(folder.path(), &["--demo"]).await;
        grpc = Grpc::new(&process.address, "sales", "demo");
        assert!(get(&grpc, &merge).await.letter_count >= reached, "what was told was on disk");
    }
    assert!(killed > 0, "it was killed while letters were made");
    let request = proto::WatchMergeRequest { name: merge.clone() };
    let mut stream = grpc.letter_merges().watch_merge(request).await.expect("watched").into_inner();
    let mut last = None;
    while let Some(now) = stream.message().await.expect("a message") {
        last = Some(now);
    }
    let last = last.expect("it ended");
    assert_eq!(
        (last.state(), last.letter_count, last.failed_count),
        (MergeState::Done, RECIPIENTS as i64, 0)
    );
    let (mut names, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = proto::ListLettersRequest { parent: merge.clone(), page_size: 1_000, page_token };
        let page = grpc.letter_merges().list_letters(request).await.expect("a page").into_inner();
        for letter in page.letters {
            assert!(names.insert(letter.filename.clone()), "{} is there twice", letter.filename);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), RECIPIENTS);
    assert!(process.stop().await);
}
