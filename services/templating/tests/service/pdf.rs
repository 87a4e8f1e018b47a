//! Letters of a merge as PDF, through the interface and with a real LibreOffice (row L6). Left out with a loud line where it is not installed.

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::{FieldKind, MergeOutput, MergeState};
use kontor_testbed::failure;
use tonic::Code;

use crate::support::{directory, docx, file, odt, p};
use crate::world::{World, fields, text};

kontor_testbed::on_both! { World;
    l6_a_merge_makes_a_pdf_of_each_letter,
    l6_a_joined_merge_is_one_pdf_with_a_page_a_letter,
    l6_a_merge_as_pdf_is_refused_without_libreoffice,
}

const NUMBER: [(&str, FieldKind); 1] = [("number", FieldKind::Text)];

fn office() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&paths)
        .any(|folder| ["soffice", "libreoffice"].iter().any(|name| folder.join(name).is_file()));
    if !is_there {
        eprintln!(
            "LEFT OUT: LibreOffice is not installed, so no merge became PDF (apt-get install libreoffice-writer)"
        );
    }
    is_there
}

fn request(template: &str, count: usize, output: MergeOutput) -> proto::CreateMergeRequest {
    let row = |number: usize| proto::MergeRow {
        fields: Some(fields([("number", text(&format!("No. {number}")))])),
        ..Default::default()
    };
    proto::CreateMergeRequest {
        template: format!("templates/{template}"),
        rows: (1..=count).map(row).collect(),
        output: output.into(),
        pdf: true,
        ..Default::default()
    }
}

/// Pages of a PDF: LibreOffice writes the tree of pages unpacked.
fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.match_indices("/Type/Page").filter(|(at, found)| !text[at + found.len()..].starts_with('s')).count()
}

async fn l6_a_merge_makes_a_pdf_of_each_letter(world: World) {
    if !office() {
        return;
    }
    world.add_template("a", odt("<text:p>Dear {{ number }}</text:p>"), &NUMBER).await;
    let merge = world.merge(request("a", 3, MergeOutput::Unspecified)).await;
    assert_eq!(
        (merge.state(), merge.letter_count, merge.failed_count),
        (MergeState::Done, 3, 0),
        "{merge:?}"
    );
    let letters = world.letters(&merge.name).await;
    let names: Vec<_> = letters.iter().map(|letter| letter.filename.as_str()).collect();
    assert!(names.iter().all(|name| name.ends_with(".pdf")), "{names:?}");
    let first = world.letter(&letters[0].name).await;
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!((pages(&first), letters[0].size_bytes), (1, i64::try_from(first.len()).unwrap()));
    let (name, zip) = world.download(&merge.name).await.unwrap();
    assert!(name.ends_with(".zip"), "{name}");
    let inside: Vec<_> = directory(&zip).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(inside, names);
    assert_eq!(file(&zip, names[0]).unwrap(), first);
}

async fn l6_a_joined_merge_is_one_pdf_with_a_page_a_letter(world: World) {
    if !office() {
        return;
    }
    world.add_template("a", docx(&p("Dear {{ number }}")), &NUMBER).await;
    let merge = world.merge(request("a", 4, MergeOutput::Joined)).await;
    assert_eq!((merge.state(), merge.letter_count), (MergeState::Done, 4), "{merge:?}");
    let (name, pdf) = world.download(&merge.name).await.unwrap();
    assert!(name.ends_with(".pdf"), "{name}");
    assert!(pdf.starts_with(b"%PDF-"));
    assert_eq!(pages(&pdf), 4);
}

async fn l6_a_merge_as_pdf_is_refused_without_libreoffice(world: World) {
    if office() {
        eprintln!("LEFT OUT: LibreOffice is installed, so nothing was refused");
        return;
    }
    world.add_template("a", docx(&p("Dear {{ number }}")), &NUMBER).await;
    let refused = world.try_merge(request("a", 1, MergeOutput::Unspecified)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "NO_PDF".to_owned()));
}
