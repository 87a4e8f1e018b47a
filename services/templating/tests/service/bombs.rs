//! Bombs through the interface: an error that names what is wrong, in bounded time, and nothing is kept (row L9).

use std::io::Write;
use std::time::{Duration, Instant};

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::FieldKind;
use tonic::Code;

use crate::support::{Zip, crc, docx, docx_of, p};
use crate::world::{World, fields, list, sales, text};

kontor_testbed::on_both! { World;
    l9_bombs_are_refused_at_the_door,
    l9_an_endless_loop_ends,
}

/// Real time: a debug build on a loaded machine, so only that it is bounded is checked here. The engine's own tests measure it.
const SOON: Duration = Duration::from_secs(30);

async fn l9_bombs_are_refused_at_the_door(world: World) {
    let zeros = vec![b' '; 20 << 20];
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(&zeros).unwrap();
    let mut zip = Zip::default();
    zip.put("word/document.xml", 8, &out.finish().unwrap(), zeros.len() as u32, crc(&zeros), 0);
    let entity =
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bbbb\">]><w:document XMLNS><w:body/></w:document>";
    let macros =
        [("word/document.xml", "<w:document XMLNS><w:body/></w:document>"), ("word/vbaProject.bin", "x")];
    for (content, wanted) in [
        (zip.finish(), "times larger"),
        (docx_of(&[("word/document.xml", entity)]), "word/document.xml: a DOCTYPE"),
        (docx_of(&macros), "macros"),
        (vec![b'P'; 40 << 20], "41943040 bytes"),
        (b"hello".to_vec(), "no DOCX or ODT"),
        (Vec::new(), "there is no document"),
    ] {
        let begun = Instant::now();
        let refused = world.try_template(&sales(), "a", content, &[], "").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with("template.content: "), "{}", refused.message());
        assert!(refused.message().contains(wanted), "{}", refused.message());
        assert!(begun.elapsed() < SOON);
    }
    let list = world.templates.clone().list_templates(sales().request(Default::default())).await.unwrap();
    assert_eq!(list.into_inner().templates, []);
}

async fn l9_an_endless_loop_ends(world: World) {
    let body =
        p("{% for a in list %}{% for b in list %}{% for c in list %}{% endfor %}{% endfor %}{% endfor %}");
    world.add_template("a", docx(&body), &[("list[]", FieldKind::Text)]).await;
    let values = fields([("list", list(vec![text("x"); 1_000]))]);
    let begun = Instant::now();
    let merge = world
        .merge(proto::CreateMergeRequest {
            template: "templates/a".to_owned(),
            rows: vec![Default::default()],
            fields: Some(values),
            ..Default::default()
        })
        .await;
    assert_eq!(merge.state(), proto::MergeState::Failed);
    assert!(merge.failure.contains("steps of work"), "{}", merge.failure);
    assert!(begun.elapsed() < SOON);
}
