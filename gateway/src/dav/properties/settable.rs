//! Setting properties of a collection: what a client's value means, and which values are refused.
//! Called by PROPPATCH, MKCOL and MKCALENDAR.

use http::StatusCode;
use kontor_proto::collection::v1::{Collection, DeadProperty};
use kontor_vobject::zone::Zone;

use super::{Live, Property, Use, on};
use crate::dav::path::Kind;
use crate::dav::xml::Space;
use crate::dav::xml::request::{Change, Value};

/// Longest colour, in bytes: "#RRGGBBAA" or a colour's name.
const COLOR_BYTES: usize = 32;

/// Changes to one collection, gathered from a request.
#[derive(Debug, Default)]
pub struct Update {
    /// New values of the fields below.
    pub collection: Collection,
    /// Fields of `collection` that were set.
    pub fields: Vec<&'static str>,
    /// Dead properties to set.
    pub set_dead: Vec<DeadProperty>,
    /// Dead properties to remove.
    pub remove_dead: Vec<DeadProperty>,
}

/// Why one property can't be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// RFC 4918 section 9.2.1: 403 with `cannot-modify-protected-property`.
    Protected,
    /// 409: the value makes no sense.
    Value,
    /// 403 with `valid-resourcetype` (RFC 5689 section 3.3).
    ResourceType,
    /// 403 with `valid-calendar-data`: the time zone or the availability is none.
    TimeZone,
    /// 403 with `supported-calendar-component`.
    Component,
    /// 403 with `valid-schedule-default-calendar-URL` (RFC 6638 section 4.3.1.2).
    DefaultCalendar,
}

impl Refusal {
    /// Status and the precondition element, if there is one.
    pub fn status(self) -> (StatusCode, Option<&'static str>) {
        match self {
            Refusal::Protected => (StatusCode::FORBIDDEN, Some("<D:cannot-modify-protected-property/>")),
            Refusal::Value => (StatusCode::CONFLICT, None),
            Refusal::ResourceType => (StatusCode::FORBIDDEN, Some("<D:valid-resourcetype/>")),
            Refusal::TimeZone => (StatusCode::FORBIDDEN, Some("<C:valid-calendar-data/>")),
            Refusal::Component => (StatusCode::FORBIDDEN, Some("<C:supported-calendar-component/>")),
            Refusal::DefaultCalendar => {
                (StatusCode::FORBIDDEN, Some("<C:valid-schedule-default-calendar-URL/>"))
            }
        }
    }
}

impl Update {
    /// Takes over one change. `creating` allows what can be set at creation only.
    ///
    /// # Errors
    /// The reason why this property can't be set so.
    pub fn take(&mut self, change: &Change, kind: Kind, creating: bool) -> Result<(), Refusal> {
        let live = match &change.property {
            Property::Other(name) => {
                let value = match &change.value {
                    Some(Value::Xml(xml)) => Some(xml.clone()),
                    Some(_) => return Err(Refusal::Value),
                    None => None,
                };
                self.dead(name.space.address(), &name.local, value, &change.language);
                return Ok(());
            }
            Property::Live(live) => *live,
        };
        let allowed = match live.usage() {
            Use::Settable | Use::ShownSettable => true,
            Use::AtCreation => creating,
            Use::Shown | Use::Protected | Use::Data => false,
        };
        if !allowed || !live.is_on(if kind == Kind::Calendar { on::CALENDAR } else { on::BOOK }) {
            return Err(Refusal::Protected);
        }
        match (live, &change.value) {
            (Live::Transparency, Some(Value::Elements(names))) => {
                let transparent =
                    names.iter().any(|name| name.space == Space::CalDav && name.local == "transparent");
                self.set("transparent").transparent = transparent;
            }
            (Live::Transparency, None) => self.set("transparent").transparent = false,
            (Live::SupportedComponents, Some(Value::Components(names))) => {
                self.set("components").components = components(names)?;
            }
            (_, Some(Value::Text(text))) => self.text(live, text, &change.language)?,
            (_, None) => self.text(live, "", "")?,
            _ => return Err(Refusal::Value),
        }
        Ok(())
    }

    fn text(&mut self, live: Live, text: &str, language: &str) -> Result<(), Refusal> {
        match live {
            Live::DisplayName if text.len() <= 1000 => {
                self.set("display_name").display_name = text.trim().to_owned();
            }
            Live::CalendarDescription | Live::BookDescription if text.len() <= 10_000 => {
                self.set("description").description = text.to_owned();
                self.collection.description_language = language.to_owned();
            }
            Live::CalendarColor => self.set("color").color = color(text.trim())?,
            Live::CalendarOrder => {
                let order = if text.trim().is_empty() { Ok(0) } else { text.trim().parse() };
                self.set("order").order = order.map_err(|_| Refusal::Value)?;
            }
            Live::CalendarTimeZone => {
                // RFC 4791 section 5.2.2: an iCalendar object with exactly one zone, which we can read.
                let zones = text.matches("BEGIN:VTIMEZONE").count();
                if !text.trim().is_empty() && (zones != 1 || Zone::of_text(text.trim_start()).is_none()) {
                    return Err(Refusal::TimeZone);
                }
                self.set("time_zone").time_zone = text.trim_start().to_owned();
            }
            _ => return Err(Refusal::Value),
        }
        Ok(())
    }

    /// Takes over one change of an object, which keeps dead properties only.
    ///
    /// # Errors
    /// The reason why this property can't be set so.
    pub fn take_of_object(&mut self, change: &Change, kind: Kind) -> Result<(), Refusal> {
        match change.property {
            Property::Other(_) => self.take(change, kind, false),
            Property::Live(_) => Err(Refusal::Protected),
        }
    }

    fn set(&mut self, field: &'static str) -> &mut Collection {
        if !self.fields.contains(&field) {
            self.fields.push(field);
        }
        &mut self.collection
    }

    /// The last word on a property counts.
    fn dead(&mut self, namespace: &str, name: &str, value: Option<String>, language: &str) {
        let other = |property: &DeadProperty| property.namespace != namespace || property.name != name;
        self.set_dead.retain(other);
        self.remove_dead.retain(other);
        let list = if value.is_some() { &mut self.set_dead } else { &mut self.remove_dead };
        list.push(DeadProperty {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            value: value.unwrap_or_default(),
            language: language.to_owned(),
        });
    }
}

fn components(names: &[String]) -> Result<Vec<String>, Refusal> {
    let mut list: Vec<String> = Vec::new();
    for name in names {
        match name.as_str() {
            "VEVENT" | "VTODO" | "VJOURNAL" if !list.contains(name) => list.push(name.clone()),
            "VEVENT" | "VTODO" | "VJOURNAL" => {}
            // Apple's clients and DAVx5 may name these beside the real ones; they never hold an object of their own here.
            "VFREEBUSY" | "VAVAILABILITY" | "VALARM" | "VTIMEZONE" | "VPOLL" => {}
            _ => return Err(Refusal::Component),
        }
    }
    if list.is_empty() { Err(Refusal::Component) } else { Ok(list) }
}

/// "#RGB" to "#RRGGBBAA", or a colour's name; empty takes it away.
fn color(text: &str) -> Result<String, Refusal> {
    let good = match text.strip_prefix('#') {
        Some(digits) => {
            matches!(digits.len(), 3 | 4 | 6 | 8) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        None => text.len() <= COLOR_BYTES && text.bytes().all(|byte| byte.is_ascii_alphabetic()),
    };
    if good { Ok(text.to_owned()) } else { Err(Refusal::Value) }
}
