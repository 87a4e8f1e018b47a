//! Each service in a process of its own: the same work as in one process, and what a killed service does to the others.
//! Row X1, without NATS: processes follow each other's events over gRPC (ADR 5).

use std::time::Duration;

use kontor_proto::directory::v1::{GetPartnerRequest, UpdateUserRequest, User};
use kontor_proto::pipeline::v1::{
    ConvertLeadRequest, CreateLeadRequest, CreateOpportunityRequest, GetLeadRequest, Lead, NextStepState,
    Opportunity,
};
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{
    CallDirection, CallEvent, CallEventKind, Connector, CreateConnectorRequest, GrpcSettings,
    PushCallEventsRequest, WatchCallPopsRequest,
};
use kontor_tests::{Backend, Grpc, Split};
use tonic::Code;

use crate::history::{add_history, kinds, timeline};
use crate::support::{add_partner, eventually, texts};

const NUMBER: &str = "+32 471 11 22 33";

async fn add_lead(grpc: &Grpc, email: &str) -> Result<Lead, tonic::Status> {
    let lead = Lead { title: "Asks".into(), email: email.into(), ..Default::default() };
    let request = CreateLeadRequest { lead: Some(lead), ..Default::default() };
    grpc.leads().create_lead(request).await.map(tonic::Response::into_inner)
}

/// Pipeline asks directory, telephony asks both, directory hears of all: the same answers as in one process.
async fn the_same_work(split: &Split) {
    let grpc = split.grpc("sales");
    let partner = add_partner(&grpc, "Anna Peeters", NUMBER, "anna@example.com").await;
    let lead = add_lead(&grpc, "ANNA@example.com").await.expect("a lead");
    let request = ConvertLeadRequest { name: lead.name, ..Default::default() };
    let converted = grpc.leads().convert_lead(request).await.expect("converted").into_inner();
    assert_eq!(converted.opportunity.expect("an opportunity").partner, partner.name);
    add_history(&grpc, &partner.name, NUMBER).await;
    let expected = ["call", "lead", "meeting", "opportunity", "opportunity", "stage_move"];
    eventually("the timeline of four processes", async || {
        let found = timeline(&grpc, &partner.name).await;
        (kinds(&found) == expected).then_some(())
    })
    .await;
    let http = split.http("sales");
    let found =
        http.propfind("/dav/addressbooks/sales/company/", "1", "<D:getetag/>").await.expect(207).text();
    let cards: Vec<_> = texts(&found, "href").into_iter().filter(|href| href.ends_with(".vcf")).collect();
    assert_eq!(cards.len(), 1, "{found}");
    let card = http.get(&cards[0]).await.expect(200).text();
    assert!(card.contains("FN:Anna Peeters") && card.contains(NUMBER), "{card}");
    ring(split, &grpc, &partner.name).await;
}

async fn ring(split: &Split, grpc: &Grpc, partner: &str) {
    let admin = split.grpc("admin");
    let user = User { name: "users/sales".into(), extension: "101".into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["extension".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    admin.users().update_user(request).await.expect("an extension");
    let kind = Some(Kind::Grpc(GrpcSettings { user: "users/sales".into() }));
    let connector =
        Connector { display_name: "Switch".into(), kind, region: "BE".into(), ..Default::default() };
    let request = CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "switch".into(),
        ..Default::default()
    };
    admin.connectors().create_connector(request).await.expect("a connector");

    let mut pops =
        grpc.calls().watch_call_pops(WatchCallPopsRequest::default()).await.expect("a stream").into_inner();
    let event = CallEvent {
        call_id: "c1".into(),
        kind: CallEventKind::Ringing.into(),
        event_time: Some(now()),
        direction: CallDirection::Inbound.into(),
        from: NUMBER.into(),
        to: "101".into(),
        extension: "101".into(),
        ..Default::default()
    };
    let push =
        PushCallEventsRequest { connector: "connectors/switch".into(), sequence: 1, event: Some(event) };
    let mut answers =
        grpc.ingest().push_call_events(futures_util::stream::iter([push])).await.expect("taken").into_inner();
    let answer = answers.message().await.expect("no error").expect("an answer");
    assert_eq!(answer.error, "");
    let pop = tokio::time::timeout(Duration::from_mins(1), pops.message()).await;
    let pop = pop.expect("a pop in time").expect("no error").expect("a pop");
    assert_eq!(pop.call.expect("a call").partner, partner);
    assert_eq!(pop.partner_display_name, "Anna Peeters");
    assert_eq!(pop.open_opportunities.len(), 2);
}

fn now() -> prost_types::Timestamp {
    kontor_kit::clock::to_proto(jiff::Timestamp::now().as_microsecond())
}

/// A killed service takes only its own work with it, says so, and goes on where it was when it is back.
async fn one_is_killed(split: &mut Split) {
    let grpc = split.grpc("sales");
    let partner = add_partner(&grpc, "Bram Claes", "+32 471 22 33 44", "bram@example.com").await;
    let kept = add_lead(&grpc, "kept@example.com").await.expect("a lead");

    split.kill("pipeline").await;
    let refused = add_lead(&grpc, "lost@example.com").await.expect_err("there is no pipeline");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.message().contains("pipeline"), "{refused:?}");
    let request = GetPartnerRequest { name: partner.name.clone() };
    grpc.partners().get_partner(request).await.expect("directory goes on");
    split.http("sales").propfind("/dav/calendars/sales/", "1", "<D:getetag/>").await.expect(207);
    split.start_one("pipeline").await;
    let request = GetLeadRequest { name: kept.name.clone() };
    let found = eventually("pipeline is back", async || {
        grpc.leads().get_lead(request.clone()).await.ok().map(tonic::Response::into_inner)
    })
    .await;
    assert_eq!(found.email, "kept@example.com");

    // What happens while directory is away stands on the timeline when it is back: the calendar keeps its events.
    split.kill("directory").await;
    let away = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:away\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\n\
         SUMMARY:While it is away\r\nX-KONTOR-PARTNER:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        partner.name
    );
    let path = "/dav/calendars/sales/work/away.ics";
    let answer = split.http("sales").put(path, &[], away.clone()).await;
    assert!([201, 503].contains(&answer.status.as_u16()), "{answer:?}");
    split.start_one("directory").await;
    eventually("the meeting is written", async || {
        let answer = split.http("sales").put(path, &[], away.clone()).await;
        [201, 204].contains(&answer.status.as_u16()).then_some(())
    })
    .await;
    eventually("the meeting on the timeline", async || {
        timeline(&grpc, &partner.name).await.iter().any(|entry| entry.kind == "meeting").then_some(())
    })
    .await;
}

/// Row C5: the calendar works without the pipeline, and learns of its deadlines later.
async fn deadlines_are_caught_up(split: &mut Split) {
    let (grpc, http, path) = (split.grpc("sales"), split.http("sales"), "/dav/calendars/sales/overview/");
    split.kill("calendar").await;
    let opportunity = Opportunity {
        title: "While it is away".into(),
        assignee: "users/sales".into(),
        expected_close_date: "2026-12-01".into(),
        ..Default::default()
    };
    let request = CreateOpportunityRequest { opportunity: Some(opportunity), ..Default::default() };
    let made = grpc.opportunities().create_opportunity(request).await.expect("pipeline goes on").into_inner();
    let name = format!("-{}.ics", made.name.trim_start_matches("opportunities/"));
    split.start_one("calendar").await;
    let shown = async || {
        let answer = http.propfind(path, "1", "<D:getetag/>").await;
        texts(&answer.text(), "href").iter().any(|href| href.ends_with(&name)).then_some(())
    };
    eventually("the deadline in the overview", shown).await;
    split.kill("pipeline").await;
    assert!(shown().await.is_some(), "without the pipeline it stays as it was");
    split.start_one("pipeline").await;
}

/// Row C9: a task that is done while the pipeline is away is done there when it is back, and a step that is set while the calendar is away stands
/// in the list when that is back.
async fn tasks_are_caught_up(split: &mut Split) {
    let (grpc, http) = (split.grpc("sales"), split.http("sales"));
    let made = crate::support::add_opportunity(&grpc, "Machine", "", "users/sales").await;
    let step = crate::next_steps::set(&grpc, &made.name, "Call", "2026-12-01").await;
    let path = crate::next_steps::path("sales", &step.name);
    let text = crate::next_steps::shown(&http, &path, "SUMMARY:Call").await;
    split.kill("pipeline").await;
    http.put(&path, &[], crate::next_steps::done(&text)).await.expect(204);
    split.start_one("pipeline").await;
    eventually("the step is done", async || {
        crate::next_steps::get(&grpc, &step.name).await.filter(|step| step.state() == NextStepState::Done)
    })
    .await;
    split.kill("calendar").await;
    let step = crate::next_steps::set(&grpc, &made.name, "Visit", "2026-12-02").await;
    split.start_one("calendar").await;
    crate::next_steps::shown(&http, &crate::next_steps::path("sales", &step.name), "SUMMARY:Visit").await;
}

async fn scenario(backend: Backend) {
    let mut split = Split::start(backend).await;
    the_same_work(&split).await;
    deadlines_are_caught_up(&mut split).await;
    tasks_are_caught_up(&mut split).await;
    one_is_killed(&mut split).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_each_service_in_its_own_process_does_the_same_and_outlives_the_others_on_sqlite() {
    scenario(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_each_service_in_its_own_process_does_the_same_and_outlives_the_others_on_postgres() {
    scenario(Backend::Postgres).await;
}
