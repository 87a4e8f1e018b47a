//! Queries: candidates by SQL alone, then bodies only for those that SQL could not decide.
//! Called by `rpc`, and by the calendar service for its own lists of occurrences (`in_range`).

use std::collections::HashMap;

use kontor_kit::db::{Conn, Value};
use kontor_kit::{Error, Result, args};
use kontor_vobject::zone::Zone;

use crate::filter::{Question, Range, needles};
use crate::index::{REACH, wall};
use crate::model::{Collection, Object};
use crate::store::lookup;
use crate::store::object::{self, COLUMNS};
use crate::store::shown;

/// Bytes of bodies that are looked into in one go when none of them is handed on.
const LOOK_BYTES: i64 = 2 * 1024 * 1024;

/// Numbers of objects that may match, in the order of their making; true for those whose times must be looked at.
#[derive(Clone, Debug, Default)]
pub struct Candidates(std::collections::VecDeque<(i64, bool)>);

impl Candidates {
    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The one candidate of a question about one object.
///
/// # Errors
/// NOT_FOUND; those of the database.
pub fn only(conn: &mut Conn<'_>, coll: i64, name: &str, question: &Question) -> Result<Candidates> {
    let object = object::named(conn, coll, name)?.ok_or_else(|| Error::not_found(name))?;
    let candidate = (!question.nothing).then_some((object.num, true));
    Ok(Candidates(candidate.into_iter().collect()))
}

/// Finds the candidates of a question: 16 bytes of memory each.
///
/// # Errors
/// Those of the database.
pub fn candidates(conn: &mut Conn<'_>, collection: &Collection, question: &Question) -> Result<Candidates> {
    if question.nothing {
        return Ok(Candidates::default());
    }
    let coll = collection.num;
    let every = format!("SELECT num FROM {} WHERE coll = $1", shown::rows(coll));
    let mut found = match (question.range, question.card()) {
        (Some(range), _) => by_time(conn, coll, range, &question.zone)?,
        (None, Some(filter)) => match needles(filter) {
            Some(needles) => {
                // Of a collection that shows others all are looked up, and those that it shows are left below.
                let Some(source) = shown::source(conn, coll)? else { return Ok(Candidates::default()) };
                let mut found = all(conn, PARTIAL, args![source, i64::MIN])?;
                for needle in needles {
                    found.extend(lookup::find(conn, source, &needle)?.into_iter().map(|num| (num, false)));
                }
                found
            }
            None => all(conn, &every, args![coll])?,
        },
        (None, None) => all(conn, &every, args![coll])?,
    };
    // A sure one beside an unsure one of the same number comes first and stays, for false is before true.
    found.sort_unstable();
    found.dedup_by_key(|(num, _)| *num);
    Ok(Candidates(found.into()))
}

/// The next hits of a question, some of them or none; None at the end. `most` candidates are looked at; with bodies, as many as one chunk may hold.
///
/// # Errors
/// Those of the database.
pub fn next(
    conn: &mut Conn<'_>,
    collection: &Collection,
    question: &mut Question,
    candidates: &mut Candidates,
    with_data: bool,
    most: i64,
) -> Result<Option<Vec<Object>>> {
    next_shown(conn, collection, question, candidates, with_data, most, |_| {})
}

/// As `next`, for objects that are shown in another form than they are kept in: `show` makes it of those whose bodies were read, and the
/// question is asked of that. It may take nothing away or add that says when.
///
/// # Errors
/// Those of the database.
pub fn next_shown(
    conn: &mut Conn<'_>,
    collection: &Collection,
    question: &mut Question,
    candidates: &mut Candidates,
    with_data: bool,
    most: i64,
    mut show: impl FnMut(&mut Object),
) -> Result<Option<Vec<Object>>> {
    let queue = &mut candidates.0;
    if queue.is_empty() {
        return Ok(None);
    }
    let group: Vec<(i64, bool)> = queue.iter().copied().take(most as usize).collect();
    let room = if with_data { object::CHUNK_BYTES } else { LOOK_BYTES };
    let mut found = by_nums(conn, collection.num, &group)?;
    let needs_body = |unsure: bool| with_data || question.residual || unsure;
    let mut bytes = 0;
    let mut hits: Vec<(Object, bool)> = Vec::with_capacity(group.len());
    for (num, unsure) in &group {
        if bytes >= room {
            break;
        }
        queue.pop_front();
        let Some(object) = found.remove(num) else { continue };
        if question.component.as_ref().is_some_and(|component| *component != object.component) {
            continue;
        }
        if needs_body(*unsure) {
            bytes += object.size;
        }
        hits.push((object, *unsure));
    }
    let wanting = hits.iter_mut().filter(|(_, unsure)| needs_body(*unsure)).map(|(object, _)| object);
    object::load(conn, wanting)?;
    hits.iter_mut().filter(|(object, _)| !object.data.is_empty()).for_each(|(object, _)| show(object));
    let range = question.range;
    hits.retain(|(object, unsure)| {
        let timely = range.is_none_or(|range| !unsure || question.overlaps(&object.data, range));
        timely && (!question.residual || question.matches(&object.data))
    });
    let mut objects: Vec<Object> = hits.into_iter().map(|(object, _)| object).collect();
    if !with_data {
        objects.iter_mut().for_each(|object| object.data = bytes::Bytes::new());
    }
    Ok(Some(objects))
}

/// The objects of a collection that have something in `[from, to)` (microseconds UTC), with their bodies. Floating times and
/// days are taken in `zone`. `component` may be empty for any. Some may turn out to have nothing there when expanded:
/// those whose expansion is too much work.
///
/// # Errors
/// Those of the database.
pub fn in_range(
    conn: &mut Conn<'_>,
    collection: &Collection,
    component: &str,
    from: i64,
    to: i64,
    zone: &Zone,
    mut look: impl FnMut(Object) -> Result<()>,
) -> Result<()> {
    let mut question = Question::in_range(component, Range { from, to }, zone);
    let mut candidates = candidates(conn, collection, &question)?;
    while let Some(hits) = next(conn, collection, &mut question, &mut candidates, true, object::chunk(true))?
    {
        hits.into_iter().try_for_each(&mut look)?;
    }
    Ok(())
}

fn all(conn: &mut Conn<'_>, sql: &str, args: &[Value]) -> Result<Vec<(i64, bool)>> {
    conn.all(sql, args, |row| Ok((row.int(0)?, false)))
}

fn by_nums(conn: &mut Conn<'_>, coll: i64, group: &[(i64, bool)]) -> Result<HashMap<i64, Object>> {
    let (places, count) = object::places(group.len(), 1);
    let mut args = object::padded(group.iter().map(|(num, _)| Value::from(*num)), count);
    let mut sql = format!("SELECT {COLUMNS} FROM {} o WHERE o.num IN ({places})", shown::rows(coll));
    if coll < 0 {
        // An object is shown in many.
        args.push(coll.into());
        sql = format!("{sql} AND o.coll = ${}", args.len());
    }
    let mut found = HashMap::with_capacity(group.len());
    conn.each(&sql, &args, |row| {
        let object = object::read(row)?;
        if object.coll == coll {
            found.insert(object.num, object);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Objects with something in a range. Those of which the table does not tell all are unsure.
fn by_time(conn: &mut Conn<'_>, coll: i64, range: Range, zone: &Zone) -> Result<Vec<(i64, bool)>> {
    let (from, to) = (range.from, range.to);
    let floating = Range { from: floor(zone, from), to: floor(zone, to) };
    if to == i64::MAX {
        // Nothing is behind the last moment of an object, so an open end needs no occurrences. The last moment of a long
        // series is only an upper bound.
        return conn.all(
            "SELECT num, partial, last_utc FROM object WHERE coll = $1 AND comp <> 'VCARD' AND last_utc > $2
             AND last_utc > CASE floating WHEN 1 THEN $3 ELSE $4 END",
            args![coll, from.min(floating.from), floating.from, from],
            |row| Ok((row.int(0)?, row.bool(1)? && row.int(2)? < i64::MAX)),
        );
    }
    let early = |from: i64, class: usize| from.saturating_sub(REACH[class]).saturating_sub(1);
    let mut found = all(
        conn,
        OVERLAPPING,
        args![
            coll,
            early(from, 0),
            early(from, 1),
            from,
            to,
            early(floating.from, 0),
            early(floating.from, 1),
            floating.from,
            floating.to
        ],
    )?;
    // The rest of the long series. Two days are more than any zone differs from UTC.
    const SLACK: i64 = 2 * 86_400 * 1_000_000;
    let wide = Range { from: from.saturating_sub(SLACK), to: to.saturating_add(SLACK) };
    let rest = conn.all(
        "SELECT num FROM object WHERE coll = $1 AND partial = 1 AND first_utc < $3 AND last_utc > $2
         AND (expanded_to < $3 OR expanded_from > $2)",
        args![coll, wide.from, wide.to],
        |row| Ok((row.int(0)?, true)),
    )?;
    found.extend(rest);
    Ok(found)
}

/// Objects that the indexes don't tell all of. The last moment is named because the small index of these begins with it.
const PARTIAL: &str = "SELECT num FROM object WHERE coll = $1 AND partial = 1 AND last_utc >= $2";

/// One look into each class of `index::span`: short ones need only be looked for shortly before the range.
const OVERLAPPING: &str = "\
    SELECT object FROM occurrence WHERE coll = $1 AND class = 0 AND start_utc > $2 AND start_utc < $5 AND end_utc > $4 UNION ALL
    SELECT object FROM occurrence WHERE coll = $1 AND class = 1 AND start_utc > $3 AND start_utc < $5 AND end_utc > $4 UNION ALL
    SELECT object FROM occurrence WHERE coll = $1 AND class = 2 AND start_utc < $5 AND end_utc > $4 UNION ALL
    SELECT object FROM occurrence WHERE coll = $1 AND class = 3 AND start_utc > $6 AND start_utc < $9 AND end_utc > $8 UNION ALL
    SELECT object FROM occurrence WHERE coll = $1 AND class = 4 AND start_utc > $7 AND start_utc < $9 AND end_utc > $8 UNION ALL
    SELECT object FROM occurrence WHERE coll = $1 AND class = 5 AND start_utc < $9 AND end_utc > $8";

/// An instant as floating times are kept; open ends stay open.
fn floor(zone: &Zone, at: i64) -> i64 {
    if at == i64::MIN || at == i64::MAX { at } else { wall(zone, at) }
}
