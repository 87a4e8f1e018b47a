//! T1 and T2: recordings of a real Asterisk over TCP give exactly the right calls, whole, doubled and cut in the middle.

use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};

use crate::asterisk::{Asterisk, messages};
use crate::world::World;
use kontor_testbed::admin;

kontor_testbed::on_both! { World;
    t1_recordings_of_asterisk_16_give_the_right_calls,
    t1_recordings_of_asterisk_22_give_the_right_calls,
    t1_doubled_recording_gives_the_same_calls,
    t2_cut_in_the_middle_gives_the_same_calls,
    t1_recording_shuffled_within_two_seconds_gives_the_same_calls,
    t2_state_tells_what_is_wrong_in_words,
    t2_connector_made_anew_at_once_has_a_new_session,
    t2_a_change_of_how_calls_are_made_keeps_the_connection,
    t2_another_process_takes_the_session_over,
}

struct Expected {
    scenario: &'static str,
    inbound: bool,
    remote: &'static str,
    callee: &'static str,
    outcome: CallOutcome,
    user: &'static str,
    queue: &'static str,
    transfer_to: &'static str,
    /// Ring and talk in milliseconds, of version 16 and of version 22.
    ring: [i64; 2],
    talk: [i64; 2],
}

const CALLER: &str = "+33145551234";
const PARTNER: &str = "+33145559876";

#[rustfmt::skip]
const TABLE: [Expected; 8] = [
    Expected { scenario: "answered", inbound: true, remote: CALLER, callee: "100", outcome: CallOutcome::Answered, user: "users/sales", queue: "", transfer_to: "", ring: [1_008, 1_016], talk: [2_045, 1_991] },
    Expected { scenario: "missed", inbound: true, remote: CALLER, callee: "100", outcome: CallOutcome::Missed, user: "users/sales", queue: "", transfer_to: "", ring: [2_005, 2_003], talk: [0, 0] },
    Expected { scenario: "noanswer", inbound: true, remote: CALLER, callee: "100", outcome: CallOutcome::NoAnswer, user: "users/sales", queue: "", transfer_to: "", ring: [8_005, 8_007], talk: [0, 0] },
    Expected { scenario: "queue_ok", inbound: true, remote: CALLER, callee: "300", outcome: CallOutcome::Answered, user: "users/sales", queue: "support", transfer_to: "", ring: [1_002, 1_018], talk: [3_500, 3_458] },
    Expected { scenario: "queue_abandon", inbound: true, remote: CALLER, callee: "301", outcome: CallOutcome::Abandoned, user: "", queue: "noagents", transfer_to: "", ring: [0, 0], talk: [0, 0] },
    Expected { scenario: "click", inbound: false, remote: PARTNER, callee: "90145559876", outcome: CallOutcome::Answered, user: "users/sales", queue: "", transfer_to: "", ring: [1_005, 1_005], talk: [1_502, 1_503] },
    Expected { scenario: "xfer", inbound: true, remote: CALLER, callee: "100", outcome: CallOutcome::Answered, user: "users/sales", queue: "", transfer_to: "102", ring: [1_006, 1_005], talk: [4_993, 4_994] },
    Expected { scenario: "orig_fail", inbound: false, remote: PARTNER, callee: "90145559876", outcome: CallOutcome::Failed, user: "users/operator", queue: "", transfer_to: "", ring: [0, 0], talk: [0, 0] },
];

fn millis(duration: Option<prost_types::Duration>) -> i64 {
    duration.map_or(0, |it| it.seconds * 1_000 + i64::from(it.nanos) / 1_000_000)
}

/// Names of the partners who call and who are called.
struct Known {
    caller: String,
    called: String,
}

impl Known {
    async fn add(world: &World) -> Known {
        Known {
            caller: world.neighbours.add_partner("Caller", CALLER).await,
            called: world.neighbours.add_partner("Called", PARTNER).await,
        }
    }
}

impl Expected {
    fn check(&self, call: &proto::Call, known: &Known, version: usize, lengths: bool) {
        let scenario = self.scenario;
        let way = if self.inbound { CallDirection::Inbound } else { CallDirection::Outbound };
        assert_eq!((call.direction(), call.state()), (way, CallState::Ended), "{scenario}: {call:#?}");
        assert_eq!(call.outcome(), self.outcome, "{scenario}");
        let (from, to) = (call.caller.clone().unwrap(), call.callee.clone().unwrap());
        let outside = if self.inbound { &from } else { &to };
        assert_eq!((outside.e164.as_str(), to.number.as_str()), (self.remote, self.callee), "{scenario}");
        let partner = if self.inbound { &known.caller } else { &known.called };
        assert_eq!((&call.partner, call.user.as_str()), (partner, self.user), "{scenario}");
        assert_eq!(call.queue, self.queue, "{scenario}");
        let to = call.transfers.first().map(|transfer| transfer.to.as_str()).unwrap_or_default();
        assert_eq!(to, self.transfer_to, "{scenario}");
        assert!(call.transfers.iter().all(|transfer| transfer.blind), "{scenario}");
        if lengths {
            let found = (millis(call.ring_duration), millis(call.talk_duration));
            assert_eq!(found, (self.ring[version], self.talk[version]), "{scenario}");
        }
    }
}

/// When all that was recorded is over, in seconds: to a clock that is behind it, the telephone system's would be ahead.
const RECORDED: i64 = 1_795_430_000;

/// Moves the clock behind all recordings.
pub fn after_the_recordings(world: &World) {
    world.pass((RECORDED - world.now() / kontor_testbed::SECOND).max(0));
}

pub async fn connect(world: &World, port: u16) {
    after_the_recordings(world);
    let settings = proto::AsteriskSettings {
        host: "127.0.0.1".to_owned(),
        port: i32::from(port),
        username: "kontor".to_owned(),
        secret: "s3cret".to_owned(),
        trunk_prefixes: vec!["PJSIP/trunk-".to_owned()],
        ..Default::default()
    };
    let connector = proto::Connector {
        kind: Some(Kind::Asterisk(settings)),
        region: "FR".to_owned(),
        outside_prefix: "9".to_owned(),
        extension_digits: 3,
        ..Default::default()
    };
    let request = proto::CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "office".to_owned(),
        ..Default::default()
    };
    world.connectors.clone().create_connector(admin().request(request)).await.unwrap();
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
    let state = world.connector("office").await.state;
    panic!("{wanted} calls were expected: {state:?} {:#?}", world.list("").await);
}

async fn right(world: World, version: usize) {
    let messages = messages(["16", "22"][version], "wire");
    let asterisk = Asterisk::play(messages, &[]).await;
    let known = Known::add(&world).await;
    connect(&world, asterisk.port).await;
    ended(&world, 8).await;
    let events = world.settle(16).await;
    let calls = ended(&world, 8).await;
    for (call, expected) in calls.iter().zip(&TABLE) {
        expected.check(call, &known, version, true);
        assert_eq!(events.iter().filter(|event| event.subject == call.name).count(), 2);
    }
    let state = world.connector("office").await.state.unwrap();
    assert!(state.connected && state.description.starts_with("connected since "), "{state:?}");
    assert!(state.last_event_time.is_some());
}

async fn t1_recordings_of_asterisk_16_give_the_right_calls(world: World) {
    right(world, 0).await;
}

async fn t1_recordings_of_asterisk_22_give_the_right_calls(world: World) {
    right(world, 1).await;
}

async fn t1_doubled_recording_gives_the_same_calls(world: World) {
    let doubled = messages("16", "wire").into_iter().flat_map(|message| [message.clone(), message]).collect();
    let asterisk = Asterisk::play(doubled, &[]).await;
    let known = Known::add(&world).await;
    connect(&world, asterisk.port).await;
    ended(&world, 8).await;
    world.settle(16).await;
    for (call, expected) in ended(&world, 8).await.iter().zip(&TABLE) {
        expected.check(call, &known, 0, true);
    }
}

async fn t1_recording_shuffled_within_two_seconds_gives_the_same_calls(world: World) {
    let time = |message: &String| {
        let stamp = message.lines().find_map(|line| line.strip_prefix("Timestamp: "));
        stamp.and_then(|stamp| stamp.parse::<f64>().ok())
    };
    let mut last = 0.0;
    let mut shuffled = Vec::new();
    for (number, message) in messages("16", "wire").into_iter().enumerate() {
        last = time(&message).unwrap_or(last);
        // up to two seconds late, the same in each run
        let late = (number as f64 * 0.618_033_988).fract() * 2.0;
        shuffled.push((last + late, message));
    }
    let order: Vec<String> = shuffled.iter().map(|(_, message)| message.clone()).collect();
    shuffled.sort_by(|one, other| one.0.total_cmp(&other.0));
    let shuffled: Vec<String> = shuffled.into_iter().map(|(_, message)| message).collect();
    assert_ne!(order, shuffled);
    let asterisk = Asterisk::play(shuffled, &[]).await;
    let known = Known::add(&world).await;
    connect(&world, asterisk.port).await;
    ended(&world, 8).await;
    world.settle(16).await;
    for (call, expected) in ended(&world, 8).await.iter().zip(&TABLE) {
        expected.check(call, &known, 0, true);
    }
}

async fn t2_cut_in_the_middle_gives_the_same_calls(world: World) {
    let messages = messages("22", "wire");
    let cuts = [messages.len() / 7, messages.len() / 2, messages.len() * 4 / 5];
    let asterisk = Asterisk::play(messages, &cuts).await;
    let known = Known::add(&world).await;
    connect(&world, asterisk.port).await;
    ended(&world, 8).await;
    world.settle(16).await;
    for (call, expected) in ended(&world, 8).await.iter().zip(&TABLE) {
        expected.check(call, &known, 1, false);
    }
    let state = world.connector("office").await.state.unwrap();
    assert!(state.connected && state.last_error.contains("closed the connection"), "{state:?}");
}

async fn t2_state_tells_what_is_wrong_in_words(world: World) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    connect(&world, port).await;
    let mut words = String::new();
    for () in kontor_testbed::patience() {
        words = world.connector("office").await.state.unwrap().description;
        if words.contains("tries again") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(words.contains(&format!("not connected to 127.0.0.1:{port}")), "{words}");
    let delete = proto::DeleteConnectorRequest { name: "connectors/office".to_owned(), ..Default::default() };
    world.connectors.clone().delete_connector(admin().request(delete)).await.unwrap();
    // the same name again: its session is new, and nobody else holds it
    let asterisk = Asterisk::play(messages("16", "answered"), &[]).await;
    connect(&world, asterisk.port).await;
    let calls = ended(&world, 1).await;
    assert_eq!(calls[0].external_id, "1795427910.0");
}

async fn t2_connector_made_anew_at_once_has_a_new_session(world: World) {
    let first = Asterisk::play(messages("16", "answered"), &[]).await;
    connect(&world, first.port).await;
    ended(&world, 1).await;
    // so quickly that the keeper sees only the last one, whose version is that of the first
    let delete = proto::DeleteConnectorRequest { name: "connectors/office".to_owned(), ..Default::default() };
    for _ in 0..20 {
        let second = Asterisk::play(messages("16", "missed"), &[]).await;
        world.connectors.clone().delete_connector(admin().request(delete.clone())).await.unwrap();
        connect(&world, second.port).await;
        let mut tries = 0;
        while second.connections() == 0 {
            tries += 1;
            assert!(tries < 300, "the session of the first one goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn t2_a_change_of_how_calls_are_made_keeps_the_connection(world: World) {
    let first = Asterisk::play(messages("16", "answered"), &[]).await;
    connect(&world, first.port).await;
    ended(&world, 1).await;
    let change = async |connector: proto::Connector, paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = proto::UpdateConnectorRequest {
            connector: Some(proto::Connector { name: "connectors/office".to_owned(), ..connector }),
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        };
        world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
    };
    let dial = proto::DialSettings {
        device: "PJSIP/{extension}".to_owned(),
        context: "internal".to_owned(),
        ..Default::default()
    };
    let new = proto::Connector { display_name: "Office".to_owned(), dial: Some(dial), ..Default::default() };
    change(new, &["display_name", "dial"]).await;
    // Whoever looks after the connectors has seen the change when one that was added later is connected.
    let second = Asterisk::play(messages("16", "missed"), &[]).await;
    let settings = proto::AsteriskSettings {
        host: "127.0.0.1".to_owned(),
        port: i32::from(second.port),
        username: "kontor".to_owned(),
        secret: "s3cret".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateConnectorRequest {
        connector: Some(proto::Connector { kind: Some(Kind::Asterisk(settings)), ..Default::default() }),
        connector_id: "second".to_owned(),
        ..Default::default()
    };
    world.connectors.clone().create_connector(admin().request(request)).await.unwrap();
    for () in kontor_testbed::patience() {
        if second.connections() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for () in kontor_testbed::patience() {
        if world.connector("office").await.state.unwrap().connected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.connector("office").await.state.unwrap().connected);
    assert_eq!((second.connections(), first.connections()), (1, 1), "the first goes on");
    // How numbers are read is another matter.
    change(proto::Connector { outside_prefix: "0".to_owned(), ..Default::default() }, &["outside_prefix"])
        .await;
    for () in kontor_testbed::patience() {
        if first.connections() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session of the old settings goes on");
}

async fn t2_another_process_takes_the_session_over(world: World) {
    let asterisk = Asterisk::play(messages("16", "answered"), &[]).await;
    connect(&world, asterisk.port).await;
    ended(&world, 1).await;
    let second = world.another_process().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asterisk.connections(), 1, "one process holds the session");
    world.place.context.stop.cancel();
    for () in kontor_testbed::patience() {
        let request = proto::GetConnectorRequest { name: "connectors/office".to_owned() };
        let found = second.connectors.clone().get_connector(admin().request(request)).await.unwrap();
        if asterisk.connections() == 2 && found.into_inner().state.unwrap().connected {
            second.stop.cancel();
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody took the session over: {} connections", asterisk.connections());
}
