//! T8 to T13 together: random sequences of takes, dials, outcomes, lost leases and numbers that come onto the do-not-call list, against a simple model.
//! Each take must give what the model says is next, so nothing is leased twice, too often, outside of calling hours, or to the wrong operator.

use kontor_kit::clock;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallListEntryState as State;
use kontor_proto::telephony::v1::{CallListOutcome, CallOutcomeReason};
use kontor_testbed::SECOND;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::lists::{Lease, Lists, lead, operator, row};
use crate::world::World;

kontor_testbed::on_both! { World;
    t8_random_days_in_a_call_centre_follow_the_model,
}

const CASES: usize = 12;
const MINUTE: i64 = 60 * SECOND;
const MAX_TRIES: i32 = 3;
/// Brussels, twice; New York. Neither changes its clock in these weeks.
const NUMBERS: [(&str, i64); 9] = [
    ("+32475000001", 1),
    ("+32475000002", 1),
    ("+32475000003", 1),
    ("+32475000004", 1),
    ("+32475000005", 1),
    ("+12125550101", -5),
    ("+12125550102", -5),
    ("+12125550103", -5),
    ("+12125550104", -5),
];

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    Dial(usize),
    Held(usize),
    Busy(usize),
    CallBack(usize, bool, i64),
    Cancel(usize),
    Release(usize),
    Pass(i64),
    DoNotCall(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lease = 0..6_usize;
    let step = prop_oneof![
        6 => (0..3_usize).prop_map(Step::Take),
        6 => lease.clone().prop_map(Step::Dial),
        1 => lease.clone().prop_map(Step::Held),
        5 => lease.clone().prop_map(Step::Busy),
        2 => (lease.clone(), any::<bool>(), 1..2_000_i64).prop_map(|(lease, own, ahead)| Step::CallBack(lease, own, ahead)),
        1 => lease.clone().prop_map(Step::Cancel),
        1 => lease.prop_map(Step::Release),
        4 => (1..400_i64).prop_map(Step::Pass),
        1 => (0..NUMBERS.len()).prop_map(Step::DoNotCall),
    ];
    proptest::collection::vec(step, 40..80)
}

/// An entry as the model knows it.
#[derive(Clone, Debug)]
struct Entry {
    number: usize,
    priority: i32,
    state: State,
    /// Due when it is open, until when it is leased else.
    time: i64,
    due: i64,
    tries: i32,
    owner: Option<usize>,
}

struct Model {
    entries: Vec<Entry>,
    do_not_call: Vec<usize>,
}

impl Model {
    fn is_open(number: usize, time: i64) -> bool {
        let minutes = (time / MINUTE + NUMBERS[number].1 * 60).rem_euclid(24 * 60);
        (8 * 60..20 * 60).contains(&minutes)
    }

    fn next_open(number: usize, time: i64) -> i64 {
        if Model::is_open(number, time) {
            return time;
        }
        let shift = NUMBERS[number].1 * 60 * MINUTE;
        let day = 24 * 60 * MINUTE;
        let eight = (time + shift).div_euclid(day) * day + 8 * 60 * MINUTE - shift;
        if eight >= time { eight } else { eight + day }
    }

    /// What the operator gets now.
    fn next(&self, operator: usize, now: i64) -> Option<usize> {
        let callable = self.entries.iter().enumerate().filter(|(_, entry)| {
            entry.state == State::Open
                && entry.due <= now
                && Model::is_open(entry.number, now)
                && !self.do_not_call.contains(&entry.number)
                && entry.owner.is_none_or(|owner| owner == operator)
        });
        let order =
            |(place, entry): &(usize, &Entry)| (entry.owner.is_none(), -entry.priority, entry.due, *place);
        callable.min_by_key(order).map(|(place, _)| place)
    }

    /// Ends what has expired.
    fn expire(&mut self, now: i64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.time <= now) {
            match entry.state {
                State::Leased => entry.state = State::Open,
                State::Dialling => Model::fail(entry, now + 120 * MINUTE),
                _ => {}
            }
        }
    }

    fn fail(entry: &mut Entry, again: i64) {
        entry.tries += 1;
        if entry.tries >= MAX_TRIES {
            entry.state = State::Cancelled;
        } else {
            entry.state = State::Open;
            entry.due = Model::next_open(entry.number, again);
        }
    }
}

/// What an operator has, or had.
struct Had {
    lease: Lease,
    place: usize,
    operator: usize,
    /// The lease is this one's as long as its end is known to the model.
    token: String,
}

struct Day<'a> {
    world: &'a World,
    lists: Lists,
    list: String,
    model: Model,
    had: Vec<Had>,
    /// The token of the lease that holds each entry.
    holders: Vec<String>,
}

async fn t8_random_days_in_a_call_centre_follow_the_model(world: World) {
    let mut runner = TestRunner::deterministic();
    let mut leased = 0;
    for case in 0..CASES {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut day = Day::begin(&world, case).await;
        for (at, step) in steps.iter().enumerate() {
            day.step(step).await.unwrap_or_else(|wrong| panic!("case {case}, step {at}: {wrong}\n{steps:?}"));
        }
        leased += day.had.len();
        day.check().await;
        // what was put on the list there is of no use to the next day
        for number in std::mem::take(&mut day.model.do_not_call) {
            let name = format!("doNotCallNumbers/{}", NUMBERS[number].0.trim_start_matches('+'));
            let request = proto::DeleteDoNotCallNumberRequest { name, ..Default::default() };
            let admin = kontor_testbed::admin();
            day.lists.numbers.clone().delete_do_not_call_number(admin.request(request)).await.unwrap();
        }
    }
    assert!(leased > 10 * CASES, "{leased} leases are no test");
}

impl<'a> Day<'a> {
    async fn begin(world: &'a World, case: usize) -> Day<'a> {
        let lists = Lists::of(world);
        let id = format!("day-{case}");
        lists.create(&id, |_| ()).await.unwrap();
        let list = format!("callLists/{id}");
        let priority = |number: usize| i32::try_from(number % 3).unwrap();
        let rows = NUMBERS.iter().enumerate();
        let rows =
            rows.map(|(place, (text, _))| proto::CallListRow { priority: priority(place), ..row(text) });
        let settings = proto::CallListImport { parent: list.clone(), ..Default::default() };
        lists.import_as(&lead(), settings, rows.collect()).await.unwrap();
        let entries = (0..NUMBERS.len()).map(|number| Entry {
            number,
            priority: priority(number),
            state: State::Open,
            time: 0,
            due: world.now(),
            tries: 0,
            owner: None,
        });
        let model = Model { entries: entries.collect(), do_not_call: Vec::new() };
        Day { world, lists, list, model, had: Vec::new(), holders: vec![String::new(); NUMBERS.len()] }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Take(operator) => self.take(*operator).await.map(|_| ()),
            Step::Pass(minutes) => {
                self.world.place.pass(minutes * MINUTE);
                self.model.expire(self.world.now());
                // expired leases end when somebody takes: before the clock goes on
                if let Some(had) = self.take(7).await? {
                    self.release(had).await?;
                }
                Ok(())
            }
            Step::DoNotCall(number) => {
                self.lists
                    .do_not_call(&lead(), NUMBERS[*number].0)
                    .await
                    .map_err(|cause| cause.to_string())?;
                if !self.model.do_not_call.contains(number) {
                    self.model.do_not_call.push(*number);
                }
                let entry = &mut self.model.entries[*number];
                if matches!(entry.state, State::Open | State::Leased) {
                    entry.state = State::Cancelled;
                }
                Ok(())
            }
            Step::Dial(lease) => {
                let Some(had) = self.had_place(*lease) else { return Ok(()) };
                let (now, place) = (self.world.now(), self.had[had].place);
                let entry = self.model.entries[place].clone();
                let may =
                    self.holds(had) && entry.state == State::Leased && Model::is_open(entry.number, now);
                let answer = self.lists.dial(&self.had[had].lease).await;
                agree("dial", may, &answer)?;
                if may {
                    let entry = &mut self.model.entries[place];
                    (entry.state, entry.time) = (State::Dialling, now + 30 * MINUTE);
                }
                Ok(())
            }
            Step::Release(lease) => match self.had_place(*lease) {
                Some(had) => self.release(had).await,
                None => Ok(()),
            },
            Step::Held(lease) => self.record(*lease, CallListOutcome::Held, None).await,
            Step::Busy(lease) => self.record(*lease, CallListOutcome::NotHeld, None).await,
            Step::Cancel(lease) => self.record(*lease, CallListOutcome::Cancelled, None).await,
            Step::CallBack(lease, own, ahead) => {
                let when = self.world.now() + ahead * MINUTE;
                self.record(*lease, CallListOutcome::NotHeld, Some((when, *own))).await
            }
        }
    }

    fn had_place(&self, lease: usize) -> Option<usize> {
        self.had.len().checked_sub(1 + lease)
    }

    /// Whether the lease still holds, as far as the model knows.
    fn holds(&self, had: usize) -> bool {
        let had = &self.had[had];
        let entry = &self.model.entries[had.place];
        self.holders[had.place] == had.token
            && matches!(entry.state, State::Leased | State::Dialling)
            && entry.time > self.world.now()
    }

    async fn take(&mut self, number: usize) -> Result<Option<usize>, String> {
        let now = self.world.now();
        self.model.expire(now);
        let caller = operator(&format!("op{number}"));
        let wanted = self.model.next(number, now);
        let answer = self.lists.take_as(&caller, &self.list).await.map_err(|cause| cause.to_string())?;
        let got = answer.entry.as_ref().map(|entry| entry.e164.clone());
        let expected = wanted.map(|place| NUMBERS[self.model.entries[place].number].0.to_owned());
        if got != expected {
            return Err(format!(
                "op{number} got {got:?}, next was {expected:?} of {:#?}",
                self.model.entries
            ));
        }
        let (Some(entry), Some(place)) = (answer.entry, wanted) else { return Ok(None) };
        let state = &mut self.model.entries[place];
        (state.state, state.time) = (State::Leased, now + 5 * MINUTE);
        self.holders[place].clone_from(&answer.lease_token);
        let token = answer.lease_token.clone();
        let lease = Lease { caller, entry, token: answer.lease_token };
        self.had.push(Had { lease, place, operator: number, token });
        Ok(Some(self.had.len() - 1))
    }

    async fn release(&mut self, had: usize) -> Result<(), String> {
        let may = self.holds(had) && self.model.entries[self.had[had].place].state == State::Leased;
        let lease = &self.had[had].lease;
        let request = proto::ReleaseEntryRequest {
            name: lease.entry.name.clone(),
            lease_token: lease.token.clone(),
            ..Default::default()
        };
        let answer = self.lists.dispatch.clone().release_entry(lease.caller.request(request)).await;
        agree("release", may, &answer)?;
        if may {
            self.model.entries[self.had[had].place].state = State::Open;
        }
        Ok(())
    }

    async fn record(
        &mut self,
        lease: usize,
        outcome: CallListOutcome,
        call_back: Option<(i64, bool)>,
    ) -> Result<(), String> {
        let Some(had) = self.had_place(lease) else { return Ok(()) };
        let (now, place) = (self.world.now(), self.had[had].place);
        let entry = self.model.entries[place].clone();
        let may = self.holds(had)
            && (outcome == CallListOutcome::Cancelled || entry.state == State::Dialling)
            && call_back.is_none_or(|(when, _)| Model::is_open(entry.number, when));
        let tell = |request: &mut proto::RecordOutcomeRequest| {
            if let Some((when, own)) = call_back {
                request.reason = CallOutcomeReason::CallBack.into();
                (request.call_back_time, request.personal_call_back) = (Some(clock::to_proto(when)), own);
            } else if outcome == CallListOutcome::NotHeld {
                request.reason = CallOutcomeReason::Busy.into();
            }
        };
        let answer = self.lists.record(&self.had[had].lease, outcome, tell).await;
        agree("outcome", may, &answer)?;
        let operator = self.had[had].operator;
        let refused = self.model.do_not_call.contains(&entry.number);
        let entry = &mut self.model.entries[place];
        match (may, outcome, call_back) {
            (false, ..) => return Ok(()),
            (_, CallListOutcome::Held, _) => entry.state = State::Held,
            (_, CallListOutcome::Cancelled, _) => entry.state = State::Cancelled,
            (_, _, Some((when, own))) => {
                (entry.state, entry.due) = (State::Open, when);
                entry.owner = own.then_some(operator);
            }
            (_, _, None) => Model::fail(entry, now + 15 * MINUTE),
        }
        if entry.state == State::Open && refused {
            entry.state = State::Cancelled;
        }
        let told = answer.map_err(|cause| cause.to_string())?;
        if (told.state(), told.tries) != (entry.state, entry.tries) || told.tries > MAX_TRIES {
            return Err(format!("{told:?} is not {entry:?}"));
        }
        Ok(())
    }

    /// All entries at the end of the day.
    async fn check(&mut self) {
        self.model.expire(self.world.now());
        if let Some(had) = self.take(7).await.unwrap() {
            self.release(had).await.unwrap();
        }
        let request = proto::ListCallListEntriesRequest { parent: self.list.clone(), ..Default::default() };
        let found = self.lists.lists.clone().list_call_list_entries(lead().request(request)).await;
        for entry in found.unwrap().into_inner().entries {
            let number = NUMBERS.iter().position(|(text, _)| *text == entry.e164).unwrap();
            let model = &self.model.entries[number];
            assert_eq!((entry.state(), entry.tries), (model.state, model.tries), "{entry:?} {model:?}");
            if model.state == State::Open {
                assert_eq!(clock::from_proto(&entry.due_time.unwrap()), model.due, "{entry:?}");
            }
        }
    }
}

fn agree<T: std::fmt::Debug>(what: &str, may: bool, answer: &Result<T, tonic::Status>) -> Result<(), String> {
    match (may, answer) {
        (true, Ok(_)) => Ok(()),
        (false, Err(cause)) if cause.code() == tonic::Code::FailedPrecondition => Ok(()),
        (may, answer) => Err(format!("{what}: allowed is {may}, the answer {answer:?}")),
    }
}
