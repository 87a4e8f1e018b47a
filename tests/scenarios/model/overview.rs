//! The unified calendar of each user: the union of what stands in the home, however it is asked for.
//! Called by the run, as a step and when everything is compared.

use std::collections::BTreeMap;

use super::client::{home, responses, token};
use super::run::Run;
use super::world::Kind;
use crate::support::texts;

/// What a client has of its user's overview.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub token: String,
    /// Names and ETags.
    pub items: BTreeMap<String, String>,
}

/// Characters before the name that an object has in its own calendar.
const KEY: usize = 13;

impl Run {
    /// A sync in parts of some size, from where the client was; then everything is as a listing has it.
    pub async fn sync_overview(&mut self, at: usize, limit: usize) {
        let (user, http) = (self.clients[at].user, self.clients[at].http.clone());
        let path = format!("{}overview/", home(user, Kind::Calendar));
        let mut mirror = std::mem::take(&mut self.clients[at].overview);
        loop {
            let limits = if limit > 0 {
                format!("<D:limit><D:nresults>{limit}</D:nresults></D:limit>")
            } else {
                String::new()
            };
            let body = format!(
                "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level>{limits}\
                 <D:prop><D:getetag/></D:prop></D:sync-collection>",
                mirror.token
            );
            let answer = http.report(&path, "1", body).await;
            if answer.status == 403 && !mirror.token.is_empty() {
                assert!(answer.text().contains("valid-sync-token"), "{}", answer.text());
                mirror = Mirror::default();
                continue;
            }
            let answer = answer.expect(207).text();
            let (mut told, mut more) = (0, false);
            for response in responses(&answer) {
                if response.href == path {
                    more = response.status.contains("507");
                    continue;
                }
                told += 1;
                if response.status.contains("404") {
                    mirror.items.remove(&response.name);
                } else {
                    mirror.items.insert(response.name, response.etag);
                }
            }
            assert!(limit == 0 || told <= limit, "{told} of {limit}: {answer}");
            assert!(!more || token(&answer) != mirror.token, "a part that brings a client no further");
            mirror.token = token(&answer);
            if !more {
                break;
            }
        }
        let listed = http.propfind(&path, "1", "<D:getetag/>").await.expect(207).text();
        let listed = responses(&listed).into_iter().filter(|response| response.href != path);
        let listed: BTreeMap<String, String> =
            listed.map(|response| (response.name, response.etag)).collect();
        assert_eq!(mirror.items, listed, "the overview of {user}, synced and listed");
        let tokens = http.propfind(&path, "0", "<D:sync-token/>").await.expect(207).text();
        assert_eq!(texts(&tokens, "sync-token").pop().as_ref(), Some(&mirror.token), "{user}");
        let mut told: Vec<&str> = listed.keys().map(|name| &name[KEY..]).collect();
        let seen = self.world.home(user, Kind::Calendar);
        let things = seen.iter().flat_map(|id| &self.world.shelves[id].things);
        let mut expected: Vec<&str> =
            things.filter(|(_, thing)| thing.component == "VEVENT").map(|(name, _)| name.as_str()).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "the overview of {user}");
        self.clients[at].overview = mirror;
    }
}
