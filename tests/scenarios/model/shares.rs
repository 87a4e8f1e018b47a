//! Steps on collections themselves: made, described, deleted, shared and no longer shared.
//! Called by the run.

use kontor_proto::calendar::v1::{ShareCalendarRequest, UnshareCalendarRequest};
use tonic::Code;

use super::client::{encode, home, id_of, path};
use super::grpc::outcome;
use super::run::Run;
use super::world::{Access, Kind, ShelfId, USERS};

/// Slugs of collections that come and go.
const SLUGS: [&str; 3] = ["private", "a b", "café"];
const COMPONENTS: [&[&str]; 3] = [&["VEVENT"], &["VTODO"], &["VEVENT", "VTODO", "VJOURNAL"]];

impl Run {
    /// MKCALENDAR or MKCOL, at times in another one's home.
    pub async fn make(&mut self) {
        let at = self.some_client();
        let user = self.clients[at].user;
        let owner = if self.random.chance(90) { user } else { self.random.pick(&USERS).0 };
        let kind = *self.random.pick(&[Kind::Calendar, Kind::Book]);
        let slug = *self.random.pick(&SLUGS);
        let id: ShelfId = (kind, owner.to_owned(), slug.to_owned());
        let component = self.random.below(COMPONENTS.len());
        let components = if kind == Kind::Calendar { COMPONENTS[component] } else { &[] };
        let (method, body) = match kind {
            Kind::Calendar => {
                let taken: String = components.iter().map(|name| format!("<C:comp name=\"{name}\"/>")).collect();
                let set = format!("<C:supported-calendar-component-set>{taken}</C:supported-calendar-component-set>");
                ("MKCALENDAR", format!("<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop>{set}</D:prop></D:set></C:mkcalendar>"))
            }
            Kind::Book => (
                "MKCOL",
                "<D:mkcol xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:set><D:prop><D:resourcetype><D:collection/>\
                 <R:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>"
                    .to_owned(),
            ),
        };
        self.log.note(format!("{} {method} {id:?} {components:?}", self.clients[at].name));
        let there = format!("{}{}/", home(owner, kind), encode(slug));
        let answer =
            self.clients[at].send(method, &there, &[("content-type", "application/xml".into())], &body).await;
        self.log.outcome(answer.status);
        let expected = self.world.make(user, &id, components);
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        self.compare(&[(&id, &[])]).await;
        self.compare_homes(kind).await;
    }

    /// DELETE of a collection; the first ones of a user stay, for the service makes them anew.
    pub async fn remove(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let user = self.clients[at].user;
        let is_first = ["work", "contacts"].contains(&id.2.as_str());
        if is_first && id.1 == user {
            return;
        }
        self.log.note(format!("{} DELETE {id:?}", self.clients[at].name));
        let answer = self.clients[at].send("DELETE", &path(user, &id), &[], "").await;
        self.log.outcome(answer.status);
        let expected = self.world.remove(user, &id);
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        self.compare(&[(&id, &["n1.ics"])]).await;
        self.compare_homes(id.0).await;
    }

    /// PROPPATCH of the name for people.
    pub async fn describe(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let user = self.clients[at].user;
        let name = super::bodies::words(&mut self.random)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace("]]>", "");
        self.log.note(format!("{} PROPPATCH {id:?} {name}", self.clients[at].name));
        let body = format!(
            "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>{name}</D:displayname></D:prop></D:set></D:propertyupdate>"
        );
        let answer = self.clients[at].send("PROPPATCH", &path(user, &id), &[], &body).await;
        self.log.outcome(answer.status);
        let expected = match self.world.access(user, &id) {
            None => 404,
            // The company's name is everybody's.
            Some(_) if id.1 == "company" => 403,
            // For one's own eyes only, so that nothing changes for anybody else.
            Some(Access::Read | Access::Write) => 207,
            Some(Access::Owner) => {
                self.world.touch(&id, None);
                207
            }
        };
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        self.compare(&[(&id, &[])]).await;
    }

    /// A calendar of anybody, shared by its owner or by who may not.
    pub async fn share(&mut self) {
        let Some((at, id, grantee)) = self.some_share() else { return };
        let writable = self.random.chance(50);
        let client = &self.clients[at];
        self.log.note(format!("{} shares {id:?} with {grantee} writable {writable}", client.name));
        let name = format!("calendars/{}", id_of(&self.world.shelves[&id].token));
        let request = ShareCalendarRequest { name, grantee: grantee.clone(), writable, ..Default::default() };
        let answer =
            client.grpc.calendars().share_calendar(request).await.map(|share| share.into_inner().writable);
        self.log.outcome(outcome(&answer));
        let expected = self.may_share(at, &id).and_then(|()| {
            if grantee == format!("users/{}", id.1) { Err(Code::FailedPrecondition) } else { Ok(writable) }
        });
        assert_eq!(answer.map_err(|status| status.code()), expected);
        if expected.is_ok() {
            self.world.shelves.get_mut(&id).expect("it is shared").shares.insert(grantee, writable);
        }
        self.compare(&[(&id, &[])]).await;
        self.compare_homes(Kind::Calendar).await;
    }

    pub async fn unshare(&mut self) {
        let Some((at, id, mut grantee)) = self.some_share() else { return };
        if let Some(known) = self.world.shelves[&id].shares.keys().next()
            && self.random.chance(70)
        {
            grantee.clone_from(known);
        }
        let client = &self.clients[at];
        self.log.note(format!("{} ends the share of {id:?} with {grantee}", client.name));
        let name = format!("calendars/{}", id_of(&self.world.shelves[&id].token));
        let request = UnshareCalendarRequest { name, grantee: grantee.clone(), ..Default::default() };
        let answer = client.grpc.calendars().unshare_calendar(request).await;
        self.log.outcome(outcome(&answer));
        let expected = self.may_share(at, &id).and_then(|()| {
            let shares = &mut self.world.shelves.get_mut(&id).expect("it is there").shares;
            shares.remove(&grantee).map(|_| ()).ok_or(Code::NotFound)
        });
        assert_eq!(answer.map(|_| ()).map_err(|status| status.code()), expected);
        self.compare(&[(&id, &[])]).await;
        self.compare_homes(Kind::Calendar).await;
    }

    /// Who acts, mostly the owner, on which calendar, for whom.
    fn some_share(&mut self) -> Option<(usize, ShelfId, String)> {
        let all: Vec<ShelfId> =
            self.world.shelves.keys().filter(|id| id.0 == Kind::Calendar).cloned().collect();
        let id = self.random.pick(&all).clone();
        let mut at = self.some_client();
        if self.random.chance(80) {
            at = self.clients.iter().position(|client| client.user == id.1)?;
        }
        let to = *self.random.pick(&USERS);
        let grantee =
            if self.random.chance(60) { format!("users/{}", to.0) } else { format!("teams/{}", to.1) };
        Some((at, id, grantee))
    }

    fn may_share(&self, at: usize, id: &ShelfId) -> Result<(), Code> {
        match self.world.access(self.clients[at].user, id) {
            None => Err(Code::NotFound),
            Some(Access::Read | Access::Write) => Err(Code::PermissionDenied),
            Some(Access::Owner) => Ok(()),
        }
    }

    /// What stands in everybody's home.
    pub async fn compare_homes(&self, kind: Kind) {
        for (user, _) in USERS {
            let client =
                self.clients.iter().find(|client| client.user == user).expect("every user has a client");
            let home = home(user, kind);
            let answer = client.http.propfind(&home, "1", "<D:resourcetype/>").await.expect(207).text();
            let mut told: Vec<String> =
                super::client::responses(&answer).into_iter().map(|response| response.href).collect();
            let mut expected: Vec<String> =
                self.world.home(user, kind).iter().map(|id| path(user, id)).collect();
            expected.push(home.clone());
            if kind == Kind::Calendar {
                expected.extend(["inbox", "outbox", "overview"].map(|slug| format!("{home}{slug}/")));
            }
            told.sort();
            expected.sort();
            assert_eq!(told, expected, "the home of {user}");
        }
    }
}
