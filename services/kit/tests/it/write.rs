//! Group commit: what one write does to those that share its transaction. Savepoints, panics, lost connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use kontor_kit::db::{Conn, Db};
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, args};
use tokio::task::JoinHandle;
use tonic::Code;

use crate::support::{Place, count, note, until};

kontor_testbed::on_both! { Place;
    an_error_takes_back_its_own_write_only,
    a_panic_is_internal_and_the_writer_lives_on,
    a_panicking_read_is_internal_and_readers_live_on,
    a_read_of_few_rows_sees_what_was_acknowledged_and_takes_turns,
    a_list_that_takes_long_is_run_by_a_reader,
    a_lone_error_leaves_nothing,
    hooks_run_after_the_commit_only,
    writing_on_after_a_failed_statement_is_never_acknowledged_half,
}

/// Holds the writer until the returned sender is used or dropped, so that what follows shares one group.
async fn hold(db: &Db) -> (mpsc::Sender<()>, JoinHandle<Result<()>>) {
    let (release, held) = mpsc::channel::<()>();
    let started = Arc::new(AtomicBool::new(false));
    let (mut held, seen, db) = (Some(held), started.clone(), db.clone());
    let job = tokio::spawn(async move {
        db.write(move |_| {
            seen.store(true, Ordering::SeqCst);
            let _ = held.take().map(|held| held.recv_timeout(Duration::from_secs(10)));
            Ok(())
        })
        .await
    });
    until("the writer is held", || {
        let started = started.clone();
        async move { started.load(Ordering::SeqCst) }
    })
    .await;
    (release, job)
}

fn spawn_note(db: &Db, number: i64, fault: Fault) -> JoinHandle<Result<()>> {
    let db = db.clone();
    tokio::spawn(async move {
        db.write(move |tx| {
            note(tx, &format!("n{number}"), number)?;
            match fault {
                Fault::None => Ok(()),
                Fault::Error => Err(Error::precondition("TEST", "this one is not wanted")),
                Fault::Sql => note(tx, &format!("n{number}"), number),
                Fault::Panic => panic!("this one falls over"),
            }
        })
        .await
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Error,
    Sql,
    Panic,
}

/// Twenty writes in one group: every fourth is good, the others fail each in their way.
async fn an_error_takes_back_its_own_write_only(place: Place) {
    let db = place.open().await;
    let (release, held) = hold(&db).await;
    let faults = [Fault::None, Fault::Error, Fault::Sql, Fault::Panic];
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let fault = faults[number % 4];
            (fault, spawn_note(&db, i64::try_from(number).unwrap_or(0), fault))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(release);
    held.await.expect("no panic").expect("the holder is written");
    for (fault, job) in jobs {
        let code = job.await.expect("no panic").map_err(|cause| cause.code());
        let wanted = match fault {
            Fault::None => Ok(()),
            Fault::Error => Err(Code::FailedPrecondition),
            Fault::Sql => Err(Code::AlreadyExists),
            Fault::Panic => Err(Code::Internal),
        };
        assert_eq!(code, wanted);
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 5);
    assert_eq!(
        count(&db, "SELECT COUNT(*) FROM kit_outbox").await,
        5,
        "an event is there exactly when its write is"
    );
    assert_eq!(count(&db, "SELECT sequence FROM kit_outbox_head").await, 5, "a failed write takes no number");
}

async fn a_panic_is_internal_and_the_writer_lives_on(place: Place) {
    let db = place.open().await;
    let cause = spawn_note(&db, 1, Fault::Panic).await.expect("no panic outside").expect_err("it fails");
    assert_eq!(cause.code(), Code::Internal);
    db.write(|tx| note(tx, "n1", 1)).await.expect("the next write works, and the name is free");
}

async fn a_panicking_read_is_internal_and_readers_live_on(place: Place) {
    let db = place.open().await;
    for _ in 0..10 {
        let outcome: Result<()> = db.read(|_| panic!("a reader falls over")).await;
        assert_eq!(outcome.expect_err("it fails").code(), Code::Internal);
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 0);
}

/// On SQLite the first of its kind begins where it is asked for and is stopped there; the next go to a reader at once. Short lists do not.
async fn a_list_that_takes_long_is_run_by_a_reader(place: Place) {
    let db = place.open().await;
    let run = async |kind: u64, steps: i64| {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let job = move |conn: &mut Conn<'_>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let sql = "WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < $1) SELECT CAST(COUNT(*) AS BIGINT) FROM step";
            conn.one(sql, args![steps], |row| row.int(0))
        };
        assert_eq!(db.read_list(kind, job).await.expect("read"), Some(steps));
        runs.load(Ordering::SeqCst)
    };
    let first = if place.is_postgres() { 1 } else { 2 };
    let (query, caller) = (Query::default(), kontor_testbed::admin());
    // Of one long history nothing follows for the others.
    let under = |parent: &str| query.kind_under(&caller, parent);
    let (one, other) = (under("partners/1"), under("partners/2"));
    for (kind, steps, runs) in [
        (1, 10, 1),
        (2, 200_000, first),
        (2, 200_000, 1),
        (1, 10, 1),
        (3, 200_000, first),
        (1, 10, 1),
        (one, 200_000, first),
        (one, 200_000, 1),
        (other, 200_000, first),
    ] {
        assert_eq!(run(kind, steps).await, runs, "kind {kind}, {steps} steps");
    }
}

async fn a_lone_error_leaves_nothing(place: Place) {
    let db = place.open().await;
    for fault in [Fault::Error, Fault::Sql] {
        spawn_note(&db, 1, fault).await.expect("no panic").expect_err("it fails");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 0);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM kit_outbox").await, 0);
}

async fn hooks_run_after_the_commit_only(place: Place) {
    let db = place.open().await;
    let (ran_good, ran_bad) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (good, bad) = (ran_good.clone(), ran_bad.clone());
    let failed: Result<()> = db
        .write(move |tx| {
            let bad = bad.clone();
            tx.on_commit(move || bad.store(true, Ordering::SeqCst));
            Err(Error::denied("no"))
        })
        .await;
    assert!(failed.is_err());
    db.write(move |tx| {
        let good = good.clone();
        tx.on_commit(|| panic!("a hook falls over"));
        tx.on_commit(move || good.store(true, Ordering::SeqCst));
        Ok(())
    })
    .await
    .expect("a falling hook does not hurt the write");
    assert!(ran_good.load(Ordering::SeqCst) && !ran_bad.load(Ordering::SeqCst));
    db.write(|tx| note(tx, "n1", 1)).await.expect("the writer lives on");
}

/// A job that swallows an error of the database: SQLite can go on, PostgreSQL can't and must not say that it did.
async fn writing_on_after_a_failed_statement_is_never_acknowledged_half(place: Place) {
    let db = place.open().await;
    db.write(|tx| note(tx, "taken", 1)).await.expect("written");
    let outcome = db
        .write(|tx| {
            tx.execute("INSERT INTO note (id, number, text) VALUES ('before', 2, '')", &[])?;
            let _ = tx.execute("INSERT INTO note (id, number, text) VALUES ('taken', 3, '')", &[]);
            Ok(())
        })
        .await;
    let kept = count(&db, "SELECT COUNT(*) FROM note WHERE id = 'before'").await;
    assert_eq!(outcome.is_ok(), kept == 1, "{outcome:?}, and {kept} rows are kept");
    assert_eq!(outcome.is_ok(), !place.is_postgres());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_connection_to_postgresql_is_opened_again_unseen() {
    let Some(place) = Place::postgres().await else { return };
    let db = place.open().await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..3 {
        place.administer(kill).await;
        db.write(move |tx| note(tx, &format!("n{round}"), round)).await.expect("the write connects anew");
        for _ in 0..8 {
            assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, round + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_within_a_write_is_unavailable_and_leaves_nothing() {
    let Some(place) = Place::postgres().await else { return };
    let db = place.open().await;
    let outcome = db
        .write(|tx| {
            note(tx, "n1", 1)?;
            tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", args![]).map(|_| ())
        })
        .await;
    assert_eq!(outcome.expect_err("it fails").code(), Code::Unavailable);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 0);
    db.write(|tx| note(tx, "n1", 1)).await.expect("the next write connects anew");
}

#[tokio::test]
async fn a_text_with_nul_is_refused_by_postgresql_as_the_callers_mistake() {
    let Some(place) = Place::postgres().await else { return };
    let db = place.open().await;
    let outcome = db.write(|tx| note(tx, "a\0b", 1)).await;
    assert_eq!(outcome.expect_err("it fails").code(), Code::InvalidArgument);
}

async fn a_read_of_few_rows_sees_what_was_acknowledged_and_takes_turns(place: Place) {
    let db = place.open().await;
    for number in 0..20 {
        db.write(move |tx| note(tx, &format!("n{number}"), number)).await.unwrap();
        let seen = db.read_few(|conn| conn.one("SELECT COUNT(*) FROM note", args![], |row| row.int(0)));
        assert_eq!(seen.await.unwrap(), Some(number + 1));
        // Far more at once than there are connections, some of which fall over or fail.
        let readers = (0..32).map(|reader| {
            let db = db.clone();
            tokio::spawn(async move {
                db.read_few(move |conn| match reader % 8 {
                    0 => panic!("this one falls over"),
                    1 => conn.one("SELECT nothing FROM nowhere", args![], |row| row.int(0)),
                    _ => conn.one("SELECT COUNT(*) FROM note", args![], |row| row.int(0)),
                })
                .await
            })
        });
        for (reader, answer) in futures_util::future::join_all(readers).await.into_iter().enumerate() {
            match reader % 8 {
                0 | 1 => assert!(answer.unwrap().is_err()),
                _ => assert_eq!(answer.unwrap().unwrap(), Some(number + 1)),
            }
        }
    }
}
