//! T2: a telephone system whose clock is wrong. Nothing is lost, nothing is doubled, and the connector says what is wrong.

use kontor_kit::clock;
use kontor_proto::telephony::v1::{CallOutcome, CallState};
use kontor_testbed::SECOND;

use crate::world::{SECRET, World, sign};

kontor_testbed::on_both! { World;
    t2_a_clock_an_hour_behind_is_named_and_new_calls_have_the_right_time,
    t2_a_clock_an_hour_ahead_is_named_at_once_and_corrected_from_the_first_call,
    t2_late_news_is_not_a_wrong_clock,
    t2_a_process_that_has_heard_nothing_goes_by_what_is_written,
}

const HOUR: i64 = 3_600;

/// Posts an event as a telephone system does whose clock shows `off` seconds more than ours.
async fn tell(world: &World, call: &str, kind: &str, off: i64) {
    let time = jiff::Timestamp::from_microsecond(world.now() + off * SECOND).unwrap();
    let body = format!(
        r#"{{"call_id": "{call}", "kind": "{kind}", "event_time": "{time}", "direction": "INBOUND", "from": "0475 12 34 56", "to": "101", "extension": "101"}}"#
    );
    world.post(&body).await.unwrap();
}

/// A call that rings for 5 seconds and is talked for 30, told by such a clock.
async fn whole(world: &World, call: &str, off: i64) -> i64 {
    let begin = world.now();
    tell(world, call, "RINGING", off).await;
    world.pass(5);
    tell(world, call, "ANSWERED", off).await;
    world.pass(30);
    tell(world, call, "HUNGUP", off).await;
    begin
}

/// When a call began by its row, and how long people talked in it; both in seconds.
async fn begun(world: &World, call: &str) -> (i64, i64) {
    let calls = world.list(&format!("external_id = \"{call}\"")).await;
    assert_eq!(calls.len(), 1, "{call}");
    assert_eq!((calls[0].state(), calls[0].outcome()), (CallState::Ended, CallOutcome::Answered));
    let start = clock::from_proto(calls[0].start_time.as_ref().unwrap());
    assert_eq!(calls[0].ring_duration.unwrap().seconds, 5, "{call}");
    (start / SECOND, calls[0].talk_duration.unwrap().seconds)
}

async fn words(world: &World) -> (String, Option<i64>) {
    let state = world.connector("cloud").await.state.unwrap();
    assert!(state.connected);
    (state.description, state.clock_behind.map(|behind| behind.seconds))
}

async fn t2_a_clock_an_hour_behind_is_named_and_new_calls_have_the_right_time(world: World) {
    let first = whole(&world, "first", -58 * 60).await;
    world.pass(10);
    // until it is known the call keeps what was told, and its lengths are right
    assert_eq!(begun(&world, "first").await, (first / SECOND - 58 * 60, 30));
    assert_eq!(words(&world).await, ("ready to take posts".to_owned(), None));
    // this one is rung when the minute is not over, and ends after it: its clock does not change in the middle
    let second = whole(&world, "second", -58 * 60).await;
    assert_eq!(begun(&world, "second").await, (second / SECOND - 58 * 60, 30));
    let (description, behind) = words(&world).await;
    assert!(description.contains("its clock is 58 minutes behind"), "{description}");
    assert_eq!(behind, Some(58 * 60));
    let third = whole(&world, "third", -58 * 60).await;
    assert_eq!(begun(&world, "third").await, (third / SECOND, 30));
    // told again later they are the same
    world.settle(6).await;
    let before = world.list("").await;
    world.pass(-39);
    whole(&world, "third", -58 * 60).await;
    assert_eq!(world.list("").await, before);
    world.pass(4);
    // somebody sets it right
    let fourth = whole(&world, "fourth", 0).await;
    assert_eq!(words(&world).await, ("ready to take posts".to_owned(), None));
    let fifth = whole(&world, "fifth", 0).await;
    assert_eq!(begun(&world, "fourth").await, (fourth / SECOND, 30));
    assert_eq!(begun(&world, "fifth").await, (fifth / SECOND, 30));
    world.settle(10).await;
}

async fn t2_a_clock_an_hour_ahead_is_named_at_once_and_corrected_from_the_first_call(world: World) {
    let first = whole(&world, "first", HOUR).await;
    assert_eq!(begun(&world, "first").await, (first / SECOND, 30));
    let (description, behind) = words(&world).await;
    assert!(description.contains("its clock is 60 minutes ahead"), "{description}");
    assert_eq!(behind, Some(-HOUR));
    world.settle(2).await;
}

async fn t2_late_news_is_not_a_wrong_clock(world: World) {
    // Kontor was away for two hours, and now all of it comes at once
    for call in 0..20 {
        let off = -2 * HOUR + call * 300;
        for kind in ["RINGING", "ANSWERED", "HUNGUP"] {
            tell(&world, &format!("c{call}"), kind, off).await;
        }
        world.pass(6);
    }
    assert_eq!(words(&world).await, ("ready to take posts".to_owned(), None));
    assert_eq!(world.list("").await.len(), 20);
}

async fn t2_a_process_that_has_heard_nothing_goes_by_what_is_written(world: World) {
    if !world.place.is_postgres() {
        // a SQLite file belongs to one process
        return;
    }
    for call in ["first", "second", "third"] {
        whole(&world, call, -HOUR).await;
    }
    let other = world.another_process().await;
    let request = kontor_proto::telephony::v1::GetConnectorRequest { name: "connectors/cloud".to_owned() };
    let seen =
        other.connectors.clone().get_connector(kontor_testbed::admin().request(request)).await.unwrap();
    let state = seen.into_inner().state.unwrap();
    assert!(state.description.contains("60 minutes behind"), "{state:?}");
    let begin = world.now();
    let time = jiff::Timestamp::from_microsecond(begin - HOUR * SECOND).unwrap();
    let body = format!(
        r#"{{"call_id": "fourth", "kind": "HUNGUP", "event_time": "{time}", "direction": "INBOUND"}}"#
    );
    let stamp = (begin / SECOND).to_string();
    let headers =
        [("x-kontor-timestamp", stamp.clone()), ("x-kontor-signature", sign(SECRET, &stamp, &body))];
    let request = kontor_proto::telephony::v1::ReceiveWebhookRequest {
        connector: "connectors/cloud".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: body.into_bytes().into(),
        ..Default::default()
    };
    other.ingest.clone().receive_webhook(kontor_kit::auth::Caller::system().request(request)).await.unwrap();
    let call = world.list("external_id = \"fourth\"").await.remove(0);
    assert_eq!(clock::from_proto(call.start_time.as_ref().unwrap()), begin);
    other.stop.cancel();
}
