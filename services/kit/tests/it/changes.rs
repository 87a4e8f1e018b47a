//! The change stream: resumed anywhere it loses nothing, repeats nothing, and shows nobody what is not theirs.

use std::time::Duration;

use futures_util::StreamExt;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::changes;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_proto::r#type::v1::{WatchChangesRequest, WatchChangesResponse};
use kontor_testbed::caller;
use tonic::Code;

use crate::support::{Place, event, note};

kontor_testbed::on_both! { Place;
    a_stream_cut_anywhere_goes_on_without_loss_or_repeat,
    a_waiting_stream_hears_of_a_new_change,
    a_change_of_another_process_is_heard,
    strangers_see_nothing_of_others,
    bad_tokens_are_refused,
    types_are_filtered_and_unknown_ones_are_refused,
    a_token_older_than_what_is_kept_is_out_of_range,
    a_stop_ends_the_stream,
}

async fn next(stream: &mut changes::ChangeStream) -> Option<WatchChangesResponse> {
    let next = tokio::time::timeout(Duration::from_secs(10), stream.next())
        .await
        .expect("something within ten seconds");
    next.map(|answer| answer.expect("no error"))
}

async fn watch(
    context: &Context,
    db: &Db,
    caller: Caller,
    token: &str,
    until_now: bool,
) -> changes::ChangeStream {
    let request = WatchChangesRequest { resume_token: token.to_owned(), until_now, ..Default::default() };
    changes::watch(context, db, caller, request).await.expect("the stream begins")
}

async fn a_stream_cut_anywhere_goes_on_without_loss_or_repeat(place: Place) {
    const ALL: usize = 600;
    let (context, db) = (place.context(), place.open().await);
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            for number in 0..ALL {
                db.write(move |tx| note(tx, &format!("n{number}"), 1)).await.expect("written");
            }
        }
    });
    let (mut token, mut got, mut cut) = ("0".to_owned(), Vec::new(), 1);
    while got.len() < ALL {
        let mut stream = watch(&context, &db, Caller::system(), &token, false).await;
        for _ in 0..cut {
            let answer = next(&mut stream).await.expect("the stream goes on");
            token = answer.resume_token;
            got.extend(answer.event.map(|event| event.subject));
            if got.len() == ALL {
                break;
            }
        }
        cut = cut * 2 % 97 + 1;
    }
    writer.await.expect("no panic");
    let wanted: Vec<_> = (0..ALL).map(|number| format!("n{number}")).collect();
    assert_eq!(got, wanted);
    let mut rest = watch(&context, &db, Caller::system(), &token, true).await;
    assert_eq!(next(&mut rest).await, None, "nothing is left");
}

async fn a_waiting_stream_hears_of_a_new_change(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    db.write(|tx| note(tx, "before", 1)).await.expect("written");
    let mut stream = watch(&context, &db, Caller::system(), "", false).await;
    let begin = next(&mut stream).await.expect("it says where it begins");
    assert_eq!(begin.event, None);
    db.write(|tx| note(tx, "after", 1)).await.expect("written");
    let answer = next(&mut stream).await.expect("the stream goes on");
    assert_eq!(answer.event.expect("an event").subject, "after", "without a token it begins now");
    // A caller who lost the stream before its first event resumes from that token.
    let mut again = watch(&context, &db, Caller::system(), &begin.resume_token, false).await;
    let answer = next(&mut again).await.expect("the stream goes on");
    assert_eq!(answer.event.expect("an event").subject, "after");
}

async fn a_change_of_another_process_is_heard(place: Place) {
    let (context, db, other) = (place.context(), place.open().await, place.open().await);
    let mut stream = watch(&context, &db, Caller::system(), "0", false).await;
    other.write(|tx| note(tx, "elsewhere", 1)).await.expect("written");
    assert_eq!(
        next(&mut stream).await.and_then(|answer| answer.event).expect("an event").subject,
        "elsewhere"
    );
}

async fn strangers_see_nothing_of_others(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    db.write(|tx| {
        tx.publish(event("of-anna", &Guard::new("users/anna", "teams/north")));
        tx.publish(event("of-north", &Guard::new("", "teams/north")));
        tx.publish(event("of-all", &Guard::company()));
        Ok(())
    })
    .await
    .expect("written");
    for (caller, wanted) in [
        (caller("stranger", &["south"], &[]), vec!["of-all"]),
        (caller("neighbour", &["north"], &[]), vec!["of-anna", "of-north", "of-all"]),
        (caller("anna", &[], &[]), vec!["of-anna", "of-all"]),
        (Caller::system(), vec!["of-anna", "of-north", "of-all"]),
    ] {
        let stream = watch(&context, &db, caller.clone(), "0", true).await;
        let got: Vec<_> =
            stream.map(|answer| answer.expect("no error").event.expect("an event").subject).collect().await;
        assert_eq!(got, wanted, "for {}", caller.user);
    }
}

async fn bad_tokens_are_refused(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    for token in ["x", "-1", "1", "99999999999999999999"] {
        let request = WatchChangesRequest { resume_token: token.to_owned(), ..Default::default() };
        let cause = changes::watch(&context, &db, Caller::system(), request).await.expect_err("refused");
        assert_eq!(cause.code(), Code::InvalidArgument, "for {token:?}");
    }
}

async fn types_are_filtered_and_unknown_ones_are_refused(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    db.write(|tx| note(tx, "a note", 1)).await.expect("written");
    let request = |name: &str| WatchChangesRequest {
        resume_token: "0".to_owned(),
        until_now: true,
        types: vec![name.to_owned()],
        ..Default::default()
    };
    for (name, events) in
        [("kontor.directory.v1.PartnerCreated", 1), ("kontor.directory.v1.PartnerUpdated", 0)]
    {
        let stream = changes::watch(&context, &db, Caller::system(), request(name)).await.expect(name);
        let found =
            stream.filter(|answer| std::future::ready(answer.as_ref().expect("no error").event.is_some()));
        assert_eq!(found.count().await, events, "{name}");
    }
    for name in ["PartnerCreated", "kontor.directory.v1.PartnerCreatet", ""] {
        let cause =
            changes::watch(&context, &db, Caller::system(), request(name)).await.expect_err("refused");
        assert_eq!(cause.code(), Code::InvalidArgument, "for {name:?}");
        assert!(cause.to_string().contains("types"), "{cause}");
    }
}

async fn a_token_older_than_what_is_kept_is_out_of_range(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    for number in 0..5 {
        db.write(move |tx| note(tx, &format!("n{number}"), 1)).await.expect("written");
    }
    db.write(|tx| tx.execute("DELETE FROM kit_outbox WHERE sequence <= 3", &[])).await.expect("forgotten");
    let request = |token: &str| WatchChangesRequest {
        resume_token: token.to_owned(),
        until_now: true,
        ..Default::default()
    };
    let cause = changes::watch(&context, &db, Caller::system(), request("2")).await.expect_err("refused");
    assert_eq!((cause.code(), cause.reason()), (Code::OutOfRange, "TOKEN_TOO_OLD"));
    let stream = changes::watch(&context, &db, Caller::system(), request("3"))
        .await
        .expect("3 is the last one forgotten");
    assert_eq!(stream.count().await, 2);
}

async fn a_stop_ends_the_stream(place: Place) {
    let (context, db) = (place.context(), place.open().await);
    let mut stream = watch(&context, &db, Caller::system(), "", false).await;
    assert_eq!(next(&mut stream).await.expect("it says where it begins").event, None);
    context.stop.cancel();
    assert_eq!(next(&mut stream).await, None);
    context.tasks.close();
    tokio::time::timeout(Duration::from_mins(1), context.tasks.wait()).await.expect("no work is left");
}
