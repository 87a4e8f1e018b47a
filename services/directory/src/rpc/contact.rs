//! ContactService: protobuf to domain and back.
//! Called by the gateway and by other programs; what both resources share is used by partner.rs.

use kontor_collection::store::collection;
use kontor_collection::{Access, COMPANY, Collection, Kind, Target, access};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::contact_service_server::ContactService;
use tonic::{Request, Response, Status};

use crate::domain::contact::{FIELDS, Fields};
use crate::store;
use crate::store::card::{Cards, Stored};
use crate::store::contact::Wanted;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Contacts {
    pub(super) db: Db,
    pub(super) cards: Cards,
}

#[tonic::async_trait]
impl ContactService for Contacts {
    async fn list_address_books(
        &self,
        request: Request<proto::ListAddressBooksRequest>,
    ) -> Answer<proto::ListAddressBooksResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        if request.page_size < 0 {
            return Err(Error::invalid("page_size", "it can't be negative").into());
        }
        let owner = if caller.user.is_empty() { COMPANY.to_owned() } else { caller.user.clone() };
        let mut books = self.db.read(move |conn| collection::home(conn, &caller, &owner)).await?;
        books.retain(|(book, _)| book.kind == Kind::AddressBook);
        Ok(Response::new(books_page(books, &request)?))
    }

    async fn share_address_book(
        &self,
        request: Request<proto::ShareAddressBookRequest>,
    ) -> Answer<proto::AddressBookShare> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.share(caller, request.into_inner()).await?))
    }

    async fn list_address_book_shares(
        &self,
        request: Request<proto::ListAddressBookSharesRequest>,
    ) -> Answer<proto::ListAddressBookSharesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.shares(caller, request.into_inner()).await?))
    }

    async fn unshare_address_book(&self, request: Request<proto::UnshareAddressBookRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        self.unshare(caller, request.into_inner()).await?;
        Ok(Response::new(()))
    }

    async fn list_contacts(
        &self,
        request: Request<proto::ListContactsRequest>,
    ) -> Answer<proto::ListContactsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListContactsRequest { parent, page_size, page_token, filter, order_by } =
            request.into_inner();
        let book = id::parse("addressBooks", &parent, "parent")?.to_owned();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self
            .db
            .read_list(query.kind_under(&caller, &parent), move |conn| {
                let found = find_book(conn, &caller, &book)?;
                store::contact::list(conn, &caller, found.num, &query)
                    .map(|page| page.map(|row| to_proto(row, &book_id(&found))))
            })
            .await?;
        Ok(Response::new(proto::ListContactsResponse {
            contacts: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_contact(&self, request: Request<proto::GetContactRequest>) -> Answer<proto::Contact> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        let (book, contact) = names(&name, "name")?;
        let read = self.db.read_few(move |conn| {
            let object = store::contact::object(conn, &caller, &book, &contact, &name)?;
            let row = store::contact::stored(conn, &object.id)?;
            Ok(proto::Contact { vcard: object.data, ..to_proto(row, &book) })
        });
        Ok(Response::new(read.await?))
    }

    async fn create_contact(&self, request: Request<proto::CreateContactRequest>) -> Answer<proto::Contact> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let book = id::parse("addressBooks", &request.parent, "parent")?.to_owned();
        let contact = request.contact.as_ref().ok_or_else(|| Error::invalid("contact", "it is missing"))?;
        let fields = Fields { uid: checked_uid(&contact.uid)?, ..fields(contact) }.checked("contact")?;
        let cards = self.cards.clone();
        if request.validate_only {
            let answer = draft(&cards, &fields, self.db.clock().now())?;
            self.db.read(move |conn| check_new(conn, &caller, &book, &fields.uid)).await?;
            return Ok(Response::new(answer));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let row = store::contact::create(tx, &cards, &caller, &book_target(&book), &fields)?;
                Ok(to_proto(row, &book))
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn update_contact(&self, request: Request<proto::UpdateContactRequest>) -> Answer<proto::Contact> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let contact = request.contact.clone().ok_or_else(|| Error::invalid("contact", "it is missing"))?;
        let (book, id) = names(&contact.name, "contact.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&contact))?;
        let wanted = fields(&contact);
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let object = store::contact::object(tx, &caller, &book, &id, &contact.name)?;
                let present = store::contact::stored(tx, &object.id)?;
                let new = taken(&present.fields, &wanted, &mask, "contact")?;
                let wanted = Wanted {
                    name: &contact.name,
                    book: &book_target(&book),
                    etag: &contact.etag,
                    fields: &new,
                    mask: mask.fields(),
                    company: None,
                };
                let row = store::contact::update(tx, &cards, &caller, &object, &wanted)?;
                Ok(to_proto(row, &book))
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn delete_contact(&self, request: Request<proto::DeleteContactRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (book, id) = names(&request.name, "name")?;
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let object = store::contact::object(tx, &caller, &book, &id, &request.name)?;
                store::contact::delete(tx, &cards, &caller, &book_target(&book), &object, &request.etag)
            })
        });
        Ok(Response::new(write.await?))
    }
}

fn names(name: &str, field: &str) -> kontor_kit::Result<(String, String)> {
    let (book, contact) = id::parse_child("addressBooks", "contacts", name, field)?;
    Ok((book.to_owned(), contact.to_owned()))
}

fn book_target(book: &str) -> Target {
    if book == COMPANY { store::card::company_book() } else { Target::id(book) }
}

fn book_id(book: &Collection) -> String {
    if book.is_company() { COMPANY.to_owned() } else { book.id.clone() }
}

pub(super) fn find_book(conn: &mut Conn<'_>, caller: &Caller, book: &str) -> kontor_kit::Result<Collection> {
    let missing = |cause: Error| match cause.code() {
        tonic::Code::NotFound => Error::not_found(format!("addressBooks/{book}")),
        _ => cause,
    };
    let (found, _) = collection::find(conn, caller, &book_target(book)).map_err(missing)?;
    // Who is in a segment is told by segmentation.
    if found.kind == Kind::Shown {
        return Err(Error::not_found(format!("addressBooks/{book}")));
    }
    Ok(found)
}

/// What only the database knows of a new contact: the book is there and open for writing, and the UID is free.
fn check_new(conn: &mut Conn<'_>, caller: &Caller, book: &str, uid: &str) -> kontor_kit::Result<()> {
    let found = find_book(conn, caller, book)?;
    if access(conn, caller, &found)? < Some(Access::Write) {
        return Err(Error::denied(format!("addressBooks/{book} is only open for reading")));
    }
    match store::contact::has_uid(conn, found.num, uid)? {
        true => Err(Error::already_exists(format!("contact.uid: a contact with the UID {uid:?}"))),
        false => Ok(()),
    }
}

/// A home has few books, so a page is cut out of them all; the token is the last book's name.
fn books_page(
    books: Vec<(Collection, Access)>,
    request: &proto::ListAddressBooksRequest,
) -> kontor_kit::Result<proto::ListAddressBooksResponse> {
    let size = if request.page_size == 0 { 50 } else { usize::try_from(request.page_size).unwrap_or(50) };
    let mut all = books.into_iter().map(|(book, access)| proto::AddressBook {
        name: format!("addressBooks/{}", book_id(&book)),
        display_name: book.display_name.clone(),
        owner: if book.is_company() { String::new() } else { format!("users/{}", book.owner) },
        company: book.is_company(),
        writable: access >= Access::Write,
    });
    if !request.page_token.is_empty() && !all.any(|book| book.name == request.page_token) {
        return Err(Error::invalid("page_token", "it is not a token of this list: begin again without one"));
    }
    let address_books: Vec<proto::AddressBook> = all.by_ref().take(size).collect();
    let last = address_books.last().map(|book| book.name.clone());
    let next_page_token = if all.next().is_some() { last.unwrap_or_default() } else { String::new() };
    Ok(proto::ListAddressBooksResponse { address_books, next_page_token })
}

fn checked_uid(uid: &str) -> kontor_kit::Result<String> {
    let good = uid.len() <= 255 && !uid.chars().any(char::is_control) && uid.trim() == uid;
    if good {
        Ok(uid.to_owned())
    } else {
        Err(Error::invalid("contact.uid", "use at most 255 bytes in one line"))
    }
}

/// The contact as it would be.
fn draft(cards: &Cards, fields: &Fields, now: i64) -> kontor_kit::Result<proto::Contact> {
    let data = store::contact::new_card(fields, now)?;
    let row = Stored {
        id: String::new(),
        book: 0,
        partner: false,
        company: String::new(),
        etag: kontor_collection::write::etag(&data),
        create_time: now,
        update_time: now,
        fields: cards.read(&data)?.typed,
    };
    Ok(proto::Contact { name: String::new(), ..to_proto(row, "") })
}

fn fields(contact: &proto::Contact) -> Fields {
    Fields {
        display_name: contact.display_name.clone(),
        given_name: contact.given_name.clone(),
        family_name: contact.family_name.clone(),
        organization: contact.organization.clone(),
        title: contact.title.clone(),
        phones: contact.phones.clone(),
        emails: contact.emails.clone(),
        addresses: contact.addresses.clone(),
        note: contact.note.clone(),
        ..Fields::default()
    }
}

fn fields_set(contact: &proto::Contact) -> Vec<&'static str> {
    set(&fields(contact))
}

/// Names of the fields that have something.
pub(super) fn set(fields: &Fields) -> Vec<&'static str> {
    let filled = [
        !fields.display_name.is_empty(),
        !fields.given_name.is_empty(),
        !fields.family_name.is_empty(),
        !fields.organization.is_empty(),
        !fields.title.is_empty(),
        !fields.phones.is_empty(),
        !fields.emails.is_empty(),
        !fields.addresses.is_empty(),
        !fields.note.is_empty(),
    ];
    FIELDS.into_iter().zip(filled).filter(|(_, filled)| *filled).map(|(name, _)| name).collect()
}

/// The present fields with those of the mask taken over. Only these are checked: what another program wrote into the card
/// is no fault of this caller.
///
/// # Errors
/// INVALID_ARGUMENT naming the field below `resource`.
pub(super) fn taken(
    present: &Fields,
    wanted: &Fields,
    mask: &Mask,
    resource: &str,
) -> kontor_kit::Result<Fields> {
    let tidy = merged(&Fields::default(), wanted, mask).tidied(resource)?;
    let new = merged(present, &tidy, mask);
    if mask.has("display_name") { new.named(resource) } else { Ok(new) }
}

/// The present fields with those of the mask put in their place.
fn merged(present: &Fields, wanted: &Fields, mask: &Mask) -> Fields {
    let mut new = present.clone();
    for field in mask.fields() {
        match field.as_str() {
            "kind" => new.kind = wanted.kind,
            "display_name" => new.display_name.clone_from(&wanted.display_name),
            "given_name" => new.given_name.clone_from(&wanted.given_name),
            "family_name" => new.family_name.clone_from(&wanted.family_name),
            "organization" => new.organization.clone_from(&wanted.organization),
            "title" => new.title.clone_from(&wanted.title),
            "phones" => new.phones.clone_from(&wanted.phones),
            "emails" => new.emails.clone_from(&wanted.emails),
            "addresses" => new.addresses.clone_from(&wanted.addresses),
            "note" => new.note.clone_from(&wanted.note),
            _ => {}
        }
    }
    new
}

fn to_proto(row: Stored, book: &str) -> proto::Contact {
    let fields = row.fields;
    proto::Contact {
        name: format!("addressBooks/{book}/contacts/{}", row.id),
        display_name: fields.display_name,
        given_name: fields.given_name,
        family_name: fields.family_name,
        organization: fields.organization,
        title: fields.title,
        phones: fields.phones,
        emails: fields.emails,
        addresses: fields.addresses,
        note: fields.note,
        uid: fields.uid,
        partner: if row.partner { format!("partners/{}", row.id) } else { String::new() },
        etag: row.etag,
        vcard: Default::default(),
        update_time: Some(clock::to_proto(row.update_time)),
    }
}

#[cfg(test)]
mod tests {
    use kontor_proto::r#type::v1::{Email, Phone};

    use super::*;

    #[test]
    fn only_what_is_taken_over_is_checked() {
        // As other programs write it into cards.
        let odd = Email { address: "no address".to_owned(), types: vec!["X_ODD".to_owned()] };
        let present = Fields { emails: vec![odd.clone()], ..Fields::default() };
        let mask = |paths: &[&str]| Mask::read(None, &FIELDS, paths).unwrap();
        let wanted = Fields { note: "new".to_owned(), ..Fields::default() };
        let new = taken(&present, &wanted, &mask(&["note"]), "contact").unwrap();
        assert_eq!((new.note.as_str(), new.emails.as_slice()), ("new", [odd].as_slice()));
        let wanted = Fields { phones: vec![Phone::default()], ..Fields::default() };
        let refused = taken(&present, &wanted, &mask(&["phones"]), "contact").unwrap_err();
        assert!(refused.message().starts_with("contact.phones[0].number"), "{refused}");
        let named = taken(&present, &wanted, &mask(&["display_name"]), "contact").unwrap();
        assert_eq!(named.display_name, "no address");
    }
}
