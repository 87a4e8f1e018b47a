//! Events between services: at least once on the way, once in effect, over restarts, replicas and bad events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kontor_kit::context::Context;
use kontor_kit::db::{Db, Migration};
use kontor_kit::{Error, args};
use kontor_proto::r#type::v1::Event;

use crate::support::{Place, count, note, until};

kontor_testbed::on_both! { Place;
    a_consumer_that_is_stopped_and_started_takes_each_event_once,
    two_copies_of_a_consumer_take_each_event_once,
    an_error_is_tried_again_and_holds_up_only_what_follows,
    what_a_consumer_does_not_want_costs_it_nothing_and_its_cursor_passes_over_it,
    a_replay_gives_every_event_in_order,
}

const TALLY: &[Migration] = &[Migration {
    name: "0001_tally",
    sqlite: "CREATE TABLE tally (subject TEXT PRIMARY KEY, times BIGINT NOT NULL)",
    postgres: "CREATE TABLE tally (subject TEXT PRIMARY KEY, times BIGINT NOT NULL)",
}];

const COUNT: &str = "INSERT INTO tally (subject, times) VALUES ($1, 1) ON CONFLICT (subject) DO UPDATE SET times = tally.times + 1";

/// A process that follows `source` and counts each subject.
async fn consumer(place: &Place, source: &Db) -> (Context, Db) {
    let context = place.context();
    context.bus.offer("it", source.clone());
    let db = place.open_as("consumer", TALLY).await.expect("the consumer opens");
    context.bus.listen(&context, "it", "tally", db.clone(), |tx, event| {
        tx.execute(COUNT, args![&event.subject]).map(|_| ())
    });
    (context, db)
}

async fn write(db: &Db, from: usize, to: usize) {
    for number in from..to {
        db.write(move |tx| note(tx, &format!("n{number}"), 1)).await.expect("written");
    }
}

async fn wait_for(db: &Db, wanted: i64) {
    until("all events are taken", || async { count(db, "SELECT COUNT(*) FROM tally").await >= wanted }).await;
    assert_eq!(count(db, "SELECT COUNT(*) FROM tally").await, wanted);
    assert_eq!(count(db, "SELECT COUNT(*) FROM tally WHERE times <> 1").await, 0, "each was taken once");
}

async fn a_consumer_that_is_stopped_and_started_takes_each_event_once(place: Place) {
    let source = place.open().await;
    for round in 0..5 {
        let (context, db) = consumer(&place, &source).await;
        write(&source, round * 60, round * 60 + 60).await;
        // Stopped at an odd moment: somewhere between the events, or within a batch.
        tokio::time::sleep(Duration::from_millis(3 * round as u64)).await;
        context.stop.cancel();
        context.tasks.close();
        context.tasks.wait().await;
        // A crash after the effect and before the cursor: the same events come again.
        if round == 3 {
            db.write(|tx| tx.execute("UPDATE kit_cursor SET sequence = sequence / 2", &[]))
                .await
                .expect("set back");
        }
    }
    let (_context, db) = consumer(&place, &source).await;
    wait_for(&db, 300).await;
}

async fn two_copies_of_a_consumer_take_each_event_once(place: Place) {
    let source = place.open().await;
    let (_one, db) = consumer(&place, &source).await;
    let (_two, _) = consumer(&place, &source).await;
    write(&source, 0, 300).await;
    wait_for(&db, 300).await;
    until("the cursor is at the end", || async {
        count(&db, "SELECT sequence FROM kit_cursor").await == 300
    })
    .await;
}

async fn an_error_is_tried_again_and_holds_up_only_what_follows(place: Place) {
    let source = place.open().await;
    write(&source, 0, 20).await;
    let context = place.context();
    context.bus.offer("it", source.clone());
    let db = place.open_as("consumer", TALLY).await.expect("the consumer opens");
    let (broken, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (still_broken, counted) = (broken.clone(), tries.clone());
    context.bus.listen(&context, "it", "tally", db.clone(), move |tx, event| {
        tx.execute(COUNT, args![&event.subject])?;
        if event.subject == "n10" && still_broken.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Err(Error::unavailable("not yet"));
        }
        Ok(())
    });
    until("it was tried several times", || async { tries.load(Ordering::SeqCst) >= 4 }).await;
    wait_for(&db, 10).await;
    broken.store(false, Ordering::SeqCst);
    wait_for(&db, 20).await;
}

async fn what_a_consumer_does_not_want_costs_it_nothing_and_its_cursor_passes_over_it(place: Place) {
    let source = place.open().await;
    write(&source, 0, 50).await;
    let context = place.context();
    context.bus.offer("it", source.clone());
    let db = place.open_as("consumer", TALLY).await.expect("the consumer opens");
    let wants = |event: &Event| event.subject.starts_with("wanted");
    context.bus.listen_for(&context, "it", "tally", db.clone(), wants, |tx, event| {
        tx.execute(COUNT, args![&event.subject]).map(|_| ())
    });
    source.write(|tx| note(tx, "wanted-1", 1)).await.expect("written");
    wait_for(&db, 1).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM kit_seen").await, 1, "only what it wanted is kept as seen");
    assert_eq!(count(&db, "SELECT sequence FROM kit_cursor").await, 51);
    // Nothing that is wanted comes after these: the cursor follows all the same, in large steps.
    source
        .write(|tx| (0..1_100).try_for_each(|number| note(tx, &format!("late-{number}"), 1)))
        .await
        .expect("written");
    until("the cursor passes over them", || async {
        count(&db, "SELECT sequence FROM kit_cursor").await > 1_000
    })
    .await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM tally").await, 1);
}

async fn a_replay_gives_every_event_in_order(place: Place) {
    let (context, source) = (place.context(), place.open().await);
    write(&source, 0, 450).await;
    context.bus.offer("it", source);
    let mut got = Vec::new();
    context
        .bus
        .replay("it", async |events| {
            got.extend(events.into_iter().map(|event| event.sequence));
            Ok(())
        })
        .await
        .expect("it ends");
    assert_eq!(got, (1..=450).collect::<Vec<i64>>());
    assert!(context.bus.replay("nobody", async |_| Ok(())).await.is_err());
}
