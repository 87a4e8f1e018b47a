//! PROPFIND (RFC 4918 section 9.1): properties of a resource and of its members.
//! Called by the table of methods.

use axum::body::Body;
use futures_util::StreamExt;
use http::Response;
use kontor_proto::collection::v1::{
    Collection, CollectionKind, GetObjectsRequest, ListCollectionsRequest, ListObjectsRequest,
};
use kontor_proto::directory::v1::{ListTeamsRequest, ListUsersRequest, Team, User};

use crate::dav::error::{Condition, Failure};
use crate::dav::headers::{self, Depth, Preferences};
use crate::dav::path::{self, Kind, Location, Place};
use crate::dav::properties::home::Home;
use crate::dav::properties::object::{self, Setting, Template};
use crate::dav::properties::propstat::{self, Ask, Found};
use crate::dav::properties::{
    Live, Property, Use, Wanted, collection, common, home, on, overview, principal, record, sharing,
};
use crate::dav::stream::{self, Listing};
use crate::dav::tags::Tags;
use crate::dav::xml::{Writer, request};
use crate::dav::{Call, body, contract_path, limits, sharees};

use super::{availability, push};

/// Answers PROPFIND.
pub async fn run(call: &Call<'_>, body: Body) -> Result<Response<Body>, Failure> {
    let depth = depth(call)?;
    let preferences = headers::preferences(call.headers);
    let body = body::xml(call.headers, body, limits::XML_BODY_BYTES).await?;
    let wanted = request::propfind(&body).map_err(|error| Failure::of_xml(&error, Kind::Calendar))?;
    let ask = Ask { wanted, minimal: preferences.minimal };
    // Without members there is no root to leave out (RFC 8144 section 2.2).
    let members = depth == Depth::One;
    let preferences = Preferences { no_root: preferences.no_root && members, ..preferences };
    let push_key = push_key(call, &ask).await?;
    let find = Find { call, ask: &ask, preferences, members, push_key };
    match call.place {
        Place::Root => find.root(),
        Place::Principals => find.folders("Principals", &[(path::USERS, "Users"), (path::TEAMS, "Teams")]),
        Place::Users => find.users().await,
        Place::Principal(user) => find.principal(user).await,
        Place::Teams => find.teams().await,
        Place::Team(team) => find.team(team).await,
        Place::Homes(kind) => find.homes(*kind).await,
        Place::Home(kind, user) => find.home(*kind, user).await,
        Place::Collection(location) => find.collection(location).await,
        Place::Object(location, name) => find.object(location, name).await,
    }
}

/// RFC 4918 takes an absent Depth for infinity, which is refused. Where that would reach few resources or none below,
/// an absent one is taken for 0, because some clients leave it out while they look for the user's home.
fn depth(call: &Call<'_>) -> Result<Depth, Failure> {
    let has_members = !matches!(call.place, Place::Object(..) | Place::Principal(_) | Place::Team(_));
    match headers::depth(call.headers)? {
        Some(Depth::Infinity) if has_members => Err(infinite()),
        Some(Depth::Infinity) => Ok(Depth::Zero),
        Some(depth) => Ok(depth),
        None if matches!(call.place, Place::Home(..) | Place::Collection(_)) => Err(infinite()),
        None => Ok(Depth::Zero),
    }
}

fn infinite() -> Failure {
    Failure::forbidden(Condition::PropfindFiniteDepth, "ask with Depth: 0 or Depth: 1")
}

/// One PROPFIND.
struct Find<'a> {
    call: &'a Call<'a>,
    ask: &'a Ask,
    preferences: Preferences,
    members: bool,
    /// Public key of push messages; empty when nobody asks for it.
    push_key: String,
}

/// The public key of push messages, when the properties that were asked for need it.
async fn push_key(call: &Call<'_>, ask: &Ask) -> Result<String, Failure> {
    match call.place {
        Place::Home(kind, _) | Place::Collection(Location { kind, .. })
            if ask.wanted.names(Live::PushTransports) =>
        {
            push::public_key(call, *kind).await
        }
        _ => Ok(String::new()),
    }
}

impl Find<'_> {
    fn root(&self) -> Result<Response<Body>, Failure> {
        // A client that asked at "/" expects its own path back.
        let href = if self.call.uri.path() == "/" { "/" } else { path::ROOT };
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.folder(&mut out, href, "Kontor");
        }
        if self.members {
            self.folder(&mut out, "/dav/principals/", "Principals");
            self.folder(&mut out, Kind::Calendar.homes(), "Calendars");
            self.folder(&mut out, Kind::Book.homes(), "Address books");
        }
        Ok(stream::finished(out, self.preferences))
    }

    fn folders(
        &self,
        title: &'static str,
        members: &[(&str, &'static str)],
    ) -> Result<Response<Body>, Failure> {
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.folder(&mut out, &self.call.place.href(), title);
        }
        if self.members {
            for (href, title) in members {
                self.folder(&mut out, href, title);
            }
        }
        Ok(stream::finished(out, self.preferences))
    }

    fn folder(&self, out: &mut Writer, href: &str, title: &'static str) {
        propstat::response(out, href, self.ask, on::FOLDER, &[], |live, out| {
            common::folder(live, title, self.call.user(), out)
        });
    }

    async fn users(&self) -> Result<Response<Body>, Failure> {
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.folder(&mut out, path::USERS, "Users");
        }
        if !self.members {
            return Ok(stream::finished(out, self.preferences));
        }
        let users = Users {
            client: self.call.dav.users.clone(),
            caller: self.call.caller.clone(),
            ask: self.ask.clone(),
            page_token: String::new(),
        };
        stream::answer(out, users, self.preferences, |status| self.call.failure(status)).await
    }

    async fn principal(&self, user: &str) -> Result<Response<Body>, Failure> {
        // The caller exists, so the record is read only when something of it is asked for.
        let record = if user != self.call.user() || principal::needs_record(&self.ask.wanted) {
            record::load_user(self.call, user).await?
        } else {
            User::default()
        };
        let mut out = stream::begin();
        write_user(&mut out, self.ask, user, &record, self.call.user());
        Ok(stream::finished(out, self.preferences))
    }

    async fn teams(&self) -> Result<Response<Body>, Failure> {
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.folder(&mut out, path::TEAMS, "Teams");
        }
        if !self.members {
            return Ok(stream::finished(out, self.preferences));
        }
        let teams = Teams {
            client: self.call.dav.teams.clone(),
            caller: self.call.caller.clone(),
            ask: self.ask.clone(),
            page_token: String::new(),
        };
        stream::answer(out, teams, self.preferences, |status| self.call.failure(status)).await
    }

    async fn team(&self, team: &str) -> Result<Response<Body>, Failure> {
        let record = record::load_team(self.call, team).await?;
        let mut out = stream::begin();
        write_team(&mut out, self.ask, team, &record, self.call.user());
        Ok(stream::finished(out, self.preferences))
    }

    async fn homes(&self, kind: Kind) -> Result<Response<Body>, Failure> {
        let title = if kind == Kind::Calendar { "Calendars" } else { "Address books" };
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.folder(&mut out, kind.homes(), title);
        }
        if self.members {
            let user = self.call.user();
            let collections = if self.needs_home_tag() { self.list(kind, user).await? } else { Vec::new() };
            let availability = self.availability(kind, user).await?;
            self.write_home(&mut out, kind, user, &collections, availability.as_deref());
        }
        Ok(stream::finished(out, self.preferences))
    }

    async fn home(&self, kind: Kind, user: &str) -> Result<Response<Body>, Failure> {
        if user != self.call.user() {
            // Another one's home may not exist.
            record::load_user(self.call, user).await?;
        }
        let look = self.members || self.needs_home_tag();
        let collections = if look { self.list(kind, user).await? } else { Vec::new() };
        let availability = self.availability(kind, user).await?;
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            self.write_home(&mut out, kind, user, &collections, availability.as_deref());
        }
        if self.members {
            for it in &collections {
                let location = Location::new(kind, user, &it.owner, &it.slug);
                self.write_collection(&mut out, &location, it, availability.as_deref());
            }
        }
        Ok(stream::finished(out, self.preferences))
    }

    async fn collection(&self, location: &Location) -> Result<Response<Body>, Failure> {
        let needs_shares = sharing::needs_shares(&self.ask.wanted);
        let mut it = self.call.collection_for(location, needs_shares, self.needs_zone()).await?;
        self.name_sharees(std::slice::from_mut(&mut it)).await;
        let mut out = stream::begin();
        if !self.leaves_out_root() {
            let availability = match it.kind() {
                CollectionKind::ScheduleInbox => self.availability(location.kind, &it.owner).await?,
                _ => None,
            };
            self.write_collection(&mut out, location, &it, availability.as_deref());
        }
        if !self.members {
            return Ok(stream::finished(out, self.preferences));
        }
        let template = self.template(location, &it);
        let with_dead = template.with_dead() && it.has_object_properties;
        let message = ListObjectsRequest { path: Some(contract_path(location)), with_data: false, with_dead };
        if template.needs_tags_only() && !with_dead {
            let tags = self.call.dav.near(location.kind).list_tags(self.call.request(message)).await;
            let source =
                Tags::new(tags.map_err(|status| self.call.failure(&status))?, template, location.href());
            return stream::answer(out, source, self.preferences, |status| self.call.failure(status)).await;
        }
        let objects = self.call.dav.near(location.kind).list_objects(self.call.request(message)).await;
        let objects = objects.map_err(|status| self.call.failure(&status))?;
        let source = Listing::new(objects, template);
        stream::answer(out, source, self.preferences, |status| self.call.failure(status)).await
    }

    async fn object(&self, location: &Location, name: &str) -> Result<Response<Body>, Failure> {
        let it = if object::needs_collection(&self.ask.wanted) {
            self.call.collection_with(location, sharing::needs_shares(&self.ask.wanted)).await?
        } else {
            Collection::default()
        };
        let message = GetObjectsRequest {
            path: Some(contract_path(location)),
            names: vec![name.to_owned()],
            with_data: false,
            with_dead: self.ask.wanted.asks_dead(),
        };
        let answer = self.call.dav.near(location.kind).get_objects(self.call.request(message)).await;
        let mut chunks = answer.map_err(|status| self.call.failure(&status))?;
        let chunk = chunks.next().await.transpose().map_err(|status| self.call.failure(&status))?;
        let object = chunk.and_then(|chunk| chunk.objects.into_iter().next());
        let Some(object) = object.filter(|object| !object.missing) else {
            return Err(Failure::not_found());
        };
        let mut out = stream::begin();
        self.template(location, &it).write(&object, &mut out);
        Ok(stream::finished(out, self.preferences))
    }

    fn template(&self, location: &Location, it: &Collection) -> Template {
        // PROPFIND never carries calendar-data or address-data (RFC 4791 section 9.6): they go to the 404 propstat.
        let mut ask = self.ask.clone();
        if let Wanted::These(list) = &mut ask.wanted {
            for property in list {
                if matches!(property, Property::Live(live) if live.usage() == Use::Data) {
                    *property = Property::Other(property.name());
                }
            }
        }
        let (access, shares, caller) = (it.access(), it.shares.as_slice(), self.call.user());
        Template::new(&ask, Setting { location, access, shares, caller, subset: None, version: None })
    }

    async fn list(&self, kind: Kind, user: &str) -> Result<Vec<Collection>, Failure> {
        let with_shares = sharing::needs_shares(&self.ask.wanted);
        let request = self.call.request(ListCollectionsRequest {
            owner: user.to_owned(),
            with_shares,
            with_zone: self.needs_zone(),
        });
        let answer = self.call.dav.near(kind).list_collections(request).await;
        let mut collections = answer.map_err(|status| self.call.failure(&status))?.collections;
        self.name_sharees(&mut collections).await;
        Ok(collections)
    }

    async fn name_sharees(&self, collections: &mut [Collection]) {
        if self.ask.wanted.names(Live::Invite) {
            sharees::name(self.call, collections).await;
        }
    }

    fn needs_zone(&self) -> bool {
        self.ask.wanted.names(Live::CalendarTimeZone)
    }

    fn needs_home_tag(&self) -> bool {
        self.ask.wanted.names(Live::CollectionTag)
    }

    async fn availability(&self, kind: Kind, user: &str) -> Result<Option<String>, Failure> {
        if kind != Kind::Calendar || !self.ask.wanted.names(Live::CalendarAvailability) {
            return Ok(None);
        }
        availability::read(self.call, user).await
    }

    fn write_home(
        &self,
        out: &mut Writer,
        kind: Kind,
        user: &str,
        collections: &[Collection],
        availability: Option<&str>,
    ) {
        let home = Home { kind, user, collections: Some(collections), availability };
        propstat::response(out, &path::home(kind, user), self.ask, on::HOME, &[], |live, out| {
            home::write(live, &home, self.call.user(), out)
        });
    }

    /// `availability` is that of the inbox's owner.
    fn write_collection(
        &self,
        out: &mut Writer,
        location: &Location,
        it: &Collection,
        availability: Option<&str>,
    ) {
        let kind = collection::bit_of(location.kind, it);
        propstat::response(out, &location.href(), self.ask, kind, &it.dead_properties, |live, out| {
            match (live, availability) {
                (Live::CalendarAvailability, Some(text)) if it.kind() == CollectionKind::ScheduleInbox => {
                    out.text(text);
                    Found::Here
                }
                (Live::PushTransports, _) if !overview::is_overview(it) => {
                    collection::push_transports(&self.push_key, out).into()
                }
                _ => collection::answer(live, location.kind, it, self.call.user(), out),
            }
        });
    }

    fn leaves_out_root(&self) -> bool {
        self.preferences.no_root && self.members
    }
}

/// The members of `/dav/principals/users/`, a page at a time.
struct Users {
    client: kontor_proto::directory::v1::user_service_client::UserServiceClient<kontor_kit::link::Link>,
    caller: kontor_kit::auth::Caller,
    ask: Ask,
    page_token: String,
}

impl stream::Source for Users {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, tonic::Status> {
        let message = ListUsersRequest {
            page_size: 200,
            page_token: std::mem::take(&mut self.page_token),
            ..ListUsersRequest::default()
        };
        let page = self.client.list_users(self.caller.request(message)).await?.into_inner();
        for record in &page.users {
            let user = record.name.strip_prefix("users/").unwrap_or(&record.name);
            write_user(out, &self.ask, user, record, &self.caller.user);
        }
        self.page_token = page.next_page_token;
        Ok(!self.page_token.is_empty())
    }
}

fn write_user(out: &mut Writer, ask: &Ask, user: &str, record: &User, caller: &str) {
    propstat::response(out, &path::principal(user), ask, on::PRINCIPAL, &[], |live, out| {
        principal::write(live, user, record, caller, out)
    });
}

/// The members of `/dav/principals/teams/`, a page at a time.
struct Teams {
    client: kontor_proto::directory::v1::team_service_client::TeamServiceClient<kontor_kit::link::Link>,
    caller: kontor_kit::auth::Caller,
    ask: Ask,
    page_token: String,
}

impl stream::Source for Teams {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, tonic::Status> {
        let message = ListTeamsRequest { page_size: 100, page_token: std::mem::take(&mut self.page_token) };
        let page = self.client.list_teams(self.caller.request(message)).await?.into_inner();
        for record in &page.teams {
            let team = record.name.strip_prefix("teams/").unwrap_or(&record.name);
            write_team(out, &self.ask, team, record, &self.caller.user);
        }
        self.page_token = page.next_page_token;
        Ok(!self.page_token.is_empty())
    }
}

fn write_team(out: &mut Writer, ask: &Ask, team: &str, record: &Team, caller: &str) {
    propstat::response(out, &path::team(team), ask, on::PRINCIPAL, &[], |live, out| {
        principal::write_team(live, team, record, caller, out)
    });
}
