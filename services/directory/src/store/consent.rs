//! Consents in the database: each word a row, and what counts of them for the partners that are there.
//! Called by rpc/consent.rs and rpc/partner.rs, and by merges, deletions and erasures of partners.

use std::collections::{BTreeMap, HashMap};

use kontor_collection::Access;
use kontor_collection::store::collection;
use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::erase::is_one_of;
use kontor_kit::outbox::NewEvent;
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args, clock, id};
use kontor_proto::directory::v1::ConsentChanged;

use super::card::company_book;
use super::{merge, partner};
use crate::domain::consent::{Standing, State};

/// Words of one partner about one purpose that are kept. A withdrawal more takes the place of the one before it.
const WORDS: i64 = 1_000;
/// Purposes of one partner for a word that agrees.
const PURPOSES: usize = 100;
/// Purposes of one partner with those that it only withdrew from.
const WITHDRAWN: usize = 1_000;
/// The columns that `read` reads.
const COLUMNS: &str = "id, partner, purpose, state, state_time, source, actor, create_time";
/// Partners whose standings are read by one statement.
const AT_ONCE: usize = 500;

const STATES: &[(&str, i64)] =
    &[("CONSENT_STATE_GRANTED", 1), ("CONSENT_STATE_WITHDRAWN", 2), ("GRANTED", 1), ("WITHDRAWN", 2)];

/// One word of a partner.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Id.
    pub id: String,
    /// Id of the partner that it was written down for.
    pub partner: String,
    /// What for.
    pub purpose: String,
    /// What was said.
    pub state: State,
    /// When, in microseconds UTC.
    pub state_time: i64,
    /// Where.
    pub source: String,
    /// "users/{user}", or empty.
    pub actor: String,
    /// When it was written down, in microseconds UTC.
    pub create_time: i64,
    /// Whether it is the one that counts.
    pub present: bool,
}

impl Consent {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("partners/{}/consents/{}", self.partner, self.id)
    }

    fn standing(&self) -> Standing {
        let (purpose, consent) = (self.purpose.clone(), self.id.clone());
        Standing { purpose, state: self.state, state_time: self.state_time, consent }
    }
}

const LISTING: Listing = Listing {
    table: "consent",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("purpose", "purpose", Kind::Text),
        Field::filter("state", "state", Kind::Enum(STATES)),
        Field::order("state_time", "state_time", Kind::Time),
    ],
    default_order: "state_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// All that a partner said, and those that went into it.
///
/// # Errors
/// NOT_FOUND; INVALID_ARGUMENT naming page_size, page_token or filter.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, partner: &str, query: &Query) -> Result<Page<Consent>> {
    let row = partner::resolve(conn, partner)?;
    let mut ids = vec![row.id.clone()];
    ids.extend(merge::all_merged(conn, &row.id)?);
    let mut args = Vec::new();
    let of = is_one_of("partner", &ids, &mut args);
    let mut page = LISTING.run(conn, caller, query, (of, args), |row| read(row, 2))?;
    let present = standings(conn, std::slice::from_ref(&row.id))?.remove(&row.id).unwrap_or_default();
    for consent in &mut page.rows {
        consent.present = present.iter().any(|standing| standing.consent == consent.id);
    }
    Ok(page)
}

/// What counts for partners, by their ids; those of whom nothing is known are not there.
///
/// # Errors
/// Those of the database.
pub fn standings(conn: &mut Conn<'_>, partners: &[String]) -> Result<HashMap<String, Vec<Standing>>> {
    let mut found: HashMap<String, Vec<Standing>> = HashMap::new();
    for some in partners.chunks(AT_ONCE) {
        let mut args = Vec::new();
        let of = is_one_of("partner", some, &mut args);
        let sql = format!(
            "SELECT partner, purpose, state, state_time, consent FROM consent_state WHERE {of} ORDER BY partner, purpose"
        );
        conn.each(&sql, &args, |row| {
            found.entry(row.string(0)?).or_default().push(standing(row, 1)?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// Writes down a word of a partner; a name that leads to another partner is followed for what counts.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED for who may not change partners; RESOURCE_EXHAUSTED.
pub fn set(tx: &mut Tx<'_>, caller: &Caller, said: Consent) -> Result<Consent> {
    // No merge in between: what counts is worked out for the partner that is there.
    collection::lock(tx, &company_book())?;
    let survivor = partner::resolve(tx, &said.partner)?.id;
    let (_, access) = collection::find(tx, caller, &company_book())?;
    if access < Access::Write {
        return Err(Error::denied("you may not change partners"));
    }
    let present = standings(tx, std::slice::from_ref(&survivor))?.remove(&survivor).unwrap_or_default();
    let is_new = !present.iter().any(|standing| standing.purpose == said.purpose);
    let is_withdrawal = said.state == State::Withdrawn;
    if is_new && present.len() >= if is_withdrawal { WITHDRAWN } else { PURPOSES } {
        return Err(too_many());
    }
    let sql = "SELECT COUNT(*) FROM consent WHERE partner = $1 AND purpose = $2";
    if tx.one(sql, args![&said.partner, &said.purpose], |row| row.int(0))?.unwrap_or(0) >= WORDS {
        match last_withdrawal(tx, &said.partner, &said.purpose)? {
            _ if !is_withdrawal => return Err(too_many()),
            // It says what is known, and no more rows of it are needed.
            Some(mut last) if last.state_time >= said.state_time => {
                last.present = present.iter().any(|standing| standing.consent == last.id);
                return Ok(last);
            }
            Some(last) => drop_word(tx, &last)?,
            None => {}
        }
    }
    let mut said = Consent { id: id::new(), create_time: tx.now(), actor: caller.name(), ..said };
    insert(tx, &said)?;
    let new = said.standing();
    let old = present.iter().find(|standing| standing.purpose == said.purpose);
    said.present = old.is_none_or(|old| new.compare(old).is_gt());
    if said.present {
        put(tx, &survivor, &new)?;
        tell(tx, caller, &survivor, &said.purpose, Some(&new), &said.full_name());
    }
    Ok(said)
}

fn too_many() -> Error {
    let message = format!(
        "a partner has at most {PURPOSES} purposes, {WITHDRAWN} with those of withdrawals, and said at most {WORDS} words about one"
    );
    Error::new(tonic::Code::ResourceExhausted, "TOO_MANY", message)
}

/// What was said last by a name about a purpose.
fn last_word(conn: &mut Conn<'_>, partner: &str, purpose: &str) -> Result<Option<Consent>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM consent WHERE partner = $1 AND purpose = $2
         ORDER BY state_time DESC, state DESC, id DESC LIMIT 1"
    );
    conn.one(&sql, args![partner, purpose], |row| read(row, 0))
}

fn last_withdrawal(conn: &mut Conn<'_>, partner: &str, purpose: &str) -> Result<Option<Consent>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM consent WHERE partner = $1 AND purpose = $2 AND state = $3
         ORDER BY state_time DESC, id DESC LIMIT 1"
    );
    conn.one(&sql, args![partner, purpose, State::Withdrawn as i64], |row| read(row, 0))
}

fn drop_word(tx: &mut Tx<'_>, word: &Consent) -> Result<()> {
    tx.execute("DELETE FROM consent WHERE id = $1", args![&word.id])?;
    tx.audit(entry(Action::Delete, word));
    Ok(())
}

fn entry(action: Action, word: &Consent) -> Entry {
    let entry = Entry::new(action, word.full_name(), &Guard::company());
    let entry = entry.partner(format!("partners/{}", word.partner));
    let time = kontor_kit::audit::instant(word.state_time);
    let fields = [
        ("purpose", word.purpose.clone()),
        ("state", word.state.text().to_owned()),
        ("state_time", time),
        ("source", word.source.clone()),
    ];
    fields.into_iter().fold(entry, |entry, (name, text)| match action {
        Action::Delete => entry.field(name, text, ""),
        _ => entry.field(name, "", text),
    })
}

fn insert(tx: &mut Tx<'_>, said: &Consent) -> Result<()> {
    tx.execute(
        "INSERT INTO consent (id, partner, purpose, state, state_time, source, actor, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            &said.id,
            &said.partner,
            &said.purpose,
            said.state as i64,
            said.state_time,
            &said.source,
            &said.actor,
            said.create_time
        ],
    )?;
    tx.audit(entry(Action::Create, said));
    Ok(())
}

/// A partner comes out of a merge: what the survivor withdrew from since is withdrawn for it too, for it was said for both.
///
/// # Errors
/// Those of the database.
pub fn hand_back(tx: &mut Tx<'_>, merge: &str, survivor: &str, partner: &str) -> Result<()> {
    // Ids grow with time, and the merge and all words have theirs from under the lock of the book.
    let sql = format!("SELECT {COLUMNS} FROM consent WHERE partner = $1 AND state = $2 AND id > $3");
    let mut latest: BTreeMap<String, Consent> = BTreeMap::new();
    tx.each(&sql, args![survivor, State::Withdrawn as i64, merge], |row| {
        let word = read(row, 0)?;
        if latest.get(&word.purpose).is_none_or(|old| word.standing().compare(&old.standing()).is_gt()) {
            latest.insert(word.purpose.clone(), word);
        }
        Ok(())
    })?;
    for (purpose, word) in latest {
        let own = last_word(tx, partner, &purpose)?.map(|own| (own.state_time, own.state));
        if own.is_some_and(|own| own >= (word.state_time, word.state)) {
            continue;
        }
        let source = format!("{} (said as partners/{survivor})", word.source);
        let (id, partner, create_time) = (id::new(), partner.to_owned(), tx.now());
        insert(tx, &Consent { id, partner, source, create_time, ..word })?;
    }
    Ok(())
}

/// A survivor is deleted: who went into it may come back, so what it withdrew from since is written for them too.
///
/// # Errors
/// Those of the database.
pub fn hand_down(tx: &mut Tx<'_>, survivor: &str) -> Result<()> {
    for (partner, merge) in merge::merged_into(tx, survivor)? {
        hand_back(tx, &merge, survivor, &partner)?;
    }
    Ok(())
}

/// Works out anew what counts for a partner and those that went into it, after a merge or its end.
///
/// # Errors
/// Those of the database.
pub fn settle(tx: &mut Tx<'_>, caller: &Caller, partner: &str) -> Result<()> {
    let mut ids = vec![partner.to_owned()];
    ids.extend(merge::all_merged(tx, partner)?);
    let mut counts: BTreeMap<String, Standing> = BTreeMap::new();
    for some in ids.chunks(AT_ONCE) {
        let mut args = Vec::new();
        let of = is_one_of("partner", some, &mut args);
        let sql = format!("SELECT purpose, state, state_time, id FROM consent WHERE {of}");
        tx.each(&sql, &args, |row| {
            let new = standing(row, 0)?;
            if counts.get(&new.purpose).is_none_or(|old| new.compare(old).is_gt()) {
                counts.insert(new.purpose.clone(), new);
            }
            Ok(())
        })?;
    }
    let old = standings(tx, &ids[..1])?.remove(partner).unwrap_or_default();
    for new in counts.values() {
        let before = old.iter().find(|standing| standing.purpose == new.purpose);
        if before == Some(new) {
            continue;
        }
        put(tx, partner, new)?;
        if before.is_none_or(|before| before.state != new.state) {
            tell(tx, caller, partner, &new.purpose, Some(new), "");
        }
    }
    for gone in old.iter().filter(|standing| !counts.contains_key(&standing.purpose)) {
        let sql = "DELETE FROM consent_state WHERE partner = $1 AND purpose = $2";
        tx.execute(sql, args![partner, &gone.purpose])?;
        tell(tx, caller, partner, &gone.purpose, None, "");
    }
    Ok(())
}

/// A partner went into another one: what counts for it is told there.
///
/// # Errors
/// Those of the database.
pub fn unsettle(tx: &mut Tx<'_>, partner: &str) -> Result<()> {
    tx.execute("DELETE FROM consent_state WHERE partner = $1", args![partner]).map(|_| ())
}

/// Forgets what a partner said: it was deleted.
///
/// # Errors
/// Those of the database.
pub fn forget(tx: &mut Tx<'_>, partner: &str) -> Result<()> {
    tx.execute("DELETE FROM consent WHERE partner = $1", args![partner])?;
    unsettle(tx, partner)
}

/// How many words of partners are kept.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &mut Conn<'_>, partners: &[String]) -> Result<i64> {
    let mut args = Vec::new();
    let of = is_one_of("partner", partners, &mut args);
    let sql = format!("SELECT COUNT(*) FROM consent WHERE {of}");
    Ok(conn.one(&sql, &args, |row| row.int(0))?.unwrap_or(0))
}

fn put(tx: &mut Tx<'_>, partner: &str, new: &Standing) -> Result<()> {
    tx.execute(
        "INSERT INTO consent_state (partner, purpose, state, state_time, consent) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (partner, purpose) DO UPDATE SET state = excluded.state, state_time = excluded.state_time,
         consent = excluded.consent",
        args![partner, &new.purpose, new.state as i64, new.state_time, &new.consent],
    )
    .map(|_| ())
}

fn tell(
    tx: &mut Tx<'_>,
    caller: &Caller,
    partner: &str,
    purpose: &str,
    new: Option<&Standing>,
    consent: &str,
) {
    let name = format!("partners/{partner}");
    let told = ConsentChanged {
        purpose: purpose.to_owned(),
        state: new.map_or(0, |new| new.state as i32),
        state_time: new.map(|new| clock::to_proto(new.state_time)),
        consent: consent.to_owned(),
    };
    let event = NewEvent::new("directory", name.clone(), &Guard::company(), &told);
    tx.publish(event.partner(name).actor(caller.name()));
}

fn state(row: &Row<'_>, at: usize) -> Result<State> {
    State::of(row.int(at)?).ok_or_else(|| Error::internal("a consent has a damaged state"))
}

fn standing(row: &Row<'_>, from: usize) -> Result<Standing> {
    Ok(Standing {
        purpose: row.string(from)?,
        state: state(row, from + 1)?,
        state_time: row.int(from + 2)?,
        consent: row.string(from + 3)?,
    })
}

fn read(row: &Row<'_>, from: usize) -> Result<Consent> {
    Ok(Consent {
        id: row.string(from)?,
        partner: row.string(from + 1)?,
        purpose: row.string(from + 2)?,
        state: state(row, from + 3)?,
        state_time: row.int(from + 4)?,
        source: row.string(from + 5)?,
        actor: row.string(from + 6)?,
        create_time: row.int(from + 7)?,
        present: false,
    })
}
