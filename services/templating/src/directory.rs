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
    GetContactRequest, GetPartnerRequest, GetUserRequest, ListPartnersRequest, Partner,
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
        let user = if caller.user.is_empty() {
            None
        } else {
            let request = caller.request(GetUserRequest { name: caller.name() });
            match self.users.clone().get_user(request).await {
                Ok(user) => Some(user.into_inner()),
                Err(cause) if cause.code() == Code::NotFound => None,
                Err(cause) => return Err(Error::from(cause)),
            }
        };
        let (email, extension) = user.map(|user| (user.email, user.extension)).unwrap_or_default();
        let mut fields = proto::Fields::default();
        for (name, value) in [
            ("name", caller.display_name.as_str()),
            ("login", &caller.user),
            ("email", &email),
            ("extension", &extension),
        ] {
            fields.fields.insert(name.to_owned(), text(value));
        }
        Ok(fields)
    }
}
