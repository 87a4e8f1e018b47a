//! The chain of hashes: nobody can change a word unseen.

use std::time::Duration;

use kontor_kit::args;
use kontor_kit::audit::{self, Action, Entry};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Db, Tx};
use kontor_kit::resource;
use kontor_proto::r#type::v1::{AuditAction, AuditProblem, VerifyAuditRequest};

use super::{Thing, add, all, change, check, fields, open, tamper, thing, whole, write};
use crate::support::{Place, count, event};

kontor_testbed::on_both! { Place;
    h4_every_kind_of_tampering_is_found,
    h4_history_that_was_written_anew_is_found_by_a_noted_hash,
    h4_erased_values_are_gone_and_the_chain_is_whole,
    h4_an_erasure_takes_what_its_own_commit_wrote,
    h4_values_that_vanish_without_an_erasure_are_found,
    h4_eight_writers_make_one_unbroken_chain,
    h4_data_from_before_begins_with_an_empty_chain,
}

async fn audit_values(db: &Db) -> i64 {
    db.read(|conn| audit::value_count(conn, "things/a")).await.expect("counted")
}

async fn h4_every_kind_of_tampering_is_found(place: Place) {
    let db = open(&place).await;
    for number in 0..6 {
        add(&db, thing(&format!("t{number}"))).await;
    }
    tamper(&db, "CREATE TABLE copy AS SELECT * FROM kit_audit").await;
    tamper(&db, "CREATE TABLE copy_head AS SELECT * FROM kit_audit_head").await;
    use AuditProblem::{Changed, Head, Missing, ValueChanged};
    for (sql, sequence, problem) in [
        (
            "UPDATE kit_audit SET value_data = (SELECT value_data FROM copy WHERE sequence = 5) WHERE sequence = 2",
            2,
            ValueChanged,
        ),
        ("UPDATE kit_audit SET value_count = 0 WHERE sequence = 2", 2, ValueChanged),
        ("UPDATE kit_audit SET actor = 'users/ben' WHERE sequence = 3", 3, Changed),
        ("UPDATE kit_audit SET time = time + 1 WHERE sequence = 3", 3, Changed),
        ("UPDATE kit_audit SET subject = 'things/x' WHERE sequence = 3", 3, Changed),
        ("UPDATE kit_audit SET owner = 'users/ben' WHERE sequence = 3", 3, Changed),
        ("UPDATE kit_audit SET action = 2 WHERE sequence = 3", 3, Changed),
        (
            "UPDATE kit_audit SET hash = (SELECT hash FROM copy WHERE sequence = 1) WHERE sequence = 4",
            4,
            Changed,
        ),
        (
            "UPDATE kit_audit SET sequence = CASE sequence WHEN 2 THEN -3 ELSE -2 END WHERE sequence IN (2, 3)",
            2,
            Missing,
        ),
        ("DELETE FROM kit_audit WHERE sequence = 4", 4, Missing),
        ("DELETE FROM kit_audit WHERE sequence > 4", 5, Missing),
        ("DELETE FROM kit_audit", 1, Missing),
        ("UPDATE kit_audit_head SET sequence = 4", 5, Head),
        ("UPDATE kit_audit_head SET hash = (SELECT hash FROM copy WHERE sequence = 1)", 6, Head),
        ("DELETE FROM kit_audit_head", 1, Head),
    ] {
        tamper(&db, sql).await;
        let found = check(&place, &db, VerifyAuditRequest::default()).await;
        let damage = found.damage.unwrap_or_default();
        assert_eq!((damage.sequence, damage.problem()), (sequence, problem), "{sql}: {damage:?}");
        assert!(damage.message.starts_with(&format!("entry {sequence}: ")));
        tamper(&db, "DELETE FROM kit_audit").await;
        tamper(&db, "INSERT INTO kit_audit SELECT * FROM copy").await;
        tamper(&db, "DELETE FROM kit_audit_head").await;
        tamper(&db, "INSERT INTO kit_audit_head SELECT * FROM copy_head").await;
        whole(&place, &db).await;
    }
    // Two entries change places.
    for (from, to) in [(2, -3), (3, -2), (-3, 3), (-2, 2)] {
        db.write(move |tx| {
            tx.execute("UPDATE kit_audit SET sequence = $2 WHERE sequence = $1", args![from, to])
        })
        .await
        .expect("moved");
    }
    let damage = check(&place, &db, VerifyAuditRequest::default()).await.damage.expect("damage");
    assert_eq!((damage.sequence, damage.problem()), (2, Changed));
}

async fn h4_history_that_was_written_anew_is_found_by_a_noted_hash(place: Place) {
    let db = open(&place).await;
    add(&db, thing("a")).await;
    change(&db, "ben", "a", |thing| thing.title = "Wall".to_owned()).await;
    let noted = whole(&place, &db).await;
    let request = VerifyAuditRequest { noted_sequence: noted.checked_count, noted_hash: noted.hash.clone() };
    add(&db, thing("b")).await;
    assert_eq!(check(&place, &db, request.clone()).await.damage, None, "the chain went on from there");
    // Somebody empties the chain and has the program write another history: by itself it is whole.
    tamper(&db, "DELETE FROM kit_audit").await;
    let zeros =
        db.write(|tx| tx.execute("UPDATE kit_audit_head SET sequence = 0, hash = $1", args![vec![0_u8; 32]]));
    zeros.await.expect("emptied");
    for id in ["c", "d", "e"] {
        add(&db, thing(id)).await;
    }
    whole(&place, &db).await;
    let damage = check(&place, &db, request.clone()).await.damage.expect("damage");
    assert_eq!((damage.sequence, damage.problem()), (2, AuditProblem::Noted));
    let later = VerifyAuditRequest { noted_sequence: 9, ..request };
    let damage = check(&place, &db, later).await.damage.expect("damage");
    assert_eq!((damage.sequence, damage.problem()), (9, AuditProblem::Noted));
}

async fn h4_erased_values_are_gone_and_the_chain_is_whole(place: Place) {
    let db = open(&place).await;
    add(&db, Thing { title: "Anna Adams".to_owned(), partner: "partners/a".to_owned(), ..thing("a") }).await;
    add(&db, Thing { title: "Ben Brown".to_owned(), partner: "partners/b".to_owned(), ..thing("b") }).await;
    db.write(|tx| {
        tx.audit(Entry::new(Action::Update, "partners/a", &Guard::company()).field("phone", "123", "456"));
        Ok(())
    })
    .await
    .expect("written");
    let noted = whole(&place, &db).await;
    let erased = write(&db, "eve", |tx| audit::forget(tx, "partners/a")).await.expect("erased");
    assert_eq!(erased, 5, "three of the thing, two of the partner");
    let found = whole(&place, &db).await;
    assert_eq!((found.entry_count, found.erased_count), (4, 2));
    let request = VerifyAuditRequest { noted_sequence: 3, noted_hash: noted.hash };
    assert_eq!(check(&place, &db, request).await.damage, None, "no hash has changed");
    let entries = all(&db).await;
    let [erasure, partner, other, own] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((erasure.action(), erasure.subject.as_str()), (AuditAction::Erase, "partners/a"));
    assert_eq!(erasure.actor, "users/eve");
    assert!(partner.erased && own.erased && !other.erased);
    assert_eq!(fields(own), ["title: - -> -", "state: - -> -", "partner: - -> -"]);
    assert_eq!((own.actor.as_str(), own.action()), ("users/anna", AuditAction::Create));
    assert_eq!(fields(other)[0], "title: - -> Ben Brown");
    let kept = db
        .read(|conn| conn.all("SELECT value_data FROM kit_audit", &[], |row| Ok(row.bytes(0)?.to_vec())))
        .await
        .expect("read");
    assert!(!String::from_utf8_lossy(&kept.concat()).contains("Adams"));
    // Again: nothing is left to erase, and what comes later is kept.
    assert_eq!(write(&db, "eve", |tx| audit::forget(tx, "partners/a")).await.expect("erased"), 0);
    change(&db, "ben", "a", |thing| thing.title = "Nobody".to_owned()).await;
    assert_eq!(fields(&all(&db).await[0]), ["title: Anna Adams -> Nobody"]);
    whole(&place, &db).await;
}

async fn h4_an_erasure_takes_what_its_own_commit_wrote(place: Place) {
    let db = open(&place).await;
    add(&db, Thing { title: "Anna Adams".to_owned(), ..thing("a") }).await;
    let job = |tx: &mut Tx<'_>| {
        let mut anna = resource::get::<Thing>(tx, "a")?;
        anna.title = String::new();
        let count = audit::forget(tx, "things/a")?;
        resource::update(tx, &mut anna)?;
        Ok(count)
    };
    assert_eq!(write(&db, "eve", job).await.expect("erased"), 2);
    let entries = all(&db).await;
    assert_eq!(entries.len(), 3);
    assert_eq!((entries[0].action(), entries[1].action()), (AuditAction::Erase, AuditAction::Update));
    assert!(entries[1].erased && entries[2].erased);
    assert_eq!(audit_values(&db).await, 0);
    whole(&place, &db).await;
}

async fn h4_values_that_vanish_without_an_erasure_are_found(place: Place) {
    let db = open(&place).await;
    add(&db, thing("a")).await;
    write(&db, "eve", |tx| audit::forget(tx, "things/a")).await.expect("erased");
    add(&db, thing("b")).await;
    change(&db, "ben", "a", |thing| thing.title = "Wall".to_owned()).await;
    whole(&place, &db).await;
    for sequence in [3_i64, 4] {
        // 4 is about what was erased, but after that.
        let kept = db.write(move |tx| {
            let sql = "SELECT value_data FROM kit_audit WHERE sequence = $1";
            let kept = tx.one(sql, args![sequence], |row| Ok(row.bytes(0)?.to_vec()))?.unwrap_or_default();
            let sql = "UPDATE kit_audit SET value_data = $2 WHERE sequence = $1";
            tx.execute(sql, args![sequence, Vec::<u8>::new()])?;
            Ok(kept)
        });
        let kept = kept.await.expect("emptied");
        let damage = check(&place, &db, VerifyAuditRequest::default()).await.damage.expect("damage");
        assert_eq!((damage.sequence, damage.problem()), (sequence, AuditProblem::ValueLost));
        let sql = "UPDATE kit_audit SET value_data = $2 WHERE sequence = $1";
        db.write(move |tx| tx.execute(sql, args![sequence, &kept[..]])).await.expect("put back");
    }
    whole(&place, &db).await;
}

async fn h4_eight_writers_make_one_unbroken_chain(place: Place) {
    const EACH: i64 = 20;
    // Two handles are two processes: each has its own writer.
    let (one, two) = (open(&place).await, open(&place).await);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let db = if writer % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                for number in 0..EACH {
                    let job = move |tx: &mut Tx<'_>| {
                        resource::insert(tx, &thing(&format!("w{writer}-{number}")))?;
                        tx.publish(event("w", &Guard::company()));
                        if number % 5 == 4 {
                            audit::forget(tx, &format!("things/w{writer}-{}", number - 1))?;
                        }
                        Ok(())
                    };
                    write(&db, &format!("w{writer}"), job).await.expect("written");
                }
            })
        })
        .collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let wanted = 8 * EACH + 8 * EACH / 5;
    while whole(&place, &two).await.entry_count < wanted {
        assert!(tokio::time::Instant::now() < deadline, "the entries do not come");
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    let found = whole(&place, &one).await;
    assert_eq!((found.entry_count, found.erased_count), (wanted, 8 * EACH / 5));
    assert_eq!(count(&one, "SELECT COUNT(DISTINCT actor) FROM kit_audit").await, 8);
}

async fn h4_data_from_before_begins_with_an_empty_chain(place: Place) {
    let db = open(&place).await;
    add(&db, thing("old")).await;
    for sql in [
        "DROP TABLE kit_audit",
        "DROP TABLE kit_audit_head",
        "DELETE FROM kit_migration WHERE name = '0002_audit'",
    ] {
        tamper(&db, sql).await;
    }
    drop(db);
    let db = open(&place).await;
    let found = whole(&place, &db).await;
    assert_eq!((found.entry_count, found.hash.to_vec()), (0, vec![0; 32]));
    assert_eq!(all(&db).await, []);
    change(&db, "ben", "old", |thing| thing.title = "Wall".to_owned()).await;
    let entries = all(&db).await;
    assert_eq!((entries[0].sequence, fields(&entries[0])), (1, vec!["title: Roof -> Wall".to_owned()]));
}
