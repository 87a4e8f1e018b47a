//! ScoreService: why a score is what it is, and what was learned.
//! Called by the gateway and by other services.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Error, id};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::score_service_server::ScoreService;
use tonic::{Request, Response, Status};

use crate::domain::opportunity::{Opportunity, Outcome};
use crate::domain::score::base::SPANS;
use crate::domain::score::fact::{self, Fact, STAGE};
use crate::domain::score::quality::{self, Quality, WINDOW};
use crate::domain::score::{COMPANY, Contribution, INTERCEPT, Model, SLOPE, probability, words};
use crate::store;

/// The service.
pub struct Explanations {
    pub(super) db: Db,
}

type Answer<T> = Result<Response<T>, Status>;

/// Sentences of an explanation.
const REASONS: usize = 5;
/// Opportunities that one LearnClosed learns at most.
const MOST: i64 = 1_000;
/// Those of one transaction.
const STEP: i64 = 50;
/// Where counting what remains ends.
const COUNTED: i64 = 100_000;
/// Log-odds below which a contribution is no reason.
const LEAST: f64 = 0.005;

#[tonic::async_trait]
impl ScoreService for Explanations {
    async fn explain_score(
        &self,
        request: Request<proto::ExplainScoreRequest>,
    ) -> Answer<proto::ScoreExplanation> {
        let caller = Caller::of(&request)?;
        let deal = id::parse("opportunities", &request.get_ref().name, "name")?.to_owned();
        let read = move |conn: &mut Conn<'_>| {
            let deal = store::opportunity::get(conn, &caller, &deal)?;
            explain(conn, &deal)
        };
        Ok(Response::new(self.db.read(read).await?))
    }

    async fn get_score_model(
        &self,
        request: Request<proto::GetScoreModelRequest>,
    ) -> Answer<proto::ScoreModel> {
        let caller = Caller::of(&request)?;
        let team = request.into_inner().team;
        if !team.is_empty() {
            id::parse("teams", &team, "team")?;
        }
        caller.must_read(&Guard::new("", &*team), &team)?;
        Ok(Response::new(self.db.read(move |conn| learned(conn, &team)).await?))
    }

    async fn learn_closed(
        &self,
        request: Request<proto::LearnClosedRequest>,
    ) -> Answer<proto::LearnClosedResponse> {
        Caller::of(&request)?.must_be_admin()?;
        let most = match request.get_ref().max_outcomes {
            asked if asked < 0 => return Err(Error::invalid("max_outcomes", "it can't be negative").into()),
            0 => MOST,
            asked => i64::from(asked).min(MOST),
        };
        let mut learned = 0;
        // In small steps, for other writes wait for each.
        while learned < most {
            let step = self.db.write(move |tx| learn_some(tx, STEP.min(most - learned))).await?;
            if step == 0 {
                break;
            }
            learned += step;
        }
        let remaining = self.db.read(|conn| store::score::count_not_learned(conn, COUNTED)).await?;
        Ok(Response::new(proto::LearnClosedResponse {
            learned: i32::try_from(learned).unwrap_or(i32::MAX),
            remaining,
        }))
    }
}

fn explain(conn: &mut Conn<'_>, deal: &Opportunity) -> kontor_kit::Result<proto::ScoreExplanation> {
    if deal.outcome != Outcome::Open {
        let message = format!("{} is closed: only an open opportunity has a score", deal.name());
        return Err(Error::precondition("OPPORTUNITY_CLOSED", message));
    }
    let team = deal.details.team.as_str();
    let facts = fact::of(deal);
    let model = store::score_rows::part(conn, team, &facts)?;
    let stage = store::pipeline::stage(conn, &deal.stage)?.display_name;
    let explained = model.explain(team, &facts);
    let prior = words::of_prior(explained.prior, model.team(team).counted > 0 && team != COMPANY);
    let mut contributions: Vec<_> = facts
        .iter()
        .zip(&explained.contributions)
        .map(|(fact, one)| contribution(fact, one, &stage))
        .collect();
    contributions.sort_by(|one, other| other.logit.abs().total_cmp(&one.logit.abs()));
    let told = contributions.iter().filter(|one| one.logit.abs() >= LEAST).map(|one| one.words.clone());
    Ok(proto::ScoreExplanation {
        name: deal.name(),
        score: 100.0 * explained.probability(),
        logit: explained.logit,
        prior: explained.prior,
        reasons: std::iter::once(prior).chain(told).take(REASONS).collect(),
        contributions,
        outcomes: model.team(COMPANY).counted,
        team_outcomes: if team == COMPANY { 0 } else { model.team(team).counted },
        model_version: model.version,
        quality: Some(shown(quality::of(store::score::recent(conn, team, WINDOW)?))),
    })
}

fn learn_some(tx: &mut Tx<'_>, most: i64) -> kontor_kit::Result<i64> {
    // Held first: what somebody reopens or learns meanwhile must not be learned from an old row.
    store::score::hold(tx)?;
    let deals = store::score::not_learned(tx, most)?;
    for deal in &deals {
        let pipeline = store::pipeline::get(tx, id::parse("pipelines", &deal.pipeline, "pipeline")?)?;
        let won = matches!(deal.outcome, Outcome::Won(_));
        store::score::closed(tx, deal, &pipeline.stage_names(), won)?;
    }
    store::score::set_mark(tx, deals.last())?;
    Ok(i64::try_from(deals.len()).unwrap_or(0))
}

fn contribution(fact: &Fact, one: &Contribution, stage: &str) -> proto::ScoreContribution {
    let value = if fact.variable() == STAGE { stage } else { fact.value() };
    proto::ScoreContribution {
        variable: fact.variable().to_owned(),
        value: fact.value().to_owned(),
        logit: one.logit,
        won_percent: 100.0 * one.evidence.won,
        usual_percent: 100.0 * one.evidence.usual,
        outcomes: one.evidence.outcomes,
        words: words::of_contribution(&words::what(fact.variable(), value), one.logit, &one.evidence),
    }
}

fn learned(conn: &mut Conn<'_>, team: &str) -> kontor_kit::Result<proto::ScoreModel> {
    let model = store::score_rows::part(conn, team, &[])?;
    let own = model.team(team);
    let weights = store::score_rows::weights(conn)?;
    let trusts = weights.into_iter().filter(|(name, _)| name != SLOPE && name != INTERCEPT);
    Ok(proto::ScoreModel {
        team: team.to_owned(),
        outcomes: own.counted,
        won: own.won,
        base_percent: 100.0 * probability(model.prior(team)),
        quality: Some(shown(quality::of(store::score::recent(conn, team, WINDOW)?))),
        slope: model.weight(SLOPE).value,
        intercept: model.weight(INTERCEPT).value,
        spans: spans(&model, team),
        trusts: trusts
            .map(|(variable, weight)| proto::ScoreTrust { variable, trust: weight.value })
            .collect(),
        model_version: model.version,
    })
}

fn spans(model: &Model, team: &str) -> Vec<proto::ScoreSpan> {
    let company = model.team(COMPANY).base.logit(None);
    let wider = Some(company).filter(|_| team != COMPANY);
    let spans = model.team(team).base.spans(wider);
    let half_lives = SPANS.into_iter().chain([0.0]);
    half_lives
        .zip(spans)
        .map(|(half_life, (share, logit))| proto::ScoreSpan {
            half_life,
            share,
            base_percent: 100.0 * probability(logit),
        })
        .collect()
}

fn shown(quality: Quality) -> proto::ScoreQuality {
    proto::ScoreQuality {
        outcomes: i32::try_from(quality.outcomes).unwrap_or(i32::MAX),
        calibration_error: quality.calibration_error,
        log_loss: quality.log_loss,
        brier: quality.brier,
        won_percent: 100.0 * quality.won,
    }
}
