//! Makes, changes, deletes and brings back segments: what they build on is there, and nothing builds on itself.
//! Called by rpc/segment.rs.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, replay};
use kontor_proto::segmentation::v1 as proto;

use super::preview::Written;
use super::{House, chosen_id, must, segment_id, tree};
use crate::domain::membership::Definition;
use crate::domain::rule::Rule;
use crate::domain::segment::{Segment, cycle};
use crate::engine::{list_names, segment_name};
use crate::store;

/// Fields that UpdateSegment takes.
const FIELDS: [&str; 5] = ["display_name", "description", "rule", "rule_tree", "parents"];
/// Segments of an installation at most.
const SEGMENTS: usize = 5_000;

/// A segment as the API has it.
pub fn to_proto(segment: &Segment, size: i64, with_tree: bool) -> proto::Segment {
    let rule = Some(&segment.rule).filter(|rule| with_tree && !rule.is_empty());
    proto::Segment {
        name: segment.full_name(),
        display_name: segment.display_name.clone(),
        description: segment.description.clone(),
        rule: segment.rule.clone(),
        rule_tree: rule.and_then(|rule| Rule::parse(rule).ok()).map(|rule| tree::to_proto(rule.tree())),
        parents: segment.parents.iter().map(|parent| segment_name(parent)).collect(),
        team: segment.team.clone(),
        creator: segment.creator.clone(),
        size,
        etag: segment.etag(),
        create_time: Some(clock::to_proto(segment.create_time)),
        update_time: Some(clock::to_proto(segment.update_time)),
        delete_time: segment.delete_time.map(clock::to_proto),
    }
}

/// The rule that a message sets; empty when the mask names none.
fn written<'a>(given: &'a proto::Segment, mask: &Mask) -> Written<'a> {
    let text = if mask.has("rule") { given.rule.as_str() } else { "" };
    let tree = given.rule_tree.as_ref().filter(|_| mask.has("rule_tree"));
    Written { text, tree, fields: ("segment.rule", "segment.rule_tree") }
}

/// Takes over what the mask names.
fn read(given: &proto::Segment, mask: &Mask, segment: &mut Segment) -> Result<()> {
    if mask.has("display_name") {
        segment.display_name = given.display_name.trim().to_owned();
    }
    if mask.has("description") {
        segment.description.clone_from(&given.description);
    }
    if mask.has("rule") || mask.has("rule_tree") {
        let rule = written(given, mask).read()?;
        segment.rule = rule.map(|rule| rule.to_string()).unwrap_or_default();
    }
    if mask.has("parents") {
        let parents = given.parents.iter().enumerate();
        segment.parents = parents
            .map(|(place, name)| segment_id(name, &format!("segment.parents[{place}]")))
            .collect::<Result<_>>()?;
    }
    segment.check()
}

/// Fields that a message has set, for an update without a mask.
fn fields_set(given: &proto::Segment) -> Vec<&'static str> {
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("description", !given.description.is_empty()),
        ("rule", !given.rule.is_empty()),
        ("rule_tree", given.rule_tree.is_some()),
        ("parents", !given.parents.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

fn rule_of(segment: &Segment) -> Result<Option<Rule>> {
    match segment.rule.as_str() {
        "" => Ok(None),
        text => Rule::parse(text).map(Some).map_err(|cause| Error::internal(cause.to_string())),
    }
}

/// Ids of the segments that one builds on: its parents, and those that its rule names.
fn needs(segment: &Segment) -> Result<Vec<String>> {
    let mut needs = segment.parents.clone();
    if let Some(rule) = rule_of(segment)? {
        needs.extend(rule.segments().iter().map(|name| name.trim_start_matches("segments/").to_owned()));
    }
    Ok(needs)
}

/// Checks that what a segment builds on and what its rule names is there, that the caller may see it, and that it does not build on itself.
/// The rule is the one that the caller wrote, in whose text errors have their place.
fn check_needs(conn: &mut Conn<'_>, caller: &Caller, segment: &Segment, rule: Written<'_>) -> Result<()> {
    let all = store::segment::all_live(conn)?;
    let known: HashMap<&str, &Segment> = all.iter().map(|other| (other.id.as_str(), other)).collect();
    for (place, parent) in segment.parents.iter().enumerate() {
        let is_there = parent == &segment.id
            || known.get(parent.as_str()).is_some_and(|other| caller.may_read(&other.guard()));
        if !is_there {
            let message = format!("segments/{parent} does not exist or you may not see it");
            return Err(Error::invalid(format!("segment.parents[{place}]"), message));
        }
    }
    rule.read_for(conn, caller, Some(&segment.id))?;
    let mut path = vec![segment.id.clone()];
    let mut done = Vec::new();
    walk(&known, segment, segment, &mut path, &mut done)?;
    if all.len() >= SEGMENTS && !known.contains_key(segment.id.as_str()) {
        return Err(Error::precondition(
            "TOO_MANY",
            format!("there are {SEGMENTS} segments already: delete one"),
        ));
    }
    Ok(())
}

/// Follows what is needed; comes back to the beginning only in a circle.
fn walk(
    known: &HashMap<&str, &Segment>,
    begin: &Segment,
    at: &Segment,
    path: &mut Vec<String>,
    done: &mut Vec<String>,
) -> Result<()> {
    for needed in needs(at)? {
        path.push(needed.clone());
        if needed == begin.id {
            return Err(cycle(path));
        }
        if !done.contains(&needed) {
            if let Some(next) = known.get(needed.as_str()) {
                walk(known, begin, next, path, done)?;
            }
            done.push(needed);
        }
        path.pop();
    }
    Ok(())
}

/// Who builds on a segment.
fn user(conn: &mut Conn<'_>, id: &str) -> Result<Option<String>> {
    for other in store::segment::all_live(conn)? {
        if needs(&other)?.iter().any(|needed| needed == id) {
            return Ok(Some(other.full_name()));
        }
    }
    if let Some(campaign) = store::campaign::of_segment(conn, id)? {
        return Ok(Some(campaign));
    }
    Ok(store::price_list::of_segment(conn, id)?.map(|list| format!("priceLists/{list}")))
}

impl House {
    /// How many members a segment would have.
    async fn would_have(&self, segment: &Segment, has_lists: bool) -> Result<i64> {
        let (included, excluded) = list_names(&segment.id);
        let definition = Definition {
            rule: rule_of(segment)?,
            parents: segment.parents.iter().map(|parent| segment_name(parent)).collect(),
            include: has_lists.then_some(included).into_iter().collect(),
            exclude: has_lists.then_some(excluded).into_iter().collect(),
        };
        let now = self.db.clock().now();
        let count = self.live.ask(move |engine| {
            engine
                .preview(&definition, now)
                .map(|members| members.len())
                .map_err(|cause| Error::unavailable(format!("{cause}: try again in a moment")))
        });
        Ok(count.await? as i64)
    }

    /// The answer of a write, when its members are there.
    async fn after(&self, mut segment: proto::Segment) -> Result<proto::Segment> {
        self.live.settled().await?;
        let name = segment.name.clone();
        segment.size =
            self.live.ask(move |engine| Ok(engine.members(&name).map_or(0, |it| it.len()))).await? as i64;
        Ok(segment)
    }

    pub(super) async fn create_segment(
        &self,
        caller: Caller,
        request: proto::CreateSegmentRequest,
    ) -> Result<proto::Segment> {
        let given = must(request.segment.as_ref(), "segment")?;
        let now = self.db.clock().now();
        let mut segment = Segment {
            id: chosen_id(&request.segment_id, "segment_id")?,
            version: 1,
            display_name: String::new(),
            description: String::new(),
            rule: String::new(),
            parents: Vec::new(),
            team: given.team.clone(),
            creator: caller.name(),
            create_time: now,
            update_time: now,
            delete_time: None,
        };
        segment.must_be_made_by(&caller)?;
        let mask = Mask::read(None, &[], &with_name(&given))?;
        read(&given, &mask, &mut segment)?;
        if request.validate_only {
            let (checked, caller) = (segment.clone(), caller.clone());
            let check = self.db.read(move |conn| {
                check_needs(conn, &caller, &checked, written(&given, &mask))?;
                match resource::find::<Segment>(conn, &checked.id)? {
                    Some(there) => Err(Error::already_exists(there.full_name())),
                    None => Ok(()),
                }
            });
            check.await?;
            let size = self.would_have(&segment, false).await?;
            return Ok(to_proto(&segment, size, true));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                check_needs(tx, &caller, &segment, written(&given, &mask))?;
                resource::insert(tx, &segment)?;
                store::engine::segment_changed(tx, &segment.id)?;
                Ok(to_proto(&segment, 0, true))
            })
        });
        let answer = write.await?;
        self.after(answer).await
    }

    pub(super) async fn update_segment(
        &self,
        caller: Caller,
        request: proto::UpdateSegmentRequest,
    ) -> Result<proto::Segment> {
        let given = must(request.segment.as_ref(), "segment")?;
        let id = segment_id(&given.name, "segment.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        if request.validate_only {
            let checked = self.db.read(move |conn| {
                let old = store::segment::get_live(conn, &caller, &id)?;
                let new = changed(&caller, &old, &given, &mask, old.update_time)?;
                if redefines(&mask) {
                    check_needs(conn, &caller, &new, written(&given, &mask))?;
                }
                Ok(new)
            });
            let segment = checked.await?;
            let size = self.would_have(&segment, true).await?;
            return Ok(to_proto(&segment, size, true));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                let old: Segment = resource::hold(tx, &id)?;
                let mut new = changed(&caller, &old, &given, &mask, tx.now())?;
                if redefines(&mask) {
                    check_needs(tx, &caller, &new, written(&given, &mask))?;
                }
                resource::update(tx, &mut new)?;
                if (&new.rule, &new.parents) != (&old.rule, &old.parents) {
                    store::engine::segment_changed(tx, &id)?;
                }
                Ok(to_proto(&new, 0, true))
            })
        });
        let answer = write.await?;
        self.after(answer).await
    }

    pub(super) async fn delete_segment(
        &self,
        caller: Caller,
        request: proto::DeleteSegmentRequest,
    ) -> Result<proto::Segment> {
        let id = segment_id(&request.name, "name")?;
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                let mut segment = there(tx, &caller, &id)?;
                resource::check_etag(&segment, &request.etag)?;
                if let Some(user) = user(tx, &id)? {
                    let message = format!("{user} builds on {}: change that first", segment.full_name());
                    return Err(Error::precondition("IN_USE", message));
                }
                segment.delete_time = Some(tx.now());
                write_change(tx, &mut segment)
            })
        });
        let answer = write.await?;
        self.after(answer).await
    }

    pub(super) async fn undelete_segment(
        &self,
        caller: Caller,
        request: proto::UndeleteSegmentRequest,
    ) -> Result<proto::Segment> {
        let id = segment_id(&request.name, "name")?;
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                let mut segment: Segment = resource::hold(tx, &id)?;
                segment.must_be_managed_by(&caller)?;
                if segment.delete_time.is_none() {
                    let message = format!("{} is not deleted", segment.full_name());
                    return Err(Error::precondition("NOT_DELETED", message));
                }
                let rule = Written { text: &segment.rule, tree: None, fields: ("rule", "rule_tree") };
                check_needs(tx, &caller, &segment, rule).map_err(|cause| match cause.field() {
                    Some(_) => Error::precondition("PARENT_DELETED", cause.message()),
                    None => cause,
                })?;
                segment.delete_time = None;
                write_change(tx, &mut segment)
            })
        });
        let answer = write.await?;
        self.after(answer).await
    }
}

/// A new segment takes all fields that are set, and its name at any rate, so that a missing one is named.
fn with_name(given: &proto::Segment) -> Vec<&'static str> {
    let mut set = fields_set(given);
    if !set.contains(&"display_name") {
        set.push("display_name");
    }
    set
}

/// Whether an update is one of the definition: a name can be changed whatever became of what the rule names.
fn redefines(mask: &Mask) -> bool {
    ["rule", "rule_tree", "parents"].iter().any(|field| mask.has(field))
}

/// The segment as it would be after a change.
fn changed(caller: &Caller, old: &Segment, given: &proto::Segment, mask: &Mask, now: i64) -> Result<Segment> {
    old.must_be_managed_by(caller)?;
    if old.delete_time.is_some() {
        return Err(Error::not_found(old.full_name()));
    }
    resource::check_etag(old, &given.etag)?;
    let mut new = old.clone();
    read(given, mask, &mut new)?;
    new.update_time = now;
    Ok(new)
}

fn there(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<Segment> {
    let segment: Segment = resource::hold(tx, id)?;
    segment.must_be_managed_by(caller)?;
    if segment.delete_time.is_some() {
        return Err(Error::not_found(segment.full_name()));
    }
    Ok(segment)
}

fn write_change(tx: &mut Tx<'_>, segment: &mut Segment) -> Result<proto::Segment> {
    segment.update_time = tx.now();
    resource::update(tx, segment)?;
    store::engine::segment_changed(tx, &segment.id)?;
    Ok(to_proto(segment, 0, true))
}
