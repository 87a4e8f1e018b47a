//! Cards and their typed rows in one transaction: the hooks of the collection engine, and the books that must exist.
//! Called by the engine on every change of a card, by rpc for changes over gRPC, and when users are made.

use kontor_collection::store::audit::audience;
use kontor_collection::store::collection::{self, New};
use kontor_collection::{
    COMPANY, Change, Collection, Hooks, Index, Kind, NOBODY, Object, Prepared, Removal, Target, index,
};
use kontor_kit::audit::{Action, Entry};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Db, Row, Tx};
use kontor_kit::outbox::NewEvent;
use kontor_kit::{Error, Result, args, phone};
use kontor_proto::directory::v1::{
    Contact, PartnerCreated, PartnerDeleted, PartnerMerged, PartnerUnmerged, PartnerUpdated,
};
use kontor_vobject::card::Card;
use kontor_vobject::{Document, Limits};
use prost::Message;
use prost::bytes::Bytes;

use super::consent;
use crate::domain::contact::{self, Fields};

/// The directory's side of the engine.
#[derive(Clone)]
pub struct Cards {
    /// ISO 3166 country for national numbers.
    region: String,
    /// The link to a company that goes with this change; None leaves it.
    company: Option<String>,
    /// Whether this change is part of a merge.
    merge: Merging,
}

/// What a change of a card is to a merge of partners. Each variant names the survivor: "partners/{id}".
#[derive(Clone, Debug, Default)]
enum Merging {
    /// No part of one.
    #[default]
    No,
    /// The partner goes into another one.
    Into(String),
    /// The partner is its own again.
    OutOf(String),
}

/// A typed row.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The object's id; of a partner also its own.
    pub id: String,
    /// Number of the book's row.
    pub book: i64,
    /// Whether it is a partner.
    pub partner: bool,
    /// "partners/{id}" or empty.
    pub company: String,
    /// The card's ETag.
    pub etag: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// What the card says.
    pub fields: Fields,
}

pub(super) const COLUMNS: &str = "id, book, partner, kind, uid, display_name, given_name, family_name, organization, title, \
                                  company, details, etag, create_time, update_time";

impl Cards {
    /// Hooks that read national numbers in a country.
    pub fn new(region: &str) -> Cards {
        Cards { region: region.to_owned(), company: None, merge: Merging::No }
    }

    /// The same, for a change that also sets the link to a company.
    pub fn with_company(&self, company: Option<String>) -> Cards {
        Cards { region: self.region.clone(), company, merge: Merging::No }
    }

    /// The same, for a partner that goes into another one ("partners/{id}").
    pub fn merging_into(&self, survivor: &str) -> Cards {
        Cards { merge: Merging::Into(survivor.to_owned()), ..self.with_company(None) }
    }

    /// The same, for a partner that comes out of another one again ("partners/{id}").
    pub fn coming_out_of(&self, survivor: &str) -> Cards {
        Cards { merge: Merging::OutOf(survivor.to_owned()), ..self.with_company(None) }
    }

    /// Country for national numbers.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Reads and checks a card.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason VALID_DATA or SUPPORTED_DATA.
    pub fn read(&self, data: &[u8]) -> Result<Prepared<Fields>> {
        let document =
            Document::parse(data, &Limits::default()).map_err(|cause| index::card_error(&cause.into()))?;
        let card = Card::read(&document).map_err(|violation| index::card_error(&violation))?;
        let shown = document.root().text("X-ABSHOWAS");
        let company = shown.is_some_and(|shown| shown.trim().eq_ignore_ascii_case("COMPANY"));
        Ok(Prepared {
            uid: card.uid.clone(),
            component: "VCARD".to_owned(),
            schedule_tag: String::new(),
            index: Index::card(&document),
            typed: Fields::of(&card, company, &self.region),
        })
    }

    fn is_partner(change: &Change<'_, Fields>) -> bool {
        change.collection.is_company() && !change.prepared.typed.group
    }
}

impl Hooks for Cards {
    type Typed = Fields;
    const KIND: Kind = Kind::AddressBook;

    /// A partner keeps its name while it is merged into another one, and its card lies in a book that nobody sees.
    fn subject(&self, collection: &Collection, object: &Object) -> String {
        if collection.is_company() || collection.owner == NOBODY {
            return format!("partners/{}", object.id);
        }
        format!("addressBooks/{}/contacts/{}", collection.id, object.id)
    }

    async fn prepare(&self, _caller: &Caller, data: Bytes) -> Result<Prepared<Fields>> {
        self.read(&data)
    }

    fn stored(&self, tx: &mut Tx<'_>, change: &Change<'_, Fields>) -> Result<()> {
        let old = match change.old {
            Some(old) => find(tx, &old.id)?,
            None => None,
        };
        let kept = old.as_ref().map_or("", |old| old.company.as_str());
        let row = Stored {
            id: change.object.id.clone(),
            book: change.collection.num,
            partner: Cards::is_partner(change),
            company: self.company.clone().unwrap_or_else(|| kept.to_owned()),
            etag: change.object.etag.clone(),
            create_time: change.object.create_time,
            update_time: change.object.update_time,
            fields: change.prepared.typed.clone(),
        };
        write(tx, &row)?;
        find_by(tx, &row, old.is_some())?;
        let entry = Entry::new(
            Action::Update,
            self.subject(change.collection, change.object),
            &audience(change.collection),
        );
        tx.audit(typed(entry, old.as_ref(), Some(&row)));
        match &self.merge {
            Merging::No => publish(tx, change.caller, old.as_ref(), &row),
            Merging::Into(survivor) => {
                let survivor = survivor.clone();
                tx.publish(event(change.caller, &row.id, &PartnerMerged { survivor }));
            }
            Merging::OutOf(survivor) => {
                let survivor = survivor.clone();
                tx.publish(event(change.caller, &row.id, &PartnerUnmerged { survivor }));
            }
        }
        Ok(())
    }

    fn removed(&self, tx: &mut Tx<'_>, removal: &Removal<'_>) -> Result<()> {
        let id = &removal.object.id;
        let old = find(tx, id)?;
        forget(tx, id)?;
        consent::hand_down(tx, id)?;
        consent::forget(tx, id)?;
        tx.execute("DELETE FROM card WHERE id = $1", args![id])?;
        let subject = self.subject(removal.collection, removal.object);
        tx.audit(typed(
            Entry::new(Action::Delete, subject, &audience(removal.collection)),
            old.as_ref(),
            None,
        ));
        if old.is_some_and(|old| old.partner) {
            let company = format!("partners/{id}");
            let sql = "UPDATE card SET company = '' WHERE company = $1 AND company <> '' RETURNING id";
            for person in tx.all(sql, args![&company], |row| row.string(0))? {
                tx.audit(linked(&person, &company, ""));
            }
            tx.publish(event(removal.caller, id, &PartnerDeleted {}));
        }
        Ok(())
    }

    /// A partner that left the company's book would be taken from everyone, with its deals and its history; who wants that
    /// deletes it by name.
    fn may_move(
        &self,
        conn: &mut Conn<'_>,
        _from: &Collection,
        to: &Collection,
        object: &Object,
    ) -> Result<()> {
        let merging = matches!(self.merge, Merging::Into(_));
        if merging || to.is_company() || !find(conn, &object.id)?.is_some_and(|row| row.partner) {
            return Ok(());
        }
        let message = "this card is a partner of the company: copy it, and delete it here if it shall go";
        Err(Error::precondition("COMPANY_PARTNER", message))
    }

    /// The row goes along, so a card that comes into the company's book becomes a partner with the id that it had.
    fn moved(&self, tx: &mut Tx<'_>, _from: &Collection, change: &Change<'_, Fields>) -> Result<()> {
        self.stored(tx, change)
    }
}

/// The fields that a card says, in the entry that the engine began.
fn typed(entry: Entry, old: Option<&Stored>, new: Option<&Stored>) -> Entry {
    let facts = |row: Option<&Stored>| row.map(|row| row.fields.lines(&row.company)).unwrap_or_default();
    let (mut old, mut entry) = (facts(old), entry.partner(partner_of(old, new)));
    for (name, new) in facts(new) {
        let at = old.iter().position(|(known, _)| *known == name);
        let old = at.map(|at| old.swap_remove(at).1).unwrap_or_default();
        entry = entry.field(name, old, new);
    }
    old.into_iter().fold(entry, |entry, (name, old)| entry.field(name, old, ""))
}

fn partner_of(old: Option<&Stored>, new: Option<&Stored>) -> String {
    let row = new.filter(|row| row.partner).or(old.filter(|row| row.partner));
    row.map(|row| format!("partners/{}", row.id)).unwrap_or_default()
}

/// Only the link to a company changed, which stands in no card.
fn linked(id: &str, old: &str, new: &str) -> Entry {
    let name = format!("partners/{id}");
    Entry::new(Action::Update, name.clone(), &Guard::company()).partner(name).field("company", old, new)
}

/// One event for one change of a partner.
fn publish(tx: &mut Tx<'_>, caller: &Caller, old: Option<&Stored>, new: &Stored) {
    let display_name = new.fields.display_name.clone();
    match (old.filter(|old| old.partner), new.partner) {
        (None, true) => tx.publish(event(caller, &new.id, &PartnerCreated { display_name })),
        (Some(old), true) => {
            let mut fields = new.fields.changed(&old.fields);
            if old.company != new.company {
                fields.push("company".to_owned());
            }
            tx.publish(event(caller, &new.id, &PartnerUpdated { display_name, fields }));
        }
        (Some(_), false) => tx.publish(event(caller, &new.id, &PartnerDeleted {})),
        (None, false) => {}
    }
}

fn event<P: Message + prost::Name>(caller: &Caller, id: &str, payload: &P) -> NewEvent {
    let name = format!("partners/{id}");
    NewEvent::new("directory", name.clone(), &Guard::company(), payload).partner(name).actor(caller.name())
}

/// Sets the link to a company where nothing of the card changes, and publishes it.
///
/// # Errors
/// Those of the database.
pub fn set_company(tx: &mut Tx<'_>, caller: &Caller, old: &Stored, company: &str) -> Result<()> {
    let now = tx.now();
    tx.execute("UPDATE card SET company = $2, update_time = $3 WHERE id = $1", args![&old.id, company, now])?;
    tx.audit(linked(&old.id, &old.company, company));
    let new = Stored { company: company.to_owned(), ..old.clone() };
    publish(tx, caller, Some(old), &new);
    Ok(())
}

/// The books of a new user: one of their own.
///
/// # Errors
/// INVALID_ARGUMENT for a name that can't be a path segment, or that owns what belongs to everyone.
pub fn ensure_books(tx: &mut Tx<'_>, user: &str) -> Result<()> {
    if user == COMPANY {
        return Err(Error::invalid(
            "user_id",
            format!("{COMPANY:?} stands for the whole company: choose another"),
        ));
    }
    let new = New { is_default: true, ..New::named(user, "contacts", Kind::AddressBook, "Contacts") };
    collection::ensure(tx, &new).map(|_| ())
}

/// The company's book, made at the first start.
///
/// # Errors
/// Those of the database.
pub async fn ensure_company_book(db: &Db) -> Result<()> {
    db.write(|tx| {
        collection::ensure(tx, &New::named(COMPANY, COMPANY, Kind::AddressBook, "Company contacts"))
            .map(|_| ())
    })
    .await
}

/// The company's book.
pub fn company_book() -> Target {
    Target::path(COMPANY, COMPANY)
}

/// A typed row by its id.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<Stored>> {
    conn.one(&format!("SELECT {COLUMNS} FROM card WHERE id = $1"), args![id], |row| read(row, 0))
}

fn write(tx: &mut Tx<'_>, row: &Stored) -> Result<()> {
    let fields = &row.fields;
    let details = Contact {
        phones: fields.phones.clone(),
        emails: fields.emails.clone(),
        addresses: fields.addresses.clone(),
        note: fields.note.clone(),
        ..Contact::default()
    };
    let kind = if fields.kind == contact::Kind::Company { 2 } else { 1 };
    tx.execute(
        "INSERT INTO card (id, book, partner, kind, uid, display_name, sort_name, given_name, family_name, organization, title,
         company, details, etag, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (id) DO UPDATE SET book = excluded.book, partner = excluded.partner, kind = excluded.kind, display_name = excluded.display_name,
         sort_name = excluded.sort_name, given_name = excluded.given_name, family_name = excluded.family_name,
         organization = excluded.organization, title = excluded.title, company = excluded.company,
         details = excluded.details, etag = excluded.etag, update_time = excluded.update_time",
        args![
            &row.id,
            row.book,
            row.partner,
            kind,
            &fields.uid,
            &fields.display_name,
            fields.display_name.to_lowercase(),
            &fields.given_name,
            &fields.family_name,
            &fields.organization,
            &fields.title,
            &row.company,
            details.encode_to_vec(),
            &row.etag,
            row.create_time,
            row.update_time
        ],
    )?;
    Ok(())
}

/// Writes by what a partner is found.
fn find_by(tx: &mut Tx<'_>, row: &Stored, existed: bool) -> Result<()> {
    if existed {
        forget(tx, &row.id)?;
    }
    if !row.partner {
        return Ok(());
    }
    for phone in row.fields.phones.iter().filter(|phone| !phone.e164.is_empty()) {
        tx.execute(
            "INSERT INTO card_phone (e164, card) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![&phone.e164, &row.id],
        )?;
    }
    for email in &row.fields.emails {
        let address = phone::address(&email.address);
        if !address.is_empty() {
            tx.execute(
                "INSERT INTO card_email (address, card) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                args![address, &row.id],
            )?;
        }
    }
    Ok(())
}

fn forget(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM card_phone WHERE card = $1", args![id])?;
    tx.execute("DELETE FROM card_email WHERE card = $1", args![id])?;
    Ok(())
}

/// Reads a row whose columns begin at `from`.
pub(super) fn read(row: &Row<'_>, from: usize) -> Result<Stored> {
    let details = Contact::decode(row.bytes(from + 11)?).map_err(Error::internal)?;
    Ok(Stored {
        id: row.string(from)?,
        book: row.int(from + 1)?,
        partner: row.bool(from + 2)?,
        company: row.string(from + 10)?,
        etag: row.string(from + 12)?,
        create_time: row.int(from + 13)?,
        update_time: row.int(from + 14)?,
        fields: Fields {
            kind: if row.int(from + 3)? == 2 { contact::Kind::Company } else { contact::Kind::Person },
            group: false,
            uid: row.string(from + 4)?,
            display_name: row.string(from + 5)?,
            given_name: row.string(from + 6)?,
            family_name: row.string(from + 7)?,
            organization: row.string(from + 8)?,
            title: row.string(from + 9)?,
            phones: details.phones,
            emails: details.emails,
            addresses: details.addresses,
            note: details.note,
        },
    })
}
