//! OpportunityService: protobuf to domain and back. What UpdateOpportunity takes over stands in deal_fields.rs.
//! Called by the gateway and by other services.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::opportunity_service_server::OpportunityService;
use tonic::{Request, Response, Status};

use super::deal_answer::{to_proto, with_step, with_steps};
use super::deal_fields::{FIELDS, changed, details, fields_set, merged};
use super::peers::Directory;
use super::progress;
use crate::domain::opportunity::{Details, Opportunity, Outcome};
use crate::domain::pipeline::{Pipeline, Stage};
use crate::rates::Rates;
use crate::store::score_cache::{Copy, Scores};
use crate::{events, store};

/// The service.
pub struct Opportunities {
    pub(super) db: Db,
    pub(super) directory: Directory,
    pub(super) scores: Scores,
    pub(super) rates: Rates,
}

type Answer<T> = Result<Response<T>, Status>;

/// Field of a new opportunity that names its pipeline, for errors.
const PIPELINE: &str = "opportunity.pipeline";

#[tonic::async_trait]
impl OpportunityService for Opportunities {
    async fn list_opportunities(
        &self,
        request: Request<proto::ListOpportunitiesRequest>,
    ) -> Answer<proto::ListOpportunitiesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let proto::ListOpportunitiesRequest { page_size, page_token, filter, order_by, .. } = request;
        let query = Query { page_size, page_token, filter, order_by };
        let (scores, now) = (self.scores.clone(), self.db.clock().now());
        let (rotting, kind) = (request.rotting, query.kind(&caller));
        let read = move |conn: &mut Conn<'_>| {
            let page = store::opportunity::list(conn, &caller, &query, rotting.then_some(now))?;
            let scores = scores.of_all(conn, page.rows.iter())?;
            let stages = page.rows.iter().map(|deal| deal.stage.as_str());
            let known = store::pipeline::probabilities(conn, stages)?;
            let percents: Vec<i32> = page.rows.iter().map(|deal| known[deal.stage.as_str()]).collect();
            let scored = page.rows.into_iter().zip(percents).zip(scores);
            let mut rows: Vec<_> =
                scored.map(|((deal, percent), score)| to_proto(deal, percent, score, now)).collect();
            with_steps(conn, &mut rows)?;
            Ok(proto::ListOpportunitiesResponse {
                opportunities: rows,
                next_page_token: page.next_page_token,
            })
        };
        Ok(Response::new(self.db.read_list(kind, read).await?))
    }

    async fn summarize_opportunities(
        &self,
        request: Request<proto::SummarizeOpportunitiesRequest>,
    ) -> Answer<proto::SummarizeOpportunitiesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.summarize(caller, request.into_inner()).await?))
    }

    async fn get_opportunity(
        &self,
        request: Request<proto::GetOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let deal = id::parse("opportunities", &request.get_ref().name, "name")?.to_owned();
        let (scores, now) = (self.scores.clone(), self.db.clock().now());
        let (answer, copy) = self
            .db
            .read_few(move |conn| {
                let deal = store::opportunity::get(conn, &caller, &deal)?;
                let probability = store::pipeline::probability(conn, &deal.stage)?;
                let (score, copy) = scores.of_read(conn, &deal)?;
                Ok((with_step(conn, to_proto(deal, probability, score, now))?, copy))
            })
            .await?;
        if copy == Copy::Behind {
            let scores = self.scores.clone();
            self.db.read(move |conn| scores.catch_up(conn)).await?;
        }
        Ok(Response::new(answer))
    }

    async fn create_opportunity(
        &self,
        request: Request<proto::CreateOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.opportunity.as_ref();
        let new = new.ok_or_else(|| Error::invalid("opportunity", "it is missing"))?;
        let mut details = details(new)?;
        if details.team.is_empty() {
            details.team = caller.first_team();
        }
        check_origin(&new.origin)?;
        let details = self.check_names(&caller, details.checked()?).await?;
        let (scores, rates) = (self.scores.clone(), self.rates.clone());
        if request.validate_only {
            let (new, now) = (new.clone(), self.db.clock().now());
            let check = move |conn: &mut Conn<'_>| {
                let pipeline = store::pipeline::named_or_default(conn, PIPELINE, &new.pipeline)?;
                let (mut deal, stage) = draft(&pipeline, &new, details, now)?;
                store::opportunity::must_be_first_of(conn, &deal.origin)?;
                rates.take(conn, &mut deal, now)?;
                let score = scores.of(conn, &deal)?;
                Ok(to_proto(deal, stage.probability, score, now))
            };
            return Ok(Response::new(self.db.read(check).await?));
        }
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let new = request.opportunity.clone().unwrap_or_default();
                    let now = tx.now();
                    let pipeline = store::pipeline::named_or_default_for_use(tx, PIPELINE, &new.pipeline)?;
                    let (mut deal, stage) = draft(&pipeline, &new, details.clone(), now)?;
                    store::opportunity::must_be_first_of(tx, &deal.origin)?;
                    rates.take(tx, &mut deal, now)?;
                    create(tx, &caller, &mut deal, &stage)?;
                    let score = scores.of(tx, &deal)?;
                    Ok(to_proto(deal, stage.probability, score, now))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_opportunity(
        &self,
        request: Request<proto::UpdateOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.opportunity.as_ref();
        let new = new.ok_or_else(|| Error::invalid("opportunity", "it is missing"))?;
        let deal = id::parse("opportunities", &new.name, "opportunity.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(new))?;
        let mut wanted = details(new)?;
        // Only what is taken over is looked up.
        let taken = |field: &str, name: &str| if mask.has(field) { name.to_owned() } else { String::new() };
        let names = Details {
            assignee: taken("assignee", &wanted.assignee),
            team: taken("team", &wanted.team),
            partner: taken("partner", &wanted.partner),
            ..Details::default()
        };
        let names = self.check_names(&caller, names).await?;
        (wanted.assignee, wanted.partner) = (names.assignee, names.partner);
        let (scores, rates) = (self.scores.clone(), self.rates.clone());
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let (etag, stage) =
                        request.opportunity.as_ref().map_or(("", ""), |new| (&new.etag, &new.stage));
                    let all = request
                        .update_mask
                        .as_ref()
                        .is_none_or(|mask| mask.paths.iter().any(|path| path == "*"));
                    let stage = if all { stage } else { "" };
                    update(tx, (&scores, &rates), &caller, (&deal, etag, stage), (&wanted, &mask))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn delete_opportunity(&self, request: Request<proto::DeleteOpportunityRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, &request.etag)?;
                    store::assignment::forget_need(tx, &deal)?;
                    resource::delete(tx, &deal)?;
                    store::score::forgotten(tx, &deal.id)?;
                    let title = deal.details.title.clone();
                    events::of_opportunity(tx, &caller, &deal, &proto::OpportunityDeleted { title })?;
                    Ok(())
                })
            })
            .await?;
        Ok(Response::new(()))
    }

    async fn move_stage(&self, request: Request<proto::MoveStageRequest>) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.name, "name")?.to_owned();
        id::parse_child("pipelines", "stages", &request.stage, "stage")?;
        let scores = self.scores.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, &request.etag)?;
                    progress::move_stage(tx, &scores, &caller, deal, &request.stage)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn win_opportunity(
        &self,
        request: Request<proto::WinOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.name, "name")?.to_owned();
        let rates = self.rates.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, &request.etag)?;
                    progress::win(tx, &rates, &caller, deal)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn lose_opportunity(
        &self,
        request: Request<proto::LoseOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.name, "name")?.to_owned();
        let rates = self.rates.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, &request.etag)?;
                    progress::lose(tx, &rates, &caller, deal, &request.reason)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn reopen_opportunity(
        &self,
        request: Request<proto::ReopenOpportunityRequest>,
    ) -> Answer<proto::Opportunity> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let deal = id::parse("opportunities", &request.name, "name")?.to_owned();
        let (scores, rates) = (self.scores.clone(), self.rates.clone());
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, &request.etag)?;
                    progress::reopen(tx, (&scores, &rates), &caller, deal)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }
}

impl Opportunities {
    async fn check_names(&self, caller: &Caller, mut details: Details) -> kontor_kit::Result<Details> {
        let directory = &self.directory;
        details.assignee = directory.assignee(caller, "opportunity.assignee", &details.assignee).await?;
        directory.team(caller, "opportunity.team", &details.team).await?;
        details.partner = directory.partner(caller, "opportunity.partner", &details.partner).await?;
        Ok(details)
    }
}

fn check_origin(origin: &str) -> kontor_kit::Result<()> {
    if origin.chars().count() > 200 || origin.chars().any(char::is_control) {
        return Err(Error::invalid("opportunity.origin", "use the resource name of one record"));
    }
    Ok(())
}

/// A new opportunity in the stage asked for, else in the first one.
fn draft(
    pipeline: &Pipeline,
    new: &proto::Opportunity,
    details: Details,
    now: i64,
) -> kontor_kit::Result<(Opportunity, Stage)> {
    let stage = match new.stage.as_str() {
        "" => pipeline.first_stage()?,
        stage => pipeline.stage("opportunity.stage", stage)?,
    };
    let mut deal = drafted(id::new(), pipeline, stage, details, now)?;
    deal.origin.clone_from(&new.origin);
    Ok((deal, stage.clone()))
}

/// A new opportunity in a stage, with all that the stage demands.
///
/// # Errors
/// FAILED_PRECONDITION naming what is missing.
pub fn drafted(
    id: String,
    pipeline: &Pipeline,
    stage: &Stage,
    details: Details,
    now: i64,
) -> kontor_kit::Result<Opportunity> {
    let deal = Opportunity {
        id,
        version: 1,
        details,
        pipeline: pipeline.name(),
        stage: stage.name.clone(),
        outcome: Outcome::Open,
        lead: String::new(),
        contact: String::new(),
        origin: String::new(),
        exchange: None,
        rot_time: stage.rot_time(now),
        stage_time: now,
        create_time: now,
        update_time: now,
    };
    stage.must_have(&deal)?;
    Ok(deal)
}

/// Writes a new opportunity with its event. Its partner is the one that it went into, if it did.
///
/// # Errors
/// Those of the database.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Caller,
    deal: &mut Opportunity,
    stage: &Stage,
) -> kontor_kit::Result<()> {
    if !deal.details.partner.is_empty() {
        deal.details.partner = store::partner_moves::survivor(tx, &deal.details.partner)?;
    }
    resource::insert(tx, deal)?;
    store::assignment::note(tx, deal)?;
    events::created(tx, caller, deal, &stage.display_name)
}

fn update(
    tx: &mut Tx<'_>,
    (scores, rates): (&Scores, &Rates),
    caller: &Caller,
    (deal, etag, given_stage): (&str, &str, &str),
    (wanted, mask): (&Details, &Mask),
) -> kontor_kit::Result<proto::Opportunity> {
    let deal = store::opportunity::get_for_change(tx, caller, deal, etag)?;
    if !given_stage.is_empty() && given_stage != deal.stage {
        let words = format!("it stands in {}, and an update moves nothing: call MoveStage", deal.stage);
        return Err(Error::invalid("opportunity.stage", words));
    }
    let stage = store::pipeline::stage(tx, &deal.stage)?;
    let mut details = merged(&deal.details, wanted, mask).checked()?;
    // A caller that sends back what it read does not mean to fix the stage's probability.
    if deal.details.probability.is_none() && details.probability == Some(deal.probability(stage.probability))
    {
        details.probability = None;
    }
    let (deal, _) = write(tx, rates, caller, deal, &stage, details)?;
    let score = scores.of(tx, &deal)?;
    let shown = to_proto(deal, stage.probability, score, tx.now());
    with_step(tx, shown)
}

/// Writes an opportunity's new fields, if they differ, with their event; it stands in this stage. Returns whether they do.
///
/// # Errors
/// FAILED_PRECONDITION when it would lose what its stage demands.
pub fn write(
    tx: &mut Tx<'_>,
    rates: &Rates,
    caller: &Caller,
    mut deal: Opportunity,
    stage: &Stage,
    mut details: Details,
) -> kontor_kit::Result<(Opportunity, bool)> {
    if !details.partner.is_empty() && details.partner != deal.details.partner {
        details.partner = store::partner_moves::survivor(tx, &details.partner)?;
    }
    let fields: Vec<String> = changed(&deal.details, &details).map(str::to_owned).collect();
    if fields.is_empty() {
        return Ok((deal, false));
    }
    let before = std::mem::replace(&mut deal.details, details);
    if deal.outcome == Outcome::Open {
        stage.must_keep(&before, &deal.details)?;
    }
    deal.update_time = tx.now();
    rates.take_changed(tx, &mut deal, &before)?;
    resource::update(tx, &mut deal)?;
    if fields.iter().any(|field| field == "assignee") {
        store::assignment::note(tx, &deal)?;
    }
    events::updated(tx, caller, &deal, fields)?;
    Ok((deal, true))
}
