//! A day of a call centre in a moment: operators, calls and the pacing rule as it stands, with the luck of a seed.
//! Called by `kontor simulate-dialler`, by the bench and by the tests; the same settings and seed always give the same day.

mod luck;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use self::luck::{Luck, Swing};
use super::pacing::estimate::{AnswerRate, Busy, Handling};
use super::pacing::{self, Mode, Moment};

/// What is simulated. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Operators, all day.
    pub operators: u32,
    /// How calls are placed.
    pub mode: Mode,
    /// Share of calls that a person answers, at its middle.
    pub answer_rate: f64,
    /// How far that share swings to both sides over the day: 0.4 is from 60 % to 140 % of it.
    pub swing: f64,
    /// Talk, at its mean.
    pub talk: f64,
    /// After-call work, at its mean.
    pub wrap: f64,
    /// How long a call rings until it is given up.
    pub ring: f64,
    /// Dropped calls of those that are answered, at most: 0.03.
    pub cap: f64,
    /// Length of the day.
    pub hours: f64,
    /// How long an operator looks at a record before starting the call; for preview.
    pub look: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            operators: 10,
            mode: Mode::Predictive,
            answer_rate: 0.15,
            swing: 0.4,
            talk: 90.0,
            wrap: 20.0,
            ring: 15.0,
            cap: pacing::CAP,
            hours: 8.0,
            look: 10.0,
        }
    }
}

/// How the day went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    /// Calls placed.
    pub calls: u64,
    /// Calls that a person answered.
    pub answered: u64,
    /// Those of them for whom nobody was free.
    pub dropped: u64,
    /// Share of the operators' time in talk and after-call work.
    pub busy: f64,
    /// The most that dropped calls were above the cap of the answered ones at any moment, in calls; below zero when never.
    pub worst_excess: f64,
    /// The day in stretches of equal length.
    pub stretches: Vec<Stretch>,
}

/// A part of the day, for the plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Calls that a person answered.
    pub answered: u64,
    /// Those of them for whom nobody was free.
    pub dropped: u64,
    /// Share of the operators' time in talk and after-call work.
    pub busy: f64,
    /// Share of calls that people answer, as it truly was, at its mean.
    pub answer_rate: f64,
    /// Dropped of answered since the day began, at the end of the stretch.
    pub dropped_so_far: f64,
}

impl Day {
    /// Dropped calls of the answered ones.
    pub fn dropped_share(&self) -> f64 {
        share(self.dropped, self.answered)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Stretches of a day.
pub const STRETCHES: usize = 96;
/// How often calls are placed.
const TICK: f64 = 1.0;
/// Of the calls that nobody answers, so many fail or are busy at once; the others ring out.
const FAIL_AT_ONCE: f64 = 0.2;

/// Simulates one day.
pub fn day(settings: &Settings, seed: u64) -> Day {
    let mut floor = Floor::new(settings, seed);
    floor.run();
    floor.day
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answered,
    NotAnswered,
    /// The ring time of a call is over: only now it is learned, see `AnswerRate::learn`.
    Known(bool),
    TalkOver(usize),
    WrapOver(usize),
    Tick,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Busy(Busy),
}

struct Operator {
    state: State,
    since: f64,
}

struct Floor<'a> {
    settings: &'a Settings,
    luck: Luck,
    swing: Swing,
    now: f64,
    end: f64,
    /// By time, then by the order in which they were planned.
    queue: BinaryHeap<Reverse<(Time, u64, Event)>>,
    planned: u64,
    operators: Vec<Operator>,
    ringing: u32,
    rate: AnswerRate,
    handling: Handling,
    day: Day,
    busy_seconds: Vec<f64>,
    rates: Vec<(f64, u32)>,
}

/// Seconds that can be put in order.
#[derive(Clone, Copy, PartialEq)]
struct Time(f64);

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Time) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Time) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl<'a> Floor<'a> {
    fn new(settings: &'a Settings, seed: u64) -> Self {
        let mut luck = Luck::new(seed);
        let end = settings.hours * 3_600.0;
        let swing = Swing::new(settings, end, &mut luck);
        let idle = || Operator { state: State::Idle, since: 0.0 };
        let day =
            Day { stretches: vec![Stretch::default(); STRETCHES], worst_excess: f64::MIN, ..Day::default() };
        Floor {
            settings,
            luck,
            swing,
            now: 0.0,
            end,
            queue: BinaryHeap::new(),
            planned: 0,
            operators: (0..settings.operators).map(|_| idle()).collect(),
            ringing: 0,
            rate: AnswerRate::default(),
            handling: Handling::default(),
            day,
            busy_seconds: vec![0.0; STRETCHES],
            rates: vec![(0.0, 0); STRETCHES],
        }
    }

    fn plan(&mut self, after: f64, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse((Time(self.now + after), self.planned, event)));
    }

    fn run(&mut self) {
        self.plan(0.0, Event::Tick);
        while let Some(Reverse((Time(time), _, event))) = self.queue.pop() {
            if time >= self.end {
                break;
            }
            self.now = time;
            match event {
                Event::Answered => self.answered(),
                Event::NotAnswered => self.ringing -= 1,
                Event::Known(answered) => self.rate.learn(answered, self.now),
                Event::TalkOver(operator) => {
                    self.leave(operator, State::Busy(Busy::Wrapping));
                    let wrap = self.settings.wrap * (0.5 + self.luck.part());
                    self.plan(wrap, Event::WrapOver(operator));
                }
                Event::WrapOver(operator) => self.leave(operator, State::Idle),
                Event::Tick => self.tick(),
            }
        }
        self.close();
    }

    fn answered(&mut self) {
        self.ringing -= 1;
        let at = self.stretch();
        self.day.answered += 1;
        self.day.stretches[at].answered += 1;
        match self.operators.iter().position(|operator| operator.state == State::Idle) {
            Some(operator) => {
                self.leave(operator, State::Busy(Busy::Talking));
                // two parts, each with a long tail: short talks are common, very long ones are rare
                let talk =
                    self.luck.tail(self.settings.talk / 2.0) + self.luck.tail(self.settings.talk / 2.0);
                self.plan(talk, Event::TalkOver(operator));
            }
            None => {
                self.day.dropped += 1;
                self.day.stretches[at].dropped += 1;
            }
        }
        let excess = self.day.dropped as f64 - self.settings.cap * self.day.answered as f64;
        self.day.worst_excess = self.day.worst_excess.max(excess);
    }

    fn leave(&mut self, operator: usize, to: State) {
        let Operator { state, since } = self.operators[operator];
        if let State::Busy(what) = state {
            self.count_busy(since, self.now);
            if self.now < self.end {
                self.handling.learn(what, self.now - since);
            }
        }
        self.operators[operator] = Operator { state: to, since: self.now };
    }

    /// Spreads busy time over the stretches that it lies in.
    fn count_busy(&mut self, mut from: f64, to: f64) {
        let length = self.end / STRETCHES as f64;
        while from < to {
            let at = ((from / length) as usize).min(STRETCHES - 1);
            let until = if at + 1 == STRETCHES { to } else { to.min((at + 1) as f64 * length) };
            self.busy_seconds[at] += until - from;
            // a step at least, whatever the rounding
            from = if until > from { until } else { to };
        }
    }

    fn stretch(&self) -> usize {
        ((self.now / self.end * STRETCHES as f64) as usize).min(STRETCHES - 1)
    }

    fn tick(&mut self) {
        let true_rate = self.swing.at(self.now);
        let at = self.stretch();
        self.rates[at].0 += true_rate;
        self.rates[at].1 += 1;
        self.day.stretches[at].dropped_so_far = self.day.dropped_share();
        let decision = pacing::decide(self.settings.mode, self.settings.cap, &self.moment());
        for _ in 0..decision.place {
            self.place(true_rate);
        }
        self.plan(TICK, Event::Tick);
    }

    fn moment(&self) -> Moment {
        let preview = self.settings.mode == Mode::Preview;
        let looked = |operator: &&Operator| !preview || self.now - operator.since >= self.settings.look;
        let idle = self.operators.iter().filter(|it| it.state == State::Idle).filter(looked).count();
        let freeing = self.operators.iter().map(|operator| match operator.state {
            State::Idle => 0.0,
            State::Busy(what) => {
                self.handling.comes_free(what, self.now - operator.since, self.settings.ring)
            }
        });
        let known = self.handling.is_known(self.settings.operators);
        Moment {
            operators: self.settings.operators,
            idle: idle as u32,
            freeing: if known { freeing.sum() } else { 0.0 },
            ringing: self.ringing,
            answer_rate: self.rate.cautious(),
            answered: self.day.answered,
            dropped: self.day.dropped,
            lines: self.settings.operators.saturating_mul(20),
        }
    }

    fn place(&mut self, true_rate: f64) {
        self.ringing += 1;
        self.day.calls += 1;
        let answered = self.luck.part() < true_rate;
        self.plan(self.settings.ring, Event::Known(answered));
        if answered {
            let after =
                2.0_f64.min(self.settings.ring) + self.luck.part() * (self.settings.ring - 2.0).max(0.0);
            self.plan(after, Event::Answered);
        } else if self.luck.part() < FAIL_AT_ONCE {
            self.plan(2.0_f64.min(self.settings.ring), Event::NotAnswered);
        } else {
            self.plan(self.settings.ring, Event::NotAnswered);
        }
    }

    fn close(&mut self) {
        self.now = self.end;
        for operator in 0..self.operators.len() {
            self.leave(operator, State::Idle);
        }
        let operators = f64::from(self.settings.operators.max(1));
        self.day.busy = self.busy_seconds.iter().sum::<f64>() / (operators * self.end);
        let length = self.end / STRETCHES as f64;
        for (at, stretch) in self.day.stretches.iter_mut().enumerate() {
            stretch.busy = self.busy_seconds[at] / (operators * length);
            stretch.answer_rate = self.rates[at].0 / f64::from(self.rates[at].1.max(1));
        }
        if let Some(last) = self.day.stretches.last_mut() {
            last.dropped_so_far = share(self.day.dropped, self.day.answered);
        }
    }
}
