//! H4: who wrote what, when, from which value to which; and that nobody can change a word of it unseen.

mod chain;
mod read;
mod written;

use futures_util::StreamExt;
use kontor_kit::Result;
use kontor_kit::audit::{self, Shown, Who};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Db, Row, Tx, Value};
use kontor_kit::page::Kind;
use kontor_kit::resource::{self, Stored};
use kontor_proto::r#type::v1::{
    AuditEntry, ListAuditEntriesRequest, VerifyAuditRequest, VerifyAuditResponse,
};
use kontor_testbed::{admin, caller};

use crate::support::Place;

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
