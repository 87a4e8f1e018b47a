//! The pacing rule over many simulated days, and what one decision costs. Fails when any day has more dropped calls than the cap.
//!
//! Run: `cargo bench -p kontor-telephony --bench dialler`, or with the number of days for each size behind `--`; 100 unless said otherwise.

use std::hint::black_box;
use std::time::Instant;

use kontor_telephony::domain::pacing::{CAP, Mode, Moment, decide};
use kontor_telephony::domain::simulation::{Day, Settings, day};

const SIZES: [u32; 7] = [10, 15, 20, 25, 50, 75, 100];

fn main() {
    let days = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100);
    println!("operators  one to one  predictive  gain     dropped  worst day  worst moment");
    let mut over = 0;
    for operators in SIZES {
        over += size(operators, days);
    }
    for idle in [2, 10, 40] {
        decision(idle);
    }
    assert_eq!(over, 0, "days with more dropped calls than the cap at some moment");
}

/// Plays the days of one size; gives how many were above the cap.
fn size(operators: u32, days: u64) -> usize {
    let settings = Settings { operators, ..Settings::default() };
    let play = |mode: Mode| -> Vec<Day> {
        let settings = Settings { mode, ..settings.clone() };
        (0..days).map(|seed| day(&settings, seed)).collect()
    };
    let mean =
        |all: &[Day], of: fn(&Day) -> f64| 100.0 * all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
    let (ahead, one) = (play(Mode::Predictive), play(Mode::Progressive));
    let worst = ahead.iter().map(Day::dropped_share).fold(0.0, f64::max);
    let excess = ahead.iter().map(|day| day.worst_excess).fold(f64::MIN, f64::max);
    let (busy, base) = (mean(&ahead, |day| day.busy), mean(&one, |day| day.busy));
    let dropped = mean(&ahead, Day::dropped_share);
    println!(
        "{operators:9}  {base:8.1} %  {busy:8.1} %  {:+5.1}  {dropped:7.2} %  {:7.2} %  {excess:+.2} calls above the cap",
        busy - base,
        100.0 * worst
    );
    ahead.iter().filter(|day| day.worst_excess > 0.0 || day.dropped_share() > settings.cap).count()
}

fn decision(idle: u32) {
    let moment = Moment {
        operators: idle * 4,
        idle,
        freeing: f64::from(idle) / 2.0,
        ringing: idle,
        answer_rate: 0.15,
        answered: 10_000,
        dropped: 100,
        lines: 2_000,
    };
    const ROUNDS: u32 = 20_000;
    let begin = Instant::now();
    let mut placed = 0;
    for _ in 0..ROUNDS {
        placed = black_box(decide(Mode::Predictive, CAP, black_box(&moment))).place;
    }
    println!("a decision with {idle} idle operators, {placed} calls: {:?}", begin.elapsed() / ROUNDS);
}
