//! T14: operators beside a real Asterisk's recording, beside another process, and when many change one at once.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::OperatorState as State;
use kontor_proto::telephony::v1::board_service_client::BoardServiceClient;
use kontor_proto::telephony::v1::operator_service_client::OperatorServiceClient;
use kontor_testbed::{admin, caller};
use tonic::Code;

use crate::asterisk::{Asterisk, messages};
use crate::sessions::{after_the_recordings, connect};
use crate::world::{World, event};

kontor_testbed::on_both! { World;
    t14_a_transfer_frees_the_first_operator_and_takes_the_second,
    t14_the_board_shows_what_another_process_wrote,
    t14_of_many_changes_with_one_etag_one_wins,
}

async fn sign_in(world: &World, caller: &Caller) -> proto::Operator {
    let request = proto::SetOperatorStateRequest {
        name: "operators/me".to_owned(),
        state: State::Available.into(),
        ..Default::default()
    };
    let mut client = OperatorServiceClient::new(world.link.clone());
    client.set_operator_state(caller.request(request)).await.unwrap().into_inner()
}

/// The states that an operator was in, the first one first.
async fn states(world: &World, user: &str) -> Vec<State> {
    let parent = format!("operators/{user}");
    let request = proto::ListOperatorStatesRequest { parent, ..Default::default() };
    let mut client = OperatorServiceClient::new(world.link.clone());
    let told = client.list_operator_states(admin().request(request)).await.unwrap().into_inner();
    told.periods.iter().rev().map(|period| period.state()).collect()
}

async fn wait_for(world: &World, user: &str, wanted: State) {
    for () in kontor_testbed::patience() {
        if states(world, user).await.last() == Some(&wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{user} was to be {wanted:?}: {:?}", states(world, user).await);
}

async fn t14_a_transfer_frees_the_first_operator_and_takes_the_second(world: World) {
    after_the_recordings(&world);
    for user in ["sales", "operator"] {
        sign_in(&world, &caller(user, &["sales"], &[])).await;
    }
    let messages = messages("16", "xfer");
    // The line drops once after each of them joined the call, so that both moments are seen.
    let joined = |phone: &str| {
        let channel = format!("Channel: {phone}");
        let joins = |it: &String| it.starts_with("Event: BridgeEnter") && it.contains(&channel);
        messages.iter().position(joins).expect("it joins") + 1
    };
    let cuts = [joined("PJSIP/alice"), joined("PJSIP/bob")];
    let asterisk = Asterisk::play(messages.clone(), &cuts).await;
    connect(&world, asterisk.port).await;
    wait_for(&world, "operator", State::WrapUp).await;
    wait_for(&world, "sales", State::WrapUp).await;
    let tail = |all: Vec<State>| all[all.len() - 2..].to_vec();
    assert_eq!(tail(states(&world, "sales").await), [State::Talking, State::WrapUp]);
    assert_eq!(tail(states(&world, "operator").await), [State::Talking, State::WrapUp]);
    // Alice was free again before the call was over.
    let events = world.events().await;
    let place = |user: &str, state: State| {
        let is = |event: &kontor_proto::r#type::v1::Event| {
            let changed = kontor_kit::outbox::payload::<proto::OperatorStateChanged>(event);
            event.subject == format!("operators/{user}") && changed.is_some_and(|it| it.state() == state)
        };
        events.iter().position(is).expect("told")
    };
    assert!(place("sales", State::WrapUp) < place("operator", State::WrapUp));
}

async fn t14_the_board_shows_what_another_process_wrote(world: World) {
    if !world.place.is_postgres() {
        // a SQLite file belongs to one process
        return;
    }
    let context = world.place.another_process();
    let unit = kontor_telephony::start(&context, world.neighbours.peers()).await.unwrap();
    let mut boards = BoardServiceClient::new(kontor_kit::link::Link::local(unit.routes));
    let mut stream =
        boards.watch_board(admin().request(proto::WatchBoardRequest {})).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().unwrap().snapshot);
    sign_in(&world, &caller("sales", &["sales"], &[])).await;
    let change = tokio::time::timeout(Duration::from_mins(1), stream.message()).await;
    let change = change.expect("it comes").unwrap().unwrap();
    assert_eq!(change.operators[0].state(), State::Available);
    for kind in ["RINGING", "HUNGUP"] {
        world.post(&event("c", kind, 11)).await.unwrap();
    }
    world.pass(4);
    // Both processes count; a call counts once.
    let mut offered = Vec::new();
    while offered.is_empty() {
        let message = tokio::time::timeout(Duration::from_mins(1), stream.message()).await;
        let figures = message.expect("it comes").unwrap().unwrap().figures;
        offered = figures.iter().map(|it| it.offered_count).collect();
    }
    assert!(offered.iter().all(|count| *count == 1), "{offered:?}");
    context.stop.cancel();
}

async fn t14_of_many_changes_with_one_etag_one_wins(world: World) {
    let sales = caller("sales", &["sales"], &[]);
    let first = sign_in(&world, &sales).await;
    let change = |number: usize| {
        let request = proto::SetOperatorStateRequest {
            name: first.name.clone(),
            state: State::Break.into(),
            break_reason: format!("break {number}"),
            etag: first.etag.clone(),
            ..Default::default()
        };
        let (request, mut client) = (sales.request(request), OperatorServiceClient::new(world.link.clone()));
        async move { client.set_operator_state(request).await }
    };
    let answers = futures_util::future::join_all((0..8).map(change)).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|answer| answer.as_ref().unwrap_err().code() == Code::Aborted));
    assert_eq!(states(&world, "sales").await.len(), 2);
}
