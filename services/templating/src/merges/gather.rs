//! The first stage of a merge: its recipients are found, and what the directory knows of them is kept, so that a later change makes no letter of two halves.
//! Called by the worker, step by step.

use kontor_kit::Result;
use prost::Message;

use super::{Job, Merges, Step};
use crate::directory::Recipient;
use crate::domain::merge::{RECIPIENTS, Row, State};
use crate::store;

/// Recipients of a step.
const STEP: i64 = 500;

pub(super) async fn step(merges: &Merges, job: &mut Job) -> Result<Step> {
    if job.merge.filter.is_empty() { look_up(merges, job).await } else { page(merges, job).await }
}

/// A page of what the filter finds becomes recipients.
async fn page(merges: &Merges, job: &mut Job) -> Result<Step> {
    let merge = &mut job.merge;
    let (found, next) = merges.directory.page(&merge.filter, &merge.page_token, job.photo).await?;
    let before = merge.recipients;
    let rows: Vec<Row> = found
        .into_iter()
        .zip(before + 1..)
        .map(|(found, number)| Row { number, ..known(Row::default(), Some(found)) })
        .collect();
    merge.recipients += i64::try_from(rows.len()).unwrap_or(0);
    merge.gathered = merge.recipients;
    if usize::try_from(merge.recipients).unwrap_or(usize::MAX) > RECIPIENTS {
        let failure = format!("the filter finds more than {RECIPIENTS} partners: make several merges");
        return merges.fail(merge.clone(), failure).await;
    }
    merge.page_token = next;
    if merge.page_token.is_empty() {
        merge.filter = String::new();
        merge.state = State::Making;
    }
    let id = merge.id.clone();
    let ours = merges.advance(State::Gathering, merge, move |tx| store::row::add(tx, &id, &rows)).await?;
    Ok(if ours { Step::On } else { Step::End })
}

/// The partners of given recipients are looked up.
async fn look_up(merges: &Merges, job: &mut Job) -> Result<Step> {
    let merge = &mut job.merge;
    let (id, from) = (merge.id.clone(), merge.gathered);
    let rows = merges.db.read(move |conn| store::row::after(conn, &id, from, STEP)).await?;
    let Some(last) = rows.last().map(|row| row.number) else {
        merge.state = State::Making;
        let ours = merges.advance(State::Gathering, merge, |_| Ok(())).await?;
        return Ok(if ours { Step::On } else { Step::End });
    };
    let names = rows.iter().map(|row| row.partner.clone()).collect();
    let found = merges.directory.recipients(names, job.photo).await?;
    let rows: Vec<Row> = rows
        .into_iter()
        .zip(found)
        .filter(|(row, _)| !row.partner.is_empty())
        .map(|(row, found)| known(row, found))
        .collect();
    merge.gathered = last;
    let id = merge.id.clone();
    let write = move |tx: &mut kontor_kit::db::Tx<'_>| {
        rows.iter().try_for_each(|row| store::row::set_card(tx, &id, row))
    };
    let ours = merges.advance(State::Gathering, merge, write).await?;
    Ok(if ours { Step::On } else { Step::End })
}

/// A recipient with what the directory said.
fn known(mut row: Row, found: Option<Recipient>) -> Row {
    match found {
        Some(found) => {
            row.partner = found.name;
            row.display_name = found.display_name;
            row.card = Some(found.fields.encode_to_vec());
        }
        None => {
            row.reason = format!("{} does not exist", row.partner);
            row.state = 2;
        }
    }
    row
}
