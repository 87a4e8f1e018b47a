//! A small service with real hooks over the engine, and a client to it.
//! Used by every test here.

use bytes::Bytes;
use kontor_collection::store::collection::{self, New};
use kontor_collection::{
    Change, Collection, GRAMS, Hooks, Index, Kind, MIGRATION, OBJECT_PROPERTIES, Object, PUSH, Prepared,
    Removal, SHARES, VIEWS, index,
};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Migration, Tx};
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::routes::Routes;
use kontor_kit::unit::Unit;
use kontor_kit::{Result, args};
use kontor_proto::collection::v1 as proto;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_testbed::{Place, failure, user};
use kontor_vobject::card::Card;
use kontor_vobject::ical::CalendarObject;
use kontor_vobject::{Document, Limits};
use tonic::Status;

pub type Client = CollectionServiceClient<Link>;

const TYPED: &str = "CREATE TABLE typed (id TEXT PRIMARY KEY, uid TEXT NOT NULL, etag TEXT NOT NULL)";

static MIGRATIONS: &[Migration] = &[
    MIGRATION,
    SHARES,
    GRAMS,
    PUSH,
    VIEWS,
    OBJECT_PROPERTIES,
    Migration { name: "t001_typed", sqlite: TYPED, postgres: TYPED },
];

/// 2026-11-23T12:00:00Z
pub const NOW: i64 = 1_795_435_200_000_000;

/// Keeps a typed row of each object; `KIND` 0 keeps calendars, 1 address books.
#[derive(Clone)]
pub struct Rows<const CARDS: bool>;

impl<const CARDS: bool> Hooks for Rows<CARDS> {
    type Typed = ();
    const KIND: Kind = if CARDS { Kind::AddressBook } else { Kind::Calendar };

    fn subject(&self, _: &Collection, object: &Object) -> String {
        format!("objects/{}", object.id)
    }

    async fn prepare(&self, _caller: &Caller, data: Bytes) -> Result<Prepared<()>> {
        let limits = Limits::default();
        if CARDS {
            let document = Document::parse(&data, &limits).map_err(|e| index::card_error(&e.into()))?;
            let card = Card::read(&document).map_err(|violation| index::card_error(&violation))?;
            return Ok(prepared(card.uid, "VCARD", Index::card(&document)));
        }
        let document = Document::parse(&data, &limits).map_err(|e| index::calendar_error(&e.into()))?;
        let object =
            CalendarObject::read(&document).map_err(|violation| index::calendar_error(&violation))?;
        let index = Index::calendar(&document, &object, NOW)?;
        Ok(prepared(object.uid, object.kind.name(), index))
    }

    fn stored(&self, tx: &mut Tx<'_>, change: &Change<'_, ()>) -> Result<()> {
        tx.execute(
            "INSERT INTO typed (id, uid, etag) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET etag = excluded.etag",
            args![&change.object.id, &change.object.uid, &change.object.etag],
        )?;
        Ok(())
    }

    fn removed(&self, tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
        tx.execute("DELETE FROM typed WHERE id = $1", args![&removal.object.id])?;
        Ok(())
    }
}

fn prepared(uid: String, component: &str, index: Index) -> Prepared<()> {
    Prepared { uid, component: component.to_owned(), schedule_tag: String::new(), index, typed: () }
}

/// One service for one test.
pub struct Bed {
    pub db: Db,
    client: Client,
    pub place: Place,
}

/// Starts a bed that keeps cards.
pub struct Cards;

impl Cards {
    pub async fn start(place: Place) -> Bed {
        Bed::open::<true>(place).await
    }
}

impl Bed {
    /// Keeps calendars.
    pub async fn start(place: Place) -> Bed {
        Bed::open::<false>(place).await
    }

    async fn open<const CARDS: bool>(place: Place) -> Bed {
        place.set_clock(NOW);
        let context = &place.context;
        let db = context.open_db("engine", MIGRATIONS).await.unwrap();
        let server = kontor_collection::rpc::Server::new(context, &db, Rows::<CARDS>).into_service();
        let unit = Unit::new("engine", context, Routes::new(server));
        let client = Client::new(Link::local(unit.routes)).max_decoding_message_size(MESSAGE_LIMIT);
        let kind = Rows::<CARDS>::KIND;
        db.write(move |tx| {
            collection::ensure(tx, &New::named("sales", "work", kind, "Work"))?;
            collection::ensure(tx, &New::named("company", "company", kind, "Company"))
        })
        .await
        .unwrap();
        Bed { db, client, place }
    }

    /// The same data, as another process has it open.
    pub async fn second_db(&self) -> Db {
        self.place.context.open_db("engine", MIGRATIONS).await.unwrap()
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub async fn put(
        &self,
        name: &str,
        data: impl Into<Bytes>,
    ) -> std::result::Result<proto::PutObjectResponse, Status> {
        self.put_if(name, data, proto::Conditions::default()).await
    }

    pub async fn put_if(
        &self,
        name: &str,
        data: impl Into<Bytes>,
        conditions: proto::Conditions,
    ) -> std::result::Result<proto::PutObjectResponse, Status> {
        let request = proto::PutObjectRequest {
            path: work(),
            name: name.to_owned(),
            data: data.into(),
            conditions: Some(conditions),
            ..Default::default()
        };
        Ok(self.client().put_object(sales().request(request)).await?.into_inner())
    }

    pub async fn delete(&self, name: &str) -> std::result::Result<(), Status> {
        let request = proto::DeleteObjectRequest {
            path: work(),
            name: name.to_owned(),
            conditions: None,
            silent: false,
            ..Default::default()
        };
        self.client().delete_object(sales().request(request)).await.map(|_| ())
    }

    pub async fn collection(&self) -> proto::Collection {
        let request = proto::GetCollectionRequest { path: work(), ..Default::default() };
        self.client().get_collection(sales().request(request)).await.unwrap().into_inner()
    }

    pub async fn list(&self, with_data: bool) -> Vec<proto::Object> {
        let request = proto::ListObjectsRequest { path: work(), with_data, ..Default::default() };
        let answer = self.client().list_objects(sales().request(request)).await.unwrap();
        gather(answer.into_inner()).await
    }

    pub async fn get(&self, names: &[&str]) -> Vec<proto::Object> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let request = proto::GetObjectsRequest { path: work(), names, with_data: true, ..Default::default() };
        let answer = self.client().get_objects(sales().request(request)).await.unwrap();
        gather(answer.into_inner()).await
    }

    pub async fn query(
        &self,
        request: proto::QueryObjectsRequest,
    ) -> std::result::Result<Vec<String>, Status> {
        let request = proto::QueryObjectsRequest { path: work(), ..request };
        let answer = self.client().query_objects(sales().request(request)).await?;
        let mut names: Vec<String> =
            gather(answer.into_inner()).await.into_iter().map(|object| object.name).collect();
        names.sort();
        Ok(names)
    }

    /// One sync: the changes, the number reached, and whether more is left.
    pub async fn sync(
        &self,
        since: i64,
        limit: i64,
    ) -> std::result::Result<(Vec<proto::Object>, i64, bool), Status> {
        let id = if since < 0 { String::new() } else { self.collection().await.id };
        self.sync_with(since, limit, &id).await
    }

    pub async fn sync_with(
        &self,
        since: i64,
        limit: i64,
        id: &str,
    ) -> std::result::Result<(Vec<proto::Object>, i64, bool), Status> {
        let (objects, last) = self.sync_on((since, 0), limit, id).await?;
        Ok((objects, last.sequence, last.truncated))
    }

    /// Goes on from a number and the number when the first sync began (0 for none); gives the changes and the last chunk.
    pub async fn sync_on(
        &self,
        (since, first_until): (i64, i64),
        limit: i64,
        id: &str,
    ) -> std::result::Result<(Vec<proto::Object>, proto::SyncChunk), Status> {
        let request = proto::SyncObjectsRequest {
            path: work(),
            since,
            limit,
            collection_id: id.to_owned(),
            with_data: false,
            first_until,
            ..Default::default()
        };
        let mut stream = self.client().sync_objects(sales().request(request)).await?.into_inner();
        let mut objects = Vec::new();
        while let Some(chunk) = stream.message().await? {
            objects.extend(chunk.objects.iter().cloned());
            if chunk.last {
                assert!(stream.message().await?.is_none(), "nothing follows the last chunk");
                return Ok((objects, chunk));
            }
        }
        panic!("the stream ended without its last chunk");
    }
}

async fn gather(mut stream: tonic::Streaming<proto::ObjectChunk>) -> Vec<proto::Object> {
    let mut objects = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        assert!((1..=500).contains(&chunk.objects.len()));
        objects.extend(chunk.objects);
    }
    objects
}

pub fn work() -> Option<proto::CollectionPath> {
    Some(proto::CollectionPath { owner: "sales".to_owned(), slug: "work".to_owned() })
}

pub fn sales() -> Caller {
    user("sales")
}

/// An event of one hour at 9:00 UTC of that day ("20261123").
pub fn event(uid: &str, day: &str) -> String {
    with_lines(uid, &format!("DTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\n"))
}

/// An event with these lines.
pub fn with_lines(uid: &str, lines: &str) -> String {
    component("VEVENT", uid, lines)
}

/// An object with these lines in its only component.
pub fn component(name: &str, uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:{name}\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:{name}\r\nEND:VCALENDAR\r\n"
    )
}

/// Reason in the `ErrorInfo` of a status.
pub fn reason<T: std::fmt::Debug>(answer: std::result::Result<T, Status>) -> String {
    failure(answer).1
}
