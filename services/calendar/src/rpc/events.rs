//! EventService: meetings and other events.
//! Mounted by `start`.

use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result, id};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::event_service_server::EventService;
use kontor_vobject::zone::Zones;
use tonic::{Request, Response};

use super::convert;
use super::objects::{EVENTS, Loaded};
use super::{Answer, Core};
use crate::domain::change::{self, OCCURRENCE_FIELDS};
use crate::domain::event::{Event, FIELDS};
use crate::domain::scheduling::respond::appoint;
use crate::domain::text;

#[tonic::async_trait]
impl EventService for Core {
    async fn list_events(
        &self,
        request: Request<proto::ListEventsRequest>,
    ) -> Answer<proto::ListEventsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let query = kontor_kit::page::Query {
            page_size: request.page_size,
            page_token: request.page_token,
            order_by: request.order_by,
            ..Default::default()
        };
        let page = self.list(caller, EVENTS, request.parent, query, brief).await?;
        Ok(Response::new(proto::ListEventsResponse {
            events: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn list_occurrences(
        &self,
        request: Request<proto::ListOccurrencesRequest>,
    ) -> Answer<proto::ListOccurrencesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.occurrences(caller, request.into_inner()).await?))
    }

    async fn get_event(&self, request: Request<proto::GetEventRequest>) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        let loaded = self.load(&caller, EVENTS, &request.get_ref().name, "name").await?;
        let icalendar = loaded.object.data.clone();
        Ok(Response::new(proto::Event { icalendar, ..brief(&loaded)? }))
    }

    async fn create_event(&self, request: Request<proto::CreateEventRequest>) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.event.clone().unwrap_or_default();
        let event = convert::event(&message)?;
        event.check()?;
        let uid = chosen_uid(&message.uid, "event.uid")?;
        let now = self.hooks.clock.now();
        let parent = self.parent(&caller, &request.parent).await;
        let organizer = match &parent {
            Ok(parent) if !event.attendees.is_empty() && event.organizer.is_empty() => {
                self.address_of(parent.collection.owner.clone()).await?
            }
            _ => String::new(),
        };
        let text = parent.and_then(|parent| {
            let data = change::create(&event, &uid, &parent.zone, now)?;
            let data = if organizer.is_empty() { data } else { appoint(data, &organizer)? };
            Ok((parent, data))
        });
        let options = (request.request_id.clone(), request.validate_only);
        Ok(Response::new(self.create(caller, request, options, text, brief).await?))
    }

    async fn update_event(&self, request: Request<proto::UpdateEventRequest>) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.event.clone().unwrap_or_default();
        let event = convert::event(&message)?;
        event.check()?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &convert::set_fields(&message))?;
        let now = self.hooks.clock.now();
        let invites = mask.has("attendees") && !event.attendees.is_empty();
        let organizer = if invites {
            self.address(&self.load(&caller, EVENTS, &message.name, "event.name").await?).await?
        } else {
            String::new()
        };
        let change = |before: &Loaded| {
            let data = change::update(&before.object.data, &event, &mask, &before.found, &before.zone, now)?;
            if organizer.is_empty() { Ok(data) } else { appoint(data, &organizer) }
        };
        let request_id = request.request_id.clone();
        let place = (message.name.as_str(), "event.name");
        let answer =
            self.update(caller, request, &request_id, EVENTS, place, &message.etag, change, brief).await?;
        Ok(Response::new(answer))
    }

    async fn update_occurrence(
        &self,
        request: Request<proto::UpdateOccurrenceRequest>,
    ) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.event.clone().unwrap_or_default();
        let event = convert::event(&message)?;
        event.check()?;
        let mut set = convert::set_fields(&message);
        set.retain(|field| OCCURRENCE_FIELDS.contains(field));
        let mask = Mask::read(request.update_mask.as_ref(), &OCCURRENCE_FIELDS, &set)?;
        let original = request.original_start_time.as_ref().map(from_proto);
        let original = original.ok_or_else(|| Error::invalid("original_start_time", "it is missing"))?;
        let now = self.hooks.clock.now();
        let change = |before: &Loaded| {
            let name = before.name(EVENTS);
            change::update_occurrence(&before.object.data, &name, original, &event, &mask, &before.zone, now)
        };
        let request_id = request.request_id.clone();
        let place = (message.name.as_str(), "event.name");
        let answer =
            self.update(caller, request, &request_id, EVENTS, place, &message.etag, change, brief).await?;
        Ok(Response::new(answer))
    }

    async fn respond_to_event(&self, request: Request<proto::RespondToEventRequest>) -> Answer<proto::Event> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.respond(caller, request.into_inner()).await?))
    }

    async fn delete_event(&self, request: Request<proto::DeleteEventRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (request_id, name, etag) =
            (request.request_id.clone(), request.name.clone(), request.etag.clone());
        self.delete(caller, request, request_id, EVENTS, name, etag).await?;
        Ok(Response::new(()))
    }
}

/// The message without the object's bytes.
pub(super) fn brief(loaded: &Loaded) -> Result<proto::Event> {
    let (document, object) = text::stored(&loaded.object.data)?;
    let mut zones = Zones::of(&document, loaded.zone.clone());
    let event = Event::read(&document, object.first(), &mut zones);
    Ok(proto::Event {
        name: loaded.name(EVENTS),
        uid: object.uid.clone(),
        partners: loaded.partners.clone(),
        etag: loaded.object.etag.clone(),
        override_count: i32::try_from(object.overrides.len()).unwrap_or(i32::MAX),
        update_time: Some(to_proto(loaded.object.update_time)),
        ..convert::event_message(event)
    })
}

/// The caller's UID, or a new one.
pub(super) fn chosen_uid(uid: &str, field: &str) -> Result<String> {
    if uid.is_empty() {
        return Ok(id::new());
    }
    if uid.len() > 1_000 || uid.trim() != uid || uid.contains(char::is_control) {
        return Err(Error::invalid(
            field,
            "use 1 to 1,000 bytes without control characters and outer blanks",
        ));
    }
    Ok(uid.to_owned())
}
