//! Leads become one, and several again.
//! Called by rpc/merge.rs inside the transaction.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;

use super::lead::to_proto;
use super::merge::{fields, to_proto as merge_to_proto};
use crate::domain::lead::{Lead, State};
use crate::domain::merge as rules;
use crate::events;
use crate::store::merge::{self, Asked};
use crate::store::merge_rows::Merged;

/// Makes leads one.
///
/// # Errors
/// Those that MergeLeads of the contract names.
pub fn merge(tx: &mut Tx<'_>, caller: &Caller, asked: &Asked) -> Result<proto::MergeLeadsResponse> {
    let (survivor, others) = merge::hold::<Lead>(tx, caller, asked)?;
    if let Some(converted) = others.iter().find(|other| other.details.state == State::Converted) {
        let message = format!("{} was converted: merge its opportunity instead", converted.name());
        return Err(Error::precondition("LEAD_CONVERTED", message).with("lead", converted.name()));
    }
    let before = merge::texts(&survivor);
    let texts: Vec<rules::Texts> = others.iter().map(merge::texts).collect();
    let after = rules::merge(Lead::RULES, &before, &texts)?;
    for other in &others {
        resource::delete(tx, other)?;
        let merged = proto::LeadMerged { survivor: survivor.name(), title: other.details.title.clone() };
        events::of_lead(tx, caller, other, "", &merged)?;
    }
    let others: Vec<_> = others.into_iter().zip(texts).collect();
    let done = merge::remember(tx, caller, &survivor, (&before, &after), &others)?;
    let survivor = merge::write_texts(tx, &survivor, &after)?;
    let updated = proto::LeadUpdated { fields: fields(rules::changed(&before, &after)) };
    events::of_lead(tx, caller, &survivor, "", &updated)?;
    Ok(proto::MergeLeadsResponse {
        lead: Some(to_proto(survivor)),
        merge: Some(merge_to_proto::<Lead>(done)),
    })
}

/// Takes a merge of leads back.
///
/// # Errors
/// Those that UnmergeLeads of the contract names.
pub fn unmerge(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<proto::UnmergeLeadsResponse> {
    let undone = merge::undo::<Lead>(tx, caller, id)?;
    let mut leads = Vec::with_capacity(undone.gone.len() + 1);
    if let Some(survivor) = undone.survivor {
        let before = merge::texts(&survivor);
        let after = lighten::<Lead>(tx, &before, &undone.past, undone.later)?;
        let survivor = merge::write_texts(tx, &survivor, &after)?;
        let updated = proto::LeadUpdated { fields: fields(rules::changed(&before, &after)) };
        events::of_lead(tx, caller, &survivor, "", &updated)?;
        leads.push(to_proto(survivor));
    }
    for (snapshot, _) in undone.gone {
        let lead: Lead = merge::bring_back(tx, snapshot)?;
        let unmerged =
            proto::LeadUnmerged { survivor: undone.survivor_name.clone(), title: lead.details.title.clone() };
        events::of_lead(tx, caller, &lead, "", &unmerged)?;
        leads.push(to_proto(lead));
    }
    Ok(proto::UnmergeLeadsResponse { leads })
}

/// The survivor without what a merge gave it.
///
/// # Errors
/// Those of the database.
pub fn lighten<T: Merged>(
    tx: &mut Tx<'_>,
    present: &rules::Texts,
    past: &rules::Past,
    later: Vec<(String, rules::Past)>,
) -> Result<rules::Texts> {
    let (names, mut pasts): (Vec<String>, Vec<rules::Past>) = later.into_iter().unzip();
    let after = rules::unmerge(T::RULES, present, past, &mut pasts);
    let later: Vec<_> = names.into_iter().zip(pasts).collect();
    merge::keep_later(tx, &later)?;
    Ok(after)
}
