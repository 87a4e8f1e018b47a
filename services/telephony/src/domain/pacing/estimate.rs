//! What is learned from the latest calls: how many are answered, and how soon a busy operator comes free. Old news fades.
//! Called by `super` and by the simulation; store/pacing.rs makes one from the calls of a list.

/// The share of calls that are answered, with old ones fading.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRate {
    answered: f64,
    calls: f64,
    at: f64,
}

/// How fast old calls fade, in seconds: fast enough for a swing of an hour, and many times a ring.
const MEMORY_SECONDS: f64 = 300.0;
/// So many calls stay in any case: a small team has few.
const MEMORY_CALLS: f64 = 150.0;
/// Before anything is known: some calls of which many were answered, for too high a guess only costs time.
const GUESS: (f64, f64) = (4.0, 8.0);

impl Default for AnswerRate {
    fn default() -> Self {
        AnswerRate { answered: GUESS.0, calls: GUESS.1, at: 0.0 }
    }
}

impl AnswerRate {
    /// Learns whether a call was answered. `at` is when it was placed plus the ring time, in seconds of any clock, **not** when it ended: of calls that were
    /// placed together the answered ones end first, so whoever learns them as they end takes the share first for too high and then for far too low.
    pub fn learn(&mut self, answered: bool, at: f64) {
        let faded = self.calls * (-(at - self.at).max(0.0) / MEMORY_SECONDS).exp();
        let keep = (faded.max(MEMORY_CALLS - 1.0) / self.calls).min(1.0);
        self.at = self.at.max(at);
        self.calls = self.calls * keep + 1.0;
        self.answered = self.answered * keep + f64::from(u8::from(answered));
    }

    /// The share.
    pub fn share(&self) -> f64 {
        self.answered / self.calls
    }

    /// The share and one standard deviation of it: what pacing reckons with.
    pub fn cautious(&self) -> f64 {
        let share = self.share();
        let spread = (share.max(0.5 / self.calls) * (1.0 - share) / self.calls).sqrt();
        (share + spread).min(1.0)
    }
}

/// Lengths of a kind (talks, wrap-ups), with old ones fading, in slots that widen with the length.
#[derive(Clone, Debug, PartialEq)]
pub struct Lengths {
    slots: [f64; SLOTS],
    total: f64,
    seconds: f64,
}

const SLOTS: usize = 64;
/// Lengths that are remembered.
const LENGTHS: f64 = 300.0;
/// The first slots are so many seconds wide; each further one is a tenth wider than the one before.
const WIDTH: f64 = 2.0;
const GROWTH: f64 = 1.1;

impl Lengths {
    /// Begins with a guess of the usual length, which fades as lengths come.
    pub fn about(seconds: f64) -> Lengths {
        let mut lengths = Lengths { slots: [0.0; SLOTS], total: 0.0, seconds: 0.0 };
        // Spread from half to one and a half, as lengths are.
        for tenth in 5..=15 {
            lengths.add(seconds * f64::from(tenth) / 10.0);
        }
        lengths
    }

    /// Learns one length.
    pub fn learn(&mut self, seconds: f64) {
        let keep = 1.0 - 1.0 / LENGTHS;
        self.slots.iter_mut().for_each(|slot| *slot *= keep);
        self.total *= keep;
        self.seconds *= keep;
        self.add(seconds);
    }

    fn add(&mut self, seconds: f64) {
        self.slots[slot(seconds)] += 1.0;
        self.total += 1.0;
        self.seconds += seconds.max(0.0);
    }

    /// The mean, in seconds.
    pub fn mean(&self) -> f64 {
        self.seconds / self.total.max(f64::MIN_POSITIVE)
    }

    /// The chance that one which has lasted so long ends within the next `within` seconds. What has lasted longer than all that are known is no surprise
    /// any more: it counts as if it had just begun the last known stretch.
    pub fn ends_within(&self, lasted: f64, within: f64) -> f64 {
        if within <= 0.0 {
            return 0.0;
        }
        let left = self.longer_than(lasted);
        if left < 0.5 {
            return 1.0 - (-within / self.mean().max(1.0)).exp();
        }
        ((left - self.longer_than(lasted + within)) / left).clamp(0.0, 1.0)
    }

    /// How many were longer, a slot that is cut counting in part.
    fn longer_than(&self, seconds: f64) -> f64 {
        let at = slot(seconds);
        let (from, to) = bounds(at);
        let part = if at + 1 == SLOTS { 1.0 } else { ((to - seconds) / (to - from)).clamp(0.0, 1.0) };
        self.slots[at] * part + self.slots[at + 1..].iter().sum::<f64>()
    }
}

fn slot(seconds: f64) -> usize {
    let grown = 1.0 + seconds.max(0.0) * (GROWTH - 1.0) / WIDTH;
    ((grown.ln() / GROWTH.ln()) as usize).min(SLOTS - 1)
}

fn bounds(slot: usize) -> (f64, f64) {
    let edge = |slot: usize| WIDTH * (GROWTH.powi(slot as i32) - 1.0) / (GROWTH - 1.0);
    (edge(slot), edge(slot + 1))
}

/// How long operators are busy with a call: talk, then after-call work.
#[derive(Clone, Debug, PartialEq)]
pub struct Handling {
    talks: Lengths,
    wraps: Lengths,
    seen: u64,
}

/// What a busy operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Talks.
    Talking,
    /// Does after-call work.
    Wrapping,
}

/// Of the ring time, the part in which an operator who comes free counts: the middle call that is answered is answered by then.
const HORIZON: f64 = 0.5;
/// Calls that each operator must have handled until anybody is expected to come free. The first to end are the short ones, and a guess made of them is too hopeful.
const KNOWN_CALLS: u64 = 2;

impl Default for Handling {
    fn default() -> Self {
        Handling { talks: Lengths::about(60.0), wraps: Lengths::about(15.0), seen: 0 }
    }
}

impl Handling {
    /// Learns a talk or an after-call work that is over, in seconds.
    pub fn learn(&mut self, what: Busy, seconds: f64) {
        match what {
            Busy::Talking => {
                self.talks.learn(seconds);
                self.seen += 1;
            }
            Busy::Wrapping => self.wraps.learn(seconds),
        }
    }

    /// Whether enough is known to expect anybody to come free.
    pub fn is_known(&self, operators: u32) -> bool {
        self.seen >= KNOWN_CALLS * u64::from(operators)
    }

    /// The chance that an operator who has been busy for so long is free when a call that is placed now is answered.
    pub fn comes_free(&self, what: Busy, lasted: f64, ring: f64) -> f64 {
        let within = HORIZON * ring;
        match what {
            Busy::Wrapping => self.wraps.ends_within(lasted, within),
            Busy::Talking => self.talks.ends_within(lasted, within - self.wraps.mean()),
        }
    }

    /// Mean talk and mean after-call work, in seconds.
    pub fn means(&self) -> (f64, f64) {
        (self.talks.mean(), self.wraps.mean())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_a_swing() {
        let mut rate = AnswerRate::default();
        let feed = |rate: &mut AnswerRate, every: usize, calls: usize| {
            (0..calls).for_each(|call| rate.learn(call % every == 0, 0.0));
        };
        feed(&mut rate, 5, 2_000);
        assert!((rate.share() - 0.2).abs() < 0.01, "{}", rate.share());
        for second in 0..1_200 {
            rate.learn(second % 10 == 0, f64::from(second));
        }
        assert!((rate.share() - 0.1).abs() < 0.01, "{}", rate.share());
        assert!(rate.cautious() > rate.share() + 0.01 && rate.cautious() < rate.share() + 0.03);
    }

    #[test]
    fn nothing_known_is_a_high_guess() {
        assert!(AnswerRate::default().cautious() > 0.6);
        let mut silent = AnswerRate::default();
        (0..5_000).for_each(|_| silent.learn(false, 0.0));
        assert!(silent.cautious() > 0.0 && silent.cautious() < 0.01);
    }

    #[test]
    fn a_talk_that_ends_soon_needs_its_after_call_work_too() {
        let mut handling = Handling::default();
        for _ in 0..2_000 {
            handling.learn(Busy::Talking, 60.0);
            handling.learn(Busy::Wrapping, 10.0);
        }
        assert!(handling.comes_free(Busy::Talking, 55.0, 16.0) < 1e-9, "8 seconds are less than 10");
        assert!(handling.comes_free(Busy::Talking, 55.0, 60.0) > 0.9);
        assert!(handling.comes_free(Busy::Wrapping, 5.0, 16.0) > 0.9);
        assert!(handling.is_known(1_000) && !handling.is_known(1_001));
    }

    #[test]
    fn lengths_tell_what_is_left_of_one() {
        let mut talks = Lengths::about(60.0);
        for round in 0..3_000 {
            talks.learn(if round % 2 == 0 { 30.0 } else { 90.0 });
        }
        assert!((talks.mean() - 60.0).abs() < 1.0, "{}", talks.mean());
        assert!(talks.ends_within(0.0, 20.0) < 0.05);
        let half = talks.ends_within(10.0, 30.0);
        assert!((half - 0.5).abs() < 0.1, "{half}");
        assert!(talks.ends_within(70.0, 30.0) > 0.9);
        assert!(talks.ends_within(300.0, 30.0) > 0.2, "a very long one ends some day");
        assert!(talks.ends_within(300.0, 0.0) < 1e-9);
    }
}
