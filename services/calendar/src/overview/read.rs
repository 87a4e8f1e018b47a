//! Long answers about an overview: list, multiget, query and sync, calendar after calendar, in the engine's chunks.
//! Called by the server in mod.rs. Memory holds one chunk of each answer and two more on their way.

use std::collections::{HashMap, HashSet, VecDeque};

use kontor_collection::store::object;
use kontor_collection::store::query::{self, Candidates};
use kontor_collection::store::sync::{self, Course, Step};
use kontor_collection::{Object, Question};
use kontor_kit::db::Conn;
use kontor_kit::tags;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use super::view::{COMPONENT, LongNames, Member, View, missing};
use crate::domain::overview::token::At;

/// A part of an answer.
#[derive(Default)]
pub(super) struct Part {
    pub objects: Vec<proto::Object>,
    /// Whether nothing follows.
    pub last: bool,
    /// Set in the last part of a sync.
    pub end: End,
}

/// Where a sync ended.
#[derive(Default)]
pub(super) struct End {
    id: String,
    sequence: i64,
    truncated: bool,
}

impl From<Part> for proto::ObjectChunk {
    fn from(part: Part) -> Self {
        proto::ObjectChunk { objects: part.objects }
    }
}

impl From<Part> for proto::SyncChunk {
    fn from(part: Part) -> Self {
        let End { id, sequence, truncated } = part.end;
        let Part { objects, last, .. } = part;
        // How far a first sync was stands in the id.
        proto::SyncChunk { objects, sequence, truncated, collection_id: id, last, first_until: 0 }
    }
}

impl From<Part> for proto::TagChunk {
    fn from(part: Part) -> Self {
        let mut run = Vec::new();
        part.objects
            .iter()
            .for_each(|object| tags::push(&mut run, object.name.as_bytes(), object.etag.as_bytes()));
        let End { id, sequence, truncated } = part.end;
        proto::TagChunk {
            tags: run.into(),
            sequence,
            truncated,
            collection_id: id,
            last: part.last,
            first_until: 0,
        }
    }
}

/// A long answer: each call reads the next part. It moves between the database's threads and the stream.
pub(super) trait Reader: Send + 'static {
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Part>;
}

/// Everything, in the order of calendars and names.
pub(super) struct List {
    view: View,
    at: usize,
    after: String,
    with_data: bool,
}

impl List {
    pub fn new(view: View, with_data: bool) -> List {
        List { view, at: 0, after: String::new(), with_data }
    }
}

impl Reader for List {
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Part> {
        let wanted = object::chunk(self.with_data);
        while let Some(member) = self.view.members.get(self.at) {
            let mut found = object::list(conn, member.collection.num, &self.after, wanted)?;
            let mut all = (found.len() as i64) < wanted;
            if self.with_data {
                let fit = object::cut(found.iter().map(Some));
                all &= fit == found.len();
                found.truncate(fit);
            }
            match found.last() {
                Some(last) if !all => self.after.clone_from(&last.name),
                _ => {
                    self.after.clear();
                    self.at += 1;
                }
            }
            found.retain(is_event);
            if self.with_data {
                object::load(conn, found.iter_mut())?;
            }
            let objects: Vec<proto::Object> = found.into_iter().map(|object| member.tell(object)).collect();
            let last = self.at == self.view.members.len();
            if last || !objects.is_empty() {
                return Ok(Part { objects, last, end: End::default() });
            }
        }
        Ok(Part { last: true, ..Part::default() })
    }
}

/// Some by their names, in the order asked.
pub(super) struct Named {
    view: View,
    long: LongNames,
    names: VecDeque<String>,
    with_data: bool,
}

impl Named {
    pub fn new(view: View, names: Vec<String>, with_data: bool) -> Named {
        Named { view, long: LongNames::new(), names: names.into(), with_data }
    }

    /// The objects of these names without their bodies, each once, by the number of the calendar and the name there.
    fn find(
        &self,
        conn: &mut Conn<'_>,
        places: &[Option<(usize, String)>],
    ) -> Result<HashMap<(usize, String), Object>> {
        let mut wanted: HashMap<usize, Vec<String>> = HashMap::new();
        for (at, name) in places.iter().flatten() {
            let names = wanted.entry(*at).or_default();
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut found = HashMap::with_capacity(places.len());
        for (at, names) in wanted {
            let objects = object::all_named(conn, self.view.members[at].collection.num, &names)?;
            let objects = objects.into_iter().flatten().filter(is_event);
            found.extend(objects.map(|object| ((at, object.name.clone()), object)));
        }
        Ok(found)
    }
}

impl Reader for Named {
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Part> {
        let most = self.names.len().min(object::chunk(self.with_data) as usize);
        let mut names: Vec<String> = self.names.drain(..most).collect();
        let mut places = Vec::with_capacity(names.len());
        for name in &names {
            places.push(self.view.locate(conn, &mut self.long, name)?);
        }
        let mut found = self.find(conn, &places)?;
        if self.with_data {
            let in_order = places.iter().map(|place| place.as_ref().and_then(|place| found.get(place)));
            let fit = object::cut(in_order);
            names.drain(fit..).rev().for_each(|name| self.names.push_front(name));
            places.truncate(fit);
            let told: HashSet<&(usize, String)> = places.iter().flatten().collect();
            found.retain(|place, _| told.contains(place));
            object::load(conn, found.values_mut())?;
        }
        let tell = |(name, place): (String, Option<(usize, String)>)| {
            let member = place.as_ref().map(|(at, _)| &self.view.members[*at]);
            match (member, place.and_then(|place| found.get(&place))) {
                (Some(member), Some(object)) => member.tell(object.clone()),
                _ => missing(name, 0),
            }
        };
        let objects = names.into_iter().zip(places).map(tell).collect();
        Ok(Part { objects, last: self.names.is_empty(), end: End::default() })
    }
}

/// Those that match a filter. Candidates come from the index of each calendar; the filter is asked of the text that the overview shows.
pub(super) struct Query {
    view: View,
    at: usize,
    question: Question,
    candidates: Option<Candidates>,
    left: i64,
    with_data: bool,
    /// The only object that is asked, until it is looked for.
    only: Option<String>,
}

impl Query {
    /// `only` names the one object that is asked; empty asks all.
    pub fn new(view: View, question: Question, limit: i64, with_data: bool, only: String) -> Query {
        let left = if limit > 0 { limit } else { i64::MAX };
        let only = (!only.is_empty()).then_some(only);
        Query { view, at: 0, question, candidates: None, left, with_data, only }
    }

    /// Leaves only the one object as a candidate.
    fn narrow(&mut self, conn: &mut Conn<'_>, name: &str) -> Result<()> {
        let (at, plain) =
            self.view.locate(conn, &mut LongNames::new(), name)?.ok_or_else(|| Error::not_found(name))?;
        let candidates = query::only(conn, self.view.members[at].collection.num, &plain, &self.question)?;
        self.view.members.truncate(at + 1);
        (self.at, self.candidates) = (at, Some(candidates));
        Ok(())
    }
}

impl Reader for Query {
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Part> {
        if let Some(name) = self.only.take() {
            self.narrow(conn, &name)?;
        }
        while let Some(member) = self.view.members.get(self.at).filter(|_| self.left > 0) {
            let collection = &member.collection;
            let mut candidates = match self.candidates.take() {
                Some(candidates) => candidates,
                None => query::candidates(conn, collection, &self.question)?,
            };
            let show = |object: &mut Object| {
                object.data = member.look.show(&object.id, &object.data).unwrap_or_default().into();
            };
            let hits = query::next_shown(
                conn,
                collection,
                &mut self.question,
                &mut candidates,
                self.with_data,
                object::chunk(self.with_data),
                show,
            )?;
            match hits {
                Some(_) if !candidates.is_empty() => self.candidates = Some(candidates),
                _ => self.at += 1,
            }
            // Also without a hit: others wait for the database's threads, and the program may be gone.
            let looked = hits.is_some();
            let mut hits: Vec<Object> = hits.into_iter().flatten().filter(is_event).collect();
            hits.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= hits.len() as i64;
            if looked {
                let tell = |mut object: Object| {
                    let data = std::mem::take(&mut object.data);
                    member.tell_shown(object, data)
                };
                return Ok(Part { objects: hits.into_iter().map(tell).collect(), ..Part::default() });
            }
        }
        Ok(Part { last: true, ..Part::default() })
    }
}

/// What changed since a token.
pub(super) struct Sync {
    view: View,
    courses: Vec<Course>,
    at: usize,
    left: i64,
    with_data: bool,
}

impl Sync {
    /// Begins behind a token; see `View::progress`.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason VALID_SYNC_TOKEN.
    pub fn begin(view: View, request: &proto::SyncObjectsRequest) -> Result<Sync> {
        let progress = view.progress(&request.collection_id, request.since)?;
        let begin = |(member, at): (&Member, At)| {
            let collection = &member.collection;
            Course::begin(collection, &collection.id, at.seq, at.first_until)
        };
        let courses = view.members.iter().zip(progress).map(begin).collect::<Result<_>>()?;
        let left = if request.limit > 0 { request.limit } else { i64::MAX };
        Ok(Sync { view, courses, at: 0, left, with_data: request.with_data })
    }

    /// The next changes of the calendar that is told now; it is done when none follow.
    fn step(&mut self, conn: &mut Conn<'_>) -> Result<Vec<proto::Object>> {
        let (member, course) = (&self.view.members[self.at], &mut self.courses[self.at]);
        let wanted = self.left.min(object::chunk(self.with_data));
        // One more than is told, to know whether more follow.
        let mut steps = sync::changes(conn, course, wanted + 1)?;
        let mut told = steps.len().min(wanted as usize);
        if self.with_data {
            told = object::cut(steps[..told].iter().map(Step::object));
        }
        let more = steps.len() > told;
        steps.truncate(told);
        if self.with_data {
            sync::load(conn, &mut steps)?;
        }
        // What a program that is here for the first time has never seen need not be taken from it.
        let seen = course.first_until;
        course.at = if more { steps.last().map_or(course.at, Step::seq) } else { course.until };
        if !more {
            self.at += 1;
        }
        let tell = |step: Step| match step {
            Step::Present(object) if is_event(&object) => Some(member.tell(*object)),
            // What was an event may have become a task.
            Step::Present(object) if object.seq > seen => {
                Some(missing(member.look.name(&object.name), object.seq))
            }
            Step::Present(_) => None,
            Step::Gone(name, seq) => Some(missing(member.look.name(&name), seq)),
        };
        Ok(steps.into_iter().filter_map(tell).collect())
    }

    /// Whether anything is left behind the limit. Calendars of which nothing is left are done.
    fn is_truncated(&mut self, conn: &mut Conn<'_>) -> Result<bool> {
        while let Some(course) = self.courses.get_mut(self.at) {
            if course.at < course.until && !sync::changes(conn, course, 1)?.is_empty() {
                return Ok(true);
            }
            course.at = course.until;
            self.at += 1;
        }
        Ok(false)
    }
}

impl Reader for Sync {
    fn next(&mut self, conn: &mut Conn<'_>) -> Result<Part> {
        while self.left > 0 {
            let Some(course) = self.courses.get(self.at) else { break };
            if course.at == course.until {
                self.at += 1;
                continue;
            }
            let objects = self.step(conn)?;
            self.left -= objects.len() as i64;
            if !objects.is_empty() {
                return Ok(Part { objects, ..Part::default() });
            }
        }
        let truncated = self.is_truncated(conn)?;
        let reached = |course: &Course| At { seq: course.at, first_until: course.cut_off() };
        let all: Vec<At> = self.courses.iter().map(reached).collect();
        let (id, sequence) = self.view.token(&all);
        Ok(Part { objects: Vec::new(), last: true, end: End { id, sequence, truncated } })
    }
}

fn is_event(object: &Object) -> bool {
    object.component == COMPONENT
}
