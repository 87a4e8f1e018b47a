//! A mail client of the model: paths, requests, what their answers say, and a mirror of each collection that it keeps by sync-collection.
//! Called by the steps and the checks.

use std::collections::BTreeMap;

use kontor_tests::{Answer, Grpc, Http};

use super::overview;
use super::world::{COMPANY, Condition, Kind, ShelfId};
use crate::support::texts;

/// What a client has of one collection.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    pub token: String,
    /// `born` of the collection that the token is of.
    pub born: u64,
    /// Count of changes when the token was whole: an answer may only tell what changed behind it.
    pub since: u64,
    /// False between the parts of an answer that was cut off.
    pub whole: bool,
    /// Names and ETags.
    pub items: BTreeMap<String, String>,
}

pub struct Client {
    pub user: &'static str,
    /// "sales#1"
    pub name: String,
    pub http: Http,
    pub grpc: Grpc,
    pub mirrors: BTreeMap<ShelfId, Mirror>,
    pub overview: overview::Mirror,
}

/// One response of a multistatus.
#[derive(Debug)]
pub struct Response {
    /// Path, as the server wrote it.
    pub href: String,
    /// Last segment, decoded.
    pub name: String,
    /// A status for the whole; empty when there are propstats.
    pub status: String,
    pub etag: String,
    pub data: String,
}

/// The path of a collection in a user's home.
pub fn path(user: &str, id: &ShelfId) -> String {
    let homes = home(user, id.0);
    let slug = encode(&id.2);
    if id.1 == user || id.1 == COMPANY {
        format!("{homes}{slug}/")
    } else {
        format!("{homes}{}~{slug}/", id.1)
    }
}

pub fn home(user: &str, kind: Kind) -> String {
    match kind {
        Kind::Calendar => format!("/dav/calendars/{user}/"),
        Kind::Book => format!("/dav/addressbooks/{user}/"),
    }
}

pub fn encode(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:()".contains(&byte);
    segment
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn decode(segment: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), segment.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).expect("two digits"));
        bytes.push(hex.map_or(*first, |hex| u8::from_str_radix(hex, 16).expect("two digits")));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).expect("a name is text")
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#13;", "\r");
    plain.replace("&amp;", "&")
}

/// The last segment of an href, decoded.
pub fn name_of(href: &str) -> String {
    decode(href.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

/// The responses of a multistatus.
pub fn responses(xml: &str) -> Vec<Response> {
    let all =
        xml.split("<D:response>").skip(1).map(|part| part.split("</D:response>").next().expect("its end"));
    all.map(|part| {
        let one = |element: &str| texts(part, element).into_iter().next().unwrap_or_default();
        let href = unescape(&one("href"));
        let name = name_of(&href);
        let whole = if part.contains("<D:propstat>") { String::new() } else { one("status") };
        let data = one("calendar-data") + &one("address-data");
        Response { href, name, status: whole, etag: unescape(&one("getetag")), data: unescape(&data) }
    })
    .collect()
}

/// The token of a sync.
pub fn token(xml: &str) -> String {
    texts(xml, "sync-token").pop().expect("a sync token")
}

/// The id of a collection, out of its sync token: docs/dav.md says what that looks like.
pub fn id_of(token: &str) -> String {
    token.rsplit('/').nth(1).expect("an id in the token").to_owned()
}

impl Client {
    /// The headers of a condition on an object in a collection.
    fn condition(&self, id: &ShelfId, condition: &Condition) -> Vec<(&'static str, String)> {
        match condition {
            Condition::None => Vec::new(),
            Condition::Match(etag) => vec![("if-match", etag.clone())],
            Condition::MatchAny => vec![("if-match", "*".into())],
            Condition::NoneAny => vec![("if-none-match", "*".into())],
            Condition::Tagged(etag) => vec![("if", format!("([{etag}])"))],
            Condition::Token(token) => vec![("if", format!("<{}> (<{token}>)", path(self.user, id)))],
        }
    }

    pub async fn put(&self, id: &ShelfId, name: &str, condition: &Condition, body: &str) -> Answer {
        let path = format!("{}{}", path(self.user, id), encode(name));
        let mut headers = self.condition(id, condition);
        let kind = if id.0 == Kind::Book { "text/vcard" } else { "text/calendar" };
        headers.push(("content-type", kind.into()));
        self.send("PUT", &path, &headers, body).await
    }

    pub async fn delete(&self, id: &ShelfId, name: &str, condition: &Condition) -> Answer {
        let path = format!("{}{}", path(self.user, id), encode(name));
        self.send("DELETE", &path, &self.condition(id, condition), "").await
    }

    pub async fn get(&self, id: &ShelfId, name: &str) -> Answer {
        self.http.get(&format!("{}{}", path(self.user, id), encode(name))).await
    }

    /// COPY or MOVE.
    pub async fn transfer(
        &self,
        method: &str,
        (from, name): (&ShelfId, &str),
        (to, to_name): (&ShelfId, &str),
        overwrite: bool,
        condition: &Condition,
    ) -> Answer {
        let mut headers = self.condition(from, condition);
        headers.push(("destination", format!("{}{}", path(self.user, to), encode(to_name))));
        headers.push(("overwrite", if overwrite { "T" } else { "F" }.into()));
        let path = format!("{}{}", path(self.user, from), encode(name));
        self.send(method, &path, &headers, "").await
    }

    /// sync-collection; with bytes when `data`; all when `limit` is 0.
    pub async fn sync(&self, id: &ShelfId, token: &str, limit: usize, data: bool) -> Answer {
        let limit = match limit {
            0 => String::new(),
            limit => format!("<D:limit><D:nresults>{limit}</D:nresults></D:limit>"),
        };
        let data = match (data, id.0) {
            (false, _) => "",
            (true, Kind::Calendar) => "<C:calendar-data/>",
            (true, Kind::Book) => "<R:address-data/>",
        };
        let body = format!(
            "<D:sync-collection xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\">\
             <D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}<D:prop><D:getetag/>{data}</D:prop></D:sync-collection>"
        );
        self.http.report(&path(self.user, id), "0", body).await
    }

    /// Names with ETags, as PROPFIND lists them.
    pub async fn list(&self, id: &ShelfId) -> BTreeMap<String, String> {
        let path = path(self.user, id);
        let answer = self.http.propfind(&path, "1", "<D:getetag/>").await.expect(207).text();
        let members = responses(&answer).into_iter().filter(|response| response.href != path);
        members.map(|response| (response.name, response.etag)).collect()
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Answer {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.send(method, path, &headers, body.to_owned()).await
    }
}
