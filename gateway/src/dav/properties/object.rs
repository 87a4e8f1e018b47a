//! Properties of events, tasks and cards, made once a request into a template into which each object's few values are copied.
//! Called by PROPFIND and by the reports; this is the hot path of every listing.

use kontor_proto::collection::v1::{Access, Object, Share};
use tonic::Status;

use super::propstat::{self, Ask, Found};
use super::{Live, Wanted, acl, common, on};
use crate::dav::path::{self, Kind, Location};
use crate::dav::reports::partial;
use crate::dav::reports::shape::Shaper;
use crate::dav::stream;
use crate::dav::xml::Writer;
use crate::dav::xml::report::Subset;
use kontor_vobject::card::{self, Version};

/// The end of the response of an object that is gone.
const GONE: &str = "</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>\n";

/// What differs from one object to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    Etag,
    Length,
    Created,
    Modified,
    ScheduleTag,
    Data,
}

/// Markup with holes.
#[derive(Debug, Default)]
struct Shape {
    xml: Vec<u8>,
    holes: Vec<(usize, Hole)>,
}

/// The response of any object of one collection, ready but for the holes.
#[derive(Debug)]
pub struct Template {
    /// `<D:response><D:href>/dav/calendars/sales/work/`
    begin: Vec<u8>,
    plain: Shape,
    /// For objects without a schedule-tag, when that was asked for.
    untagged: Option<Shape>,
    subset: Option<Subset>,
    shaper: Option<Shaper>,
    version: Option<Version>,
    with_data: bool,
    /// For objects that have dead properties, when these were asked for.
    whole: Option<Whole>,
    written: bool,
}

/// What the response of an object is made from, where the shape that all share does not do.
#[derive(Debug)]
struct Whole {
    ask: Ask,
    location: Location,
    access: Access,
    shares: Vec<Share>,
    caller: String,
}

/// What a template is made from.
pub struct Setting<'a> {
    /// The collection's place.
    pub location: &'a Location,
    /// What the caller may do; needed for `current-user-privilege-set` and `acl` only.
    pub access: Access,
    /// With whom the collection is shared; needed for `acl` only.
    pub shares: &'a [Share],
    /// Login name of the caller.
    pub caller: &'a str,
    /// Part of the data; `None` is all of it.
    pub subset: Option<Subset>,
    /// Version that cards come in; `None` leaves each as it was written.
    pub version: Option<Version>,
}

/// What a setting needs to know of the collection, or nothing when nothing of it is asked for.
pub fn needs_collection(wanted: &Wanted) -> bool {
    wanted.names(Live::CurrentUserPrivilegeSet) || wanted.names(Live::Acl)
}

impl Setting<'_> {
    /// Whether the collection is somebody else's and shared with the caller.
    fn is_shared(&self) -> bool {
        let others = self.location.owner != self.caller && !self.location.is_company();
        others && !self.location.is_overview() && !self.location.is_shown() && self.access != Access::Owner
    }
}

impl Template {
    /// Makes the template of an answer.
    pub fn new(ask: &Ask, setting: Setting<'_>) -> Self {
        let mut begin = Writer::new();
        begin.raw("<D:response><D:href>");
        begin.text(&setting.location.href());
        let untagged = ask.wanted.names(Live::ScheduleTag).then(|| shape(ask, &setting, false));
        let plain = shape(ask, &setting, true);
        let whole = ask.wanted.asks_dead().then(|| Whole {
            ask: ask.clone(),
            location: setting.location.clone(),
            access: setting.access,
            shares: setting.shares.to_vec(),
            caller: setting.caller.to_owned(),
        });
        let with_data = plain.holes.iter().any(|(_, hole)| *hole == Hole::Data);
        Template {
            begin: begin.into_bytes().to_vec(),
            plain,
            untagged,
            subset: setting.subset,
            version: setting.version,
            shaper: None,
            with_data,
            whole,
            written: false,
        }
    }

    /// The same for data in another form.
    #[must_use]
    pub fn shaped(self, shaper: Shaper) -> Self {
        Template { shaper: Some(shaper), ..self }
    }

    /// Whether bodies are needed.
    pub fn with_data(&self) -> bool {
        self.with_data
    }

    /// Whether dead properties are needed.
    pub fn with_dead(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether names and ETags are enough, where no object has dead properties.
    pub fn needs_tags_only(&self) -> bool {
        self.untagged.is_none() && self.plain.holes.iter().all(|(_, hole)| *hole == Hole::Etag)
    }

    /// Writes the response of an object of which only the name and the ETag are known, and needed; without an ETag it is gone.
    pub fn write_tag(&self, name: &str, etag: &str, out: &mut Writer) {
        out.ready(&self.begin);
        path::encode_onto(name, out);
        if etag.is_empty() {
            out.raw(GONE);
            return;
        }
        let mut done = 0;
        for (at, _) in &self.plain.holes {
            out.ready(&self.plain.xml[done..*at]);
            done = *at;
            quoted(etag, out);
        }
        out.ready(&self.plain.xml[done..]);
    }

    /// Writes the response of an object in the form that was asked for; of one that is gone, a 404.
    ///
    /// # Errors
    /// When the answer becomes more than one may be; see `cut`.
    pub fn render(&mut self, mut object: Object, out: &mut Writer) -> Result<(), Status> {
        if let Some(shaper) = self.shaper.as_mut().filter(|_| !object.missing) {
            object.data = shaper.shape(&object.data)?;
        }
        self.written = true;
        self.write(&object, out);
        Ok(())
    }

    /// Ends an answer that became too much: the whole of it is refused when nothing was written yet, else it says that it was
    /// cut off.
    ///
    /// # Errors
    /// The refusal.
    pub fn cut(&self, href: &str, refusal: Status, out: &mut Writer) -> Result<bool, Status> {
        if !self.written {
            return Err(refusal);
        }
        stream::over_limit(out, href);
        Ok(false)
    }

    /// Writes the response of an object as it is stored; of one that is gone, a 404.
    pub fn write(&self, object: &Object, out: &mut Writer) {
        out.ready(&self.begin);
        path::encode_onto(&object.name, out);
        if object.missing {
            out.raw(GONE);
            return;
        }
        if let Some(whole) = self.whole.as_ref().filter(|_| !object.dead_properties.is_empty()) {
            self.write_whole(whole, object, out);
            return;
        }
        let shape = match &self.untagged {
            Some(untagged) if object.schedule_tag.is_empty() => untagged,
            _ => &self.plain,
        };
        let mut done = 0;
        for (at, hole) in &shape.holes {
            out.ready(&shape.xml[done..*at]);
            done = *at;
            self.fill(*hole, object, out);
        }
        out.ready(&shape.xml[done..]);
    }

    fn fill(&self, hole: Hole, object: &Object, out: &mut Writer) {
        match hole {
            Hole::Etag => quoted(&object.etag, out),
            Hole::ScheduleTag => quoted(&object.schedule_tag, out),
            Hole::Created => {
                common::created(object.create_time.as_ref(), out);
            }
            Hole::Length => out.number(object.size),
            Hole::Modified => out.text(&http_date(object)),
            Hole::Data => match self.version.and_then(|version| card::convert(&object.data, version)) {
                None => self.data(&object.data, out),
                Some(converted) => self.data(&converted, out),
            },
        }
    }
}

impl Template {
    /// The response of an object with dead properties, behind its href.
    fn write_whole(&self, whole: &Whole, object: &Object, out: &mut Writer) {
        let setting = Setting {
            location: &whole.location,
            access: whole.access,
            shares: &whole.shares,
            caller: &whole.caller,
            subset: None,
            version: None,
        };
        let tagged = !object.schedule_tag.is_empty();
        let kind = kind_bit(whole.location.kind);
        out.raw("</D:href>");
        propstat::propstats(out, &whole.ask, kind, &object.dead_properties, |live, out| {
            match hole(live, tagged) {
                Some(hole) => {
                    self.fill(hole, object, out);
                    Found::Here
                }
                None => shared(live, &setting, out),
            }
        });
        out.raw("</D:response>\n");
    }

    fn data(&self, data: &[u8], out: &mut Writer) {
        match &self.subset {
            None => out.bytes(data),
            Some(subset) => out.bytes(&partial::select(data, subset)),
        }
    }
}

fn shape(ask: &Ask, setting: &Setting<'_>, tagged: bool) -> Shape {
    let kind = setting.location.kind;
    let mut out = Writer::new();
    let mut holes = Vec::new();
    out.raw("</D:href>");
    propstat::propstats(&mut out, ask, kind_bit(kind), &[], |live, out| {
        // The texts of an overview are made when they are read.
        if live == Live::GetContentLength && setting.location.is_overview() {
            return Found::Absent;
        }
        let Some(hole) = hole(live, tagged) else { return shared(live, setting, out) };
        holes.push((out.len(), hole));
        Found::Here
    });
    out.raw("</D:response>\n");
    Shape { xml: out.into_bytes().to_vec(), holes }
}

/// What differs from one object to the next; none for a property that all share, or that the object lacks.
fn hole(live: Live, tagged: bool) -> Option<Hole> {
    Some(match live {
        Live::GetEtag => Hole::Etag,
        Live::CreationDate => Hole::Created,
        Live::GetContentLength => Hole::Length,
        Live::GetLastModified => Hole::Modified,
        Live::ScheduleTag if tagged => Hole::ScheduleTag,
        Live::CalendarData | Live::AddressData => Hole::Data,
        _ => return None,
    })
}

fn shared(live: Live, setting: &Setting<'_>, out: &mut Writer) -> Found {
    // Who reads a shared collection does not read with whom else it is shared.
    if live == Live::Acl && setting.is_shared() {
        return Found::Denied;
    }
    fixed(live, setting, out).into()
}

/// The properties that all objects of a collection share.
fn fixed(live: Live, setting: &Setting<'_>, out: &mut Writer) -> bool {
    match live {
        Live::ResourceType => {}
        Live::GetContentType => out.raw(content_type(setting.location.kind)),
        // Empty when no user owns it (RFC 3744 section 5.1).
        Live::Owner => setting.location.owner_href().iter().for_each(|href| out.href(href)),
        Live::Acl if setting.is_shared() => return false,
        Live::Acl if setting.location.is_overview() => {
            acl::reader(&setting.location.owner, Some(setting.location), out)
        }
        Live::Acl if setting.location.is_shown() => acl::reader(setting.caller, Some(setting.location), out),
        Live::Acl => acl::object(setting.location, setting.shares, out),
        Live::InheritedAclSet => out.href(&setting.location.href()),
        Live::CurrentUserPrivilegeSet => common::object_privileges(setting.access, setting.is_shared(), out),
        Live::SupportedReportSet => common::object_reports(setting.location.kind, out),
        _ => return common::write(live, setting.caller, out),
    }
    true
}

/// Writes a property of one object, for answers that are not listings.
pub fn write(live: Live, setting: &Setting<'_>, object: &Object, out: &mut Writer) -> bool {
    match live {
        Live::GetEtag => quoted(&object.etag, out),
        Live::CreationDate => return common::created(object.create_time.as_ref(), out),
        Live::ScheduleTag if object.schedule_tag.is_empty() => return false,
        Live::ScheduleTag => quoted(&object.schedule_tag, out),
        Live::GetContentLength if setting.location.is_overview() => return false,
        Live::GetContentLength => out.number(object.size),
        Live::GetLastModified => out.text(&http_date(object)),
        Live::CalendarData | Live::AddressData => return false,
        _ => return fixed(live, setting, out),
    }
    true
}

/// Media type of a collection's objects. Thunderbird compares the beginning with `text/calendar`.
pub fn content_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Calendar => "text/calendar; charset=utf-8",
        Kind::Book => "text/vcard; charset=utf-8",
    }
}

/// Last change as HTTP writes dates.
pub fn http_date(object: &Object) -> String {
    date(object.update_time.as_ref().map_or(0, |time| time.seconds))
}

/// Seconds UTC as HTTP writes dates (RFC 9110 section 5.6.7).
pub fn date(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&moment)
        .unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}

/// Which kind of resource an object is, for the table.
pub fn kind_bit(kind: Kind) -> u8 {
    match kind {
        Kind::Calendar => on::EVENT,
        Kind::Book => on::CARD,
    }
}

fn quoted(tag: &str, out: &mut Writer) {
    out.raw("\"");
    out.text(tag);
    out.raw("\"");
}
