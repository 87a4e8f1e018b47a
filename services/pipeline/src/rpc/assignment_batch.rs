//! A batch of assignments: planned on a snapshot, outside of the transaction that gives. That one checks what the plan rests on.
//! Called by rpc/assignment.rs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, replay};
use kontor_proto::pipeline::v1 as proto;
use tonic::Code;

use super::assignment::Assignments;
use crate::domain::assignment::{self, Days, Member, Need, Past};
use crate::domain::plan::Batch;
use crate::store::assignment::{Place, Queue, Waiting};
use crate::{events, store};

/// Plans that are made for one batch at most. The last one gives what still holds.
const TRIES: u32 = 4;
/// Items of the queue that are read at once: at least, at most.
const PART: (usize, usize) = (20, 500);
/// Lines of what stays queued in an answer.
const QUEUED: usize = 1_000;
/// Reason of the error that ends a transaction whose plan no longer holds. It does not leave this file.
const STALE: &str = "STALE_PLAN";

/// What other services say of a team's members, asked before the database.
pub(super) struct Asked {
    days: HashMap<String, Days>,
    disabled: HashSet<String>,
    /// The instant that it was asked of.
    pub(super) now: i64,
}

impl Asked {
    /// Members with what they had before this instant and when they have time.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn with_past(
        &self,
        conn: &mut Conn<'_>,
        members: Vec<Member>,
        now: i64,
    ) -> Result<Vec<(Member, Past)>> {
        store::assignment::with_past(conn, members, &self.days, &self.disabled, now)
    }
}

/// What a batch would do, and what that rests on.
struct Plan {
    members: Vec<(Member, Past)>,
    lines: Vec<Line>,
    now: i64,
    /// Where the next batch goes on behind the head of the queue, when that changes.
    mark: Option<Option<Place>>,
}

struct Line {
    waiting: Waiting,
    what: What,
}

enum What {
    /// Index of the member, and the score.
    Gets(usize, i64),
    /// Why it stays.
    Stays(String),
}

impl Assignments {
    /// Who of a team is disabled, and when the others have time.
    pub(super) async fn asked(&self, caller: &Caller, team: &str) -> Result<Asked> {
        let (team, now) = (team.to_owned(), self.db.clock().now());
        let members = self.db.read(move |conn| store::assignment::members(conn, &team)).await?;
        let disabled = self.directory.disabled(caller).await?;
        let gets = |member: &Member| member.active && !disabled.contains(&member.id);
        let users: Vec<String> = members.into_iter().filter(gets).map(|member| member.id).collect();
        Ok(Asked { days: self.calendar.days(caller, &users, now).await?, disabled, now })
    }

    /// Gives `count` opportunities at most. A plan that no longer holds when it is written is made anew; the last one gives what still holds.
    pub(super) async fn assign(
        &self,
        caller: &Caller,
        request: proto::AssignOpportunitiesRequest,
        count: usize,
    ) -> Result<proto::AssignOpportunitiesResponse> {
        let asked = std::sync::Arc::new(self.asked(caller, &request.team).await?);
        let mut tries = 0;
        loop {
            tries += 1;
            let (team, seed, now) = (request.team.clone(), request.seed, self.db.clock().now());
            let asked = asked.clone();
            let plan = self.db.read(move |conn| plan(conn, &team, &asked, count, seed, now)).await?;
            let nothing = plan.lines.iter().all(|line| matches!(line.what, What::Stays(_)));
            // Only a repeat that may come needs a row of what was answered, and the next batch a row of where to go on.
            if request.dry_run || nothing && request.request_id.is_empty() && plan.mark.is_none() {
                return Ok(plan.answer());
            }
            let (caller, request) = (caller.clone(), request.clone());
            let is_last = tries == TRIES;
            let given = self.db.write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    give(tx, &caller, &request.team, &plan, is_last)
                })
            });
            match given.await {
                Err(cause) if cause.reason() == STALE && !is_last => {}
                outcome => return outcome,
            }
        }
    }
}

fn plan(conn: &mut Conn<'_>, team: &str, asked: &Asked, count: usize, seed: u64, now: i64) -> Result<Plan> {
    let members = store::assignment::members(conn, team)?;
    let members = asked.with_past(conn, members, now)?;
    let (mut batch, mut queue) = (Batch::new(&members, count, seed), Queue::new(team));
    let mut looked = Vec::new();
    look(conn, &mut queue, &mut batch, &mut looked)?;
    // The head of the queue always has its turn first. Where it is long and fits nobody, as much again is looked at further behind, from where the batch before
    // came to: so all of the queue has its turn, however much of it waits for somebody who is not there.
    let before = store::assignment::mark(conn, team)?;
    let mut mark = before.clone();
    if let Some(head) = looked.last().filter(|_| batch.has_looked_far()).map(|last| last.place().clone()) {
        queue.go_to(before.clone().map_or(head.clone(), |mark| mark.max(head)));
        batch.look_further();
        look(conn, &mut queue, &mut batch, &mut looked)?;
        if batch.has_looked_far() {
            mark = looked.last().map(|last| last.place().clone());
        } else if !batch.is_done() {
            // The queue came to its end.
            mark = None;
        }
    }
    let lines = lines(looked, batch.owners(), &members);
    Ok(Plan { members, lines, now, mark: (mark != before).then_some(mark) })
}

/// Looks at what comes next in the queue, until the batch has enough or the queue ends.
fn look(
    conn: &mut Conn<'_>,
    queue: &mut Queue,
    batch: &mut Batch<'_>,
    looked: &mut Vec<Waiting>,
) -> Result<()> {
    while !batch.is_done() {
        let part = batch.missing().clamp(PART.0, PART.1);
        let found = queue.next(conn, part)?;
        let is_end = found.len() < part;
        for waiting in found {
            if batch.is_done() {
                return Ok(());
            }
            batch.look_at(&waiting.item);
            looked.push(waiting);
        }
        if is_end {
            break;
        }
    }
    Ok(())
}

/// What each of the queue gets, in its order. The reasons are those after the batch: who is full by then counts as full.
fn lines(looked: Vec<Waiting>, owners: Vec<Option<usize>>, before: &[(Member, Past)]) -> Vec<Line> {
    let mut after = before.to_vec();
    let mut scores = Vec::with_capacity(looked.len());
    for (waiting, owner) in looked.iter().zip(&owners) {
        scores.push(owner.map(|owner| {
            let (member, past) = &mut after[owner];
            let score = assignment::score(&member.terms(&waiting.item, past));
            past.recent += 1;
            (owner, score)
        }));
    }
    let mut queued = 0;
    let line = |(waiting, given): (Waiting, Option<(usize, i64)>)| {
        let what = match given {
            Some((owner, score)) => What::Gets(owner, score),
            None => {
                queued += 1;
                if queued > QUEUED {
                    return None;
                }
                What::Stays(queued_reason(&waiting.item.need, &after))
            }
        };
        Some(Line { waiting, what })
    };
    looked.into_iter().zip(scores).filter_map(line).collect()
}

/// Gives what was planned, if all that it rests on still holds; the last try gives what still holds of it.
fn give(
    tx: &mut Tx<'_>,
    caller: &Caller,
    team: &str,
    plan: &Plan,
    is_last: bool,
) -> Result<proto::AssignOpportunitiesResponse> {
    let mut members = hold_members(tx, team, plan, is_last)?;
    let (mut answer, mut given) = (proto::AssignOpportunitiesResponse::default(), Vec::new());
    for Line { waiting, what } in &plan.lines {
        let (at, score) = match what {
            What::Gets(at, score) => (at, *score),
            What::Stays(reason) => {
                answer.queued.push(queued(waiting, reason));
                continue;
            }
        };
        let deal = match members.get_mut(at) {
            Some((member, past)) if member.fits(&waiting.item.need, past) => {
                let deal = store::assignment::hold_waiting(tx, team, waiting)?;
                past.recent += i64::from(deal.is_some());
                deal
            }
            _ => None,
        };
        match deal {
            Some(deal) => {
                answer.assigned.push(plan.assigned(waiting, *at, score));
                given.push((deal, at));
            }
            None if is_last => {
                answer.queued.push(queued(waiting, "changed while the batch ran: the next one looks again"));
            }
            None => return Err(stale()),
        }
    }
    // Only now, when nothing can be stale any more, is anything written.
    for (mut deal, at) in given {
        if let Some((member, _)) = members.get(at) {
            store::assignment::give(tx, &mut deal, member)?;
            events::updated(tx, caller, &deal, vec!["assignee".to_owned()])?;
        }
    }
    if let Some(mark) = &plan.mark {
        store::assignment::set_mark(tx, team, mark.as_ref())?;
    }
    Ok(answer)
}

/// The members that get something, held, with what they had until now; by their index in the plan. One who left the team is not among them.
fn hold_members(
    tx: &mut Tx<'_>,
    team: &str,
    plan: &Plan,
    is_last: bool,
) -> Result<BTreeMap<usize, (Member, Past)>> {
    let held = store::assignment::hold_members(tx, team)?.into_iter();
    let mut held: HashMap<String, Member> = held.map(|member| (member.id.clone(), member)).collect();
    let gets = |line: &Line| match line.what {
        What::Gets(at, _) => Some(at),
        What::Stays(_) => None,
    };
    let mut members = BTreeMap::new();
    for at in plan.lines.iter().filter_map(gets).collect::<BTreeSet<_>>() {
        let (planned, past) = &plan.members[at];
        let Some(member) = held.remove(&planned.id) else { continue };
        let recent = store::assignment::recent(tx, &member.id, plan.now)?;
        if !is_last && (member != *planned || recent != past.recent) {
            return Err(stale());
        }
        members.insert(at, (member, Past { recent, ..past.clone() }));
    }
    Ok(members)
}

fn stale() -> Error {
    Error::new(Code::Aborted, STALE, "the plan of this batch no longer holds: repeat it")
}

impl Plan {
    fn answer(&self) -> proto::AssignOpportunitiesResponse {
        let mut answer = proto::AssignOpportunitiesResponse::default();
        for Line { waiting, what } in &self.lines {
            match what {
                What::Gets(at, score) => answer.assigned.push(self.assigned(waiting, *at, *score)),
                What::Stays(reason) => answer.queued.push(queued(waiting, reason)),
            }
        }
        answer
    }

    fn assigned(&self, waiting: &Waiting, at: usize, score: i64) -> proto::Assigned {
        let member = self.members[at].0.name();
        proto::Assigned { opportunity: name(waiting), member, score }
    }
}

fn name(waiting: &Waiting) -> String {
    format!("opportunities/{}", waiting.item.id)
}

fn queued(waiting: &Waiting, reason: &str) -> proto::Queued {
    proto::Queued { opportunity: name(waiting), reason: reason.to_owned() }
}

/// Why nobody gets it; empty when someone fits.
pub(super) fn queued_reason(need: &Need, members: &[(Member, Past)]) -> String {
    if members.is_empty() {
        return "the team has no members".to_owned();
    }
    if members.iter().any(|(member, past)| member.fits(need, past)) {
        return String::new();
    }
    let told = members.iter().take(10);
    let told =
        told.map(|(member, past)| format!("{}: {}", member.id, member.refusals(need, past).join(", ")));
    format!("nobody of {} fits; {}", members.len(), told.collect::<Vec<_>>().join("; "))
}
