//! DuplicateService: protobuf to domain and back; who is asked about, what is found, in which order.
//! Called by other programs, and by forms while someone types.

use std::collections::{BTreeMap, BTreeSet};

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db};
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, phone};
use kontor_proto::directory::v1::{LookupPartnersRequest, Partner};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::duplicate_service_server::DuplicateService;
use kontor_proto::pipeline::v1::find_duplicates_request::Of;
use tonic::{Request, Response, Status};

use super::peers::Directory;
use crate::domain::duplicate::{Key, Kind, confidence, keys, written};
use crate::domain::lead::{Details, Lead, State};
use crate::domain::opportunity::{Opportunity, Outcome};
use crate::store;

/// The service.
pub struct Duplicates {
    pub(super) db: Db,
    pub(super) directory: Directory,
    /// ISO 3166 country of the installation.
    pub(super) region: String,
}

type Answer<T> = Result<Response<T>, Status>;

/// Records with one value that are looked at; of a group; and of a group that are shown.
const LOOK: i64 = 10_000;
const GROUP: i64 = 1_000;
const SHOWN: usize = 20;
/// Leads of an opportunity, and values, that are looked at.
const LEADS: i64 = 10;
const KEYS: usize = 30;

/// What is compared.
#[derive(Default)]
struct Subject {
    /// Each value, and how it is written there.
    keys: BTreeMap<Key, String>,
    /// "partners/{id}".
    partners: BTreeSet<String>,
    /// Names that are not shown: its own.
    own: BTreeSet<String>,
}

/// What another record has in common with it, and how many have each value.
type Found = BTreeMap<String, Vec<(Key, usize)>>;

#[tonic::async_trait]
impl DuplicateService for Duplicates {
    async fn find_duplicates(
        &self,
        request: Request<proto::FindDuplicatesRequest>,
    ) -> Answer<proto::FindDuplicatesResponse> {
        let caller = Caller::of(&request)?;
        let proto::FindDuplicatesRequest { of, max_count } = request.into_inner();
        let most = match max_count {
            0 => 20,
            1..=100 => usize::try_from(max_count).unwrap_or(100),
            _ => return Err(Error::invalid("max_count", "0 to 100").into()),
        };
        let subject = self.subject(&caller, of).await?;
        let answer = self.db.read(move |conn| {
            let found = find(conn, &caller, &subject)?;
            let total_count = i32::try_from(found.len()).unwrap_or(i32::MAX);
            let duplicates = shown(conn, &subject, ranked(found).into_iter().take(most))?;
            Ok(proto::FindDuplicatesResponse { duplicates, total_count })
        });
        Ok(Response::new(answer.await?))
    }

    async fn list_duplicates(
        &self,
        request: Request<proto::ListDuplicatesRequest>,
    ) -> Answer<proto::ListDuplicatesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListDuplicatesRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, filter: String::new(), order_by: String::new() };
        let answer = self.db.read(move |conn| {
            let page = store::duplicate::groups(conn, &caller, &query)?;
            let mut groups = Vec::with_capacity(page.rows.len());
            for key in page.rows {
                groups.extend(group(conn, &caller, key)?);
            }
            Ok(proto::ListDuplicatesResponse { groups, next_page_token: page.next_page_token })
        });
        Ok(Response::new(answer.await?))
    }
}

impl Duplicates {
    /// What is compared, with the partners that the directory knows of it; asked before the look at the database.
    async fn subject(&self, caller: &Caller, of: Option<Of>) -> kontor_kit::Result<Subject> {
        match of {
            Some(Of::Lead(lead)) => {
                let mut subject = Subject::default();
                subject.add(&draft(lead), &self.region);
                self.add_partners(caller, &mut subject).await?;
                Ok(subject)
            }
            Some(Of::Name(name)) if name.starts_with("opportunities/") => {
                let id = id::parse("opportunities", &name, "name")?.to_owned();
                self.of_deal(caller, id).await
            }
            Some(Of::Name(name)) => {
                let id = id::parse("leads", &name, "name")?.to_owned();
                self.of_lead(caller, id).await
            }
            None => Err(Error::invalid("name", "name a lead or an opportunity, or give a lead")),
        }
    }

    async fn of_lead(&self, caller: &Caller, lead: String) -> kontor_kit::Result<Subject> {
        let reader = caller.clone();
        let read = move |conn: &mut Conn<'_>| {
            let lead = store::lead::get(conn, &reader, &lead)?;
            let deal = store::opportunity::find_of_lead(conn, &lead)?;
            Ok((lead, deal.filter(|deal| reader.may_read(&deal.guard()))))
        };
        let (lead, deal) = self.db.read_few(read).await?;
        let mut subject = Subject::default();
        subject.add(&lead.details, &self.region);
        subject.own.insert(lead.name());
        match deal {
            Some(deal) => {
                subject.own.insert(deal.name());
                subject.partners.extend(Some(deal.details.partner).filter(|partner| !partner.is_empty()));
            }
            None => self.add_partners(caller, &mut subject).await?,
        }
        Ok(subject)
    }

    async fn of_deal(&self, caller: &Caller, deal: String) -> kontor_kit::Result<Subject> {
        let reader = caller.clone();
        let read = move |conn: &mut Conn<'_>| {
            let deal = store::opportunity::get(conn, &reader, &deal)?;
            let leads = store::duplicate::leads_of(conn, &reader, &deal.name(), LEADS)?;
            Ok((deal, leads))
        };
        let (deal, leads) = self.db.read_few(read).await?;
        let mut subject = Subject::default();
        subject.own.insert(deal.name());
        for lead in leads {
            subject.add(&lead.details, &self.region);
            subject.own.insert(lead.name());
        }
        // One that was deleted since is not compared.
        if let Some(card) = self.directory.find_partner(caller, &deal.details.partner).await? {
            subject.add_card(&card);
            subject.partners.insert(card.name);
        }
        Ok(subject)
    }

    /// The partners that have its address or number.
    async fn add_partners(&self, caller: &Caller, subject: &mut Subject) -> kontor_kit::Result<()> {
        let value = |kind| subject.keys.keys().find(|key| key.kind == kind).map(|key| key.value.clone());
        let (email, number) = (value(Kind::Email), value(Kind::Phone));
        if email.is_none() && number.is_none() {
            return Ok(());
        }
        let request = LookupPartnersRequest {
            phone_number: number.unwrap_or_default(),
            email: email.unwrap_or_default(),
            ..Default::default()
        };
        subject.partners = self.directory.lookup(caller, request).await?.into_iter().collect();
        Ok(())
    }
}

impl Subject {
    fn add(&mut self, details: &Details, region: &str) {
        for key in keys(details, region) {
            let text = written(details, key.kind);
            self.keys.entry(key).or_insert(text);
        }
    }

    fn add_card(&mut self, card: &Partner) {
        for entry in &card.emails {
            let value = phone::address(&entry.address);
            self.keys.entry(Key { kind: Kind::Email, value }).or_insert_with(|| entry.address.clone());
        }
        for entry in &card.phones {
            let value = entry.e164.clone();
            self.keys.entry(Key { kind: Kind::Phone, value }).or_insert_with(|| entry.number.clone());
        }
        self.keys.retain(|key, _| !key.value.is_empty());
    }
}

/// What a form has so far.
fn draft(lead: proto::Lead) -> Details {
    Details {
        contact_name: lead.contact_name.chars().take(500).collect(),
        company_name: lead.company_name.chars().take(500).collect(),
        email: lead.email,
        phone: lead.phone,
        region: lead.region.trim().to_owned(),
        ..Details::default()
    }
}

fn find(conn: &mut Conn<'_>, caller: &Caller, subject: &Subject) -> kontor_kit::Result<Found> {
    let mut found = Found::new();
    let mut add = |key: &Key, names: Vec<String>| {
        let count = names.len();
        for name in names.into_iter().filter(|name| !subject.own.contains(name)) {
            found.entry(name).or_default().push((key.clone(), count));
        }
    };
    for key in subject.keys.keys().take(KEYS) {
        let ids = store::duplicate::holders(conn, caller, key, LOOK)?;
        add(key, ids.into_iter().map(|id| format!("leads/{id}")).collect());
    }
    for partner in &subject.partners {
        let ids = store::duplicate::deals_of(conn, caller, partner, LOOK)?;
        let key = Key { kind: Kind::Partner, value: partner.clone() };
        add(&key, ids.into_iter().map(|id| format!("opportunities/{id}")).collect());
    }
    Ok(found)
}

/// The surest first, of those the newest.
fn ranked(found: Found) -> Vec<(i32, String, Vec<Key>)> {
    let mut ranked: Vec<_> = found
        .into_iter()
        .map(|(name, mut matches)| {
            matches.sort();
            // Two addresses in common are hardly more than one.
            let mut strongest = BTreeMap::new();
            for (key, holders) in &matches {
                let least = strongest.entry(key.kind).or_insert(*holders);
                *least = (*least).min(*holders);
            }
            let keys = matches.into_iter().map(|(key, _)| key).collect();
            (confidence(strongest), name, keys)
        })
        .collect();
    let id = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    ranked.sort_by_cached_key(|(sure, name, _)| std::cmp::Reverse((*sure, id(name))));
    ranked
}

fn shown(
    conn: &mut Conn<'_>,
    subject: &Subject,
    ranked: impl Iterator<Item = (i32, String, Vec<Key>)>,
) -> kontor_kit::Result<Vec<proto::Duplicate>> {
    let mut duplicates = Vec::new();
    for (sure, name, common) in ranked {
        let (record, details) = match id::parse("leads", &name, "name") {
            Ok(id) => {
                let lead = resource::get::<Lead>(conn, id)?;
                (of_lead(&lead), lead.details)
            }
            Err(_) => {
                let id = id::parse("opportunities", &name, "name")?;
                (of_deal(&resource::get(conn, id)?), Details::default())
            }
        };
        let matches = common.into_iter().map(|key| {
            let is_partner = key.kind == Kind::Partner;
            let value = if is_partner { Some(key.value.clone()) } else { subject.keys.get(&key).cloned() };
            proto::DuplicateMatch {
                reason: key.kind as i32,
                value: value.unwrap_or_default(),
                other_value: if is_partner { key.value.clone() } else { written(&details, key.kind) },
                common_value: key.value,
            }
        });
        let matches = matches.collect();
        duplicates.push(proto::Duplicate { record: Some(record), matches, confidence: sure });
    }
    Ok(duplicates)
}

/// None when the caller may see only one of them.
fn group(
    conn: &mut Conn<'_>,
    caller: &Caller,
    key: Key,
) -> kontor_kit::Result<Option<proto::DuplicateGroup>> {
    let ids = store::duplicate::holders(conn, caller, &key, GROUP)?;
    if ids.len() < 2 {
        return Ok(None);
    }
    let newest = ids.iter().take(SHOWN).map(|id| Ok(of_lead(&resource::get::<Lead>(conn, id)?)));
    Ok(Some(proto::DuplicateGroup {
        records: newest.collect::<kontor_kit::Result<_>>()?,
        reason: key.kind as i32,
        value: key.value,
        total_count: i32::try_from(ids.len()).unwrap_or(i32::MAX),
    }))
}

fn of_lead(lead: &Lead) -> proto::DuplicateRecord {
    let state = match lead.details.state {
        State::Open => "OPEN",
        State::Converted => "CONVERTED",
        State::Disqualified => "DISQUALIFIED",
    };
    proto::DuplicateRecord {
        name: lead.name(),
        title: lead.details.title.clone(),
        assignee: lead.details.assignee.clone(),
        team: lead.details.team.clone(),
        state: state.to_owned(),
        opportunity: lead.opportunity.clone(),
        create_time: Some(clock::to_proto(lead.create_time)),
    }
}

fn of_deal(deal: &Opportunity) -> proto::DuplicateRecord {
    let state = match deal.outcome {
        Outcome::Open => "OPEN",
        Outcome::Won(_) => "WON",
        Outcome::Lost(..) => "LOST",
    };
    proto::DuplicateRecord {
        name: deal.name(),
        title: deal.details.title.clone(),
        assignee: deal.details.assignee.clone(),
        team: deal.details.team.clone(),
        state: state.to_owned(),
        opportunity: String::new(),
        create_time: Some(clock::to_proto(deal.create_time)),
    }
}
