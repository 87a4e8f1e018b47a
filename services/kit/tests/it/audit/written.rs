//! What an entry says of a change.

use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::Guard;
use kontor_kit::db::Tx;
use kontor_kit::resource;
use kontor_kit::{Error, replay};
use kontor_proto::r#type::v1::{AuditAction, WatchChangesRequest};
use kontor_testbed::caller;
use sha2::{Digest, Sha256};

use super::{THINGS, Thing, add, all, change, fields, open, thing, whole, write};
use crate::support::{Place, count, event};

kontor_testbed::on_both! { Place;
    h4_each_changed_field_is_told_with_both_values_by_whom_and_when,
    h4_what_changes_nothing_writes_nothing,
    h4_a_record_that_is_written_twice_in_one_write_has_one_entry,
    h4_a_write_that_is_taken_back_leaves_no_entry,
    h4_of_a_secret_nothing_is_kept,
    h4_a_long_text_is_kept_up_to_a_cap_with_the_hash_of_the_whole,
    h4_what_follows_from_an_event_is_the_doing_of_who_brought_it_about,
}

async fn h4_each_changed_field_is_told_with_both_values_by_whom_and_when(place: Place) {
    let db = open(&place).await;
    let before = db.clock().now();
    add(&db, Thing { partner: "partners/p".to_owned(), ..thing("a") }).await;
    change(&db, "ben", "a", |thing| {
        thing.title = "Wall".to_owned();
        thing.state = 2;
        thing.owner = "users/ben".to_owned();
        thing.due = 1_795_435_200_000_000;
    })
    .await;
    db.write(|tx| {
        let thing = resource::get::<Thing>(tx, "a")?;
        resource::delete(tx, &thing)
    })
    .await
    .expect("deleted");
    let entries = all(&db).await;
    let [deleted, changed, created] = entries.as_slice() else { panic!("{entries:?}") };

    assert_eq!((created.sequence, created.action()), (1, AuditAction::Create));
    assert_eq!((created.subject.as_str(), created.partner.as_str()), ("things/a", "partners/p"));
    assert_eq!((created.actor.as_str(), created.cause.as_str()), ("users/anna", "it.v1.Things/Write"));
    let time = created.write_time.as_ref().map(kontor_kit::clock::from_proto).expect("a time");
    assert!((before..=db.clock().now()).contains(&time));
    assert_eq!(fields(created), ["title: - -> Roof", "state: - -> OPEN", "partner: - -> partners/p"]);

    assert_eq!((changed.action(), changed.actor.as_str()), (AuditAction::Update, "users/ben"));
    assert_eq!(
        fields(changed),
        [
            "title: Roof -> Wall",
            "state: OPEN -> WON",
            "assignee: - -> users/ben",
            "due_time: - -> 2026-11-23T12:00:00Z"
        ]
    );
    assert_eq!((deleted.action(), deleted.actor.as_str()), (AuditAction::Delete, ""), "by Kontor itself");
    assert_eq!(fields(deleted)[0], "title: Wall -> -");
    assert_eq!(whole(&place, &db).await.entry_count, 3);
}

async fn h4_what_changes_nothing_writes_nothing(place: Place) {
    let db = open(&place).await;
    add(&db, thing("a")).await;
    change(&db, "ben", "a", |_| {}).await;
    let request = WatchChangesRequest::default();
    for _ in 0..2 {
        let (ben, request) = (caller("ben", &[], &[]), request.clone());
        let job = move |tx: &mut Tx<'_>| {
            replay::once(tx, &ben, "once", &request, |tx| {
                let mut thing = resource::get::<Thing>(tx, "a")?;
                thing.title.push('!');
                resource::update(tx, &mut thing)
            })
        };
        db.write(job).await.expect("written");
    }
    let entries = all(&db).await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(fields(&entries[0]), ["title: Roof -> Roof!"]);
    assert_eq!(entries[0].actor, "users/ben", "the caller of replay::once is known without a request around");
    db.write(|tx| {
        tx.publish(event("a", &Guard::company()));
        Ok(())
    })
    .await
    .expect("written");
    assert_eq!(count(&db, "SELECT sequence FROM kit_audit_head").await, 2);
}

async fn h4_a_record_that_is_written_twice_in_one_write_has_one_entry(place: Place) {
    let db = open(&place).await;
    let job = |tx: &mut Tx<'_>| {
        resource::insert(tx, &thing("a"))?;
        let mut made = thing("a");
        made.title = "Wall".to_owned();
        resource::update(tx, &mut made)?;
        made.title = "Door".to_owned();
        resource::update(tx, &mut made)?;
        resource::insert(tx, &thing("b"))?;
        tx.audit(Entry::new(Action::Update, "things/a", &Guard::company()).field("lines", "", "3"));
        Ok(())
    };
    write(&db, "anna", job).await.expect("written");
    // There and back again is no change.
    let job = |tx: &mut Tx<'_>| {
        let mut made = resource::get::<Thing>(tx, "a")?;
        made.title = "Wall".to_owned();
        resource::update(tx, &mut made)?;
        made.title = "Door".to_owned();
        resource::update(tx, &mut made)
    };
    write(&db, "anna", job).await.expect("written");
    let entries = all(&db).await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1].subject, "things/a");
    assert_eq!(fields(&entries[1]), ["title: - -> Door", "state: - -> OPEN", "lines: - -> 3"]);
}

async fn h4_a_write_that_is_taken_back_leaves_no_entry(place: Place) {
    let db = open(&place).await;
    // Many at once, so that they share a commit.
    let writes = (0..20).map(|number| {
        let db = db.clone();
        async move {
            let job = move |tx: &mut Tx<'_>| {
                resource::insert(tx, &thing(&format!("t{number}")))?;
                if number % 2 == 0 { Err(Error::denied("not this one")) } else { Ok(()) }
            };
            write(&db, "anna", job).await.ok();
        }
    });
    futures_util::future::join_all(writes).await;
    let entries = all(&db).await;
    assert_eq!(entries.len(), 10);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM thing").await, 10);
    assert_eq!(whole(&place, &db).await.entry_count, 10);
}

async fn h4_of_a_secret_nothing_is_kept(place: Place) {
    let db = open(&place).await;
    add(&db, Thing { secret: "open sesame".to_owned(), ..thing("a") }).await;
    change(&db, "ben", "a", |thing| thing.secret = "open barley".to_owned()).await;
    let entries = all(&db).await;
    assert_eq!(fields(&entries[0]), ["secret: (secret) -> (secret)"]);
    assert!(fields(&entries[1]).contains(&"secret: - -> (secret)".to_owned()));
    let kept = db
        .read(|conn| {
            conn.all("SELECT body, value_data FROM kit_audit", &[], |row| {
                Ok([row.bytes(0)?.to_vec(), row.bytes(1)?.to_vec()].concat())
            })
        })
        .await
        .expect("read");
    let kept = kept.concat();
    for hidden in [b"sesame".to_vec(), b"barley".to_vec(), Sha256::digest("open sesame").to_vec()] {
        assert!(!kept.windows(hidden.len()).any(|part| part == hidden));
    }
}

async fn h4_a_long_text_is_kept_up_to_a_cap_with_the_hash_of_the_whole(place: Place) {
    let db = open(&place).await;
    let long = "é".repeat(5_000);
    add(&db, Thing { title: long.clone(), ..thing("a") }).await;
    let entries = all(&db).await;
    let title = entries[0].fields[0].new_value.clone().expect("a title");
    assert_eq!(title.text, "é".repeat(2_048));
    assert_eq!(title.size_bytes, 10_000);
    assert_eq!(title.sha256, Sha256::digest(&long).to_vec());
    whole(&place, &db).await;
}

async fn h4_what_follows_from_an_event_is_the_doing_of_who_brought_it_about(place: Place) {
    let context = place.context();
    let source = place.open_as("source", THINGS).await.expect("the database opens");
    let db = open(&place).await;
    context.bus.offer("it", source.clone());
    context.bus.listen(&context, "it", "it.things", db.clone(), |tx, event| {
        resource::insert(tx, &thing(&event.subject))
    });
    source
        .write(|tx| {
            tx.publish(event("a", &Guard::company()).actor("users/anna"));
            tx.publish(event("b", &Guard::company()));
            Ok(())
        })
        .await
        .expect("published");
    crate::support::until("two entries", || async { all(&db).await.len() == 2 }).await;
    let events =
        source.read(|conn| kontor_kit::outbox::after(conn, 0, 9)).await.expect("the events are read");
    let entries = all(&db).await;
    for (entry, event) in entries.iter().rev().zip(&events) {
        assert_eq!(entry.actor, event.actor);
        assert_eq!(entry.cause, format!("event {}", event.event_id));
    }
    assert_eq!(entries[1].actor, "users/anna");
}
