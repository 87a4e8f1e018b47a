//! T15: a dialler that places calls. It calls only where it was started, each number once, and whoever answers gets the operator who is free longest or is a dropped call.

use std::collections::BTreeSet;
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::board_service_client::BoardServiceClient;
use kontor_proto::telephony::v1::dialler_service_client::DiallerServiceClient;
use kontor_proto::telephony::v1::operator_service_client::OperatorServiceClient;
use kontor_proto::telephony::v1::pacing_service_client::PacingServiceClient;
use kontor_proto::telephony::v1::{
    CallListEntryState as EntryState, CallListOutcome, CallOutcome, CallOutcomeReason as Reason,
    CancelReason, DiallerState, OperatorState, PacingMode,
};
use kontor_testbed::{SECOND, admin, caller, failure};
use tonic::{Code, Response, Status};

use crate::carrier::{Carrier, Fate};
use crate::lists::{FAIR, Lease, Lists, lead, mask, numbers, operator};
use crate::start_call::{add, asterisk};
use crate::switchboard::free_port;
use crate::world::{Other, World, refusal};

kontor_testbed::on_both! { World;
    t15_who_answers_gets_the_operator_who_is_free_longest,
    t15_calls_in_vain_follow_the_rules_of_the_list,
    t15_nobody_free_is_a_dropped_call_and_counted,
    t15_a_telephone_that_nobody_takes_is_a_dropped_call,
    t15_it_stops_ringing_ahead_when_the_budget_is_spent,
    t15_numbers_that_are_not_to_be_called_are_never_ordered,
    t15_two_lists_do_not_call_for_the_same_operator,
    t15_a_process_that_dies_before_it_sends_loses_nothing_and_calls_once,
    t15_an_order_whose_answer_is_lost_is_not_sent_again,
    t15_an_order_that_nobody_took_uses_up_no_try,
    t15_two_processes_call_each_number_once_and_one_takes_over,
    t15_it_is_started_and_stopped_by_who_leads_the_team,
    t15_it_stops_with_its_list_and_its_connector,
}

const DIALLER: &str = "callLists/fair/dialler";

fn trunk(port: u16) -> proto::Connector {
    let mut connector = asterisk(port);
    let dial = connector.dial.as_mut().unwrap();
    dial.list_device = "PJSIP/{number}@trunk".to_owned();
    dial.wait_extension = "wait".to_owned();
    dial.list_caller_id = "Acme <+33145550100>".to_owned();
    dial.number_form = proto::NumberForm::E164.into();
    connector
}

/// A list of so many numbers, and a telephone system that is connected.
async fn ready(world: &World, count: usize, fate: Fate) -> (Lists, Carrier) {
    let carrier = Carrier::start(0, world.place.context.clock.clone(), fate).await;
    add(world, "office", trunk(carrier.port)).await.unwrap();
    connected(world).await;
    let lists = Lists::with_list(world, |list| list.any_hour = true).await;
    lists.fill(&numbers(count).iter().map(String::as_str).collect::<Vec<_>>()).await;
    (lists, carrier)
}

async fn connected(world: &World) {
    until("connected", async || world.connector("office").await.state.unwrap().connected).await;
}

async fn until(what: &str, good: impl AsyncFn() -> bool) {
    for () in kontor_testbed::patience() {
        if good().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {what}");
}

/// Longer than two rounds of a dialler.
async fn rounds() {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

async fn set_state(world: &World, user: &str, state: OperatorState) {
    let mut client = OperatorServiceClient::new(world.link.clone());
    let request = proto::SetOperatorStateRequest {
        name: "operators/me".to_owned(),
        state: state.into(),
        ..Default::default()
    };
    client.set_operator_state(operator(user).request(request)).await.unwrap();
}

/// Signs an operator in to lists.
async fn sign_in_to(world: &World, user: &str, lists: &[&str]) {
    let mut client = OperatorServiceClient::new(world.link.clone());
    let given = proto::Operator {
        name: "operators/me".to_owned(),
        call_lists: lists.iter().map(|list| (*list).to_owned()).collect(),
        ..Default::default()
    };
    let request = proto::UpdateOperatorRequest { operator: Some(given), ..Default::default() };
    client.update_operator(operator(user).request(request)).await.unwrap();
    set_state(world, user, OperatorState::Available).await;
}

async fn sign_in(world: &World, user: &str) {
    sign_in_to(world, user, &[FAIR]).await;
}

async fn state(world: &World, user: &str) -> OperatorState {
    let mut client = OperatorServiceClient::new(world.link.clone());
    let request = proto::GetOperatorRequest { name: format!("operators/{user}") };
    client.get_operator(lead().request(request)).await.unwrap().into_inner().state()
}

fn diallers(world: &World) -> DiallerServiceClient<kontor_kit::link::Link> {
    DiallerServiceClient::new(world.link.clone())
}

async fn start_as(world: &World, who: &Caller, name: &str) -> Result<proto::Dialler, Status> {
    let request = proto::StartDiallerRequest { name: name.to_owned(), ..Default::default() };
    diallers(world).start_dialler(who.request(request)).await.map(Response::into_inner)
}

async fn start(world: &World) {
    let started = start_as(world, &lead(), DIALLER).await.unwrap();
    assert_eq!((started.state(), started.connector.as_str()), (DiallerState::Running, "connectors/office"));
}

async fn stop(world: &World) -> proto::Dialler {
    let request = proto::StopDiallerRequest { name: DIALLER.to_owned(), ..Default::default() };
    diallers(world).stop_dialler(lead().request(request)).await.unwrap().into_inner()
}

async fn get(world: &World) -> proto::Dialler {
    let request = proto::GetDiallerRequest { name: DIALLER.to_owned() };
    diallers(world).get_dialler(operator("sales").request(request)).await.unwrap().into_inner()
}

async fn pace(world: &World, change: impl FnOnce(&mut proto::Pacing)) {
    let mut pacing = proto::Pacing { name: "callLists/fair/pacing".to_owned(), ..Default::default() };
    change(&mut pacing);
    let request = proto::UpdatePacingRequest { pacing: Some(pacing), ..Default::default() };
    PacingServiceClient::new(world.link.clone()).update_pacing(lead().request(request)).await.unwrap();
}

/// The entry of a number.
async fn entry(lists: &Lists, number: &str) -> proto::CallListEntry {
    lists.entries(&format!("e164 = \"{number}\"")).await.remove(0)
}

/// The call of a number.
async fn call(world: &World, number: &str) -> proto::Call {
    let calls = world.list("").await;
    let found = calls.into_iter().find(|call| call.callee.as_ref().is_some_and(|it| it.e164 == number));
    found.expect("it was called")
}

/// The figures of the list since midnight.
async fn figures(world: &World) -> proto::Figures {
    let request = lead().request(proto::GetBoardRequest {});
    let board = BoardServiceClient::new(world.link.clone()).get_board(request).await.unwrap().into_inner();
    let of_list = |it: &proto::Figures| it.scope == FAIR && it.window() == proto::FigureWindow::Today;
    board.figures.into_iter().find(of_list).unwrap_or_default()
}

async fn t15_who_answers_gets_the_operator_who_is_free_longest(world: World) {
    let (lists, carrier) = ready(&world, 3, Fate::Rings).await;
    sign_in(&world, "operator").await;
    world.pass(5);
    sign_in(&world, "sales").await;
    rounds().await;
    assert!(carrier.called().is_empty(), "nobody asked for it");
    assert_eq!(
        (get(&world).await.state(), get(&world).await.connector.as_str()),
        (DiallerState::Stopped, "")
    );
    start(&world).await;
    let orders = carrier.wait("Originate", 2).await;
    let called = carrier.called();
    let first = &called[0];
    assert_eq!(orders[0]["Channel"], format!("PJSIP/{first}@trunk"));
    assert_eq!((&*orders[0]["Exten"], &*orders[0]["Context"]), ("wait", "internal"));
    assert_eq!((&*orders[0]["CallerID"], &*orders[0]["Timeout"]), ("Acme <+33145550100>", "20000"));
    rounds().await;
    assert_eq!(carrier.called().len(), 2, "one for each operator who is free");
    assert!(get(&world).await.description.contains("one call for each free operator"));
    carrier.does(first, Fate::Answers);
    let sent = carrier.wait("Redirect", 1).await;
    assert_eq!((&*sent[0]["Exten"], &*sent[0]["Context"]), ("102", "internal"), "operator was free first");
    assert_eq!(sent[0]["Channel"], orders[0]["ChannelId"]);
    until("talking", async || state(&world, "operator").await == OperatorState::Talking).await;
    assert_eq!(state(&world, "sales").await, OperatorState::Available);
    let told = call(&world, first).await;
    assert_eq!((told.user.as_str(), told.queue.as_str()), ("users/operator", FAIR));
    // the operator's screen gets the token by the entry that the call names
    let lease = async |who: &str| {
        let request = proto::GetLeaseRequest { name: told.call_list_entry.clone() };
        lists.dispatch.clone().get_lease(operator(who).request(request)).await.map(Response::into_inner)
    };
    assert_eq!(failure(lease("sales").await), (Code::FailedPrecondition, "LEASE_LOST".to_owned()));
    let held = lease("operator").await.unwrap();
    let had = held.entry.unwrap();
    assert_eq!((had.operator.as_str(), had.call.as_str()), ("users/operator", told.name.as_str()));
    carrier.over(first);
    until("over", async || call(&world, first).await.end_time.is_some()).await;
    world.pass(4);
    assert_eq!(call(&world, first).await.outcome(), CallOutcome::Answered);
    assert_eq!(state(&world, "operator").await, OperatorState::WrapUp);
    let lease = Lease { caller: operator("operator"), entry: had, token: held.lease_token };
    let done = lists.record(&lease, CallListOutcome::Held, |_| ()).await.unwrap();
    assert_eq!((done.state(), done.call), (EntryState::Held, told.name));
    carrier.does(&called[1], Fate::Answers);
    assert_eq!(carrier.wait("Redirect", 2).await[1]["Exten"], "101");
    until("figures", async || figures(&world).await.handled_count == 1).await;
    let figures = figures(&world).await;
    assert_eq!((figures.placed_count, figures.live_count, figures.dropped_count), (1, 1, 0));
}

async fn t15_calls_in_vain_follow_the_rules_of_the_list(world: World) {
    let (lists, carrier) = ready(&world, 2, Fate::Rings).await;
    for user in ["sales", "operator"] {
        sign_in(&world, user).await;
    }
    start(&world).await;
    carrier.wait("Originate", 2).await;
    let [busy, silent] = [&numbers(2)[0], &numbers(2)[1]];
    carrier.does(busy, Fate::Busy);
    carrier.does(silent, Fate::NoAnswer);
    until("busy", async || call(&world, busy).await.outcome() == CallOutcome::Busy).await;
    until("rung out", async || call(&world, silent).await.outcome() == CallOutcome::NoAnswer).await;
    world.pass(4);
    for (number, reason, minutes) in [(busy, Reason::Busy, 15), (silent, Reason::NoAnswer, 120)] {
        until("open", async || entry(&lists, number).await.state() == EntryState::Open).await;
        let entry = entry(&lists, number).await;
        assert_eq!((entry.tries, entry.last_reason()), (1, reason));
        let due = kontor_kit::clock::from_proto(&entry.due_time.unwrap());
        assert_eq!((due - world.now()) / SECOND / 60, minutes);
    }
    assert_eq!(state(&world, "sales").await, OperatorState::Available);
    assert!(get(&world).await.description.contains("no number of the list"), "{:?}", get(&world).await);
    until("figures", async || figures(&world).await.not_held_count == 2).await;
    assert_eq!((figures(&world).await.placed_count, figures(&world).await.live_count), (2, 0));
    // busy comes again by itself, and after the third time not any more
    for time in 2..=3 {
        carrier.fate(Fate::Busy);
        world.pass(16 * 60);
        for user in ["sales", "operator"] {
            set_state(&world, user, OperatorState::Available).await;
        }
        carrier.wait("Originate", 1 + time).await;
        let mut tries = 0;
        for () in kontor_testbed::patience() {
            world.pass(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
            tries = entry(&lists, busy).await.tries;
            if tries == i32::try_from(time).unwrap() {
                break;
            }
        }
        assert_eq!(tries, i32::try_from(time).unwrap());
    }
    assert_eq!(entry(&lists, busy).await.cancel_reason(), CancelReason::MaxAttempts);
}

async fn t15_nobody_free_is_a_dropped_call_and_counted(world: World) {
    let (lists, carrier) = ready(&world, 1, Fate::Rings).await;
    sign_in(&world, "sales").await;
    start(&world).await;
    let order = carrier.wait("Originate", 1).await.remove(0);
    // signs off while it rings
    set_state(&world, "sales", OperatorState::Offline).await;
    let number = &numbers(1)[0];
    carrier.does(number, Fate::Answers);
    let hung_up = carrier.wait("Hangup", 1).await;
    assert_eq!(hung_up[0]["Channel"], order["ChannelId"]);
    until("over", async || call(&world, number).await.outcome() == CallOutcome::Abandoned).await;
    assert!(carrier.actions("Redirect").is_empty());
    world.pass(4);
    until("open", async || entry(&lists, number).await.state() == EntryState::Open).await;
    let entry = entry(&lists, number).await;
    assert_eq!((entry.tries, entry.last_reason(), entry.operator.as_str()), (1, Reason::Dropped, ""));
    until("figures", async || figures(&world).await.dropped_count == 1).await;
    assert_eq!(figures(&world).await.live_count, 1);
}

async fn t15_a_telephone_that_nobody_takes_is_a_dropped_call(world: World) {
    let (lists, carrier) = ready(&world, 1, Fate::Answers).await;
    carrier.nobody_takes();
    sign_in(&world, "sales").await;
    start(&world).await;
    carrier.wait("Redirect", 1).await;
    let number = &numbers(1)[0];
    until("ringing", async || state(&world, "sales").await == OperatorState::Ringing).await;
    world.pass(15);
    carrier.rings_out(number);
    until("over", async || call(&world, number).await.outcome() == CallOutcome::Abandoned).await;
    world.pass(4);
    until("open", async || entry(&lists, number).await.state() == EntryState::Open).await;
    assert_eq!(entry(&lists, number).await.last_reason(), Reason::Dropped);
    // who lets it ring is not there: nobody else is dropped for that
    assert_eq!(state(&world, "sales").await, OperatorState::Break);
}

async fn t15_it_stops_ringing_ahead_when_the_budget_is_spent(world: World) {
    let (_lists, carrier) = ready(&world, 60, Fate::Rings).await;
    pace(&world, |pacing| {
        pacing.mode = PacingMode::Predictive.into();
        pacing.drop_cap_per_mille = 100;
    })
    .await;
    // 30 answers of 180 calls: at 8 % that is a budget of 2.4
    for call in 0..180 {
        let id = format!("c{call}");
        tell(&world, &id, "RINGING", "").await;
        if call % 6 == 0 {
            tell(&world, &id, "ANSWERED", r#", "extension": "102""#).await;
            tell(&world, &id, "HUNGUP", "").await;
        } else {
            tell(&world, &id, "HUNGUP", r#", "outcome": "NO_ANSWER""#).await;
        }
    }
    world.pass(5);
    until("counted", async || figures(&world).await.live_count == 30).await;
    for user in ["sales", "operator", "third"] {
        sign_in(&world, user).await;
    }
    start(&world).await;
    until("ringing ahead", async || carrier.called().len() > 3).await;
    rounds().await;
    let ahead = carrier.called();
    // all three operators leave: the next two who answer find nobody
    for user in ["sales", "operator", "third"] {
        set_state(&world, user, OperatorState::Offline).await;
    }
    for number in &ahead[..2] {
        carrier.does(number, Fate::Answers);
    }
    carrier.wait("Hangup", 2).await;
    for number in &ahead[2..ahead.len() - 1] {
        carrier.does(number, Fate::NoAnswer);
    }
    until("one rings", async || {
        let ringing = world.list("state = RINGING").await.len();
        ringing == 1
    })
    .await;
    for user in ["sales", "operator", "third"] {
        set_state(&world, user, OperatorState::Available).await;
    }
    // the drops count at once, not only when the figures have them
    carrier.wait("Originate", ahead.len() + 2).await;
    rounds().await;
    assert_eq!(carrier.called().len(), ahead.len() + 2, "one for each operator, less the one that rings");
    assert!(get(&world).await.description.contains("no call may be dropped now"), "{:?}", get(&world).await);
}

/// An event of an earlier call of the list.
async fn tell(world: &World, call: &str, kind: &str, more: &str) {
    let ago = if kind == "RINGING" { 400 } else { 380 };
    let time = jiff::Timestamp::from_microsecond(world.now() - ago * SECOND).unwrap();
    let body = format!(
        r#"{{"call_id": "{call}", "kind": "{kind}", "event_time": "{time}", "direction": "OUTBOUND", "from": "100", "to": "0475 12 34 56", "queue": "{FAIR}"{more}}}"#
    );
    world.post(&body).await.unwrap();
}

async fn t15_numbers_that_are_not_to_be_called_are_never_ordered(world: World) {
    let (lists, carrier) = ready(&world, 3, Fate::Rings).await;
    let [first, second, third] = [&numbers(3)[0], &numbers(3)[1], &numbers(3)[2]];
    lists.do_not_call(&lead(), first).await.unwrap();
    for user in ["sales", "operator", "third"] {
        sign_in(&world, user).await;
    }
    start(&world).await;
    carrier.wait("Originate", 2).await;
    rounds().await;
    let called: BTreeSet<String> = carrier.called().into_iter().collect();
    assert_eq!(called, BTreeSet::from([second.clone(), third.clone()]));
    // while it rings it is too late, but it is not called again
    lists.do_not_call(&lead(), second).await.unwrap();
    carrier.does(second, Fate::Busy);
    until("busy", async || call(&world, second).await.outcome() == CallOutcome::Busy).await;
    world.pass(4);
    until("cancelled", async || entry(&lists, second).await.state() == EntryState::Cancelled).await;
    assert_eq!(entry(&lists, second).await.cancel_reason(), CancelReason::DoNotCall);
}

async fn t15_two_lists_do_not_call_for_the_same_operator(world: World) {
    let (lists, carrier) = ready(&world, 3, Fate::Rings).await;
    lists.create("other", |list| list.any_hour = true).await.unwrap();
    let rows = vec![crate::lists::row("+32471000000"), crate::lists::row("+32471000001")];
    let settings = proto::CallListImport { parent: "callLists/other".to_owned(), ..Default::default() };
    lists.import_as(&lead(), settings, rows).await.unwrap();
    sign_in_to(&world, "sales", &[FAIR, "callLists/other"]).await;
    start(&world).await;
    start_as(&world, &lead(), "callLists/other/dialler").await.unwrap();
    carrier.wait("Originate", 1).await;
    rounds().await;
    assert_eq!(carrier.called().len(), 1, "one operator is free once");
}

/// With two orders that wait for a telephone system at this port.
async fn waiting(world: &World) -> (Lists, u16) {
    let port = free_port().await;
    add(world, "office", trunk(port)).await.unwrap();
    let lists = Lists::with_list(world, |list| list.any_hour = true).await;
    lists.fill(&[numbers(2)[0].as_str(), numbers(2)[1].as_str()]).await;
    for user in ["sales", "operator"] {
        sign_in(world, user).await;
    }
    start(world).await;
    // as a process that died leaves it behind: it was connected
    let (storage, clock) = (&world.place.context.storage, world.place.context.clock.clone());
    let db = Db::open(storage, "telephony", kontor_telephony::MIGRATIONS, clock).await.unwrap();
    let sql = "UPDATE connector_state SET connected = 1 WHERE connector = 'office'";
    until("stored", async || {
        db.write(move |tx: &mut Tx<'_>| tx.execute(sql, &[])).await.unwrap();
        world.list("").await.len() == 2
    })
    .await;
    (lists, port)
}

async fn end(world: &World) {
    world.place.context.stop.cancel();
    world.place.context.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), world.place.context.tasks.wait()).await.unwrap();
}

async fn t15_a_process_that_dies_before_it_sends_loses_nothing_and_calls_once(world: World) {
    let (lists, port) = waiting(&world).await;
    end(&world).await;
    let carrier = Carrier::start(port, world.place.context.clock.clone(), Fate::Rings).await;
    let second = world.another_process().await;
    let orders = carrier.wait("Originate", 2).await;
    rounds().await;
    let called: BTreeSet<String> = carrier.called().into_iter().collect();
    assert_eq!((carrier.called().len(), called.len()), (2, 2), "each once, and no more than were stored");
    for order in orders {
        let known = world.list(&format!("external_id = \"{}\"", order["ChannelId"])).await;
        assert_eq!(known.len(), 1, "under the id that it was stored with");
    }
    // and what comes back goes on over there
    carrier.does(&numbers(2)[0], Fate::Answers);
    assert_eq!(carrier.wait("Redirect", 1).await.len(), 1);
    assert_eq!(entry(&lists, &numbers(2)[0]).await.state(), EntryState::Dialling);
    second.stop.cancel();
}

async fn t15_an_order_whose_answer_is_lost_is_not_sent_again(world: World) {
    let (lists, carrier) = ready(&world, 1, Fate::Cut).await;
    sign_in(&world, "sales").await;
    start(&world).await;
    carrier.wait("Originate", 1).await;
    let number = &numbers(1)[0];
    until("given up", async || call(&world, number).await.end_time.is_some()).await;
    world.pass(4);
    until("open", async || entry(&lists, number).await.state() == EntryState::Open).await;
    let entry = entry(&lists, number).await;
    assert_eq!((entry.tries, entry.last_reason()), (1, Reason::Lost), "whether it rang is not known");
    assert_eq!(carrier.called().len(), 1);
}

async fn t15_an_order_that_nobody_took_uses_up_no_try(world: World) {
    let (lists, port) = waiting(&world).await;
    world.pass(11);
    until("over", async || world.list("state = ENDED").await.len() == 2).await;
    world.pass(4);
    let first = &numbers(2)[0];
    until("open", async || entry(&lists, first).await.state() == EntryState::Open).await;
    assert_eq!(entry(&lists, first).await.tries, 0);
    let carrier = Carrier::start(port, world.place.context.clock.clone(), Fate::Rings).await;
    connected(&world).await;
    rounds().await;
    assert!(carrier.called().is_empty(), "not at once again, for the next one may go the same way");
    world.pass(16 * 60);
    for user in ["sales", "operator"] {
        set_state(&world, user, OperatorState::Available).await;
    }
    carrier.wait("Originate", 2).await;
}

async fn t15_two_processes_call_each_number_once_and_one_takes_over(world: World) {
    if !world.place.is_postgres() {
        // a SQLite file belongs to one process
        return;
    }
    let (_lists, carrier) = ready(&world, 40, Fate::NoAnswer).await;
    let second: Other = world.another_process().await;
    for number in 0..8 {
        sign_in(&world, &format!("op{number}")).await;
    }
    pace(&world, |pacing| pacing.mode = PacingMode::Progressive.into()).await;
    start(&world).await;
    carrier.wait("Originate", 8).await;
    // the first one goes, and gives back what it holds
    end(&world).await;
    let there = Lists::over(&second.link);
    until("connected over there", async || {
        let request = proto::GetConnectorRequest { name: "connectors/office".to_owned() };
        let connector = second.connectors.clone().get_connector(admin().request(request)).await.unwrap();
        connector.into_inner().state.unwrap().connected
    })
    .await;
    // time goes on only when all that was ordered has reached the telephone system: an order that waits too long is taken back
    for () in kontor_testbed::patience() {
        if there.entries("tries = 1").await.len() == 40 {
            break;
        }
        let ordered = there.entries("state = DIALLING").await;
        let called: BTreeSet<String> = carrier.called().into_iter().collect();
        if ordered.iter().all(|entry| called.contains(&entry.number)) {
            world.pass(1);
            for number in 0..8 {
                let request = proto::SendHeartbeatRequest { name: "operators/me".to_owned() };
                let mut client = OperatorServiceClient::new(second.link.clone());
                client.send_heartbeat(operator(&format!("op{number}")).request(request)).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(there.entries("tries = 1").await.len(), 40, "none is lost");
    let called = carrier.called();
    assert_eq!(called.len(), 40);
    assert_eq!(called.into_iter().collect::<BTreeSet<_>>().len(), 40, "each was called once");
    second.stop.cancel();
}

async fn t15_it_is_started_and_stopped_by_who_leads_the_team(world: World) {
    let lists = Lists::with_list(&world, |list| list.any_hour = true).await;
    lists.fill(&[numbers(1)[0].as_str()]).await;
    let none = refusal(start_as(&world, &lead(), DIALLER).await);
    assert!(none.0 == Code::FailedPrecondition && none.1.contains("no connector dials lists"), "{none:?}");
    let plain = asterisk(free_port().await);
    add(&world, "plain", plain).await.unwrap();
    assert!(refusal(start_as(&world, &lead(), DIALLER).await).1.contains("no connector dials lists"));
    add(&world, "office", trunk(free_port().await)).await.unwrap();
    assert_eq!(refusal(start_as(&world, &operator("sales"), DIALLER).await).0, Code::PermissionDenied);
    let stranger = caller("far", &["support"], &["support"]);
    assert_eq!(refusal(start_as(&world, &stranger, DIALLER).await).0, Code::NotFound);
    let request = proto::GetDiallerRequest { name: DIALLER.to_owned() };
    assert_eq!(failure(diallers(&world).get_dialler(stranger.request(request)).await).0, Code::NotFound);
    assert_eq!(refusal(start_as(&world, &lead(), "callLists/fair").await).0, Code::InvalidArgument);
    let named = async |connector: &str| {
        let connector = connector.to_owned();
        let request =
            proto::StartDiallerRequest { name: DIALLER.to_owned(), connector, ..Default::default() };
        diallers(&world).start_dialler(lead().request(request)).await.map(Response::into_inner)
    };
    assert_eq!(refusal(named("connectors/none").await).0, Code::NotFound);
    assert!(refusal(named("connectors/plain").await).1.contains("dials no lists"));
    pace(&world, |pacing| pacing.mode = PacingMode::Preview.into()).await;
    assert!(refusal(start_as(&world, &lead(), DIALLER).await).1.contains("preview"));
    pace(&world, |pacing| pacing.mode = PacingMode::Progressive.into()).await;
    let started = start_as(&world, &admin(), DIALLER).await.unwrap();
    assert_eq!((started.state(), started.user.as_str()), (DiallerState::Running, "users/admin"));
    assert!(started.description.contains("is not connected"), "{}", started.description);
    assert_eq!(start_as(&world, &lead(), DIALLER).await.unwrap(), started, "it runs already");
    let stopped = stop(&world).await;
    assert_eq!((stopped.state(), stopped.user.as_str()), (DiallerState::Stopped, "users/lead"));
    assert_eq!(stop(&world).await, stopped);
    let events = world.events().await;
    assert_eq!(events.iter().filter_map(payload::<proto::DiallerStarted>).count(), 1);
    assert_eq!(events.iter().filter_map(payload::<proto::DiallerStopped>).count(), 1);
    let told = kontor_testbed::audit::Audit::new(&world.link, "telephony").of(DIALLER).await;
    let told: Vec<String> = told.iter().map(kontor_testbed::audit::line).collect();
    assert!(told[0].starts_with("CREATE admin by StartDialler: "), "{told:?}");
    assert!(told[1].starts_with("UPDATE lead by StopDialler: running "), "{told:?}");
}

async fn t15_it_stops_with_its_list_and_its_connector(world: World) {
    let (lists, _port) = waiting(&world).await;
    // what waits is taken back
    let stopped = stop(&world).await;
    assert_eq!(stopped.state(), DiallerState::Stopped);
    until("over", async || world.list("state = ENDED").await.len() == 2).await;
    world.pass(4);
    until("open", async || entry(&lists, &numbers(1)[0]).await.state() == EntryState::Open).await;
    assert_eq!(entry(&lists, &numbers(1)[0]).await.tries, 0, "nothing rang");
    start(&world).await;
    let delete = async || {
        let request = proto::DeleteCallListRequest { name: FAIR.to_owned(), ..Default::default() };
        lists.lists.clone().delete_call_list(lead().request(request)).await
    };
    assert!(refusal(delete().await).1.contains("the dialler of callLists/fair runs"));
    let state = |state: proto::CallListState| proto::CallList {
        name: FAIR.to_owned(),
        state: state.into(),
        ..Default::default()
    };
    lists.update(&lead(), state(proto::CallListState::Paused), &["state"]).await.unwrap();
    until("stopped", async || get(&world).await.state() == DiallerState::Stopped).await;
    let by_itself = get(&world).await;
    assert_eq!((by_itself.user.as_str(), by_itself.description.as_str()), ("", "its list was paused"));
    assert!(refusal(start_as(&world, &lead(), DIALLER).await).1.contains("is not active"));
    lists.update(&lead(), state(proto::CallListState::Active), &["state"]).await.unwrap();
    rounds().await;
    assert_eq!(get(&world).await.state(), DiallerState::Stopped, "resuming the list starts nothing");
    start(&world).await;
    let connector =
        proto::Connector { name: "connectors/office".to_owned(), disabled: true, ..Default::default() };
    let request = proto::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: Some(mask(&["disabled"])),
        ..Default::default()
    };
    world.connectors.clone().update_connector(admin().request(request)).await.unwrap();
    until("stopped", async || get(&world).await.state() == DiallerState::Stopped).await;
    assert_eq!(get(&world).await.description, "connectors/office was disabled");
    delete().await.unwrap();
    assert_eq!(refusal(delete().await).0, Code::NotFound);
}
