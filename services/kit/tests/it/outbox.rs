//! The outbox: numbers in commit order, without a gap, however many write at once in however many processes.

use std::collections::HashSet;

use kontor_kit::outbox;

use crate::support::{Place, count, note};

kontor_testbed::on_both! { Place;
    sixteen_writers_over_two_handles_make_no_gap_and_no_disorder,
    many_events_of_one_write_stay_in_their_order,
}

/// A reader that only goes forwards must see every number exactly once: a number may never appear behind its back.
async fn sixteen_writers_over_two_handles_make_no_gap_and_no_disorder(place: Place) {
    const EACH: i64 = 25;
    // Two handles are two processes: each has its own writer.
    let (one, two) = (place.open().await, place.open().await);
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let db = if writer % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                for number in 0..EACH {
                    db.write(move |tx| {
                        note(tx, &format!("w{writer}-{number}"), number)?;
                        if number % 5 == 4 { Err(kontor_kit::Error::denied("not this one")) } else { Ok(()) }
                    })
                    .await
                    .ok();
                }
            })
        })
        .collect();
    let wanted = 16 * EACH * 4 / 5;
    let (mut seen, mut subjects) = (0, HashSet::new());
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while seen < wanted {
        assert!(tokio::time::Instant::now() < deadline, "only {seen} of {wanted} events came");
        for event in two.read(move |conn| outbox::after(conn, seen, 7)).await.expect("events are read") {
            assert_eq!(event.sequence, seen + 1, "the next number follows the last");
            seen = event.sequence;
            assert!(subjects.insert(event.subject.clone()), "{} came twice", event.subject);
        }
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(count(&one, "SELECT COUNT(*) FROM note").await, wanted);
    assert_eq!(count(&one, "SELECT sequence FROM kit_outbox_head").await, wanted);
}

async fn many_events_of_one_write_stay_in_their_order(place: Place) {
    let db = place.open().await;
    let write = db.write(|tx| (0..150).try_for_each(|number| note(tx, &format!("e{number}"), number)));
    write.await.expect("written");
    let events = db.read(|conn| outbox::after(conn, 0, 1_000)).await.expect("events are read");
    let subjects: Vec<_> = events.iter().map(|event| event.subject.clone()).collect();
    assert_eq!(subjects, (0..150).map(|number| format!("e{number}")).collect::<Vec<_>>());
    let numbers = events.iter().map(|event| event.sequence);
    assert!(numbers.eq(1..=150), "no gap");
}
