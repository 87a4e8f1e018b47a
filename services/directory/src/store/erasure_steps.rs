//! What the directory erases in batches, behind the partner's own card: cards of those that were merged into it, and its history.
//! Called by events.rs as the steps of the directory's plan.

use kontor_collection::Target;
use kontor_collection::store::collection;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::erase::{Batch, Person, Step, is_one_of};
use kontor_kit::{Result, args};

use super::card::Cards;
use super::{consent, merge, timeline};

/// Entries of a history that go in one transaction.
const ENTRIES: i64 = 500;

/// The steps, in order.
pub fn steps(cards: &Cards) -> Vec<Step> {
    let cards = cards.clone();
    vec![
        Step::new("merged cards", merges, move |tx, person, merges| erase_merges(tx, &cards, person, merges)),
        Step::new("rebuild of timelines", rebuild, stop_rebuild),
        Step::new("timeline entries", histories, erase_histories),
    ]
}

fn ids(person: &Person) -> Vec<String> {
    person.partners.iter().filter_map(|name| name.strip_prefix("partners/")).map(str::to_owned).collect()
}

/// Ids of merges by which somebody went into the partner.
fn merges(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut args = args![limit].to_vec();
    let of = is_one_of("partner", &ids(person), &mut args);
    let sql = format!("SELECT DISTINCT merge FROM partner_merged WHERE {of} ORDER BY merge LIMIT $1");
    conn.all(&sql, &args, |row| row.string(0))
}

/// One merge: it may have a hundred cards.
fn erase_merges(tx: &mut Tx<'_>, cards: &Cards, _: &Person, merges: &[String]) -> Result<Batch> {
    let Some(first) = merges.first() else { return Ok(Batch::default()) };
    let book = merge::hidden_book(first);
    let partners = merge::partners_of(tx, first)?;
    let consents = consent::count(tx, &partners)?;
    if collection::by_target(tx, &book)?.is_some() {
        delete_book(tx, cards, &book)?;
    }
    let gone = tx.execute("DELETE FROM partner_merged WHERE merge = $1", args![first])?;
    tx.execute("DELETE FROM partner_merge_link WHERE merge = $1", args![first])?;
    let mut batch = Batch::of("cards", i64::try_from(gone).unwrap_or(0));
    batch.counts.push(("consents", consents));
    Ok(batch)
}

fn delete_book(tx: &mut Tx<'_>, cards: &Cards, book: &Target) -> Result<()> {
    collection::delete(tx, cards, &Caller::system(), book)
}

fn rebuild(conn: &mut Conn<'_>, _: &Person, _: i64) -> Result<Vec<String>> {
    timeline::is_building(conn).map(|building| building.then(|| "rebuild".to_owned()).into_iter().collect())
}

/// A rebuild has read events that are emptied now, and put whole ones aside: it ends with ABORTED and is begun anew.
fn stop_rebuild(tx: &mut Tx<'_>, _: &Person, _: &[String]) -> Result<Batch> {
    timeline::stop_building(tx).map(|()| Batch::default())
}

/// Histories with entries: "generation partners/{id}".
fn histories(conn: &mut Conn<'_>, person: &Person, limit: i64) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for generation in timeline::generations(conn)? {
        for partner in &person.partners {
            let sql = "SELECT 1 FROM timeline WHERE generation = $1 AND partner = $2 LIMIT 1";
            if conn.one(sql, args![generation, partner], |_| Ok(()))?.is_some() {
                found.push(format!("{generation} {partner}"));
            }
        }
    }
    found.truncate(usize::try_from(limit).unwrap_or(1));
    Ok(found)
}

fn erase_histories(tx: &mut Tx<'_>, _: &Person, histories: &[String]) -> Result<Batch> {
    let Some((generation, partner)) = histories.first().and_then(|key| key.split_once(' ')) else {
        return Ok(Batch::default());
    };
    let generation: i64 = generation.parse().unwrap_or(0);
    let gone = tx.execute(
        "DELETE FROM timeline WHERE generation = $1 AND partner = $2 AND entry IN
         (SELECT entry FROM timeline WHERE generation = $1 AND partner = $2 LIMIT $3)",
        args![generation, partner, ENTRIES],
    )?;
    Ok(Batch::of("timeline entries", i64::try_from(gone).unwrap_or(0)))
}
