//! UnsubscribeService: one click (RFC 8058). The token is the whole sign-in; wrong ones are counted by peer.
//! Called by the gateway only.

use std::sync::{Mutex, PoisonError};

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::resource;
use kontor_kit::secret::Secret;
use kontor_kit::window::Window;
use kontor_kit::{Error, Result};
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::unsubscribe_service_server::UnsubscribeService;
use tonic::{Request, Response};

use super::{Answer, House};
use crate::domain::Address;
use crate::domain::keys::Keys;
use crate::domain::mailing::Mailing;
use crate::domain::suppression::{Cause, Suppression};
use crate::store::outgoing::OfToken;
use crate::store::withdrawal::Withdrawal;
use crate::{events, store};

/// Wrong tokens of a peer in a minute.
const WRONG: usize = 20;

/// The service.
pub struct Unsubscribes {
    house: House,
    wrong: Mutex<Window>,
}

impl Unsubscribes {
    pub(super) fn new(house: House) -> Self {
        Unsubscribes { house, wrong: Mutex::new(Window::new(WRONG)) }
    }

    /// The message of a token; none for that of a test.
    async fn find(&self, token: &str, peer: &str) -> Result<Option<OfToken>> {
        let found = match Secret::read(token) {
            Some(token) if self.house.keys.is_test(&token) => return Ok(None),
            Some(token) => {
                let hash = Keys::token_hash(&token);
                self.house.db.read_few(move |conn| store::outgoing::of_token(conn, &hash)).await?
            }
            None => None,
        };
        found.map(Some).ok_or_else(|| self.wrong(peer))
    }

    /// The one answer to every wrong token. A right one is never held up by wrong ones of its neighbours: behind a proxy all are one peer.
    fn wrong(&self, peer: &str) -> Error {
        let now = self.house.db.clock().now();
        let mut window = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = window.wait(peer, now) {
            return Error::exhausted("too many wrong addresses: wait, then try again", wait);
        }
        window.note(peer, now);
        Error::not_found("this address for unsubscribing")
    }
}

#[tonic::async_trait]
impl UnsubscribeService for Unsubscribes {
    async fn check_unsubscribe(
        &self,
        request: Request<proto::CheckUnsubscribeRequest>,
    ) -> Answer<proto::CheckUnsubscribeResponse> {
        Caller::of(&request)?.must_be_system()?;
        let proto::CheckUnsubscribeRequest { token, peer } = request.into_inner();
        let test = self.find(&token, &peer).await?.is_none();
        let company = self.house.context.company.name.clone();
        Ok(Response::new(proto::CheckUnsubscribeResponse { company, test }))
    }

    async fn unsubscribe(
        &self,
        request: Request<proto::UnsubscribeRequest>,
    ) -> Answer<proto::UnsubscribeResponse> {
        Caller::of(&request)?.must_be_system()?;
        let proto::UnsubscribeRequest { token, peer } = request.into_inner();
        let found = self.find(&token, &peer).await?;
        let test = found.is_none();
        if let Some(found) = found.filter(|found| found.unsubscribe_time.is_none()) {
            self.house.db.write(move |tx| unsubscribe(tx, &found)).await?;
            self.house.withdrawals.notify_one();
            metrics::counter!("kontor_mail_unsubscribed_total").increment(1);
        }
        let company = self.house.context.company.name.clone();
        Ok(Response::new(proto::UnsubscribeResponse { company, test }))
    }
}

fn unsubscribe(tx: &mut Tx<'_>, found: &OfToken) -> Result<()> {
    if !store::outgoing::set_unsubscribed(tx, &found.id)? {
        return Ok(());
    }
    let Some(mailing) = resource::find::<Mailing>(tx, &found.mailing)? else { return Ok(()) };
    let now = tx.now();
    let suppression = Suppression {
        id: found.address_hash.clone(),
        version: 1,
        // Empty when the person was erased: the hash alone suppresses.
        address: Address::parse(&found.address).map(|it| it.key()).unwrap_or_default(),
        domain: String::new(),
        cause: Cause::Unsubscribed,
        note: String::new(),
        mailing: mailing.full_name(),
        user: String::new(),
        create_time: now,
    };
    let (_, is_new) = store::suppression::add(tx, &suppression)?;
    if !found.partner.is_empty() {
        let withdrawal = Withdrawal {
            id: found.id.clone(),
            partner: found.partner.clone(),
            purpose: mailing.purpose.clone(),
            source: format!("unsubscribed by the address in {}", mailing.full_name()),
            state_time: now,
        };
        store::withdrawal::add(tx, &withdrawal)?;
    }
    if is_new {
        events::suppressed(tx, &mailing, &found.partner, Cause::Unsubscribed);
    }
    Ok(())
}
