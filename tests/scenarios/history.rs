//! Partner history: everything that happened with a partner on one timeline, once.
//! Row H1.

use kontor_kit::clock;
use kontor_proto::calendar::v1::{CreateEventRequest, Event, EventTime, event_time};
use kontor_proto::directory::v1::{ListTimelineEntriesRequest, RebuildTimelinesRequest, TimelineEntry};
use kontor_proto::pipeline::v1::{ListPipelinesRequest, MoveStageRequest};
use kontor_proto::telephony::v1::{Call, CallDirection, CallOutcome, CreateCallRequest, Party};
use kontor_tests::{Grpc, both};
use tonic::Code;

use crate::support::{add_opportunity, add_partner, eventually, refused};

/// What the partner's timeline shows this user, newest first.
pub async fn timeline(grpc: &Grpc, partner: &str) -> Vec<TimelineEntry> {
    let request = ListTimelineEntriesRequest { parent: partner.to_owned(), ..Default::default() };
    grpc.partners().list_timeline_entries(request).await.expect("a timeline").into_inner().timeline_entries
}

/// The kinds of these entries, in alphabetical order.
pub fn kinds(entries: &[TimelineEntry]) -> Vec<&str> {
    let mut kinds: Vec<_> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds
}

/// One call by number, one meeting, one opportunity and its move to another stage.
pub async fn add_history(grpc: &Grpc, partner: &str, number: &str) {
    let call = Call {
        direction: CallDirection::Inbound.into(),
        outcome: CallOutcome::Missed.into(),
        caller: Some(Party { number: number.into(), ..Default::default() }),
        start_time: Some(clock::to_proto(1_795_000_000_000_000)),
        ..Default::default()
    };
    let call = grpc.calls().create_call(CreateCallRequest { call: Some(call), ..Default::default() }).await;
    assert_eq!(call.expect("a call").into_inner().partner, partner);

    let at = |hour: &str| {
        Some(EventTime {
            kind: Some(event_time::Kind::Local(format!("2026-12-01T{hour}:00:00"))),
            time_zone: "Europe/Brussels".into(),
        })
    };
    let event = Event {
        summary: "Demo".into(),
        start: at("10"),
        end: at("11"),
        partners: vec![partner.into()],
        ..Default::default()
    };
    let request =
        CreateEventRequest { parent: "calendars/default".into(), event: Some(event), ..Default::default() };
    grpc.events().create_event(request).await.expect("a meeting");

    let deal = add_opportunity(grpc, "Machine", partner, "users/sales").await;
    let pipelines = grpc
        .pipelines()
        .list_pipelines(ListPipelinesRequest::default())
        .await
        .expect("pipelines")
        .into_inner();
    let stage = pipelines.pipelines[0].stages[1].name.clone();
    grpc.opportunities()
        .move_stage(MoveStageRequest { name: deal.name, stage, ..Default::default() })
        .await
        .expect("moved");
}

both! {
    async fn h1_a_call_a_meeting_and_a_stage_move_stand_once_each_also_after_a_rebuild(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Anna Peeters", "+32 471 11 22 33", "anna@example.com").await;
        add_history(&grpc, &partner.name, "0471 11 22 33").await;
        let expected = ["call", "meeting", "opportunity", "stage_move"];
        let before = eventually("the timeline", async || {
            let entries = timeline(&grpc, &partner.name).await;
            (kinds(&entries) == expected).then_some(entries)
        })
        .await;
        let times: Vec<_> = before.iter().map(|entry| clock::from_proto(entry.occur_time.as_ref().expect("a time"))).collect();
        assert!(times.is_sorted_by(|one, next| one >= next), "newest first: {times:?}");

        for _ in 0..2 {
            let mut progress =
                sandbox.grpc("admin").partners().rebuild_timelines(RebuildTimelinesRequest {}).await.expect("it starts").into_inner();
            let mut done = false;
            while let Some(step) = progress.message().await.expect("progress") {
                done = step.done;
            }
            assert!(done);
        }
        let after = timeline(&grpc, &partner.name).await;
        assert_eq!(kinds(&after), expected);
        let said = |entries: &[TimelineEntry]| entries.iter().map(|entry| (entry.subject.clone(), entry.summary.clone())).collect::<Vec<_>>();
        assert_eq!(said(&after), said(&before));
        refused(grpc.partners().rebuild_timelines(RebuildTimelinesRequest {}).await.map(|_| ()), Code::PermissionDenied, "administrator");

        // What comes after a rebuild is added as before.
        add_opportunity(&grpc, "Second machine", &partner.name, "users/sales").await;
        eventually("the new entry", async || (timeline(&grpc, &partner.name).await.len() == 5).then_some(())).await;
    }

    async fn h1_a_private_meeting_stands_there_without_its_title(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Céline Dubois", "", "celine@example.com").await;
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:private\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261123T090000Z\r\n\
             SUMMARY:Her illness\r\nCLASS:PRIVATE\r\nX-KONTOR-PARTNER:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            partner.name
        );
        sandbox.http("sales").put("/dav/calendars/sales/work/private.ics", &[], event).await.expect(201);
        let entries = eventually("the entry", async || Some(timeline(&sandbox.grpc("neighbour"), &partner.name).await).filter(|found| !found.is_empty())).await;
        assert_eq!(entries[0].kind, "meeting");
        assert!(!entries[0].summary.contains("illness"), "{entries:?}");
    }

    async fn h1_a_timeline_shows_a_neighbour_nothing_of_another_teams_deals(sandbox: Sandbox) {
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Bram Claes", "+32 471 22 33 44", "").await;
        add_opportunity(&grpc, "Secret machine", &partner.name, "users/sales").await;
        eventually("the entry", async || (!timeline(&grpc, &partner.name).await.is_empty()).then_some(())).await;
        assert!(timeline(&sandbox.grpc("neighbour"), &partner.name).await.is_empty());
        assert_eq!(timeline(&sandbox.grpc("manager"), &partner.name).await.len(), 1);
    }
}
