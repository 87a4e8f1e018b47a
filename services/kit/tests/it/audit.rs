//! H4: who wrote what, when, from which value to which; and that nobody can change a word of it unseen.

use std::time::Duration;

use futures_util::StreamExt;
use kontor_kit::audit::{self, Action, Entry, Shown, Who};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Db, Row, Tx, Value};
use kontor_kit::page::Kind;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, replay};
use kontor_proto::r#type::v1::{
    AuditAction, AuditEntry, AuditProblem, ListAuditEntriesRequest, VerifyAuditRequest, VerifyAuditResponse,
    WatchChangesRequest,
};
use kontor_testbed::{admin, caller};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::support::{Place, count, event};

kontor_testbed::on_both! { Place;
    h4_each_changed_field_is_told_with_both_values_by_whom_and_when,
    h4_what_changes_nothing_writes_nothing,
    h4_a_record_that_is_written_twice_in_one_write_has_one_entry,
    h4_a_write_that_is_taken_back_leaves_no_entry,
    h4_of_a_secret_nothing_is_kept,
    h4_a_long_text_is_kept_up_to_a_cap_with_the_hash_of_the_whole,
    h4_only_readers_of_the_record_read_its_entries,
    h4_pages_are_stable_and_filters_hold,
    h4_who_sees_few_of_many_gets_short_pages_and_a_token,
    h4_bad_requests_name_the_field,
    h4_every_kind_of_tampering_is_found,
    h4_history_that_was_written_anew_is_found_by_a_noted_hash,
    h4_erased_values_are_gone_and_the_chain_is_whole,
    h4_an_erasure_takes_what_its_own_commit_wrote,
    h4_values_that_vanish_without_an_erasure_are_found,
    h4_eight_writers_make_one_unbroken_chain,
    h4_data_from_before_begins_with_an_empty_chain,
    h4_what_follows_from_an_event_is_the_doing_of_who_brought_it_about,
}

const THINGS: &[kontor_kit::db::Migration] =
    &[kontor_kit::db::Migration { name: "0001_things", sqlite: TABLE, postgres: TABLE }];
const TABLE: &str = "CREATE TABLE thing (id TEXT PRIMARY KEY, version BIGINT NOT NULL, title TEXT NOT NULL, secret TEXT NOT NULL,
    state BIGINT NOT NULL, owner TEXT NOT NULL, partner TEXT NOT NULL, due_time BIGINT NOT NULL, update_time BIGINT NOT NULL)";

#[derive(Clone, Debug, Default)]
pub struct Thing {
    pub id: String,
    pub version: i64,
    pub title: String,
    pub secret: String,
    pub state: i64,
    pub owner: String,
    pub partner: String,
    pub due: i64,
    pub update_time: i64,
}

impl Stored for Thing {
    const TABLE: &'static str = "thing";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "title", "secret", "state", "owner", "partner", "due_time", "update_time"];
    const COLLECTION: &'static str = "things";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::new(&*self.owner, "")
    }

    fn concerned_partner(&self) -> &str {
        &self.partner
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "secret" => Shown::Secret("secret"),
            "state" => Shown::As("state", Kind::Enum(&[("OPEN", 1), ("WON", 2)])),
            "owner" => Shown::As("assignee", Kind::Text),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.title).into(),
            (&self.secret).into(),
            self.state.into(),
            (&self.owner).into(),
            (&self.partner).into(),
            self.due.into(),
            self.update_time.into(),
        ]
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Thing {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            title: row.string(from + 2)?,
            secret: row.string(from + 3)?,
            state: row.int(from + 4)?,
            owner: row.string(from + 5)?,
            partner: row.string(from + 6)?,
            due: row.int(from + 7)?,
            update_time: row.int(from + 8)?,
        })
    }
}

pub fn thing(id: &str) -> Thing {
    Thing { id: id.to_owned(), version: 1, title: "Roof".to_owned(), state: 1, ..Thing::default() }
}

pub async fn open(place: &Place) -> Db {
    place.open_as("it", THINGS).await.expect("the database opens")
}

/// A write of a user, as a method of a service makes it.
async fn write<T: Send + 'static>(
    db: &Db,
    user: &str,
    job: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    audit::acting(Who::caller(&caller(user, &[], &[]), "/it.v1.Things/Write"), db.write(job)).await
}

async fn add(db: &Db, thing: Thing) {
    write(db, "anna", move |tx| resource::insert(tx, &thing)).await.expect("inserted");
}

async fn change(db: &Db, user: &str, id: &str, edit: impl Fn(&mut Thing) + Send + 'static) {
    let id = id.to_owned();
    let job = move |tx: &mut Tx<'_>| {
        let mut thing = resource::get::<Thing>(tx, &id)?;
        edit(&mut thing);
        thing.update_time = tx.now();
        resource::update(tx, &mut thing)
    };
    write(db, user, job).await.expect("changed");
}

async fn list(db: &Db, caller: Caller, request: ListAuditEntriesRequest) -> Vec<AuditEntry> {
    let answer = audit::list(db, caller, request).await.expect("listed");
    assert_eq!(answer.next_page_token, "");
    answer.entries
}

async fn all(db: &Db) -> Vec<AuditEntry> {
    list(db, admin(), ListAuditEntriesRequest::default()).await
}

/// "title: Roof -> Wall"
fn fields(entry: &AuditEntry) -> Vec<String> {
    let text = |value: &Option<_>| {
        value
            .as_ref()
            .map_or("-".to_owned(), |value: &kontor_proto::r#type::v1::AuditValue| value.text.clone())
    };
    let told = |field: &kontor_proto::r#type::v1::AuditField| {
        format!("{}: {} -> {}", field.field, text(&field.old_value), text(&field.new_value))
    };
    entry.fields.iter().map(told).collect()
}

async fn check(place: &Place, db: &Db, request: VerifyAuditRequest) -> VerifyAuditResponse {
    let stream = audit::verify(&place.context(), db, &admin(), request).await.expect("the check begins");
    let answers: Vec<_> = stream.map(|answer| answer.expect("no error")).collect().await;
    let (last, before) = answers.split_last().expect("an answer");
    assert!(last.done && before.iter().all(|answer| !answer.done && answer.damage.is_none()));
    last.clone()
}

async fn whole(place: &Place, db: &Db) -> VerifyAuditResponse {
    let found = check(place, db, VerifyAuditRequest::default()).await;
    assert_eq!(found.damage, None);
    assert_eq!(found.checked_count, found.entry_count);
    found
}

/// A change past the program, as somebody with access to the database makes it.
async fn tamper(db: &Db, sql: &'static str) {
    db.write(move |tx| tx.execute(sql, &[])).await.expect("the statement works");
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

async fn audit_values(db: &Db) -> i64 {
    db.read(|conn| audit::value_count(conn, "things/a")).await.expect("counted")
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
