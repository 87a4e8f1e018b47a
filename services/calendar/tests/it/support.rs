//! Starts the calendar on both databases and speaks to it through the generated clients.
//! Used by every module here.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use jiff::Timestamp;
use kontor_calendar::{Config, Peers};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::bus::Bus;
use kontor_kit::clock::{Clock, to_proto};
use kontor_kit::context::{Company, Context};
use kontor_kit::db::{Db, Storage};
use kontor_kit::link::Link;
use kontor_kit::outbox::NewEvent;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::calendar_service_client::CalendarServiceClient;
use kontor_proto::calendar::v1::change_service_client::ChangeServiceClient;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::calendar::v1::task_service_client::TaskServiceClient;
use kontor_proto::collection::v1 as store;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1::UserCreated;
use kontor_proto::r#type::v1::{Event, WatchChangesRequest};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tonic::service::Routes;
use tonic::{Code, Status};

/// Runs one body on each database.
macro_rules! both {
    ($name:ident, $bed:ident, $body:block) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for $bed in crate::support::beds().await {
                $body
                $bed.end().await;
            }
        }
    };
}
pub(crate) use both;

/// A running calendar.
pub struct Bed {
    pub context: Context,
    pub link: Link,
    pub directory: Db,
    clock: Arc<AtomicI64>,
    postgres: Option<(String, String)>,
    _folder: tempfile::TempDir,
}

/// One bed for each database, with the users "sales" and "manager".
pub async fn beds() -> Vec<Bed> {
    beds_with(Link::local(Routes::default())).await
}

/// The same with another directory.
pub async fn beds_with(directory: Link) -> Vec<Bed> {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Sqlite(folder.path().to_owned());
    let mut beds = vec![bed(storage, None, folder, directory.clone()).await];
    if let Ok(server) = std::env::var("KONTOR_TEST_POSTGRES") {
        let name = format!("calendar_{}", uuid::Uuid::now_v7().simple());
        let mut conn = sqlx::PgConnection::connect(&server).await.unwrap();
        conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        let storage = Storage::Postgres(format!("{base}/{name}"));
        beds.push(bed(storage, Some((server, name)), tempfile::tempdir().unwrap(), directory).await);
    }
    beds
}

async fn bed(
    storage: Storage,
    postgres: Option<(String, String)>,
    folder: tempfile::TempDir,
    directory: Link,
) -> Bed {
    let clock = Arc::new(AtomicI64::new(micros("2026-11-23T08:00:00Z")));
    let context = Context {
        storage,
        clock: Clock::Fixed(clock.clone()),
        bus: Bus::default(),
        company: Company::default(),
        cluster_key: None,
        stop: Default::default(),
        tasks: Default::default(),
    };
    let events = context.open_db("directory", &[]).await.unwrap();
    let unit = kontor_calendar::start(&context, Peers { directory }, Config::default()).await.unwrap();
    let link = Link::local(unit.routes);
    let bed = Bed { context, link, directory: events, clock, postgres, _folder: folder };
    bed.user("sales", "#112233", "Europe/Brussels").await;
    bed.user("manager", "", "").await;
    bed
}

impl Bed {
    /// Stops it and removes its data.
    pub async fn end(self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
        let Bed { context, link, directory, postgres, .. } = self;
        drop((context, link, directory));
        if let Some((server, name)) = postgres {
            let mut conn = sqlx::PgConnection::connect(&server).await.unwrap();
            conn.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        }
    }

    /// Moves the clock.
    pub fn set_clock(&self, at: &str) {
        self.clock.store(micros(at), std::sync::atomic::Ordering::SeqCst);
    }

    /// Moves the clock on by seconds.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, std::sync::atomic::Ordering::SeqCst);
    }

    /// Lets the directory say that there is a user, and waits for the user's calendar.
    pub async fn user(&self, login: &'static str, color: &'static str, time_zone: &'static str) {
        self.publish(
            &format!("users/{login}"),
            &UserCreated {
                user: login.to_owned(),
                display_name: login.to_owned(),
                color: color.to_owned(),
                time_zone: time_zone.to_owned(),
                email: format!("{login}@kontor.test"),
            },
        )
        .await;
        let request = || caller(login).request(store::ListCollectionsRequest { owner: login.to_owned() });
        for _ in 0..200 {
            let found = self.collections().list_collections(request()).await.unwrap().into_inner();
            if !found.collections.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no calendar was made for {login}");
    }

    /// An event of the directory.
    pub async fn publish<P: prost::Message + prost::Name + Clone + 'static>(
        &self,
        subject: &str,
        payload: &P,
    ) {
        let (subject, payload) = (subject.to_owned(), payload.clone());
        self.directory
            .write(move |tx| {
                tx.publish(NewEvent::new("directory", &subject, &Guard::company(), &payload));
                Ok(())
            })
            .await
            .unwrap();
    }

    pub fn events(&self) -> EventServiceClient<Link> {
        EventServiceClient::new(self.link.clone())
    }

    pub fn tasks(&self) -> TaskServiceClient<Link> {
        TaskServiceClient::new(self.link.clone())
    }

    pub fn calendars(&self) -> CalendarServiceClient<Link> {
        CalendarServiceClient::new(self.link.clone())
    }

    pub fn collections(&self) -> CollectionServiceClient<Link> {
        CollectionServiceClient::new(self.link.clone())
    }

    /// The user's own calendar: "calendars/{id}".
    pub async fn work(&self, login: &str) -> String {
        let request = caller(login).request(proto::ListCalendarsRequest::default());
        let found = self.calendars().list_calendars(request).await.unwrap().into_inner();
        found.calendars.iter().find(|calendar| calendar.slug == "work").unwrap().name.clone()
    }

    /// Puts an object as a DAV client does.
    pub async fn put(&self, login: &str, name: &str, text: &str) -> Result<store::PutObjectResponse, Status> {
        let request = store::PutObjectRequest {
            path: Some(store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() }),
            name: name.to_owned(),
            data: text.replace('\n', "\r\n").into_bytes().into(),
            conditions: None,
        };
        Ok(self.collections().put_object(caller(login).request(request)).await?.into_inner())
    }

    /// The bytes of an object, as a DAV client gets them.
    pub async fn get(&self, login: &str, name: &str) -> Option<store::Object> {
        let request = store::GetObjectsRequest {
            path: Some(store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() }),
            names: vec![name.to_owned()],
            with_data: true,
        };
        let mut stream =
            self.collections().get_objects(caller(login).request(request)).await.unwrap().into_inner();
        let chunk = stream.message().await.unwrap()?;
        chunk.objects.into_iter().find(|object| !object.missing)
    }

    /// What changed since a sync number: names, and the number reached.
    pub async fn changed_since(&self, login: &str, since: i64) -> (Vec<String>, i64) {
        let path = store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() };
        let request = store::GetCollectionRequest { path: Some(path.clone()), with_zone: false };
        let collection = self.collections().get_collection(caller(login).request(request)).await.unwrap();
        let request = store::SyncObjectsRequest {
            path: Some(path),
            since,
            collection_id: collection.into_inner().id,
            ..store::SyncObjectsRequest::default()
        };
        let mut stream =
            self.collections().sync_objects(caller(login).request(request)).await.unwrap().into_inner();
        let (mut names, mut reached) = (Vec::new(), since);
        while let Some(chunk) = stream.message().await.unwrap() {
            names.extend(chunk.objects.into_iter().map(|object| object.name));
            if chunk.last {
                reached = chunk.sequence;
            }
        }
        (names, reached)
    }

    /// Creates an event in the user's calendar.
    pub async fn create(&self, login: &str, event: proto::Event) -> proto::Event {
        let request = proto::CreateEventRequest {
            parent: "calendars/default".to_owned(),
            event: Some(event),
            ..proto::CreateEventRequest::default()
        };
        self.events().create_event(caller(login).request(request)).await.unwrap().into_inner()
    }

    /// One event with its bytes.
    pub async fn event(&self, login: &str, name: &str) -> proto::Event {
        let request = proto::GetEventRequest { name: name.to_owned() };
        self.events().get_event(caller(login).request(request)).await.unwrap().into_inner()
    }

    /// What happens between two instants, over all pages of the size.
    pub async fn occurrences(&self, login: &str, from: &str, to: &str, size: i32) -> Vec<proto::Occurrence> {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let request = proto::ListOccurrencesRequest {
                parent: "calendars/-".to_owned(),
                start_time: Some(to_proto(micros(from))),
                end_time: Some(to_proto(micros(to))),
                page_size: size,
                page_token: token,
                owners: Vec::new(),
            };
            let page =
                self.events().list_occurrences(caller(login).request(request)).await.unwrap().into_inner();
            assert!(size == 0 || page.occurrences.len() <= usize::try_from(size).unwrap());
            found.extend(page.occurrences);
            token = page.next_page_token;
            if token.is_empty() {
                return found;
            }
        }
    }

    /// Their titles and starts: "standup 2026-11-23T09:00:00Z".
    pub async fn titles(&self, login: &str, from: &str, to: &str) -> Vec<String> {
        let found = self.occurrences(login, from, to, 0).await;
        found.iter().map(|one| format!("{} {}", one.summary, instant(one.start_time))).collect()
    }

    /// All events of the change stream from the beginning, as kind, partner and subject.
    pub async fn changes(&self, login: &str) -> Vec<Event> {
        let request =
            WatchChangesRequest { resume_token: "0".to_owned(), until_now: true, ..Default::default() };
        let mut client = ChangeServiceClient::new(self.link.clone());
        let mut stream = client.watch_changes(caller(login).request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            events.extend(message.event);
        }
        events
    }
}

/// A user without teams.
pub fn caller(login: &str) -> Caller {
    Caller {
        user: login.to_owned(),
        display_name: login.to_owned(),
        admin: login == "admin",
        teams: Vec::new(),
        led_teams: Vec::new(),
        time_zone: String::new(),
        system: false,
    }
}

/// Microseconds UTC of a text like "2026-11-23T08:00:00Z".
pub fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

pub fn time(text: &str) -> prost_types::Timestamp {
    to_proto(micros(text))
}

pub fn instant(time: Option<prost_types::Timestamp>) -> String {
    Timestamp::from_second(time.unwrap().seconds).unwrap().to_string()
}

/// A local time in Brussels.
pub fn local(text: &str) -> Option<proto::EventTime> {
    let kind = proto::event_time::Kind::Local(text.to_owned());
    Some(proto::EventTime { kind: Some(kind), time_zone: "Europe/Brussels".to_owned() })
}

pub fn date(text: &str) -> Option<proto::EventTime> {
    let kind = proto::event_time::Kind::Date(text.to_owned());
    Some(proto::EventTime { kind: Some(kind), time_zone: String::new() })
}

/// A meeting of one hour, 09:00 to 10:00 in Brussels.
pub fn meeting(summary: &str, day: &str) -> proto::Event {
    proto::Event {
        summary: summary.to_owned(),
        start: local(&format!("{day}T09:00:00")),
        end: local(&format!("{day}T10:00:00")),
        ..proto::Event::default()
    }
}

pub fn mask(fields: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: fields.iter().map(|field| (*field).to_owned()).collect() })
}

/// Code and reason of a refusal.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    let reason = kontor_kit::error::reason(&status).map(|(reason, _)| reason).unwrap_or_default();
    (status.code(), reason)
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
