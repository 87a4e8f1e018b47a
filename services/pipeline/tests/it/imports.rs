//! Imports of leads: the counts, the errors by line, sending again, cancelling, two at once, who sees what. Bad files stand in import_faults.rs.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::pipeline::v1 as proto;
use kontor_testbed::{admin, failure};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::import_file::{
    File, bad_rows, import, import_over, last, leads, messages, numbered, settings, start,
};
use crate::world::{World, anna, ben, carl, manager};

kontor_testbed::on_both! { World;
    p15_ten_thousand_rows_with_37_bad_ones,
    p15_a_cancelled_import_goes_on_where_it_was,
    p15_two_imports_at_once_make_each_row_once,
    p15_a_changed_row_changes_its_lead_and_a_converted_one_is_left_alone,
    p15_rows_are_ordinary_leads_with_all_their_fields,
    p15_validate_only_says_what_would_happen_and_writes_nothing,
    p15_errors_beyond_the_limit_are_counted,
    p15_who_imports_where,
    p15_too_many_imports_at_once_are_refused,
    p15_a_server_that_stops_says_so,
}

async fn p15_ten_thousand_rows_with_37_bad_ones(world: World) {
    let (file, wrong) = bad_rows(10_000, 37);
    assert!(wrong.iter().map(|it| it.kind).collect::<std::collections::BTreeSet<_>>().len() >= 8);
    let messages = import(&world, &anna(), settings("fair"), &file).await.unwrap();
    let end = last(&messages);
    assert_eq!(
        (end.total_rows, end.done_rows, end.created_rows, end.failed_rows),
        (10_000, 10_000, 9_963, 37)
    );
    assert_eq!((end.updated_rows, end.unchanged_rows, end.unreported_errors), (0, 0, 0));
    assert_eq!(end.received_bytes, i64::try_from(file.len()).unwrap());
    let errors: Vec<_> = messages.iter().flat_map(|message| &message.errors).collect();
    assert_eq!(errors.len(), 37);
    for (error, wrong) in errors.iter().zip(&wrong) {
        assert_eq!(
            (error.line, error.field.as_str(), error.reason.as_str()),
            (wrong.line, wrong.field, wrong.reason),
            "{wrong:?}: {}",
            error.message
        );
        assert!(error.message.contains(wrong.message), "{wrong:?}: {}", error.message);
    }
    // Progress: more than once, and no number ever falls.
    let writing: Vec<_> = messages.iter().filter(|it| it.phase() == proto::ImportPhase::Writing).collect();
    assert!(writing.len() >= 20, "{}", writing.len());
    for pair in messages.windows(2) {
        let numbers = |it: &proto::ImportLeadsResponse| {
            [it.phase.into(), it.received_bytes, it.total_rows, it.done_rows, it.created_rows, it.failed_rows]
        };
        assert!(numbers(&pair[0]).iter().zip(numbers(&pair[1])).all(|(before, after)| *before <= after));
        let done = pair[1].created_rows + pair[1].updated_rows + pair[1].unchanged_rows + pair[1].failed_rows;
        assert_eq!(pair[1].done_rows, done);
    }
    // Again, and by a colleague: nothing new, and the same errors.
    for again in [anna(), ben()] {
        let messages = import(&world, &again, settings("fair"), &file).await.unwrap();
        let end = last(&messages);
        assert_eq!(
            (end.created_rows, end.updated_rows, end.unchanged_rows, end.failed_rows),
            (0, 0, 9_963, 37)
        );
        let lines = messages.iter().flat_map(|message| &message.errors).map(|error| error.line);
        assert!(lines.eq(wrong.iter().map(|wrong| wrong.line)));
    }
    // The rows are leads, each once and with its event.
    assert_eq!(leads(&world, &anna()).await.len(), 9_963);
    let events = world.events(&admin()).await;
    let created = events.iter().filter(|event| kontor_kit::outbox::kind(event).ends_with(".LeadCreated"));
    let subjects: std::collections::BTreeSet<_> = created.map(|event| &event.subject).collect();
    assert_eq!((subjects.len(), events.len()), (9_963, 9_963));
}

async fn p15_a_cancelled_import_goes_on_where_it_was(world: World) {
    const ROWS: usize = 6_000;
    let file = numbered(ROWS);
    let mut stream = start(&world.link, &anna(), settings("fair"), &file).await.unwrap();
    loop {
        let message = stream.message().await.unwrap().expect("it is not done");
        if message.created_rows > 0 {
            break;
        }
    }
    drop(stream);
    // It ends by itself: what was written is whole batches, and no more comes.
    let mut before = usize::MAX;
    let stays = loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let now = leads(&world, &anna()).await.len();
        if now == before {
            break now;
        }
        before = now;
    };
    assert!(stays > 0 && stays < ROWS && stays % 500 == 0, "{stays}");
    let end = last(&import(&world, &anna(), settings("fair"), &file).await.unwrap()).clone();
    let rest = i64::try_from(ROWS - stays).unwrap();
    assert_eq!((end.created_rows, end.unchanged_rows, end.failed_rows), (rest, 6_000 - rest, 0));
    let titles: std::collections::BTreeSet<_> =
        leads(&world, &anna()).await.into_iter().map(|lead| lead.title).collect();
    assert_eq!(titles.len(), ROWS);
}

async fn p15_two_imports_at_once_make_each_row_once(world: World) {
    const ROWS: usize = 2_000;
    let other = if world.place.is_postgres() {
        let peers =
            kontor_pipeline::Peers { directory: world.directory.clone(), calendar: world.calendar.clone() };
        let context = world.place.another_process();
        Link::local(kontor_pipeline::start(&context, peers).await.unwrap().routes)
    } else {
        world.link.clone()
    };
    let file = numbered(ROWS);
    // The other one has the rows in another order.
    let text = String::from_utf8(file.clone()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let backwards = lines.join("\n").into_bytes();
    let (first, second) = (anna(), ben());
    let (one, two) = tokio::join!(
        import_over(&world.link, &first, settings("fair"), &file),
        import_over(&other, &second, settings("fair"), &backwards),
    );
    let (one, two) = (last(&one.unwrap()).clone(), last(&two.unwrap()).clone());
    assert_eq!(one.created_rows + two.created_rows, 2_000);
    assert_eq!(one.unchanged_rows + two.unchanged_rows, 2_000);
    assert_eq!((one.done_rows, two.done_rows, one.failed_rows, two.failed_rows), (2_000, 2_000, 0, 0));
    assert_eq!(leads(&world, &anna()).await.len(), ROWS);
}

async fn p15_a_changed_row_changes_its_lead_and_a_converted_one_is_left_alone(world: World) {
    let first = File::of(&["external_id", "title", "phone", "tags"])
        .row(&["1", "Roof", "1", "hot"])
        .row(&["2", "Garden", "2", ""])
        .row(&["3", "Fence", "3", ""])
        .row(&["4", "Gate", "4", ""])
        .bytes();
    import(&world, &anna(), settings("crm"), &first).await.unwrap();
    let made =
        |leads: &[proto::Lead], title: &str| leads.iter().find(|lead| lead.title == title).unwrap().clone();
    let all = leads(&world, &anna()).await;
    let mut client = world.leads.clone();
    let roof = made(&all, "Roof");
    let change = proto::UpdateLeadRequest {
        lead: Some(proto::Lead {
            name: roof.name.clone(),
            email: "roof@x.com".to_owned(),
            tags: vec!["hot".to_owned(), "ours".to_owned()],
            ..Default::default()
        }),
        update_mask: crate::world::mask(&["email", "tags"]),
        ..Default::default()
    };
    client.update_lead(anna().request(change)).await.unwrap();
    let convert = proto::ConvertLeadRequest { name: made(&all, "Garden").name, ..Default::default() };
    client.convert_lead(anna().request(convert)).await.unwrap();
    let delete = proto::DeleteLeadRequest { name: made(&all, "Fence").name, ..Default::default() };
    client.delete_lead(anna().request(delete)).await.unwrap();
    // The same rows again touch nothing, whatever has become of the leads.
    let end = last(&import(&world, &anna(), settings("crm"), &first).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.updated_rows, end.unchanged_rows, end.failed_rows), (0, 0, 4, 0));
    let second = File::of(&["external_id", "title", "phone", "tags"])
        .row(&["1", "Roof", "11", "warm"])
        .row(&["2", "Garden", "22", ""])
        .row(&["3", "Fence", "33", ""])
        .row(&["4", "Gate", "4", ""])
        .row(&["5", "Door", "5", ""])
        .row(&["5", "Door", "55", ""])
        .bytes();
    for validate_only in [true, false] {
        let settings = proto::LeadImport { validate_only, ..settings("crm") };
        let messages = import(&world, &anna(), settings, &second).await.unwrap();
        let end = last(&messages);
        assert_eq!((end.created_rows, end.updated_rows, end.unchanged_rows, end.failed_rows), (1, 1, 1, 3));
        let errors = messages.iter().flat_map(|it| &it.errors).map(|it| (it.line, it.reason.as_str()));
        assert!(errors.eq([(3, "LEAD_CONVERTED"), (4, "NOT_FOUND"), (7, "REPEATED")]));
    }
    let now = world.lead(&roof.name).await;
    assert_eq!((now.phone.as_str(), now.email.as_str(), now.title.as_str()), ("11", "roof@x.com", "Roof"));
    assert_eq!(now.tags, ["hot", "ours", "warm"]);
    assert_eq!(world.kinds(&roof.name).await, ["LeadCreated", "LeadUpdated", "LeadUpdated"]);
    assert_eq!(world.lead(&made(&all, "Garden").name).await.phone, "2");
    // Who may not change a lead is told so by line; the other rows go through.
    let give = proto::UpdateLeadRequest {
        lead: Some(proto::Lead {
            name: roof.name.clone(),
            assignee: "users/ben".to_owned(),
            ..Default::default()
        }),
        update_mask: crate::world::mask(&["assignee"]),
        ..Default::default()
    };
    client.update_lead(anna().request(give)).await.unwrap();
    let third = File::of(&["external_id", "title"]).row(&["1", "Mine"]).row(&["4", "Big gate"]).bytes();
    let messages = import(&world, &anna(), settings("crm"), &third).await.unwrap();
    assert_eq!((last(&messages).updated_rows, last(&messages).failed_rows), (1, 1));
    let error = messages.iter().flat_map(|it| &it.errors).next().unwrap();
    assert_eq!((error.line, error.reason.as_str()), (2, "PERMISSION_DENIED"));
    assert_eq!(world.lead(&roof.name).await.title, "Roof");
}

async fn p15_rows_are_ordinary_leads_with_all_their_fields(world: World) {
    let file = File::of(&[
        "Title",
        "Contact Name",
        "Firma",
        "email",
        "phone",
        "region",
        "source",
        "description",
        "assignee",
        "team",
        "tags",
        "attributes.industry",
        "Fax",
    ])
    .row(&[
        "Roof",
        "Anna",
        "Acme",
        "a@x.com",
        "0471 12 34 56",
        "be",
        "web",
        "one\r\ntwo",
        "ben",
        "teams/support",
        "hot, big",
        "building",
        "9",
    ])
    .row(&["Garden", "", "", "", "", "", "", "", "", "", "", "", ""])
    .bytes();
    let settings = proto::LeadImport {
        columns: BTreeMap::from([("Firma".to_owned(), "company_name".to_owned())]),
        ignore_unknown_columns: true,
        assignee: "users/me".to_owned(),
        tags: vec!["spring".to_owned()],
        region: "fr".to_owned(),
        ..settings("fair")
    };
    let end = last(&import(&world, &anna(), settings, &file).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.failed_rows), (2, 0));
    let all = leads(&world, &admin()).await;
    let lead = all.iter().find(|lead| lead.title == "Roof").unwrap();
    let wanted = proto::Lead {
        name: lead.name.clone(),
        etag: lead.etag.clone(),
        title: "Roof".to_owned(),
        contact_name: "Anna".to_owned(),
        company_name: "Acme".to_owned(),
        email: "a@x.com".to_owned(),
        phone: "0471 12 34 56".to_owned(),
        region: "BE".to_owned(),
        source: "web".to_owned(),
        description: "one\ntwo".to_owned(),
        assignee: "users/ben".to_owned(),
        team: "teams/support".to_owned(),
        state: proto::LeadState::Open.into(),
        tags: vec!["hot".to_owned(), "big".to_owned(), "spring".to_owned()],
        attributes: BTreeMap::from([("industry".to_owned(), "building".to_owned())]),
        opportunity: String::new(),
        create_time: lead.create_time,
        update_time: lead.update_time,
    };
    assert_eq!(*lead, wanted);
    let plain = all.iter().find(|lead| lead.title == "Garden").unwrap();
    assert_eq!(
        (plain.source.as_str(), plain.assignee.as_str(), plain.team.as_str()),
        ("fair", "users/anna", "teams/sales")
    );
    assert_eq!((plain.region.as_str(), &plain.tags[..]), ("FR", &["spring".to_owned()][..]));
    assert_eq!(world.kinds(&plain.name).await, ["LeadCreated"]);
    let event = world.events(&admin()).await.into_iter().find(|event| event.subject == plain.name).unwrap();
    assert_eq!(event.actor, "users/anna");
}

async fn p15_validate_only_says_what_would_happen_and_writes_nothing(world: World) {
    let file = File::of(&["title", "email"])
        .row(&["Roof", "a@x.com"])
        .row(&["Roof", "a@x.com"])
        .row(&["", "x"])
        .bytes();
    let settings = proto::LeadImport { validate_only: true, ..settings("fair") };
    let end = last(&import(&world, &anna(), settings, &file).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.unchanged_rows, end.failed_rows), (1, 1, 1));
    assert!(leads(&world, &admin()).await.is_empty() && world.events(&admin()).await.is_empty());
    let end =
        last(&import(&world, &anna(), crate::import_file::settings("fair"), &file).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.unchanged_rows, end.failed_rows), (1, 1, 1), "and so it happens");
}

async fn p15_errors_beyond_the_limit_are_counted(world: World) {
    let mut file = File::of(&["title", "email"]);
    for _ in 0..700 {
        file = file.row(&["Roof", "nobody"]);
    }
    let settings = proto::LeadImport { max_errors: 250, ..settings("fair") };
    let messages = import(&world, &anna(), settings, &file.bytes()).await.unwrap();
    let errors: Vec<_> =
        messages.iter().flat_map(|message| &message.errors).map(|error| error.line).collect();
    assert!(errors.iter().copied().eq(2..252));
    assert!(messages.iter().all(|message| message.errors.len() <= 100));
    assert_eq!((last(&messages).failed_rows, last(&messages).unreported_errors), (700, 450));
}

async fn p15_who_imports_where(world: World) {
    let file = File::of(&["external_id", "title"]).row(&["1", "Roof"]).bytes();
    let mut client = proto::import_service_client::ImportServiceClient::new(world.link.clone());
    let refused = client.import_leads(tokio_stream::iter(messages(settings("fair"), &file))).await;
    assert_eq!(failure(refused).0, Code::Unauthenticated);
    import(&world, &anna(), settings("fair"), &file).await.unwrap();
    // A neighbour's file of the same name has nothing to do with it, and tells nothing of it.
    let end = last(&import(&world, &carl(), settings("fair"), &file).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.unchanged_rows), (1, 0));
    let changed = File::of(&["external_id", "title"]).row(&["1", "Mine"]).bytes();
    let into_sales = proto::LeadImport { team: "teams/sales".to_owned(), ..settings("fair") };
    let end = last(&import(&world, &carl(), into_sales.clone(), &changed).await.unwrap()).clone();
    assert_eq!(
        (end.created_rows, end.updated_rows),
        (1, 0),
        "as with CreateLead, a lead may be given to a team"
    );
    let titles = async |caller: Caller| {
        let mut titles: Vec<_> = leads(&world, &caller).await.into_iter().map(|lead| lead.title).collect();
        titles.sort();
        titles
    };
    assert_eq!(
        (titles(anna()).await, titles(carl()).await),
        (vec!["Mine".into(), "Roof".into()], vec!["Roof".to_owned()])
    );
    // The leader's and an administrator's are the team's.
    for again in [manager(), admin()] {
        let end = last(&import(&world, &again, into_sales.clone(), &file).await.unwrap()).clone();
        assert_eq!((end.created_rows, end.unchanged_rows), (0, 1));
    }
    // Another source is another matter.
    let end = last(&import(&world, &anna(), settings("web"), &file).await.unwrap()).clone();
    assert_eq!((end.created_rows, end.unchanged_rows), (1, 0));
}

async fn p15_too_many_imports_at_once_are_refused(world: World) {
    let mut open = Vec::new();
    let mut begin = async |caller: Caller| {
        let (sender, receiver) = mpsc::channel(1);
        let mut client = proto::import_service_client::ImportServiceClient::new(world.link.clone());
        let answer = client.import_leads(caller.request(ReceiverStream::new(receiver))).await;
        answer.map(|answer| open.push((sender, answer.into_inner())))
    };
    begin(anna()).await.unwrap();
    begin(anna()).await.unwrap();
    assert_eq!(failure(begin(anna()).await), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()));
    begin(ben()).await.unwrap();
    begin(carl()).await.unwrap();
    assert_eq!(failure(begin(manager()).await).0, Code::ResourceExhausted);
    drop(open);
    let file = File::of(&["title"]).row(&["Roof"]).bytes();
    let mut tries = 0;
    while let Err(cause) = import(&world, &manager(), settings("fair"), &file).await {
        assert_eq!(cause.code(), Code::ResourceExhausted);
        tries += 1;
        assert!(tries < 100, "what was cut off gives its place back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn p15_a_server_that_stops_says_so(world: World) {
    let (sender, receiver) = mpsc::channel(4);
    let mut client = proto::import_service_client::ImportServiceClient::new(world.link.clone());
    let file = File::of(&["title"]).row(&["Roof"]).bytes();
    for message in messages(settings("fair"), &file) {
        sender.send(message).await.unwrap();
    }
    let mut stream =
        client.import_leads(anna().request(ReceiverStream::new(receiver))).await.unwrap().into_inner();
    world.place.context.stop.cancel();
    let end = loop {
        match stream.next().await {
            Some(Ok(message)) => assert_ne!(message.phase(), proto::ImportPhase::Done),
            Some(Err(status)) => break status,
            None => panic!("it ended without a word"),
        }
    };
    assert_eq!(end.code(), Code::Unavailable);
}
