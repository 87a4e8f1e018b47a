//! The `If` header (RFC 4918 section 10.4): lists of ETags and state tokens, for the resource asked for or for another one.
//! Called by the methods that write, and by GET. What speaks of the objects of the write itself is left to the service, which looks
//! inside its transaction; what speaks of anything else is looked up here.

use http::HeaderMap;
use kontor_proto::collection::v1::{Conditions, StateList, StateTest};

use super::error::Failure;
use super::path::{Location, Place};
use super::properties::collection::SyncToken;
use super::properties::record::load_object;
use super::{Call, limits, preconditions};

/// One list of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The resource it speaks of, as written; `None` is the one asked for.
    pub tag: Option<String>,
    /// All must hold.
    pub tests: Vec<Test>,
}

/// One test of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// `Not`
    pub negate: bool,
    /// What is asked.
    pub state: State,
}

/// What a test asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// `<urn:...>`: a lock, which nothing here has, or a sync token (RFC 6578 section 5).
    Token(String),
    /// `["..."]`, without quotes.
    Etag(String),
}

/// Reads the header.
///
/// # Errors
/// 400 when it is not of the grammar, or has more than `limits::ENTITY_TAGS` tests.
pub fn parse(header: &str) -> Result<Vec<List>, Failure> {
    let bad = || Failure::bad_request("the If header is not of the form (<token> [\"etag\"]) ...");
    let (mut lists, mut tests) = (Vec::new(), 0);
    let mut tag: Option<String> = None;
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        if let Some(tagged) = rest.strip_prefix('<') {
            let (uri, after) = tagged.split_once('>').ok_or_else(bad)?;
            tag = Some(uri.trim().to_owned());
            rest = after.trim_start();
            // A tag has at least one list.
            if !rest.starts_with('(') {
                return Err(bad());
            }
        }
        let inner = rest.strip_prefix('(').ok_or_else(bad)?;
        let (list, after) = list(inner, &mut tests)?;
        lists.push(List { tag: tag.clone(), tests: list });
        // Several lines of the header were joined with a comma.
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    if lists.is_empty() { Err(bad()) } else { Ok(lists) }
}

/// The tests up to the closing parenthesis, and what follows it.
fn list<'a>(text: &'a str, count: &mut usize) -> Result<(Vec<Test>, &'a str), Failure> {
    let bad = || Failure::bad_request("a list of the If header is not valid");
    let mut tests = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return if tests.is_empty() { Err(bad()) } else { Ok((tests, after)) };
        }
        *count += 1;
        if *count > limits::ENTITY_TAGS {
            return Err(Failure::bad_request("the If header has too many tests"));
        }
        let negated =
            rest.get(..3).filter(|word| word.eq_ignore_ascii_case("not")).map(|_| rest[3..].trim_start());
        rest = negated.unwrap_or(rest);
        let (state, after) = if let Some(token) = rest.strip_prefix('<') {
            let (token, after) = token.split_once('>').ok_or_else(bad)?;
            (State::Token(token.trim().to_owned()), after)
        } else {
            let (tag, after) = entity_tag(rest).ok_or_else(bad)?;
            (State::Etag(tag.to_owned()), after)
        };
        tests.push(Test { negate: negated.is_some(), state });
        rest = after.trim_start();
    }
}

/// `["etag"]`, weak or strong; a `]` may stand inside the quotes.
fn entity_tag(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?.trim_start();
    let strong = inner.strip_prefix("W/").or_else(|| inner.strip_prefix("w/")).unwrap_or(inner);
    let (tag, after) = match strong.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => strong.find(']').map(|at| (strong[..at].trim_end(), &strong[at..]))?,
    };
    Some((tag, after.trim_start().strip_prefix(']')?))
}

/// All conditions of a write on an object: the plain headers, and the lists of `If`. `destination` is that of a move.
///
/// # Errors
/// 400 for a broken header; 412 when the `If` header can't hold.
pub(super) async fn conditions(call: &Call<'_>, destination: Option<&Place>) -> Result<Conditions, Failure> {
    let open = Open { object: true, collection: true };
    gather(Resolve { call, destination, open, lookups: 0 }).await
}

/// The conditions of a read: of the lists, only tests of the object's own ETag are left.
///
/// # Errors
/// As `conditions`.
pub(super) async fn conditions_of_read(call: &Call<'_>) -> Result<Conditions, Failure> {
    let open = Open { object: true, collection: false };
    gather(Resolve { call, destination: None, open, lookups: 0 }).await
}

async fn gather(mut resolve: Resolve<'_>) -> Result<Conditions, Failure> {
    let headers = resolve.call.headers;
    let mut conditions = preconditions::conditions(headers)?;
    let Some(header) = header(headers)? else { return Ok(conditions) };
    match resolve.lists(parse(&header)?).await? {
        Verdict::True => {}
        Verdict::False => return Err(failed()),
        Verdict::Open(lists) => conditions.if_lists = lists,
    }
    Ok(conditions)
}

/// Checks the `If` header of a request on a collection, which the service knows no conditions for.
///
/// # Errors
/// As `conditions`.
pub(super) async fn check(call: &Call<'_>) -> Result<(), Failure> {
    let Some(header) = header(call.headers)? else { return Ok(()) };
    let open = Open { object: false, collection: false };
    match (Resolve { call, destination: None, open, lookups: 0 }).lists(parse(&header)?).await? {
        Verdict::True => Ok(()),
        Verdict::False | Verdict::Open(_) => Err(failed()),
    }
}

/// As `check`, on a collection that is there: it has no ETag, so that none can match.
///
/// # Errors
/// As `check`.
pub(super) async fn check_collection(call: &Call<'_>) -> Result<(), Failure> {
    let plain = preconditions::conditions(call.headers)?;
    if plain.if_absent || !plain.if_match.is_empty() {
        return Err(Failure::precondition_failed("a collection has no ETag, and it is there"));
    }
    check(call).await
}

fn header(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    if headers.contains_key("if") { preconditions::text(headers, "if") } else { Ok(None) }
}

fn failed() -> Failure {
    Failure::precondition_failed("no list of the If header holds")
}

enum Verdict {
    True,
    False,
    /// The service decides.
    Open(Vec<StateList>),
}

struct Resolve<'a> {
    call: &'a Call<'a>,
    destination: Option<&'a Place>,
    open: Open,
    lookups: usize,
}

/// What is left to who asks: tests of the objects concerned, and of their collections.
#[derive(Clone, Copy)]
struct Open {
    object: bool,
    collection: bool,
}

/// Looked at by the service, or decided already.
enum Outcome {
    Open(StateTest),
    Known(bool),
}

impl Resolve<'_> {
    async fn lists(&mut self, lists: Vec<List>) -> Result<Verdict, Failure> {
        let mut open = Vec::new();
        for list in lists {
            let mut tests = Vec::new();
            let mut holds = true;
            for test in &list.tests {
                match self.test(list.tag.as_deref(), test).await? {
                    Outcome::Open(test) => tests.push(test),
                    Outcome::Known(known) => holds &= known,
                }
            }
            match (holds, tests.is_empty()) {
                (true, true) => return Ok(Verdict::True),
                (true, false) => open.push(StateList { tests }),
                (false, _) => {}
            }
        }
        Ok(if open.is_empty() { Verdict::False } else { Verdict::Open(open) })
    }

    /// Decides one test, or leaves it open.
    async fn test(&mut self, tag: Option<&str>, test: &Test) -> Result<Outcome, Failure> {
        let known = |so: bool| Ok(Outcome::Known(so != test.negate));
        let place = match tag {
            None => self.call.place.clone(),
            Some(uri) => match Place::of_href(uri) {
                Ok(place) => place,
                Err(_) => return known(false),
            },
        };
        let open = |destination| StateTest { negate: test.negate, destination, ..StateTest::default() };
        match &test.state {
            State::Etag(etag) => {
                let Place::Object(location, name) = &place else { return known(false) };
                let there = self.destination == Some(&place);
                if self.open.object && (place == *self.call.place || there) {
                    return Ok(Outcome::Open(StateTest { etag: etag.clone(), ..open(there) }));
                }
                known(self.etag(location, name).await?.as_ref() == Some(etag))
            }
            State::Token(token) => {
                // No resource has a lock here, and `DAV:no-lock` matches none by its definition.
                let Some(token) = SyncToken::parse(token) else { return known(false) };
                // Nothing stands at the token of a sync that was cut off.
                let SyncToken { id, sequence, first_until: 0 } = token else { return known(false) };
                let Place::Collection(location) = &place else { return known(false) };
                let there = self.destination.and_then(collection_of) == Some(location);
                if self.open.collection && (collection_of(self.call.place) == Some(location) || there) {
                    let here = collection_of(self.call.place) == Some(location);
                    return Ok(Outcome::Open(StateTest {
                        collection_id: id.to_owned(),
                        sequence,
                        ..open(!here)
                    }));
                }
                self.count()?;
                match self.call.collection(location).await {
                    Ok(it) => known(it.id == id && it.sequence == sequence),
                    Err(failure) if failure.status() == http::StatusCode::NOT_FOUND => known(false),
                    Err(failure) => Err(failure),
                }
            }
        }
    }

    async fn etag(&mut self, location: &Location, name: &str) -> Result<Option<String>, Failure> {
        self.count()?;
        match load_object(self.call, location, name, false).await {
            Ok(object) => Ok(Some(object.etag)),
            Err(failure) if failure.status() == http::StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Each look at another resource is a call to a service.
    fn count(&mut self) -> Result<(), Failure> {
        self.lookups += 1;
        if self.lookups > limits::IF_LOOKUPS {
            return Err(Failure::bad_request("the If header speaks of too many resources"));
        }
        Ok(())
    }
}

fn collection_of(place: &Place) -> Option<&Location> {
    match place {
        Place::Object(location, _) | Place::Collection(location) => Some(location),
        _ => None,
    }
}
