//! The calendar beside a real directory, spoken to through the generated clients.
//! Used by every module here.

use jiff::Timestamp;
use kontor_calendar::{Config, Peers};
use kontor_kit::clock::to_proto;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::calendar_service_client::CalendarServiceClient;
use kontor_proto::calendar::v1::change_service_client::ChangeServiceClient;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::calendar::v1::message_service_client::MessageServiceClient;
use kontor_proto::calendar::v1::proposal_service_client::ProposalServiceClient;
use kontor_proto::calendar::v1::task_service_client::TaskServiceClient;
use kontor_proto::collection::v1 as store;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::r#type::v1::{Email, Event, WatchChangesRequest};
use kontor_testbed::{Gate, Place, SECOND, admin, user};
use tonic::Status;

/// A running calendar.
pub struct Bed {
    pub link: Link,
    /// The calendar's way to the directory.
    pub gate: Gate,
    directory: Link,
    place: Place,
}

impl Bed {
    /// On Monday 23 November 2026 at 08:00 UTC, with the users "sales" and "manager".
    pub async fn start(place: Place) -> Bed {
        place.set_clock(micros("2026-11-23T08:00:00Z"));
        let directory = Link::local(kontor_directory::start(&place.context).await.unwrap().routes);
        let gate = Gate::default();
        let peers = Peers { directory: gate.before(directory.clone()) };
        let unit = kontor_calendar::start(&place.context, peers, Config { attachment_bytes: Some(4_000) })
            .await
            .unwrap();
        let bed = Bed { link: Link::local(unit.routes), gate, directory, place };
        bed.user("sales", "#112233", "Europe/Brussels").await;
        bed.user("manager", "", "").await;
        bed
    }

    /// The outbox of a service that is not there, for a test to write its events.
    pub async fn fake(&self, service: &'static str) -> Db {
        self.place.fake(service).await
    }

    /// The directory's own address.
    pub fn directory(&self) -> Link {
        self.directory.clone()
    }

    /// Moves the clock.
    pub fn set_clock(&self, at: &str) {
        self.place.set_clock(micros(at));
    }

    /// Moves the clock on by seconds.
    pub fn advance(&self, seconds: i64) {
        self.place.pass(seconds * SECOND);
    }

    /// Makes a user, and waits for the user's calendar.
    pub async fn user(&self, login: &str, color: &str, time_zone: &str) {
        let given = directory::User {
            display_name: login.to_owned(),
            color: color.to_owned(),
            time_zone: time_zone.to_owned(),
            email: format!("{login}@kontor.test"),
            ..Default::default()
        };
        let request = directory::CreateUserRequest {
            user: Some(given),
            user_id: login.to_owned(),
            ..Default::default()
        };
        self.users().create_user(admin().request(request)).await.unwrap();
        let request = || {
            user(login)
                .request(store::ListCollectionsRequest { owner: login.to_owned(), ..Default::default() })
        };
        for () in kontor_testbed::patience() {
            let found = self.collections().list_collections(request()).await.unwrap().into_inner();
            if !found.collections.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no calendar was made for {login}");
    }

    /// Makes a partner. Gives its name: "partners/{id}".
    pub async fn partner(&self, display_name: &str, email: &str) -> String {
        let partner = directory::Partner {
            display_name: display_name.to_owned(),
            emails: vec![Email { address: email.to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        client.create_partner(admin().request(request)).await.unwrap().into_inner().name
    }

    pub fn users(&self) -> UserServiceClient<Link> {
        UserServiceClient::new(self.directory.clone())
    }

    pub fn events(&self) -> EventServiceClient<Link> {
        EventServiceClient::new(self.link.clone())
    }

    pub fn proposals(&self) -> ProposalServiceClient<Link> {
        ProposalServiceClient::new(self.link.clone())
    }

    pub fn messages(&self) -> MessageServiceClient<Link> {
        MessageServiceClient::new(self.link.clone())
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
        let request = user(login).request(proto::ListCalendarsRequest::default());
        let found = self.calendars().list_calendars(request).await.unwrap().into_inner();
        found.calendars.iter().find(|calendar| calendar.slug == "work").unwrap().name.clone()
    }

    /// Puts an object as a DAV client does.
    pub async fn put(&self, login: &str, name: &str, text: &str) -> Result<store::PutObjectResponse, Status> {
        let request = store::PutObjectRequest {
            path: Some(store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() }),
            name: name.to_owned(),
            data: text.replace('\n', "\r\n").into_bytes().into(),
            ..Default::default()
        };
        Ok(self.collections().put_object(user(login).request(request)).await?.into_inner())
    }

    /// The bytes of an object, as a DAV client gets them.
    pub async fn get(&self, login: &str, name: &str) -> Option<store::Object> {
        let request = store::GetObjectsRequest {
            path: Some(store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() }),
            names: vec![name.to_owned()],
            with_data: true,
            ..Default::default()
        };
        let mut stream =
            self.collections().get_objects(user(login).request(request)).await.unwrap().into_inner();
        let chunk = stream.message().await.unwrap()?;
        chunk.objects.into_iter().find(|object| !object.missing)
    }

    /// What changed since a sync number: names, and the number reached.
    pub async fn changed_since(&self, login: &str, since: i64) -> (Vec<String>, i64) {
        let path = store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() };
        let request = store::GetCollectionRequest { path: Some(path.clone()), ..Default::default() };
        let collection = self.collections().get_collection(user(login).request(request)).await.unwrap();
        let request = store::SyncObjectsRequest {
            path: Some(path),
            since,
            collection_id: collection.into_inner().id,
            ..store::SyncObjectsRequest::default()
        };
        let mut stream =
            self.collections().sync_objects(user(login).request(request)).await.unwrap().into_inner();
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
        self.events().create_event(user(login).request(request)).await.unwrap().into_inner()
    }

    /// One event with its bytes.
    pub async fn event(&self, login: &str, name: &str) -> proto::Event {
        let request = proto::GetEventRequest { name: name.to_owned() };
        self.events().get_event(user(login).request(request)).await.unwrap().into_inner()
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
                self.events().list_occurrences(user(login).request(request)).await.unwrap().into_inner();
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
        let caller = if login == "admin" { admin() } else { user(login) };
        let mut client = ChangeServiceClient::new(self.link.clone());
        let mut stream = client.watch_changes(caller.request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            events.extend(message.event);
        }
        events
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

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
