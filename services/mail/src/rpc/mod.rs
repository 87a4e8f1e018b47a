//! The gRPC interface of mail: one file for each thing.
//! Hung into the unit by lib.rs.

mod check;
mod convert;
mod domain_limit;
mod mailing;
mod preview;
mod recipient;
mod report;
mod steer;
mod suppression;
mod unsubscribe;
mod wait;
mod write;

use std::sync::Arc;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_kit::{Error, Result, id};
use kontor_proto::mail::v1::domain_limit_service_server::DomainLimitServiceServer;
use kontor_proto::mail::v1::mailing_service_server::MailingServiceServer;
use kontor_proto::mail::v1::suppression_service_server::SuppressionServiceServer;
use kontor_proto::mail::v1::unsubscribe_service_server::UnsubscribeServiceServer;
use tokio::sync::Notify;
use tonic::{Response, Status};

use crate::directory::Directory;
use crate::domain::Mailbox;
use crate::domain::keys::Keys;
use crate::domain::mailing::Mailing;
use crate::sender::{Sender, Senders, Trust};
use crate::settings::Settings;
use crate::store;
use crate::templates::Templates;

/// What a method answers.
type Answer<T> = std::result::Result<Response<T>, Status>;

/// What all of them, and the sender, stand on. Cheap to clone.
#[derive(Clone)]
pub struct House {
    /// Surroundings.
    pub context: Context,
    /// The database.
    pub db: Db,
    /// Settings.
    pub settings: Arc<Settings>,
    /// The key of the installation.
    pub keys: Keys,
    /// Partners.
    pub directory: Directory,
    /// Messages.
    pub templates: Templates,
    /// Whose certificates the relay may have.
    pub trust: Arc<Trust>,
    withdrawals: Arc<Notify>,
}

impl House {
    /// Puts it together.
    pub fn new(
        context: &Context,
        db: &Db,
        settings: &Arc<Settings>,
        keys: &Keys,
        (directory, templates): (&Directory, &Templates),
    ) -> House {
        House {
            context: context.clone(),
            db: db.clone(),
            settings: settings.clone(),
            keys: keys.clone(),
            directory: directory.clone(),
            templates: templates.clone(),
            trust: Arc::default(),
            withdrawals: Arc::default(),
        }
    }

    /// Wakes who withdraws consents.
    pub fn withdrawals(&self) -> Arc<Notify> {
        self.withdrawals.clone()
    }

    /// Who a mailing is from, and where people unsubscribe from it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_SENDER or NO_PUBLIC_ADDRESS.
    pub fn senders(&self, mailing: &Mailing) -> Result<Senders> {
        let reply_to = match mailing.reply_to.as_str() {
            "" => None,
            text => Some(Mailbox::parse(text).map_err(Error::internal)?),
        };
        Ok(Senders {
            from: self.settings.sender(&mailing.sender)?,
            reply_to,
            unsubscribe_root: self.settings.unsubscribe_root()?,
        })
    }

    /// A mailing that the caller sees.
    async fn mailing(&self, caller: &Caller, name: &str, field: &str) -> Result<Mailing> {
        let id = mailing_id(name, field)?;
        let caller = caller.clone();
        self.db.read_few(move |conn| store::mailing::get(conn, &caller, &id)).await
    }

    /// A mailing that the caller may change.
    async fn own_mailing(&self, caller: &Caller, name: &str, field: &str) -> Result<Mailing> {
        let mailing = self.mailing(caller, name, field).await?;
        caller.must_write(&mailing.guard(), &mailing.full_name())?;
        Ok(mailing)
    }

    /// A new Message-ID of a message.
    fn message_id(&self, outgoing: &str) -> String {
        format!("<{outgoing}@{}>", self.settings.own_domain())
    }
}

/// All services of this unit.
pub fn routes(house: House, sender: &Sender) -> Routes {
    let mailings = mailing::Mailings { house: house.clone(), sender: sender.clone() };
    let suppressions = suppression::Suppressions(house.clone());
    let limits = domain_limit::DomainLimits { house: house.clone(), sender: sender.clone() };
    let unsubscribe = unsubscribe::Unsubscribes::new(house);
    Routes::new(MailingServiceServer::new(mailings).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(SuppressionServiceServer::new(suppressions))
        .add_service(DomainLimitServiceServer::new(limits))
        .add_service(UnsubscribeServiceServer::new(unsubscribe))
}

fn mailing_id(name: &str, field: &str) -> Result<String> {
    Ok(id::parse("mailings", name, field)?.to_owned())
}

/// The id that a caller chose for something new, or a new one.
fn chosen_id(id: &str, field: &str) -> Result<String> {
    if id.is_empty() {
        return Ok(id::new());
    }
    id::check_chosen(id, field)?;
    Ok(id.to_owned())
}

/// A field that must be set.
fn must<T: Clone>(value: Option<&T>, field: &str) -> Result<T> {
    value.cloned().ok_or_else(|| Error::invalid(field, "it is missing"))
}
