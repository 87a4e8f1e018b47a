//! Steps that read: sync-collection with the client's own token, whole or in parts, and the other ways to look.
//! Called by the run and by the comparison of everything.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{self, Mirror, encode, path, responses};
use super::run::Run;
use super::world::{Kind, ShelfId};

impl Run {
    /// One client brings its mirror of one collection up to date; at times only in part, and goes on another time.
    pub async fn sync(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        if self.random.chance(4) {
            // As a client that lost its data.
            self.clients[at].mirrors.remove(&id);
        }
        let limit = *self.random.pick(&[0, 0, 0, 1, 2, 3, 7]);
        let data = self.random.chance(40);
        let parts = if self.random.chance(70) { usize::MAX } else { 1 };
        self.sync_with(at, &id, limit, data, parts).await;
    }

    /// Syncs and compares; `parts` is how many answers are asked for at most.
    pub async fn sync_with(&mut self, at: usize, id: &ShelfId, limit: usize, data: bool, parts: usize) {
        for _ in 0..parts {
            let mut mirror = self.clients[at].mirrors.remove(id).unwrap_or_default();
            self.log.note(format!(
                "{} syncs {id:?} from {:?} limit {limit} data {data}",
                self.clients[at].name, mirror.token
            ));
            let answer = self.clients[at].sync(id, &mirror.token, limit, data).await;
            self.log.outcome(answer.status);
            let (status, text) = (answer.status.as_u16(), answer.text());
            if self.world.access(self.clients[at].user, id).is_none() {
                assert_eq!(status, 404, "{text}");
                self.clients[at].mirrors.insert(id.clone(), mirror);
                return;
            }
            let shelf = &self.world.shelves[id];
            if !mirror.token.is_empty() && mirror.born != shelf.born {
                // Another collection stands at this path now: the client forgets what it had.
                assert_eq!(status, 403, "{text}");
                assert!(text.contains("valid-sync-token"), "{text}");
                continue;
            }
            assert_eq!(status, 207, "{text}");
            self.take_in(at, id, &mut mirror, &text, limit, data);
            let whole = mirror.whole;
            self.clients[at].mirrors.insert(id.clone(), mirror);
            if whole {
                return;
            }
        }
    }

    /// Takes an answer into the mirror, and compares this with the model when it is whole.
    fn take_in(&self, at: usize, id: &ShelfId, mirror: &mut Mirror, text: &str, limit: usize, data: bool) {
        let shelf = &self.world.shelves[id];
        let own = path(self.clients[at].user, id);
        let first = mirror.token.is_empty();
        let (mut told, mut whole) = (BTreeSet::new(), true);
        for response in responses(text) {
            if response.href == own {
                assert!(response.status.contains("507") && limit > 0, "{response:?}");
                whole = false;
                continue;
            }
            assert_eq!(response.href, format!("{own}{}", encode(&response.name)));
            assert!(told.insert(response.name.clone()), "{} is told twice in {text}", response.name);
            assert!(
                shelf.touched.get(&response.name).is_some_and(|change| *change > mirror.since),
                "{} did not change since {}",
                response.name,
                mirror.token
            );
            let thing = shelf.things.get(&response.name);
            if response.status.contains("404") {
                assert!(thing.is_none() && !first, "{} is there, but is told as gone", response.name);
                mirror.items.remove(&response.name);
                continue;
            }
            let thing = thing.unwrap_or_else(|| panic!("{} is gone, but is told as there", response.name));
            assert_eq!(response.etag, thing.etag(), "{}", response.name);
            if data {
                assert_eq!(response.data, String::from_utf8_lossy(&thing.bytes), "{}", response.name);
            }
            mirror.items.insert(response.name, response.etag);
        }
        assert!(limit == 0 || told.len() <= limit, "{} of {limit} in {text}", told.len());
        // An empty answer that asks for more would never end.
        assert!(whole || !told.is_empty(), "{text}");
        (mirror.token, mirror.born, mirror.whole) = (client::token(text), shelf.born, whole);
        if whole {
            mirror.since = shelf.version;
            assert_eq!(mirror.token, shelf.token, "the token of the sync and that of the collection");
            assert_eq!(
                mirror.items,
                self.contents(id),
                "the mirror of {} and the model",
                self.clients[at].name
            );
        }
    }

    /// Takes an answer into the mirror that was made while others wrote: some of what they wrote may be in it.
    pub fn take_in_meanwhile(&mut self, at: usize, id: &ShelfId, answer: &kontor_tests::Answer) {
        let born = self.world.shelves[id].born;
        let mut mirror = self.clients[at].mirrors.remove(id).unwrap_or_default();
        let is_fresh = mirror.token.is_empty() || mirror.born == born;
        if self.world.access(self.clients[at].user, id).is_some() && is_fresh {
            assert_eq!(answer.status.as_u16(), 207, "{}", answer.text());
            let text = answer.text();
            (mirror.token, mirror.born, mirror.whole) = (client::token(&text), born, false);
            for response in responses(&text) {
                if response.status.contains("404") {
                    mirror.items.remove(&response.name);
                } else {
                    mirror.items.insert(response.name, response.etag);
                }
            }
        }
        self.clients[at].mirrors.insert(id.clone(), mirror);
    }

    /// Names and ETags that a collection must have.
    pub fn contents(&self, id: &ShelfId) -> BTreeMap<String, String> {
        self.world.shelves[id].things.iter().map(|(name, thing)| (name.clone(), thing.etag())).collect()
    }

    /// One of the other ways to look.
    pub async fn read(&mut self) {
        let at = self.some_client();
        let id = self.some_shelf(at, None);
        if self.world.access(self.clients[at].user, &id).is_none() {
            self.log.note(format!("{} looks at {id:?}, which it does not see", self.clients[at].name));
            return self.look_at_nothing(at, &id).await;
        }
        match self.random.below(3) {
            0 => self.multiget(at, &id).await,
            1 => self.query(at, &id).await,
            _ => self.get_if_changed(at, &id).await,
        }
    }

    /// A collection that is not there, or that somebody else has: there must be no difference.
    pub async fn look_at_nothing(&self, at: usize, id: &ShelfId) {
        let client = &self.clients[at];
        let path = path(client.user, id);
        client.http.propfind(&path, "1", "<D:getetag/><D:displayname/>").await.expect(404);
        client.sync(id, "", 0, true).await.expect(404);
        client.get(id, "n1.ics").await.expect(404);
        if self.world.shelves.contains_key(id) {
            // In its owner's home too.
            let there = client::path(&id.1, id);
            client.http.propfind(&there, "1", "<D:getetag/>").await.expect(404);
            client.http.get(&format!("{there}n1.ics")).await.expect(404);
        }
    }

    async fn multiget(&mut self, at: usize, id: &ShelfId) {
        let names: Vec<String> = (0..5).map(|_| self.some_name(id)).collect();
        let client = &self.clients[at];
        self.log.note(format!("{} multigets {id:?} {names:?}", client.name));
        let base = path(client.user, id);
        let hrefs: String =
            names.iter().map(|name| format!("<D:href>{base}{}</D:href>", encode(name))).collect();
        let (report, data) = match id.0 {
            Kind::Calendar => ("C:calendar-multiget", "<C:calendar-data/>"),
            Kind::Book => ("R:addressbook-multiget", "<R:address-data/>"),
        };
        let body = format!(
            "<{report} xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\">\
             <D:prop><D:getetag/>{data}</D:prop>{hrefs}</{report}>"
        );
        let answer = client.http.report(&base, "0", body).await.expect(207).text();
        let told = responses(&answer);
        assert_eq!(told.iter().map(|response| response.name.clone()).collect::<Vec<_>>(), names);
        for response in told {
            match self.world.shelves[id].things.get(&response.name) {
                None => assert!(response.status.contains("404"), "{response:?}"),
                Some(thing) => {
                    assert_eq!(response.etag, thing.etag(), "{}", response.name);
                    assert_eq!(response.data, String::from_utf8_lossy(&thing.bytes), "{}", response.name);
                }
            }
        }
    }

    /// All of one component, or all cards whose name has a text.
    async fn query(&mut self, at: usize, id: &ShelfId) {
        let component = *self.random.pick(&["VEVENT", "VTODO", "VJOURNAL"]);
        let client = &self.clients[at];
        let things = &self.world.shelves[id].things;
        let (body, expected): (String, BTreeMap<String, String>) = match id.0 {
            Kind::Calendar => (
                format!(
                    "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop>\
                     <C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"{component}\"/></C:comp-filter></C:filter></C:calendar-query>"
                ),
                things
                    .iter()
                    .filter(|(_, thing)| thing.component == component)
                    .map(|(name, thing)| (name.clone(), thing.etag()))
                    .collect(),
            ),
            Kind::Book => (
                "<R:addressbook-query xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:prop><D:getetag/></D:prop>\
                 <R:filter><R:prop-filter name=\"FN\"><R:text-match>DÉJEUNER</R:text-match></R:prop-filter></R:filter></R:addressbook-query>"
                    .to_owned(),
                things
                    .iter()
                    .filter(|(_, thing)| thing.summary.to_lowercase().contains("déjeuner"))
                    .map(|(name, thing)| (name.clone(), thing.etag()))
                    .collect(),
            ),
        };
        self.log.note(format!("{} queries {id:?}", client.name));
        let answer = client.http.report(&path(client.user, id), "1", body).await.expect(207).text();
        let found: BTreeMap<String, String> =
            responses(&answer).into_iter().map(|response| (response.name, response.etag)).collect();
        assert_eq!(found, expected, "{answer}");
    }

    async fn get_if_changed(&mut self, at: usize, id: &ShelfId) {
        let name = self.some_name(id);
        let client = &self.clients[at];
        self.log.note(format!("{} GETs {id:?} {name} if it changed", client.name));
        let there = format!("{}{}", path(client.user, id), encode(&name));
        let etag = self.world.shelves[id].things.get(&name).map(|thing| thing.etag());
        let known = etag.clone().unwrap_or_else(|| "\"none\"".into());
        let answer = client.http.send("GET", &there, &[("if-none-match", &known)], "").await;
        assert_eq!(answer.status.as_u16(), if etag.is_some() { 304 } else { 404 });
        self.compare_object(client, id, &name).await;
    }
}
