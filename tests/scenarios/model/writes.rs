//! Steps that write over DAV: PUT, DELETE, COPY, MOVE, and two clients at once.
//! Called by the run.

use super::bodies;
use super::client::{name_of, path};
use super::run::Run;
use super::world::{Condition, Kind, Transfer};

impl Run {
    pub async fn put(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let name = self.some_name(&id);
        let present = self.world.shelves.get(&id).and_then(|shelf| shelf.things.get(&name));
        // A program keeps the UID of what it changes.
        let kept = present.map(|thing| thing.uid.trim_start_matches("urn:uuid:").to_owned());
        let uid = match kept {
            Some(uid) if self.random.chance(85) => uid,
            _ => bodies::uid(&mut self.random),
        };
        let body = bodies::body(&mut self.random, id.0, &uid);
        let user = self.clients[at].user;
        let condition = self.some_condition(user, &id, &name);
        self.log.note(format!("{} PUT {id:?} {name} uid {uid} {condition:?}", self.clients[at].name));
        let answer = self.clients[at].put(&id, &name, &condition, &body.text).await;
        self.log.outcome(answer.status);
        let expected = self.world.put(user, &id, &name, body.thing.as_ref(), &condition);
        assert_eq!(answer.status.as_u16(), expected, "{}\n{}", answer.text(), body.text);
        if expected < 300 {
            let etag = body.thing.as_ref().map(|thing| thing.etag());
            assert_eq!(Some(answer.header("etag")), etag.as_deref(), "{:?}", answer.headers);
        }
        if expected == 409 && self.world.shelves.contains_key(&id) && self.world.access(user, &id).is_some() {
            assert!(answer.text().contains("no-uid-conflict"), "{}", answer.text());
        }
        self.compare(&[(&id, &[&name])]).await;
    }

    /// POST to the address for new members: the server chooses the name.
    pub async fn post(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let uid = bodies::uid(&mut self.random);
        let body = bodies::body(&mut self.random, id.0, &uid);
        let user = self.clients[at].user;
        self.log.note(format!("{} POST {id:?} uid {uid}", self.clients[at].name));
        let address = format!("{}?add-member", path(user, &id));
        let kind = if id.0 == Kind::Book { "text/vcard" } else { "text/calendar" };
        let answer =
            self.clients[at].send("POST", &address, &[("content-type", kind.into())], &body.text).await;
        self.log.outcome(answer.status);
        let name = name_of(answer.header("location"));
        // No name that the server chooses is there already.
        let mut expected = self.world.put(user, &id, &name, body.thing.as_ref(), &Condition::NoneAny);
        if body.thing.is_some() && self.world.access(user, &id).is_none() {
            expected = 404;
        }
        assert_eq!(answer.status.as_u16(), expected, "{}\n{}", answer.text(), body.text);
        if expected == 201 {
            self.compare(&[(&id, &[&name])]).await;
        }
    }

    pub async fn delete(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        let name = self.some_name(&id);
        let user = self.clients[at].user;
        let condition = self.some_condition(user, &id, &name);
        self.log.note(format!("{} DELETE {id:?} {name} {condition:?}", self.clients[at].name));
        let answer = self.clients[at].delete(&id, &name, &condition).await;
        self.log.outcome(answer.status);
        let expected = self.world.delete(user, &id, &name, &condition);
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        self.compare(&[(&id, &[&name])]).await;
    }

    pub async fn transfer(&mut self) {
        let at = self.some_client();
        let from = self.some_shelf(at, None);
        let kind = if self.random.chance(95) { Some(from.0) } else { None };
        let to = if self.random.chance(25) { from.clone() } else { self.some_shelf(at, kind) };
        let (name, to_name) = (self.some_name(&from), self.some_name(&to));
        let user = self.clients[at].user;
        let (copy, overwrite) = (self.random.chance(40), self.random.chance(70));
        let condition = match self.some_condition(user, &from, &name) {
            // What is moved must be there, so that clients don't ask for the contrary.
            Condition::NoneAny => Condition::None,
            condition => condition,
        };
        let method = if copy { "COPY" } else { "MOVE" };
        self.log.note(format!(
            "{} {method} {from:?} {name} to {to:?} {to_name} overwrite {overwrite} {condition:?}",
            self.clients[at].name
        ));
        let sent = self.clients[at].transfer(method, (&from, &name), (&to, &to_name), overwrite, &condition);
        let answer = sent.await;
        self.log.outcome(answer.status);
        let plan = Transfer {
            from: &from,
            name: &name,
            to: &to,
            to_name: &to_name,
            copy,
            overwrite,
            condition: &condition,
        };
        let expected = self.world.transfer(user, &plan);
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        self.compare(&[(&from, &[&name]), (&to, &[&to_name])]).await;
    }

    /// Two clients change one object at the same moment, with the same ETag: one wins, whichever. A third one syncs meanwhile; what it
    /// has is compared after its next sync.
    pub async fn race(&mut self) {
        let (one, two) = (self.some_client(), self.some_client());
        let id = self.some_shelf(one, None);
        let name = self.some_name(&id);
        let users = [self.clients[one].user, self.clients[two].user];
        let Some(old) = self.world.see(users[0], &id, &name).cloned() else { return };
        if !users.iter().all(|user| self.world.may_write(user, &id)) {
            return;
        }
        let uid = old.uid.trim_start_matches("urn:uuid:");
        let bodies = [0, 1].map(|_| bodies::body(&mut self.random, id.0, uid));
        let condition = Condition::Match(old.etag());
        self.log.note(format!(
            "{} and {} PUT {id:?} {name} at once",
            self.clients[one].name, self.clients[two].name
        ));
        let reader = self.some_client();
        let token =
            self.clients[reader].mirrors.get(&id).map(|mirror| mirror.token.clone()).unwrap_or_default();
        let answers = tokio::join!(
            self.clients[one].put(&id, &name, &condition, &bodies[0].text),
            self.clients[two].put(&id, &name, &condition, &bodies[1].text),
            self.clients[reader].sync(&id, &token, 0, false)
        );
        self.take_in_meanwhile(reader, &id, &answers.2);
        let statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
        self.log.outcome(format!("{statuses:?}"));
        // Told one after the other, in the order in which they must have come.
        let first = usize::from(statuses[1] < 300);
        for turn in [first, 1 - first] {
            let expected = self.world.put(users[turn], &id, &name, bodies[turn].thing.as_ref(), &condition);
            assert_eq!(statuses[turn], expected, "{} and {}", answers.0.text(), answers.1.text());
        }
        self.compare(&[(&id, &[&name])]).await;
    }
}
