//! T15: a list's pacing, how many calls it allows at a moment, and the cap of dropped calls in a simulation.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::PacingMode;
use kontor_proto::telephony::v1::operator_service_client::OperatorServiceClient;
use kontor_proto::telephony::v1::pacing_service_client::PacingServiceClient;
use kontor_telephony::domain::pacing::Mode;
use kontor_telephony::domain::simulation::{Settings, day};
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::{SECOND, admin, caller, failure};
use tonic::{Code, Response, Status};

use crate::lists::Lists;
use crate::world::World;

kontor_testbed::on_both! { World;
    t15_a_list_is_paced_one_to_one_or_ahead_and_says_why,
    t15_a_spent_budget_falls_back_to_one_to_one,
    t15_settings_are_checked_and_kept_by_leaders,
}

/// Over the cap at no moment of any day, and that with the operators much busier than one to one. The 100 days of each size are in the bench.
#[test]
fn t15_the_drop_rate_stays_under_its_cap_in_a_simulation() {
    for (operators, seed) in [(10, 0), (10, 1), (10, 2), (10, 3), (25, 4)] {
        let settings = Settings { operators, ..Settings::default() };
        let ahead = day(&settings, seed);
        assert!(ahead.dropped > 0, "seed {seed}: nothing was risked");
        assert!(ahead.dropped_share() <= settings.cap, "seed {seed}: {}", ahead.dropped_share());
        assert!(ahead.worst_excess <= 0.0, "seed {seed}: {} above the cap", ahead.worst_excess);
        let one_to_one = day(&Settings { mode: Mode::Progressive, ..settings }, seed);
        assert_eq!(one_to_one.dropped, 0);
        let gain = ahead.busy - one_to_one.busy;
        assert!(gain >= 0.15, "seed {seed}: {gain}");
    }
    let short = Settings { hours: 1.0, ..Settings::default() };
    assert_eq!(day(&short, 7), day(&short, 7), "a seed is a day");
    assert_ne!(day(&short, 7), day(&short, 8));
}

const SPRING: &str = "callLists/spring/pacing";

fn leader() -> Caller {
    caller("boss", &["sales"], &["sales"])
}

async fn update(world: &World, caller: &Caller, pacing: proto::Pacing) -> Result<proto::Pacing, Status> {
    let request = proto::UpdatePacingRequest { pacing: Some(pacing), ..Default::default() };
    let mut client = PacingServiceClient::new(world.link.clone());
    client.update_pacing(caller.request(request)).await.map(Response::into_inner)
}

fn spring() -> proto::Pacing {
    proto::Pacing { name: SPRING.to_owned(), ..Default::default() }
}

async fn compute(world: &World, caller: &Caller) -> Result<proto::ComputePacingResponse, Status> {
    let request = proto::ComputePacingRequest { name: SPRING.to_owned() };
    let mut client = PacingServiceClient::new(world.link.clone());
    client.compute_pacing(caller.request(request)).await.map(Response::into_inner)
}

/// Signs an operator in to the list.
async fn sign_in(world: &World, user: &str) {
    let mut client = OperatorServiceClient::new(world.link.clone());
    let own = caller(user, &["sales"], &[]);
    let operator = proto::Operator {
        name: "operators/me".to_owned(),
        call_lists: vec!["callLists/spring".to_owned()],
        ..Default::default()
    };
    let request = proto::UpdateOperatorRequest { operator: Some(operator), ..Default::default() };
    client.update_operator(own.request(request)).await.unwrap();
    let request = proto::SetOperatorStateRequest {
        name: "operators/me".to_owned(),
        state: proto::OperatorState::Available.into(),
        ..Default::default()
    };
    client.set_operator_state(own.request(request)).await.unwrap();
}

/// An event of a call of the list, so many seconds before now.
async fn tell(world: &World, call: &str, kind: &str, outcome: &str, ago: i64) {
    let time = jiff::Timestamp::from_microsecond(world.now() - ago * SECOND).unwrap();
    let outcome = if outcome.is_empty() { String::new() } else { format!(r#", "outcome": "{outcome}""#) };
    let body = format!(
        r#"{{"call_id": "{call}", "kind": "{kind}", "event_time": "{time}", "direction": "OUTBOUND", "from": "100", "to": "0475 12 34 56", "queue": "callLists/spring"{outcome}}}"#
    );
    world.post(&body).await.unwrap();
}

async fn t15_a_list_is_paced_one_to_one_or_ahead_and_says_why(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    assert_eq!(failure(compute(&world, &sales).await).0, Code::NotFound, "there is no such list");
    Lists::of(&world).create("spring", |_| {}).await.unwrap();
    let nobody = compute(&world, &sales).await.unwrap();
    assert_eq!((nobody.place_count, nobody.operator_count), (0, 0));
    assert!(nobody.reason.contains("no operator"), "{}", nobody.reason);
    for user in ["sales", "operator"] {
        sign_in(&world, user).await;
    }
    let two = compute(&world, &sales).await.unwrap();
    assert_eq!(
        (two.mode(), two.place_count, two.idle_count),
        (PacingMode::Progressive, 2, 2),
        "a small team"
    );
    tell(&world, "r", "RINGING", "", 1).await;
    let one = compute(&world, &sales).await.unwrap();
    assert_eq!((one.place_count, one.ringing_count), (1, 1));
    assert!(one.answer_rate > 0.6, "nothing is known: {}", one.answer_rate);
    for call in 0..60 {
        let id = format!("c{call}");
        tell(&world, &id, "RINGING", "", 300 - call).await;
        tell(&world, &id, "HUNGUP", "NO_ANSWER", 280 - call).await;
    }
    let silent = compute(&world, &sales).await.unwrap();
    assert!(silent.answer_rate < 0.2, "{}", silent.answer_rate);
    let stranger = caller("far", &["support"], &["support"]);
    assert_eq!(failure(compute(&world, &stranger).await).0, Code::NotFound);
}

async fn t15_a_spent_budget_falls_back_to_one_to_one(world: World) {
    Lists::of(&world).create("spring", |_| {}).await.unwrap();
    let mode = PacingMode::Predictive.into();
    update(&world, &leader(), proto::Pacing { mode, drop_cap_per_mille: 100, ..spring() }).await.unwrap();
    for user in ["sales", "anna", "ben"] {
        sign_in(&world, user).await;
    }
    let fresh = compute(&world, &admin()).await.unwrap();
    assert_eq!((fresh.mode(), fresh.place_count), (PacingMode::Predictive, 3));
    assert!(fresh.reason.contains("no call may be dropped"), "{}", fresh.reason);
    // 30 answers by an operator, at 8 % of drops that is a budget of 2.4; many more calls rang out.
    for call in 0..30 {
        let answered = format!("a{call}");
        tell(&world, &answered, "RINGING", "", 400).await;
        let time = jiff::Timestamp::from_microsecond(world.now() - 395 * SECOND).unwrap();
        let body = format!(
            r#"{{"call_id": "{answered}", "kind": "ANSWERED", "event_time": "{time}", "extension": "102"}}"#
        );
        world.post(&body).await.unwrap();
        tell(&world, &answered, "HUNGUP", "", 380).await;
        for busy in 0..5 {
            let rang_out = format!("n{call}-{busy}");
            tell(&world, &rang_out, "RINGING", "", 390).await;
            tell(&world, &rang_out, "HUNGUP", "NO_ANSWER", 370).await;
        }
    }
    world.pass(5);
    let ahead = wait(&world, |it| it.live_count == 30).await;
    assert!((ahead.budget - 2.4).abs() < 1e-9, "{}", ahead.budget);
    assert!(ahead.place_count > 3, "{ahead:?}");
    assert!(ahead.reason.contains("2.4 calls may still be dropped"), "{}", ahead.reason);
    for call in 0..3 {
        let id = format!("x{call}");
        tell(&world, &id, "RINGING", "", 60).await;
        tell(&world, &id, "HUNGUP", "ABANDONED", 50).await;
    }
    world.pass(5);
    let spent = wait(&world, |it| it.dropped_count == 3).await;
    assert_eq!((spent.live_count, spent.place_count), (33, 3));
    assert!(spent.reason.contains("no call may be dropped"), "{}", spent.reason);
}

async fn wait(
    world: &World,
    good: impl Fn(&proto::ComputePacingResponse) -> bool,
) -> proto::ComputePacingResponse {
    for () in kontor_testbed::patience() {
        let answer = compute(world, &admin()).await.unwrap();
        if good(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("{:?}", compute(world, &admin()).await);
}

async fn t15_settings_are_checked_and_kept_by_leaders(world: World) {
    assert_eq!(failure(update(&world, &admin(), spring()).await).0, Code::NotFound, "there is no such list");
    Lists::of(&world).create("spring", |_| {}).await.unwrap();
    let ring = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let cases = [
        (proto::Pacing { name: "callLists/spring".to_owned(), ..spring() }, "pacing.name"),
        (proto::Pacing { team: "teams/support".to_owned(), ..spring() }, "pacing.team"),
        (proto::Pacing { mode: 9, ..spring() }, "pacing.mode"),
        (proto::Pacing { drop_cap_per_mille: 101, ..spring() }, "pacing.drop_cap_per_mille"),
        (proto::Pacing { ring_duration: ring(14), ..spring() }, "pacing.ring_duration"),
        (proto::Pacing { max_ringing: -1, ..spring() }, "pacing.max_ringing"),
    ];
    for (pacing, field) in cases {
        let refused = update(&world, &leader(), pacing).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{field}: {}", refused.message());
    }
    let member = caller("sales", &["sales"], &[]);
    assert_eq!(failure(update(&world, &member, spring()).await).0, Code::PermissionDenied);
    let made = update(&world, &leader(), spring()).await.unwrap();
    assert_eq!((made.drop_cap_per_mille, made.ring_duration), (30, ring(20)));
    let stranger = caller("far", &["support"], &["support"]);
    assert_eq!(failure(update(&world, &stranger, spring()).await).0, Code::NotFound);
    let moved = proto::Pacing { team: "teams/support".to_owned(), ..spring() };
    assert_eq!(failure(update(&world, &admin(), moved).await).0, Code::InvalidArgument);
    let changed = proto::Pacing { drop_cap_per_mille: 20, etag: made.etag.clone(), ..spring() };
    let changed = update(&world, &leader(), changed).await.unwrap();
    let stale = proto::Pacing { drop_cap_per_mille: 10, etag: made.etag, ..spring() };
    assert_eq!(failure(update(&world, &leader(), stale).await).0, Code::Aborted);
    let mut client = PacingServiceClient::new(world.link.clone());
    let get = proto::GetPacingRequest { name: SPRING.to_owned() };
    assert_eq!(client.get_pacing(member.request(get)).await.unwrap().into_inner(), changed);
    let told: Vec<String> = Audit::new(&world.link, "telephony").of(SPRING).await.iter().map(line).collect();
    assert_eq!(told[1], "UPDATE boss by UpdatePacing: drop_cap_per_mille 30 -> 20");
}
