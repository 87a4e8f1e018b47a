//! BoardService: the live board, for each caller what they may see, first whole and then what changed.
//! Called by the gateway: by wallboards and by leaders' screens.

use std::collections::{BTreeMap, HashMap};

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock;
use kontor_kit::context::Context;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::board_service_server::BoardService;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::operator::to_proto;
use crate::board::{Board, Hub};
use crate::domain::figure::{Counts, Window, at};
use crate::events::duration;
use crate::store;

/// The service.
pub struct Boards {
    pub(super) context: Context,
    pub(super) hub: Hub,
}

type Answer<T> = Result<Response<T>, Status>;

/// Messages that wait for a slow watcher; then it gets the newest state instead of the steps between.
const WAITING: usize = 2;

#[tonic::async_trait]
impl BoardService for Boards {
    type WatchBoardStream = ReceiverStream<Result<proto::WatchBoardResponse, Status>>;

    async fn get_board(&self, request: Request<proto::GetBoardRequest>) -> Answer<proto::Board> {
        let caller = Caller::of(&request)?;
        let board = self.hub.read().await?;
        let view = View::of(&caller, &board);
        Ok(Response::new(proto::Board {
            operators: view.operators.into_values().collect(),
            state_counts: view.counts.into_iter().map(state_count).collect(),
            figures: view.figures.iter().map(figures).collect(),
            time: Some(clock::to_proto(board.time)),
        }))
    }

    async fn watch_board(
        &self,
        request: Request<proto::WatchBoardRequest>,
    ) -> Answer<Self::WatchBoardStream> {
        let caller = Caller::of(&request)?;
        // Watched before it is read: what changes between comes as a change.
        let changes = self.hub.watch();
        let board = self.hub.read().await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        self.context.spawn(pump(caller, board, changes, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn pump(
    caller: Caller,
    board: Board,
    mut changes: watch::Receiver<std::sync::Arc<Board>>,
    sender: mpsc::Sender<Result<proto::WatchBoardResponse, Status>>,
) {
    let mut last = View::of(&caller, &board);
    let mut time = board.time;
    let mut next = Some(last.whole(time));
    loop {
        if let Some(message) = next.take()
            && sender.send(Ok(message)).await.is_err()
        {
            return;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
        }
        let board = changes.borrow_and_update().clone();
        if board.time < time {
            // Read before the snapshot was.
            continue;
        }
        time = board.time;
        let view = View::of(&caller, &board);
        next = view.since(&last, time);
        last = view;
    }
}

/// The board as one caller sees it.
#[derive(PartialEq)]
struct View {
    operators: BTreeMap<String, proto::Operator>,
    counts: BTreeMap<i32, i32>,
    figures: BTreeMap<(String, Window), Counts>,
}

impl View {
    fn of(caller: &Caller, board: &Board) -> View {
        let seen =
            board.operators.iter().filter(|operator| caller.may_read(&store::operator::guard(operator)));
        let operators: BTreeMap<String, proto::Operator> =
            seen.map(to_proto).map(|operator| (operator.name.clone(), operator)).collect();
        let mut counts = BTreeMap::new();
        for operator in operators.values() {
            *counts.entry(operator.state).or_insert(0) += 1;
        }
        let figures = board.figures.iter().filter(|((scope, _), _)| may_see(caller, scope, &board.teams));
        View { operators, counts, figures: figures.map(|(key, counts)| (key.clone(), *counts)).collect() }
    }

    fn whole(&self, time: i64) -> proto::WatchBoardResponse {
        proto::WatchBoardResponse {
            snapshot: true,
            operators: self.operators.values().cloned().collect(),
            gone_operators: Vec::new(),
            state_counts: self.counts.iter().map(|(state, count)| state_count((*state, *count))).collect(),
            figures: self.figures.iter().map(figures).collect(),
            time: Some(clock::to_proto(time)),
        }
    }

    /// What changed since an earlier one; none when nothing did.
    fn since(&self, last: &View, time: i64) -> Option<proto::WatchBoardResponse> {
        if self == last {
            return None;
        }
        let operators =
            self.operators.iter().filter(|(name, operator)| last.operators.get(*name) != Some(operator));
        let gone = last.operators.keys().filter(|name| !self.operators.contains_key(*name));
        let states =
            self.counts.keys().chain(last.counts.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        let count = |view: &View, state: i32| view.counts.get(&state).copied().unwrap_or(0);
        let counts = states.into_iter().filter(|state| count(self, *state) != count(last, *state));
        let none = Counts::default();
        let changed = self.figures.iter().filter(|(key, counts)| last.figures.get(*key) != Some(counts));
        let left = last.figures.keys().filter(|key| !self.figures.contains_key(*key)).map(|key| (key, &none));
        Some(proto::WatchBoardResponse {
            snapshot: false,
            operators: operators.map(|(_, operator)| operator.clone()).collect(),
            gone_operators: gone.cloned().collect(),
            state_counts: counts.map(|state| state_count((state, count(self, state)))).collect(),
            figures: changed.chain(left).map(figures).collect(),
            time: Some(clock::to_proto(time)),
        })
    }
}

/// Figures of a call list are for its team, its leaders and administrators.
fn may_see(caller: &Caller, scope: &str, teams: &HashMap<String, String>) -> bool {
    if !scope.starts_with("callLists/") {
        return true;
    }
    caller.admin || teams.get(scope).is_some_and(|team| caller.may_read(&Guard::new("", team.as_str())))
}

fn state_count((state, count): (i32, i32)) -> proto::StateCount {
    proto::StateCount { state, count }
}

fn figures(((scope, window), counts): (&(String, Window), &Counts)) -> proto::Figures {
    let count = |place: usize| counts.0[place];
    let share = |part: usize, whole: i64| (whole > 0).then(|| count(part) as f64 / whole as f64);
    let mean = |sum: i64, of: usize| (count(of) > 0).then(|| duration(sum / count(of)));
    proto::Figures {
        scope: scope.clone(),
        window: *window as i32,
        offered_count: count(at::OFFERED),
        answered_count: count(at::ANSWERED),
        answered_in_time_count: count(at::IN_TIME),
        abandoned_count: count(at::ABANDONED),
        service_level: share(at::IN_TIME, count(at::OFFERED)),
        average_speed_of_answer: mean(count(at::WAIT), at::ANSWERED),
        abandon_rate: share(at::ABANDONED, count(at::OFFERED)),
        handled_count: count(at::HANDLED),
        average_handling_time: mean(count(at::TALK) + count(at::WRAP), at::HANDLED),
        placed_count: count(at::PLACED),
        live_count: count(at::LIVE),
        dropped_count: count(at::DROPPED),
        drop_rate: share(at::DROPPED, count(at::LIVE)),
        held_count: count(at::HELD),
        not_held_count: count(at::NOT_HELD),
        held_rate: share(at::HELD, count(at::HELD) + count(at::NOT_HELD)),
    }
}
