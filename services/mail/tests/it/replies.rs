//! What the relay says, and what follows.

use kontor_mail::Config;
use kontor_proto::mail::v1 as proto;

use kontor_proto::mail::v1::{MailingState, MailingWaitReason as Reason, RecipientState as State};
use kontor_testbed::{MONDAY, Place, SECOND, SmtpServer, failure};
use tonic::Code;

use crate::world::{World, config, sales};

kontor_testbed::on_both! { World;
    l7_no_such_address_suppresses_and_policy_does_not,
    l7_a_domain_that_asks_for_less_waits_and_others_go_on,
    l7_a_full_mailbox_is_tried_again_alone,
    l7_a_refused_recipient_of_a_relay_that_wants_a_message_all_the_same_gets_none,
    l7_a_sender_that_is_refused_pauses_the_mailing,
    l7_a_relay_that_closes_is_tried_again,
    l7_a_mailing_says_what_it_waits_for,
    l7_the_report_counts_by_state_domain_and_code,
}

/// A world whose relay is not there.
struct WithoutRelay;

impl WithoutRelay {
    async fn start(place: Place) -> World {
        let smtp = SmtpServer::start();
        // Nobody listens at port 1.
        let config = Config { relay: "smtp://anna:kestrel77@127.0.0.1:1".to_owned(), ..config(&smtp) };
        World::with(place, smtp, &config).await
    }
}

mod without_relay {
    use super::{WithoutRelay, l7_a_relay_that_is_not_there_is_told_without_its_secret};

    kontor_testbed::on_both! { WithoutRelay;
        l7_a_relay_that_is_not_there_is_told_without_its_secret,
    }
}

async fn l7_a_relay_that_is_not_there_is_told_without_its_secret(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example"]).await;
    assert_eq!(world.get(&mailing).await.waits, [], "a draft waits for nothing");
    world.go(&mailing).await;
    let now = world.until(&mailing, |it| !it.waits.is_empty()).await;
    let [wait] = now.waits.as_slice() else { panic!("{:?}", now.waits) };
    assert_eq!((now.state(), wait.reason()), (MailingState::Running, Reason::Relay));
    assert!(
        wait.message.starts_with("the relay can't be used: ") && wait.message.contains("refused"),
        "{wait:?}"
    );
    assert!(!format!("{wait:?}").contains("kestrel77"), "{wait:?}");
    assert!(wait.since_time == Some(kontor_kit::clock::to_proto(MONDAY)), "{wait:?}");
    assert!(wait.retry_time.unwrap().seconds > wait.since_time.unwrap().seconds, "{wait:?}");
    // The time of the first trouble stays.
    world.place.pass(60 * SECOND);
    let retried = |it: &proto::Mailing| it.waits.first().is_some_and(|now| now.retry_time != wait.retry_time);
    let later = world.until(&mailing, retried).await;
    assert_eq!(later.waits[0].since_time, wait.since_time);
    let request = proto::GetMailingReportRequest { name: mailing.clone() };
    let report =
        world.mailings.clone().get_mailing_report(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((report.waits.len(), report.waits[0].reason()), (1, Reason::Relay));
    world.pause(&mailing).await.unwrap();
    assert_eq!(world.get(&mailing).await.waits, [], "one that is paused says so by its state");
}

async fn l7_a_mailing_says_what_it_waits_for(world: World) {
    world.smtp.set_rules(&["{\"stage\": \"mail\", \"match\": \".\", \"reply\": \"451 4.3.0 come later\"}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@slow.example"]).await;
    world.go(&mailing).await;
    // The relay takes nothing from the sender for now.
    let now = world.until(&mailing, |it| !it.waits.is_empty()).await;
    let [wait] = now.waits.as_slice() else { panic!("{:?}", now.waits) };
    assert_eq!(wait.reason(), Reason::Relay);
    assert_eq!(wait.message, "the relay can't be used: 451 4.3.0 come later");
    // Now it does, and it is the domain that asks for less: nobody was sent to yet.
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"@slow.example\", \"reply\": \"451 4.7.1 <a@slow.example> too many\"}",
    ]);
    let only_domain = |it: &proto::Mailing| {
        it.waits.len() == 1 && it.waits.iter().all(|wait| wait.reason() == Reason::DomainPaused)
    };
    for () in kontor_testbed::patience() {
        world.place.pass(SECOND);
        if only_domain(&world.get(&mailing).await) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let now = world.until(&mailing, only_domain).await;
    let wait = &now.waits[0];
    assert_eq!(wait.domain, "slow.example");
    assert_eq!(wait.message, "slow.example asked for less: 4.7.1 <(address)> too many");
    let retry = wait.retry_time.unwrap().seconds - wait.since_time.unwrap().seconds;
    assert!(retry >= 30, "{retry}");
    // Refused once more: since the first time.
    world.place.pass(3_600 * SECOND);
    let again = |it: &proto::Mailing| it.waits.first().is_some_and(|now| now.retry_time != wait.retry_time);
    assert_eq!(world.until(&mailing, again).await.waits[0].since_time, wait.since_time);
    world.smtp.set_rules(&[]);
    world.place.pass(3_600 * SECOND);
    let done = world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!((done.counts.unwrap().sent, done.waits), (1, vec![]));
    // Outside of its hours: it is 9 o'clock in the morning, or a little later.
    let hours = proto::DailyHours { from_minute: 60, until_minute: 90, weekdays_only: false };
    let night = world.mailing(proto::Mailing { daily_hours: Some(hours), ..Default::default() }).await;
    world.add(&night, &["c@fast.example"]).await;
    world.go(&night).await;
    let waits = world.get(&night).await.waits;
    assert_eq!((waits.len(), waits[0].reason()), (1, Reason::Hours), "{waits:?}");
    assert!(waits[0].retry_time.unwrap().seconds > MONDAY / SECOND + 10 * 3_600, "{waits:?}");
}

/// A world whose relay takes one command after the other only.
struct WithoutPipelining;

impl WithoutPipelining {
    async fn start(place: Place) -> World {
        let smtp = SmtpServer::start_with(&["--no-pipelining"]);
        let config = config(&smtp);
        World::with(place, smtp, &config).await
    }
}

mod without_pipelining {
    use super::{
        WithoutPipelining, l7_a_relay_without_pipelining_gets_one_command_after_the_other,
        l7_no_such_address_suppresses_and_policy_does_not,
    };

    kontor_testbed::on_both! { WithoutPipelining;
        l7_no_such_address_suppresses_and_policy_does_not,
        l7_a_relay_without_pipelining_gets_one_command_after_the_other,
    }
}

async fn l7_a_relay_without_pipelining_gets_one_command_after_the_other(world: World) {
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example", "b@two.example"]).await;
    world.send(&mailing).await;
    let taken = world.smtp.taken();
    assert!(taken.len() == 2 && taken.iter().all(|it| !it.pipelined));
}

async fn l7_no_such_address_suppresses_and_policy_does_not(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"gone@\", \"reply\": \"550 5.1.1 no such user here\"}",
        "{\"stage\": \"rcpt\", \"match\": \"policy@\", \"reply\": \"550 5.7.1 listed by a blocklist\"}",
        "{\"stage\": \"data\", \"match\": \"spam@\", \"reply\": \"554 5.7.1 looks like spam\"}",
    ]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    world
        .add(&mailing, &["gone@one.example", "policy@one.example", "spam@one.example", "good@one.example"])
        .await;
    let counts = world.send(&mailing).await.counts.unwrap();
    assert_eq!((counts.sent, counts.failed), (1, 3));
    let rows = world.recipients(&mailing, "state = FAILED").await;
    let said: Vec<(i32, &str)> = rows.iter().map(|it| (it.reply_code, it.reason.as_str())).collect();
    assert_eq!(
        said,
        [
            (550, "5.1.1 no such user here"),
            (550, "5.7.1 listed by a blocklist"),
            (554, "5.7.1 looks like spam")
        ]
    );
    let bounce = world.suppression("gone@one.example").await.unwrap();
    assert_eq!(
        (bounce.cause(), bounce.mailing.as_str()),
        (proto::SuppressionCause::HardBounce, mailing.as_str())
    );
    assert_eq!(bounce.note, "550 5.1.1 no such user here");
    for good in ["policy@one.example", "spam@one.example", "good@one.example"] {
        assert_eq!(failure(world.suppression(good).await).0, Code::NotFound, "{good}");
    }
}

async fn l7_a_domain_that_asks_for_less_waits_and_others_go_on(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"@slow.example\", \"reply\": \"451 4.7.1 too many, come later\", \"times\": 1}",
    ]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let slow: Vec<String> = (0..20).map(|at| format!("a{at}@slow.example")).collect();
    let fast: Vec<String> = (0..6).map(|at| format!("a{at}@fast.example")).collect();
    let all: Vec<&str> = slow.iter().chain(&fast).map(String::as_str).collect();
    world.add(&mailing, &all).await;
    world.go(&mailing).await;
    let now = world.until(&mailing, |it| {
        let counts = it.counts.as_ref().unwrap();
        counts.deferred == 1 && counts.sent >= 6
    });
    let before = now.await.counts.unwrap();
    world.a_while().await;
    // Others may have been on their way with the one that was refused, as many as connections, and as many again until its reply was read.
    let resting = world.get(&mailing).await.counts.unwrap();
    assert!(resting.sent <= 6 + 8 && resting.sent >= before.sent, "{resting:?}");
    assert_eq!(world.taken().iter().filter(|it| it.ends_with("@fast.example")).count(), 6);
    let request = proto::GetDomainLimitRequest { name: "domainLimits/slow.example".to_owned() };
    let limit = world.limits.clone().get_domain_limit(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((limit.refusals, limit.last_reply.as_str()), (1, "4.7.1 too many, come later"));
    assert!(limit.pause_end_time.is_some());
    world.place.pass(40 * SECOND);
    let done = world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(done.counts.unwrap().sent, 26);
    assert_eq!(world.smtp.count(), 26);
    let request = proto::GetDomainLimitRequest { name: "domainLimits/slow.example".to_owned() };
    let limit = world.limits.clone().get_domain_limit(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((limit.refusals, limit.pause_end_time), (0, None), "it takes mail again");
}

async fn l7_a_full_mailbox_is_tried_again_alone(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"full@\", \"reply\": \"452 4.2.2 mailbox full\", \"times\": 2}",
    ]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["full@one.example", "b@one.example", "c@one.example"]).await;
    world.go(&mailing).await;
    world.until(&mailing, |it| it.counts.as_ref().unwrap().sent == 2).await;
    for tries in 1..=2 {
        let is_deferred = async || {
            let row = world.recipients(&mailing, "address = \"full@one.example\"").await.remove(0);
            row.state() == State::Deferred && row.try_count == tries
        };
        for () in kontor_testbed::patience() {
            if is_deferred().await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(is_deferred().await);
        world.place.pass(400 * SECOND);
    }
    let done = world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(done.counts.unwrap().sent, 3);
    assert_eq!(world.smtp.tries().iter().filter(|it| it.0 == "full@one.example").count(), 3);
}

async fn l7_a_refused_recipient_of_a_relay_that_wants_a_message_all_the_same_gets_none(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"rcpt\", \"match\": \"gone\", \"reply\": \"550 5.1.1 no such user here (lax)\"}",
    ]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    let all: Vec<String> =
        (0..20).map(|at| format!("{}{at}@one.example", ["gone", "good"][at % 2])).collect();
    world.add(&mailing, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let counts = world.send(&mailing).await.counts.unwrap();
    assert_eq!((counts.sent, counts.failed), (10, 10));
    let taken = world.smtp.taken();
    assert!(taken.iter().all(|it| it.pipelined && it.to.starts_with("good")));
    // A refusal does not cost the connection.
    let connections: std::collections::BTreeSet<u64> = taken.iter().map(|it| it.connection).collect();
    assert!(taken.len() == 10 && connections.len() <= 4, "{connections:?}");
}

async fn l7_a_sender_that_is_refused_pauses_the_mailing(world: World) {
    world
        .smtp
        .set_rules(&["{\"stage\": \"mail\", \"match\": \".\", \"reply\": \"550 5.7.1 not your domain\"}"]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example", "b@one.example"]).await;
    world.go(&mailing).await;
    let paused = world.until_state(&mailing, MailingState::Paused).await;
    assert!(paused.pause_reason.contains("550 5.7.1 not your domain"), "{}", paused.pause_reason);
    world.until(&mailing, |it| it.counts.as_ref().unwrap().waiting == 2).await;
    world.smtp.set_rules(&[]);
    world.resume(&mailing).await.unwrap();
    let done = world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!((done.counts.unwrap().sent, done.pause_reason.as_str()), (2, ""));
}

async fn l7_a_relay_that_closes_is_tried_again(world: World) {
    world.smtp.set_rules(&[
        "{\"stage\": \"mail\", \"match\": \".\", \"reply\": \"421 4.3.2 closing\", \"times\": 1}",
    ]);
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["a@one.example", "b@two.example", "c@three.example"]).await;
    world.go(&mailing).await;
    // The relay is left alone for two seconds, and so is who was given back; the clock of the test is moved on.
    for () in kontor_testbed::patience() {
        world.place.pass(SECOND);
        if world.get(&mailing).await.state() == MailingState::Completed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(world.until_state(&mailing, MailingState::Completed).await.counts.unwrap().sent, 3);
    assert_eq!(world.smtp.count(), 3, "none was sent twice");
    assert!(
        world.recipients(&mailing, "").await.iter().all(|it| it.try_count == 1),
        "a relay's trouble is nobody's try"
    );
}

async fn l7_the_report_counts_by_state_domain_and_code(world: World) {
    world.smtp.set_rules(&["{\"stage\": \"rcpt\", \"match\": \"gone@\", \"reply\": \"550 5.1.1 no\"}"]);
    let nobody = world.partner("Nobody", &[]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world
        .add(&mailing, &["a@one.example", "b@one.example", "gone@one.example", "c@two.example", &nobody])
        .await;
    world.send(&mailing).await;
    let request = proto::GetMailingReportRequest { name: mailing.clone() };
    let report =
        world.mailings.clone().get_mailing_report(sales().request(request)).await.unwrap().into_inner();
    let states: Vec<(State, i64)> = report.states.iter().map(|it| (it.state(), it.count)).collect();
    assert_eq!(states, [(State::Sent, 3), (State::Failed, 1), (State::NoAddress, 1)]);
    let domains: Vec<(&str, i64, i64, i64)> =
        report.domains.iter().map(|it| (it.domain.as_str(), it.recipients, it.sent, it.failed)).collect();
    assert_eq!(domains, [("one.example", 3, 2, 1), ("two.example", 1, 1, 0)]);
    let replies: Vec<(i32, i64)> = report.replies.iter().map(|it| (it.code, it.count)).collect();
    assert_eq!(replies, [(250, 3), (550, 1)]);
    assert!(report.duration.is_some());
    // Filters of the list.
    assert_eq!(world.recipients(&mailing, "domain = \"one.example\" AND state = SENT").await.len(), 2);
    assert_eq!(world.recipients(&mailing, "reply_code = 550").await.len(), 1);
}
