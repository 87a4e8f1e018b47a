//! Reads partners, opportunities and numbers that are not called from the services that own them, as events said that they changed.
//! Started by lib.rs; the RPCs that take facts ask it for partners that no event told of yet.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
use kontor_kit::link::Link;
use kontor_kit::{Error, Result, clock, currency, phone};
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::segment_book_service_client::SegmentBookServiceClient;
use kontor_proto::directory::v1::{GetPartnerRequest, Partner as Card, PartnerKind};
use kontor_proto::mail::v1::mailing_service_client::MailingServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::{GetOpportunityRequest, Opportunity as Deal, OpportunityState};
use kontor_proto::telephony::v1::ListDoNotCallNumbersRequest;
use kontor_proto::telephony::v1::call_list_service_client::CallListServiceClient;
use kontor_proto::telephony::v1::dispatch_service_client::DispatchServiceClient;
use kontor_proto::telephony::v1::do_not_call_service_client::DoNotCallServiceClient;
use kontor_proto::r#type::v1::Phone;

use crate::Peers;
use crate::domain::facts::{Decimal, List, Opportunity, Partner};
use crate::engine::Live;
use crate::events::name;
use crate::store;
use crate::store::facts::{Record, Snapshot};
use crate::store::pull::{DO_NOT_CALL, Pull, Turn};

/// Things that are taken in one transaction.
const BATCH: i64 = 100;
/// Requests under way at once.
const AT_ONCE: usize = 16;
/// How often to look when nothing wakes us: another process may have written.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The services that facts are read from. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    peers: Peers,
    currency: String,
}

/// What was read.
enum Found {
    Partner(String, Option<Box<Snapshot>>),
    Opportunity(String, Option<Box<(String, Opportunity)>>),
    Numbers(Vec<String>),
}

/// Works off what is to be read for as long as the process runs.
pub fn start(context: &Context, db: &Db, live: &Live, sources: &Sources) {
    let (db, live, sources) = (db.clone(), live.clone(), sources.clone());
    context.spawn(async move {
        let mut published = db.published();
        loop {
            match work(&db, &live, &sources).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(cause) => {
                    tracing::warn!(cause = %cause, "facts can't be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, published.changed()).await;
        }
    });
}

/// Works off a batch. True when there may be more.
async fn work(db: &Db, live: &Live, sources: &Sources) -> Result<bool> {
    let now = db.clock().now();
    let pulls = db.read(move |conn| store::pull::due(conn, now, BATCH)).await?;
    if pulls.is_empty() {
        return Ok(false);
    }
    let count = pulls.len();
    let read: Vec<(Pull, Result<Found>)> = stream::iter(pulls)
        .map(|pull| async move {
            let found = sources.read(&pull.name).await;
            (pull, found)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    db.write(move |tx| {
        for (pull, found) in &read {
            match found {
                Ok(found) => {
                    match (store::pull::done(tx, pull)?, found) {
                        (Turn::Gone, _) => {}
                        // A number may have been taken off the list meanwhile. Others are taken, for who changes all the time is to be seen too.
                        (Turn::Later, Found::Numbers(_)) => {}
                        (Turn::Same | Turn::Later, found) => take(tx, found)?,
                    }
                }
                Err(cause) => {
                    tracing::debug!(name = pull.name, cause = %cause, "a fact can't be read now");
                    store::pull::later(tx, pull)?;
                }
            }
        }
        Ok(())
    })
    .await?;
    live.wake();
    Ok(count >= BATCH as usize)
}

fn take(tx: &mut Tx<'_>, found: &Found) -> Result<()> {
    match found {
        Found::Partner(name, Some(snapshot)) => store::facts::put_partner(tx, name, snapshot),
        Found::Partner(name, None) => match store::partner::find(tx, name)? {
            Some(ords) => store::facts::remove_partner(tx, ords.owner),
            None => Ok(()),
        },
        Found::Opportunity(name, deal) => {
            if let Some(deal) = deal
                && !deal.0.is_empty()
                && let Some(ords) = store::partner::find_or_add(tx, &deal.0)?
            {
                return store::facts::put(tx, name, ords, &Record::Opportunity(deal.1.clone())).map(|_| ());
            }
            store::facts::remove(tx, List::Opportunities, name).map(|_| ())
        }
        Found::Numbers(numbers) => {
            numbers.iter().try_for_each(|number| store::heard::set_do_not_call(tx, number, true))
        }
    }
}

impl Sources {
    /// The link to telephony, where it is run.
    pub fn telephony(&self) -> Option<&Link> {
        self.peers.telephony.as_ref()
    }

    /// Call lists of telephony.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_TELEPHONY where it is not run.
    pub fn call_lists(&self) -> Result<CallListServiceClient<Link>> {
        self.telephony().cloned().map(CallListServiceClient::new).ok_or_else(no_telephony)
    }

    /// The link to mail, where it is run.
    pub fn mail(&self) -> Option<&Link> {
        self.peers.mail.as_ref()
    }

    /// Mailings.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_MAIL where mail is not run.
    pub fn mailings(&self) -> Result<MailingServiceClient<Link>> {
        let client = self.mail().cloned().map(MailingServiceClient::new);
        client.ok_or_else(|| Error::precondition("NO_MAIL", "mail is not run here: a campaign can't be sent"))
    }

    /// Entries of call lists that are worked off.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason NO_TELEPHONY where it is not run.
    pub fn dispatch(&self) -> Result<DispatchServiceClient<Link>> {
        self.telephony().cloned().map(DispatchServiceClient::new).ok_or_else(no_telephony)
    }

    /// The directory's books of segments.
    pub fn books(&self) -> SegmentBookServiceClient<Link> {
        SegmentBookServiceClient::new(self.peers.directory.clone())
    }

    /// The telephones of a partner in the order of its card; none when it is gone.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn phones(&self, partner: &str) -> Result<Vec<Phone>> {
        let request = Caller::system().request(GetPartnerRequest { name: partner.to_owned() });
        let card = PartnerServiceClient::new(self.peers.directory.clone()).get_partner(request).await;
        Ok(there(card)?.map(|card| card.phones).unwrap_or_default())
    }

    /// Over these links, with amounts in the company's currency.
    pub fn new(context: &Context, peers: Peers) -> Sources {
        Sources { peers, currency: context.company.currency.clone() }
    }

    async fn read(&self, name: &str) -> Result<Found> {
        if name == DO_NOT_CALL {
            Ok(Found::Numbers(self.numbers().await?))
        } else if name.starts_with("opportunities/") {
            Ok(Found::Opportunity(name.to_owned(), self.opportunity(name).await?.map(Box::new)))
        } else {
            Ok(Found::Partner(name.to_owned(), self.partner(name).await?.map(Box::new)))
        }
    }

    /// A partner as the directory has it. None when it is not there, or went into another one.
    ///
    /// # Errors
    /// Those of the directory but NOT_FOUND.
    pub async fn partner(&self, name: &str) -> Result<Option<Snapshot>> {
        let request = Caller::system().request(GetPartnerRequest { name: name.to_owned() });
        let answer = PartnerServiceClient::new(self.peers.directory.clone()).get_partner(request).await;
        let card = there(answer)?.filter(|card| card.name == name);
        Ok(card.map(snapshot))
    }

    async fn opportunity(&self, name: &str) -> Result<Option<(String, Opportunity)>> {
        let Some(pipeline) = self.peers.pipeline.clone() else { return Ok(None) };
        let request = Caller::system().request(GetOpportunityRequest { name: name.to_owned() });
        let answer = OpportunityServiceClient::new(pipeline).get_opportunity(request).await;
        Ok(there(answer)?.map(|deal| (deal.partner.clone(), opportunity(deal, &self.currency))))
    }

    async fn numbers(&self) -> Result<Vec<String>> {
        let Some(telephony) = self.peers.telephony.clone() else { return Ok(Vec::new()) };
        let (mut client, mut all) = (DoNotCallServiceClient::new(telephony), Vec::new());
        let mut page_token = String::new();
        loop {
            let request = ListDoNotCallNumbersRequest { page_size: 1_000, page_token, ..Default::default() };
            let page = client.list_do_not_call_numbers(Caller::system().request(request)).await?.into_inner();
            all.extend(page.do_not_call_numbers.into_iter().map(|number| number.number));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }
}

fn no_telephony() -> Error {
    Error::precondition("NO_TELEPHONY", "telephony is not run in this installation, so nobody can be called")
}

/// An answer, or none for NOT_FOUND.
fn there<T>(answer: std::result::Result<tonic::Response<T>, tonic::Status>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(Error::from(status)),
    }
}

fn snapshot(card: Card) -> Snapshot {
    let address = card.addresses.first().cloned().unwrap_or_default();
    let kind = match card.kind() {
        PartnerKind::Company => "COMPANY",
        _ => "PERSON",
    };
    let mut emails: Vec<String> =
        card.emails.iter().map(|email| phone::address(&email.address)).filter(|it| !it.is_empty()).collect();
    let mut phones: Vec<String> =
        card.phones.iter().map(|phone| phone.e164.clone()).filter(|it| !it.is_empty()).collect();
    for list in [&mut emails, &mut phones] {
        list.sort();
        list.dedup();
    }
    let partner = Partner {
        kind: kind.to_owned(),
        display_name: card.display_name,
        organization: card.organization,
        title: card.title,
        company: card.company,
        country: address.country,
        region: address.region,
        city: address.locality,
        postal_code: address.postal_code,
        create_time: card.create_time.as_ref().map(clock::from_proto),
        ..Partner::default()
    };
    Snapshot { partner, emails, phones }
}

fn opportunity(deal: Deal, company: &str) -> Opportunity {
    Opportunity {
        state: name(OpportunityState::as_str_name(&deal.state()), "OPPORTUNITY_STATE_"),
        amount: amount(&deal, company),
        stage: deal.stage,
        pipeline: deal.pipeline,
        team: deal.team,
        assignee: deal.assignee,
        source: deal.source,
        lost_reason: deal.lost_reason,
        create_time: deal.create_time.as_ref().map(clock::from_proto),
        close_time: deal.close_time.as_ref().map(clock::from_proto),
    }
}

/// The expected amount in the company's currency, rounded half to even; none without an amount or a rate.
fn amount(deal: &Deal, company: &str) -> Option<Decimal> {
    let money = deal.amount.as_ref()?;
    let amount = i128::from(Decimal::parse(&money.amount)?.0);
    if money.currency_code == company {
        return i64::try_from(amount).ok().map(Decimal);
    }
    // "0.92": digits and how many of them stand behind the point.
    let (whole, part) = deal.exchange_rate.split_once('.').unwrap_or((&deal.exchange_rate, ""));
    if deal.exchange_rate.len() > 30 {
        return None;
    }
    let rate: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let unit = 10_i128.pow(currency::MOST - currency::scale_or_most(company));
    let (value, divisor) = (amount.checked_mul(rate)?, scale.checked_mul(unit)?);
    let (quotient, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    let up = rest * 2 > divisor || (rest * 2 == divisor && quotient % 2 != 0);
    i64::try_from((quotient + i128::from(up)) * unit).ok().map(Decimal)
}
