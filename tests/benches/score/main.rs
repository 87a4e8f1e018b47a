//! How well the score foretells, measured through the public interface: each row of a file becomes an opportunity, its score is read from the
//! answer of CreateOpportunity, and then it is won or lost. Beside it the counts of the largest open-source CRM, on the same rows.
//!
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench score -- FILE`, or with the path in `KONTOR_BANK_MARKETING`. FILE has no heading and
//! 21 columns in the order of `bank-additional-full.csv`, the outcome (1 or 0) last: UCI Machine Learning Repository, Bank Marketing (Moro, Cortez
//! and Rita 2014, CC BY 4.0), <https://archive.ics.uci.edu/dataset/222/bank+marketing>. It is not ours to keep here. `;` and `,` both part columns,
//! a heading and quotes are left out, and the outcome may be "yes" or "no".

mod peer;

use std::time::Instant;

use kontor_proto::pipeline::v1::{
    CreateOpportunityRequest, GetOpportunityRequest, GetScoreModelRequest, ListOpportunitiesRequest,
    LoseOpportunityRequest, Opportunity, WinOpportunityRequest,
};
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};

const PASSWORD: &str = "a bench password";
/// Rows that are learned before predictions count.
const FIRST: usize = 1_000;
/// Open opportunities for the costs of a read.
const OPEN: usize = 200;
/// Reads of each kind.
const READS: usize = 1_000;
/// The categorical columns; `duration` is left out because it is known only when the outcome is.
const FIELDS: [(usize, &str); 10] = [
    (1, "job"),
    (2, "marital"),
    (3, "education"),
    (4, "default"),
    (5, "housing"),
    (6, "loan"),
    (7, "contact"),
    (8, "month"),
    (9, "day_of_week"),
    (14, "poutcome"),
];

/// A row of the file.
pub struct Row {
    /// Values, in the order of FIELDS.
    pub values: Vec<String>,
    /// Whether it was won.
    pub won: bool,
}

fn main() {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(path) = asked.or_else(|| std::env::var("KONTOR_BANK_MARKETING").ok()) else {
        println!(
            "no file: say its path, or set KONTOR_BANK_MARKETING; where to get it stands in tests/benches/score/main.rs"
        );
        return;
    };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let rows = rows(&text);
    assert!(rows.len() > 2 * FIRST, "{path} has {} rows", rows.len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(bench(&rows));
}

fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let columns: Vec<&str> =
            line.split([';', ',']).map(|column| column.trim().trim_matches('"')).collect();
        let won = match *columns.get(20)? {
            "1" | "yes" => true,
            "0" | "no" => false,
            _ => return None,
        };
        Some(Row { values: FIELDS.iter().map(|(column, _)| columns[*column].to_owned()).collect(), won })
    };
    text.lines().filter_map(row).collect()
}

async fn bench(rows: &[Row]) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("kontor");
    let process = Process::start(&data, &[]).await;
    let data = data.to_str().expect("a plain path");
    let arguments = ["user", "add", "bench", "--admin", "--password-stdin", "--data", data];
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    let (begun, cpu) = (Instant::now(), process.cpu_seconds());
    let mut ours = Vec::with_capacity(rows.len());
    for row in rows {
        ours.push((predicted_and_closed(&grpc, row).await, row.won));
    }
    let each = 1_000.0 / rows.len() as f64;
    let (wall, cpu) = (begun.elapsed().as_secs_f64() * each, (process.cpu_seconds() - cpu) * each);
    println!(
        "\n{} rows, the first {FIRST} not counted; create and close {wall:.2} ms together, {cpu:.2} ms CPU\n",
        rows.len()
    );
    println!("| model | AUC | log loss | Brier | ECE |\n|---|---|---|---|---|");
    print("the peer's counts", &peer::predictions(rows));
    print("ours", &ours);
    let model =
        grpc.scores().get_score_model(GetScoreModelRequest::default()).await.expect("a model").into_inner();
    println!("\nserved for the last 1,000: {:?}", model.quality.expect("a quality"));
    costs(&process, &grpc, &rows[rows.len() - OPEN..]).await;
    assert!(process.stop().await);
}

/// The score of a new opportunity, 0 to 1, from the answer that creates it; then it is closed.
async fn predicted_and_closed(grpc: &Grpc, row: &Row) -> f64 {
    let made = created(grpc, row).await;
    if row.won {
        let request = WinOpportunityRequest { name: made.name, ..Default::default() };
        grpc.opportunities().win_opportunity(request).await.expect("won");
    } else {
        lose(grpc, &made.name).await;
    }
    made.score.expect("a score") / 100.0
}

async fn created(grpc: &Grpc, row: &Row) -> Opportunity {
    let attributes =
        FIELDS.iter().zip(&row.values).map(|((_, key), value)| ((*key).to_owned(), value.clone()));
    let new = Opportunity { title: "Call".into(), attributes: attributes.collect(), ..Default::default() };
    let request = CreateOpportunityRequest { opportunity: Some(new), ..Default::default() };
    grpc.opportunities().create_opportunity(request).await.expect("made").into_inner()
}

async fn lose(grpc: &Grpc, name: &str) {
    let request = LoseOpportunityRequest { name: name.to_owned(), reason: "no".into(), ..Default::default() };
    grpc.opportunities().lose_opportunity(request).await.expect("lost");
}

/// What the score adds to a read: open opportunities have one, lost ones, which are the same else, have none.
async fn costs(process: &Process, grpc: &Grpc, rows: &[Row]) {
    let mut name = String::new();
    for row in rows {
        name = created(grpc, row).await.name;
    }
    println!("\n| read | CPU ms |\n|---|---|");
    for state in ["OPEN", "LOST", "OPEN", "LOST"] {
        let begun = process.cpu_seconds();
        for _ in 0..READS {
            let filter = format!("state = {state}");
            let request = ListOpportunitiesRequest { page_size: 50, filter, ..Default::default() };
            let page = grpc.opportunities().list_opportunities(request).await.expect("a page").into_inner();
            assert_eq!(page.opportunities.len(), 50);
            assert!(page.opportunities.iter().all(|deal| deal.score.is_some() == (state == "OPEN")));
        }
        let each = (process.cpu_seconds() - begun) * 1_000.0 / READS as f64;
        println!("| page of 50, all {state} | {each:.3} |");
    }
    for state in ["OPEN", "LOST"] {
        if state == "LOST" {
            lose(grpc, &name).await;
        }
        let begun = process.cpu_seconds();
        for _ in 0..READS {
            let request = GetOpportunityRequest { name: name.clone() };
            let deal = grpc.opportunities().get_opportunity(request).await.expect("it").into_inner();
            assert!(deal.score.is_some() == (state == "OPEN"));
        }
        println!("| one, {state} | {:.3} |", (process.cpu_seconds() - begun) * 1_000.0 / READS as f64);
    }
}

fn print(name: &str, predictions: &[(f64, bool)]) {
    let counted = &predictions[FIRST..];
    let number = |won: bool| f64::from(u8::from(won));
    let all = counted.len() as f64;
    let log_loss =
        -counted.iter().map(|(p, won)| if *won { p.ln() } else { (1.0 - p).ln() }).sum::<f64>() / all;
    let brier = counted.iter().map(|(p, won)| (p - number(*won)).powi(2)).sum::<f64>() / all;
    let mut sorted = counted.to_vec();
    sorted.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let size = sorted.len();
    let ece: f64 = (0..10)
        .map(|tenth| {
            let part = &sorted[size * tenth / 10..size * (tenth + 1) / 10];
            part.iter().map(|(p, won)| p - number(*won)).sum::<f64>().abs() / all
        })
        .sum();
    println!("| {name} | {:.3} | {log_loss:.4} | {brier:.4} | {ece:.4} |", auc(&sorted));
}

/// Share of the pairs of a won and a lost one where the won one has the higher score; equal ones count half.
fn auc(sorted: &[(f64, bool)]) -> f64 {
    let won = sorted.iter().filter(|(_, won)| *won).count() as f64;
    let (mut ranks, mut at) = (0.0, 0);
    for equal in sorted.chunk_by(|(a, _), (b, _)| a == b) {
        let middle = at as f64 + (equal.len() as f64 + 1.0) / 2.0;
        ranks += middle * equal.iter().filter(|(_, won)| *won).count() as f64;
        at += equal.len();
    }
    (ranks - won * (won + 1.0) / 2.0) / (won * (sorted.len() as f64 - won))
}
