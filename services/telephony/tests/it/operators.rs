//! T14: the states of operators, by hand, by calls and by the clock; who sees them; the live board as a stream.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::OperatorState as State;
use kontor_proto::telephony::v1::board_service_client::BoardServiceClient;
use kontor_proto::telephony::v1::operator_service_client::OperatorServiceClient;
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::{admin, caller, failure};
use tonic::{Code, Response, Status, Streaming};

use crate::world::{World, event};

kontor_testbed::on_both! { World;
    t14_an_operator_follows_calls_and_the_clock,
    t14_a_missed_call_leaves_the_operator_available,
    t14_who_takes_a_call_in_the_break_goes_back_to_it,
    t14_a_second_call_goes_on_when_the_first_is_over,
    t14_what_cannot_follow_is_refused,
    t14_a_stale_etag_is_aborted_and_a_repeat_has_no_second_effect,
    t14_who_gives_no_sign_of_life_goes_offline,
    t14_faults_name_the_field,
    t14_strangers_see_no_operator_and_neighbours_change_none,
    t14_the_board_comes_whole_and_then_by_changes,
}

fn sales() -> Caller {
    caller("sales", &["sales"], &[])
}

fn leader() -> Caller {
    caller("boss", &["sales"], &["sales"])
}

fn client(world: &World) -> OperatorServiceClient<kontor_kit::link::Link> {
    OperatorServiceClient::new(world.link.clone())
}

async fn set_as(
    world: &World,
    caller: &Caller,
    request: proto::SetOperatorStateRequest,
) -> Result<proto::Operator, Status> {
    client(world).set_operator_state(caller.request(request)).await.map(Response::into_inner)
}

fn to(state: State, reason: &str) -> proto::SetOperatorStateRequest {
    proto::SetOperatorStateRequest {
        name: "operators/sales".to_owned(),
        state: state.into(),
        break_reason: reason.to_owned(),
        ..Default::default()
    }
}

async fn get(world: &World) -> proto::Operator {
    let request = proto::GetOperatorRequest { name: "operators/sales".to_owned() };
    client(world).get_operator(sales().request(request)).await.unwrap().into_inner()
}

/// Waits until the operator is in a state: calls and the clock act in their own time.
async fn wait_for(world: &World, state: State) -> proto::Operator {
    for () in kontor_testbed::patience() {
        let operator = get(world).await;
        if operator.state() == state {
            return operator;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{state:?} was expected: {:?}", get(world).await);
}

async fn t14_an_operator_follows_calls_and_the_clock(world: World) {
    assert_eq!(get(&world).await.state(), State::Offline);
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    let ringing = get(&world).await;
    assert_eq!(ringing.state(), State::Ringing);
    assert_eq!(ringing.call, world.only_call().await.name);
    world.post(&event("c", "ANSWERED", 12)).await.unwrap();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Talking);
    world.pass(30);
    world.post(&event("c", "HUNGUP", 40)).await.unwrap();
    let wrap = get(&world).await;
    assert_eq!((wrap.state(), &wrap.call), (State::WrapUp, &ringing.call));
    assert_eq!(wrap.wrap_up_end_time.unwrap().seconds - wrap.since_time.unwrap().seconds, 20);
    world.pass(20);
    let free = wait_for(&world, State::Available).await;
    assert!(free.call.is_empty() && free.wrap_up_end_time.is_none());
    let request = proto::ListOperatorStatesRequest { parent: free.name, ..Default::default() };
    let told = client(&world).list_operator_states(leader().request(request)).await.unwrap().into_inner();
    let states: Vec<State> = told.periods.iter().map(|period| period.state()).collect();
    // Those that began at the same moment of the standing clock are in no order.
    assert_eq!(states[..2], [State::Available, State::WrapUp]);
    assert_eq!(states.len(), 5);
    let own = told.periods.iter().filter(|period| period.actor == "users/sales");
    assert_eq!(own.count(), 1, "the calls brought about the others");
    let changes: Vec<proto::OperatorStateChanged> = world.events().await.iter().filter_map(payload).collect();
    let path: Vec<State> = changes.iter().map(|change| change.state()).collect();
    let wanted = [State::Available, State::Ringing, State::Talking, State::WrapUp, State::Available];
    assert_eq!(path, wanted);
    assert_eq!(changes[3].previous_duration.unwrap().seconds, 30);
}

async fn t14_a_missed_call_leaves_the_operator_available(world: World) {
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Ringing);
    world.post(&event("c", "HUNGUP", 30)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Available);
}

async fn t14_who_takes_a_call_in_the_break_goes_back_to_it(world: World) {
    set_as(&world, &sales(), to(State::Break, "lunch")).await.unwrap();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Break, "it may ring");
    world.post(&event("c", "ANSWERED", 12)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Talking);
    world.post(&event("c", "HUNGUP", 30)).await.unwrap();
    let back = get(&world).await;
    assert_eq!((back.state(), back.break_reason.as_str()), (State::Break, "lunch"));
}

async fn t14_a_second_call_goes_on_when_the_first_is_over(world: World) {
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    for call in ["a", "b"] {
        world.post(&event(call, "RINGING", 10)).await.unwrap();
        world.post(&event(call, "ANSWERED", 12)).await.unwrap();
    }
    let first = get(&world).await.call;
    world.post(&event("a", "HUNGUP", 30)).await.unwrap();
    let second = get(&world).await;
    assert_eq!(second.state(), State::Talking);
    assert_ne!(second.call, first);
    world.post(&event("b", "HUNGUP", 40)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::WrapUp);
}

async fn t14_what_cannot_follow_is_refused(world: World) {
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    for state in [State::Ringing, State::Talking, State::WrapUp, State::Unspecified] {
        let refused = set_as(&world, &sales(), to(state, "")).await;
        assert_eq!(failure(refused), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    }
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    for kind in ["RINGING", "ANSWERED"] {
        world.post(&event("c", kind, 11)).await.unwrap();
        for (state, reason) in [(State::Available, ""), (State::Break, "lunch")] {
            let refused = set_as(&world, &sales(), to(state, reason)).await;
            assert_eq!(failure(refused), (Code::FailedPrecondition, "TRANSITION_NOT_ALLOWED".to_owned()));
        }
    }
    set_as(&world, &sales(), to(State::Offline, "")).await.unwrap();
    world.post(&event("c", "HUNGUP", 30)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Offline, "no call signs anybody in");
}

async fn t14_a_stale_etag_is_aborted_and_a_repeat_has_no_second_effect(world: World) {
    let first = set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    let change = proto::SetOperatorStateRequest {
        etag: first.etag.clone(),
        request_id: "r1".to_owned(),
        ..to(State::Break, "lunch")
    };
    let changed = set_as(&world, &sales(), change.clone()).await.unwrap();
    world.pass(5);
    assert_eq!(set_as(&world, &sales(), change).await.unwrap(), changed);
    let stale = proto::SetOperatorStateRequest { etag: first.etag, ..to(State::Available, "") };
    assert_eq!(failure(set_as(&world, &sales(), stale).await).0, Code::Aborted);
    assert_eq!(world.kinds().await, ["OperatorStateChanged", "OperatorStateChanged"]);
    let told: Vec<String> =
        Audit::new(&world.link, "telephony").of("operators/sales").await.iter().map(line).collect();
    assert!(told[1].contains("state AVAILABLE -> BREAK; break_reason -> lunch"), "{told:?}");
}

async fn t14_who_gives_no_sign_of_life_goes_offline(world: World) {
    let beat = || proto::SendHeartbeatRequest { name: "operators/me".to_owned() };
    let nobody = client(&world).send_heartbeat(sales().request(beat())).await.unwrap().into_inner();
    assert!(nobody.expire_time.is_none(), "a sign of life signs nobody in");
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    world.pass(80);
    let alive = client(&world).send_heartbeat(sales().request(beat())).await.unwrap().into_inner();
    assert_eq!(alive.expire_time.unwrap().seconds, world.now() / 1_000_000 + 90);
    world.pass(80);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(get(&world).await.state(), State::Available);
    world.pass(11);
    wait_for(&world, State::Offline).await;
    // On a call silence means nothing.
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    world.post(&event("c", "ANSWERED", 12)).await.unwrap();
    world.pass(600);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(get(&world).await.state(), State::Talking);
    let other = caller("operator", &["sales"], &[]);
    let of_sales = proto::SendHeartbeatRequest { name: "operators/sales".to_owned() };
    let denied = client(&world).send_heartbeat(other.request(of_sales)).await;
    assert_eq!(failure(denied).0, Code::PermissionDenied);
}

async fn t14_faults_name_the_field(world: World) {
    let wrap = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let own = || proto::Operator { name: "operators/sales".to_owned(), ..Default::default() };
    let cases = [
        (proto::Operator { name: "users/sales".to_owned(), ..own() }, "operator.name"),
        (proto::Operator { wrap_up_duration: wrap(1_801), ..own() }, "operator.wrap_up_duration"),
        (proto::Operator { wrap_up_duration: wrap(-1), ..own() }, "operator.wrap_up_duration"),
        (proto::Operator { queues: vec![" ".to_owned()], ..own() }, "operator.queues"),
        (proto::Operator { queues: vec!["x".repeat(101)], ..own() }, "operator.queues"),
        (proto::Operator { call_lists: vec!["lists/a".to_owned()], ..own() }, "operator.call_lists"),
        (
            proto::Operator { queues: (0..51).map(|queue| queue.to_string()).collect(), ..own() },
            "operator.queues",
        ),
    ];
    for (operator, field) in cases {
        let request = proto::UpdateOperatorRequest { operator: Some(operator), ..Default::default() };
        let refused = client(&world).update_operator(sales().request(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{field}: {}", refused.message());
    }
    for (request, field) in [
        (to(State::Break, ""), "break_reason"),
        (to(State::Break, &"x".repeat(101)), "break_reason"),
        (to(State::Available, "lunch"), "break_reason"),
    ] {
        let refused = set_as(&world, &sales(), request).await.unwrap_err();
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    let hidden = proto::Operator { call_lists: vec!["callLists/spring".to_owned()], ..own() };
    let request = proto::UpdateOperatorRequest { operator: Some(hidden), ..Default::default() };
    let refused = client(&world).update_operator(sales().request(request)).await.unwrap_err();
    assert!(
        refused.message().starts_with("operator.call_lists: callLists/spring does not exist"),
        "{refused:?}"
    );
    crate::lists::Lists::of(&world).create("spring", |_| ()).await.unwrap();
    let fine = proto::Operator {
        queues: vec!["support".to_owned(), "support".to_owned()],
        call_lists: vec!["callLists/spring".to_owned()],
        wrap_up_duration: wrap(0),
        ..own()
    };
    let request = proto::UpdateOperatorRequest { operator: Some(fine), ..Default::default() };
    let kept = client(&world).update_operator(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((kept.queues.len(), kept.wrap_up_duration), (1, wrap(0)));
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    world.post(&event("c", "ANSWERED", 12)).await.unwrap();
    world.post(&event("c", "HUNGUP", 30)).await.unwrap();
    assert_eq!(get(&world).await.state(), State::Available, "no time to wrap up");
}

async fn t14_strangers_see_no_operator_and_neighbours_change_none(world: World) {
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    let (neighbour, stranger) =
        (caller("operator", &["sales"], &[]), caller("far", &["support"], &["support"]));
    let get = || proto::GetOperatorRequest { name: "operators/sales".to_owned() };
    assert!(client(&world).get_operator(neighbour.request(get())).await.is_ok());
    assert_eq!(failure(client(&world).get_operator(stranger.request(get())).await).0, Code::NotFound);
    assert_eq!(failure(set_as(&world, &neighbour, to(State::Offline, "")).await).0, Code::PermissionDenied);
    assert_eq!(failure(set_as(&world, &stranger, to(State::Offline, "")).await).0, Code::NotFound);
    let unknown =
        proto::SetOperatorStateRequest { name: "operators/none".to_owned(), ..to(State::Offline, "") };
    assert_eq!(failure(set_as(&world, &admin(), unknown).await).0, Code::NotFound);
    let board = |caller: Caller| {
        let mut boards = BoardServiceClient::new(world.link.clone());
        async move { boards.get_board(caller.request(proto::GetBoardRequest {})).await.unwrap().into_inner() }
    };
    assert_eq!(board(neighbour.clone()).await.operators.len(), 1);
    let seen = board(stranger.clone()).await;
    assert!(seen.operators.is_empty() && seen.state_counts.is_empty());
    let list = |caller: &Caller| {
        let request =
            proto::ListOperatorsRequest { filter: "state = AVAILABLE".to_owned(), ..Default::default() };
        let request = caller.request(request);
        let mut client = client(&world);
        async move { client.list_operators(request).await.unwrap().into_inner().operators.len() }
    };
    assert_eq!((list(&neighbour).await, list(&stranger).await, list(&admin()).await), (1, 0, 1));
    let changed = set_as(&world, &leader(), to(State::Break, "meeting")).await.unwrap();
    assert_eq!(changed.state(), State::Break, "a leader may");
    let states = proto::ListOperatorStatesRequest { parent: changed.name, ..Default::default() };
    let hidden = client(&world).list_operator_states(stranger.request(states)).await;
    assert_eq!(failure(hidden).0, Code::NotFound);
}

async fn next(stream: &mut Streaming<proto::WatchBoardResponse>) -> proto::WatchBoardResponse {
    let answer = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    answer.expect("a message").unwrap().unwrap()
}

async fn t14_the_board_comes_whole_and_then_by_changes(world: World) {
    set_as(&world, &sales(), to(State::Available, "")).await.unwrap();
    let mut boards = BoardServiceClient::new(world.link.clone());
    let request = sales().request(proto::WatchBoardRequest {});
    let mut stream = boards.watch_board(request).await.unwrap().into_inner();
    let whole = next(&mut stream).await;
    assert!(whole.snapshot && whole.operators.len() == 1 && whole.figures.is_empty());
    world.post(&event("c", "RINGING", 10)).await.unwrap();
    let ringing = next(&mut stream).await;
    assert!(!ringing.snapshot);
    assert_eq!(ringing.operators[0].state(), State::Ringing);
    let counts: Vec<(State, i32)> =
        ringing.state_counts.iter().map(|count| (count.state(), count.count)).collect();
    assert_eq!(counts, [(State::Available, 0), (State::Ringing, 1)]);
    // Many steps between two looks are one message, or a few.
    let begin = tokio::time::Instant::now();
    for call in 0..30 {
        for kind in ["RINGING", "HUNGUP"] {
            world.post(&event(&format!("d{call}"), kind, 11)).await.unwrap();
        }
    }
    world.post(&event("c", "HUNGUP", 30)).await.unwrap();
    world.pass(4);
    let mut messages = 0_u32;
    let mut offered = 0;
    while offered < 31 {
        let message = next(&mut stream).await;
        messages += 1;
        let all = message.figures.iter().filter(|it| it.scope.is_empty());
        offered = all.map(|figures| figures.offered_count).max().unwrap_or(offered);
    }
    let most = begin.elapsed().as_millis() / 250 + 2;
    assert!(u128::from(messages) <= most, "{messages} messages, {most} are allowed");
    set_as(&world, &sales(), to(State::Offline, "")).await.unwrap();
    let mut gone = next(&mut stream).await;
    while gone.gone_operators.is_empty() {
        gone = next(&mut stream).await;
    }
    assert_eq!(gone.gone_operators, ["operators/sales"]);
}
