//! Imports of opportunities: counts, errors by line, sending again, cancelling, changes and moves; and the list of past imports.
//! Leads stand in imports.rs; what is refused as a whole is the same for both and stands in import_faults.rs.

use bytes::Bytes;
use kontor_kit::auth::Caller;
use kontor_proto::directory::v1 as directory;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_opportunities_request::Part;
use kontor_proto::pipeline::v1::import_service_client::ImportServiceClient;
use kontor_testbed::{admin, failure};
use tonic::{Code, Status, Streaming};

use crate::import_file::{self, File, numbered};
use crate::world::{World, anna, ben, carl, manager};

kontor_testbed::on_both! { World;
    p15_opportunities_with_errors_by_line_and_once_only,
    p15_rows_are_ordinary_opportunities_with_all_their_fields,
    p15_a_changed_row_changes_and_moves_its_opportunity_and_a_closed_one_is_left_alone,
    p15_a_cancelled_import_of_opportunities_goes_on_where_it_was,
    p15_a_check_of_opportunities_says_what_would_happen,
    p15_past_imports_are_listed_to_their_people,
}

type Answer = proto::ImportOpportunitiesResponse;

fn settings(source: &str) -> proto::OpportunityImport {
    proto::OpportunityImport { source: source.to_owned(), ..Default::default() }
}

async fn start(
    world: &World,
    caller: &Caller,
    settings: proto::OpportunityImport,
    file: &[u8],
) -> Result<Streaming<Answer>, Status> {
    let pieces = file.chunks(100_000).map(|piece| Part::Data(Bytes::copy_from_slice(piece)));
    let parts = std::iter::once(Part::Settings(settings)).chain(pieces);
    let messages: Vec<_> = parts.map(|part| proto::ImportOpportunitiesRequest { part: Some(part) }).collect();
    let mut client = ImportServiceClient::new(world.link.clone());
    Ok(client.import_opportunities(caller.request(tokio_stream::iter(messages))).await?.into_inner())
}

/// Runs one to its end: its last word and its errors.
async fn import(
    world: &World,
    caller: &Caller,
    settings: proto::OpportunityImport,
    file: &[u8],
) -> Result<(Answer, Vec<proto::ImportError>), Status> {
    let mut stream = start(world, caller, settings, file).await?;
    let (mut last, mut errors) = (Answer::default(), Vec::new());
    while let Some(answer) = stream.message().await? {
        errors.extend(answer.errors.clone());
        last = answer;
    }
    assert_eq!(last.phase(), proto::ImportPhase::Done);
    Ok((last, errors))
}

fn counts(of: &Answer) -> [i64; 4] {
    [of.created_rows, of.updated_rows, of.unchanged_rows, of.failed_rows]
}

async fn deals(world: &World, caller: &Caller) -> Vec<proto::Opportunity> {
    let request = proto::ListOpportunitiesRequest {
        page_size: 1_000,
        order_by: "title".to_owned(),
        ..Default::default()
    };
    world.deals.clone().list_opportunities(caller.request(request)).await.unwrap().into_inner().opportunities
}

async fn partner(world: &World, name: &str, email: &str) -> String {
    let emails = vec![kontor_proto::r#type::v1::Email { address: email.to_owned(), ..Default::default() }];
    let partner = directory::Partner {
        kind: directory::PartnerKind::Company.into(),
        display_name: name.to_owned(),
        emails,
        ..Default::default()
    };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

/// The last stage demands an amount and a partner.
async fn demanding(world: &World) {
    let get = proto::GetPipelineRequest { name: "pipelines/default".to_owned() };
    let mut pipeline = world.pipelines.clone().get_pipeline(admin().request(get)).await.unwrap().into_inner();
    let last = pipeline.stages.last_mut().unwrap();
    last.required_fields = vec!["amount".to_owned(), "partner".to_owned()];
    let request = proto::UpdatePipelineRequest { pipeline: Some(pipeline), ..Default::default() };
    world.pipelines.clone().update_pipeline(admin().request(request)).await.unwrap();
}

async fn p15_opportunities_with_errors_by_line_and_once_only(world: World) {
    demanding(&world).await;
    partner(&world, "Acme", "info@acme.example").await;
    for name in ["Twin", "Twin too"] {
        partner(&world, name, "twin@x.com").await;
    }
    let wrong: [(&[&str], &str, &str, &str); 13] = [
        (&["", "", "", "", "EUR", "", ""], "title", "INVALID_FIELD", "it is missing"),
        (&["x", "partners/none", "", "", "", "", ""], "partner", "INVALID_FIELD", "does not exist"),
        (&["x", "who@x.com", "", "", "", "", ""], "partner", "INVALID_FIELD", "no partner has the address"),
        (&["x", "twin@x.com", "", "", "", "", ""], "partner", "INVALID_FIELD", "2 partners have"),
        (&["x", "", "moon", "", "", "", ""], "stage", "INVALID_FIELD", "is not a stage of pipelines/default"),
        (&["x", "", "", "1,250.00", "EUR", "", ""], "amount", "INVALID_FIELD", "is no amount"),
        (&["x", "", "", "1.234", "EUR", "", ""], "amount", "INVALID_FIELD", "EUR has 2"),
        (&["x", "", "", "-5", "EUR", "", ""], "amount", "INVALID_FIELD", "is negative"),
        (&["x", "", "", "10", "", "", ""], "currency", "INVALID_FIELD", "it is missing"),
        (&["x", "", "", "10", "ZZZ", "", ""], "currency", "INVALID_FIELD", "ZZZ"),
        (&["x", "", "", "", "", "31.12.2026", ""], "Expected Close Date", "INVALID_FIELD", "is no day like"),
        (&["x", "", "negotiation", "", "", "", ""], "stage", "STAGE_DEMANDS", "opportunity.amount"),
        (&["x", "", "", "", "", "", "1"], "external_id", "REPEATED", "line 2 has the same"),
    ];
    let mut file =
        File::of(&["title", "partner", "stage", "amount", "currency", "Expected Close Date", "external_id"]);
    for number in 1..=1_200 {
        let (title, id) = (format!("Deal {number:04}"), number.to_string());
        file = file.row(&[&title, "info@acme.example", "qualified", "100.5", "EUR", "2026-12-31", &id]);
    }
    for (fields, ..) in &wrong {
        file = file.row(fields);
    }
    let file = file.bytes();
    let (end, errors) = import(&world, &anna(), settings("crm"), &file).await.unwrap();
    assert_eq!((counts(&end), end.done_rows), ([1_200, 0, 0, 13], 1_213));
    assert_eq!(errors.len(), wrong.len());
    for (at, (error, (_, field, reason, message))) in errors.iter().zip(wrong).enumerate() {
        assert_eq!(error.line, 1_202 + i64::try_from(at).unwrap());
        assert_eq!((error.field.as_str(), error.reason.as_str()), (field, reason), "{}", error.message);
        assert!(error.message.contains(message), "{message}: {}", error.message);
    }
    for again in [anna(), ben()] {
        let (end, errors) = import(&world, &again, settings("crm"), &file).await.unwrap();
        assert_eq!((counts(&end), errors.len()), ([0, 0, 1_200, 13], 13));
    }
    // The same source of leads is another matter.
    let leads = File::of(&["title", "external_id"]).row(&["Lead", "1"]).bytes();
    let end = import_file::import(&world, &anna(), import_file::settings("crm"), &leads).await.unwrap();
    assert_eq!(import_file::last(&end).created_rows, 1);
    let events = world.events(&admin()).await;
    let created = events.iter().filter(|it| kontor_kit::outbox::kind(it).ends_with(".OpportunityCreated"));
    let subjects: std::collections::BTreeSet<_> = created.map(|event| &event.subject).collect();
    assert_eq!(subjects.len(), 1_200);
}

async fn p15_rows_are_ordinary_opportunities_with_all_their_fields(world: World) {
    let acme = partner(&world, "Acme", "info@acme.example").await;
    let stages = ["first", "second"].map(|id| proto::Stage {
        name: format!("pipelines/service/stages/{id}"),
        display_name: format!("The {id}"),
        probability: 25,
        ..Default::default()
    });
    let pipeline =
        proto::Pipeline { display_name: "Service".to_owned(), stages: stages.to_vec(), ..Default::default() };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(pipeline),
        pipeline_id: "service".to_owned(),
        ..Default::default()
    };
    world.pipelines.clone().create_pipeline(admin().request(request)).await.unwrap();
    let headings = [
        "title",
        "partner",
        "pipeline",
        "stage",
        "amount",
        "recurring_amount",
        "recurring_months",
        "probability",
        "assignee",
        "team",
        "expected_close_date",
        "source",
        "description",
        "tags",
        "attributes.industry",
    ];
    let file = File::of(&headings)
        .row(&[
            "Boiler",
            "INFO@acme.example ",
            "Service",
            "the second",
            "1250.0000",
            "1200",
            "12",
            "35",
            "ben",
            "support",
            "2027-01-31",
            "web",
            "one\r\ntwo",
            "hot, big",
            "building",
        ])
        .row(&["Roof", &acme, "", "", "", "", "", "", "", "", "", "", "", "", ""])
        .bytes();
    let settings = proto::OpportunityImport {
        assignee: "users/me".to_owned(),
        tags: vec!["moved".to_owned()],
        currency_code: "USD".to_owned(),
        ..settings("old-crm")
    };
    let (end, errors) = import(&world, &anna(), settings, &file).await.unwrap();
    assert_eq!((counts(&end), errors), ([2, 0, 0, 0], vec![]));
    let all = deals(&world, &admin()).await;
    let [boiler, roof] = all.as_slice() else { panic!("{all:?}") };
    let money = |amount: &str| {
        Some(kontor_proto::r#type::v1::Money { currency_code: "USD".to_owned(), amount: amount.to_owned() })
    };
    assert_eq!((boiler.partner.as_str(), boiler.stage.as_str()), (&*acme, "pipelines/service/stages/second"));
    assert_eq!((&boiler.amount, &boiler.recurring_amount), (&money("1250.00"), &money("1200")));
    assert_eq!((boiler.recurring_months, boiler.probability), (12, Some(35)));
    assert_eq!((boiler.assignee.as_str(), boiler.team.as_str()), ("users/ben", "teams/support"));
    assert_eq!((boiler.expected_close_date.as_str(), boiler.source.as_str()), ("2027-01-31", "web"));
    assert_eq!(
        (boiler.description.as_str(), boiler.attributes["industry"].as_str()),
        ("one\ntwo", "building")
    );
    assert_eq!(boiler.tags, ["hot", "big", "moved"]);
    assert_eq!((boiler.state(), boiler.score.is_some()), (proto::OpportunityState::Open, true));
    assert_eq!((roof.partner.as_str(), roof.stage.as_str()), (&*acme, "pipelines/default/stages/new"));
    assert_eq!((roof.assignee.as_str(), roof.team.as_str()), ("users/anna", "teams/sales"));
    assert_eq!((roof.source.as_str(), &roof.amount), ("old-crm", &None));
    assert_eq!(world.kinds(&roof.name).await, ["OpportunityCreated"]);
    let unknown = proto::OpportunityImport {
        pipeline: "pipelines/moon".to_owned(),
        ..crate::import_deals::settings("x")
    };
    let refused = import(&world, &anna(), unknown, &file).await.unwrap_err();
    assert!(refused.message().starts_with("settings.pipeline"), "{}", refused.message());
    let stranger = ImportServiceClient::new(world.link.clone())
        .import_opportunities(tokio_stream::iter(Vec::<proto::ImportOpportunitiesRequest>::new()))
        .await;
    assert_eq!(failure(stranger).0, Code::Unauthenticated);
}

async fn p15_a_changed_row_changes_and_moves_its_opportunity_and_a_closed_one_is_left_alone(world: World) {
    demanding(&world).await;
    let acme = partner(&world, "Acme", "info@acme.example").await;
    let headings = ["external_id", "title", "stage", "amount", "currency", "partner"];
    let first = File::of(&headings)
        .row(&["1", "Roof", "new", "10", "EUR", ""])
        .row(&["2", "Shed", "new", "10", "EUR", ""])
        .row(&["3", "Wall", "new", "10", "EUR", ""])
        .row(&["4", "Yard", "new", "10", "EUR", ""])
        .bytes();
    import(&world, &anna(), settings("crm"), &first).await.unwrap();
    let before = deals(&world, &anna()).await;
    let lose = proto::LoseOpportunityRequest {
        name: before[1].name.clone(),
        reason: "price".to_owned(),
        ..Default::default()
    };
    world.deals.clone().lose_opportunity(anna().request(lose)).await.unwrap();
    let second = File::of(&headings)
        // Changed, and to a stage that demands what the row brings.
        .row(&["1", "Roof", "negotiation", "20", "EUR", "info@acme.example"])
        .row(&["2", "Shed!", "qualified", "10", "EUR", ""])
        // Its stage demands a partner: nothing of the row is written.
        .row(&["3", "Wall!", "negotiation", "30", "EUR", ""])
        .row(&["4", "Yard", "", "10", "EUR", ""])
        .bytes();
    let check = proto::OpportunityImport { validate_only: true, ..settings("crm") };
    let (foreseen, _) = import(&world, &anna(), check, &second).await.unwrap();
    let (end, errors) = import(&world, &anna(), settings("crm"), &second).await.unwrap();
    assert_eq!(counts(&end), [0, 1, 1, 2]);
    assert_eq!(counts(&foreseen), counts(&end));
    let reasons: Vec<_> = errors.iter().map(|it| (it.line, it.reason.as_str(), it.field.as_str())).collect();
    assert_eq!(reasons, [(3, "OPPORTUNITY_CLOSED", ""), (4, "STAGE_DEMANDS", "stage")]);
    let after = deals(&world, &anna()).await;
    assert_eq!(
        (after[0].stage.as_str(), after[0].partner.as_str()),
        ("pipelines/default/stages/negotiation", &*acme)
    );
    assert_eq!(after[0].amount.as_ref().unwrap().amount, "20");
    assert_eq!(
        world.kinds(&after[0].name).await,
        ["OpportunityCreated", "OpportunityUpdated", "OpportunityStageMoved"]
    );
    assert_eq!((after[2].title.as_str(), &after[2].etag), ("Wall", &before[2].etag));
    assert_eq!(after[3].etag, before[3].etag);
    // A neighbour changes nothing of it.
    let foreign = File::of(&["external_id", "title"]).row(&["1", "Mine"]).bytes();
    let into_sales = proto::OpportunityImport { team: "teams/sales".to_owned(), ..settings("crm") };
    let (end, _) = import(&world, &carl(), into_sales, &foreign).await.unwrap();
    assert_eq!(counts(&end), [1, 0, 0, 0], "his keys are his own");
    assert_eq!(world.deal(&after[0].name).await.title, "Roof");
}

async fn p15_a_cancelled_import_of_opportunities_goes_on_where_it_was(world: World) {
    const ROWS: i64 = 4_000;
    let mut file = File::of(&["title", "amount", "currency"]);
    for number in 0..ROWS {
        file = file.row(&[&format!("Deal {number}"), "10", "EUR"]);
    }
    let file = file.bytes();
    let mut stream = start(&world, &anna(), settings("crm"), &file).await.unwrap();
    let run = loop {
        let message = stream.message().await.unwrap().expect("it is not done");
        if message.created_rows > 0 {
            break message.import;
        }
    };
    drop(stream);
    let get = proto::GetImportRequest { name: run };
    let past = loop {
        let mut client = ImportServiceClient::new(world.link.clone());
        let past = client.get_import(anna().request(get.clone())).await.unwrap().into_inner();
        if past.state() != proto::ImportState::Running {
            break past;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(past.state(), proto::ImportState::Cancelled);
    let written = past.created_rows;
    assert!(written > 0 && written < ROWS && written % 500 == 0, "{written}");
    let (end, _) = import(&world, &anna(), settings("crm"), &file).await.unwrap();
    assert_eq!(counts(&end), [ROWS - written, 0, written, 0]);
}

async fn p15_a_check_of_opportunities_says_what_would_happen(world: World) {
    demanding(&world).await;
    let file =
        File::of(&["title", "stage"]).row(&["Roof", ""]).row(&["Roof", ""]).row(&["Wall", "Negotiation"]);
    let file = file.bytes();
    let check = proto::OpportunityImport { validate_only: true, ..settings("crm") };
    let (end, _) = import(&world, &anna(), check, &file).await.unwrap();
    assert_eq!((counts(&end), end.import.as_str()), ([1, 0, 1, 1], ""));
    assert!(deals(&world, &admin()).await.is_empty() && world.events(&admin()).await.is_empty());
    let (end, _) = import(&world, &anna(), settings("crm"), &file).await.unwrap();
    assert_eq!(counts(&end), [1, 0, 1, 1], "and so it happens");
}

async fn p15_past_imports_are_listed_to_their_people(world: World) {
    let file = File::of(&["title", "source"]).row(&["Roof", ""]).row(&["", "web"]).bytes();
    let (end, _) = import(&world, &anna(), settings("crm"), &file).await.unwrap();
    world.pass(1);
    import_file::import(&world, &carl(), import_file::settings("fair"), &numbered(3)).await.unwrap();
    // Refused as a whole: no import.
    import(&world, &anna(), settings("crm"), b"title\n\"open").await.unwrap_err();
    let list = async |caller: Caller, filter: &str| {
        let request = proto::ListImportsRequest { filter: filter.to_owned(), ..Default::default() };
        let mut client = ImportServiceClient::new(world.link.clone());
        client.list_imports(caller.request(request)).await.map(|answer| answer.into_inner().imports)
    };
    let own = list(ben(), "").await.unwrap();
    let [own] = own.as_slice() else { panic!("{own:?}") };
    let wanted = proto::Import {
        name: end.import.clone(),
        kind: proto::ImportKind::Opportunities.into(),
        source: "crm".to_owned(),
        user: "users/anna".to_owned(),
        team: "teams/sales".to_owned(),
        state: proto::ImportState::Done.into(),
        total_rows: 2,
        created_rows: 1,
        failed_rows: 1,
        create_time: own.create_time,
        update_time: own.update_time,
        end_time: own.end_time,
        ..Default::default()
    };
    assert_eq!(*own, wanted);
    assert!(own.end_time.is_some());
    let sources = async |caller: Caller, filter: &str| {
        let found = list(caller, filter).await.unwrap();
        found.into_iter().map(|import| import.source).collect::<Vec<_>>()
    };
    assert_eq!(sources(admin(), "").await, ["fair", "crm"]);
    assert_eq!(sources(admin(), "kind = LEADS").await, ["fair"]);
    assert_eq!(sources(manager(), "source = \"crm\"").await, ["crm"]);
    assert_eq!(sources(carl(), "").await, ["fair"]);
    assert_eq!(failure(list(carl(), "colour = 1").await).0, Code::InvalidArgument);
    let get = proto::GetImportRequest { name: end.import };
    let answer = ImportServiceClient::new(world.link.clone()).get_import(carl().request(get)).await;
    assert_eq!(failure(answer).0, Code::NotFound);
}
