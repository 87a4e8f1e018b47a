//! Any resource with what its properties need, loaded once: for answers that speak of several kinds of resources.
//! Called by the reports on principals and by expand-property; listings have their own, faster ways.

use kontor_proto::collection::v1::{
    Collection, DeadProperty, GetObjectsRequest, ListCollectionsRequest, Object,
};
use kontor_proto::directory::v1::{GetTeamRequest, GetUserRequest, Team, User};

use super::home::Home;
use super::object::{self, Setting};
use super::propstat::Found;
use super::{Live, collection, common, home, on, principal};
use crate::dav::error::Failure;
use crate::dav::path::{Kind, Location, Place};
use crate::dav::xml::Writer;
use crate::dav::{Call, contract_path};

/// A resource.
pub enum Record {
    /// A folder with its name for people.
    Folder(&'static str),
    /// A user by login name.
    User(String, Box<User>),
    /// A team by id.
    Team(String, Box<Team>),
    /// A home with what stands in it.
    Home(Kind, String, Vec<Collection>),
    /// A calendar or an address book.
    Collection(Location, Box<Collection>),
    /// An object, without its data, and its collection.
    Object(Location, Box<Collection>, Box<Object>),
}

impl Record {
    /// Reads what stands at a place.
    ///
    /// # Errors
    /// 404, and what the services answer.
    pub async fn load(call: &Call<'_>, place: &Place) -> Result<Record, Failure> {
        Ok(match place {
            Place::Root => Record::Folder("Kontor"),
            Place::Principals => Record::Folder("Principals"),
            Place::Users => Record::Folder("Users"),
            Place::Teams => Record::Folder("Teams"),
            Place::Homes(Kind::Calendar) => Record::Folder("Calendars"),
            Place::Homes(Kind::Book) => Record::Folder("Address books"),
            Place::Principal(user) => Record::User(user.clone(), Box::new(load_user(call, user).await?)),
            Place::Team(team) => Record::Team(team.clone(), Box::new(load_team(call, team).await?)),
            Place::Home(kind, user) => {
                if user != call.user() {
                    // Another one's home may not exist.
                    load_user(call, user).await?;
                }
                let request = call.request(ListCollectionsRequest {
                    owner: user.clone(),
                    with_shares: true,
                    with_zone: false,
                });
                let answer = call.dav.collections(*kind).list_collections(request).await;
                let answer = answer.map_err(|status| call.failure(&status))?.into_inner();
                Record::Home(*kind, user.clone(), answer.collections)
            }
            Place::Collection(location) => {
                Record::Collection(location.clone(), Box::new(call.collection_with(location, true).await?))
            }
            Place::Object(location, name) => {
                let it = call.collection_with(location, true).await?;
                let object = load_object(call, location, name, false).await?;
                Record::Object(location.clone(), Box::new(it), Box::new(object))
            }
        })
    }

    /// Which kind of resource it is, for the table of properties.
    pub fn kind(&self) -> u8 {
        match self {
            Record::Folder(_) => on::FOLDER,
            Record::User(..) | Record::Team(..) => on::PRINCIPAL,
            Record::Home(..) => on::HOME,
            Record::Collection(location, it) => collection::bit_of(location.kind, it),
            Record::Object(location, ..) => object::kind_bit(location.kind),
        }
    }

    /// Properties that no part of Kontor understands.
    pub fn dead(&self) -> &[DeadProperty] {
        match self {
            Record::Collection(_, it) => &it.dead_properties,
            Record::Object(.., object) => &object.dead_properties,
            _ => &[],
        }
    }

    /// Writes a property; false when the resource lacks it.
    pub fn write(&self, live: Live, caller: &str, out: &mut Writer) -> bool {
        match self {
            Record::Folder(title) => common::folder(live, title, caller, out),
            Record::User(user, record) => principal::write(live, user, record, caller, out),
            Record::Team(team, record) => principal::write_team(live, team, record, caller, out),
            Record::Home(kind, user, collections) => home::write(
                live,
                &Home { kind: *kind, user, collections: Some(collections), availability: None },
                caller,
                out,
            ),
            Record::Collection(location, it) => {
                collection::answer(live, location.kind, it, caller, out) == Found::Here
            }
            Record::Object(location, it, object) => {
                let (access, shares) = (it.access(), it.shares.as_slice());
                let setting = Setting { location, access, shares, caller, subset: None, version: None };
                object::write(live, &setting, object, out)
            }
        }
    }

    /// The hrefs in the value of a property; those that need escaping in XML lead nowhere here and are left out.
    pub fn hrefs(&self, live: Live, caller: &str) -> Vec<String> {
        let mut out = Writer::new();
        if !live.is_on(self.kind()) || !self.write(live, caller, &mut out) {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(out.as_bytes());
        let inner = text.split("<D:href>").skip(1).filter_map(|rest| rest.split("</D:href>").next());
        inner.filter(|href| !href.contains('&')).map(str::to_owned).collect()
    }
}

/// A user by login name.
///
/// # Errors
/// 404, also for what can't be a login name.
pub async fn load_user(call: &Call<'_>, user: &str) -> Result<User, Failure> {
    let request = call.request(GetUserRequest { name: format!("users/{user}") });
    let answer = call.dav.users.clone().get_user(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| nobody(&status, call))
}

/// A team by its id.
///
/// # Errors
/// 404, also for what can't be a team's id.
pub async fn load_team(call: &Call<'_>, team: &str) -> Result<Team, Failure> {
    let request = call.request(GetTeamRequest { name: format!("teams/{team}") });
    let answer = call.dav.teams.clone().get_team(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| nobody(&status, call))
}

/// An object by its name: with its bytes, or without them and with its dead properties.
///
/// # Errors
/// 404.
pub async fn load_object(
    call: &Call<'_>,
    location: &Location,
    name: &str,
    with_data: bool,
) -> Result<Object, Failure> {
    let names = vec![name.to_owned()];
    let message =
        GetObjectsRequest { path: Some(contract_path(location)), names, with_data, with_dead: !with_data };
    let answer = call.dav.collections(location.kind).get_objects(call.request(message)).await;
    let mut chunks = answer.map_err(|status| call.failure(&status))?.into_inner();
    let chunk = chunks.message().await.map_err(|status| call.failure(&status))?;
    let object = chunk.and_then(|chunk| chunk.objects.into_iter().next());
    object.filter(|object| !object.missing).ok_or_else(Failure::not_found)
}

fn nobody(status: &tonic::Status, call: &Call<'_>) -> Failure {
    if status.code() == tonic::Code::InvalidArgument { Failure::not_found() } else { call.failure(status) }
}
