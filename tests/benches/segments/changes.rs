//! So many changes a second for a while: partners updated in the directory, facts pushed; and how long until the first event says that the partner joined or
//! left. All that one change flips is written in one transaction, so the first event is as late as the last one.
//! Called by main.rs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kontor_proto::directory::v1::{Partner, UpdatePartnerRequest};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::r#type::v1::{Money, PostalAddress, WatchChangesRequest};
use kontor_tests::{Grpc, Process};

use crate::data::{COUNTRIES, TITLES, is_not_called, partner, title};
use crate::{line, number, spread};

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Title,
    Address,
    Purchase,
    Visit,
    Mail,
    Tags,
}

const KINDS: [Kind; 10] = [
    Kind::Title,
    Kind::Purchase,
    Kind::Title,
    Kind::Visit,
    Kind::Address,
    Kind::Purchase,
    Kind::Title,
    Kind::Mail,
    Kind::Address,
    Kind::Tags,
];

/// When something was sent and when it was said to be written.
struct Sent {
    kind: Kind,
    sent: Instant,
    acknowledged: Option<Instant>,
}

type Log = Arc<Mutex<HashMap<String, Sent>>>;

/// Prints them.
pub async fn figures(process: &Process, admin: &Grpc, size: usize) {
    let (rate, time) = (number("KONTOR_TEST_RATE", 500), number("KONTOR_TEST_SECONDS", 10));
    let wanted = (rate * time).min(size * 9 / 10);
    let log: Log = Arc::default();
    let seen = watch(admin).await;
    let (begun, cpu) = (Instant::now(), process.cpu_seconds());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).expect("a rate"));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut running = tokio::task::JoinSet::new();
    // Each change is of another partner, none of them one that is not called.
    let mut partners = (0..size).map(|at| 1 + at * 7_919 % size).filter(|at| !is_not_called(*at));
    for change in 0..wanted {
        ticks.tick().await;
        let Some(number) = partners.next() else { break };
        let (admin, log, kind) = (admin.clone(), log.clone(), KINDS[change % KINDS.len()]);
        running.spawn(async move {
            let name = partner(number);
            let sent = Instant::now();
            log.lock().expect("whole").insert(name.clone(), Sent { kind, sent, acknowledged: None });
            send(&admin, kind, number, &name).await;
            let now = Instant::now();
            log.lock().expect("whole").get_mut(&name).expect("it was sent").acknowledged = Some(now);
        });
        while running.try_join_next().is_some() {}
    }
    let offered = begun.elapsed().as_secs_f64();
    while let Some(done) = running.join_next().await {
        done.expect("a change");
    }
    let taken = begun.elapsed().as_secs_f64();
    arrived(&log, &seen).await;
    line(
        "changes a second, offered / taken",
        format!("{:.0} / {:.0}", wanted as f64 / offered, wanted as f64 / taken),
    );
    line(
        "CPU of the server meanwhile",
        format!("{:.0} % of a core", 100.0 * (process.cpu_seconds() - cpu) / begun.elapsed().as_secs_f64()),
    );
    print(&log, &seen.lock().expect("whole"));
}

type Seen = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

/// Listens to who joins and leaves.
async fn watch(admin: &Grpc) -> Seen {
    let types =
        ["PartnerJoinedSegment", "PartnerLeftSegment"].map(|name| format!("kontor.segmentation.v1.{name}"));
    let request = WatchChangesRequest { types: types.into(), ..Default::default() };
    let mut changes =
        admin.segmentation_changes().watch_changes(request).await.expect("a stream").into_inner();
    // The first message says from where on.
    changes.message().await.expect("it goes on").expect("a token");
    let seen = Seen::default();
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok(Some(message)) = changes.message().await {
            let Some(event) = message.event else { continue };
            all.lock().expect("whole").entry(event.partner).or_default().push(Instant::now());
        }
    });
    seen
}

/// Waits until all that surely flips has come.
async fn arrived(log: &Log, seen: &Seen) {
    let mut late = 0;
    for () in kontor_testbed::patience() {
        late = {
            let (log, seen) = (log.lock().expect("whole"), seen.lock().expect("whole"));
            let sure = |kind| matches!(kind, Kind::Title | Kind::Purchase);
            log.iter().filter(|(name, sent)| sure(sent.kind) && !seen.contains_key(*name)).count()
        };
        if late == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    line("changes that surely flip without an event", late);
}

async fn send(admin: &Grpc, kind: Kind, number: usize, name: &str) {
    match kind {
        Kind::Title => {
            let title = TITLES[(title(number) + 1) % TITLES.len()].to_owned();
            update(admin, Partner { name: name.to_owned(), title, ..Default::default() }, "title").await;
        }
        Kind::Address => {
            let address = PostalAddress {
                locality: format!("City {:04}", number * 31 % 5_000),
                country: COUNTRIES[number / 7 % COUNTRIES.len()].into(),
                ..Default::default()
            };
            let new = Partner { name: name.to_owned(), addresses: vec![address], ..Default::default() };
            update(admin, new, "addresses").await;
        }
        Kind::Purchase => {
            let amount = Money { currency_code: "EUR".into(), amount: "100000.00".into() };
            let purchase = proto::Purchase {
                partner: name.to_owned(),
                key: format!("new-{number}"),
                time: now(),
                amount: Some(amount),
                ..Default::default()
            };
            let request = proto::PushPurchasesRequest { purchases: vec![purchase] };
            taken(admin.facts().push_purchases(request).await.expect("pushed").get_ref());
        }
        Kind::Visit => {
            let visit = proto::PageVisit {
                partner: name.to_owned(),
                key: format!("new-{number}"),
                time: now(),
                page: "/prices".into(),
            };
            let request = proto::PushPageVisitsRequest { visits: vec![visit] };
            taken(admin.facts().push_page_visits(request).await.expect("pushed").get_ref());
        }
        Kind::Mail => {
            let kind = proto::MailEventKind::Opened.into();
            let event = proto::MailEvent {
                partner: name.to_owned(),
                key: format!("new-{number}"),
                time: now(),
                kind,
            };
            let request = proto::PushMailEventsRequest { events: vec![event] };
            taken(admin.facts().push_mail_events(request).await.expect("pushed").get_ref());
        }
        Kind::Tags => {
            let tags = vec![format!("tag{}", number % 50), format!("tag{}", number / 50 % 50)];
            let traits = proto::Traits { partner: name.to_owned(), tags, language: "fr".into() };
            let request = proto::PushTraitsRequest { traits: vec![traits] };
            taken(admin.facts().push_traits(request).await.expect("pushed").get_ref());
        }
    }
}

fn taken(answer: &proto::PushFactsResponse) {
    assert!(answer.errors.is_empty(), "{answer:?}");
}

async fn update(admin: &Grpc, partner: Partner, field: &str) {
    let update_mask = Some(prost_types::FieldMask { paths: vec![field.to_owned()] });
    let request = UpdatePartnerRequest { partner: Some(partner), update_mask, ..Default::default() };
    admin.partners().update_partner(request).await.expect("updated");
}

fn now() -> Option<prost_types::Timestamp> {
    let now = jiff::Timestamp::now();
    Some(prost_types::Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond() })
}

fn print(log: &Log, seen: &HashMap<String, Vec<Instant>>) {
    let log = log.lock().expect("whole");
    let events: usize = seen.values().map(Vec::len).sum();
    line("events that partners joined or left", events);
    let mut rows: Vec<(String, Vec<&Kind>)> = vec![("directory".into(), vec![&Kind::Title, &Kind::Address])];
    rows.push(("pushed facts".into(), vec![&Kind::Purchase, &Kind::Visit, &Kind::Mail, &Kind::Tags]));
    let mut all = Vec::new();
    for (what, kinds) in rows {
        let (mut answers, mut late, mut whole, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (name, sent) in log.iter().filter(|(_, sent)| kinds.contains(&&sent.kind)) {
            let acknowledged = sent.acknowledged.expect("it was answered");
            answers.push(acknowledged - sent.sent);
            count += 1;
            let first = seen.get(name).and_then(|all| all.iter().find(|at| **at >= sent.sent));
            if let Some(first) = first {
                late.push(first.saturating_duration_since(acknowledged));
                whole.push(*first - sent.sent);
            }
        }
        line(&format!("{what}: changes / those that flipped something"), format!("{count} / {}", late.len()));
        line(&format!("{what}: answered, median / p99 / worst"), spread(answers));
        line(&format!("{what}: from the answer to joined or left"), spread(late.clone()));
        line(&format!("{what}: from sending to joined or left"), spread(whole));
        all.extend(late);
    }
    line("**all: from the answer to joined or left, median / p99 / worst**", spread(all));
}
