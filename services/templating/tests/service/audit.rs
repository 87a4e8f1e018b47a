//! Row H4 in templating: templates are told by field, merges as they begin, are steered and are deleted.

use kontor_proto::templating::v1 as proto;
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};

use crate::support::{docx, p};
use crate::world::{World, sales};

kontor_testbed::on_both! { World; h4_templates_and_merges_are_told_by_field }

/// What the SQL of templating writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("content", "not: documents by their hash, which stands in the template's entry"),
    ("file", "not: what a user keeps for itself beside the templates"),
    ("file_body", "not: as file"),
    ("file_lock", "not: locks end by themselves"),
    ("file_property", "not: as file"),
    ("letter", "not: what a merge makes; letters that an erasure takes are in its report"),
    ("letter_body", "not: as letter"),
    ("merge_gone", "not: what is on its way out"),
    ("merge_row", "not: as letter"),
    (
        "merge_run",
        "kit::resource as it begins and is deleted; by hand in rpc/merge.rs when it is steered; not how far it is",
    ),
    ("template_revision", "not: follows from the template"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

async fn h4_templates_and_merges_are_told_by_field(world: World) {
    let template = world.add_template("a", docx(&p("x")), &[]).await;
    let request = proto::UpdateTemplateRequest {
        template: Some(proto::Template { content: docx(&p("y")).into(), ..template }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["content".to_owned()] }),
        ..Default::default()
    };
    world.templates.clone().update_template(sales().request(request)).await.unwrap();
    let audit = Audit::new(&world.link, "templating");
    let told: Vec<String> = audit.of("templates/a").await.iter().map(line).collect();
    assert!(told[0].starts_with("CREATE sales by CreateTemplate: display_name -> Template a"), "{told:?}");
    assert!(told[1].starts_with("UPDATE sales by UpdateTemplate: revision 1 -> 2; sha256"), "{told:?}");
    let merge = world
        .merge(proto::CreateMergeRequest {
            template: "templates/a".to_owned(),
            rows: vec![Default::default()],
            ..Default::default()
        })
        .await;
    let told: Vec<String> = audit.of(&merge.name).await.iter().map(line).collect();
    assert_eq!(
        told,
        [
            "CREATE sales by CreateMerge: template -> a; revision -> 2; owner -> users/sales; recipient_count -> 1"
        ]
    );
    audit.whole().await;
}
