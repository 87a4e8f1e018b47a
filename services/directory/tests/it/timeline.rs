//! Row H1: one history per partner from the events of the other services, and its rebuild.
//! The sources are real outboxes on the real bus; only the services around them are left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock;
use kontor_kit::db::Db;
use kontor_kit::outbox::NewEvent;
use kontor_proto::calendar::v1::{MeetingChanged, MeetingRemoved, MeetingScheduled};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::pipeline::v1::{
    LeadConverted, OpportunityCreated, OpportunityDeleted, OpportunityLost, OpportunityStageMoved,
    OpportunityUpdated, OpportunityWon,
};
use kontor_proto::telephony::v1::{CallCorrected, CallEnded, CallOutcome};
use kontor_testbed::{MONDAY, SECOND, admin, caller, failure};
use prost::Name;
use tonic::Code;

use crate::world::World;

kontor_testbed::on_both! { World;
    h1_each_thing_has_one_entry_in_time_order,
    h1_a_rebuild_gives_the_same_and_loses_nothing_meanwhile,
    h1_entries_follow_call_and_deal_to_another_partner,
    h2_the_survivor_has_both_histories_and_each_its_own_after_an_unmerge,
    x4_entries_of_a_deal_are_seen_by_those_who_see_the_deal,
    x4_only_administrators_rebuild_and_a_missing_source_changes_nothing,
    x3_history_is_read_in_pages,
}

/// Outboxes of the three services, and two partners.
struct Sources {
    world: World,
    telephony: Db,
    calendar: Db,
    pipeline: Db,
    acme: String,
    bolt: String,
}

impl Sources {
    async fn start(world: World) -> Sources {
        let acme = partner(&world, "Acme").await;
        let bolt = partner(&world, "Bolt").await;
        Sources {
            telephony: world.place.fake("telephony").await,
            calendar: world.place.fake("calendar").await,
            pipeline: world.place.fake("pipeline").await,
            world,
            acme,
            bolt,
        }
    }

    async fn call(&self, id: &str, partner: &str, payload: &(impl Name + Clone + 'static)) {
        publish(&self.telephony, "telephony", &format!("calls/{id}"), partner, &Guard::company(), payload)
            .await;
    }

    async fn meeting(&self, id: &str, partner: &str, payload: &(impl Name + Clone + 'static)) {
        let subject = format!("calendars/anna/events/{id}");
        publish(&self.calendar, "calendar", &subject, partner, &Guard::company(), payload).await;
    }

    async fn deal(&self, id: &str, partner: &str, payload: &(impl Name + Clone + 'static)) {
        let subject = format!("opportunities/{id}");
        publish(&self.pipeline, "pipeline", &subject, partner, &Guard::company(), payload).await;
    }

    /// The history as "kind: summary", once `count` entries are there.
    async fn wait_for(&self, partner: &str, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for () in kontor_testbed::patience() {
            seen = lines(&list(&self.world, &admin(), partner).await);
            if seen.len() == count {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let shown = &seen[..seen.len().min(10)];
        panic!("{count} entries were expected, {} are there: {shown:?}", seen.len());
    }

    async fn rebuild(&self) -> Vec<proto::RebuildTimelinesResponse> {
        let request = admin().request(proto::RebuildTimelinesRequest {});
        let mut partners = PartnerServiceClient::new(self.world.link.clone());
        let mut stream = partners.rebuild_timelines(request).await.unwrap().into_inner();
        let mut progress = Vec::new();
        while let Some(step) = stream.message().await.unwrap() {
            progress.push(step);
        }
        progress
    }
}

async fn partner(world: &World, display_name: &str) -> String {
    let partner = proto::Partner {
        kind: proto::PartnerKind::Company.into(),
        display_name: display_name.to_owned(),
        ..Default::default()
    };
    let request = proto::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    let mut partners = PartnerServiceClient::new(world.link.clone());
    partners.create_partner(admin().request(request)).await.unwrap().into_inner().name
}

async fn publish<P>(db: &Db, source: &'static str, subject: &str, partner: &str, guard: &Guard, payload: &P)
where
    P: Name + Clone + 'static,
{
    let event = NewEvent::new(source, subject, guard, payload).partner(partner).actor("users/anna");
    db.write(move |tx| {
        tx.publish(event.clone());
        Ok(())
    })
    .await
    .unwrap();
}

async fn list(world: &World, caller: &Caller, partner: &str) -> Vec<proto::TimelineEntry> {
    let request = proto::ListTimelineEntriesRequest {
        parent: partner.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut partners = PartnerServiceClient::new(world.link.clone());
    partners.list_timeline_entries(caller.request(request)).await.unwrap().into_inner().timeline_entries
}

fn lines(entries: &[proto::TimelineEntry]) -> Vec<String> {
    entries.iter().map(|entry| format!("{}: {}", entry.kind, entry.summary)).collect()
}

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(clock::to_proto(MONDAY + seconds * SECOND))
}

fn ended(outcome: CallOutcome, seconds: i64) -> CallEnded {
    CallEnded {
        direction: 1,
        outcome: outcome.into(),
        number: "+33145551234".to_owned(),
        start_time: at(seconds),
        ..Default::default()
    }
}

fn created(title: &str) -> OpportunityCreated {
    OpportunityCreated { title: title.to_owned(), stage: "New".to_owned(), ..OpportunityCreated::default() }
}

async fn h1_each_thing_has_one_entry_in_time_order(world: World) {
    let sources = Sources::start(world).await;
    let acme = sources.acme.clone();
    sources.call("1", &acme, &ended(CallOutcome::Missed, -60)).await;
    sources.call("2", "", &ended(CallOutcome::Missed, -50)).await;
    let corrected = CallCorrected {
        direction: 2,
        outcome: CallOutcome::Answered.into(),
        number: "+33145551234".to_owned(),
        talk_duration: Some(prost_types::Duration { seconds: 75, nanos: 0 }),
        start_time: at(-60),
        ..Default::default()
    };
    sources.call("1", &acme, &corrected).await;
    let meeting =
        |summary: &str, seconds| MeetingScheduled { summary: summary.to_owned(), start_time: at(seconds) };
    sources.meeting("1", &acme, &meeting("Kick-off", 7_200)).await;
    sources.meeting("1", &acme, &MeetingChanged { summary: "Start".to_owned(), start_time: at(9_000) }).await;
    sources.meeting("1", &sources.bolt, &meeting("Start", 9_000)).await;
    sources.meeting("2", &acme, &meeting("Dropped", 50)).await;
    sources.meeting("2", &acme, &MeetingRemoved { summary: "Dropped".to_owned() }).await;

    let converted = LeadConverted { title: "Roof".to_owned(), ..Default::default() };
    publish(&sources.pipeline, "pipeline", "leads/1", &acme, &Guard::company(), &converted).await;
    sources.world.pass(SECOND);
    sources.deal("1", &acme, &created("Roof")).await;
    sources.world.pass(SECOND);
    let moved = OpportunityStageMoved {
        title: "Roof".to_owned(),
        from_stage: "New".to_owned(),
        to_stage: "Qualified".to_owned(),
    };
    sources.deal("1", &acme, &moved).await;
    sources.world.pass(SECOND);
    sources.deal("1", &acme, &OpportunityWon { title: "Roof".to_owned() }).await;
    sources.world.pass(SECOND);
    let lost = OpportunityLost { title: "Shed".to_owned(), reason: "too dear".to_owned() };
    sources.deal("2", &acme, &lost).await;
    sources.deal("3", &acme, &created("Mistake")).await;
    sources.deal("3", &acme, &OpportunityDeleted { title: "Mistake".to_owned() }).await;

    let expected = [
        "meeting: meeting: Start",
        "lost: lost (too dear): Shed",
        "won: won: Roof",
        "stage_move: New → Qualified: Roof",
        "opportunity: opportunity: Roof",
        "lead: lead became an opportunity: Roof",
        "call: call to +33145551234, 1 min 15 s",
    ];
    settle(&sources).await;
    assert_eq!(sources.wait_for(&acme, 7).await, expected);
    assert_eq!(sources.wait_for(&sources.bolt, 1).await, ["meeting: meeting: Start"]);
    let first = list(&sources.world, &admin(), &acme).await;
    assert_eq!(first[6].subject, "calls/1");
    assert_eq!((first[6].actor.as_str(), first[6].occur_time), ("users/anna", at(-60)));
    assert!(first[0].name.starts_with(&format!("{acme}/timelineEntries/")));
}

/// Waits until the last event of each source has been taken in.
async fn settle(sources: &Sources) {
    let mark = partner(&sources.world, "Mark").await;
    let id = mark.replace("partners/", "");
    sources.call(&id, &mark, &ended(CallOutcome::Busy, 0)).await;
    let meeting = MeetingScheduled { summary: "mark".to_owned(), start_time: at(0) };
    sources.meeting(&id, &mark, &meeting).await;
    sources.deal(&id, &mark, &created("mark")).await;
    sources.wait_for(&mark, 3).await;
}

async fn h1_a_rebuild_gives_the_same_and_loses_nothing_meanwhile(world: World) {
    let sources = Sources::start(world).await;
    let acme = sources.acme.clone();
    for number in 0..450 {
        sources.call(&format!("{number}"), &acme, &ended(CallOutcome::Missed, number)).await;
        if number % 3 == 0 {
            sources.call(&format!("{number}"), &acme, &ended(CallOutcome::Answered, number)).await;
        }
    }
    sources.deal("1", &acme, &created("Roof")).await;
    let meeting = MeetingScheduled { summary: "Start".to_owned(), start_time: at(9_000) };
    sources.meeting("1", &acme, &meeting).await;
    sources.wait_for(&acme, 452).await;
    settle(&sources).await;
    let before = list(&sources.world, &admin(), &acme).await;
    let progress = sources.rebuild().await;
    assert!(progress.last().unwrap().done);
    // Three partners were made, which the directory tells itself.
    assert_eq!(progress.last().unwrap().events_read, 600 + 2 + 3 + 3);
    assert_eq!(list(&sources.world, &admin(), &acme).await, before);

    // Events that arrive while rebuilds run one after the other are there once, and reading never sees less.
    let loaded = AtomicBool::new(false);
    let load = async {
        for number in 450..600 {
            sources.call(&format!("{number}"), &acme, &ended(CallOutcome::Missed, number)).await;
            sources.meeting("1", &acme, &MeetingRemoved { summary: "Start".to_owned() }).await;
            // Deals are read first by a rebuild, so most of these come too late for its reading.
            sources.deal(&format!("{number}"), &acme, &created("Late")).await;
        }
        loaded.store(true, Ordering::SeqCst);
    };
    let watch = async {
        let mut most = 0;
        while !loaded.load(Ordering::SeqCst) {
            let entries = list(&sources.world, &admin(), &acme).await;
            let seen = entries.iter().filter(|entry| entry.kind != "meeting").count();
            assert!(seen >= most, "{most} entries were there, now {seen}");
            most = seen;
        }
    };
    let rebuilds = async {
        while !loaded.load(Ordering::SeqCst) {
            sources.rebuild().await;
        }
    };
    tokio::join!(load, watch, rebuilds);
    sources.wait_for(&acme, 751).await;
    settle(&sources).await;
    let after = list(&sources.world, &admin(), &acme).await;
    let names: std::collections::BTreeSet<_> = after.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!((after.len(), names.len()), (751, 751));
    sources.rebuild().await;
    assert_eq!(list(&sources.world, &admin(), &acme).await, after);
}

async fn h1_entries_follow_call_and_deal_to_another_partner(world: World) {
    let sources = Sources::start(world).await;
    let (acme, bolt) = (sources.acme.clone(), sources.bolt.clone());
    sources.call("1", &acme, &ended(CallOutcome::Missed, 0)).await;
    sources.deal("1", "", &created("Roof")).await;
    sources.wait_for(&acme, 1).await;
    let corrected = CallCorrected {
        direction: 1,
        outcome: 2,
        number: "+321".to_owned(),
        start_time: at(0),
        ..Default::default()
    };
    sources.call("1", &bolt, &corrected).await;
    sources
        .deal(
            "1",
            &bolt,
            &OpportunityUpdated { fields: vec!["partner".to_owned()], ..OpportunityUpdated::default() },
        )
        .await;
    let moved = sources.wait_for(&bolt, 2).await;
    assert!(moved.contains(&"opportunity: opportunity: Roof".to_owned()), "{moved:?}");
    assert!(moved.contains(&"call: missed call from +321".to_owned()), "{moved:?}");
    sources.wait_for(&acme, 0).await;
    sources.rebuild().await;
    let mut again = sources.wait_for(&bolt, 2).await;
    again.sort();
    let mut moved = moved;
    moved.sort();
    assert_eq!(again, moved);
}

async fn x4_entries_of_a_deal_are_seen_by_those_who_see_the_deal(world: World) {
    let sources = Sources::start(world).await;
    let acme = sources.acme.clone();
    let (anna, carl) = (caller("anna", &["sales"], &[]), caller("carl", &["support"], &[]));
    let sales = Guard::new("users/anna", "teams/sales");
    publish(&sources.pipeline, "pipeline", "opportunities/1", &acme, &sales, &created("Roof")).await;
    sources.call("1", &acme, &ended(CallOutcome::Missed, 0)).await;
    sources.wait_for(&acme, 2).await;
    assert_eq!(list(&sources.world, &anna, &acme).await.len(), 2);
    assert_eq!(lines(&list(&sources.world, &carl, &acme).await), ["call: missed call from +33145551234"]);
    let support = Guard::new("users/carl", "teams/support");
    let given = OpportunityUpdated { fields: vec!["assignee".to_owned()], ..OpportunityUpdated::default() };
    publish(&sources.pipeline, "pipeline", "opportunities/1", &acme, &support, &given).await;
    settle(&sources).await;
    assert_eq!(list(&sources.world, &carl, &acme).await.len(), 2);
    assert_eq!(list(&sources.world, &anna, &acme).await.len(), 1);
}

async fn x4_only_administrators_rebuild_and_a_missing_source_changes_nothing(world: World) {
    let acme = partner(&world, "Acme").await;
    let mut partners = PartnerServiceClient::new(world.link.clone());
    let anna = caller("anna", &["sales"], &["sales"]);
    let refused = partners.rebuild_timelines(anna.request(proto::RebuildTimelinesRequest {})).await;
    assert_eq!(failure(refused.map(|_| ())).0, Code::PermissionDenied);
    // Only telephony is there: a rebuild without the others would forget what they told.
    let telephony = world.place.fake("telephony").await;
    let call = ended(CallOutcome::Missed, 0);
    publish(&telephony, "telephony", "calls/1", &acme, &Guard::company(), &call).await;
    for () in kontor_testbed::patience() {
        if !list(&world, &admin(), &acme).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let request = admin().request(proto::RebuildTimelinesRequest {});
    let mut stream = partners.rebuild_timelines(request).await.unwrap().into_inner();
    let outcome = loop {
        match stream.message().await {
            Ok(Some(step)) => assert!(!step.done),
            other => break other,
        }
    };
    assert_eq!(failure(outcome).0, Code::Unavailable);
    assert_eq!(list(&world, &admin(), &acme).await.len(), 1);
}

async fn x3_history_is_read_in_pages(world: World) {
    let sources = Sources::start(world).await;
    let acme = sources.acme.clone();
    for number in 0..5 {
        sources.call(&format!("{number}"), &acme, &ended(CallOutcome::Missed, number)).await;
    }
    sources.wait_for(&acme, 5).await;
    let mut partners = PartnerServiceClient::new(sources.world.link.clone());
    let mut request = proto::ListTimelineEntriesRequest {
        parent: acme.clone(),
        page_size: 2,
        order_by: "occur_time".to_owned(),
        ..Default::default()
    };
    let mut subjects = Vec::new();
    loop {
        let page =
            partners.list_timeline_entries(admin().request(request.clone())).await.unwrap().into_inner();
        subjects.extend(page.timeline_entries.into_iter().map(|entry| entry.subject));
        if page.next_page_token.is_empty() {
            break;
        }
        sources.rebuild().await;
        request.page_token = page.next_page_token;
    }
    assert_eq!(subjects, ["calls/0", "calls/1", "calls/2", "calls/3", "calls/4"]);
    request.parent = "partners/none".to_owned();
    request.page_token = String::new();
    assert_eq!(failure(partners.list_timeline_entries(admin().request(request)).await).0, Code::NotFound);
}

async fn h2_the_survivor_has_both_histories_and_each_its_own_after_an_unmerge(world: World) {
    let sources = Sources::start(world).await;
    let (acme, bolt) = (sources.acme.clone(), sources.bolt.clone());
    sources.call("1", &acme, &ended(CallOutcome::Missed, -60)).await;
    sources.call("2", &bolt, &ended(CallOutcome::Busy, -50)).await;
    let meeting = MeetingScheduled { summary: "Both".to_owned(), start_time: at(7_200) };
    sources.meeting("1", &acme, &meeting).await;
    sources.meeting("1", &bolt, &meeting).await;
    let first = sources.wait_for(&acme, 2).await;
    let second = sources.wait_for(&bolt, 2).await;

    let mut merges = PartnerMergeServiceClient::new(sources.world.link.clone());
    let request =
        proto::MergePartnersRequest { name: acme.clone(), others: vec![bolt.clone()], ..Default::default() };
    let merge = merges.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap();
    // The meeting that both had stands there once.
    let both = [first[0].as_str(), second[1].as_str(), first[1].as_str()];
    assert_eq!(sources.wait_for(&acme, 3).await, both);
    assert_eq!(lines(&list(&sources.world, &admin(), &bolt).await), both, "the old name leads to it");
    // What still speaks of the old one belongs to the survivor, and a replay of all events doubles nothing.
    sources.call("3", &bolt, &ended(CallOutcome::Failed, -40)).await;
    sources.wait_for(&acme, 4).await;
    assert!(sources.rebuild().await.last().unwrap().done);
    assert_eq!(sources.wait_for(&acme, 4).await.len(), 4);

    let request = proto::UnmergePartnersRequest { name: merge.name, request_id: String::new() };
    merges.unmerge_partners(admin().request(request)).await.unwrap();
    assert_eq!(sources.wait_for(&acme, 2).await, first);
    let own = sources.wait_for(&bolt, 3).await;
    assert_eq!((&own[0], &own[2]), (&second[0], &second[1]));
}
