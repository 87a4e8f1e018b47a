//! T1, T2 and T6 with ARI: recorded calls come in right, clicks go out once, and what goes wrong is said in words.
//! The Asterisk of `tests/ari/server.rs` plays what a live one told.

use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use tonic::Code;

use crate::ari_server::{Answer, Ari, PASSWORD, Part};
use crate::start_call::{add, sales, to};
use crate::world::{World, refusal};

kontor_testbed::on_both! { World;
    t1_ari_calls_are_right_and_the_state_is_in_words,
    t6_ari_click_to_call_is_ordered_once_and_is_the_call_that_asterisk_tells_of,
    t6_ari_refusal_and_lost_answer_end_the_call_in_words,
    t2_ari_settings_are_checked_and_the_password_never_comes_out,
}

fn recorded(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/asterisk/ari");
    std::fs::read_to_string(format!("{path}/{name}")).unwrap()
}

pub fn settings(port: u16) -> proto::AriSettings {
    proto::AriSettings {
        host: "127.0.0.1".to_owned(),
        port: i32::from(port),
        username: "kontor".to_owned(),
        password: PASSWORD.to_owned(),
        trunk_prefixes: vec!["PJSIP/trunk-".to_owned()],
        tls: None,
    }
}

pub fn connector(settings: proto::AriSettings) -> proto::Connector {
    proto::Connector { kind: Some(Kind::Ari(settings)), ..crate::start_call::asterisk(1) }
}

async fn start(world: &World, events: &str) -> Ari {
    // behind the recordings, so that the telephone system's clock is not ahead
    world.place.set_clock(1_796_100_000_000_000);
    let ari = Ari::play(vec![Part::of(events)]).await;
    add(world, "office", connector(settings(ari.port))).await.unwrap();
    ari
}

async fn ended(world: &World, wanted: usize) -> Vec<proto::Call> {
    for () in kontor_testbed::patience() {
        let mut calls = world.list("state = ENDED").await;
        if calls.len() >= wanted {
            calls.reverse();
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?} {:#?}", world.connector("office").await.state, world.list("").await);
}

async fn connected(world: &World) -> proto::ConnectorState {
    for () in kontor_testbed::patience() {
        let state = world.connector("office").await.state.unwrap();
        if state.connected {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", world.connector("office").await.state);
}

async fn t1_ari_calls_are_right_and_the_state_is_in_words(world: World) {
    let all = ["answered", "missed", "noanswer", "busy", "queue_ok", "queue_abandon", "click"];
    let events: String = all.iter().map(|name| recorded(&format!("{name}.ari"))).collect();
    let _ari = start(&world, &events).await;
    let calls = ended(&world, all.len()).await;
    let outcomes: Vec<CallOutcome> = calls.iter().map(proto::Call::outcome).collect();
    use CallOutcome::{Abandoned, Answered, Busy, Missed, NoAnswer};
    assert_eq!(outcomes, [Answered, Missed, NoAnswer, Busy, Answered, Abandoned, Answered]);
    for call in &calls[..6] {
        assert_eq!((call.direction(), call.state()), (CallDirection::Inbound, CallState::Ended));
        assert_eq!(call.caller.as_ref().unwrap().e164, "+33145551234");
    }
    assert_eq!((calls[0].user.as_str(), calls[6].user.as_str()), ("users/sales", "users/sales"));
    assert_eq!((calls[4].queue.as_str(), calls[5].queue.as_str()), ("support", "noagents"));
    assert_eq!((calls[6].direction(), calls[6].external_id.as_str()), (CallDirection::Outbound, "kontor-1"));
    let state = connected(&world).await;
    assert!(state.description.starts_with("connected since "), "{state:?}");
}

async fn t6_ari_click_to_call_is_ordered_once_and_is_the_call_that_asterisk_tells_of(world: World) {
    let ari = start(&world, "").await;
    ari.set(Answer::Play(recorded("rest.ari")));
    connected(&world).await;
    let request = proto::StartCallRequest { request_id: "once".into(), ..to("01 45 55 98 76") };
    let started =
        world.calls.clone().start_call(sales().request(request.clone())).await.unwrap().into_inner();
    let again = world.calls.clone().start_call(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(again.name, started.name);
    let call = ended(&world, 1).await.remove(0);
    assert_eq!(
        (call.name.as_str(), call.outcome()),
        (started.name.as_str(), CallOutcome::Answered),
        "{call:#?}"
    );
    assert_eq!((call.user.as_str(), call.callee.unwrap().e164.as_str()), ("users/sales", "+33145559876"));
    let id = &started.external_id;
    assert_eq!(
        ari.orders(),
        [format!(
            "POST /ari/channels?endpoint=PJSIP%2F101&extension=90145559876&context=internal&priority=1&timeout=30&channelId={id}&callerId=Kontor%20%3C90145559876%3E"
        )]
    );
}

async fn t6_ari_refusal_and_lost_answer_end_the_call_in_words(world: World) {
    let ari = start(&world, "").await;
    ari.set(Answer::Say(500, r#"{"error":"Allocation failed"}"#));
    connected(&world).await;
    world.calls.clone().start_call(sales().request(to("01 45 55 98 76"))).await.unwrap();
    let call = ended(&world, 1).await.remove(0);
    assert_eq!(call.outcome(), CallOutcome::Failed);
    assert_eq!(call.failure, "the telephone system refused: Allocation failed (500)");
    ari.set(Answer::Drop);
    world.pass(5);
    world.calls.clone().start_call(sales().request(to("01 45 55 98 76"))).await.unwrap();
    let call = ended(&world, 2).await.remove(1);
    assert_eq!(call.outcome(), CallOutcome::Unspecified, "nobody knows whether it rang: {call:#?}");
    assert!(call.failure.contains("is not known"), "{}", call.failure);
    assert_eq!(ari.orders().len(), 2, "nothing is sent twice");
}

async fn t2_ari_settings_are_checked_and_the_password_never_comes_out(world: World) {
    let ari = Ari::play(vec![]).await;
    let wrong = async |change: &dyn Fn(&mut proto::AriSettings), field: &str| {
        let mut given = settings(ari.port);
        change(&mut given);
        let (code, words) = refusal(add(&world, "office", connector(given)).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(field), "{words}");
    };
    wrong(&|it| it.host.clear(), "connector.ari.host: ").await;
    wrong(&|it| it.username = "a:b".into(), "connector.ari.username: ").await;
    wrong(&|it| it.password.clear(), "connector.ari.password: ").await;
    wrong(&|it| it.port = 70_000, "connector.ari.port: ").await;
    let tls = |text: &str| Some(proto::PeerTls { certificates: text.to_owned() });
    wrong(&|it| it.tls = tls("nonsense"), "connector.ari.tls.certificates: there is no certificate").await;
    wrong(&|it| it.tls = tls(&"x".repeat(70_000)), "connector.ari.tls.certificates: use at most").await;
    let mut given = settings(ari.port);
    given.password = "not-the-password".into();
    let made = add(&world, "office", connector(given)).await.unwrap();
    let Some(Kind::Ari(shown)) = made.kind else { panic!("it is another kind") };
    assert_eq!((shown.username.as_str(), shown.password.as_str()), ("kontor", ""));
    for () in kontor_testbed::patience() {
        let state = world.connector("office").await.state.unwrap();
        if state.last_error.contains("check user and password in ari.conf (401)") {
            assert!(!state.connected && !format!("{state:?}").contains("not-the-password"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", world.connector("office").await.state);
}
