//! What letters ask the directory: partners with their cards, lists of partners, and who the sender is.
//! Called by the preview and the merges, always outside of a transaction.

use futures_util::stream::{self, StreamExt};
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::{Error, Result};
use kontor_proto::directory::v1::contact_service_client::ContactServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{
    BatchGetPartnersRequest, GetContactRequest, GetPartnerRequest, GetUserRequest, ListPartnersRequest,
    Partner, PartnerFound, User,
};
use kontor_proto::templating::v1 as proto;
use tonic::Code;

use crate::domain::data::text;
use crate::domain::person::{self, FromCard};

/// Cards that are asked for at once.
const AT_ONCE: usize = 16;
/// Partners of a page.
const PAGE: i32 = 500;

/// Clients of the directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    partners: PartnerServiceClient<Link>,
    contacts: ContactServiceClient<Link>,
    users: UserServiceClient<Link>,
}

/// A partner as letters need it.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// "partners/{id}"; of one that went into another one, that one's.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Its fields.
    pub fields: proto::Fields,
}

impl Directory {
    /// Clients over a link.
    pub fn new(link: Link) -> Self {
        Directory {
            partners: PartnerServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            contacts: ContactServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            users: UserServiceClient::new(link),
        }
    }

    /// A partner's fields; none when it does not exist.
    ///
    /// # Errors
    /// Those of the directory but NOT_FOUND.
    pub async fn recipient(&self, name: &str, photo: bool) -> Result<Option<Recipient>> {
        let request = Caller::system().request(GetPartnerRequest { name: name.to_owned() });
        match self.partners.clone().get_partner(request).await {
            Ok(partner) => Ok(Some(self.with_card(partner.into_inner(), photo).await?)),
            Err(cause) if matches!(cause.code(), Code::NotFound | Code::InvalidArgument) => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Many partners' fields, in the order of the names.
    ///
    /// # Errors
    /// As `recipient`.
    pub async fn recipients(&self, names: Vec<String>, photo: bool) -> Result<Vec<Option<Recipient>>> {
        let asked = stream::iter(names).map(|name| async move {
            if name.is_empty() { Ok(None) } else { self.recipient(&name, photo).await }
        });
        asked.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Many partners' fields in one call, in the order of the names, without photos; none for those that do not exist.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn batch(&self, names: Vec<String>) -> Result<Vec<Option<Recipient>>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let request = Caller::system().request(BatchGetPartnersRequest { names, card_details: true });
        let found = self.partners.clone().batch_get_partners(request).await?.into_inner().results;
        let recipient = |found: PartnerFound| {
            let partner = found.partner?;
            let card = FromCard {
                language: found.language,
                gender: found.gender,
                title: found.honorific_prefixes,
                photo: Vec::new(),
            };
            let fields = person::fields(&partner, &card, false);
            Some(Recipient { name: partner.name, display_name: partner.display_name, fields })
        };
        Ok(found.into_iter().map(recipient).collect())
    }

    /// A page of the partners that a filter finds, and where the next one begins.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the filter, and others of the directory.
    pub async fn page(
        &self,
        filter: &str,
        page_token: &str,
        photo: bool,
    ) -> Result<(Vec<Recipient>, String)> {
        let request = ListPartnersRequest {
            page_size: PAGE,
            page_token: page_token.to_owned(),
            filter: if filter == "true" { String::new() } else { filter.to_owned() },
            order_by: "display_name".to_owned(),
        };
        let page = self.partners.clone().list_partners(Caller::system().request(request)).await?.into_inner();
        let asked = stream::iter(page.partners).map(|partner| self.with_card(partner, photo));
        let found: Result<Vec<Recipient>> =
            asked.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect();
        Ok((found?, page.next_page_token))
    }

    async fn with_card(&self, partner: Partner, photo: bool) -> Result<Recipient> {
        let request = Caller::system().request(GetContactRequest { name: partner.contact.clone() });
        let card = match self.contacts.clone().get_contact(request).await {
            Ok(contact) => FromCard::read(&contact.into_inner().vcard),
            // Deleted in between.
            Err(cause) if cause.code() == Code::NotFound => FromCard::default(),
            Err(cause) => return Err(cause.into()),
        };
        let fields = person::fields(&partner, &card, photo);
        Ok(Recipient { name: partner.name, display_name: partner.display_name, fields })
    }

    /// The sender's fields.
    ///
    /// # Errors
    /// Those of the directory but NOT_FOUND.
    pub async fn sender(&self, caller: &Caller) -> Result<proto::Fields> {
        let user = if caller.user.is_empty() { None } else { self.user(caller, &caller.name()).await? };
        let user = User { display_name: caller.display_name.clone(), ..user.unwrap_or_default() };
        Ok(user_fields(&caller.user, user))
    }

    /// Another user's fields; none when it does not exist.
    ///
    /// # Errors
    /// Those of the directory but NOT_FOUND.
    pub async fn sender_called(&self, name: &str) -> Result<Option<proto::Fields>> {
        let login = kontor_kit::id::parse("users", name, "sender")?;
        Ok(self.user(&Caller::system(), name).await?.map(|user| user_fields(login, user)))
    }

    async fn user(&self, caller: &Caller, name: &str) -> Result<Option<User>> {
        let request = caller.request(GetUserRequest { name: name.to_owned() });
        match self.users.clone().get_user(request).await {
            Ok(user) => Ok(Some(user.into_inner())),
            Err(cause) if cause.code() == Code::NotFound => Ok(None),
            Err(cause) => Err(Error::from(cause)),
        }
    }
}

fn user_fields(login: &str, user: User) -> proto::Fields {
    let mut fields = proto::Fields::default();
    for (name, value) in [
        ("name", user.display_name.as_str()),
        ("login", login),
        ("email", &user.email),
        ("extension", &user.extension),
    ] {
        fields.fields.insert(name.to_owned(), text(value));
    }
    fields
}
