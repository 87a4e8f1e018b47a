//! Merges: one file each, a zip, one joined file; progress, cancel, resume; nothing goes out half.

use std::time::Duration;

use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::{FieldKind, MergeState};
use kontor_testbed::failure;
use tonic::Code;

use crate::letters::anna;
use crate::support::{data, directory, docx, file, p, paragraphs, part};
use crate::world::{World, fields, group, sales, text};

kontor_testbed::on_both! { World;
    l5_partners_by_name_get_a_file_each_and_a_zip_of_all,
    l5_a_filter_of_the_directory_finds_the_recipients,
    l5_one_joined_file_has_all_letters,
    l5_nothing_is_made_when_one_recipient_fails_unless_the_caller_says_so,
    l5_a_merge_is_cancelled_and_goes_on_where_it_stood,
    l5_a_merge_goes_on_in_another_process,
    l2_labels_take_several_recipients_on_a_sheet,
}

const NUMBER: [(&str, FieldKind); 1] = [("number", FieldKind::Text)];

fn rows(count: usize) -> Vec<proto::MergeRow> {
    let row = |number: usize| proto::MergeRow {
        fields: Some(fields([("number", text(&format!("No. {number}")))])),
        ..Default::default()
    };
    (1..=count).map(row).collect()
}

fn of(template: &str) -> proto::CreateMergeRequest {
    proto::CreateMergeRequest { template: format!("templates/{template}"), ..Default::default() }
}

async fn l5_partners_by_name_get_a_file_each_and_a_zip_of_all(world: World) {
    let anna = anna(&world).await;
    let bob = world.add_partner("Bob Small", "N:Small;Bob;;;\r\n").await;
    world.add_template("a", docx(&p("{{ salutation(partner) }}")), &[]).await;
    let request = proto::CreateMergeRequest {
        partners: vec![anna.clone(), bob.clone()],
        request_id: "once".to_owned(),
        ..of("a")
    };
    let merge = world.merge(request.clone()).await;
    assert_eq!((merge.state(), merge.letter_count, merge.failed_count), (MergeState::Done, 2, 0));
    assert_eq!(world.try_merge(request).await.unwrap().name, merge.name, "a repeat begins no other one");
    let letters = world.letters(&merge.name).await;
    let names: Vec<_> = letters.iter().map(|it| (it.filename.as_str(), it.partner.as_str())).collect();
    assert_eq!(names, [("00001 Anna Müller.docx", anna.as_str()), ("00002 Bob Small.docx", &bob)]);
    let first = world.letter(&letters[0].name).await;
    assert_eq!(paragraphs(&part(&first, "word/document.xml")), ["Sehr geehrte Frau Dr. Müller"]);
    let (name, zip) = world.download(&merge.name).await.unwrap();
    assert_eq!(name, "Template a.zip");
    let inside: Vec<_> = directory(&zip).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(inside, ["00001 Anna Müller.docx", "00002 Bob Small.docx"]);
    assert_eq!(file(&zip, "00001 Anna Müller.docx").unwrap(), first);
}

async fn l5_a_filter_of_the_directory_finds_the_recipients(world: World) {
    anna(&world).await;
    for name in ["Acme", "Best"] {
        world.add_partner(name, "KIND:org\r\n").await;
    }
    world.add_template("a", docx(&p("{{ partner.name }}")), &[]).await;
    let merge =
        world.merge(proto::CreateMergeRequest { filter: "kind = COMPANY".to_owned(), ..of("a") }).await;
    assert_eq!((merge.state(), merge.recipient_count), (MergeState::Done, 2));
    let names: Vec<_> = world.letters(&merge.name).await.into_iter().map(|it| it.filename).collect();
    assert_eq!(names, ["00001 Acme.docx", "00002 Best.docx"]);
    let refused =
        world.try_merge(proto::CreateMergeRequest { filter: "colour = RED".to_owned(), ..of("a") }).await;
    assert!(refused.as_ref().unwrap_err().message().contains("filter"), "{refused:?}");
    assert_eq!(failure(refused).0, Code::InvalidArgument);
    assert_eq!(failure(world.try_merge(of("a")).await).0, Code::InvalidArgument);
}

async fn l5_one_joined_file_has_all_letters(world: World) {
    world.add_template("a", docx(&p("{{ number }}")), &NUMBER).await;
    let output = proto::MergeOutput::Joined.into();
    let merge = world.merge(proto::CreateMergeRequest { rows: rows(600), output, ..of("a") }).await;
    assert_eq!((merge.state(), merge.letter_count), (MergeState::Done, 600));
    assert_eq!(world.letters(&merge.name).await, []);
    let (name, joined) = world.download(&merge.name).await.unwrap();
    assert_eq!(name, "Template a.docx");
    assert_eq!(i64::try_from(joined.len()).unwrap(), merge.size_bytes);
    let found = paragraphs(&part(&joined, "word/document.xml"));
    let found: Vec<_> = found.iter().filter(|text| !text.is_empty()).cloned().collect();
    assert_eq!(found, (1..=600).map(|number| format!("No. {number}")).collect::<Vec<_>>());
}

async fn l5_nothing_is_made_when_one_recipient_fails_unless_the_caller_says_so(world: World) {
    let anna = anna(&world).await;
    // That nothing is divided by no letters, only the data shows.
    world.add_template("a", docx(&p("{{ 1 / (number | length) }}")), &NUMBER).await;
    let request = |policy: proto::FailurePolicy| {
        let mut rows = rows(5);
        rows[2].fields = Some(fields([("number", text(""))]));
        rows[3].partner = "partners/nobody".to_owned();
        rows[4].partner = anna.clone();
        proto::CreateMergeRequest { rows, failure_policy: policy.into(), ..of("a") }
    };
    let merge = world.merge(request(proto::FailurePolicy::AllOrNothing)).await;
    assert_eq!((merge.state(), merge.letter_count, merge.failed_count), (MergeState::Failed, 0, 2));
    assert!(merge.failure.contains("2 of 5 recipients"), "{}", merge.failure);
    let failures = world.failures(&merge.name).await;
    assert_eq!(failures[0].number, 3);
    assert!(failures[0].reason.contains("word/document.xml, paragraph 1"), "{}", failures[0].reason);
    assert_eq!((failures[1].number, failures[1].reason.as_str()), (4, "partners/nobody does not exist"));
    let refused = world.download(&merge.name).await.map(|_| ());
    assert_eq!(failure(refused), (Code::FailedPrecondition, "NOT_DONE".to_owned()));
    let merge = world.merge(request(proto::FailurePolicy::Skip)).await;
    assert_eq!((merge.state(), merge.letter_count, merge.failed_count), (MergeState::Done, 3, 2));
    assert_eq!(world.letters(&merge.name).await.len(), 3);
    // What is wrong with a row is told before the merge begins.
    let mut wrong = request(proto::FailurePolicy::Skip);
    wrong.rows[1].fields = Some(fields([("number", group([]))]));
    let refused = world.try_merge(wrong).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "rows[1].fields.number: it is a group of fields, and the template wants TEXT"
    );
}

async fn l5_a_merge_is_cancelled_and_goes_on_where_it_stood(world: World) {
    world.add_template("a", docx(&p("{{ number }}")), &NUMBER).await;
    let merge = world.try_merge(proto::CreateMergeRequest { rows: rows(3_000), ..of("a") }).await.unwrap();
    let mut client = world.merges.clone();
    let cancel = proto::CancelMergeRequest { name: merge.name.clone() };
    let cancelled = client.cancel_merge(sales().request(cancel.clone())).await.unwrap().into_inner();
    assert_eq!(cancelled.state(), MergeState::Cancelled);
    assert_eq!(
        failure(client.cancel_merge(sales().request(cancel)).await),
        (Code::FailedPrecondition, "ENDED".to_owned())
    );
    let delete = proto::DeleteTemplateRequest { name: "templates/a".to_owned(), ..Default::default() };
    assert_eq!(
        failure(world.templates.clone().delete_template(sales().request(delete)).await),
        (Code::FailedPrecondition, "IN_USE".to_owned())
    );
    let resume = proto::ResumeMergeRequest { name: merge.name.clone() };
    client.resume_merge(sales().request(resume)).await.unwrap();
    let end = world.end_of(&merge.name).await;
    assert_eq!((end.state(), end.letter_count, end.done_count), (MergeState::Done, 3_000, 3_000));
    let (_, zip) = world.download(&merge.name).await.unwrap();
    assert_eq!(directory(&zip).len(), 3_000);
    let delete = proto::DeleteMergeRequest { name: merge.name.clone() };
    client.delete_merge(sales().request(delete)).await.unwrap();
    let get = proto::GetMergeRequest { name: merge.name };
    assert_eq!(failure(client.get_merge(sales().request(get)).await).0, Code::NotFound);
}

/// The first process is gone in the middle, and the next one finishes; each recipient gets one letter.
async fn l5_a_merge_goes_on_in_another_process(world: World) {
    world.add_template("a", docx(&p("{{ number }}")), &NUMBER).await;
    let merge = world.try_merge(proto::CreateMergeRequest { rows: rows(5_000), ..of("a") }).await.unwrap();
    let get = proto::GetMergeRequest { name: merge.name.clone() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let now = world.merges.clone().get_merge(sales().request(get.clone())).await.unwrap().into_inner();
        if now.done_count > 0 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it does not begin");
    }
    world.place.context.stop.cancel();
    world.place.context.tasks.close();
    world.place.context.tasks.wait().await;
    // On PostgreSQL another process waits until the lease of the first has run out.
    world.place.pass(31_000_000);
    let mut other = world.place.another_process();
    other.storage = world.place.context.storage.clone();
    let directory = world.directory.clone();
    let peers = kontor_templating::Peers { directory };
    let unit = kontor_templating::start(&other, peers).await.unwrap();
    let link = kontor_kit::link::Link::local(unit.routes);
    let client = proto::merge_service_client::MergeServiceClient::new(link);
    let watch = proto::WatchMergeRequest { name: merge.name.clone() };
    let mut stream = client.clone().watch_merge(sales().request(watch)).await.unwrap().into_inner();
    let end = async {
        let mut last = None;
        while let Some(merge) = stream.message().await.unwrap() {
            last = Some(merge);
        }
        last.unwrap()
    };
    let end = tokio::time::timeout(Duration::from_secs(60), end).await.expect("it ends");
    assert_eq!((end.state(), end.letter_count), (MergeState::Done, 5_000));
    let mut numbers = 0;
    let mut request =
        proto::ListLettersRequest { parent: merge.name, page_size: 1_000, ..Default::default() };
    loop {
        let page = client.clone().list_letters(sales().request(request.clone())).await.unwrap().into_inner();
        numbers += page.letters.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, 5_000);
    other.stop.cancel();
}

async fn l2_labels_take_several_recipients_on_a_sheet(world: World) {
    let template = world.try_template(&sales(), "l", data("labels.docx"), &[], "").await.unwrap();
    assert_eq!(template.findings, []);
    let on_a_sheet = usize::try_from(template.records_per_letter).unwrap();
    assert!(on_a_sheet > 1);
    let mut partners = Vec::new();
    for number in 0..=on_a_sheet {
        partners.push(world.add_partner(&format!("Partner {number}"), "").await);
    }
    let merge = world.merge(proto::CreateMergeRequest { partners, ..of("l") }).await;
    assert_eq!((merge.state(), merge.letter_count), (MergeState::Done, 2));
    let letters = world.letters(&merge.name).await;
    let sheet = paragraphs(&part(&world.letter(&letters[0].name).await, "word/document.xml")).concat();
    for number in 0..on_a_sheet {
        assert!(sheet.contains(&format!("Partner {number}")), "{sheet}");
    }
    let rest = paragraphs(&part(&world.letter(&letters[1].name).await, "word/document.xml")).concat();
    assert!(rest.contains(&format!("Partner {on_a_sheet}")) && !rest.contains("Partner 0"), "{rest}");
}
