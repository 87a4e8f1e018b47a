//! Templates as records: saved, found wrong at their places, changed with revisions kept.

use kontor_proto::templating::v1 as proto;
use kontor_testbed::failure;
use tonic::Code;

use crate::support::{docx, odt, p};
use crate::world::{World, sales};

kontor_testbed::on_both! { World;
    l3_a_template_with_findings_is_a_draft_and_nothing_is_made_of_it,
    l3_each_save_is_a_revision,
    l3_declarations_are_checked,
}

async fn l3_a_template_with_findings_is_a_draft_and_nothing_is_made_of_it(world: World) {
    let body = format!("{}{}{}", p("Dear {{ partner.nane }}"), p("{% for a in lines %}"), p("x"));
    let draft = world.try_template(&sales(), "a", docx(&body), &[], "").await.unwrap();
    assert_eq!(draft.state(), proto::TemplateState::Draft);
    // A broken loop hides what a check of fields would say; both are told with their place.
    assert_eq!(draft.findings[0].part, "word/document.xml");
    assert_eq!(draft.findings[0].paragraph, 2);
    assert_eq!(draft.findings[0].tag, "{% for a in lines %}");
    let body = format!("{}{}", p("Hello"), p("Dear {{ partner.nane }}"));
    let request = proto::UpdateTemplateRequest {
        template: Some(proto::Template {
            name: draft.name.clone(),
            content: docx(&body).into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut client = world.templates.clone();
    let draft = client.update_template(sales().request(request)).await.unwrap().into_inner();
    let finding = &draft.findings[0];
    assert_eq!((finding.paragraph, finding.tag.as_str()), (2, "{{ partner.nane }}"));
    assert_eq!(finding.suggestion, "partner.name");
    let check = proto::CheckTemplateRequest { name: draft.name.clone(), ..Default::default() };
    let checked = client.check_template(sales().request(check)).await.unwrap().into_inner();
    assert_eq!(checked.findings, draft.findings);
    let preview = proto::PreviewLetterRequest { name: draft.name.clone(), ..Default::default() };
    assert_eq!(
        failure(world.preview(preview).await),
        (Code::FailedPrecondition, "TEMPLATE_DRAFT".to_owned())
    );
    let merge = proto::CreateMergeRequest {
        template: draft.name.clone(),
        rows: vec![Default::default()],
        ..Default::default()
    };
    assert_eq!(
        failure(world.try_merge(merge).await),
        (Code::FailedPrecondition, "TEMPLATE_DRAFT".to_owned())
    );
}

async fn l3_each_save_is_a_revision(world: World) {
    let first = world.add_template("a", docx(&p("One")), &[]).await;
    assert_eq!(first.revision, "templates/a/revisions/1");
    let update = |content: Vec<u8>, etag: &str| proto::UpdateTemplateRequest {
        template: Some(proto::Template {
            name: "templates/a".to_owned(),
            content: content.into(),
            etag: etag.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut client = world.templates.clone();
    let request = sales().request(update(odt("<text:p>Two</text:p>"), &first.etag));
    let second = client.update_template(request).await.unwrap().into_inner();
    assert_eq!(
        (second.revision.as_str(), second.format()),
        ("templates/a/revisions/2", proto::TemplateFormat::Odt)
    );
    let stale = client.update_template(sales().request(update(docx(&p("x")), &first.etag))).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let list = proto::ListTemplateRevisionsRequest { parent: "templates/a".to_owned(), ..Default::default() };
    let list = client.list_template_revisions(sales().request(list)).await.unwrap().into_inner();
    let names: Vec<_> = list.revisions.iter().map(|revision| revision.name.as_str()).collect();
    assert_eq!(names, ["templates/a/revisions/2", "templates/a/revisions/1"]);
    assert_eq!(list.revisions[1].author, "users/sales");
    for (name, content) in [("1", docx(&p("One"))), ("-", odt("<text:p>Two</text:p>"))] {
        let request = proto::GetTemplateRevisionRequest { name: format!("templates/a/revisions/{name}") };
        let found = client.get_template_revision(sales().request(request)).await.unwrap().into_inner();
        assert_eq!(found.content, content);
    }
    // Letters are made of an old revision too.
    let preview =
        proto::PreviewLetterRequest { name: "templates/a/revisions/1".to_owned(), ..Default::default() };
    let made = world.preview(preview).await.unwrap();
    assert!(crate::support::part(&made, "word/document.xml").contains("One"));
    let delete = proto::DeleteTemplateRequest { name: "templates/a".to_owned(), ..Default::default() };
    client.delete_template(sales().request(delete)).await.unwrap();
    let get = proto::GetTemplateRequest { name: "templates/a".to_owned() };
    assert_eq!(failure(client.get_template(sales().request(get)).await).0, Code::NotFound);
}

async fn l3_declarations_are_checked(world: World) {
    use proto::FieldKind::{Money, Text};
    for (fields, wanted) in [
        (vec![("partner.x", Text)], "partner is there already"),
        (vec![("a b", Text)], "is no path"),
        (vec![("deal", Text), ("deal.total", Money)], "another shape"),
        (vec![("lines[].a", Text), ("lines.b", Text)], "another shape"),
    ] {
        let refused = world.try_template(&sales(), "a", docx(&p("x")), &fields, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(wanted), "{}", refused.message());
    }
    let list = world
        .templates
        .clone()
        .list_template_fields(sales().request(proto::ListTemplateFieldsRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert!(list.fields.iter().any(|field| field.path == "partner.last_name"));
    // What a template declares, it may use; a change of declarations looks at the document again.
    let body = p("{{ deal.total }}");
    let draft = world.try_template(&sales(), "b", docx(&body), &[], "").await.unwrap();
    assert_eq!(draft.state(), proto::TemplateState::Draft);
    let field = proto::FieldDeclaration { path: "deal.total".to_owned(), kind: Money.into() };
    let request = proto::UpdateTemplateRequest {
        template: Some(proto::Template { name: draft.name, fields: vec![field], ..Default::default() }),
        ..Default::default()
    };
    let ready = world.templates.clone().update_template(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(ready.state(), proto::TemplateState::Ready);
}
