//! FactService: facts in bulk, each with its key; those that are wrong are answered by their index.
//! Called by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::fact_service_server::FactService;
use tonic::{Request, Response};

use super::{Answer, House};
use crate::domain::facts::{Decimal, Mail, Purchase, Visit};
use crate::domain::money;
use crate::events::name;
use crate::store;
use crate::store::facts::{Change, Record};
use crate::store::partner::Ords;

/// The service.
pub struct Facts(pub(super) House);

/// Facts of one request.
const MOST: usize = 1_000;
/// How far ahead of now a fact may be, in microseconds: a hundred years.
const AHEAD: i64 = 100 * 366 * 86_400_000_000;

/// A fact that can be written.
#[derive(Clone)]
enum Wanted {
    Record { key: String, record: Record },
    Traits { tags: Vec<String>, language: String },
}

/// A fact of a request: its place, its partner, and what it says.
type Fact = (usize, String, Wanted);

#[tonic::async_trait]
impl FactService for Facts {
    async fn push_purchases(
        &self,
        request: Request<proto::PushPurchasesRequest>,
    ) -> Answer<proto::PushFactsResponse> {
        let caller = Caller::of(&request)?;
        let now = self.0.db.clock().now();
        let read = |it: &proto::Purchase| Ok((it.partner.clone(), purchase(it, now)?));
        let facts = read_all("purchases", &request.get_ref().purchases, read)?;
        Ok(Response::new(self.0.push(caller, facts).await?))
    }

    async fn push_page_visits(
        &self,
        request: Request<proto::PushPageVisitsRequest>,
    ) -> Answer<proto::PushFactsResponse> {
        let caller = Caller::of(&request)?;
        let now = self.0.db.clock().now();
        let read = |it: &proto::PageVisit| Ok((it.partner.clone(), visit(it, now)?));
        let facts = read_all("visits", &request.get_ref().visits, read)?;
        Ok(Response::new(self.0.push(caller, facts).await?))
    }

    async fn push_mail_events(
        &self,
        request: Request<proto::PushMailEventsRequest>,
    ) -> Answer<proto::PushFactsResponse> {
        let caller = Caller::of(&request)?;
        let now = self.0.db.clock().now();
        let read = |it: &proto::MailEvent| Ok((it.partner.clone(), mail(it, now)?));
        let facts = read_all("events", &request.get_ref().events, read)?;
        Ok(Response::new(self.0.push(caller, facts).await?))
    }

    async fn push_traits(
        &self,
        request: Request<proto::PushTraitsRequest>,
    ) -> Answer<proto::PushFactsResponse> {
        let caller = Caller::of(&request)?;
        let read = |it: &proto::Traits| Ok((it.partner.clone(), traits(it)?));
        let facts = read_all("traits", &request.get_ref().traits, read)?;
        Ok(Response::new(self.0.push(caller, facts).await?))
    }
}

/// The facts that are right, and what is wrong with the others.
type Read = (Vec<Fact>, Vec<proto::FactError>);

fn read_all<T>(field: &str, all: &[T], read: impl Fn(&T) -> Result<(String, Wanted)>) -> Result<Read> {
    if !(1..=MOST).contains(&all.len()) {
        return Err(Error::invalid(field, format!("send 1 to {MOST}")));
    }
    let (mut facts, mut errors) = (Vec::new(), Vec::new());
    for (place, one) in all.iter().enumerate() {
        let checked = read(one).and_then(|(partner, wanted)| {
            id::parse("partners", &partner, "partner")?;
            Ok((place, partner, wanted))
        });
        match checked {
            Ok(fact) => facts.push(fact),
            Err(cause) => errors.push(fault(place, &cause)),
        }
    }
    Ok((facts, errors))
}

fn fault(place: usize, cause: &Error) -> proto::FactError {
    proto::FactError {
        index: place as i32,
        field: cause.field().unwrap_or("partner").to_owned(),
        message: cause.message().to_owned(),
    }
}

fn key(key: &str) -> Result<String> {
    let is_good = (1..=200).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    if is_good {
        Ok(key.to_owned())
    } else {
        Err(Error::invalid("key", "use 1 to 200 characters on one line"))
    }
}

fn time(time: Option<&prost_types::Timestamp>, now: i64) -> Result<Option<i64>> {
    let time = time.map(clock::from_proto).ok_or_else(|| Error::invalid("time", "it is missing"))?;
    if (0..=now + AHEAD).contains(&time) {
        Ok(Some(time))
    } else {
        Err(Error::invalid("time", "it must be between 1970 and 100 years from now"))
    }
}

fn purchase(it: &proto::Purchase, now: i64) -> Result<Wanted> {
    let amount = it.amount.clone().ok_or_else(|| Error::invalid("amount", "it is missing"))?;
    let code = &amount.currency_code;
    let value = money::read("amount.currency_code", code, "amount.amount", &amount.amount)?;
    let kind = match it.kind() {
        proto::PurchaseKind::Refund => "REFUND",
        proto::PurchaseKind::Unspecified | proto::PurchaseKind::Sale => "SALE",
    };
    let posted = matches!(it.state(), proto::PurchaseState::Unspecified | proto::PurchaseState::Posted);
    let record = Purchase {
        kind: kind.to_owned(),
        posted,
        currency: code.clone(),
        amount: Some(Decimal(value)),
        time: time(it.time.as_ref(), now)?,
    };
    Ok(Wanted::Record { key: key(&it.key)?, record: Record::Purchase(record) })
}

fn visit(it: &proto::PageVisit, now: i64) -> Result<Wanted> {
    let page = &it.page;
    if !(1..=500).contains(&page.chars().count()) || page.chars().any(char::is_control) {
        return Err(Error::invalid("page", "use 1 to 500 characters on one line"));
    }
    let record = Visit { page: page.clone(), time: time(it.time.as_ref(), now)? };
    Ok(Wanted::Record { key: key(&it.key)?, record: Record::Visit(record) })
}

fn mail(it: &proto::MailEvent, now: i64) -> Result<Wanted> {
    let kind = name(it.kind().as_str_name(), "MAIL_EVENT_KIND_");
    if kind.is_empty() {
        return Err(Error::invalid("kind", "say what happened"));
    }
    let record = Mail { kind, time: time(it.time.as_ref(), now)? };
    Ok(Wanted::Record { key: key(&it.key)?, record: Record::Mail(record) })
}

fn traits(it: &proto::Traits) -> Result<Wanted> {
    if it.tags.len() > 50 {
        return Err(Error::invalid("tags", "at most 50 tags"));
    }
    let mut tags = it.tags.clone();
    for (place, tag) in tags.iter().enumerate() {
        if !(1..=100).contains(&tag.chars().count()) || tag.chars().any(char::is_control) {
            return Err(Error::invalid(format!("tags[{place}]"), "use 1 to 100 characters on one line"));
        }
    }
    tags.sort();
    tags.dedup();
    let language = &it.language;
    let is_code = language.len() <= 20 && language.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    if !is_code {
        return Err(Error::invalid("language", format!("{language:?} is no language like fr or fr-BE")));
    }
    Ok(Wanted::Traits { tags, language: language.clone() })
}

fn write(tx: &mut Tx<'_>, ords: Ords, wanted: &Wanted) -> Result<Change> {
    match wanted {
        Wanted::Record { key, record } => {
            let change = store::facts::put(tx, key, ords, record)?;
            if matches!(record, Record::Purchase(_)) && change != Change::Unchanged {
                store::rfm::stale(tx)?;
            }
            Ok(change)
        }
        Wanted::Traits { tags, language } => store::facts::put_traits(tx, ords, tags, language),
    }
}

impl House {
    /// Whether a partner is there: by what was heard, else by the directory, whose events may not have come yet.
    pub(super) async fn is_known(&self, partner: &str) -> Result<bool> {
        let name = partner.to_owned();
        let known = self.db.read_few(move |conn| match store::partner::get(conn, &name) {
            Ok(_) => Ok(true),
            Err(cause) if cause.is_not_found() => Ok(false),
            Err(cause) => Err(cause),
        });
        if known.await? {
            return Ok(true);
        }
        let Some(snapshot) = self.sources.partner(partner).await? else { return Ok(false) };
        let name = partner.to_owned();
        self.db.write(move |tx| store::facts::put_partner(tx, &name, &snapshot)).await?;
        Ok(true)
    }

    async fn push(&self, caller: Caller, (facts, mut errors): Read) -> Result<proto::PushFactsResponse> {
        caller.must_be_admin()?;
        let mut good = Vec::new();
        let mut last: Option<(String, bool)> = None;
        for fact in facts {
            let known = match &last {
                Some((partner, known)) if *partner == fact.1 => *known,
                _ => self.is_known(&fact.1).await?,
            };
            last = Some((fact.1.clone(), known));
            match known {
                true => good.push(fact),
                false => errors.push(fault(fact.0, &Error::not_found(&fact.1))),
            }
        }
        let (mut answer, late) = self
            .db
            .write(move |tx| {
                let (mut answer, mut late) = (proto::PushFactsResponse::default(), Vec::new());
                for (place, partner, wanted) in &good {
                    let ords = match store::partner::get(tx, partner) {
                        Ok(ords) => ords,
                        // Deleted in this moment.
                        Err(cause) if cause.is_not_found() => {
                            late.push(fault(*place, &cause));
                            continue;
                        }
                        Err(cause) => return Err(cause),
                    };
                    match write(tx, ords, wanted)? {
                        Change::Added => answer.added_count += 1,
                        Change::Replaced => answer.replaced_count += 1,
                        Change::Unchanged => answer.unchanged_count += 1,
                    }
                }
                Ok((answer, late))
            })
            .await?;
        self.live.settled().await?;
        errors.extend(late);
        errors.sort_by_key(|error| error.index);
        answer.errors = errors;
        Ok(answer)
    }
}
