//! CalendarService: calendars of users. The same rows are DAV collections.
//! Mounted by `start`.

use kontor_collection::store::collection::{self, New, Update};
use kontor_collection::store::view;
use kontor_collection::{Access, Collection, Kind, Target, access};
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, id, replay, resource};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::calendar_service_server::CalendarService;
use kontor_vobject::zone::{Zone, vtimezone_for};
use tonic::{Request, Response};

use super::objects::find_calendar;
use super::{Answer, Core};
use crate::domain::text;
use crate::events::OVERVIEW_SLUG;
use crate::store::calendars;

const FIELDS: [&str; 5] = ["display_name", "description", "color", "order", "time_zone"];

/// Year around which a zone's rules are written out for clients.
const ZONE_YEAR: i16 = 2020;

#[tonic::async_trait]
impl CalendarService for Core {
    async fn list_calendars(
        &self,
        request: Request<proto::ListCalendarsRequest>,
    ) -> Answer<proto::ListCalendarsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let query = Query {
            page_size: request.page_size,
            page_token: request.page_token,
            filter: request.filter,
            order_by: String::new(),
        };
        let page = self
            .db
            .read(move |conn| {
                let page = calendars::list(conn, &caller, &query)?;
                let rows: Result<Vec<proto::Calendar>> =
                    page.rows.iter().map(|calendar| message(conn, calendar, &caller)).collect();
                Ok((rows?, page.next_page_token))
            })
            .await?;
        Ok(Response::new(proto::ListCalendarsResponse { calendars: page.0, next_page_token: page.1 }))
    }

    async fn get_calendar(&self, request: Request<proto::GetCalendarRequest>) -> Answer<proto::Calendar> {
        let caller = Caller::of(&request)?;
        let id = id::parse("calendars", &request.get_ref().name, "name")?.to_owned();
        let answer = self
            .db
            .read(move |conn| {
                let (calendar, _) = find_calendar(conn, &caller, &id)?;
                message(conn, &calendar, &caller)
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn create_calendar(
        &self,
        request: Request<proto::CreateCalendarRequest>,
    ) -> Answer<proto::Calendar> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = new(&caller, &request)?;
        let hooks = self.hooks.clone();
        let answer = self
            .write(request.validate_only, move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let calendar = collection::create(tx, &hooks, &caller, &new)?;
                    message(tx, &calendar, &caller)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_calendar(
        &self,
        request: Request<proto::UpdateCalendarRequest>,
    ) -> Answer<proto::Calendar> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.calendar.clone().unwrap_or_default();
        let id = id::parse("calendars", &given.name, "calendar.name")?.to_owned();
        let update = update(&given, request.update_mask.as_ref())?;
        let hooks = self.hooks.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = Target::id(find_calendar(tx, &caller, &id)?.0.id);
                    // Locked before the etag is compared: another process may be changing it.
                    collection::lock(tx, &target)?;
                    let (present, _) = collection::find(tx, &caller, &target)?;
                    if !given.etag.is_empty() && given.etag != resource::etag(present.seq) {
                        return Err(Error::etag_mismatch(&given.name));
                    }
                    let calendar = collection::update(tx, &hooks, &caller, &target, &update)?;
                    message(tx, &calendar, &caller)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn delete_calendar(&self, request: Request<proto::DeleteCalendarRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = id::parse("calendars", &request.name, "name")?.to_owned();
        let hooks = self.hooks.clone();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = Target::id(find_calendar(tx, &caller, &id)?.0.id);
                    collection::delete(tx, &hooks, &caller, &target)
                })
            })
            .await?;
        Ok(Response::new(()))
    }

    async fn list_calendar_shares(
        &self,
        request: Request<proto::ListCalendarSharesRequest>,
    ) -> Answer<proto::ListCalendarSharesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.shares(caller, request.into_inner()).await?))
    }

    async fn share_calendar(
        &self,
        request: Request<proto::ShareCalendarRequest>,
    ) -> Answer<proto::CalendarShare> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.share(caller, request.into_inner()).await?))
    }

    async fn unshare_calendar(&self, request: Request<proto::UnshareCalendarRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        self.unshare(caller, request.into_inner()).await?;
        Ok(Response::new(()))
    }
}

fn message(conn: &mut Conn<'_>, calendar: &Collection, caller: &Caller) -> Result<proto::Calendar> {
    let writable = access(conn, caller, calendar)?.is_some_and(|access| access >= Access::Write);
    let mut calendar = calendar.clone();
    view::apply(conn, caller, &mut calendar)?;
    Ok(proto::Calendar {
        name: format!("calendars/{}", calendar.id),
        display_name: calendar.display_name.clone(),
        description: calendar.description.clone(),
        color: calendar.color.clone(),
        order: calendar.order,
        time_zone: text::tzid_of(&calendar.time_zone).unwrap_or_default(),
        owner: if calendar.is_company() { String::new() } else { format!("users/{}", calendar.owner) },
        slug: calendar.slug.clone(),
        etag: resource::etag(calendar.seq),
        writable,
        components: calendar.components.clone(),
    })
}

fn new(caller: &Caller, request: &proto::CreateCalendarRequest) -> Result<New> {
    if caller.user.is_empty() {
        return Err(Error::denied("only a user has a home to make calendars in"));
    }
    let given = request.calendar.clone().unwrap_or_default();
    let slug = match request.calendar_id.as_str() {
        "" => id::new(),
        chosen => {
            id::check_chosen(chosen, "calendar_id")?;
            if chosen == OVERVIEW_SLUG {
                return Err(Error::already_exists(format!("calendar {chosen}")));
            }
            chosen.to_owned()
        }
    };
    check_display_name(&given.display_name)?;
    check_color(&given.color)?;
    let components = match given.components.as_slice() {
        [] => vec!["VEVENT".to_owned(), "VTODO".to_owned()],
        components => {
            if let Some(other) = components.iter().find(|name| !["VEVENT", "VTODO"].contains(&name.as_str()))
            {
                return Err(Error::invalid(
                    "calendar.components",
                    format!("{other:?} is not VEVENT or VTODO"),
                ));
            }
            let mut components = components.to_vec();
            components.sort();
            components.dedup();
            components
        }
    };
    Ok(New {
        description: given.description,
        color: given.color,
        order: given.order,
        time_zone: zone_text(&given.time_zone)?,
        components,
        ..New::named(&caller.user, &slug, Kind::Calendar, &given.display_name)
    })
}

fn update(given: &proto::Calendar, mask: Option<&prost_types::FieldMask>) -> Result<Update> {
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("description", !given.description.is_empty()),
        ("color", !given.color.is_empty()),
        ("order", given.order != 0),
        ("time_zone", !given.time_zone.is_empty()),
    ];
    let set: Vec<&str> = set.into_iter().filter_map(|(field, is_set)| is_set.then_some(field)).collect();
    let mask = Mask::read(mask, &FIELDS, &set)?;
    if mask.has("display_name") {
        check_display_name(&given.display_name)?;
    }
    if mask.has("color") {
        check_color(&given.color)?;
    }
    Ok(Update {
        display_name: mask.has("display_name").then(|| given.display_name.clone()),
        description: mask.has("description").then(|| given.description.clone()),
        color: mask.has("color").then(|| given.color.clone()),
        order: mask.has("order").then_some(given.order),
        time_zone: if mask.has("time_zone") { Some(zone_text(&given.time_zone)?) } else { None },
        ..Update::default()
    })
}

fn check_display_name(name: &str) -> Result<()> {
    if (1..=1_000).contains(&name.len()) && !name.trim().is_empty() {
        return Ok(());
    }
    Err(Error::invalid("calendar.display_name", "use 1 to 1,000 bytes"))
}

fn check_color(color: &str) -> Result<()> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    let good = color.is_empty()
        || matches!(digits.len(), 6 | 8) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if good {
        Ok(())
    } else {
        Err(Error::invalid("calendar.color", format!("{color:?} is not like \"#2471A3\"")))
    }
}

/// What is kept of a zone: the iCalendar text that DAV clients ask for (RFC 4791 section 5.2.2).
fn zone_text(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(String::new());
    }
    let unknown = || {
        Error::invalid(
            "calendar.time_zone",
            format!("{name:?} is no zone of the IANA database, like \"Europe/Brussels\""),
        )
    };
    let zone = Zone::iana(name).ok_or_else(unknown)?;
    let zone = vtimezone_for(zone.iana_name().unwrap_or(name), ZONE_YEAR).ok_or_else(unknown)?;
    Ok(format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{}\r\n{zone}END:VCALENDAR\r\n",
        kontor_vobject::write::PRODUCT
    ))
}
