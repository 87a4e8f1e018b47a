//! Erasures of partners in the database: what begins one, its report, and the names that lead to nothing any more.
//! Called by rpc/erasure.rs and events.rs; what is erased in batches stands in erasure_steps.rs.

use kontor_collection::store::collection;
use kontor_collection::{COMPANY, Conditions, write};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::erase::{self, Person, is_one_of};
use kontor_kit::outbox::NewEvent;
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args, clock, id};
use kontor_proto::directory::v1::{
    ErasedCount, PartnerDataErased, PartnerErased, PartnerErasureBegun, PartnerErasureDone,
};

use super::card::{Cards, Stored, company_book, find};
use super::{consent, contact, merge, partner};
use crate::domain::erasure::Keys;

/// An erasure.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Id; empty when nothing was erased.
    pub id: String,
    /// "partners/{id}" of the one that had swallowed the others.
    pub partner: String,
    /// "partners/{id}" of those.
    pub merged: Vec<String>,
    /// "users/{user}".
    pub actor: String,
    /// Number of ErasureReason.
    pub reason: i64,
    /// What the administrator wrote.
    pub note: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC; 0 while it is not done.
    pub done_time: i64,
    /// One for each service, in their order.
    pub services: Vec<Part>,
}

/// What one service did.
#[derive(Clone, Debug)]
pub struct Part {
    /// "pipeline"
    pub service: String,
    /// Microseconds UTC; 0 while it is not done.
    pub done_time: i64,
    /// Kinds and numbers.
    pub counts: Vec<ErasedCount>,
    /// What it waits for, in words; empty when for nothing.
    pub waits_for: String,
}

const COLUMNS: &str = "id, partner, merged, actor, reason, note, create_time, done_time";

const LISTING: Listing = Listing {
    table: "erasure",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[Field::order("create_time", "create_time", Kind::Time)],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// A page of erasures.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Erasure>> {
    let mut page = LISTING.run(conn, caller, query, ("1 = 1".to_owned(), Vec::new()), |row| read(row, 2))?;
    for erasure in &mut page.rows {
        erasure.services = parts(conn, &erasure.id)?;
    }
    Ok(page)
}

/// One erasure.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, id: &str) -> Result<Erasure> {
    let sql = format!("SELECT {COLUMNS} FROM erasure WHERE id = $1");
    let found = conn.one(&sql, args![id], |row| read(row, 0))?;
    let mut erasure = found.ok_or_else(|| Error::not_found(format!("erasures/{id}")))?;
    erasure.services = parts(conn, id)?;
    Ok(erasure)
}

/// Whether a name ("partners/{id}") is that of an erased partner.
///
/// # Errors
/// Those of the database.
pub fn is_erased(conn: &mut Conn<'_>, partner: &str) -> Result<bool> {
    if partner.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM erased_partner WHERE partner = $1";
    Ok(conn.one(sql, args![partner], |_| Ok(()))?.is_some())
}

/// Who asks for an erasure, and why.
pub struct Wish {
    /// The partner's etag, or empty.
    pub etag: String,
    /// Number of ErasureReason.
    pub reason: i64,
    /// What the administrator wrote.
    pub note: String,
    /// Services that erase their own: the erasure is done when all of them are.
    pub services: Vec<String>,
}

/// The partner that is meant, and all names that lead to it, itself first.
fn meant(conn: &mut Conn<'_>, id: &str, etag: &str) -> Result<(Stored, Vec<String>)> {
    let row = partner::resolve(conn, id)?;
    if !etag.is_empty() && etag != row.etag {
        return Err(Error::etag_mismatch(format!("partners/{}", row.id)));
    }
    let mut ids = vec![row.id.clone()];
    ids.extend(merge::all_merged(conn, &row.id)?);
    Ok((row, ids))
}

/// What the directory would erase.
///
/// # Errors
/// NOT_FOUND; ABORTED on a stale etag.
pub fn preview(conn: &mut Conn<'_>, caller: &Caller, id: &str, wish: &Wish, now: i64) -> Result<Erasure> {
    let (_, ids) = meant(conn, id, &wish.etag)?;
    let mut args = Vec::new();
    let merges = is_one_of("survivor", &ids, &mut args);
    let sql = format!("SELECT COUNT(*) FROM partner_merge WHERE {merges}");
    let merges = conn.one(&sql, &args, |row| row.int(0))?.unwrap_or(0);
    let names = names(&ids);
    let live = conn.one("SELECT live FROM timeline_state WHERE id = 1", &[], |row| row.int(0))?;
    let mut args = args![live.unwrap_or(0)].to_vec();
    let of = is_one_of("partner", &names, &mut args);
    let sql = format!("SELECT COUNT(*) FROM timeline WHERE generation = $1 AND {of}");
    let entries = conn.one(&sql, &args, |row| row.int(0))?.unwrap_or(0);
    let cards = i64::try_from(ids.len()).unwrap_or(0);
    let consents = consent::count(conn, &ids)?;
    let counts =
        [("cards", cards), ("consents", consents), ("merges", merges), ("timeline entries", entries)];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let own = Part {
        service: "directory".to_owned(),
        done_time: 0,
        counts: counts.map(|(kind, count)| ErasedCount { kind: kind.to_owned(), count }).collect(),
        waits_for: String::new(),
    };
    let mut erasure = new(caller, String::new(), &names, wish, now);
    erasure.services = vec![own];
    Ok(erasure)
}

/// Takes the partner's card away, so that no name leads to it any more, and begins the erasure of all the rest.
///
/// # Errors
/// NOT_FOUND; ABORTED on a stale etag.
pub fn begin(tx: &mut Tx<'_>, cards: &Cards, caller: &Caller, id: &str, wish: &Wish) -> Result<Erasure> {
    // No merge and no change of a card in between.
    collection::lock(tx, &company_book())?;
    let (row, ids) = meant(tx, id, &wish.etag)?;
    let names = names(&ids);
    let mut erasure = new(caller, id::new(), &names, wish, tx.now());
    let person = Person { services: wish.services.clone(), ..person(tx, &erasure, &ids)? };
    let object = contact::object(tx, caller, COMPANY, &row.id, &erasure.partner)?;
    let consents = consent::count(tx, &ids[..1])?;
    write::delete(tx, cards, caller, &company_book(), &object.name, &Conditions::none())?;
    let mut args = Vec::new();
    let sql = format!("DELETE FROM partner_merge WHERE {}", is_one_of("survivor", &ids, &mut args));
    let merges = i64::try_from(tx.execute(&sql, &args)?).unwrap_or(0);
    insert(tx, &erasure, &names, &wish.services)?;
    erase::begin(tx, &person, &[("cards", 1), ("consents", consents), ("merges", merges)])?;
    let told = PartnerErased { erasure: person.erasure.clone(), partners: names };
    let event = NewEvent::new("directory", &erasure.partner, &Guard::company(), &told);
    tx.publish(event.partner(&erasure.partner).actor(caller.name()));
    // No user has this name, so only services and administrators are sent it.
    let nobody = Guard::new("users/", "");
    let event = NewEvent::new("directory", &erasure.partner, &nobody, &person);
    tx.publish(event.partner(&erasure.partner).actor(caller.name()));
    erasure.services = parts(tx, &erasure.id)?;
    Ok(erasure)
}

fn new(caller: &Caller, id: String, names: &[String], wish: &Wish, now: i64) -> Erasure {
    Erasure {
        id,
        partner: names.first().cloned().unwrap_or_default(),
        merged: names.iter().skip(1).cloned().collect(),
        actor: caller.name(),
        reason: wish.reason,
        note: wish.note.clone(),
        create_time: now,
        done_time: 0,
        services: Vec::new(),
    }
}

fn names(ids: &[String]) -> Vec<String> {
    ids.iter().map(|id| format!("partners/{id}")).collect()
}

/// By what the services find the data: no address and no number that somebody else has too.
fn person(tx: &mut Tx<'_>, erasure: &Erasure, ids: &[String]) -> Result<Person> {
    let mut keys = Keys::default();
    for id in ids {
        if let Some(row) = find(tx, id)? {
            keys.add(&row.fields);
        }
    }
    let own = ids.first().cloned().unwrap_or_default();
    let mut only = |sql: &str, words: Vec<String>| -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for word in words {
            if tx.one(sql, args![&word, &own], |_| Ok(()))?.is_none() {
                kept.push(word);
            }
        }
        Ok(kept)
    };
    let emails = only("SELECT 1 FROM card_email WHERE address = $1 AND card <> $2 LIMIT 1", keys.emails)?;
    let phones = only("SELECT 1 FROM card_phone WHERE e164 = $1 AND card <> $2 LIMIT 1", keys.phones)?;
    Ok(PartnerErasureBegun {
        erasure: format!("erasures/{}", erasure.id),
        partners: names(ids),
        emails,
        phones,
        display_names: keys.display_names,
        actor: erasure.actor.clone(),
        services: Vec::new(),
        begin_time: Some(clock::to_proto(erasure.create_time)),
    })
}

fn insert(tx: &mut Tx<'_>, erasure: &Erasure, names: &[String], services: &[String]) -> Result<()> {
    tx.execute(
        "INSERT INTO erasure (id, partner, merged, actor, reason, note, create_time, done_time, begun)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)",
        args![
            &erasure.id,
            &erasure.partner,
            erasure.merged.join("\n"),
            &erasure.actor,
            erasure.reason,
            &erasure.note,
            erasure.create_time
        ],
    )?;
    for service in services {
        tx.execute(
            "INSERT INTO erasure_service (erasure, service, done_time, counts, waits_for) VALUES ($1, $2, 0, '', '')",
            args![&erasure.id, service],
        )?;
    }
    for name in names {
        tx.execute(
            "INSERT INTO erased_partner (partner, erasure) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![name, &erasure.id],
        )?;
    }
    Ok(())
}

/// Notes where the event stands by which the services find the data: it is emptied in the end.
///
/// # Errors
/// Those of the database.
pub fn begun(tx: &mut Tx<'_>, person: &Person, sequence: i64) -> Result<()> {
    let id = person.erasure.strip_prefix("erasures/").unwrap_or_default();
    tx.execute("UPDATE erasure SET begun = $2 WHERE id = $1", args![id, sequence])?;
    empty_when_done(tx, id)
}

/// Takes a service's report: what it waits for, or that it is done. The first one of these counts.
///
/// # Errors
/// Those of the database.
pub fn report(tx: &mut Tx<'_>, service: &str, erased: &PartnerDataErased) -> Result<()> {
    let id = erased.erasure.strip_prefix("erasures/").unwrap_or_default();
    if !erased.done && !erased.waits_for.is_empty() {
        let sql =
            "UPDATE erasure_service SET waits_for = $3 WHERE erasure = $1 AND service = $2 AND done_time = 0";
        tx.execute(sql, args![id, service, &erased.waits_for])?;
    }
    if !erased.done {
        return Ok(());
    }
    // Reports come one after the other, from several processes too: one of them is the last.
    tx.execute("UPDATE erasure SET begun = begun WHERE id = $1", args![id])?;
    let now = tx.now();
    let counts: Vec<String> =
        erased.counts.iter().map(|counted| format!("{}={}", counted.kind, counted.count)).collect();
    let new = tx.execute(
        "UPDATE erasure_service SET done_time = $3, counts = $4, waits_for = '' WHERE erasure = $1 AND service = $2 AND done_time = 0",
        args![id, service, now, counts.join("\n")],
    )?;
    let sql = "SELECT COUNT(*) FROM erasure_service WHERE erasure = $1 AND done_time = 0";
    let open = tx.one(sql, args![id], |row| row.int(0))?.unwrap_or(0);
    if new == 0 || open > 0 {
        return Ok(());
    }
    tx.execute("UPDATE erasure SET done_time = $2 WHERE id = $1", args![id, now])?;
    tx.publish(NewEvent::new("directory", &erased.erasure, &Guard::company(), &PartnerErasureDone {}));
    empty_when_done(tx, id)
}

fn empty_when_done(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    let sql = "SELECT begun FROM erasure WHERE id = $1 AND begun > 0 AND done_time > 0";
    match tx.one(sql, args![id], |row| row.int(0))? {
        Some(sequence) => erase::empty(tx, sequence),
        None => Ok(()),
    }
}

fn parts(conn: &mut Conn<'_>, id: &str) -> Result<Vec<Part>> {
    let sql = "SELECT service, done_time, counts, waits_for FROM erasure_service WHERE erasure = $1 ORDER BY service";
    conn.all(sql, args![id], |row| {
        let counted = |line: &str| {
            let (kind, count) = line.split_once('=')?;
            Some(ErasedCount { kind: kind.to_owned(), count: count.parse().ok()? })
        };
        Ok(Part {
            service: row.string(0)?,
            done_time: row.int(1)?,
            counts: row.text(2)?.lines().filter_map(counted).collect(),
            waits_for: row.string(3)?,
        })
    })
}

fn read(row: &Row<'_>, from: usize) -> Result<Erasure> {
    Ok(Erasure {
        id: row.string(from)?,
        partner: row.string(from + 1)?,
        merged: row.text(from + 2)?.lines().map(str::to_owned).collect(),
        actor: row.string(from + 3)?,
        reason: row.int(from + 4)?,
        note: row.string(from + 5)?,
        create_time: row.int(from + 6)?,
        done_time: row.int(from + 7)?,
        services: Vec::new(),
    })
}
