//! Steps that write over gRPC: events, single instances and contacts. They are the same rows as the objects of DAV.
//! Called by the run.

use std::collections::BTreeMap;

use bytes::Bytes;
use kontor_proto::calendar::v1 as calendar;
use kontor_proto::calendar::v1::event_time;
use kontor_proto::directory::v1 as directory;
use tonic::Code;

use super::bodies::{SERIES_START, uid, words};
use super::client::{Client, id_of};
use super::run::Run;
use super::world::{COMPANY, Kind, ShelfId, Thing};

/// Lines that a change of the title may touch, and those that say when it was.
const TOUCHED: [&str; 6] = ["SUMMARY", "FN", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "REV"];

/// A row as gRPC lists it.
pub struct Row {
    pub name: String,
    pub etag: String,
    pub title: String,
}

fn mask(path: &str) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: vec![path.to_owned()] })
}

/// The unfolded lines but those that a change may touch.
fn others(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace("\n ", "");
    let name = |line: &str| line.split([':', ';']).next().unwrap_or_default().to_ascii_uppercase();
    text.lines().filter(|line| !TOUCHED.contains(&name(line).as_str())).map(str::to_owned).collect()
}

/// "Ok" or the code, for the log.
pub fn outcome<T>(answer: &Result<T, tonic::Status>) -> String {
    answer.as_ref().map_or_else(|status| format!("{:?}", status.code()), |_| "Ok".to_owned())
}

impl Run {
    /// "calendars/{id}" or "addressBooks/{id}".
    fn parent(&self, id: &ShelfId) -> String {
        match id.0 {
            Kind::Calendar => format!("calendars/{}", id_of(&self.world.shelves[id].token)),
            Kind::Book if id.1 == COMPANY => "addressBooks/company".to_owned(),
            Kind::Book => format!("addressBooks/{}", id_of(&self.world.shelves[id].token)),
        }
    }

    /// Events or contacts of a collection, by UID.
    pub async fn rows(&self, client: &Client, id: &ShelfId) -> BTreeMap<String, Row> {
        let parent = self.parent(id);
        match id.0 {
            Kind::Calendar => {
                let request = calendar::ListEventsRequest { parent, page_size: 1_000, ..Default::default() };
                let events =
                    client.grpc.events().list_events(request).await.expect("events").into_inner().events;
                let row = |event: calendar::Event| {
                    (event.uid, Row { name: event.name, etag: event.etag, title: event.summary })
                };
                events.into_iter().map(row).collect()
            }
            Kind::Book => {
                let request =
                    directory::ListContactsRequest { parent, page_size: 1_000, ..Default::default() };
                let found =
                    client.grpc.contacts().list_contacts(request).await.expect("contacts").into_inner();
                let row = |contact: directory::Contact| {
                    (contact.uid, Row { name: contact.name, etag: contact.etag, title: contact.display_name })
                };
                found.contacts.into_iter().map(row).collect()
            }
        }
    }

    /// The bytes of a row.
    async fn bytes(&self, client: &Client, kind: Kind, name: &str) -> Bytes {
        let name = name.to_owned();
        match kind {
            Kind::Calendar => {
                let read = client.grpc.events().get_event(calendar::GetEventRequest { name }).await;
                read.expect("the event").into_inner().icalendar
            }
            Kind::Book => {
                let read = client.grpc.contacts().get_contact(directory::GetContactRequest { name }).await;
                read.expect("the contact").into_inner().vcard
            }
        }
    }

    pub async fn create_over_grpc(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let Some(shelf) = self.world.shelves.get(&id) else { return };
        let takes = shelf.components.is_empty() || shelf.components.contains(&"VEVENT");
        let (title, uid) = (words(&mut self.random).replace('"', "'"), uid(&mut self.random));
        let parent = self.parent(&id);
        self.log.note(format!("{} creates {title:?} over gRPC in {id:?} uid {uid}", self.clients[at].name));
        let client = &self.clients[at];
        let (uid, answer) = match id.0 {
            Kind::Calendar => {
                let time = |local: &str| calendar::EventTime {
                    kind: Some(event_time::Kind::Local(local.to_owned())),
                    time_zone: "Europe/Brussels".into(),
                };
                let event = calendar::Event {
                    uid: uid.clone(),
                    summary: title.clone(),
                    start: Some(time("2026-11-23T09:00:00")),
                    end: Some(time("2026-11-23T10:00:00")),
                    ..Default::default()
                };
                let request =
                    calendar::CreateEventRequest { parent, event: Some(event), ..Default::default() };
                (uid, client.grpc.events().create_event(request).await.map(|event| event.into_inner().name))
            }
            Kind::Book => {
                let uid = format!("urn:uuid:{uid}");
                let contact = directory::Contact {
                    uid: uid.clone(),
                    display_name: title.clone(),
                    ..Default::default()
                };
                let request =
                    directory::CreateContactRequest { parent, contact: Some(contact), ..Default::default() };
                (
                    uid,
                    client
                        .grpc
                        .contacts()
                        .create_contact(request)
                        .await
                        .map(|contact| contact.into_inner().name),
                )
            }
        };
        self.log.outcome(outcome(&answer));
        let expected = match self.world.access(client.user, &id) {
            None => Err(Code::NotFound),
            Some(_) if !self.world.may_write(client.user, &id) => Err(Code::PermissionDenied),
            Some(_) if !takes => Err(Code::InvalidArgument),
            Some(_) if self.world.holder(&id, "", &uid).is_some() => Err(Code::AlreadyExists),
            Some(_) => Ok(()),
        };
        let name = match answer {
            Ok(name) => {
                assert_eq!(expected, Ok(()), "{name}");
                name
            }
            Err(status) => {
                assert_eq!(expected, Err(status.code()), "{status:?}");
                return self.compare(&[(&id, &[])]).await;
            }
        };
        // The server chose the object's name: the one that was not there.
        let listed = client.list(&id).await;
        let new: Vec<String> =
            listed.into_keys().filter(|name| !self.world.shelves[&id].things.contains_key(name)).collect();
        assert_eq!(new.len(), 1, "{new:?}");
        let bytes = self.bytes(client, id.0, &name).await;
        let component = if id.0 == Kind::Calendar { "VEVENT" } else { "VCARD" };
        self.world.place(&id, &new[0], Thing { uid, component, summary: title, series: 0, bytes });
        self.compare(&[(&id, &[&new[0]])]).await;
    }

    /// An object that gRPC shows as a row, with its name there as the owner knows it.
    async fn some_row(&mut self, id: &ShelfId, series: bool) -> Option<(String, String)> {
        let fits =
            |thing: &Thing| ["VEVENT", "VCARD"].contains(&thing.component) && (!series || thing.series > 0);
        let things = &self.world.shelves.get(id)?.things;
        let all: Vec<(String, String)> = things
            .iter()
            .filter(|(_, thing)| fits(thing))
            .map(|(name, thing)| (name.clone(), thing.uid.clone()))
            .collect();
        if all.is_empty() {
            return None;
        }
        let (name, uid) = self.random.pick(&all).clone();
        let rows = self.rows(self.owner_of(id), id).await;
        Some((name, rows.get(&uid).unwrap_or_else(|| panic!("gRPC has no row of {uid}")).name.clone()))
    }

    /// An etag for a change: none, the right one, or another.
    fn some_etag(&mut self, id: &ShelfId, name: &str) -> (String, bool) {
        let right = self.world.shelves[id].things[name].etag().trim_matches('"').to_owned();
        match self.random.below(4) {
            0 => (String::new(), true),
            1 | 2 => (right, true),
            _ => ("0123456789abcdef0123456789abcdef".to_owned(), false),
        }
    }

    fn allowed(&self, at: usize, id: &ShelfId, etag_holds: bool) -> Result<(), Code> {
        let user = self.clients[at].user;
        match self.world.access(user, id) {
            None => Err(Code::NotFound),
            Some(_) if !self.world.may_write(user, id) => Err(Code::PermissionDenied),
            Some(_) if !etag_holds => Err(Code::Aborted),
            Some(_) => Ok(()),
        }
    }

    /// A new title: of the object's bytes only the lines concerned change.
    pub async fn change_over_grpc(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let Some((name, row)) = self.some_row(&id, false).await else { return };
        let (etag, holds) = self.some_etag(&id, &name);
        let old = self.world.shelves[&id].things[&name].clone();
        let same = self.random.chance(10);
        let title = if same { old.summary.clone() } else { words(&mut self.random).replace('"', "'") };
        let client = &self.clients[at];
        self.log.note(format!(
            "{} changes {row} ({id:?} {name}) over gRPC to {title:?} etag {etag:?}",
            client.name
        ));
        let answer = match id.0 {
            Kind::Calendar => {
                let event =
                    calendar::Event { name: row.clone(), summary: title.clone(), etag, ..Default::default() };
                let request = calendar::UpdateEventRequest {
                    event: Some(event),
                    update_mask: mask("summary"),
                    ..Default::default()
                };
                client.grpc.events().update_event(request).await.map(|event| event.into_inner().etag)
            }
            Kind::Book => {
                let contact = directory::Contact {
                    name: row.clone(),
                    display_name: title.clone(),
                    etag,
                    ..Default::default()
                };
                let request = directory::UpdateContactRequest {
                    contact: Some(contact),
                    update_mask: mask("display_name"),
                    ..Default::default()
                };
                client.grpc.contacts().update_contact(request).await.map(|contact| contact.into_inner().etag)
            }
        };
        self.log.outcome(outcome(&answer));
        let told = answer.as_ref().map(|_| ()).map_err(tonic::Status::code);
        assert_eq!(told, self.allowed(at, &id, holds), "{answer:?}");
        if let Ok(etag) = answer {
            if same {
                assert_eq!(format!("\"{etag}\""), old.etag(), "nothing changed");
            } else {
                let bytes = self.bytes(client, id.0, &row).await;
                assert_eq!(others(&old.bytes), others(&bytes), "only the lines concerned change");
                let new = Thing { summary: title, bytes, ..old };
                assert_eq!(format!("\"{etag}\""), new.etag());
                self.world.place(&id, &name, new);
            }
        }
        self.compare(&[(&id, &[&name])]).await;
    }

    /// One instance of a series, which may have no such instance.
    pub async fn change_an_instance(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, Some(Kind::Calendar));
        let Some((name, row)) = self.some_row(&id, true).await else { return };
        let (etag, holds) = self.some_etag(&id, &name);
        let old = self.world.shelves[&id].things[&name].clone();
        let week = self.random.below(old.series + 1);
        let title = words(&mut self.random);
        let client = &self.clients[at];
        self.log.note(format!(
            "{} changes week {week} of {row} ({id:?} {name}) to {title:?} etag {etag:?}",
            client.name
        ));
        let seconds = SERIES_START + i64::try_from(week).expect("few weeks") * 7 * 86_400;
        let event = calendar::Event { name: row.clone(), summary: title.clone(), etag, ..Default::default() };
        let request = calendar::UpdateOccurrenceRequest {
            event: Some(event),
            original_start_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            update_mask: mask("summary"),
            ..Default::default()
        };
        let answer =
            client.grpc.events().update_occurrence(request).await.map(|event| event.into_inner().etag);
        self.log.outcome(outcome(&answer));
        let mut expected = self.allowed(at, &id, true);
        if expected.is_ok() && week == old.series {
            expected = Err(Code::NotFound);
        } else if expected.is_ok() && !holds {
            expected = Err(Code::Aborted);
        }
        assert_eq!(answer.as_ref().map(|_| ()).map_err(tonic::Status::code), expected, "{answer:?}");
        if let Ok(etag) = answer {
            let bytes = self.bytes(client, id.0, &row).await;
            let new = others(&bytes);
            let mut rest = new.iter();
            let kept = others(&old.bytes).iter().all(|line| rest.any(|other| other == line));
            assert!(kept, "all lines stay, in their order: {new:#?}");
            assert!(String::from_utf8_lossy(&bytes).contains("RECURRENCE-ID"), "{new:#?}");
            let new = Thing { bytes, ..old };
            assert_eq!(format!("\"{etag}\""), new.etag());
            self.world.place(&id, &name, new);
        }
        self.compare(&[(&id, &[&name])]).await;
    }

    pub async fn delete_over_grpc(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let Some((name, row)) = self.some_row(&id, false).await else { return };
        let (etag, holds) = self.some_etag(&id, &name);
        let client = &self.clients[at];
        self.log.note(format!("{} deletes {row} ({id:?} {name}) over gRPC etag {etag:?}", client.name));
        let answer = match id.0 {
            Kind::Calendar => {
                let request = calendar::DeleteEventRequest { name: row, etag, ..Default::default() };
                client.grpc.events().delete_event(request).await.map(|_| ())
            }
            Kind::Book => {
                let request = directory::DeleteContactRequest { name: row, etag, ..Default::default() };
                client.grpc.contacts().delete_contact(request).await.map(|_| ())
            }
        };
        self.log.outcome(outcome(&answer));
        let told = answer.as_ref().copied().map_err(tonic::Status::code);
        assert_eq!(told, self.allowed(at, &id, holds), "{answer:?}");
        if answer.is_ok() {
            self.world.take(&id, &name);
        }
        self.compare(&[(&id, &[&name])]).await;
    }
}
