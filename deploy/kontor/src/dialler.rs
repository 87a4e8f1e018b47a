//! `kontor simulate-dialler`: days of a call centre before going live, as a table and as a plot. It needs no server and no network.
//! Called by `main.rs`; the simulation itself is telephony's, and uses the rule that paces real calls.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kontor_kit::{Error, Result};
use kontor_telephony::domain::pacing::Mode;
use kontor_telephony::domain::simulation::{self, Day, Settings};

use crate::dialler_plot;

/// What is simulated.
#[derive(Args)]
pub struct Dialler {
    /// Operators, by comma: each number is a line of the table.
    #[arg(long, value_name = "N,N,...", default_value = "10", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=500))]
    operators: Vec<u32>,
    /// Modes to compare, by comma.
    #[arg(long, value_name = "MODE,...", default_value = "progressive,predictive", value_delimiter = ',')]
    mode: Vec<ModeName>,
    /// Calls of 100 that a person answers, at the middle of the day.
    #[arg(long, value_name = "PERCENT", default_value_t = 15.0)]
    answer_rate: f64,
    /// How far that swings to both sides over the day, in percent of it.
    #[arg(long, value_name = "PERCENT", default_value_t = 40.0)]
    swing: f64,
    /// Mean talk, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 90.0)]
    talk: f64,
    /// Mean after-call work, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    wrap: f64,
    /// How long a call rings until it is given up, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0)]
    ring: f64,
    /// Dropped calls of 100 answered ones, at most.
    #[arg(long, value_name = "PERCENT", default_value_t = 3.0)]
    cap: f64,
    /// Length of the day.
    #[arg(long, value_name = "HOURS", default_value_t = 8.0)]
    hours: f64,
    /// Days to simulate, each with a luck of its own.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Number of the first day: the same settings and number always give the same day.
    #[arg(long, value_name = "N", default_value_t = 0)]
    first_seed: u64,
    /// Write a plot of dropped calls and busy time over the worst day here (HTML, no network needed).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// The operator looks at the record for ten seconds, then calls.
    Preview,
    /// One call for each free operator.
    Progressive,
    /// As many calls as the cap allows.
    Predictive,
}

impl ModeName {
    fn mode(self) -> Mode {
        match self {
            ModeName::Preview => Mode::Preview,
            ModeName::Progressive => Mode::Progressive,
            ModeName::Predictive => Mode::Predictive,
        }
    }

    fn word(self) -> &'static str {
        match self {
            ModeName::Preview => "preview",
            ModeName::Progressive => "progressive",
            ModeName::Predictive => "predictive",
        }
    }
}

/// One line of the table: many days of one setting.
pub struct Line {
    /// "predictive, 10 operators"
    pub title: String,
    /// The settings.
    pub settings: Settings,
    /// Mean share of the operators' time in talk and after-call work.
    pub busy: f64,
    /// Mean and largest share of dropped calls.
    pub dropped: (f64, f64),
    /// Mean of calls placed and of calls that a person answered.
    pub calls: (f64, f64),
    /// Number of the day with the largest share of dropped calls, and that day.
    pub worst: (u64, Day),
    /// Days with more dropped calls than the cap.
    pub over: u64,
}

/// Simulates, prints the table, writes the plot.
///
/// # Errors
/// INVALID_ARGUMENT naming the option; when the plot can't be written.
pub fn simulate(given: &Dialler) -> Result<()> {
    let settings = checked(given)?;
    let mut lines = Vec::new();
    for operators in &given.operators {
        for mode in &given.mode {
            let settings = Settings { operators: *operators, mode: mode.mode(), ..settings.clone() };
            let title =
                format!("{}, {operators} operator{}", mode.word(), if *operators == 1 { "" } else { "s" });
            lines.push(line(title, settings, given.first_seed, given.seeds));
        }
    }
    print!("{}", table(&lines, given.seeds));
    if let Some(path) = &given.plot {
        write(path, &dialler_plot::page(&lines))?;
        println!("plot: {}", path.display());
    }
    Ok(())
}

fn checked(given: &Dialler) -> Result<Settings> {
    let within = |option: &str, value: f64, from: f64, to: f64| {
        if value.is_finite() && (from..=to).contains(&value) {
            return Ok(value);
        }
        Err(Error::invalid(option, format!("{value} is not from {from} to {to}")))
    };
    Ok(Settings {
        answer_rate: within("answer-rate", given.answer_rate, 0.1, 100.0)? / 100.0,
        swing: within("swing", given.swing, 0.0, 100.0)? / 100.0,
        talk: within("talk", given.talk, 1.0, 3_600.0)?,
        wrap: within("wrap", given.wrap, 0.0, 1_800.0)?,
        ring: within("ring", given.ring, 3.0, 120.0)?,
        cap: within("cap", given.cap, 0.0, 100.0)? / 100.0,
        hours: within("hours", given.hours, 0.1, 24.0)?,
        ..Settings::default()
    })
}

fn line(title: String, settings: Settings, first: u64, seeds: u64) -> Line {
    let mut worst = (first, simulation::day(&settings, first));
    let mut sums = [0.0; 4];
    let mut over = 0;
    for seed in first..first.saturating_add(seeds) {
        let day = simulation::day(&settings, seed);
        let share = day.dropped_share();
        over += u64::from(share > settings.cap);
        for (sum, value) in sums.iter_mut().zip([day.busy, share, day.calls as f64, day.answered as f64]) {
            *sum += value;
        }
        if share > worst.1.dropped_share() {
            worst = (seed, day);
        }
    }
    let [busy, dropped, calls, answered] = sums.map(|sum| sum / seeds as f64);
    let dropped = (dropped, worst.1.dropped_share());
    Line { title, settings, busy, dropped, calls: (calls, answered), worst, over }
}

fn table(lines: &[Line], seeds: u64) -> String {
    let head =
        ["", "busy", "dropped", "worst day", "its seed", "days over", "calls", "answered"].map(str::to_owned);
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let row = |line: &Line| {
        [
            line.title.clone(),
            format!("{:.1} %", 100.0 * line.busy),
            percent(line.dropped.0),
            percent(line.dropped.1),
            line.worst.0.to_string(),
            format!("{} of {seeds}", line.over),
            format!("{:.0}", line.calls.0),
            format!("{:.0}", line.calls.1),
        ]
    };
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(lines.iter().map(row)).collect();
    let widths: Vec<usize> =
        (0..8).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let text = |row: &[String; 8]| {
        let mut text = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
        text
    };
    rows.iter().map(text).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|cause| Error::invalid("plot", format!("can't write {}: {cause}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short() -> Settings {
        Settings { hours: 0.5, ..Settings::default() }
    }

    #[test]
    fn the_table_has_a_line_for_each_setting_and_names_the_worst_seed() {
        let first = line("predictive, 10 operators".to_owned(), short(), 7, 3);
        assert!((7..10).contains(&first.worst.0));
        let again = line("again".to_owned(), short(), 7, 3);
        assert_eq!((again.busy, &again.worst), (first.busy, &first.worst));
        let text = table(&[first, again], 3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].trim_start().starts_with("busy  dropped"), "{text}");
        assert!(lines[1].starts_with("predictive, 10 operators  ") && lines[1].contains(" of 3"), "{text}");
    }

    #[test]
    fn the_plot_is_one_page_that_needs_nothing_else() {
        let page = dialler_plot::page(&[line("a < b".to_owned(), short(), 0, 1)]);
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
        assert!(page.contains("a &lt; b") && page.matches("<svg").count() == 2);
        for outside in ["http://", "https://", "<script", "@import", "url("] {
            let known = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!known.contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN"), "no number is missing");
    }
}
