//! `request_id`: the same request twice has one effect and one answer.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::{Error, Result, replay};
use kontor_proto::directory::v1::{PartnerCreated, UserCreated};
use kontor_testbed::caller;
use tonic::Code;

use crate::support::{Place, count, note};

kontor_testbed::on_both! { Place;
    a_repeat_has_one_effect_and_the_first_answer,
    another_request_with_the_same_id_is_refused,
    callers_do_not_share_ids,
    a_failed_request_may_be_sent_again,
    the_same_request_at_once_in_two_processes_has_one_effect,
    a_forgotten_answer_lets_the_request_run_again,
}

async fn send(db: &Db, caller: &Caller, id: &str, name: &str, fail: bool) -> Result<String> {
    let (caller, id, name) = (caller.clone(), id.to_owned(), name.to_owned());
    db.write(move |tx| {
        let request = PartnerCreated { display_name: name.clone() };
        replay::once(tx, &caller, &id, &request, |tx| {
            let made = kontor_kit::id::new();
            note(tx, &made, 1)?;
            if fail {
                return Err(Error::denied("no"));
            }
            Ok(UserCreated { user: made, ..Default::default() })
        })
        .map(|answer: UserCreated| answer.user)
    })
    .await
}

async fn a_repeat_has_one_effect_and_the_first_answer(place: Place) {
    let (db, anna) = (place.open().await, caller("anna", &[], &[]));
    let first = send(&db, &anna, "r1", "x", false).await.expect("made");
    assert_eq!(send(&db, &anna, "r1", "x", false).await.expect("answered again"), first);
    assert_ne!(send(&db, &anna, "", "x", false).await.expect("no id, no memory"), first);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 2);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM kit_outbox").await, 2);
}

async fn another_request_with_the_same_id_is_refused(place: Place) {
    let (db, anna) = (place.open().await, caller("anna", &[], &[]));
    send(&db, &anna, "r1", "x", false).await.expect("made");
    let cause = send(&db, &anna, "r1", "other", false).await.expect_err("refused");
    assert_eq!(cause.code(), Code::InvalidArgument);
    let cause = send(&db, &anna, "r\0", "x", false).await.expect_err("refused");
    assert!(cause.message().starts_with("request_id"), "{cause}");
    let cause = send(&db, &anna, &"r".repeat(101), "x", false).await.expect_err("refused");
    assert_eq!(cause.code(), Code::InvalidArgument);
}

async fn callers_do_not_share_ids(place: Place) {
    let db = place.open().await;
    let anna = send(&db, &caller("anna", &[], &[]), "r1", "x", false).await.expect("made");
    let berta = send(&db, &caller("berta", &[], &[]), "r1", "x", false).await.expect("made");
    assert_ne!(anna, berta);
}

async fn a_failed_request_may_be_sent_again(place: Place) {
    let (db, anna) = (place.open().await, caller("anna", &[], &[]));
    send(&db, &anna, "r1", "x", true).await.expect_err("it fails");
    send(&db, &anna, "r1", "x", false).await.expect("made at the second try");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM note").await, 1);
}

async fn the_same_request_at_once_in_two_processes_has_one_effect(place: Place) {
    let (one, two, anna) = (place.open().await, place.open().await, caller("anna", &[], &[]));
    for round in 0..20 {
        let id = format!("r{round}");
        let (first, second) =
            tokio::join!(send(&one, &anna, &id, "x", false), send(&two, &anna, &id, "x", false));
        assert_eq!(first.expect("answered"), second.expect("answered"));
    }
    assert_eq!(count(&one, "SELECT COUNT(*) FROM note").await, 20);
}

async fn a_forgotten_answer_lets_the_request_run_again(place: Place) {
    let (db, anna) = (place.open().await, caller("anna", &[], &[]));
    let not_now = anna.clone();
    let write = db.write(move |tx| {
        let request = PartnerCreated { display_name: "x".to_owned() };
        let answer = replay::once(tx, &not_now, "r1", &request, |_| Ok(UserCreated::default()))?;
        replay::forget::<PartnerCreated>(tx, &not_now, "r1")?;
        Ok(answer.user)
    });
    assert_eq!(write.await.expect("answered"), "");
    let made = send(&db, &anna, "r1", "x", false).await.expect("made now");
    assert_eq!(send(&db, &anna, "r1", "x", false).await.expect("answered again"), made);
}
