//! Cards changed over gRPC: made, changed line by line, deleted; and their lists.
//! Called by rpc/contact.rs and rpc/partner.rs.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kontor_collection::store::object;
use kontor_collection::{Conditions, Object, Target, index, write};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::{Error, Result, args, id};
use kontor_vobject::card::{self, Card, Version};
use kontor_vobject::{ContentLine, Document, Limits, Patch};

use super::card::{COLUMNS, Cards, Stored, find, read, set_company};
use crate::domain::contact::{self, Fields};

const LISTING: Listing = Listing {
    table: "card",
    columns: COLUMNS,
    id: "id",
    by_key: false,
    fields: &[
        Field::filter("display_name", "display_name", Kind::Text),
        Field::order("display_name", "sort_name", Kind::Text),
        Field::filter("organization", "organization", Kind::Text),
        Field::filter("family_name", "family_name", Kind::Text),
        Field::order("update_time", "update_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

/// A page of one book's contacts.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, book: i64, query: &Query) -> Result<Page<Stored>> {
    let scope = ("book = $1".to_owned(), args![book].to_vec());
    LISTING.run(conn, caller, query, scope, |row| read(row, 2))
}

/// Makes a card in a book.
///
/// # Errors
/// NOT_FOUND for the book; PERMISSION_DENIED; ALREADY_EXISTS when the UID is taken.
pub fn create(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    book: &Target,
    fields: &Fields,
) -> Result<Stored> {
    let data = new_card(fields, tx.now())?;
    let prepared = cards.read(&data)?;
    let name = write::fresh_name("vcf");
    let done = write::put(tx, cards, caller, book, &name, &data, &Conditions::absent(), &prepared)?;
    stored(tx, &done.object.id)
}

/// The bytes of a new card.
///
/// # Errors
/// INTERNAL when they can't be read again.
pub fn new_card(fields: &Fields, now: i64) -> Result<Vec<u8>> {
    let mut fields = fields.clone();
    if fields.uid.is_empty() {
        fields.uid = id::new();
    }
    let text = kontor_vobject::write::card(&fields.to_card(), utc(now)).into_bytes();
    Ok(with_kind(&text, fields.kind)?.unwrap_or(text))
}

/// Changes the lines of a card that the named fields concern, and the link to a company when one is given.
///
/// # Errors
/// ABORTED when `etag` is set and not the present one; those of the engine.
pub fn update(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    present: &Object,
    wanted: &Wanted<'_>,
) -> Result<Stored> {
    if !wanted.etag.is_empty() && wanted.etag != present.etag {
        return Err(Error::etag_mismatch(wanted.name));
    }
    let data = patched(&present.data, wanted, tx.now())?;
    if data != present.data {
        let prepared = cards.read(&data)?;
        let cards = cards.with_company(wanted.company.clone());
        let conditions = Conditions::etag(&present.etag);
        write::put(tx, &cards, caller, wanted.book, &present.name, &data, &conditions, &prepared)?;
    } else if let Some(company) = &wanted.company {
        let old = stored(tx, &present.id)?;
        if old.company != *company {
            set_company(tx, caller, &old, company)?;
        }
    }
    stored(tx, &present.id)
}

/// What an update wants.
pub struct Wanted<'a> {
    /// Resource name, for errors.
    pub name: &'a str,
    /// The card's book.
    pub book: &'a Target,
    /// The caller's etag, or empty.
    pub etag: &'a str,
    /// New values, checked.
    pub fields: &'a Fields,
    /// Which of them are taken over; "kind" too.
    pub mask: &'a [String],
    /// New link to a company.
    pub company: Option<String>,
}

/// Deletes a card.
///
/// # Errors
/// ABORTED when `etag` is set and not the present one; those of the engine.
pub fn delete(
    tx: &mut Tx<'_>,
    cards: &Cards,
    caller: &Caller,
    book: &Target,
    present: &Object,
    etag: &str,
) -> Result<()> {
    write::delete(tx, cards, caller, book, &present.name, &Conditions::etag(etag)).map(|_| ())
}

/// A contact's object with its bytes, if it stands in that book. `book` is "company" or a collection's id.
///
/// # Errors
/// NOT_FOUND naming `name`.
pub fn object(conn: &mut Conn<'_>, caller: &Caller, book: &str, id: &str, name: &str) -> Result<Object> {
    let missing = || Error::not_found(name);
    let (object, collection, _) = object::find(conn, caller, id).map_err(|cause| match cause.code() {
        tonic::Code::NotFound => missing(),
        _ => cause,
    })?;
    let same =
        if book == kontor_collection::COMPANY { collection.is_company() } else { collection.id == book };
    if same { Ok(object) } else { Err(missing()) }
}

/// Whether a card of this book has the UID.
///
/// # Errors
/// Those of the database.
pub fn has_uid(conn: &mut Conn<'_>, book: i64, uid: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM object WHERE coll = $1 AND uid = $2";
    Ok(!uid.is_empty() && conn.one(sql, args![book, uid], |_| Ok(()))?.is_some())
}

/// The typed row that every card has.
///
/// # Errors
/// INTERNAL when it has none.
pub fn stored(conn: &mut Conn<'_>, id: &str) -> Result<Stored> {
    find(conn, id)?.ok_or_else(|| Error::internal(format!("card {id} has no typed row")))
}

fn patched(data: &[u8], wanted: &Wanted<'_>, now: i64) -> Result<Vec<u8>> {
    let document = document(data)?;
    let mut card = Card::read(&document).map_err(|violation| index::card_error(&violation))?;
    let has = |field: &str| wanted.mask.iter().any(|path| path == field);
    wanted.fields.apply(&mut card, has);
    let text = card::update(&document, &card, utc(now)).map_err(|violation| index::card_error(&violation))?;
    if !has("kind") {
        return Ok(text);
    }
    Ok(with_kind(&text, wanted.fields.kind)?.unwrap_or(text))
}

/// The card with its mark of a company set or taken away; None when that changes nothing. Version 3.0 has no KIND, and
/// Apple's mark is what other programs read there.
fn with_kind(data: &[u8], kind: contact::Kind) -> Result<Option<Vec<u8>>> {
    let document = document(data)?;
    let card = Card::read(&document).map_err(|violation| index::card_error(&violation))?;
    let root = document.root();
    let mut patch = Patch::new(&document);
    let shown = root.text("X-ABSHOWAS").is_some_and(|shown| shown.trim().eq_ignore_ascii_case("COMPANY"));
    match (kind, card.kind == "org" || shown) {
        (contact::Kind::Company, false) if card.version == Version::V4 => {
            patch.set(&root, ContentLine::new("KIND", "org"));
        }
        (contact::Kind::Company, false) => patch.set(&root, ContentLine::new("X-ABShowAs", "COMPANY")),
        (contact::Kind::Person, true) => {
            patch.remove_all(&root, "X-ABSHOWAS");
            if card.kind == "org" {
                patch.remove_all(&root, "KIND");
            }
        }
        _ => {}
    }
    Ok((!patch.is_empty()).then(|| patch.apply()))
}

fn document(data: &[u8]) -> Result<Document<'_>> {
    Document::parse(data, &Limits::default()).map_err(|cause| index::card_error(&cause.into()))
}

fn utc(micros: i64) -> DateTime {
    let at = Timestamp::from_second(micros.div_euclid(1_000_000)).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(at)
}
