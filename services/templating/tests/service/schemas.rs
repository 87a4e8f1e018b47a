//! Real letters got over gRPC: previewed, merged one by one and joined. They are the engine's, byte for byte, and can be laid before the validators of the
//! schemas (row L8): tests/scripts/validate.py, with KONTOR_LETTERS.

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::field_value::Kind;
use kontor_proto::templating::v1::{FieldKind, MergeOutput, MergeState};

use crate::letters::anna;
use crate::support::data;
use crate::world::{World, euro, fields, group, list, text, value};

kontor_testbed::on_both! { World;
    l8_letters_got_over_grpc_are_the_same_however_they_are_got,
}

const DECLARED: [(&str, FieldKind); 10] = [
    ("deal.id", FieldKind::Text),
    ("deal.title", FieldKind::Text),
    ("deal.total", FieldKind::Money),
    ("deal.until", FieldKind::Date),
    ("deal.discount", FieldKind::Number),
    ("deal.url", FieldKind::Text),
    ("deal.lines[].name", FieldKind::Text),
    ("deal.lines[].count", FieldKind::Number),
    ("deal.lines[].price", FieldKind::Money),
    ("deal.notes[]", FieldKind::Text),
];

fn deal() -> proto::Fields {
    let line = |name: &str, count: &str, price: &str| {
        let count = value(Kind::Number(count.to_owned()));
        group([("name", text(name)), ("count", count), ("price", euro(price))])
    };
    let deal = group([
        ("id", text("D/7 a")),
        ("title", text("solar roof")),
        ("total", euro("1234.5")),
        ("until", value(Kind::Date("2026-12-24".to_owned()))),
        ("discount", proto::FieldValue::default()),
        ("url", text("https://example.com/d/7")),
        ("lines", list(vec![line("Panel", "12", "1000"), line("Cable\t5 m", "2.5", "234.5")])),
        ("notes", list(vec![text("first"), text("second & <third>")])),
    ]);
    fields([("deal", deal)])
}

async fn l8_letters_got_over_grpc_are_the_same_however_they_are_got(world: World) {
    let anna = anna(&world).await;
    for (id, name) in [("word", "letter.docx"), ("office", "letter.odt")] {
        let template = world.add_template(id, data(name), &DECLARED).await.name;
        let request = proto::PreviewLetterRequest {
            name: template.clone(),
            partner: anna.clone(),
            fields: Some(deal()),
            ..Default::default()
        };
        let preview = world.preview(request).await.unwrap();
        let merge = |output: MergeOutput| proto::CreateMergeRequest {
            template: template.clone(),
            partners: vec![anna.clone()],
            fields: Some(deal()),
            output: output.into(),
            ..Default::default()
        };
        let merged = world.merge(merge(MergeOutput::Unspecified)).await;
        assert_eq!(merged.state(), MergeState::Done, "{}", merged.failure);
        let letters = world.letters(&merged.name).await;
        assert!(world.letter(&letters[0].name).await == preview, "{name}");
        let mut two = merge(MergeOutput::Joined);
        two.partners.push(anna.clone());
        let joined = world.merge(two).await;
        assert_eq!(joined.state(), MergeState::Done, "{}", joined.failure);
        let (_, joined) = world.download(&joined.name).await.unwrap();
        assert!(joined.starts_with(b"PK") && joined.len() > preview.len() / 2);
        if let Some(folder) = std::env::var_os("KONTOR_LETTERS") {
            let folder = std::path::Path::new(&folder);
            std::fs::write(folder.join(format!("grpc-{name}")), &preview).expect("written");
            std::fs::write(folder.join(format!("grpc-joined-{name}")), &joined).expect("written");
        }
    }
}
