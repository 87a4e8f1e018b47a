//! The fields of an opportunity that a caller sets: reading, merging by mask, and what differs.
//! Called by rpc/opportunity.rs.

use kontor_kit::Result;
use kontor_kit::mask::Mask;
use kontor_proto::pipeline::v1 as proto;

use super::deal_answer::money;
use crate::domain::opportunity::Details;

/// Fields that UpdateOpportunity takes.
pub const FIELDS: [&str; 13] = [
    "title",
    "partner",
    "amount",
    "probability",
    "assignee",
    "team",
    "expected_close_date",
    "description",
    "tags",
    "attributes",
    "source",
    "recurring_amount",
    "recurring_months",
];

/// The fields that a message has set.
pub fn fields_set(deal: &proto::Opportunity) -> Vec<&'static str> {
    let set = [
        !deal.title.is_empty(),
        !deal.partner.is_empty(),
        deal.amount.is_some(),
        deal.probability.is_some(),
        !deal.assignee.is_empty(),
        !deal.team.is_empty(),
        !deal.expected_close_date.is_empty(),
        !deal.description.is_empty(),
        !deal.tags.is_empty(),
        !deal.attributes.is_empty(),
        !deal.source.is_empty(),
        deal.recurring_amount.is_some(),
        deal.recurring_months != 0,
    ];
    FIELDS.into_iter().zip(set).filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// The fields of a message.
///
/// # Errors
/// INVALID_ARGUMENT naming opportunity.amount or opportunity.recurring_amount.
pub fn details(deal: &proto::Opportunity) -> Result<Details> {
    Ok(Details {
        title: deal.title.clone(),
        partner: deal.partner.clone(),
        amount: money("opportunity.amount", deal.amount.as_ref())?,
        probability: deal.probability,
        assignee: deal.assignee.clone(),
        team: deal.team.clone(),
        expected_close_date: deal.expected_close_date.clone(),
        description: deal.description.clone(),
        tags: deal.tags.clone(),
        attributes: deal.attributes.clone(),
        source: deal.source.clone(),
        recurring_amount: money("opportunity.recurring_amount", deal.recurring_amount.as_ref())?,
        recurring_months: deal.recurring_months,
    })
}

/// The old fields with those of the mask taken from the new ones.
pub fn merged(old: &Details, new: &Details, mask: &Mask) -> Details {
    let mut merged = old.clone();
    for field in mask.fields() {
        match field.as_str() {
            "title" => merged.title.clone_from(&new.title),
            "partner" => merged.partner.clone_from(&new.partner),
            "amount" => merged.amount.clone_from(&new.amount),
            "probability" => merged.probability = new.probability,
            "assignee" => merged.assignee.clone_from(&new.assignee),
            "team" => merged.team.clone_from(&new.team),
            "expected_close_date" => merged.expected_close_date.clone_from(&new.expected_close_date),
            "description" => merged.description.clone_from(&new.description),
            "tags" => merged.tags.clone_from(&new.tags),
            "attributes" => merged.attributes.clone_from(&new.attributes),
            "source" => merged.source.clone_from(&new.source),
            "recurring_amount" => merged.recurring_amount.clone_from(&new.recurring_amount),
            "recurring_months" => merged.recurring_months = new.recurring_months,
            _ => {}
        }
    }
    // Who takes the amount away means the months too.
    if merged.recurring_amount.is_none() && !mask.has("recurring_months") {
        merged.recurring_months = 0;
    }
    merged
}

/// Names of the fields that differ.
pub fn changed<'a>(old: &'a Details, new: &'a Details) -> impl Iterator<Item = &'static str> + 'a {
    let differs = [
        old.title != new.title,
        old.partner != new.partner,
        old.amount != new.amount,
        old.probability != new.probability,
        old.assignee != new.assignee,
        old.team != new.team,
        old.expected_close_date != new.expected_close_date,
        old.description != new.description,
        old.tags != new.tags,
        old.attributes != new.attributes,
        old.source != new.source,
        old.recurring_amount != new.recurring_amount,
        old.recurring_months != new.recurring_months,
    ];
    FIELDS.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(field, _)| field)
}
