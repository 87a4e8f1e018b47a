//! T8 to T11: each call is leased once, outcomes and their order, tries, retries and call-backs.

use std::collections::BTreeSet;

use kontor_kit::clock;
use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallListOutcome::{Cancelled, Held, NotHeld};
use kontor_proto::telephony::v1::CallOutcomeReason::{Busy, CallBack, NoAnswer, Refused, WrongNumber};
use kontor_proto::telephony::v1::{CallListEntryState as State, CancelReason};
use kontor_testbed::{MONDAY, SECOND, admin, caller, failure};
use tonic::Code;

use crate::lists::{FAIR, Lease, Lists, lead, numbers, operator, row};
use crate::world::{World, refusal};

kontor_testbed::on_both! { World;
    t8_32_operators_get_each_of_1000_calls_once,
    t8_two_processes_lease_each_call_once,
    t8_a_lost_lease_expires_and_uses_up_no_try,
    t8_the_same_request_gets_the_same_lease,
    t8_highest_priority_comes_first_then_the_longest_due,
    t8_paused_lists_lease_nothing,
    t8_all_lists_of_the_team_by_their_priority,
    t8_strangers_and_other_teams_take_nothing,
    t8_a_lease_is_renewed_and_given_back,
    t9_outcomes_end_an_entry_or_bring_it_back,
    t9_what_the_state_does_not_allow_is_refused_with_its_reason,
    t9_each_step_checks_the_token,
    t9_an_operator_lost_in_a_call_uses_up_a_try,
    t10_third_not_held_cancels_with_max_attempts,
    t10_a_lower_limit_counts_at_once,
    t11_busy_is_retried_after_its_delay_inside_calling_hours,
    t11_personal_call_back_goes_only_to_its_owner,
    t11_open_call_back_goes_to_anybody,
    t11_a_call_back_is_moved_and_given_away,
    t11_call_backs_are_told_for_calendars,
}

const HOUR: i64 = 3_600;

async fn t8_32_operators_get_each_of_1000_calls_once(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&numbers(1_000).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let operators = (0..32).map(|number| {
        let lists = lists.clone();
        tokio::spawn(async move {
            let caller = operator(&format!("op{number}"));
            let mut got = Vec::new();
            while let Some(lease) = lists.next(&caller).await {
                got.push(lease.entry.name);
            }
            got
        })
    });
    let mut all = Vec::new();
    for operator in operators.collect::<Vec<_>>() {
        all.extend(operator.await.unwrap());
    }
    assert_eq!(all.len(), 1_000);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 1_000, "each is leased exactly once");
    let summary = lists.summary().await;
    assert_eq!((summary.leased_count, summary.open_count, summary.callable_count), (1_000, 0, 0));
    let events = world.events().await;
    assert_eq!(events.iter().filter_map(payload::<proto::CallListEntryLeased>).count(), 1_000);
}

async fn t8_two_processes_lease_each_call_once(world: World) {
    if !world.place.is_postgres() {
        // a SQLite file belongs to one process
        return;
    }
    let other = world.another_process().await;
    let here = Lists::with_list(&world, |_| ()).await;
    here.fill(&numbers(600).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let there = Lists::over(&other.link);
    let operators = (0..16).map(|number| {
        let lists = if number % 2 == 0 { here.clone() } else { there.clone() };
        tokio::spawn(async move {
            let caller = operator(&format!("op{number}"));
            let mut got = Vec::new();
            while let Some(lease) = lists.next(&caller).await {
                got.push(lease.entry.name);
            }
            (number % 2, got)
        })
    });
    let (mut all, mut shares) = (Vec::new(), [0, 0]);
    for operator in operators.collect::<Vec<_>>() {
        let (process, got) = operator.await.unwrap();
        shares[process] += got.len();
        all.extend(got);
    }
    // what another process holds at this moment is passed over: the last ones may need another look
    while let Some(lease) = here.next(&operator("last")).await {
        all.push(lease.entry.name);
    }
    assert_eq!(all.len(), 600);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 600, "each is leased exactly once");
    assert!(shares.iter().all(|share| *share > 0), "both took part: {shares:?}");
    other.stop.cancel();
}

async fn t8_a_lost_lease_expires_and_uses_up_no_try(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let lost = lists.take(&operator("ann")).await;
    assert_eq!(lost.expires(), MONDAY + 300 * SECOND);
    let answer = lists.take_as(&operator("ben"), FAIR).await.unwrap();
    assert_eq!((answer.entry, answer.lease_token.as_str()), (None, ""));
    assert_eq!(clock::from_proto(&answer.retry_time.unwrap()), MONDAY + 300 * SECOND);
    world.pass(300);
    assert_eq!(failure(lists.dial(&lost).await), (Code::FailedPrecondition, "LEASE_LOST".to_owned()));
    let again = lists.take(&operator("ben")).await;
    assert_eq!((&again.entry.name, again.entry.tries), (&lost.entry.name, 0));
    assert_eq!(again.entry.operator, "users/ben");
    assert_ne!(again.token, lost.token);
    let events = world.events().await;
    let released: Vec<_> = events.iter().filter_map(payload::<proto::CallListEntryReleased>).collect();
    assert_eq!(released.len(), 1);
    assert_eq!((released[0].operator.as_str(), released[0].expired), ("users/ann", true));
}

async fn t8_the_same_request_gets_the_same_lease(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let request = |id: &str| {
        let request = proto::TakeNextCallRequest { parent: FAIR.to_owned(), request_id: id.to_owned() };
        let mut client = lists.dispatch.clone();
        async move { client.take_next_call(operator("ann").request(request)).await.unwrap().into_inner() }
    };
    // nothing found is nothing to be repeated
    assert_eq!(request("a").await.entry, None);
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let first = request("a").await;
    assert!(first.entry.is_some());
    assert_eq!(request("a").await, first);
    assert_ne!(request("b").await.entry, first.entry);
}

async fn t8_highest_priority_comes_first_then_the_longest_due(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let row = |number: &str, priority, due: i64| proto::CallListRow {
        priority,
        due_time: (due != 0).then(|| clock::to_proto(MONDAY + due * SECOND)),
        ..row(number)
    };
    // New York sleeps; London is another zone, and does not
    let rows = vec![
        row("+32475000001", 1, 0),
        row("+32475000002", 5, 0),
        row("+442079460003", 7, 0),
        row("+12125550104", 9, 0),
        row("+32475000005", 5, 0),
        row("+32475000006", 8, 60),
        row("+442079460007", 1, 0),
    ];
    assert_eq!(lists.import(rows).await.created_rows, 7);
    assert_eq!(lists.summary().await.callable_count, 5);
    let ann = operator("ann");
    let mut order = Vec::new();
    order.push(lists.take(&ann).await.entry.e164);
    world.pass(60);
    assert_eq!(lists.summary().await.callable_count, 5);
    while let Some(lease) = lists.next(&ann).await {
        order.push(lease.entry.e164);
    }
    let wanted =
        ["+442079460003", "+32475000006", "+32475000002", "+32475000005", "+32475000001", "+442079460007"];
    assert_eq!(order, wanted);
}

async fn t8_paused_lists_lease_nothing(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let lease = lists.take(&operator("ann")).await;
    let paused = proto::CallList { name: FAIR.to_owned(), state: 2, ..Default::default() };
    lists.update(&lead(), paused.clone(), &["state"]).await.unwrap();
    let answer = lists.take_as(&operator("ann"), FAIR).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "LIST_NOT_ACTIVE".to_owned()));
    assert_eq!(lists.summary().await.callable_count, 0);
    // what runs is finished
    lists.dial(&lease).await.unwrap();
    lists.record(&lease, Held, |_| ()).await.unwrap();
    lists.update(&lead(), proto::CallList { state: 1, ..paused }, &["state"]).await.unwrap();
    lists.take(&operator("ann")).await;
}

async fn t8_all_lists_of_the_team_by_their_priority(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.create("urgent", |list| list.priority = 9).await.unwrap();
    lists.create("paused", |list| list.state = 2).await.unwrap();
    lists.fill(&["+32475123456"]).await;
    for list in ["urgent", "paused"] {
        let settings = proto::CallListImport { parent: format!("callLists/{list}"), ..Default::default() };
        lists.import_as(&lead(), settings, vec![row("+32475123457")]).await.unwrap();
    }
    let mut order = Vec::new();
    while let Some(entry) = lists.take_as(&operator("ann"), "callLists/-").await.unwrap().entry {
        order.push(entry.name.split('/').nth(1).unwrap().to_owned());
    }
    assert_eq!(order, ["urgent", "fair"]);
    let none = lists.take_as(&caller("eve", &["other"], &[]), "callLists/-").await.unwrap();
    assert_eq!(none.entry, None);
}

async fn t8_strangers_and_other_teams_take_nothing(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let eve = caller("eve", &["other"], &["other"]);
    assert_eq!(failure(lists.take_as(&eve, FAIR).await).0, Code::NotFound);
    assert_eq!(failure(lists.take_as(&operator("ann"), "callLists/none").await).0, Code::NotFound);
    assert_eq!(failure(lists.take_as(&operator("ann"), "lists/fair").await).0, Code::InvalidArgument);
    // the token alone is not enough: who may not see the list may not see the entry
    let lease = lists.take(&operator("ann")).await;
    let stolen = Lease { caller: eve, ..lease };
    assert_eq!(failure(lists.dial(&stolen).await).0, Code::NotFound);
    // nor is the way through another list
    lists.create("other", |_| ()).await.unwrap();
    let mut entry = stolen.entry.clone();
    entry.name = entry.name.replace("/fair/", "/other/");
    let through = Lease { caller: operator("ann"), entry, token: stolen.token };
    assert_eq!(failure(lists.dial(&through).await).0, Code::NotFound);
}

async fn t8_a_lease_is_renewed_and_given_back(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let lease = lists.take(&operator("ann")).await;
    world.pass(200);
    let request =
        proto::ExtendLeaseRequest { name: lease.entry.name.clone(), lease_token: lease.token.clone() };
    let mut client = lists.dispatch.clone();
    let answer = client.extend_lease(operator("ann").request(request.clone())).await.unwrap().into_inner();
    assert_eq!(clock::from_proto(&answer.lease_expire_time.unwrap()), MONDAY + 500 * SECOND);
    world.pass(200);
    assert!(lists.next(&operator("ben")).await.is_none());
    let back = proto::ReleaseEntryRequest {
        name: lease.entry.name.clone(),
        lease_token: lease.token.clone(),
        request_id: "once".to_owned(),
    };
    let entry = client.release_entry(operator("ann").request(back.clone())).await.unwrap().into_inner();
    assert_eq!((entry.state(), entry.tries, entry.operator.as_str()), (State::Open, 0, ""));
    assert_eq!(client.release_entry(operator("ann").request(back)).await.unwrap().into_inner(), entry);
    assert_eq!(failure(client.extend_lease(operator("ann").request(request)).await).1, "LEASE_LOST");
    let next = lists.take(&operator("ben")).await;
    lists.dial(&next).await.unwrap();
    let back =
        proto::ReleaseEntryRequest { name: next.entry.name, lease_token: next.token, ..Default::default() };
    let answer = client.release_entry(operator("ben").request(back)).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "TRANSITION_NOT_ALLOWED".to_owned()));
}

async fn t9_outcomes_end_an_entry_or_bring_it_back(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&numbers(5).iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ann = operator("ann");
    let lease = lists.take(&ann).await;
    let dialled = lists.dial(&lease).await.unwrap();
    assert_eq!((dialled.state(), clock::from_proto(&dialled.dial_time.unwrap())), (State::Dialling, MONDAY));
    assert_eq!(clock::from_proto(&dialled.lease_expire_time.unwrap()), MONDAY + 1_800 * SECOND);
    let logged = async |who: &str| {
        let callee = proto::Party { number: lease.entry.e164.clone(), ..Default::default() };
        let call = proto::Call { direction: 2, callee: Some(callee), ..Default::default() };
        let request = proto::CreateCallRequest { call: Some(call), ..Default::default() };
        world.calls.clone().create_call(operator(who).request(request)).await.unwrap().into_inner().name
    };
    let (own, bens) = (logged("ann").await, logged("ben").await);
    for (call, words) in [("calls/none", "does not exist"), (&*bens, "is neither your own nor one of")] {
        let refused = refusal(lists.record(&lease, Held, |request| request.call = call.to_owned()).await);
        assert!(refused.0 == Code::InvalidArgument && refused.1.contains(words), "{refused:?}");
    }
    let tell = |request: &mut proto::RecordOutcomeRequest| {
        request.note = "wants an offer".to_owned();
        request.call = own.clone();
        request.request_id = "once".to_owned();
    };
    let held = lists.record(&lease, Held, tell).await.unwrap();
    assert_eq!(
        (held.state(), held.note.as_str(), held.call.as_str()),
        (State::Held, "wants an offer", own.as_str())
    );
    assert_eq!((held.operator.as_str(), held.tries, held.due_time), ("users/ann", 0, None));
    assert_eq!(lists.record(&lease, Held, tell).await.unwrap(), held, "a repeat has one effect");
    // cancelled, dialled or not
    let lease = lists.take(&ann).await;
    let entry = lists.record(&lease, Cancelled, |_| ()).await.unwrap();
    assert_eq!((entry.state(), entry.cancel_reason()), (State::Cancelled, CancelReason::ByHand));
    // not held
    let entry = lists.fail(&ann, Busy).await;
    assert_eq!((entry.state(), entry.tries, entry.last_reason()), (State::Open, 1, Busy));
    for (reason, cancel) in [(WrongNumber, CancelReason::WrongNumber), (Refused, CancelReason::Refused)] {
        let entry = lists.fail(&ann, reason).await;
        assert_eq!((entry.state(), entry.cancel_reason(), entry.tries), (State::Cancelled, cancel, 1));
    }
    let summary = lists.summary().await;
    assert_eq!((summary.held_count, summary.cancelled_count, summary.open_count), (1, 3, 1));
    let kinds = world.kinds().await;
    let count = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
    assert_eq!(
        (count("CallListEntryHeld"), count("CallListEntryNotHeld"), count("CallListEntryCancelled")),
        (1, 3, 3)
    );
    let held = world.events().await;
    let held = held.iter().find(|event| payload::<proto::CallListEntryHeld>(event).is_some()).unwrap();
    assert_eq!(
        (held.actor.as_str(), held.subject.as_str()),
        ("users/ann", lists.entries("state = HELD").await[0].name.as_str())
    );
}

async fn t9_what_the_state_does_not_allow_is_refused_with_its_reason(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let lease = lists.take(&operator("ann")).await;
    let answer = lists.record(&lease, Held, |_| ()).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "NOT_DIALLED".to_owned()));
    let answer = lists.record(&lease, NotHeld, |request| request.reason = Busy.into()).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "NOT_DIALLED".to_owned()));
    lists.dial(&lease).await.unwrap();
    let (code, words) = refusal(lists.dial(&lease).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(words.ends_with("is being dialled, so it can't be dialled"), "{words}");
    let answer = lists.record(&lease, NotHeld, |request| request.reason = NoAnswer.into()).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "RINGING_TOO_SHORT".to_owned()));
    type Change = fn(&mut proto::RecordOutcomeRequest);
    let cases: [(proto::CallListOutcome, Change, &str); 9] = [
        (NotHeld, |_| (), "reason: "),
        (NotHeld, |request| request.reason = 9, "reason: "),
        (NotHeld, |request| request.reason = 10, "reason: "),
        (Held, |request| request.reason = 1, "reason: "),
        (NotHeld, |request| request.reason = 5, "call_back_time: say when"),
        (NotHeld, |request| (request.reason, request.personal_call_back) = (1, true), "call_back_time: only"),
        (Held, |request| request.outcome = 0, "outcome: "),
        (Held, |request| request.note = "x".repeat(10_001), "note: "),
        (Held, |request| request.call = "seven".to_owned(), "call: "),
    ];
    for (outcome, change, beginning) in cases {
        let (code, words) = refusal(lists.record(&lease, outcome, change).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(words.starts_with(beginning), "{words}");
    }
    let past = |request: &mut proto::RecordOutcomeRequest| {
        request.reason = CallBack.into();
        request.call_back_time = Some(clock::to_proto(MONDAY));
    };
    assert_eq!(failure(lists.record(&lease, NotHeld, past).await).0, Code::InvalidArgument);
    lists.record(&lease, Held, |_| ()).await.unwrap();
    // over is over, for leaders too
    let cancel = proto::CancelCallListEntryRequest { name: lease.entry.name.clone(), ..Default::default() };
    let answer = lists.dispatch.clone().cancel_call_list_entry(lead().request(cancel)).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "TRANSITION_NOT_ALLOWED".to_owned()));
    let moved = proto::CallListEntry { due_time: Some(clock::to_proto(MONDAY)), ..lease.entry };
    let answer =
        lists.change(&lead(), proto::CallListEntry { etag: String::new(), ..moved }, &["due_time"]).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "ENTRY_CLOSED".to_owned()));
}

async fn t9_each_step_checks_the_token(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let (mine, other) = (lists.take(&operator("ann")).await, lists.take(&operator("ben")).await);
    for token in ["", "wrong", &other.token] {
        let lease = Lease { token: token.to_owned(), caller: mine.caller.clone(), entry: mine.entry.clone() };
        assert_eq!(failure(lists.dial(&lease).await), (Code::FailedPrecondition, "LEASE_LOST".to_owned()));
        assert_eq!(failure(lists.record(&lease, Cancelled, |_| ()).await).1, "LEASE_LOST");
    }
    lists.dial(&mine).await.unwrap();
    lists.record(&mine, Held, |_| ()).await.unwrap();
    assert_eq!(failure(lists.record(&mine, Cancelled, |_| ()).await).1, "LEASE_LOST");
    // who has it is not disturbed by leaders
    let cancel = proto::CancelCallListEntryRequest { name: other.entry.name.clone(), ..Default::default() };
    let answer = lists.dispatch.clone().cancel_call_list_entry(lead().request(cancel.clone())).await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "ENTRY_LEASED".to_owned()));
    world.pass(300);
    let answer = lists.dispatch.clone().cancel_call_list_entry(operator("ann").request(cancel.clone())).await;
    assert_eq!(failure(answer).0, Code::PermissionDenied);
    let entry =
        lists.dispatch.clone().cancel_call_list_entry(lead().request(cancel)).await.unwrap().into_inner();
    assert_eq!(entry.cancel_reason(), CancelReason::ByHand);
}

async fn t9_an_operator_lost_in_a_call_uses_up_a_try(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let lease = lists.take(&operator("ann")).await;
    lists.dial(&lease).await.unwrap();
    world.pass(1_799);
    assert!(lists.next(&operator("ben")).await.is_none());
    world.pass(1);
    assert!(lists.next(&operator("ben")).await.is_none());
    let entry = lists.get(&lease.entry.name).await;
    let lost = proto::CallOutcomeReason::Lost;
    assert_eq!((entry.state(), entry.tries, entry.last_reason()), (State::Open, 1, lost));
    assert_eq!(failure(lists.record(&lease, Held, |_| ()).await).1, "LEASE_LOST");
    world.pass(2 * HOUR);
    lists.take(&operator("ben")).await;
}

async fn t10_third_not_held_cancels_with_max_attempts(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let ann = operator("ann");
    for tries in 1..=2 {
        let entry = lists.fail(&ann, Busy).await;
        assert_eq!((entry.state(), entry.tries), (State::Open, tries));
        world.pass(900);
    }
    let entry = lists.fail(&ann, Busy).await;
    assert_eq!((entry.state(), entry.tries), (State::Cancelled, 3));
    assert_eq!(entry.cancel_reason(), CancelReason::MaxAttempts);
    world.pass(24 * HOUR);
    assert!(lists.next(&ann).await.is_none());
    // the limit is the list's own
    lists.create("once", |list| list.max_tries = 1).await.unwrap();
    let settings = proto::CallListImport { parent: "callLists/once".to_owned(), ..Default::default() };
    lists.import_as(&lead(), settings, vec![row("+32475123456")]).await.unwrap();
    let answer = lists.take_as(&ann, "callLists/once").await.unwrap();
    let lease = Lease { caller: ann, entry: answer.entry.unwrap(), token: answer.lease_token };
    lists.dial(&lease).await.unwrap();
    let entry = lists.record(&lease, NotHeld, |request| request.reason = Busy.into()).await.unwrap();
    assert_eq!(entry.cancel_reason(), CancelReason::MaxAttempts);
}

async fn t10_a_lower_limit_counts_at_once(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let ann = operator("ann");
    let failed = lists.fail(&ann, Busy).await;
    let lower = proto::CallList { name: FAIR.to_owned(), max_tries: 1, ..Default::default() };
    lists.update(&lead(), lower, &["max_tries"]).await.unwrap();
    world.pass(900);
    let lease = lists.take(&ann).await;
    assert_ne!(lease.entry.name, failed.name);
    assert!(lists.next(&ann).await.is_none());
    assert_eq!(lists.get(&failed.name).await.cancel_reason(), CancelReason::MaxAttempts);
}

async fn t11_busy_is_retried_after_its_delay_inside_calling_hours(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let ann = operator("ann");
    let entry = lists.fail(&ann, Busy).await;
    assert_eq!(clock::from_proto(&entry.due_time.unwrap()), MONDAY + 900 * SECOND);
    world.pass(899);
    assert!(lists.next(&ann).await.is_none());
    world.pass(1);
    lists.hold(&ann).await;
    // at ten to eight in the evening a delay of 15 minutes ends the next morning at eight
    world.place.set_clock(MONDAY + 9 * HOUR * SECOND + 3_000 * SECOND);
    lists.fill(&["+32475123457"]).await;
    let entry = lists.fail(&ann, Busy).await;
    let eight = MONDAY + 22 * HOUR * SECOND;
    assert_eq!(clock::from_proto(&entry.due_time.unwrap()), eight);
    world.place.set_clock(eight - 1);
    assert!(lists.next(&ann).await.is_none());
    world.place.set_clock(eight);
    // nobody answers: another delay
    let lease = lists.take(&ann).await;
    lists.dial(&lease).await.unwrap();
    world.pass(15);
    let entry = lists.record(&lease, NotHeld, |request| request.reason = NoAnswer.into()).await.unwrap();
    assert_eq!(clock::from_proto(&entry.due_time.unwrap()), eight + (15 + 2 * HOUR) * SECOND);
}

/// Agrees to a call-back of the next call.
async fn agree(
    lists: &Lists,
    ann: &kontor_kit::auth::Caller,
    time: i64,
    personal: bool,
) -> proto::CallListEntry {
    let lease = lists.take(ann).await;
    lists.dial(&lease).await.unwrap();
    let when = |request: &mut proto::RecordOutcomeRequest| {
        request.reason = CallBack.into();
        request.call_back_time = Some(clock::to_proto(time));
        request.personal_call_back = personal;
    };
    lists.record(&lease, NotHeld, when).await.unwrap()
}

async fn t11_personal_call_back_goes_only_to_its_owner(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let (ann, ben) = (operator("ann"), operator("ben"));
    let at = MONDAY + 2 * HOUR * SECOND;
    let entry = agree(&lists, &ann, at, true).await;
    assert_eq!((entry.owner.as_str(), entry.call_back, entry.tries), ("users/ann", true, 0));
    assert_eq!((entry.state(), clock::from_proto(&entry.due_time.unwrap())), (State::Open, at));
    world.place.set_clock(at);
    // it comes before all others, but only to her
    let other = lists.hold(&ben).await;
    assert_ne!(other.name, entry.name);
    assert!(lists.next(&ben).await.is_none());
    assert!(lists.next(&lead()).await.is_none());
    let own = lists.take(&ann).await;
    assert_eq!(own.entry.name, entry.name);
    // not reached: it stays hers, and is moved
    lists.dial(&own).await.unwrap();
    let entry = lists.record(&own, NotHeld, |request| request.reason = Busy.into()).await.unwrap();
    assert_eq!((entry.owner.as_str(), entry.tries), ("users/ann", 1));
    world.pass(900);
    assert!(lists.next(&ben).await.is_none());
    let held = lists.hold(&ann).await;
    assert_eq!((held.owner.as_str(), held.call_back), ("", false));
    // outside of calling hours it is refused, with the next time
    lists.fill(&["+32475123458"]).await;
    let lease = lists.take(&ann).await;
    lists.dial(&lease).await.unwrap();
    let night = |request: &mut proto::RecordOutcomeRequest| {
        request.reason = CallBack.into();
        request.call_back_time = Some(clock::to_proto(MONDAY + 14 * HOUR * SECOND));
    };
    let status = lists.record(&lease, NotHeld, night).await.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!(
        (reason.as_str(), metadata["next_time"].as_str()),
        ("OUTSIDE_CALLING_HOURS", "2026-11-24T07:00:00Z")
    );
}

async fn t11_open_call_back_goes_to_anybody(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let at = MONDAY + HOUR * SECOND;
    let entry = agree(&lists, &operator("ann"), at, false).await;
    assert_eq!((entry.owner.as_str(), entry.call_back), ("", true));
    assert!(lists.next(&operator("ben")).await.is_none());
    world.place.set_clock(at);
    assert_eq!(lists.take(&operator("ben")).await.entry.name, entry.name);
}

async fn t11_a_call_back_is_moved_and_given_away(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let (ann, ben) = (operator("ann"), operator("ben"));
    let entry = agree(&lists, &ann, MONDAY + 2 * HOUR * SECOND, true).await;
    let at = |hours: i64| Some(clock::to_proto(MONDAY + hours * HOUR * SECOND));
    let moved = proto::CallListEntry { due_time: at(3), ..entry.clone() };
    assert_eq!(failure(lists.change(&ben, moved.clone(), &["due_time"]).await).0, Code::PermissionDenied);
    let moved = lists.change(&ann, moved, &["due_time"]).await.unwrap();
    assert_eq!(moved.due_time, at(3));
    let stale = proto::CallListEntry { due_time: at(4), ..entry.clone() };
    assert_eq!(
        failure(lists.change(&ann, stale, &["due_time"]).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    let night = proto::CallListEntry { due_time: at(14), ..moved.clone() };
    assert_eq!(failure(lists.change(&ann, night, &["due_time"]).await).1, "OUTSIDE_CALLING_HOURS");
    // only leaders give it to somebody else; everybody gives their own back
    let given = proto::CallListEntry { owner: "users/operator".to_owned(), ..moved.clone() };
    assert_eq!(failure(lists.change(&ann, given.clone(), &["owner"]).await).0, Code::PermissionDenied);
    let none = proto::CallListEntry { owner: "users/nobody".to_owned(), ..moved.clone() };
    assert_eq!(failure(lists.change(&lead(), none, &["owner"]).await).0, Code::InvalidArgument);
    let given = lists.change(&lead(), given, &["owner"]).await.unwrap();
    assert_eq!(given.owner, "users/operator");
    world.pass(3 * HOUR);
    assert!(lists.next(&ann).await.is_none());
    let open = proto::CallListEntry { owner: String::new(), ..given };
    let open = lists.change(&operator("operator"), open, &["owner"]).await.unwrap();
    assert_eq!((open.owner.as_str(), open.call_back), ("", true));
    assert_eq!(lists.take(&ben).await.entry.name, open.name);
    let leased = proto::CallListEntry { due_time: at(5), etag: String::new(), ..open };
    assert_eq!(failure(lists.change(&admin(), leased, &["due_time"]).await).1, "ENTRY_LEASED");
}

async fn t11_call_backs_are_told_for_calendars(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let named = proto::CallListRow { display_name: "Anna Peeters".to_owned(), ..row("+32475123456") };
    lists.import(vec![named]).await;
    let ann = operator("ann");
    let entry = agree(&lists, &ann, MONDAY + 2 * HOUR * SECOND, true).await;
    let moved =
        proto::CallListEntry { due_time: Some(clock::to_proto(MONDAY + 3 * HOUR * SECOND)), ..entry.clone() };
    lists.change(&ann, moved, &["due_time"]).await.unwrap();
    world.pass(3 * HOUR);
    lists.hold(&ann).await;
    let events = world.events().await;
    let about: Vec<_> = events.iter().filter(|event| event.subject == entry.name).collect();
    let planned = about.iter().find_map(|event| payload::<proto::CallBackPlanned>(event)).unwrap();
    assert_eq!((planned.operator.as_str(), planned.personal), ("users/ann", true));
    assert_eq!((planned.display_name.as_str(), planned.number.as_str()), ("Anna Peeters", "+32475123456"));
    assert_eq!((planned.call_list.as_str(), planned.call_back_time), (FAIR, entry.due_time));
    let moved: Vec<_> = about.iter().filter_map(|event| payload::<proto::CallBackMoved>(event)).collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(clock::from_proto(&moved[0].call_back_time.unwrap()), MONDAY + 3 * HOUR * SECOND);
    let ended: Vec<_> = about.iter().filter_map(|event| payload::<proto::CallBackEnded>(event)).collect();
    assert_eq!((ended.len(), ended[0].operator.as_str()), (1, "users/ann"));
}
