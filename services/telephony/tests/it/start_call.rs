//! T6: click to call. The user's telephone rings, then the partner; whatever breaks in between, nothing rings twice.

use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use kontor_testbed::{admin, caller};
use tonic::{Code, Response, Status};

use crate::switchboard::{Script, Switchboard, free_port};
use crate::world::{Other, World, refusal};

kontor_testbed::on_both! { World;
    t6_the_user_rings_and_then_the_partner,
    t6_the_call_is_there_before_the_telephone_system_answers,
    t6_a_repeat_never_rings_twice,
    t6_a_failed_originate_ends_as_failed_with_words,
    t6_a_refused_originate_ends_as_failed_with_words,
    t6_without_a_connection_it_fails_in_words_and_never_rings_later,
    t6_a_lost_answer_rings_nobody_again,
    t6_a_lost_answer_of_a_call_that_rings_is_found_by_its_id,
    t6_a_call_that_is_never_heard_of_is_given_up,
    t6_a_restart_between_store_and_send_rings_once,
    t6_another_process_than_the_one_with_the_connection_takes_it,
    t6_too_many_that_wait_are_refused,
    t6_only_the_own_telephone_but_for_leaders_and_administrators,
    t6_a_number_that_is_not_to_be_called_needs_a_word,
    t8_a_call_for_an_entry_of_a_list_goes_to_its_number_under_its_lease,
    t6_faults_name_the_field,
    t6_settings_are_checked_and_masked,
}

const PARTNER: &str = "+33145559876";

fn dial() -> proto::DialSettings {
    proto::DialSettings {
        device: "PJSIP/{extension}".to_owned(),
        context: "internal".to_owned(),
        caller_id: "Kontor <{number}>".to_owned(),
        ..Default::default()
    }
}

pub fn asterisk(port: u16) -> proto::Connector {
    let settings = proto::AsteriskSettings {
        host: "127.0.0.1".to_owned(),
        port: i32::from(port),
        username: "kontor".to_owned(),
        secret: "s3cret".to_owned(),
        trunk_prefixes: vec!["PJSIP/trunk-".to_owned()],
        ..Default::default()
    };
    proto::Connector {
        kind: Some(Kind::Asterisk(settings)),
        region: "FR".to_owned(),
        outside_prefix: "9".to_owned(),
        extension_digits: 3,
        dial: Some(dial()),
        ..Default::default()
    }
}

pub async fn add(world: &World, id: &str, connector: proto::Connector) -> Result<proto::Connector, Status> {
    let request = proto::CreateConnectorRequest {
        connector: Some(connector),
        connector_id: id.to_owned(),
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

pub fn sales() -> kontor_kit::auth::Caller {
    caller("sales", &["sales"], &[])
}

pub fn to(number: &str) -> proto::StartCallRequest {
    proto::StartCallRequest { number: number.to_owned(), ..Default::default() }
}

async fn start(world: &World, request: proto::StartCallRequest) -> Result<proto::Call, Status> {
    world.calls.clone().start_call(sales().request(request)).await.map(Response::into_inner)
}

async fn get(world: &World, name: &str) -> proto::Call {
    let request = proto::GetCallRequest { name: name.to_owned() };
    world.calls.clone().get_call(sales().request(request)).await.unwrap().into_inner()
}

async fn ended(world: &World, name: &str) -> proto::Call {
    for () in kontor_testbed::patience() {
        let call = get(world, name).await;
        if call.state() == CallState::Ended {
            return call;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it goes on: {:#?} {:?}", get(world, name).await, world.connector("office").await.state);
}

fn millis(duration: Option<prost_types::Duration>) -> i64 {
    duration.map_or(0, |it| it.seconds * 1_000 + i64::from(it.nanos) / 1_000_000)
}

/// The call of the recording.
fn is_the_recorded_call(call: &proto::Call) {
    assert_eq!(
        (call.direction(), call.outcome()),
        (CallDirection::Outbound, CallOutcome::Answered),
        "{call:#?}"
    );
    assert_eq!((call.user.as_str(), call.failure.as_str()), ("users/sales", ""));
    assert_eq!(call.callee.as_ref().unwrap().e164, PARTNER);
    assert_eq!(call.caller.as_ref().unwrap().number, "101");
}

async fn t6_the_user_rings_and_then_the_partner(world: World) {
    let partner = world.neighbours.add_partner("Called", PARTNER).await;
    let deal = world.neighbours.add_opportunity(&partner, "Roof").await;
    let board = Switchboard::start(Script::Play("click")).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to("01 45 55 98 76")).await.unwrap();
    assert_eq!((call.direction(), call.state()), (CallDirection::Outbound, CallState::Ringing));
    assert_eq!((&call.partner, &call.opportunity, call.user.as_str()), (&partner, &deal, "users/sales"));
    assert_eq!((call.connector.as_str(), call.call_list_entry.as_str()), ("connectors/office", ""));
    let order = board.order().await;
    for (key, value) in [
        ("Channel", "PJSIP/101"),
        ("Context", "internal"),
        ("Exten", "90145559876"),
        ("Priority", "1"),
        ("Timeout", "30000"),
        ("CallerID", "Kontor <90145559876>"),
        ("Async", "true"),
    ] {
        assert_eq!(order[key], value, "{key}");
    }
    assert_eq!((&order["ChannelId"], &order["ActionID"]), (&call.external_id, &call.external_id));
    assert!(call.external_id.starts_with("kontor-"));
    let done = ended(&world, &call.name).await;
    world.settle(2).await;
    assert_eq!(world.kinds().await, ["CallStarted", "CallEnded"]);
    let done = if done.talk_duration.is_some() { get(&world, &call.name).await } else { done };
    is_the_recorded_call(&done);
    assert_eq!((millis(done.ring_duration), millis(done.talk_duration)), (1_005, 1_502));
    assert_eq!(done.partner, partner);
    assert_eq!(world.list("").await.len(), 1, "the events are of the same call");
    let history = world.neighbours.history(&partner, 1).await;
    assert_eq!(
        history.iter().filter(|entry| entry.summary.to_lowercase().contains("call")).count(),
        1,
        "{history:#?}"
    );
}

async fn t6_the_call_is_there_before_the_telephone_system_answers(world: World) {
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let called = start(&world, to(PARTNER)).await.unwrap();
    let call = world.only_call().await;
    assert_eq!((&call.name, call.state(), call.failure.as_str()), (&called.name, CallState::Ringing, ""));
    assert_eq!(world.kinds().await, ["CallStarted"]);
    // an extension too
    let inside = start(&world, to("102")).await.unwrap();
    assert_eq!(
        (inside.direction(), inside.callee.unwrap().number.as_str()),
        (CallDirection::Internal, "102")
    );
}

async fn t6_a_repeat_never_rings_twice(world: World) {
    let board = Switchboard::start(Script::Play("click")).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let request = proto::StartCallRequest { request_id: "click-1".into(), ..to(PARTNER) };
    let mut processes = vec![world.calls.clone()];
    let other = if world.place.is_postgres() { Some(world.another_process().await) } else { None };
    processes.extend(other.as_ref().map(|other| other.calls.clone()));
    let mut clicks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (mut client, request) = (processes[number % processes.len()].clone(), request.clone());
        clicks.spawn(async move { client.start_call(sales().request(request)).await.unwrap().into_inner() });
    }
    let calls = clicks.join_all().await;
    assert!(calls.iter().all(|call| call.name == calls[0].name));
    is_the_recorded_call(&ended(&world, &calls[0].name).await);
    let again = start(&world, request.clone()).await.unwrap();
    assert_eq!(again.name, calls[0].name);
    let (code, words) =
        refusal(start(&world, proto::StartCallRequest { number: "102".into(), ..request }).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(words.starts_with("request_id: "), "{words}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((board.orders().len(), world.list("").await.len()), (1, 1));
    other.inspect(|other| other.stop.cancel());
}

async fn t6_a_failed_originate_ends_as_failed_with_words(world: World) {
    let board = Switchboard::start(Script::Play("orig_fail")).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to(PARTNER)).await.unwrap();
    let done = ended(&world, &call.name).await;
    assert_eq!(done.outcome(), CallOutcome::Failed, "{done:#?}");
    assert!(done.failure.contains("telephone was not taken"), "{}", done.failure);
    world.settle(2).await;
    // without any leg it is known by its ActionID alone
    board.set(Script::Play("no_leg"));
    let call = start(&world, to(PARTNER)).await.unwrap();
    let done = ended(&world, &call.name).await;
    assert_eq!((done.outcome(), done.end_time.is_some()), (CallOutcome::Failed, true), "{done:#?}");
    assert!(!done.failure.is_empty());
    assert_eq!(world.list("").await.len(), 2);
}

async fn t6_a_refused_originate_ends_as_failed_with_words(world: World) {
    let board = Switchboard::start(Script::Refuse("Extension does not exist.")).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to(PARTNER)).await.unwrap();
    let done = ended(&world, &call.name).await;
    assert_eq!(done.outcome(), CallOutcome::Failed);
    assert_eq!(done.failure, "the telephone system refused: Extension does not exist.");
    world.settle(2).await;
    assert_eq!(world.kinds().await, ["CallStarted", "CallEnded"]);
    assert_eq!(board.orders().len(), 1);
}

async fn t6_without_a_connection_it_fails_in_words_and_never_rings_later(world: World) {
    let port = free_port().await;
    add(&world, "office", asterisk(port)).await.unwrap();
    let call = start(&world, to(PARTNER)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(get(&world, &call.name).await.state(), CallState::Ringing);
    world.pass(11);
    let done = ended(&world, &call.name).await;
    assert_eq!(done.outcome(), CallOutcome::Failed);
    let words = &done.failure;
    assert!(words.contains("did not take it in time: ") && words.contains("127.0.0.1"), "{words}");
    let board = Switchboard::at(port, Script::Play("click")).await;
    connected(&world).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(board.orders().len(), 0, "nobody wants to be rung up long after the click");
}

async fn t6_a_lost_answer_rings_nobody_again(world: World) {
    let board = Switchboard::start(Script::Drop("", 0)).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to(PARTNER)).await.unwrap();
    let done = ended(&world, &call.name).await;
    assert_eq!(done.outcome(), CallOutcome::Unspecified, "whether it rang is not known");
    assert!(done.failure.contains("broke just then"), "{}", done.failure);
    assert_eq!(board.orders().len(), 1);
    world.settle(2).await;
}

async fn t6_a_lost_answer_of_a_call_that_rings_is_found_by_its_id(world: World) {
    let board = Switchboard::start(Script::Drop("click", 12)).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to(PARTNER)).await.unwrap();
    let done = ended(&world, &call.name).await;
    is_the_recorded_call(&done);
    assert_eq!((board.orders().len(), world.list("").await.len()), (1, 1));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        get(&world, &call.name).await.failure,
        "",
        "the look at what was sent finds that it was told of"
    );
}

async fn t6_a_call_that_is_never_heard_of_is_given_up(world: World) {
    let board = Switchboard::start(Script::Swallow).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let call = start(&world, to(PARTNER)).await.unwrap();
    board.order().await;
    world.pass(95);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(get(&world, &call.name).await.state(), CallState::Ringing, "it may ring for half a minute");
    world.pass(10);
    let done = ended(&world, &call.name).await;
    assert_eq!(done.outcome(), CallOutcome::Unspecified);
    assert!(done.failure.contains("nothing was heard of the call"), "{}", done.failure);
    assert_eq!(board.orders().len(), 1);
}

async fn t6_a_restart_between_store_and_send_rings_once(world: World) {
    let port = free_port().await;
    add(&world, "office", asterisk(port)).await.unwrap();
    let request = proto::StartCallRequest { request_id: "click-1".into(), ..to(PARTNER) };
    let call = start(&world, request.clone()).await.unwrap();
    // it is stored, and the process is gone before there was a connection
    world.place.context.stop.cancel();
    world.place.context.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), world.place.context.tasks.wait()).await.unwrap();
    let board = Switchboard::at(port, Script::Play("click")).await;
    let second = world.another_process().await;
    assert_eq!(board.order().await["ChannelId"], call.external_id);
    let again = second.calls.clone().start_call(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(again.name, call.name);
    let done = ended_at(&second, &call.name).await;
    is_the_recorded_call(&done);
    assert_eq!(board.orders().len(), 1);
    second.stop.cancel();
}

async fn ended_at(process: &Other, name: &str) -> proto::Call {
    for () in kontor_testbed::patience() {
        let request = proto::GetCallRequest { name: name.to_owned() };
        let call = process.calls.clone().get_call(sales().request(request)).await.unwrap().into_inner();
        if call.state() == CallState::Ended {
            return call;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it goes on");
}

async fn t6_another_process_than_the_one_with_the_connection_takes_it(world: World) {
    if !world.place.is_postgres() {
        // a SQLite file belongs to one process
        return;
    }
    let board = Switchboard::start(Script::Play("click")).await;
    add(&world, "office", asterisk(board.port)).await.unwrap();
    connected(&world).await;
    let other = world.another_process().await;
    let asked = std::time::Instant::now();
    let call = other.calls.clone().start_call(sales().request(to(PARTNER))).await.unwrap().into_inner();
    assert_eq!(board.order().await["ChannelId"], call.external_id);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    is_the_recorded_call(&ended(&world, &call.name).await);
    assert_eq!(board.orders().len(), 1);
    other.stop.cancel();
}

async fn t6_too_many_that_wait_are_refused(world: World) {
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..510 {
        let mut client = world.calls.clone();
        clicks.spawn(async move { client.start_call(sales().request(to("102"))).await });
    }
    let (taken, refused): (Vec<_>, Vec<_>) = clicks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (500, 10));
    for answer in refused {
        assert_eq!(refusal(answer).0, Code::ResourceExhausted);
    }
}

async fn t6_only_the_own_telephone_but_for_leaders_and_administrators(world: World) {
    world.neighbours.add_user("silent", "").await;
    world.neighbours.add_user("stranger", "103").await;
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let call = async |who: kontor_kit::auth::Caller, user: &str| {
        let request = proto::StartCallRequest { user: user.to_owned(), ..to(PARTNER) };
        world.calls.clone().start_call(who.request(request)).await.map(Response::into_inner)
    };
    let leader = || caller("boss", &["sales"], &["sales"]);
    assert_eq!(call(sales(), "users/me").await.unwrap().user, "users/sales");
    assert_eq!(call(leader(), "users/operator").await.unwrap().user, "users/operator");
    assert_eq!(call(admin(), "users/stranger").await.unwrap().user, "users/stranger");
    let before = world.list("").await.len();
    let denied = [
        (sales(), "users/operator", Code::PermissionDenied),
        (caller("stranger", &[], &[]), "users/sales", Code::PermissionDenied),
        (leader(), "users/stranger", Code::PermissionDenied),
        (sales(), "users/nobody", Code::PermissionDenied),
        (admin(), "users/nobody", Code::NotFound),
        (sales(), "operator", Code::InvalidArgument),
        (caller("silent", &[], &[]), "", Code::FailedPrecondition),
        (kontor_kit::auth::Caller::system(), "", Code::InvalidArgument),
    ];
    for (who, user, code) in denied {
        let name = who.name();
        assert_eq!(refusal(call(who, user).await).0, code, "{name} rings {user:?}");
    }
    let unsigned = tonic::Request::new(to(PARTNER));
    assert_eq!(refusal(world.calls.clone().start_call(unsigned).await).0, Code::Unauthenticated);
    assert_eq!(world.list("").await.len(), before);
}

/// A call for an entry of a call list: to its number, and only while the entry is leased by whose telephone rings.
async fn t8_a_call_for_an_entry_of_a_list_goes_to_its_number_under_its_lease(world: World) {
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let lists = crate::lists::Lists::of(&world);
    let entry = listed(&lists).await;
    let request = proto::StartCallRequest { call_list_entry: entry.clone(), validate_only: true, ..to("") };
    let lost = kontor_testbed::failure(start(&world, request.clone()).await);
    assert_eq!(lost, (Code::FailedPrecondition, "LEASE_LOST".to_owned()), "nobody has it");
    let lease = lists.take(&sales()).await;
    assert_eq!(lease.entry.name, entry);
    let rings = proto::StartCallRequest { validate_only: false, ..request.clone() };
    let call = start(&world, rings).await.unwrap();
    assert_eq!((call.call_list_entry.as_str(), call.queue.as_str()), (entry.as_str(), "callLists/fair"));
    assert_eq!(call.callee.unwrap().e164, PARTNER, "its own number");
    let other = proto::StartCallRequest { number: "+33145550000".into(), ..request.clone() };
    let (code, words) = refusal(start(&world, other).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(words.starts_with("call_list_entry: ") && words.contains("another number"), "{words}");
    let none = proto::StartCallRequest { call_list_entry: "callLists/fair/entries/none".into(), ..request };
    assert_eq!(refusal(start(&world, none).await).0, Code::NotFound);
}

/// An entry of a new list with the number of the partner.
async fn listed(lists: &crate::lists::Lists) -> String {
    lists.create("fair", |list| list.any_hour = true).await.unwrap();
    lists.fill(&[PARTNER]).await;
    lists.entries("").await.remove(0).name
}

async fn t6_a_number_that_is_not_to_be_called_needs_a_word(world: World) {
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let lists = crate::lists::Lists::of(&world);
    let entry = listed(&lists).await;
    lists.do_not_call(&sales(), PARTNER).await.unwrap();
    for validate_only in [true, false] {
        let request = proto::StartCallRequest { validate_only, ..to("01 45 55 98 76") };
        let refused = start(&world, request).await;
        assert_eq!(kontor_testbed::failure(refused), (Code::FailedPrecondition, "DO_NOT_CALL".to_owned()));
    }
    let known = proto::StartCallRequest { override_do_not_call: true, ..to(PARTNER) };
    let for_list = proto::StartCallRequest { call_list_entry: entry, ..known.clone() };
    let refused = refusal(start(&world, for_list).await);
    assert!(refused.1.contains("so not for a call list either"), "{refused:?}");
    assert!(world.list("").await.is_empty());
    assert!(start(&world, known.clone()).await.unwrap().overrides_do_not_call);
    let other = proto::StartCallRequest { number: "+33145550000".into(), ..known };
    assert!(!start(&world, other).await.unwrap().overrides_do_not_call, "there was nothing to override");
}

async fn t6_faults_name_the_field(world: World) {
    let silent = world.neighbours.add_partner("Silent", "ask on floor 3").await;
    let (code, words) = refusal(start(&world, to(PARTNER)).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(words.contains("no connector makes calls"), "{words}");
    add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let with = |change: fn(&mut proto::StartCallRequest)| {
        let mut request = to(PARTNER);
        change(&mut request);
        request
    };
    let cases = [
        (to(""), "number: "),
        (to("call me"), "number: "),
        (to(&"1".repeat(97)), "number: "),
        (to("0145559876\r\nAction: x"), "number: "),
        (with(|it| it.partner = "x".into()), "partner: "),
        (with(|it| it.partner = "partners/none".into()), "partner: "),
        (with(|it| it.opportunity = "opportunities/none".into()), "opportunity: "),
        (with(|it| it.call_list_entry = "x".repeat(201)), "call_list_entry: "),
        (with(|it| it.call_list_entry = "callLists/none".into()), "call_list_entry: "),
        (with(|it| it.connector = "office".into()), "connector: "),
        (with(|it| it.request_id = "x".repeat(101)), "request_id: "),
    ];
    for (request, beginning) in cases {
        let (code, words) = refusal(start(&world, request.clone()).await);
        assert_eq!(code, Code::InvalidArgument, "{request:?}");
        assert!(words.starts_with(beginning), "{words}");
    }
    let by_partner =
        |partner: &str| proto::StartCallRequest { partner: partner.to_owned(), ..Default::default() };
    let (code, words) = refusal(start(&world, by_partner(&silent)).await);
    assert!(matches!(code, Code::FailedPrecondition | Code::InvalidArgument), "{words}");
    let nowhere = proto::StartCallRequest { connector: "connectors/nowhere".into(), ..to(PARTNER) };
    assert_eq!(refusal(start(&world, nowhere).await).0, Code::NotFound);
    let webhook = proto::StartCallRequest { connector: "connectors/cloud".into(), ..to(PARTNER) };
    assert_eq!(refusal(start(&world, webhook).await).0, Code::FailedPrecondition);
    assert!(world.list("").await.is_empty());
    let only_checked =
        start(&world, proto::StartCallRequest { validate_only: true, ..to(PARTNER) }).await.unwrap();
    assert_eq!(only_checked.callee.unwrap().e164, PARTNER);
    assert!(world.list("").await.is_empty());
    add(&world, "second", asterisk(free_port().await)).await.unwrap();
    let (code, words) = refusal(start(&world, to(PARTNER)).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(words.contains("connectors/office, connectors/second"), "{words}");
    let named = proto::StartCallRequest { connector: "connectors/second".into(), ..to(PARTNER) };
    assert_eq!(start(&world, named).await.unwrap().connector, "connectors/second");
    // a partner's first number, and the partner that was named
    let called = world.neighbours.add_partner("Called", PARTNER).await;
    let request = proto::StartCallRequest { connector: "connectors/second".into(), ..by_partner(&called) };
    let call = start(&world, request).await.unwrap();
    assert_eq!((call.callee.unwrap().e164.as_str(), &call.partner), (PARTNER, &called));
    let elsewhere = proto::StartCallRequest {
        connector: "connectors/second".into(),
        partner: called.clone(),
        ..to("+33145550000")
    };
    let call = start(&world, elsewhere).await.unwrap();
    assert_eq!((call.callee.unwrap().e164.as_str(), &call.partner), ("+33145550000", &called));
}

async fn t6_settings_are_checked_and_masked(world: World) {
    let made = add(&world, "office", asterisk(free_port().await)).await.unwrap();
    let shown = made.dial.clone().unwrap();
    assert_eq!((shown.device.as_str(), shown.ring_timeout.unwrap().seconds), ("PJSIP/{extension}", 30));
    assert_eq!(shown.number_form(), proto::NumberForm::National);
    let update = async |dial: Option<proto::DialSettings>, paths: &[&str]| {
        let connector = proto::Connector { name: "connectors/office".into(), dial, ..Default::default() };
        let request = proto::UpdateConnectorRequest {
            connector: Some(connector),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.iter().map(|it| (*it).to_owned()).collect(),
            }),
            ..Default::default()
        };
        world.connectors.clone().update_connector(admin().request(request)).await.map(Response::into_inner)
    };
    let ring = proto::DialSettings {
        ring_timeout: Some(prost_types::Duration { seconds: 7, nanos: 500_000_000 }),
        number_form: proto::NumberForm::E164.into(),
        ..Default::default()
    };
    let changed = update(Some(ring), &["dial.ring_timeout"]).await.unwrap().dial.unwrap();
    assert_eq!(
        (changed.device.as_str(), changed.ring_timeout.unwrap().nanos),
        ("PJSIP/{extension}", 500_000_000)
    );
    assert_eq!(changed.number_form(), proto::NumberForm::National, "the mask does not name it");
    type Change = fn(&mut proto::DialSettings);
    let wrong: [(Change, &str); 4] = [
        (|it| it.device = "PJSIP/alice".into(), "connector.dial.device: "),
        (|it| it.context = "a b".into(), "connector.dial.context: "),
        (
            |it| it.ring_timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            "connector.dial.ring_timeout: ",
        ),
        (|it| it.number_form = 9, "connector.dial.number_form: "),
    ];
    for (change, beginning) in wrong {
        let mut settings = dial();
        change(&mut settings);
        let (code, words) = refusal(update(Some(settings), &["dial"]).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
    assert_eq!(update(None, &["dial"]).await.unwrap().dial, None, "no more calls are made");
    let webhook = proto::Connector {
        kind: Some(Kind::Webhook(proto::WebhookSettings::default())),
        dial: Some(dial()),
        ..Default::default()
    };
    assert!(refusal(add(&world, "hook", webhook).await).1.starts_with("connector.dial: "));
}
