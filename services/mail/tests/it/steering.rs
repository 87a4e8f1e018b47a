//! Starting, pausing, resuming, ending, watching; two processes; and a stop in the middle.

use std::time::Duration;

use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::MailingState;
use kontor_testbed::{Place, SmtpServer, failure};
use tonic::{Code, Response};

use crate::world::{World, config, leader, neighbour, sales};

kontor_testbed::on_both! { World;
    l7_a_start_asks_back_with_the_count,
    l7_a_pause_stops_and_a_resume_goes_on_where_it_stood,
    l7_a_cancelled_mailing_sends_nothing_more,
    l7_one_that_is_kept_open_goes_on_for_those_who_come_later,
    l7_a_watcher_is_told_until_the_end,
    l7_what_was_started_says_what_it_said,
    l7_a_list_shows_all_but_texts_fields_and_counts,
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("a{at}@d{}.example", at % 7)).collect()
}

async fn l7_a_start_asks_back_with_the_count(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    assert_eq!(
        failure(world.try_start(&mailing, 5).await),
        (Code::FailedPrecondition, "NO_RECIPIENTS".to_owned())
    );
    let all = many(20);
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for expected in [0, 18] {
        let refused = world.try_start(&mailing, expected).await.unwrap_err();
        let (reason, metadata) = kontor_kit::error::reason(&refused).unwrap();
        assert_eq!((reason.as_str(), metadata["count"].as_str()), ("CONFIRM_COUNT", "20"));
    }
    let request = proto::StartMailingRequest {
        name: mailing.clone(),
        expected_recipients: 20,
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let start = async || world.mailings.clone().start_mailing(sales().request(request.clone())).await;
    let first = start().await.unwrap().into_inner();
    assert!(first.revision.contains("/revisions/1"), "{}", first.revision);
    world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(start().await.unwrap().into_inner().etag, first.etag, "the same request again");
    assert_eq!(
        failure(world.try_start(&mailing, 20).await),
        (Code::FailedPrecondition, "MAILING_ENDED".to_owned())
    );
    assert_eq!(world.smtp.count(), 20);
}

async fn l7_a_pause_stops_and_a_resume_goes_on_where_it_stood(world: World) {
    // The relay takes its time, so that there is a middle.
    world.smtp.set_rules(&["{\"stage\": \"data\", \"match\": \".\", \"delay\": 0.1}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let all = many(60);
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.go(&mailing).await;
    world.until_taken(8).await;
    assert_eq!(world.pause(&mailing).await.unwrap().state(), MailingState::Paused);
    let at_the_pause = world.smtp.count();
    world.until(&mailing, |it| it.counts.as_ref().is_some_and(|it| it.sent + it.waiting == 60)).await;
    world.a_while().await;
    let paused = world.smtp.count();
    assert!(paused <= at_the_pause + 4, "{at_the_pause} and {paused}: no more than were on their way");
    assert_eq!(world.get(&mailing).await.counts.unwrap().sent, paused as i64);
    assert_eq!(
        failure(world.pause(&mailing).await),
        (Code::FailedPrecondition, "MAILING_NOT_RUNNING".to_owned())
    );
    world.smtp.set_rules(&[]);
    world.resume(&mailing).await.unwrap();
    world.until_state(&mailing, MailingState::Completed).await;
    let mut all = all;
    all.sort();
    assert_eq!(world.taken(), all);
}

async fn l7_a_cancelled_mailing_sends_nothing_more(world: World) {
    world.smtp.set_rules(&["{\"stage\": \"data\", \"match\": \".\", \"delay\": 0.1}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let all = many(40);
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.go(&mailing).await;
    world.until_taken(4).await;
    let cancel = async || {
        let request = proto::CancelMailingRequest { name: mailing.clone(), ..Default::default() };
        world.mailings.clone().cancel_mailing(sales().request(request)).await.map(Response::into_inner)
    };
    assert_eq!(cancel().await.unwrap().state(), MailingState::Cancelled);
    world.a_while().await;
    let sent = world.smtp.count();
    assert!(sent < 40);
    world.a_while().await;
    assert_eq!(world.smtp.count(), sent);
    let counts = world.get(&mailing).await.counts.unwrap();
    assert_eq!((counts.sent, counts.waiting), (sent as i64, 40 - sent as i64));
    assert_eq!(failure(cancel().await), (Code::FailedPrecondition, "MAILING_ENDED".to_owned()));
}

async fn l7_one_that_is_kept_open_goes_on_for_those_who_come_later(world: World) {
    let mailing = world.mailing(proto::Mailing { keep_open: true, ..Default::default() }).await;
    world.try_start(&mailing, 0).await.unwrap();
    world.add(&mailing, &["a@one.example"]).await;
    world.until_taken(1).await;
    world.a_while().await;
    assert_eq!(world.get(&mailing).await.state(), MailingState::Running);
    world.add(&mailing, &["a@one.example", "b@one.example"]).await;
    world.until_taken(2).await;
    let update = proto::Mailing { name: mailing.clone(), ..Default::default() };
    let request = proto::UpdateMailingRequest {
        mailing: Some(update),
        update_mask: Some(prost_types::FieldMask { paths: vec!["keep_open".to_owned()] }),
        ..Default::default()
    };
    world.mailings.clone().update_mailing(sales().request(request)).await.unwrap();
    world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(world.taken(), ["a@one.example", "b@one.example"]);
}

async fn l7_a_watcher_is_told_until_the_end(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example", "b@two.example"]).await;
    let request = proto::WatchMailingRequest { name: mailing.clone() };
    let mut told = world.mailings.clone().watch_mailing(sales().request(request)).await.unwrap().into_inner();
    let first = told.message().await.unwrap().unwrap();
    assert_eq!((first.state(), first.counts.unwrap().waiting), (MailingState::Draft, 2));
    world.go(&mailing).await;
    let last = async {
        let mut last = None;
        while let Some(now) = told.message().await.unwrap() {
            last = Some(now);
        }
        last.unwrap()
    };
    let last = tokio::time::timeout(Duration::from_secs(60), last).await.expect("the stream ends");
    assert_eq!((last.state(), last.counts.unwrap().sent), (MailingState::Completed, 2));
}

async fn l7_what_was_started_says_what_it_said(world: World) {
    let time = kontor_kit::clock::to_proto(kontor_testbed::MONDAY + 3_600 * kontor_testbed::SECOND);
    let mailing = world.mailing(proto::Mailing { start_time: Some(time), ..Default::default() }).await;
    world.add(&mailing, &["a@one.example"]).await;
    let started = world.go(&mailing).await;
    let update = async |mailing: proto::Mailing| {
        let request = proto::UpdateMailingRequest { mailing: Some(mailing), ..Default::default() };
        world.mailings.clone().update_mailing(sales().request(request)).await.map(Response::into_inner)
    };
    let other = proto::Mailing { name: mailing.clone(), subject: "Other".to_owned(), ..Default::default() };
    assert_eq!(failure(update(other).await), (Code::FailedPrecondition, "MAILING_STARTED".to_owned()));
    let slower = proto::Mailing { name: mailing.clone(), messages_per_minute: 5, ..Default::default() };
    let stale = proto::Mailing { etag: "v1".to_owned(), ..slower.clone() };
    assert_eq!(failure(update(stale).await).0, Code::Aborted);
    let changed = update(slower).await.unwrap();
    assert_eq!((changed.messages_per_minute, changed.subject), (5, started.subject));
    assert_ne!(changed.etag, started.etag);
}

async fn l7_a_list_shows_all_but_texts_fields_and_counts(world: World) {
    use kontor_proto::templating::v1::{FieldValue, Fields, field_value::Kind};
    let value = FieldValue { kind: Some(Kind::Text("Ghent".to_owned())) };
    let time = |hours: i64| {
        let micros = kontor_testbed::MONDAY + hours * 3_600 * kontor_testbed::SECOND;
        Some(kontor_kit::clock::to_proto(micros))
    };
    let all = proto::Mailing {
        text: "News".to_owned(),
        fields: Some(Fields { fields: [("city".to_owned(), value)].into() }),
        from: "Anna <anna@kontor.example>".to_owned(),
        reply_to: "Bob <bob@kontor.example>".to_owned(),
        team: "teams/sales".to_owned(),
        locale: "de-AT".to_owned(),
        purpose: "news".to_owned(),
        start_time: time(1),
        end_time: time(9),
        daily_hours: Some(proto::DailyHours { from_minute: 60, until_minute: 90, weekdays_only: true }),
        messages_per_minute: 7,
        keep_open: true,
        ..Default::default()
    };
    let draft = world.mailing(all).await;
    let running = world.mailing(proto::Mailing::default()).await;
    world.add(&running, &["a@one.example"]).await;
    world.send(&running).await;
    let list = async |caller: kontor_kit::auth::Caller, filter: &str| {
        let request = proto::ListMailingsRequest { filter: filter.to_owned(), ..Default::default() };
        let answer = world.mailings.clone().list_mailings(caller.request(request)).await.unwrap();
        answer.into_inner().mailings
    };
    let short = async |name: &str| {
        let whole = world.get(name).await;
        assert_eq!((whole.text.is_empty(), whole.fields.is_none()), (name == running, name == running));
        proto::Mailing { text: String::new(), fields: None, counts: None, ..whole }
    };
    let expected = [short(&draft).await, short(&running).await];
    let mut found = list(sales(), "").await;
    found.sort_by_key(|it| it.name != draft);
    assert_eq!(found, expected);
    assert_eq!(list(sales(), "state = COMPLETED").await, expected[1..]);
    assert_eq!(list(leader(), "").await, expected[..1], "what belongs to the team");
    assert!(list(neighbour(), "").await.is_empty());
}

/// What a mailing says is in memory as long as its version is the same: a lease reads no texts. Seen by a change behind the service's back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_a_lease_reads_a_mailing_once_for_each_version_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let world = World::start(place).await;
    let db = world.place.another_process().open_db("mail", kontor_mail::MIGRATIONS).await.unwrap();
    let mailing = world
        .mailing(proto::Mailing {
            keep_open: true,
            text: "first {{ message.unsubscribe_url }}".to_owned(),
            ..Default::default()
        })
        .await;
    world.try_start(&mailing, 0).await.unwrap();
    world.add(&mailing, &["a@one.example"]).await;
    world.until_taken(1).await;
    db.write(|tx| tx.execute("UPDATE mailing SET body = 'second'", &[])).await.unwrap();
    world.add(&mailing, &["b@one.example"]).await;
    world.until_taken(2).await;
    let update = proto::Mailing { name: mailing.clone(), messages_per_minute: 100_000, ..Default::default() };
    let request = proto::UpdateMailingRequest { mailing: Some(update), ..Default::default() };
    world.mailings.clone().update_mailing(sales().request(request)).await.unwrap();
    world.add(&mailing, &["c@one.example"]).await;
    world.until_taken(3).await;
    let said = |to: &str, word: &str| {
        let taken = world.smtp.taken().into_iter().find(|it| it.to == to).expect("it was sent");
        assert!(taken.data.contains(word), "{to}: {}", taken.data);
    };
    said("a@one.example", "first");
    said("b@one.example", "first");
    said("c@one.example", "second");
}

/// Each process has a relay of its own, so it is seen who sent what. On PostgreSQL only: a SQLite file belongs to one process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_two_processes_send_each_message_once_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let world = World::start(place).await;
    let (other, second) = (world.place.another_process(), SmtpServer::start());
    let peers =
        kontor_mail::Peers { directory: world.directory.clone(), templating: world.templating.clone() };
    let _unit = kontor_mail::start(&other, peers, &config(&second)).await.unwrap();
    world.smtp.set_rules(&["{\"stage\": \"data\", \"match\": \".\", \"delay\": 0.05}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let all = many(300);
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.send(&mailing).await;
    let by_first = world.taken();
    let mut taken: Vec<String> = second.taken().into_iter().map(|it| it.to).collect();
    assert!(!by_first.is_empty() && !taken.is_empty(), "{} and {}", by_first.len(), taken.len());
    taken.extend(by_first);
    taken.sort();
    let mut all = all;
    all.sort();
    assert_eq!(taken, all);
    other.stop.cancel();
}

/// The commit of a lease whose answer was lost: the rows name a process that knows nothing of them. On PostgreSQL only, where a line can drop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_messages_of_a_lease_whose_answer_was_lost_are_sent_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let world = World::start(place).await;
    let db = world.place.another_process().open_db("mail", kontor_mail::MIGRATIONS).await.unwrap();
    let (mailing, before) =
        (world.mailing(proto::Mailing::default()).await, world.mailing(proto::Mailing::default()).await);
    // One that was sent: so it shows life.
    world.add(&before, &["z@one.example"]).await;
    world.send(&before).await;
    // More than a process has of a domain at once.
    let all: Vec<String> = (0..40).map(|at| format!("a{at:02}@one.example")).collect();
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let lost = "UPDATE outgoing SET state = 2, holder = (SELECT id FROM worker) WHERE state = 1";
    assert_eq!(db.write(move |tx| tx.execute(lost, &[])).await.unwrap(), 40);
    world.try_start(&mailing, 40).await.unwrap();
    world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(world.taken()[..40], all[..]);
    assert_eq!(world.smtp.count(), 41, "each once");
}

/// What a process leases before the others know of it would be theirs too. On PostgreSQL only, where there are others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_nobody_leases_before_its_sign_of_life_is_written_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let db = place.another_process().open_db("mail", kontor_mail::MIGRATIONS).await.unwrap();
    // It can't be written while its table takes nothing.
    let change = async |sql: &'static str| db.write(move |tx| tx.execute(sql, &[])).await.unwrap();
    change("ALTER TABLE worker ADD CONSTRAINT nothing CHECK (until < 0)").await;
    let world = World::start(place).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example", "b@two.example"]).await;
    world.go(&mailing).await;
    world.a_while().await;
    let states = world.states(&mailing).await;
    assert!(states.iter().all(|it| it.0 == proto::RecipientState::Pending), "{states:?}");
    change("ALTER TABLE worker DROP CONSTRAINT nothing").await;
    world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(world.taken(), ["a@one.example", "b@two.example"]);
}
