//! LeadService: protobuf to domain and back. The conversion stands in convert.rs.
//! Called by the gateway and by other services.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::lead_service_server::LeadService;
use tonic::{Request, Response, Status};

use super::peers::Directory;
use crate::domain::lead::{Details, Lead, State};
use crate::domain::text;
use crate::rates::Rates;
use crate::store::score_cache::Scores;
use crate::{events, store};

/// The service.
pub struct Leads {
    pub(super) db: Db,
    pub(super) directory: Directory,
    pub(super) scores: Scores,
    pub(super) rates: Rates,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LeadService for Leads {
    async fn list_leads(
        &self,
        request: Request<proto::ListLeadsRequest>,
    ) -> Answer<proto::ListLeadsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListLeadsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self
            .db
            .read_list(query.kind(&caller), move |conn| store::lead::list(conn, &caller, &query))
            .await?
            .map(to_proto);
        Ok(Response::new(proto::ListLeadsResponse {
            leads: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_lead(&self, request: Request<proto::GetLeadRequest>) -> Answer<proto::Lead> {
        let caller = Caller::of(&request)?;
        let lead = id::parse("leads", &request.get_ref().name, "name")?.to_owned();
        let lead = self.db.read_few(move |conn| store::lead::get(conn, &caller, &lead)).await?;
        Ok(Response::new(to_proto(lead)))
    }

    async fn create_lead(&self, request: Request<proto::CreateLeadRequest>) -> Answer<proto::Lead> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.lead.as_ref().ok_or_else(|| Error::invalid("lead", "it is missing"))?;
        let mut details = details(new)?;
        if details.state == State::Converted {
            return Err(Error::invalid("lead.state", "only ConvertLead converts").into());
        }
        if details.team.is_empty() {
            details.team = caller.first_team();
        }
        let details = self.check_names(&caller, details.checked_new()?).await?;
        let now = self.db.clock().now();
        let lead = Lead {
            id: id::new(),
            version: 1,
            details,
            opportunity: String::new(),
            create_time: now,
            update_time: now,
        };
        if request.validate_only {
            return Ok(Response::new(to_proto(lead)));
        }
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    create(tx, &caller, &lead)?;
                    Ok(to_proto(lead.clone()))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_lead(&self, request: Request<proto::UpdateLeadRequest>) -> Answer<proto::Lead> {
        let caller = Caller::of(&request)?;
        let mut request = request.into_inner();
        let new = request.lead.take().ok_or_else(|| Error::invalid("lead", "it is missing"))?;
        let lead = id::parse("leads", &new.name, "lead.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&new))?;
        let mut wanted = details(&new)?;
        // Only what is taken over is looked up.
        let names = Details {
            assignee: if mask.has("assignee") { wanted.assignee.clone() } else { String::new() },
            team: if mask.has("team") { wanted.team.clone() } else { String::new() },
            ..Details::default()
        };
        let names = self.check_names(&caller, names).await?;
        (wanted.assignee, wanted.team) = (names.assignee, names.team);
        request.lead = Some(new);
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let etag = request.lead.as_ref().map_or("", |lead| lead.etag.as_str());
                    update(tx, &caller, &lead, etag, &wanted, &mask)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn batch_change_leads(
        &self,
        request: Request<proto::BatchChangeLeadsRequest>,
    ) -> Answer<proto::BatchChangeLeadsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.change_many(caller, request.into_inner()).await?))
    }

    async fn delete_lead(&self, request: Request<proto::DeleteLeadRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let lead = id::parse("leads", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let lead = store::lead::get_for_change(tx, &caller, &lead)?;
                    resource::check_etag(&lead, &request.etag)?;
                    if lead.details.state == State::Converted {
                        let message =
                            format!("{} was converted: delete its opportunity instead", lead.name());
                        return Err(Error::precondition("LEAD_CONVERTED", message));
                    }
                    resource::delete(tx, &lead)?;
                    events::of_lead(tx, &caller, &lead, "", &proto::LeadDeleted {})?;
                    Ok(())
                })
            })
            .await?;
        Ok(Response::new(()))
    }

    async fn convert_lead(
        &self,
        request: Request<proto::ConvertLeadRequest>,
    ) -> Answer<proto::ConvertLeadResponse> {
        self.convert(Caller::of(&request)?, request.into_inner())
            .await
            .map(Response::new)
            .map_err(Status::from)
    }
}

impl Leads {
    async fn check_names(&self, caller: &Caller, mut details: Details) -> kontor_kit::Result<Details> {
        details.assignee = self.directory.assignee(caller, "lead.assignee", &details.assignee).await?;
        self.directory.team(caller, "lead.team", &details.team).await?;
        Ok(details)
    }
}

/// Writes a new lead with its event.
///
/// # Errors
/// Those of the database.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, lead: &Lead) -> kontor_kit::Result<()> {
    resource::insert(tx, lead)?;
    let created = proto::LeadCreated { title: lead.details.title.clone() };
    events::of_lead(tx, caller, lead, "", &created)
}

fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    lead: &str,
    etag: &str,
    wanted: &Details,
    mask: &Mask,
) -> kontor_kit::Result<proto::Lead> {
    let lead = store::lead::get_for_change(tx, caller, lead)?;
    resource::check_etag(&lead, etag)?;
    if mask.has("phone") && wanted.phone != lead.details.phone {
        text::phone("lead.phone", &wanted.phone)?;
    }
    let details = merged(&lead.details, wanted, mask).checked()?;
    write(tx, caller, lead, details)
}

/// Writes a lead's new fields, if they differ, with their event.
///
/// # Errors
/// FAILED_PRECONDITION when it was converted.
pub fn write(
    tx: &mut Tx<'_>,
    caller: &Caller,
    mut lead: Lead,
    details: Details,
) -> kontor_kit::Result<proto::Lead> {
    let fields: Vec<String> = changed(&lead.details, &details).map(str::to_owned).collect();
    if fields.is_empty() {
        return Ok(to_proto(lead));
    }
    lead.change(details, tx.now())?;
    resource::update(tx, &mut lead)?;
    events::of_lead(tx, caller, &lead, "", &proto::LeadUpdated { fields })?;
    Ok(to_proto(lead))
}

/// Fields that UpdateLead takes.
const FIELDS: [&str; 13] = [
    "title",
    "contact_name",
    "company_name",
    "email",
    "phone",
    "region",
    "source",
    "description",
    "assignee",
    "team",
    "state",
    "tags",
    "attributes",
];

fn fields_set(lead: &proto::Lead) -> Vec<&'static str> {
    let empty = Details { state: State::Open, ..Details::default() };
    let Ok(new) = details(lead) else { return Vec::new() };
    let mut fields: Vec<_> = changed(&empty, &new).filter(|field| *field != "state").collect();
    if lead.state != 0 {
        fields.push("state");
    }
    fields
}

/// Names of the fields that differ.
fn changed<'a>(old: &'a Details, new: &'a Details) -> impl Iterator<Item = &'static str> + 'a {
    let differs = [
        old.title != new.title,
        old.contact_name != new.contact_name,
        old.company_name != new.company_name,
        old.email != new.email,
        old.phone != new.phone,
        old.region != new.region,
        old.source != new.source,
        old.description != new.description,
        old.assignee != new.assignee,
        old.team != new.team,
        old.state != new.state,
        old.tags != new.tags,
        old.attributes != new.attributes,
    ];
    FIELDS.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(field, _)| field)
}

fn merged(old: &Details, new: &Details, mask: &Mask) -> Details {
    let mut merged = old.clone();
    for field in mask.fields() {
        match field.as_str() {
            "title" => merged.title.clone_from(&new.title),
            "contact_name" => merged.contact_name.clone_from(&new.contact_name),
            "company_name" => merged.company_name.clone_from(&new.company_name),
            "email" => merged.email.clone_from(&new.email),
            "phone" => merged.phone.clone_from(&new.phone),
            "region" => merged.region.clone_from(&new.region),
            "source" => merged.source.clone_from(&new.source),
            "description" => merged.description.clone_from(&new.description),
            "assignee" => merged.assignee.clone_from(&new.assignee),
            "team" => merged.team.clone_from(&new.team),
            "state" => merged.state = new.state,
            "tags" => merged.tags.clone_from(&new.tags),
            "attributes" => merged.attributes.clone_from(&new.attributes),
            _ => {}
        }
    }
    merged
}

fn details(lead: &proto::Lead) -> kontor_kit::Result<Details> {
    Ok(Details {
        title: lead.title.clone(),
        contact_name: lead.contact_name.clone(),
        company_name: lead.company_name.clone(),
        email: lead.email.clone(),
        phone: lead.phone.clone(),
        region: lead.region.clone(),
        source: lead.source.clone(),
        description: lead.description.clone(),
        assignee: lead.assignee.clone(),
        team: lead.team.clone(),
        state: State::from_number("lead.state", i64::from(lead.state))?,
        tags: lead.tags.clone(),
        attributes: lead.attributes.clone(),
    })
}

/// A lead as the API shows it.
pub fn to_proto(lead: Lead) -> proto::Lead {
    proto::Lead {
        name: lead.name(),
        etag: lead.etag(),
        title: lead.details.title,
        contact_name: lead.details.contact_name,
        company_name: lead.details.company_name,
        email: lead.details.email,
        phone: lead.details.phone,
        region: lead.details.region,
        source: lead.details.source,
        description: lead.details.description,
        assignee: lead.details.assignee,
        team: lead.details.team,
        state: lead.details.state as i32,
        tags: lead.details.tags,
        attributes: lead.details.attributes,
        opportunity: lead.opportunity,
        create_time: Some(clock::to_proto(lead.create_time)),
        update_time: Some(clock::to_proto(lead.update_time)),
    }
}
