//! Merges of partners in the database. The cards of those that went stand in a book of the merge that nobody sees, with their ids, so that they come
//! back as they were.
//! Called by rpc/merge.rs; store/partner.rs and store/timeline.rs ask who went into whom.

use kontor_collection::store::collection::{self, New};
use kontor_collection::store::object;
use kontor_collection::transfer::{self, Plan};
use kontor_collection::{COMPANY, Conditions, Kind, NOBODY, Object, Target, write};
use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::{Account, Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::erase::is_one_of;
use kontor_kit::page::{self, Field, Listing, Page, Query};
use kontor_kit::{Error, Result, args, id};
use kontor_proto::directory::v1::Contact;
use prost::Message;

use super::card::{Cards, Stored, company_book, find, set_company};
use super::contact::{self, Wanted};
use super::{consent, partner};
use crate::domain::contact::Fields;
use crate::domain::merge as rules;

/// Partners that may have gone into one, all in all; what a timeline looks at.
const MERGED: usize = 1_000;

/// A merge.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Id.
    pub id: String,
    /// Id of the one that stayed.
    pub survivor: String,
    /// "users/{user}".
    pub actor: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Ids of those that went.
    pub partners: Vec<String>,
}

const LISTING: Listing = Listing {
    table: "partner_merge",
    columns: "id, survivor, actor, create_time",
    id: "id",
    by_key: false,
    fields: &[Field::order("create_time", "create_time", page::Kind::Time)],
    default_order: "create_time desc",
    default_size: 50,
    max_size: 1_000,
};

/// Merges into a partner's id, or all.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(
    conn: &mut Conn<'_>,
    caller: &Caller,
    survivor: Option<&str>,
    query: &Query,
) -> Result<Page<Merge>> {
    let scope = match survivor {
        Some(id) => ("survivor = $1".to_owned(), args![id].to_vec()),
        None => ("1 = 1".to_owned(), Vec::new()),
    };
    let mut page = LISTING.run(conn, caller, query, scope, |row| read(row, 2))?;
    for merge in &mut page.rows {
        merge.partners = partners_of(conn, &merge.id)?;
    }
    Ok(page)
}

/// Who a partner went into.
///
/// # Errors
/// Those of the database.
pub fn survivor(conn: &mut Conn<'_>, partner: &str) -> Result<Option<String>> {
    conn.one("SELECT survivor FROM partner_merged WHERE partner = $1", args![partner], |row| row.string(0))
}

/// Who partners went into, by their ids, one step; those that went nowhere are not there.
///
/// # Errors
/// Those of the database.
pub fn survivors(conn: &mut Conn<'_>, partners: &[String]) -> Result<Vec<(String, String)>> {
    let mut args = Vec::new();
    let of = is_one_of("partner", partners, &mut args);
    let sql = format!("SELECT partner, survivor FROM partner_merged WHERE {of}");
    conn.all(&sql, &args, |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Who went into a partner, one step, and by which merge.
///
/// # Errors
/// Those of the database.
pub fn merged_into(conn: &mut Conn<'_>, survivor: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT partner, merge FROM partner_merged WHERE survivor = $1 ORDER BY partner";
    conn.all(sql, args![survivor], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// All that went into a partner, and into those.
///
/// # Errors
/// Those of the database.
pub fn all_merged(conn: &mut Conn<'_>, partner: &str) -> Result<Vec<String>> {
    conn.all(
        "WITH RECURSIVE gone(partner) AS (SELECT partner FROM partner_merged WHERE survivor = $1
         UNION SELECT m.partner FROM partner_merged m JOIN gone ON m.survivor = gone.partner)
         SELECT partner FROM gone ORDER BY partner LIMIT $2",
        args![partner, i64::try_from(MERGED).unwrap_or(i64::MAX)],
        |row| row.string(0),
    )
}

/// Makes partners one.
///
/// # Errors
/// Those that MergePartners of the contract names.
pub fn merge(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    survivor: &str,
    others: &[String],
    etag: &str,
) -> Result<(Stored, Merge)> {
    // All merges one after the other, and no change of a card in between.
    collection::lock(tx, &company_book())?;
    let name = format!("partners/{survivor}");
    let present = partner::get(tx, survivor)?;
    let object = contact::object(tx, caller, COMPANY, survivor, &name)?;
    if !etag.is_empty() && etag != object.etag {
        return Err(Error::etag_mismatch(name));
    }
    let mut gone = all_merged(tx, survivor)?.len() + others.len();
    for other in others {
        gone += all_merged(tx, other)?.len();
    }
    if gone > MERGED {
        let message = format!("at most {MERGED} partners go into one, and with these it would be {gone}");
        return Err(Error::precondition("TOO_MANY_MERGED", message));
    }
    let mut fields = present.fields.clone();
    let mut added = Fields::default();
    for other in others {
        added = rules::and(added, rules::take(&mut fields, &partner::get(tx, other)?.fields)?);
    }
    let merge = Merge {
        id: id::new(),
        survivor: survivor.to_owned(),
        actor: caller.name(),
        create_time: tx.now(),
        partners: others.to_vec(),
    };
    let hidden = hidden_book(&merge.id);
    collection::ensure(tx, &New::named(NOBODY, &slug(&merge.id), Kind::AddressBook, "Merged"))?;
    for other in others {
        let card_name = contact::object(tx, caller, COMPANY, other, &format!("partners/{other}"))?.name;
        let to = (&hidden, other.as_str());
        carry(tx, &cards.merging_into(&name), caller, (&company_book(), &card_name), to)?;
        tx.execute(
            "INSERT INTO partner_merged (partner, merge, survivor, card_name) VALUES ($1, $2, $3, $4)",
            args![other, &merge.id, survivor, card_name],
        )?;
        link(tx, caller, &merge.id, &format!("partners/{other}"), &name)?;
        consent::unsettle(tx, other)?;
    }
    consent::settle(tx, caller, survivor)?;
    // What stands in the survivor's own row may have changed with the links.
    let object = contact::object(tx, caller, COMPANY, survivor, &name)?;
    let mask = fields.changed(&present.fields);
    let after = change(tx, cards, caller, &object, &fields, &mask)?;
    tx.execute(
        "INSERT INTO partner_merge (id, survivor, before, after_etag, added, actor, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![&merge.id, survivor, object.data.to_vec(), &after.etag, pack(&added), &merge.actor, merge.create_time],
    )?;
    tx.audit(told(Action::Create, &merge.id).field("survivor", "", &name).field(
        "partners",
        "",
        names(others),
    ));
    Ok((after, merge))
}

/// Takes a merge back. Returns the survivor, if it is still there, and those that are there again.
///
/// # Errors
/// Those that UnmergePartners of the contract names.
pub fn unmerge(tx: &mut Tx<'_>, cards: &Cards, caller: &Caller, merge: &str) -> Result<Vec<Stored>> {
    collection::lock(tx, &company_book())?;
    let sql = "SELECT survivor, before, after_etag, added, create_time FROM partner_merge WHERE id = $1";
    let found = tx.one(sql, args![merge], |row| {
        let before = (row.bytes(1)?.to_vec(), row.string(2)?);
        Ok((row.string(0)?, before, unpack(row.bytes(3)?)?, row.int(4)?))
    })?;
    let Some((survivor, (before, mut after_etag), added, time)) = found else {
        return Err(Error::not_found(format!("partnerMerges/{merge}")));
    };
    // What came later was added to what this one gave: neither these old bytes nor those kept by the later ones are right then.
    let later =
        "UPDATE partner_merge SET after_etag = '' WHERE survivor = $1 AND (create_time, id) > ($2, $3)";
    if tx.execute(later, args![&survivor, time, merge])? > 0 {
        after_etag.clear();
    }
    let sql = "SELECT merge FROM partner_merged WHERE partner = $1";
    if let Some(again) = tx.one(sql, args![&survivor], |row| row.string(0))? {
        let message = format!(
            "partners/{survivor} went into another one itself: take partnerMerges/{again} back first"
        );
        return Err(Error::precondition("MERGED_AGAIN", message));
    }
    let partners = partners_of(tx, merge)?;
    for partner in &partners {
        come_back(tx, cards, caller, merge, partner, &survivor)?;
    }
    unlink(tx, caller, merge, &survivor)?;
    tx.execute("DELETE FROM partner_merge WHERE id = $1", args![merge])?;
    let entry = told(Action::Delete, merge).field("survivor", format!("partners/{survivor}"), "");
    tx.audit(entry.field("partners", names(&partners), ""));
    let elevated = elevated(caller);
    collection::delete(tx, cards, &elevated, &hidden_book(merge))?;
    let mut back = Vec::new();
    if let Some(present) = find(tx, &survivor)?.filter(|it| it.partner) {
        consent::settle(tx, caller, &survivor)?;
        back.push(lighten(tx, cards, caller, present, (&before, &after_etag), &added)?);
    }
    for partner in &partners {
        consent::hand_back(tx, merge, &survivor, partner)?;
        consent::settle(tx, caller, partner)?;
        back.push(partner::get(tx, partner)?);
    }
    Ok(back)
}

fn told(action: Action, merge: &str) -> Entry {
    Entry::new(action, format!("partnerMerges/{merge}"), &Guard::company())
}

fn names(partners: &[String]) -> String {
    partners.iter().map(|id| format!("partners/{id}")).collect::<Vec<_>>().join("\n")
}

/// The survivor without what this merge gave it: its old bytes when nothing was changed since.
fn lighten(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    present: Stored,
    (before, after_etag): (&[u8], &str),
    added: &Fields,
) -> Result<Stored> {
    let object = contact::object(tx, caller, COMPANY, &present.id, &format!("partners/{}", present.id))?;
    let later = tx.all(
        "SELECT id FROM partner_merge WHERE survivor = $1 ORDER BY create_time, id",
        args![&present.id],
        |row| row.string(0),
    )?;
    if object.etag == after_etag {
        let (data, none) = (before, Conditions::none());
        let prepared = cards.read(data)?;
        if object.data != data {
            write::put(tx, cards, caller, &company_book(), &object.name, data, &none, &prepared)?;
        }
        return contact::stored(tx, &present.id);
    }
    let mut fields = present.fields.clone();
    rules::give_back(&mut fields, added);
    // What another one that is still in it gave too, and was not counted as its gift then, stays.
    for merge in later {
        let sql = "SELECT added FROM partner_merge WHERE id = $1";
        let mut given = tx.one(sql, args![&merge], |row| unpack(row.bytes(0)?))?.unwrap_or_default();
        for partner in partners_of(tx, &merge)? {
            if let Some(other) = find(tx, &partner)? {
                given = rules::and(given, rules::take(&mut fields, &other.fields)?);
            }
        }
        tx.execute("UPDATE partner_merge SET added = $2 WHERE id = $1", args![merge, pack(&given)])?;
    }
    let mask = fields.changed(&present.fields);
    change(tx, cards, caller, &object, &fields, &mask)
}

fn change(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    object: &Object,
    fields: &Fields,
    mask: &[String],
) -> Result<Stored> {
    if mask.is_empty() {
        return contact::stored(tx, &object.id);
    }
    let (name, book) = (format!("partners/{}", object.id), company_book());
    let wanted = Wanted { name: &name, book: &book, etag: "", fields, mask, company: None };
    contact::update(tx, cards, caller, object, &wanted)
}

/// The card of a partner that went comes back into the company book, under its name if that is free.
fn come_back(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    merge: &str,
    partner: &str,
    survivor: &str,
) -> Result<()> {
    let sql = "SELECT card_name FROM partner_merged WHERE partner = $1";
    let wanted = tx.one(sql, args![partner], |row| row.string(0))?.unwrap_or_default();
    let (book, _) = collection::find(tx, &elevated(caller), &company_book())?;
    let taken = object::named(tx, book.num, &wanted)?.is_some();
    let name = if taken { write::fresh_name("vcf") } else { wanted };
    let cards = cards.coming_out_of(&format!("partners/{survivor}"));
    let from = (&hidden_book(merge), partner);
    carry(tx, &cards, caller, from, (&company_book(), &name)).map_err(|cause| match cause.reason() {
        "UID_CONFLICT" => {
            let message = format!(
                "a card of the company book has the UID of partners/{partner} now: delete that first"
            );
            Error::precondition("UID_TAKEN", message)
        }
        _ => cause,
    })?;
    tx.execute("DELETE FROM partner_merged WHERE partner = $1", args![partner])?;
    Ok(())
}

/// Moves a card; a row that others refer to keeps its id.
fn carry(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    (from, name): (&Target, &str),
    (to, to_name): (&Target, &str),
) -> Result<()> {
    let plan = Plan {
        from: from.clone(),
        name: name.to_owned(),
        to: to.clone(),
        to_name: to_name.to_owned(),
        conditions: Conditions::none(),
        overwrite: false,
        copy: false,
    };
    let caller = elevated(caller);
    let source = transfer::source(tx, &caller, &plan)?;
    let prepared = cards.read(&source.data)?;
    transfer::run(tx, cards, &caller, &plan, &source, &prepared).map(|_| ())
}

/// The same person, who reaches the book that nobody sees.
fn elevated(caller: &Caller) -> Caller {
    Caller::from(Account { admin: true, ..caller.clone().into() })
}

/// People of a company that went belong to the survivor.
fn link(tx: &mut Tx<'_>, caller: &Caller, merge: &str, from: &str, to: &str) -> Result<()> {
    let people =
        tx.all("SELECT id FROM card WHERE company = $1 AND company <> '' ORDER BY id", args![from], |row| {
            row.string(0)
        })?;
    for person in people {
        let Some(row) = find(tx, &person)? else { continue };
        // Who belonged to the one that goes can't belong to itself.
        let company = if to == format!("partners/{person}") { "" } else { to };
        set_company(tx, caller, &row, company)?;
        let sql = "INSERT INTO partner_merge_link (merge, card, company) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.execute(sql, args![merge, person, from])?;
    }
    Ok(())
}

/// They belong to it again, unless somebody changed that since.
fn unlink(tx: &mut Tx<'_>, caller: &Caller, merge: &str, survivor: &str) -> Result<()> {
    let links = tx.all(
        "SELECT card, company FROM partner_merge_link WHERE merge = $1 ORDER BY card",
        args![merge],
        |row| Ok((row.string(0)?, row.string(1)?)),
    )?;
    for (card, company) in links {
        let Some(row) = find(tx, &card)? else { continue };
        let itself = card == survivor && row.company.is_empty();
        if itself || row.company == format!("partners/{survivor}") {
            set_company(tx, caller, &row, &company)?;
        }
    }
    tx.execute("DELETE FROM partner_merge_link WHERE merge = $1", args![merge])?;
    Ok(())
}

/// Ids of those that went by a merge.
pub(super) fn partners_of(conn: &mut Conn<'_>, merge: &str) -> Result<Vec<String>> {
    conn.all("SELECT partner FROM partner_merged WHERE merge = $1 ORDER BY partner", args![merge], |row| {
        row.string(0)
    })
}

fn slug(merge: &str) -> String {
    format!("merged-{merge}")
}

/// The book of a merge, with the cards of those that went.
pub(super) fn hidden_book(merge: &str) -> Target {
    Target::path(NOBODY, slug(merge))
}

fn read(row: &Row<'_>, from: usize) -> Result<Merge> {
    Ok(Merge {
        id: row.string(from)?,
        survivor: row.string(from + 1)?,
        actor: row.string(from + 2)?,
        create_time: row.int(from + 3)?,
        partners: Vec::new(),
    })
}

fn pack(fields: &Fields) -> Vec<u8> {
    let fields = fields.clone();
    let contact = Contact {
        organization: fields.organization,
        title: fields.title,
        phones: fields.phones,
        emails: fields.emails,
        addresses: fields.addresses,
        note: fields.note,
        ..Contact::default()
    };
    contact.encode_to_vec()
}

fn unpack(data: &[u8]) -> Result<Fields> {
    let contact = Contact::decode(data).map_err(Error::internal)?;
    Ok(Fields {
        organization: contact.organization,
        title: contact.title,
        phones: contact.phones,
        emails: contact.emails,
        addresses: contact.addresses,
        note: contact.note,
        ..Fields::default()
    })
}
