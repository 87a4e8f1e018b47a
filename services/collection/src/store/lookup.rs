//! What filters look for in cards: folded values, and every three letters in a row of them, so that a part of a value is found
//! without reading all values. Written by `store::occurrence`, read by `store::query`.

use std::collections::BTreeSet;

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Result, args};

use crate::filter::{Needle, Part};
use crate::index::Lookup;
use crate::model::Object;
use crate::store::object;
use crate::store::rows;

/// Rows of one gram that are counted at most, to find out which is rare.
const COUNTED: i64 = 300;
/// Grams of a needle that are looked at; a longer needle is not found sooner by more of them.
const LOOKED_AT: usize = 12;

/// Three letters in a row, the low byte of each. Letters that fall together give a few hits too many, which are looked into.
fn grams(value: &str) -> impl Iterator<Item = i64> {
    let low = |letter: char| i64::from(u32::from(letter) & 0xff);
    let rest = |skip: usize| value.chars().skip(skip).map(low);
    rest(0).zip(rest(1)).zip(rest(2)).map(|((first, second), third)| first << 16 | second << 8 | third)
}

fn all_grams(lookups: &[Lookup]) -> BTreeSet<i64> {
    lookups.iter().flat_map(|lookup| grams(&lookup.value)).collect()
}

/// Makes the rows of an object those of `new`, which is sorted and has nothing twice. Writes only what differs.
pub(super) fn write(tx: &mut Tx<'_>, object: &Object, new: &[Lookup], existed: bool) -> Result<()> {
    let old = if existed { of(tx, object.num)? } else { Vec::new() };
    if old == new {
        return Ok(());
    }
    if !old.is_empty() {
        tx.execute("DELETE FROM lookup WHERE object = $1", args![object.num])?;
    }
    let values = new
        .iter()
        .map(|lookup| [object.coll.into(), lookup.kind.into(), (&lookup.value).into(), object.num.into()]);
    rows::insert(tx, "lookup (coll, kind, value, object)", values)?;
    let (before, after) = (all_grams(&old), all_grams(new));
    forget(tx, object, &before - &after)?;
    note(tx, object.coll, object.num, &after - &before)
}

/// Removes all rows of an object.
pub(super) fn clear(tx: &mut Tx<'_>, object: &Object) -> Result<()> {
    write(tx, object, &[], true)
}

/// Takes all rows of an object along into another collection.
pub(super) fn carry(tx: &mut Tx<'_>, object: &Object, coll: i64) -> Result<()> {
    let grams = all_grams(&of(tx, object.num)?);
    forget(tx, object, grams.clone())?;
    note(tx, coll, object.num, grams)?;
    tx.execute("UPDATE lookup SET coll = $2 WHERE object = $1", args![object.num, coll])?;
    Ok(())
}

fn of(tx: &mut Tx<'_>, object: i64) -> Result<Vec<Lookup>> {
    let sql = "SELECT kind, value FROM lookup WHERE object = $1";
    let mut found =
        tx.all(sql, args![object], |row| Ok(Lookup { kind: row.int(0)?, value: row.string(1)? }))?;
    found.sort_unstable();
    Ok(found)
}

fn note(tx: &mut Tx<'_>, coll: i64, object: i64, grams: BTreeSet<i64>) -> Result<()> {
    let grams: Vec<i64> = grams.into_iter().collect();
    let row = |gram: &i64| [coll.into(), (*gram).into(), object.into()];
    rows::insert(tx, "gram (coll, gram, object)", grams.iter().map(row))
}

fn forget(tx: &mut Tx<'_>, object: &Object, grams: BTreeSet<i64>) -> Result<()> {
    let grams: Vec<i64> = grams.into_iter().collect();
    for some in grams.chunks(128) {
        let (places, count) = object::places(some.len(), 3);
        let mut args = vec![Value::from(object.coll), Value::from(object.num)];
        args.extend(object::padded(some.iter().map(|gram| Value::from(*gram)), count));
        let sql = format!("DELETE FROM gram WHERE coll = $1 AND object = $2 AND gram IN ({places})");
        tx.execute(&sql, &args)?;
    }
    Ok(())
}

/// The objects with a value like the needle's.
pub(super) fn find(conn: &mut Conn<'_>, coll: i64, needle: &Needle) -> Result<Vec<i64>> {
    let (kind, text) = (needle.kind, &needle.text);
    match needle.part {
        Part::Whole => {
            let sql = "SELECT object FROM lookup WHERE coll = $1 AND kind = $2 AND value = $3";
            nums(conn, sql, args![coll, kind, text])
        }
        Part::Start => match behind(text) {
            Some(behind) => {
                let sql =
                    "SELECT object FROM lookup WHERE coll = $1 AND kind = $2 AND value >= $3 AND value < $4";
                nums(conn, sql, args![coll, kind, text, &behind])
            }
            None => scan(conn, coll, needle),
        },
        Part::End | Part::Any => match rarest(conn, coll, text)? {
            Some([one, two, three]) => {
                let sql = r"SELECT g.object FROM gram g WHERE g.coll = $1 AND g.gram = $2
                     AND EXISTS (SELECT 1 FROM gram h WHERE h.coll = $1 AND h.gram = $3 AND h.object = g.object)
                     AND EXISTS (SELECT 1 FROM gram h WHERE h.coll = $1 AND h.gram = $4 AND h.object = g.object)
                     AND EXISTS (SELECT 1 FROM lookup l WHERE l.object = g.object AND l.kind = $5 AND l.value LIKE $6 ESCAPE '\')";
                nums(conn, sql, args![coll, one, two, three, kind, &needle.pattern()])
            }
            None => scan(conn, coll, needle),
        },
    }
}

/// Reads all values of a kind: for needles of one or two letters.
fn scan(conn: &mut Conn<'_>, coll: i64, needle: &Needle) -> Result<Vec<i64>> {
    let sql = r"SELECT object FROM lookup WHERE coll = $1 AND kind = $2 AND value LIKE $3 ESCAPE '\'";
    nums(conn, sql, args![coll, needle.kind, &needle.pattern()])
}

/// Three grams of a text that few objects have, the rarest first; the same one again where there are fewer. None when it is too short.
fn rarest(conn: &mut Conn<'_>, coll: i64, text: &str) -> Result<Option<[i64; 3]>> {
    let all: BTreeSet<i64> = grams(text).collect();
    let step = all.len().div_ceil(LOOKED_AT).max(1);
    let mut counted = Vec::new();
    for gram in all.into_iter().step_by(step) {
        let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM gram WHERE coll = $1 AND gram = $2 LIMIT $3) few";
        let count = conn.one(sql, args![coll, gram, COUNTED], |row| row.int(0))?.unwrap_or(0);
        counted.push((count, gram));
        if count == 0 {
            break;
        }
    }
    counted.sort_unstable();
    let at = |place: usize| counted.get(place).or(counted.first()).map(|(_, gram)| *gram);
    Ok(at(0).zip(at(1)).zip(at(2)).map(|((one, two), three)| [one, two, three]))
}

/// The least text that is behind everything that begins with `text`, in the order of bytes.
fn behind(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    while let Some(last) = letters.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

fn nums(conn: &mut Conn<'_>, sql: &str, args: &[Value]) -> Result<Vec<i64>> {
    conn.all(sql, args, |row| row.int(0))
}

#[cfg(test)]
mod tests {
    use super::{behind, grams};

    #[test]
    fn grams_are_all_three_letters_in_a_row() {
        assert_eq!(grams("anna").collect::<Vec<_>>(), [0x61_6e_6e, 0x6e_6e_61]);
        assert_eq!(grams("né").count(), 0);
        assert_eq!(grams("").count(), 0);
    }

    #[test]
    fn what_begins_with_a_text_is_before_the_text_behind() {
        assert_eq!(behind("ab").as_deref(), Some("ac"));
        assert_eq!(behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(behind("a\u{d7ff}").as_deref(), Some("a\u{e000}"), "no letter is between them");
        assert_eq!(behind(""), None);
    }
}
