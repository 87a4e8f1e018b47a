//! T1 and T2: the signed JSON webhook gives one correct call in any order, and refuses in clear words.

use std::collections::BTreeMap;

use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use tonic::Code;

use crate::world::{ANNA, SECRET, World, event, refusal, sign};
use kontor_testbed::{admin, caller};

kontor_testbed::on_both! { World;
    t1_any_order_and_doubling_give_one_call,
    t1_shuffled_in_separate_posts_at_once,
    t1_late_event_gives_one_correction,
    t1_call_without_an_end_is_given_up_after_a_day,
    t2_wrong_signatures_are_refused,
    t2_faults_name_the_field_and_nothing_is_stored,
}

async fn t1_any_order_and_doubling_give_one_call(world: World) {
    let all = ["RINGING", "ANSWERED", "HUNGUP"];
    let seconds = [10, 15, 59];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (number, order) in orders.iter().enumerate() {
        for at in order.iter().chain(order) {
            world.post(&event(&format!("c{number}"), all[*at], seconds[*at])).await.unwrap();
        }
    }
    let events = world.settle(12).await;
    let calls = world.list("").await;
    assert_eq!(calls.len(), 6);
    for call in &calls {
        assert_eq!(call.connector, "connectors/cloud");
        assert_eq!(call.direction(), CallDirection::Inbound);
        assert_eq!((call.state(), call.outcome()), (CallState::Ended, CallOutcome::Answered));
        let (from, to) = (call.caller.clone().unwrap(), call.callee.clone().unwrap());
        assert_eq!((from.number.as_str(), from.e164.as_str()), ("0475 12 34 56", ANNA));
        assert_eq!(
            (from.display_name.as_str(), to.number.as_str(), to.e164.as_str()),
            ("Anna P.", "101", "")
        );
        assert_eq!(call.user, "users/sales");
        assert_eq!(call.ring_duration.unwrap().seconds, 5);
        assert_eq!(call.talk_duration.unwrap().seconds, 44);
        let own: Vec<_> = events.iter().filter(|event| event.subject == call.name).collect();
        assert_eq!(own.len(), 2, "one beginning and one end");
        assert!(payload::<proto::CallStarted>(own[0]).is_some());
        let ended = payload::<proto::CallEnded>(own[1]).unwrap();
        assert_eq!((ended.number.as_str(), ended.outcome()), (ANNA, CallOutcome::Answered));
        assert_eq!(ended.talk_duration.unwrap().seconds, 44);
        assert_eq!(own[1].actor, "users/sales");
    }
}

async fn t1_shuffled_in_separate_posts_at_once(world: World) {
    let posts = (0..20).flat_map(|call| {
        [("HUNGUP", 59), ("RINGING", 10), ("ANSWERED", 15), ("RINGING", 10), ("HUNGUP", 59)]
            .map(|(kind, second)| event(&format!("c{call}"), kind, second))
    });
    let world = std::sync::Arc::new(world);
    let mut running = Vec::new();
    for body in posts {
        let world = world.clone();
        running.push(tokio::spawn(async move { world.post(&body).await.unwrap() }));
    }
    for post in running {
        post.await.unwrap();
    }
    world.settle(40).await;
    let calls = world.list("outcome = ANSWERED AND connector = \"connectors/cloud\"").await;
    assert_eq!(calls.len(), 20);
    assert!(calls.iter().all(|call| call.talk_duration.unwrap().seconds == 44));
}

async fn t1_late_event_gives_one_correction(world: World) {
    let body = format!(r#"{{"events": [{}, {}]}}"#, event("c", "HUNGUP", 30), event("c", "RINGING", 10));
    let posted = world.post(&body).await.unwrap();
    let call = world.only_call().await;
    assert_eq!(posted.calls.join(" "), call.name);
    let events = world.settle(2).await;
    assert_eq!(payload::<proto::CallEnded>(&events[1]).unwrap().outcome(), CallOutcome::Missed);
    world.post(&event("c", "ANSWERED", 20)).await.unwrap();
    world.post(&event("c", "ANSWERED", 20)).await.unwrap();
    world.post(&event("c", "RINGING", 12)).await.unwrap();
    let events = world.settle(3).await;
    let corrected = payload::<proto::CallCorrected>(&events[2]).unwrap();
    assert_eq!((corrected.outcome(), corrected.talk_duration.unwrap().seconds), (CallOutcome::Answered, 10));
    world.post(&body).await.unwrap();
    world.settle(3).await;
    assert_ne!(world.only_call().await.etag, call.etag);
}

async fn t1_call_without_an_end_is_given_up_after_a_day(world: World) {
    world.post(&event("c", "ANSWERED", 10)).await.unwrap();
    world.pass(3_600);
    assert_eq!(world.only_call().await.state(), CallState::Answered);
    assert_eq!(world.kinds().await, ["CallStarted"]);
    world.pass(24 * 3_600);
    world.settle(2).await;
    let call = world.only_call().await;
    assert_eq!((call.state(), call.outcome()), (CallState::Ended, CallOutcome::Answered));
}

async fn t2_wrong_signatures_are_refused(world: World) {
    let body = event("c", "RINGING", 10);
    let now = world.now() / 1_000_000;
    let post = async |connector: &str, secret: &str, time: i64| {
        let headers = BTreeMap::from([
            ("x-kontor-timestamp".to_owned(), time.to_string()),
            ("x-kontor-signature".to_owned(), sign(secret, &time.to_string(), &body)),
        ]);
        world.post_with(connector, headers, &body).await
    };
    let (code, words) = refusal(post("cloud", "another secret 12345", now).await);
    assert_eq!(code, Code::Unauthenticated);
    assert!(!words.contains("v1=") || !words.contains(&sign(SECRET, &now.to_string(), &body)[3..]));
    assert_eq!(refusal(post("cloud", SECRET, now - 301).await).0, Code::Unauthenticated);
    assert_eq!(refusal(post("cloud", SECRET, now + 301).await).0, Code::Unauthenticated);
    assert_eq!(refusal(post("nowhere", SECRET, now).await).0, Code::NotFound);
    assert_eq!(refusal(post("grpc", SECRET, now).await).0, Code::NotFound);
    assert_eq!(refusal(world.post_with("cloud", BTreeMap::new(), &body).await).0, Code::Unauthenticated);
    assert!(world.list("").await.is_empty());
    assert!(world.connector("cloud").await.state.unwrap().last_error.contains("x-kontor-"));
    let request = proto::ReceiveWebhookRequest { connector: "connectors/cloud".into(), ..Default::default() };
    assert_eq!(
        refusal(world.ingest.clone().receive_webhook(admin().request(request)).await).0,
        Code::PermissionDenied
    );
    post("cloud", SECRET, now - 299).await.unwrap();
    let state = world.connector("cloud").await.state.unwrap();
    assert!(state.connected && state.last_event_time.is_some());
    disable(&world).await;
    assert_eq!(refusal(post("cloud", SECRET, now).await).0, Code::FailedPrecondition);
}

async fn disable(world: &World) {
    let connector =
        proto::Connector { name: "connectors/cloud".into(), disabled: true, ..Default::default() };
    let request = proto::UpdateConnectorRequest { connector: Some(connector), ..Default::default() };
    let mut client = world.connectors.clone();
    let refused = client.update_connector(caller("sales", &[], &[]).request(request.clone())).await;
    assert_eq!(refusal(refused).0, Code::PermissionDenied);
    client.update_connector(admin().request(request)).await.unwrap();
}

async fn t2_faults_name_the_field_and_nothing_is_stored(world: World) {
    let good = event("c", "RINGING", 10);
    let with = |bad: &str| format!(r#"{{"events": [{good}, {bad}]}}"#);
    let long = format!(
        r#"{{"call_id": "c", "kind": "RINGING", "event_time": "2026-11-23T09:00:00Z", "from": "{}"}}"#,
        "1".repeat(97)
    );
    let cases = [
        (with(r#"{"kind": "RINGING"}"#), "events[1].call_id: "),
        (with(r#"{"call_id": "x"}"#), "events[1].kind: "),
        (with(r#"{"call_id": "x", "kind": "RANG"}"#), "events[1].kind: \"RANG\" is not one of"),
        (with(r#"{"call_id": "x", "kind": "RINGING"}"#), "events[1].event_time: "),
        (
            with(r#"{"call_id": "x", "kind": "RINGING", "event_time": "2036-11-23T09:00:00Z"}"#),
            "events[1].event_time: ",
        ),
        (with(&long), "events[1].from: "),
        (with("7"), "events[1]: "),
        (with(r#"{"callId": "x"}"#), "events[1].callId: there is no such field; the nearest is call_id "),
        (with(r#"{"form": "101"}"#), "events[1].form: there is no such field; the nearest is from "),
        (
            r#"{"events": [], "event": {}}"#.to_owned(),
            "event: there is no such field; the nearest is events ",
        ),
        ("{".to_owned(), "body: "),
        ("{}".to_owned(), "call_id: "),
    ];
    for (body, beginning) in cases {
        let (code, words) = refusal(world.post(&body).await);
        assert_eq!(code, Code::InvalidArgument, "{body}");
        assert!(words.starts_with(beginning), "{words}");
    }
    assert!(world.list("").await.is_empty());
    assert!(world.events().await.is_empty());
    // the connector's owner sees it too, not only the sender
    let state = world.connector("cloud").await.state.unwrap();
    assert!(state.refused_posts[0].reason == "UNREADABLE", "{state:?}");
    let own = good.replacen('{', r#"{"x_switch": {"node": 7}, "x-trace": "a", "#, 1);
    assert_eq!(world.post(&own).await.unwrap().calls.len(), 1, "fields of the sender's own are left alone");
}
