//! Migrations: once, in order, by one process at a time; data of a newer program is left alone.

use kontor_kit::db::Migration;
use tonic::Code;

use crate::support::{NOTES, Place, count, note};

kontor_testbed::on_both! { Place;
    data_of_a_newer_program_is_refused,
    opening_again_changes_nothing,
    many_processes_may_start_at_once,
    a_failing_migration_leaves_nothing,
}

async fn data_of_a_newer_program_is_refused(place: Place) {
    place.open_as("it", NOTES).await.expect("the newer program opens");
    let cause = place.open_as("it", &[]).await.err().expect("the older program is refused");
    assert_eq!((cause.code(), cause.reason()), (Code::FailedPrecondition, "NEWER_DATA"));
    assert!(cause.message().contains("0001_notes"), "{cause}");
}

async fn opening_again_changes_nothing(place: Place) {
    let db = place.open().await;
    db.write(|tx| note(tx, "n1", 1)).await.expect("written");
    drop(db);
    assert_eq!(count(&place.open().await, "SELECT COUNT(*) FROM note").await, 1);
}

async fn many_processes_may_start_at_once(place: Place) {
    let place = std::sync::Arc::new(place);
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let place = place.clone();
            tokio::spawn(async move { place.open_as("it", NOTES).await.map(|_| ()) })
        })
        .collect();
    for start in starts {
        start.await.expect("no panic").expect("it starts");
    }
}

async fn a_failing_migration_leaves_nothing(place: Place) {
    const BAD: &[Migration] = &[
        Migration {
            name: "0001_notes",
            sqlite: "CREATE TABLE note (id TEXT)",
            postgres: "CREATE TABLE note (id TEXT)",
        },
        Migration { name: "0002_bad", sqlite: "CREATE TABLE (", postgres: "CREATE TABLE (" },
    ];
    place.open_as("it", BAD).await.err().expect("it fails");
    assert_eq!(
        count(&place.open().await, "SELECT COUNT(*) FROM note").await,
        0,
        "the good program starts afterwards"
    );
}
