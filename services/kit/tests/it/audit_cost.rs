//! What the audit costs a write: the same change of a row with its event, with an entry and without. A measurement, not a test:
//! `cargo test --release -p kontor-kit --test it audit_cost -- --ignored --nocapture`

use std::time::Instant;

use kontor_kit::auth::Guard;
use kontor_kit::db::{Db, Tx};
use kontor_kit::{Result, args, resource};

use crate::audit::{Thing, open, thing};
use crate::support::{Place, event};

/// Rows, each written by one caller at a time.
const ROWS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_an_entry_costs() {
    measure("SQLite", Place::sqlite()).await;
    if let Some(place) = Place::postgres().await {
        measure("PostgreSQL", place).await;
    }
}

async fn measure(name: &str, place: Place) {
    let db = open(&place).await;
    db.write(|tx| (0..ROWS).try_for_each(|row| resource::insert(tx, &thing(&format!("t{row}")))))
        .await
        .expect("inserted");
    for (callers, writes) in [(1, 600), (16, 200), (64, 60)] {
        // By turns, so that both see the same machine.
        let mut took = [Vec::new(), Vec::new()];
        for _ in 0..5 {
            took[0].push(run(&db, callers, writes, plain).await);
            took[1].push(run(&db, callers, writes, told).await);
        }
        let [plain, told] = took.map(|mut all| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        });
        println!("{name}, {callers} callers: {plain:.1} us a write without, {told:.1} us with an entry");
    }
}

/// Microseconds a write.
async fn run(db: &Db, callers: usize, writes: usize, job: fn(&mut Tx<'_>, &str, usize) -> Result<()>) -> f64 {
    let started = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let db = db.clone();
        all.spawn(async move {
            let id = format!("t{caller}");
            for number in 0..writes {
                let id = id.clone();
                db.write(move |tx| job(tx, &id, number)).await.expect("written");
            }
        });
    }
    all.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let total = (callers * writes) as f64;
    started.elapsed().as_secs_f64() * 1e6 / total
}

/// As `resource::update` was before there was an audit.
fn plain(tx: &mut Tx<'_>, id: &str, number: usize) -> Result<()> {
    let row = resource::get::<Thing>(tx, id)?;
    let (title, now) = (format!("Title number {number}"), tx.now());
    tx.execute(
        "UPDATE thing SET version = $2, title = $3, secret = $4, state = $5, owner = $6, partner = $7, due_time = $8,
         update_time = $9 WHERE id = $1 AND version = $10",
        args![
            id,
            row.version + 1,
            title,
            &row.secret,
            row.state,
            &row.owner,
            &row.partner,
            row.due,
            now,
            row.version
        ],
    )?;
    tx.publish(event(id, &Guard::company()));
    Ok(())
}

fn told(tx: &mut Tx<'_>, id: &str, number: usize) -> Result<()> {
    let mut row = resource::get::<Thing>(tx, id)?;
    row.title = format!("Title number {number}");
    row.update_time = tx.now();
    resource::update(tx, &mut row)?;
    tx.publish(event(id, &Guard::company()));
    Ok(())
}
