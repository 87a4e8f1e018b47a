//! T2 and T6 with a FreeSWITCH: its event socket over TCP, posts of mod_json_cdr, and clicks to call, through gRPC.

use std::collections::BTreeMap;
use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use kontor_testbed::{admin, caller};
use tonic::{Code, Response, Status};

use crate::freeswitch_scenes::{bytes, folder, frames};
use crate::freeswitch_server::{PASSWORD, Play, Server};
use crate::sessions::after_the_recordings;
use crate::world::{World, refusal};

kontor_testbed::on_both! { World;
    t2_freeswitch_events_give_the_right_calls,
    t2_freeswitch_cut_in_the_middle_gives_the_same_calls,
    t2_freeswitch_state_tells_what_is_wrong_in_words,
    t2_freeswitch_records_are_taken_once,
    t2_freeswitch_records_need_the_secret_and_name_the_fault,
    t2_freeswitch_settings_hide_secrets,
    t6_freeswitch_rings_the_user_and_then_the_partner,
    t6_freeswitch_that_refuses_ends_the_call_in_words,
}

const POST_SECRET: &str = "0123456789abcdef0123";

fn settings(port: u16) -> proto::FreeSwitchSettings {
    proto::FreeSwitchSettings {
        host: "127.0.0.1".to_owned(),
        port: i32::from(port),
        password: PASSWORD.to_owned(),
        trunk_prefixes: vec!["sofia/external/".to_owned()],
        trunk_contexts: vec!["public".to_owned()],
        post_secret: POST_SECRET.to_owned(),
        ..Default::default()
    }
}

async fn connect(world: &World, settings: proto::FreeSwitchSettings) -> Result<proto::Connector, Status> {
    let dial = proto::DialSettings {
        device: "user/{extension}".to_owned(),
        context: "default".to_owned(),
        ..Default::default()
    };
    let connector = proto::Connector {
        kind: Some(Kind::Freeswitch(settings)),
        region: "FR".to_owned(),
        outside_prefix: "9".to_owned(),
        extension_digits: 3,
        dial: Some(dial),
        ..Default::default()
    };
    let request = proto::CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "office".to_owned(),
        ..Default::default()
    };
    world.connectors.clone().create_connector(admin().request(request)).await.map(Response::into_inner)
}

async fn connected(world: &World) {
    for () in kontor_testbed::patience() {
        if world.connector("office").await.state.unwrap().connected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", world.connector("office").await.state);
}

/// Waits until so many calls have ended, and gives them in order of their beginning.
async fn ended(world: &World, wanted: usize) -> Vec<proto::Call> {
    for () in kontor_testbed::patience() {
        let mut calls = world.list("state = ENDED AND connector = \"connectors/office\"").await;
        if calls.len() >= wanted {
            calls.reverse();
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "{wanted} calls were expected: {:?} {:#?}",
        world.connector("office").await.state,
        world.list("").await
    );
}

#[rustfmt::skip]
const WIRE: [(CallDirection, CallOutcome, &str, &str); 11] = [
    (CallDirection::Inbound, CallOutcome::Answered, "users/sales", "100"),
    (CallDirection::Inbound, CallOutcome::Missed, "users/sales", "100"),
    (CallDirection::Inbound, CallOutcome::NoAnswer, "users/sales", "100"),
    (CallDirection::Outbound, CallOutcome::Busy, "users/sales", "0145559876"),
    (CallDirection::Outbound, CallOutcome::Answered, "users/sales", "0145559876"),
    (CallDirection::Outbound, CallOutcome::Answered, "users/sales", "0145559876"),
    (CallDirection::Inbound, CallOutcome::Answered, "users/sales", "100"),
    (CallDirection::Inbound, CallOutcome::Answered, "users/sales", "100"),
    (CallDirection::Internal, CallOutcome::Answered, "users/sales", "102"),
    (CallDirection::Inbound, CallOutcome::Abandoned, "", "301"),
    (CallDirection::Inbound, CallOutcome::Answered, "users/sales", "300"),
];

fn right(calls: &[proto::Call], partner: &str) {
    for (call, (way, outcome, user, callee)) in calls.iter().zip(WIRE) {
        assert_eq!((call.direction(), call.outcome()), (way, outcome), "{call:#?}");
        assert_eq!(
            (call.user.as_str(), call.callee.as_ref().unwrap().number.as_str()),
            (user, callee),
            "{call:#?}"
        );
        if way == CallDirection::Inbound {
            assert_eq!(call.partner, partner);
        }
    }
    assert_eq!(calls[9].queue, "noagents");
    assert_eq!(calls[6].transfers[0].to, "102");
    assert!(calls[6].transfers[0].blind && !calls[7].transfers[0].blind);
}

/// The events of the whole connection, without what comes before them.
fn wire() -> Vec<Vec<u8>> {
    frames(&bytes("wire")).split_off(3)
}

async fn t2_freeswitch_events_give_the_right_calls(world: World) {
    after_the_recordings(&world);
    let partner = world.neighbours.add_partner("Caller", "+33145551234").await;
    let server = Server::start(Play { frames: wire(), ..Play::default() }).await;
    connect(&world, settings(server.port)).await.unwrap();
    ended(&world, WIRE.len()).await;
    world.settle(2 * WIRE.len()).await;
    right(&ended(&world, WIRE.len()).await, &partner);
    let state = world.connector("office").await.state.unwrap();
    assert!(state.connected && state.description.starts_with("connected since "), "{state:?}");
    assert!(state.last_event_time.is_some());
}

async fn t2_freeswitch_cut_in_the_middle_gives_the_same_calls(world: World) {
    after_the_recordings(&world);
    let partner = world.neighbours.add_partner("Caller", "+33145551234").await;
    let frames = wire();
    // between two calls, and in the middle of two
    let cuts = vec![frames.len() / 9, frames.len() / 3, frames.len() * 3 / 4];
    let server = Server::start(Play { frames, cuts, ..Play::default() }).await;
    connect(&world, settings(server.port)).await.unwrap();
    ended(&world, WIRE.len()).await;
    world.settle(2 * WIRE.len()).await;
    let calls = ended(&world, WIRE.len()).await;
    assert_eq!(calls.len(), WIRE.len());
    right(&calls, &partner);
    let state = world.connector("office").await.state.unwrap();
    assert!(state.connected && state.last_error.contains("closed the connection"), "{state:?}");
}

async fn t2_freeswitch_state_tells_what_is_wrong_in_words(world: World) {
    let server = Server::start(Play::default()).await;
    let wrong = proto::FreeSwitchSettings { password: "wrong".into(), ..settings(server.port) };
    connect(&world, wrong).await.unwrap();
    let mut words = String::new();
    for () in kontor_testbed::patience() {
        words = world.connector("office").await.state.unwrap().description;
        if words.contains("tries again") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(words.contains("refused the log-in: -ERR invalid"), "{words}");
    let right = proto::Connector {
        name: "connectors/office".into(),
        kind: Some(Kind::Freeswitch(proto::FreeSwitchSettings {
            password: PASSWORD.into(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let request = proto::UpdateConnectorRequest {
        connector: Some(right),
        update_mask: Some(prost_types::FieldMask { paths: vec!["freeswitch.password".into()] }),
        ..Default::default()
    };
    world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
    connected(&world).await;
}

fn record(name: &str) -> String {
    std::fs::read_to_string(folder("cdr").join(name)).unwrap()
}

async fn post(
    world: &World,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<proto::ReceiveWebhookResponse, Status> {
    let headers: BTreeMap<String, String> =
        headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    world.post_with("office", headers, body).await
}

async fn t2_freeswitch_records_are_taken_once(world: World) {
    let partner = world.neighbours.add_partner("Caller", "+33145551234").await;
    // nobody answers at the event socket: the records alone must do
    connect(&world, settings(1)).await.unwrap();
    world.place.set_clock(1_795_427_990_000_000);
    let secret = [("x-kontor-secret", POST_SECRET)];
    let basic = [("authorization", "Basic a29udG9yOjAxMjM0NTY3ODlhYmNkZWYwMTIz")];
    for (headers, name) in
        [(secret, "answered_b"), (basic, "form"), (secret, "answered_a"), (basic, "base64")]
    {
        post(&world, &headers, &record(name)).await.unwrap();
    }
    let calls = ended(&world, 1).await;
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((calls[0].direction(), calls[0].outcome()), (CallDirection::Inbound, CallOutcome::Answered));
    assert_eq!((&calls[0].partner, calls[0].user.as_str()), (&partner, "users/sales"));
    world.settle(2).await;
    // retried after the answer got lost
    post(&world, &secret, &record("answered_a")).await.unwrap();
    world.settle(2).await;
    // and the events beside them are of the same call
    let server = Server::start(Play { frames: frames(&bytes("answered")), ..Play::default() }).await;
    let moved = proto::Connector {
        name: "connectors/office".into(),
        kind: Some(Kind::Freeswitch(proto::FreeSwitchSettings {
            port: server.port.into(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let request = proto::UpdateConnectorRequest {
        connector: Some(moved),
        update_mask: Some(prost_types::FieldMask { paths: vec!["freeswitch.port".into()] }),
        ..Default::default()
    };
    world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
    connected(&world).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let call = world.only_call().await;
    assert_eq!((call.state(), call.talk_duration.unwrap().seconds), (CallState::Ended, 2));
}

async fn t2_freeswitch_records_need_the_secret_and_name_the_fault(world: World) {
    connect(&world, settings(1)).await.unwrap();
    world.place.set_clock(1_795_427_990_000_000);
    let good = record("answered_a");
    for headers in
        [vec![], vec![("x-kontor-secret", "wrong")], vec![("authorization", "Basic a29udG9yOndyb25n")]]
    {
        let (code, words) = refusal(post(&world, &headers, &good).await);
        assert_eq!(code, Code::Unauthenticated);
        assert!(!words.contains(POST_SECRET), "{words}");
    }
    let secret = [("x-kontor-secret", POST_SECRET)];
    let cases = [
        ("no_uuid", "variables.uuid: "),
        ("no_direction", "variables.direction: "),
        ("far_end", "variables.end_uepoch: "),
        ("odd", "variables.uuid: "),
        ("deep", "body: "),
    ];
    for (name, beginning) in cases {
        let (code, words) = refusal(post(&world, &secret, &record(name)).await);
        assert_eq!(code, Code::InvalidArgument, "{name}");
        assert!(words.starts_with(beginning), "{words}");
    }
    assert!(world.list("").await.is_empty());
    let delete = proto::DeleteConnectorRequest { name: "connectors/office".into(), ..Default::default() };
    world.connectors.clone().delete_connector(admin().request(delete)).await.unwrap();
    connect(&world, proto::FreeSwitchSettings { post_secret: String::new(), ..settings(1) }).await.unwrap();
    assert_eq!(
        refusal(post(&world, &secret, &good).await).0,
        Code::NotFound,
        "without a secret no posts are taken"
    );
}

async fn t2_freeswitch_settings_hide_secrets(world: World) {
    let made = connect(&world, settings(1)).await.unwrap();
    let seen = world.connector("office").await;
    for text in [format!("{made:?}"), format!("{seen:?}")] {
        assert!(!text.contains(PASSWORD) && !text.contains(POST_SECRET), "{text}");
    }
    let Some(Kind::Freeswitch(seen)) = seen.kind else { panic!("{seen:?}") };
    assert_eq!((seen.trunk_contexts.join(" "), seen.port), ("public".to_owned(), 1));
    type Change = fn(&mut proto::FreeSwitchSettings);
    let wrong: [(Change, &str); 5] = [
        (|it| it.host.clear(), "connector.freeswitch.host: "),
        (|it| it.password = "a b".into(), "connector.freeswitch.password: "),
        (|it| it.port = 70_000, "connector.freeswitch.port: "),
        (|it| it.trunk_contexts = vec![String::new()], "connector.freeswitch.trunk_contexts: "),
        (|it| it.post_secret = "short".into(), "connector.freeswitch.post_secret: "),
    ];
    for (change, beginning) in wrong {
        let mut settings = settings(1);
        change(&mut settings);
        let (code, words) = refusal(connect(&world, settings).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
}

async fn start(world: &World) -> proto::Call {
    let request = proto::StartCallRequest { number: "01 45 55 98 76".into(), ..Default::default() };
    let sales = caller("sales", &["sales"], &[]);
    world.calls.clone().start_call(sales.request(request)).await.unwrap().into_inner()
}

async fn t6_freeswitch_rings_the_user_and_then_the_partner(world: World) {
    let partner = world.neighbours.add_partner("Called", "+33145559876").await;
    let click = Some((frames(&bytes("click")), "00000061-aaaa-4aaa-8aaa-000000000061".to_owned()));
    let server = Server::start(Play { click, ..Play::default() }).await;
    connect(&world, settings(server.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world).await;
    let done = ended(&world, 1).await.remove(0);
    assert_eq!((&done.name, &done.external_id), (&call.name, &call.external_id));
    assert_eq!(
        (done.direction(), done.outcome()),
        (CallDirection::Outbound, CallOutcome::Answered),
        "{done:#?}"
    );
    assert_eq!((&done.partner, done.user.as_str(), done.failure.as_str()), (&partner, "users/sales", ""));
    let orders = server.orders();
    assert_eq!(orders.len(), 1);
    assert!(orders[0].contains(&format!("origination_uuid={},", call.external_id)), "{orders:?}");
    assert!(orders[0].ends_with("}user/101 90145559876 XML default"), "{orders:?}");
    world.settle(2).await;
    assert_eq!(world.list("").await.len(), 1);
}

async fn t6_freeswitch_that_refuses_ends_the_call_in_words(world: World) {
    let server = Server::start(Play { refusal: Some("-ERR permission denied"), ..Play::default() }).await;
    connect(&world, settings(server.port)).await.unwrap();
    connected(&world).await;
    start(&world).await;
    let done = ended(&world, 1).await.remove(0);
    assert_eq!(done.outcome(), CallOutcome::Failed);
    assert_eq!(done.failure, "the telephone system refused: permission denied");
    assert_eq!(server.orders().len(), 1);
}
