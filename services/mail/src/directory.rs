//! What mail asks the directory: addresses and consents of partners, and that a consent is withdrawn.
//! Called by rpc and the sender, always outside of a transaction.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::{Result, clock};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::consent_service_client::ConsentServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use tonic::Code;

use crate::domain::Address;
use crate::domain::mailing::Consent;
use crate::store::withdrawal::Withdrawal;

/// Partners of one request.
const AT_ONCE: usize = 1_000;

/// Clients of the directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    partners: PartnerServiceClient<Link>,
    consents: ConsentServiceClient<Link>,
}

/// A partner as mailings need it.
#[derive(Clone, Debug)]
pub struct Partner {
    /// "partners/{id}"; of one that went into another one, that one's.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Its first address that mail can go to, or why there is none.
    pub address: std::result::Result<Address, String>,
    consents: Vec<proto::ConsentStanding>,
}

impl Partner {
    /// What it says of a purpose.
    pub fn consent(&self, purpose: &str) -> Consent {
        let standing = self.consents.iter().find(|standing| standing.purpose == purpose);
        match standing.map(proto::ConsentStanding::state) {
            Some(proto::ConsentState::Granted) => Consent::Granted,
            Some(proto::ConsentState::Withdrawn) => Consent::Withdrawn,
            _ => Consent::None,
        }
    }
}

impl Directory {
    /// Clients over a link.
    pub fn new(link: Link) -> Self {
        Directory {
            partners: PartnerServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            consents: ConsentServiceClient::new(link),
        }
    }

    /// Partners by the names that they were asked for; those that are not there are missing.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn partners(&self, names: Vec<String>) -> Result<BTreeMap<String, Partner>> {
        let mut all = BTreeMap::new();
        for part in names.chunks(AT_ONCE) {
            let request = proto::BatchGetPartnersRequest { names: part.to_vec(), card_details: false };
            let mut client = self.partners.clone();
            let answer = client.batch_get_partners(Caller::system().request(request)).await?.into_inner();
            for found in answer.results {
                if let Some(partner) = found.partner {
                    all.insert(found.name, read(partner));
                }
            }
        }
        Ok(all)
    }

    /// Writes down that somebody withdrew. A partner that is gone has nothing to withdraw.
    ///
    /// # Errors
    /// Those of the directory but NOT_FOUND.
    pub async fn withdraw(&self, one: &Withdrawal) -> Result<()> {
        let request = proto::SetConsentRequest {
            partner: one.partner.clone(),
            purpose: one.purpose.clone(),
            state: proto::ConsentState::Withdrawn.into(),
            state_time: Some(clock::to_proto(one.state_time)),
            source: one.source.clone(),
            request_id: format!("unsubscribe-{}", one.id),
        };
        match self.consents.clone().set_consent(Caller::system().request(request)).await {
            Ok(_) => Ok(()),
            Err(cause) if cause.code() == Code::NotFound => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }
}

/// The preferred address, else the first one that is one.
fn read(partner: proto::Partner) -> Partner {
    let is_preferred =
        |email: &&kontor_proto::r#type::v1::Email| email.types.iter().any(|kind| kind == "pref");
    let preferred = partner.emails.iter().filter(is_preferred);
    let mut why = "the partner has no e-mail address".to_owned();
    let mut address = None;
    for email in preferred.chain(partner.emails.iter()) {
        match Address::parse(&email.address) {
            Ok(found) => {
                address = Some(found);
                break;
            }
            Err(wrong) => why = wrong,
        }
    }
    Partner {
        name: partner.name,
        display_name: partner.display_name,
        address: address.ok_or(why),
        consents: partner.consents,
    }
}
