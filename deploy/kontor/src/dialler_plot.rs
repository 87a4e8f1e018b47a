//! The plot of a simulated day: busy time and dropped calls, as one HTML page with drawings in it.
//! Called by dialler.rs.

use std::fmt::Write;

use kontor_telephony::domain::simulation::Stretch;

use crate::dialler::Line;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 240.0;
/// Room for the words at the left, right, top and bottom.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:900px;padding:0 1rem;color:#1a1f26;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .2rem}p{margin:.2rem 0 .6rem;color:#4a5563}svg{max-width:100%;height:auto}\
text{font:12px system-ui,sans-serif;fill:#4a5563}.grid{stroke:#e3e7ec}.cap{stroke:#b42318;stroke-dasharray:6 4}.busy{stroke:#1f6feb;fill:none;stroke-width:2}\
.rate{stroke:#8a94a3;fill:none;stroke-width:1.5}.drop{stroke:#d97706;fill:none;stroke-width:2}.bar{fill:#fcd9a8}";

/// The page: for each line of the table its worst day.
pub fn page(lines: &[Line]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Dialler</title><style>{STYLE}</style></head><body>\n<h1>A simulated dialler, the worst day of each setting</h1>\n"
    );
    for line in lines {
        let day = &line.worst.1;
        let cap = line.settings.cap;
        let _ = write!(
            page,
            "<h2>{}</h2>\n<p>Day {}: busy {:.1} %, dropped {} of {} answered calls ({:.2} %, cap {:.1} %), {} calls placed.</p>\n",
            escaped(&line.title),
            line.worst.0,
            100.0 * day.busy,
            day.dropped,
            day.answered,
            100.0 * day.dropped_share(),
            100.0 * cap,
            day.calls
        );
        page.push_str(&busy(&day.stretches, line.settings.hours));
        page.push_str(&dropped(&day.stretches, line.settings.hours, cap));
    }
    page.push_str("</body></html>\n");
    page
}

/// Busy time, and the share of calls that people answer.
fn busy(stretches: &[Stretch], hours: f64) -> String {
    let mut chart = Chart::new(
        "Busy time of the operators (blue) and share of calls that are answered (grey)",
        1.0,
        hours,
    );
    chart.path("rate", stretches.iter().map(|stretch| stretch.answer_rate));
    chart.path("busy", stretches.iter().map(|stretch| stretch.busy));
    chart.close()
}

/// Dropped calls: of each stretch as bars, since the morning as a line, and the cap.
fn dropped(stretches: &[Stretch], hours: f64, cap: f64) -> String {
    let own = |stretch: &Stretch| stretch.dropped as f64 / stretch.answered.max(1) as f64;
    let most = stretches.iter().map(|stretch| stretch.dropped_so_far).fold(cap * 2.0, f64::max);
    let mut chart = Chart::new(
        "Dropped calls of the answered ones: of each stretch (bars, cut at the top), since the morning (line), the cap (dashed)",
        most.max(0.001),
        hours,
    );
    chart.bars(stretches.iter().map(own));
    chart.level("cap", cap);
    chart.path("drop", stretches.iter().map(|stretch| stretch.dropped_so_far));
    chart.close()
}

/// A drawing with a grid: shares upwards, hours to the right.
struct Chart {
    svg: String,
    most: f64,
}

impl Chart {
    fn new(title: &str, most: f64, hours: f64) -> Chart {
        let mut svg = format!(
            "<p>{}</p>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escaped(title),
            escaped(title)
        );
        for quarter in 0..=4 {
            let share = most * f64::from(quarter) / 4.0;
            let y = height(share, most);
            let digits = if most < 0.2 { 1 } else { 0 };
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.digits$} %</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                100.0 * share
            );
        }
        let step = if hours > 12.0 { 2 } else { 1 };
        for hour in (0..=hours as u32).step_by(step) {
            let x = LEFT + f64::from(hour) / hours * (WIDTH - LEFT - RIGHT);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{hour} h</text>",
                HEIGHT - BOTTOM + 18.0
            );
        }
        Chart { svg, most }
    }

    fn path(&mut self, class: &str, values: impl ExactSizeIterator<Item = f64>) {
        let count = values.len();
        let mut path = String::new();
        for (at, value) in values.enumerate() {
            let sign = if at == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{sign}{:.1} {:.1}", middle(at, count), height(value, self.most));
        }
        let _ = writeln!(self.svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    fn bars(&mut self, values: impl ExactSizeIterator<Item = f64>) {
        let count = values.len();
        let wide = (WIDTH - LEFT - RIGHT) / count as f64;
        for (at, value) in values.enumerate().filter(|(_, value)| *value > 0.0) {
            let top = height(value, self.most);
            let _ = writeln!(
                self.svg,
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                middle(at, count) - wide / 2.0,
                wide - 1.0,
                HEIGHT - BOTTOM - top
            );
        }
    }

    fn level(&mut self, class: &str, value: f64) {
        let y = height(value, self.most);
        let _ = writeln!(
            self.svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            WIDTH - RIGHT
        );
    }

    fn close(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

fn middle(at: usize, count: usize) -> f64 {
    LEFT + (at as f64 + 0.5) / count.max(1) as f64 * (WIDTH - LEFT - RIGHT)
}

fn height(value: f64, most: f64) -> f64 {
    TOP + (1.0 - (value / most).clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
