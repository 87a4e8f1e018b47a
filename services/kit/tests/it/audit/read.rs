//! Who reads which entries.

use kontor_kit::audit::{self, Action, Entry};
use kontor_kit::auth::Guard;
use kontor_proto::r#type::v1::{AuditEntry, ListAuditEntriesRequest, VerifyAuditRequest};
use kontor_testbed::{admin, caller};
use tonic::Code;

use super::{Thing, add, change, list, open, thing, whole};
use crate::support::Place;

kontor_testbed::on_both! { Place;
    h4_only_readers_of_the_record_read_its_entries,
    h4_pages_are_stable_and_filters_hold,
    h4_who_sees_few_of_many_gets_short_pages_and_a_token,
    h4_bad_requests_name_the_field,
}

async fn h4_only_readers_of_the_record_read_its_entries(place: Place) {
    let db = open(&place).await;
    add(&db, Thing { owner: "users/anna".to_owned(), ..thing("own") }).await;
    add(&db, thing("of-all")).await;
    db.write(|tx| {
        tx.audit(
            Entry::new(Action::Update, "things/team", &Guard::new("", "teams/north")).field("x", "1", "2"),
        );
        tx.audit(Entry::new(Action::Update, "things/key", &Guard::administrators()).field("x", "1", "2"));
        Ok(())
    })
    .await
    .expect("written");
    for (reader, wanted) in [
        (caller("stranger", &["south"], &[]), vec!["things/of-all"]),
        (caller("neighbour", &["north"], &[]), vec!["things/team", "things/of-all"]),
        (caller("anna", &[], &[]), vec!["things/of-all", "things/own"]),
        (admin(), vec!["things/key", "things/team", "things/of-all", "things/own"]),
    ] {
        let entries = list(&db, reader.clone(), ListAuditEntriesRequest::default()).await;
        let got: Vec<_> = entries.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(got, wanted, "for {}", reader.user);
    }
    let refused =
        audit::verify(&place.context(), &db, &caller("anna", &[], &[]), VerifyAuditRequest::default()).await;
    assert_eq!(refused.expect_err("refused").code(), Code::PermissionDenied);
}

async fn h4_pages_are_stable_and_filters_hold(place: Place) {
    let db = open(&place).await;
    for number in 0..7 {
        add(&db, Thing { partner: format!("partners/{}", number % 2), ..thing(&format!("t{number}")) }).await;
    }
    change(&db, "ben", "t3", |thing| thing.title = "Wall".to_owned()).await;
    let (mut token, mut got) = (String::new(), Vec::new());
    loop {
        let request = ListAuditEntriesRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = audit::list(&db, admin(), request).await.expect("a page");
        got.extend(page.entries.iter().map(|entry| entry.sequence));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // What comes in between shifts nothing.
        add(&db, thing(&format!("later{}", got.len()))).await;
    }
    assert_eq!(got, [8, 7, 6, 5, 4, 3, 2, 1]);

    let of = |edit: fn(&mut ListAuditEntriesRequest)| {
        let mut request = ListAuditEntriesRequest::default();
        edit(&mut request);
        request
    };
    let sequences = |entries: Vec<AuditEntry>| -> Vec<i64> { entries.iter().map(|it| it.sequence).collect() };
    let got = list(&db, admin(), of(|request| request.subject = "things/t3".to_owned())).await;
    assert_eq!(sequences(got.clone()), [8, 4]);
    let time = got[0].write_time;
    let got = list(&db, admin(), of(|request| request.actor = "users/ben".to_owned())).await;
    assert_eq!(sequences(got), [8]);
    let got = list(&db, caller("ben", &[], &[]), of(|request| request.actor = "users/me".to_owned())).await;
    assert_eq!(sequences(got), [8]);
    let got = list(&db, admin(), of(|request| request.partner = "partners/1".to_owned())).await;
    assert_eq!(sequences(got), [8, 6, 4, 2]);
    let got = list(&db, admin(), ListAuditEntriesRequest { end_time: time, ..Default::default() }).await;
    assert_eq!(sequences(got), [7, 6, 5, 4, 3, 2, 1]);
    let got = list(&db, admin(), ListAuditEntriesRequest { start_time: time, ..Default::default() }).await;
    assert_eq!(sequences(got), [10, 9, 8]);
}

async fn h4_who_sees_few_of_many_gets_short_pages_and_a_token(place: Place) {
    let db = open(&place).await;
    add(&db, thing("first")).await;
    let hidden = Guard::new("users/anna", "");
    for part in 0..21 {
        let hidden = hidden.clone();
        db.write(move |tx| {
            for number in 0..500 {
                let subject = format!("things/{part}-{number}");
                tx.audit(Entry::new(Action::Update, subject, &hidden).field("x", "1", "2"));
            }
            Ok(())
        })
        .await
        .expect("written");
    }
    let stranger = caller("stranger", &[], &[]);
    let first = audit::list(&db, stranger.clone(), ListAuditEntriesRequest::default()).await.expect("a page");
    assert_eq!(first.entries, []);
    let request = ListAuditEntriesRequest { page_token: first.next_page_token, ..Default::default() };
    let second = list(&db, stranger, request).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].subject, "things/first");
    let found = whole(&place, &db).await;
    assert_eq!((found.entry_count, found.hash.len()), (10_501, 32));
}

async fn h4_bad_requests_name_the_field(place: Place) {
    let db = open(&place).await;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let default = ListAuditEntriesRequest::default;
    for (request, field) in [
        (ListAuditEntriesRequest { page_size: -1, ..default() }, "page_size"),
        (ListAuditEntriesRequest { page_token: "?".to_owned(), ..default() }, "page_token"),
        (ListAuditEntriesRequest { actor: "anna".to_owned(), ..default() }, "actor"),
        (ListAuditEntriesRequest { subject: "hello".to_owned(), ..default() }, "subject"),
        (ListAuditEntriesRequest { subject: "things/".to_owned(), ..default() }, "subject"),
        (ListAuditEntriesRequest { subject: "/things/a".to_owned(), ..default() }, "subject"),
        (ListAuditEntriesRequest { partner: "hello".to_owned(), ..default() }, "partner"),
        (ListAuditEntriesRequest { start_time: time(5), end_time: time(5), ..default() }, "end_time"),
    ] {
        let cause = audit::list(&db, admin(), request).await.expect_err("refused");
        assert_eq!(cause.code(), Code::InvalidArgument);
        assert!(cause.message().starts_with(field), "{cause}");
    }
    // A token belongs to its filter.
    add(&db, thing("a")).await;
    add(&db, thing("b")).await;
    let page = audit::list(&db, admin(), ListAuditEntriesRequest { page_size: 1, ..default() }).await;
    let token = page.expect("a page").next_page_token;
    let request = ListAuditEntriesRequest { subject: "things/a".to_owned(), page_token: token, ..default() };
    assert_eq!(audit::list(&db, admin(), request).await.expect_err("refused").code(), Code::InvalidArgument);
    for (noted_sequence, hash, field) in
        [(-1, 0, "noted_sequence"), (1, 31, "noted_hash"), (0, 32, "noted_hash"), (1, 0, "noted_hash")]
    {
        let request = VerifyAuditRequest { noted_sequence, noted_hash: vec![0; hash].into() };
        let cause = audit::verify(&place.context(), &db, &admin(), request).await.expect_err("refused");
        assert!(cause.code() == Code::InvalidArgument && cause.message().starts_with(field), "{cause}");
    }
}
