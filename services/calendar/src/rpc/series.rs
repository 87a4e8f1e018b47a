//! SeriesService: "this and following".
//! Mounted by `start`.

use kontor_collection::{Conditions, Hooks, Prepared, Target, write};
use kontor_kit::auth::Caller;
use kontor_kit::clock::from_proto;
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::series_service_server::SeriesService;
use tonic::{Request, Response};

use super::events::brief;
use super::objects::{EVENTS, Loaded, TRIES, named, stored};
use super::{Answer, Core, convert};
use crate::domain::change;
use crate::domain::event::{Event, FIELDS};
use crate::domain::split::{self, Change, Parts};
use crate::hook::Parsed;

#[tonic::async_trait]
impl SeriesService for Core {
    async fn split_series(
        &self,
        request: Request<proto::SplitSeriesRequest>,
    ) -> Answer<proto::SplitSeriesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let message = request.event.clone().unwrap_or_default();
        let event = convert::event(&message)?;
        event.check()?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &convert::set_fields(&message))?;
        let wish = Wish {
            name: &message.name,
            field: "event.name",
            etag: &message.etag,
            original: original(request.original_start_time.as_ref())?,
            change: Some((&event, &mask)),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let work = self.cut(&caller, &wish).await;
            let (caller, request) = (caller.clone(), request.clone());
            let hooks = self.hooks.clone();
            let etag = message.etag.clone();
            let outcome = self
                .db
                .write(move |tx| {
                    replay::once(tx, &caller, &request.request_id, &request, |tx| {
                        let (before, after) = store(tx, &hooks, &caller, &work, &etag)?;
                        let event = |loaded: Option<Loaded>| loaded.map(|loaded| brief(&loaded)).transpose();
                        Ok(proto::SplitSeriesResponse { before: event(before)?, after: event(after)? })
                    })
                })
                .await;
            match outcome {
                Err(cause) if is_race(&cause, &message.etag) && tries < TRIES => {}
                outcome => return Ok(Response::new(outcome?)),
            }
        }
    }

    async fn end_series(
        &self,
        request: Request<proto::EndSeriesRequest>,
    ) -> Answer<proto::EndSeriesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.clone();
        let wish = Wish {
            name: &given.name,
            field: "name",
            etag: &given.etag,
            original: original(request.original_start_time.as_ref())?,
            change: None,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let work = self.cut(&caller, &wish).await;
            let (caller, request) = (caller.clone(), request.clone());
            let hooks = self.hooks.clone();
            let outcome = self
                .db
                .write(move |tx| {
                    replay::once(tx, &caller, &request.request_id, &request, |tx| {
                        let (before, _) = store(tx, &hooks, &caller, &work, &request.etag)?;
                        let before = before.map(|loaded| brief(&loaded)).transpose()?;
                        Ok(proto::EndSeriesResponse { before })
                    })
                })
                .await;
            match outcome {
                Err(cause) if is_race(&cause, &given.etag) && tries < TRIES => {}
                outcome => return Ok(Response::new(outcome?)),
            }
        }
    }
}

/// What a caller wants.
struct Wish<'a> {
    name: &'a str,
    field: &'a str,
    etag: &'a str,
    original: i64,
    /// None removes what follows.
    change: Option<(&'a Event, &'a Mask)>,
}

/// A cut, before it is stored.
struct Work {
    present: Loaded,
    /// The text of the object that is there; none deletes it.
    old: Option<(Vec<u8>, Prepared<Parsed>)>,
    /// Whether `old` is what comes before, and not all of it.
    is_before: bool,
    /// The text of a new object.
    new: Option<(Vec<u8>, Prepared<Parsed>)>,
}

impl Core {
    async fn cut(&self, caller: &Caller, wish: &Wish<'_>) -> Result<Work> {
        let present = self.load(caller, EVENTS, wish.name, wish.field).await?;
        present.must_be_writable(EVENTS)?;
        if !wish.etag.is_empty() && wish.etag != present.object.etag {
            return Err(Error::etag_mismatch(wish.name));
        }
        let now = self.hooks.clock.now();
        let (data, zone) = (&present.object.data, &present.zone);
        let parts = split::split(data, wish.name, wish.original, &id::new(), zone, now)?;
        let (is_before, old, new) = match (parts, wish.change) {
            (Parts::Whole, None) => (false, None, None),
            (Parts::Whole, Some((event, mask))) => {
                let text = change::update(data, event, mask, &present.found, zone, now)?;
                (false, Some(text), None)
            }
            (Parts::Two { before, .. }, None) => (true, Some(before), None),
            (Parts::Two { before, after }, Some((event, mask))) => {
                let change = Change { event, mask, found: &present.found };
                let after = split::changed(&after, wish.name, wish.original, &change, zone, now)?;
                (true, Some(before), Some(after))
            }
        };
        let old = self.prepared(caller, old).await?;
        let new = self.prepared(caller, new).await?;
        Ok(Work { present, old, is_before, new })
    }

    async fn prepared(
        &self,
        caller: &Caller,
        data: Option<Vec<u8>>,
    ) -> Result<Option<(Vec<u8>, Prepared<Parsed>)>> {
        let Some(data) = data else { return Ok(None) };
        let prepared = self.hooks.prepare(caller, data.clone().into()).await?;
        Ok(Some((data, prepared)))
    }
}

/// Stores a cut, both parts or none. What comes before, and the instance with what follows.
fn store(
    tx: &mut kontor_kit::db::Tx<'_>,
    hooks: &crate::hook::CalendarHooks,
    caller: &Caller,
    work: &Result<Work>,
    given: &str,
) -> Result<(Option<Loaded>, Option<Loaded>)> {
    let work = work.as_ref().map_err(Error::clone)?;
    let present = &work.present;
    let name = present.name(EVENTS);
    if !given.is_empty() && given != present.object.etag {
        return Err(Error::etag_mismatch(name));
    }
    let target = Target::id(&present.collection.id);
    let conditions = Conditions::etag(&present.object.etag);
    let Some((data, prepared)) = &work.old else {
        write::delete(tx, hooks, caller, &target, &present.object.name, &conditions)
            .map_err(|cause| named(cause, &name))?;
        return Ok((None, None));
    };
    let outcome = write::put(tx, hooks, caller, &target, &present.object.name, data, &conditions, prepared)
        .map_err(|cause| named(cause, &name))?;
    let old = stored(tx, hooks, outcome, data)?;
    let new = match &work.new {
        None => None,
        Some((data, prepared)) => {
            let file = write::fresh_name("ics");
            let outcome =
                write::put(tx, hooks, caller, &target, &file, data, &Conditions::absent(), prepared)?;
            Some(stored(tx, hooks, outcome, data)?)
        }
    };
    Ok(if work.is_before { (Some(old), new) } else { (None, Some(old)) })
}

/// Others may write at the same time: without an etag from the caller the cut is made anew on what they wrote.
fn is_race(cause: &Error, etag: &str) -> bool {
    cause.reason() == "ETAG_MISMATCH" && etag.is_empty()
}

fn original(time: Option<&prost_types::Timestamp>) -> Result<i64> {
    time.map(from_proto).ok_or_else(|| Error::invalid("original_start_time", "it is missing"))
}
