//! ConvertLead: the partner is found or created first, then lead and opportunity change in one transaction.
//! Called by rpc/lead.rs, whose service it belongs to.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id, phone, replay};
use kontor_proto::directory::v1::{MatchOrCreatePartnerRequest, Partner, PartnerKind};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1::{Email, Phone};
use prost::Message;
use sha2::{Digest, Sha256};

use super::deal_answer::{money, to_proto as to_opportunity};
use super::lead::{Leads, to_proto};
use crate::domain::lead::{Lead, State};
use crate::domain::money::Money;
use crate::domain::opportunity::{Details, Opportunity, Outcome};
use crate::domain::pipeline::Pipeline;
use crate::domain::score::fact;
use crate::rates::Rates;
use crate::store::score_cache::Scores;
use crate::{events, store};

/// Whom the opportunity will be with.
#[derive(Clone, Default)]
struct With {
    partner: String,
    created: bool,
    amount: Option<Money>,
}

impl Leads {
    pub(super) async fn convert(
        &self,
        caller: Caller,
        request: proto::ConvertLeadRequest,
    ) -> Result<proto::ConvertLeadResponse> {
        let lead = id::parse("leads", &request.name, "name")?.to_owned();
        let amount = money("amount", request.amount.as_ref())?;
        let with = self.partner(&caller, &lead, &request, &amount).await?;
        let (scores, rates) = (self.scores.clone(), self.rates.clone());
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    convert(tx, (&scores, &rates), &caller, &lead, &request, &with)
                })
            })
            .await
    }

    /// The partner, asked of the directory before the transaction. Empty when the lead is converted already.
    async fn partner(
        &self,
        caller: &Caller,
        lead: &str,
        request: &proto::ConvertLeadRequest,
        amount: &Option<Money>,
    ) -> Result<With> {
        let (reader, id, pipeline) = (caller.clone(), lead.to_owned(), request.pipeline.clone());
        let (asked, now) = (amount.clone(), self.db.clock().now());
        let lead = self
            .db
            .read(move |conn| {
                let lead = store::lead::get_to_change(conn, &reader, &id)?;
                // What would fail later must not leave a new partner behind.
                if lead.details.state == State::Open {
                    let pipeline = store::pipeline::named_or_default(conn, "pipeline", &pipeline)?;
                    draft(&lead, &pipeline, "partners/-", asked, now)?;
                }
                Ok(lead)
            })
            .await?;
        if lead.details.state == State::Converted {
            return Ok(With::default());
        }
        check_convertible(&lead, &request.etag)?;
        if !request.partner.is_empty() {
            let partner = self.directory.partner(caller, "partner", &request.partner).await?;
            return Ok(With { partner, created: false, amount: amount.clone() });
        }
        let answer = self.directory.match_or_create(caller, wanted(&lead)?).await?;
        let partner = answer.partner.ok_or_else(|| Error::internal("the directory matched no partner"))?;
        // It may be the answer to an earlier call, and the partner may have gone into another one since.
        let partner = self.directory.partner(caller, "partner", &partner.name).await?;
        Ok(With { partner, created: answer.created, amount: amount.clone() })
    }
}

fn check_convertible(lead: &Lead, etag: &str) -> Result<()> {
    resource::check_etag(lead, etag)?;
    if lead.details.state == State::Disqualified {
        let message = format!("{} is disqualified: open it again first", lead.name());
        return Err(Error::precondition("LEAD_DISQUALIFIED", message));
    }
    Ok(())
}

/// The partner that a lead speaks of. Its request id comes from the lead and this content, so a repeat, also after a crash
/// between the two services, finds the partner that was made.
fn wanted(lead: &Lead) -> Result<MatchOrCreatePartnerRequest> {
    let details = &lead.details;
    let Some(display_name) = details.partner_name() else {
        let message =
            format!("{} has no e-mail address, number or name: say which partner it is", lead.name());
        return Err(Error::precondition("LEAD_WITHOUT_CONTACT", message));
    };
    let person = !details.contact_name.is_empty() || details.company_name.is_empty();
    let kind = if person { PartnerKind::Person } else { PartnerKind::Company };
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty()).into_iter();
    let partner = Partner {
        kind: kind.into(),
        display_name: display_name.to_owned(),
        organization: if person { details.company_name.clone() } else { String::new() },
        emails: filled(&details.email).map(|address| Email { address, ..Email::default() }).collect(),
        // One of before may have no digit: the directory takes none such.
        phones: filled(&details.phone)
            .filter(|number| phone::may_be_number(number))
            .map(|number| Phone { number, ..Phone::default() })
            .collect(),
        ..Partner::default()
    };
    let digest = Sha256::digest(partner.encode_to_vec());
    let digest: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(MatchOrCreatePartnerRequest {
        partner: Some(partner),
        region: details.region.clone(),
        request_id: format!("convert-{}-{digest}", lead.id),
    })
}

fn convert(
    tx: &mut Tx<'_>,
    (scores, rates): (&Scores, &Rates),
    caller: &Caller,
    lead: &str,
    request: &proto::ConvertLeadRequest,
    with: &With,
) -> Result<proto::ConvertLeadResponse> {
    let mut lead = store::lead::get_for_change(tx, caller, lead)?;
    if lead.details.state == State::Converted {
        return converted(tx, scores, caller, lead);
    }
    check_convertible(&lead, &request.etag)?;
    if with.partner.is_empty() {
        return Err(Error::etag_mismatch(lead.name()));
    }
    let (pipeline, now) =
        (store::pipeline::named_or_default_for_use(tx, "pipeline", &request.pipeline)?, tx.now());
    let partner = store::partner_moves::survivor(tx, &with.partner)?;
    let mut deal = draft(&lead, &pipeline, &partner, with.amount.clone(), now)?;
    rates.take(tx, &mut deal, now)?;
    resource::insert(tx, &deal)?;
    store::assignment::note(tx, &deal)?;
    lead.details.state = State::Converted;
    lead.opportunity = deal.name();
    lead.update_time = tx.now();
    resource::update(tx, &mut lead)?;
    let event = proto::LeadConverted { opportunity: deal.name(), title: deal.details.title.clone() };
    events::of_lead(tx, caller, &lead, &partner, &event)?;
    let stage = store::pipeline::stage(tx, &deal.stage)?;
    let score = scores.of(tx, &deal)?;
    events::created(tx, caller, &deal, &stage.display_name)?;
    Ok(proto::ConvertLeadResponse {
        opportunity: Some(to_opportunity(deal, stage.probability, score, tx.now())),
        lead: Some(to_proto(lead)),
        partner_created: with.created,
    })
}

/// The answer for a lead that was converted before.
fn converted(
    tx: &mut Tx<'_>,
    scores: &Scores,
    caller: &Caller,
    lead: Lead,
) -> Result<proto::ConvertLeadResponse> {
    let Some(deal) = store::opportunity::find_of_lead(tx, &lead)? else {
        let message = format!("{} was converted, and its opportunity was deleted since", lead.name());
        return Err(Error::precondition("OPPORTUNITY_DELETED", message));
    };
    // It may have gone to another team since.
    caller.must_read(&deal.guard(), &deal.name())?;
    let stage = store::pipeline::stage(tx, &deal.stage)?;
    let score = scores.of(tx, &deal)?;
    Ok(proto::ConvertLeadResponse {
        opportunity: Some(to_opportunity(deal, stage.probability, score, tx.now())),
        lead: Some(to_proto(lead)),
        partner_created: false,
    })
}

/// What a lead becomes: an opportunity in the first stage, with all that the stage demands.
fn draft(
    lead: &Lead,
    pipeline: &Pipeline,
    partner: &str,
    amount: Option<Money>,
    now: i64,
) -> Result<Opportunity> {
    let stage = pipeline.first_stage()?;
    let deal = Opportunity {
        id: id::new(),
        version: 1,
        details: Details {
            title: lead.details.title.clone(),
            partner: partner.to_owned(),
            amount,
            assignee: lead.details.assignee.clone(),
            team: lead.details.team.clone(),
            description: lead.details.description.clone(),
            tags: lead.details.tags.clone(),
            attributes: lead.details.attributes.clone(),
            source: lead.details.source.clone(),
            ..Details::default()
        },
        pipeline: pipeline.name(),
        stage: stage.name.clone(),
        outcome: Outcome::Open,
        lead: lead.name(),
        contact: fact::contact(&lead.details.email, &lead.details.phone).to_owned(),
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
