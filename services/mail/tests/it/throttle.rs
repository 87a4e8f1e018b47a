//! How fast: rates of domains and mailings, windows and hours. The clock stands still until the test moves it, so what may go is exact.

use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::MailingState;
use kontor_testbed::{MONDAY, SECOND, admin, failure};
use tonic::Code;

use crate::world::{World, sales};

kontor_testbed::on_both! { World;
    l7_a_domain_gets_no_more_a_minute_than_its_limit,
    l7_a_mailing_goes_no_faster_than_its_rate,
    l7_a_window_begins_and_ends_a_mailing,
    l7_daily_hours_hold_by_the_companys_clock,
    l7_who_gets_nothing_costs_no_rate,
}

fn many(domain: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("a{at}@{domain}")).collect()
}

fn names(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

async fn set_limit(world: &World, domain: &str, rate: i64) {
    let limit = proto::DomainLimit {
        name: format!("domainLimits/{domain}"),
        messages_per_minute: rate,
        ..Default::default()
    };
    let request = proto::SetDomainLimitRequest { domain_limit: Some(limit), ..Default::default() };
    world.limits.clone().set_domain_limit(admin().request(request)).await.unwrap();
}

async fn l7_a_domain_gets_no_more_a_minute_than_its_limit(world: World) {
    set_limit(&world, "slow.example", 6).await;
    let (slow, fast) = (many("slow.example", 4), many("fast.example", 5));
    // Two mailings share what the domain allows.
    let mut mailings = Vec::new();
    for half in [&slow[..2], &slow[2..]] {
        let mailing = world.mailing(proto::Mailing::default()).await;
        world.add(&mailing, &names(half)).await;
        mailings.push(mailing);
    }
    world.add(&mailings[0], &names(&fast)).await;
    for mailing in &mailings {
        world.go(mailing).await;
    }
    let to_slow = || world.taken().iter().filter(|it| it.ends_with("@slow.example")).count();
    world.until_taken(6).await;
    for minute_part in 1..=4 {
        world.until_taken(5 + minute_part).await;
        world.a_while().await;
        assert_eq!(to_slow(), minute_part, "one in ten seconds");
        world.place.pass(10 * SECOND);
    }
    for mailing in &mailings {
        world.until_state(mailing, MailingState::Completed).await;
    }
    assert_eq!(world.smtp.count(), 9);
    let limit = proto::DomainLimit { name: "domainLimits/x.example".to_owned(), ..Default::default() };
    let request = proto::SetDomainLimitRequest { domain_limit: Some(limit), ..Default::default() };
    let refused = world.limits.clone().set_domain_limit(sales().request(request)).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    let request = proto::ListDomainLimitsRequest::default();
    let all = world.limits.clone().list_domain_limits(sales().request(request)).await.unwrap().into_inner();
    let all: Vec<(&str, i64)> =
        all.domain_limits.iter().map(|it| (it.name.as_str(), it.messages_per_minute)).collect();
    assert_eq!(all, [("domainLimits/fast.example", 0), ("domainLimits/slow.example", 6)]);
}

async fn l7_a_mailing_goes_no_faster_than_its_rate(world: World) {
    let mailing = world.mailing(proto::Mailing { messages_per_minute: 30, ..Default::default() }).await;
    world.add(&mailing, &["a@one.example", "b@two.example", "c@three.example"]).await;
    world.go(&mailing).await;
    for sent in 1..=3 {
        world.until_taken(sent).await;
        world.a_while().await;
        assert_eq!(world.smtp.count(), sent);
        world.place.pass(2 * SECOND);
    }
    world.until_state(&mailing, MailingState::Completed).await;
}

async fn l7_a_window_begins_and_ends_a_mailing(world: World) {
    let time = |seconds: i64| Some(kontor_kit::clock::to_proto(MONDAY + seconds * SECOND));
    let wrong = world
        .try_mailing(proto::Mailing {
            display_name: "x".to_owned(),
            template: world.template("w", crate::world::PAGE).await,
            subject: "x".to_owned(),
            start_time: time(10),
            end_time: time(10),
            ..Default::default()
        })
        .await;
    assert_eq!(failure(wrong).0, Code::InvalidArgument);
    set_limit(&world, "slow.example", 6).await;
    let mailing = world
        .mailing(proto::Mailing { start_time: time(100), end_time: time(115), ..Default::default() })
        .await;
    world.add(&mailing, &names(&many("slow.example", 5))).await;
    assert_eq!(world.go(&mailing).await.state(), MailingState::Scheduled);
    world.a_while().await;
    assert_eq!(world.smtp.count(), 0, "nothing before the window");
    world.place.pass(100 * SECOND);
    world.until_taken(1).await;
    assert_eq!(world.get(&mailing).await.state(), MailingState::Running);
    world.place.pass(10 * SECOND);
    world.until_taken(2).await;
    world.place.pass(5 * SECOND);
    let ended = world.until_state(&mailing, MailingState::Expired).await;
    let counts = ended.counts.unwrap();
    assert_eq!((counts.sent, counts.waiting), (2, 3), "what was not sent is told");
    world.place.pass(60 * SECOND);
    world.a_while().await;
    assert_eq!(world.smtp.count(), 2, "nothing behind the window");
    assert_eq!(
        failure(world.resume(&mailing).await),
        (Code::FailedPrecondition, "MAILING_NOT_PAUSED".to_owned())
    );
    let late = world.mailing(proto::Mailing { end_time: time(10), ..Default::default() }).await;
    world.add(&late, &["a@one.example"]).await;
    assert_eq!(
        failure(world.try_start(&late, 1).await),
        (Code::FailedPrecondition, "WINDOW_PAST".to_owned())
    );
}

async fn l7_daily_hours_hold_by_the_companys_clock(world: World) {
    // Monday, 10:00 in Brussels.
    let hours = proto::DailyHours { from_minute: 11 * 60, until_minute: 12 * 60, weekdays_only: true };
    let mailing = world.mailing(proto::Mailing { daily_hours: Some(hours), ..Default::default() }).await;
    world.add(&mailing, &["a@one.example"]).await;
    world.go(&mailing).await;
    world.a_while().await;
    assert_eq!(world.smtp.count(), 0);
    world.place.pass(3_600 * SECOND);
    world.until_state(&mailing, MailingState::Completed).await;
    assert_eq!(world.smtp.count(), 1);
}

async fn l7_who_gets_nothing_costs_no_rate(world: World) {
    set_limit(&world, "slow.example", 60).await;
    world.suppress("", "x.slow.example").await;
    let mailing = world.mailing(proto::Mailing { messages_per_minute: 60, ..Default::default() }).await;
    let all = many("slow.example", 20);
    for address in &all[..19] {
        world.suppress(address, "").await;
    }
    world.add(&mailing, &names(&all)).await;
    world.go(&mailing).await;
    let done = world.until_state(&mailing, MailingState::Completed).await;
    let counts = done.counts.unwrap();
    assert_eq!((counts.sent, counts.suppressed), (1, 19), "without a second going by");
}
