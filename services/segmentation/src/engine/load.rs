//! Builds the engine from the tables, and reads single definitions.
//! Called by work.rs and by the RPCs that check definitions.

use kontor_kit::db::{Conn, Db};
use kontor_kit::{Error, Result};

use super::{list_names, segment_name};
use crate::domain::membership::{ContactList, Definition, Engine};
use crate::domain::rule::Rule;
use crate::domain::segment::Segment;
use crate::store;

/// Partners that are read at once.
const RANGE: i64 = 5_000;

/// How a segment is made, as the engine wants it.
///
/// # Errors
/// INTERNAL when its rule, which was checked when it was saved, is none.
pub fn definition(segment: &Segment) -> Result<Definition> {
    let rule = match segment.rule.as_str() {
        "" => None,
        text => Some(Rule::parse(text).map_err(|cause| {
            Error::internal(format!("the rule of {} is none: {cause}", segment.full_name()))
        })?),
    };
    let (included, excluded) = list_names(&segment.id);
    Ok(Definition {
        rule,
        parents: segment.parents.iter().map(|parent| segment_name(parent)).collect(),
        include: vec![included],
        exclude: vec![excluded],
    })
}

/// All of it, as it is at an entry of the log. Changes that come while it is read stand in the log behind that, and are read again.
///
/// # Errors
/// Those of the database.
pub(super) async fn engine(db: &Db, now: i64) -> Result<(Engine, i64)> {
    let (cursor, end) =
        db.read(|conn| Ok((store::engine::state(conn)?.head, store::engine::next_ord(conn)?))).await?;
    let mut engine = Engine::default();
    let mut from = 0;
    while from < end {
        let until = from + RANGE;
        for (ord, facts) in db.read(move |conn| store::read::range(conn, from, until)).await? {
            engine.load(ord, &facts);
        }
        from = until;
    }
    let (lists, segments) = db.read(definitions).await?;
    let built = tokio::task::spawn_blocking(move || {
        engine.load_definitions(lists, segments).map_err(|cause| Error::internal(cause.to_string()))?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        engine.rebuild(now, threads);
        Ok::<_, Error>(engine)
    });
    Ok((built.await.map_err(Error::internal)??, cursor))
}

type Definitions = (Vec<(String, ContactList)>, Vec<(String, Definition)>);

fn definitions(conn: &mut Conn<'_>) -> Result<Definitions> {
    let (mut lists, mut definitions) = (Vec::new(), Vec::new());
    for segment in store::segment::all_live(conn)? {
        let (included, excluded) = store::entry::lists(conn, &segment.id)?;
        let (of_included, of_excluded) = list_names(&segment.id);
        lists.extend([(of_included, included), (of_excluded, excluded)]);
        definitions.push((segment_name(&segment.id), definition(&segment)?));
    }
    Ok((lists, definitions))
}
