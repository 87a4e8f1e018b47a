//! The reports on users and teams: principal-property-search, principal-search-property-set, principal-match and
//! acl-principal-prop-set (RFC 3744 section 9). Called by REPORT. Who may see users and teams is decided by the directory.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use kontor_proto::directory::v1::{ListTeamsRequest, ListUsersRequest, Team, User};

use crate::dav::error::Failure;
use crate::dav::headers::Preferences;
use crate::dav::path::{self, Kind, Location, Place};
use crate::dav::properties::propstat::{self, Ask};
use crate::dav::properties::record::Record;
use crate::dav::properties::{Live, Property};
use crate::dav::xml::Writer;
use crate::dav::xml::principals::{Search, SearchTest};
use crate::dav::{Call, limits, stream};

/// Users and teams in one page of the directory's lists.
const PAGE: i32 = 1_000;

/// What can be searched for, with what it is to people.
const SEARCHABLE: [(Live, &str); 4] = [
    (Live::DisplayName, "Name"),
    (Live::CalendarUserAddressSet, "Address for invitations"),
    (Live::EmailAddressSet, "E-mail address"),
    (Live::CalendarUserType, "User or team"),
];

/// Answers principal-search-property-set: what can be searched for.
pub fn searchable() -> Response<Body> {
    let mut out = Writer::document("D:principal-search-property-set");
    for (live, description) in SEARCHABLE {
        out.raw("<D:principal-search-property><D:prop>");
        out.empty(&live.name());
        out.raw("</D:prop><D:description xml:lang=\"en\">");
        out.text(description);
        out.raw("</D:description></D:principal-search-property>");
    }
    out.raw("</D:principal-search-property-set>\n");
    let mut response = Response::new(Body::from(out.into_bytes()));
    *response.status_mut() = StatusCode::OK;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Answers principal-property-search.
pub async fn search(
    call: &Call<'_>,
    search: &Search,
    ask: &Ask,
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let place = if search.everywhere { &Place::Principals } else { call.place };
    // Users that can't sign in are not to be invited or shared with.
    let is_active = |record: &Record| !matches!(record, Record::User(_, user) if user.disabled);
    walk(call, place, ask, preferences, |record| is_active(record) && matches(search, record)).await
}

fn matches(search: &Search, record: &Record) -> bool {
    let holds = |test: &SearchTest| {
        test.properties.iter().all(|property| {
            texts(record, property).iter().any(|text| test.how.matches(&text.to_lowercase(), &test.text))
        })
    };
    if search.any_of && !search.tests.is_empty() {
        search.tests.iter().any(holds)
    } else {
        search.tests.iter().all(holds)
    }
}

/// The values of a property that can be searched for; none of any other, which therefore never matches.
fn texts(record: &Record, property: &Property) -> Vec<String> {
    let Property::Live(live) = property else { return Vec::new() };
    match (record, live) {
        (Record::User(_, user), Live::DisplayName) => vec![user.display_name.clone()],
        (Record::Team(_, team), Live::DisplayName) => vec![team.display_name.clone()],
        (Record::User(user, record), Live::CalendarUserAddressSet) => {
            vec![format!("mailto:{}", record.email), path::principal(user)]
        }
        (Record::Team(team, _), Live::CalendarUserAddressSet) => vec![path::team(team)],
        (Record::User(..), Live::CalendarUserType) => vec!["INDIVIDUAL".to_owned()],
        (Record::Team(..), Live::CalendarUserType) => vec!["GROUP".to_owned()],
        (Record::User(_, user), Live::EmailAddressSet) => vec![user.email.clone()],
        _ => Vec::new(),
    }
}

/// Answers principal-match: the caller with the caller's teams, or what has one of them in a property.
pub async fn matching(
    call: &Call<'_>,
    by: Option<&Property>,
    ask: &Ask,
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let mut selves = vec![path::principal(call.user())];
    selves.extend(call.caller.teams.iter().map(|team| path::team(team)));
    match (call.place, by) {
        (Place::Root | Place::Principals | Place::Users | Place::Teams, None) => {
            let inside = |href: &&String| href.starts_with(&call.place.href());
            write_all(call, selves.iter().filter(inside), ask, preferences).await
        }
        (Place::Root | Place::Principals | Place::Users | Place::Teams, Some(property)) => {
            let has = |record: &Record| names_one(record, property, call.user(), &selves);
            walk(call, call.place, ask, preferences, has).await
        }
        (Place::Home(kind, user), by) => of_home(call, (*kind, user), by, &selves, ask, preferences).await,
        (Place::Homes(kind), by) => of_home(call, (*kind, call.user()), by, &selves, ask, preferences).await,
        _ => Err(super::unsupported()),
    }
}

/// Collections are no principals, but have some in their properties.
async fn of_home(
    call: &Call<'_>,
    (kind, user): (Kind, &str),
    by: Option<&Property>,
    selves: &[String],
    ask: &Ask,
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let mut out = stream::begin();
    let home = Record::load(call, &Place::Home(kind, user.to_owned())).await?;
    if let (Some(property), Record::Home(.., collections)) = (by, home) {
        for it in collections {
            let location = Location::new(kind, user, &it.owner, &it.slug);
            let href = location.href();
            let record = Record::Collection(location, Box::new(it));
            if names_one(&record, property, call.user(), selves) {
                respond(&mut out, &href, &record, ask, call.user());
            }
        }
    }
    Ok(stream::finished(out, preferences))
}

fn names_one(record: &Record, property: &Property, caller: &str, selves: &[String]) -> bool {
    let Property::Live(live) = property else { return false };
    record.hrefs(*live, caller).iter().any(|href| selves.contains(href))
}

/// Answers acl-principal-prop-set: properties of those whom the resource's entries name.
pub async fn of_acl(call: &Call<'_>, ask: &Ask, preferences: Preferences) -> Result<Response<Body>, Failure> {
    let record = Record::load(call, call.place).await?;
    let mut hrefs = Vec::new();
    for href in record.hrefs(Live::Acl, call.user()) {
        // Of the hrefs in an entry one may be the collection that it is inherited from.
        if href.starts_with(path::PRINCIPALS) && !hrefs.contains(&href) {
            hrefs.push(href);
        }
    }
    write_all(call, hrefs.iter().take(limits::PRINCIPALS_FOUND), ask, preferences).await
}

/// Writes the principals of these hrefs; one that is gone is a 404.
async fn write_all(
    call: &Call<'_>,
    hrefs: impl Iterator<Item = &String>,
    ask: &Ask,
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let mut out = stream::begin();
    for href in hrefs {
        let Ok(place) = Place::parse(href) else { continue };
        match Record::load(call, &place).await {
            Ok(record) => respond(&mut out, href, &record, ask, call.user()),
            Err(failure) if failure.status() == StatusCode::NOT_FOUND => propstat::missing(&mut out, href),
            Err(failure) => return Err(failure),
        }
    }
    Ok(stream::finished(out, preferences))
}

fn respond(out: &mut Writer, href: &str, record: &Record, ask: &Ask, caller: &str) {
    propstat::response(out, href, ask, record.kind(), record.dead(), |live, out| {
        record.write(live, caller, out)
    });
}

/// Writes the users and teams below a place that are wanted; a 507 tells that there may be more.
async fn walk(
    call: &Call<'_>,
    place: &Place,
    ask: &Ask,
    preferences: Preferences,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Response<Body>, Failure> {
    let mut found = Found { out: stream::begin(), written: 0, looked_at: 0 };
    let (users, teams) = match place {
        Place::Root | Place::Principals => (true, true),
        Place::Users | Place::Teams => (*place == Place::Users, *place == Place::Teams),
        // No principals stand below anything else.
        _ => (false, false),
    };
    let mut full = false;
    for (of, is_below) in [(Of::Users, users), (Of::Teams, teams)] {
        if is_below && !full {
            full = walk_all(call, of, &mut found, ask, &wanted).await?;
        }
    }
    if full {
        stream::over_limit(&mut found.out, &call.place.href());
    }
    Ok(stream::finished(found.out, preferences))
}

/// An answer that grows.
struct Found {
    out: Writer,
    written: usize,
    looked_at: usize,
}

impl Found {
    /// Writes the record when it is wanted. False when there is no room for more.
    fn take(
        &mut self,
        call: &Call<'_>,
        record: &Record,
        ask: &Ask,
        wanted: &impl Fn(&Record) -> bool,
    ) -> bool {
        self.looked_at += 1;
        if wanted(record) {
            if self.written == limits::PRINCIPALS_FOUND {
                return false;
            }
            self.written += 1;
            let href = match record {
                Record::User(user, _) => path::principal(user),
                Record::Team(team, _) => path::team(team),
                _ => return true,
            };
            respond(&mut self.out, &href, record, ask, call.user());
        }
        self.looked_at < limits::PRINCIPALS_LOOKED_AT
    }
}

/// The two kinds of principals.
#[derive(Clone, Copy)]
enum Of {
    Users,
    Teams,
}

/// Looks at all of a kind, a page at a time. True when the answer is full.
async fn walk_all(
    call: &Call<'_>,
    of: Of,
    found: &mut Found,
    ask: &Ask,
    wanted: &impl Fn(&Record) -> bool,
) -> Result<bool, Failure> {
    let mut page_token = String::new();
    loop {
        let (records, next) = page(call, of, page_token).await?;
        for record in &records {
            if !found.take(call, record, ask, wanted) {
                return Ok(true);
            }
        }
        page_token = next;
        if page_token.is_empty() {
            return Ok(false);
        }
    }
}

/// One page, and the token of the next.
async fn page(call: &Call<'_>, of: Of, page_token: String) -> Result<(Vec<Record>, String), Failure> {
    let id = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    match of {
        Of::Users => {
            let message = ListUsersRequest { page_size: PAGE, page_token, ..ListUsersRequest::default() };
            let page = call.dav.users.clone().list_users(call.request(message)).await;
            let page = page.map_err(|status| call.failure(&status))?.into_inner();
            let record = |user: User| Record::User(id(&user.name), Box::new(user));
            Ok((page.users.into_iter().map(record).collect(), page.next_page_token))
        }
        Of::Teams => {
            let message = ListTeamsRequest { page_size: PAGE, page_token };
            let page = call.dav.teams.clone().list_teams(call.request(message)).await;
            let page = page.map_err(|status| call.failure(&status))?.into_inner();
            let record = |team: Team| Record::Team(id(&team.name), Box::new(team));
            Ok((page.teams.into_iter().map(record).collect(), page.next_page_token))
        }
    }
}
