//! Starting, pausing, resuming, ending, watching; two processes; and a stop in the middle.

use std::time::Duration;

use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::MailingState;
use kontor_testbed::failure;
use tonic::{Code, Response};

use crate::world::{World, config, sales};

kontor_testbed::on_both! { World;
    l7_a_start_asks_back_with_the_count,
    l7_a_pause_stops_and_a_resume_goes_on_where_it_stood,
    l7_a_cancelled_mailing_sends_nothing_more,
    l7_one_that_is_kept_open_goes_on_for_those_who_come_later,
    l7_a_watcher_is_told_until_the_end,
    l7_what_was_started_says_what_it_said,
    l7_two_processes_send_each_message_once,
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

async fn l7_two_processes_send_each_message_once(world: World) {
    if !world.place.is_postgres() {
        // A SQLite file belongs to one process.
        return;
    }
    let other = world.place.another_process();
    let peers =
        kontor_mail::Peers { directory: world.directory.clone(), templating: world.templating.clone() };
    let _second = kontor_mail::start(&other, peers, &config(&world.smtp)).await.unwrap();
    world.smtp.set_rules(&["{\"stage\": \"data\", \"match\": \".\", \"delay\": 0.01}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let all = many(300);
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.send(&mailing).await;
    let mut all = all;
    all.sort();
    assert_eq!(world.taken(), all);
    other.stop.cancel();
}
