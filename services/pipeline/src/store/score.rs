//! What the score learned, in the database: an outcome reads and writes its own rows only. What is shown comes from score_cache.rs.
//! Called by rpc/opportunity.rs and rpc/score.rs.
//!
//! Outcomes are learned one after the other, also by several processes: each holds the company's row until its commit.

use std::collections::{BTreeSet, HashMap};

use kontor_kit::db::{Conn, Row, Tx};
use kontor_kit::resource::Stored;
use kontor_kit::{Result, args, id};

use super::score_rows::{part, real, write};
use crate::domain::opportunity::{self as deal, Opportunity};
use crate::domain::score::count::LIFE;
use crate::domain::score::fact::{self, Fact};
use crate::domain::score::learn::{Learned, Outcome};
use crate::domain::score::{COMPANY, Model};

/// Variables that are learned at most: one is an attribute's key.
const VARIABLES: i64 = 200;

/// Outcomes between two clearings of counts that have faded away.
const CLEARING: i64 = 1_000;

/// Counts that one clearing takes away at most.
const CLEARED: i64 = 2_000;

/// Won or lost, and without an outcome.
const NOT_LEARNED: &str = "state IN (2, 3) AND NOT EXISTS (SELECT 1 FROM score_outcome WHERE score_outcome.opportunity = opportunity.id AND score_outcome.opportunity <> '')";

/// An opportunity was won or lost: learns from it. `stages` are the names of its pipeline's stages, in order.
///
/// # Errors
/// Those of the database.
pub fn closed(tx: &mut Tx<'_>, deal: &Opportunity, stages: &[String], won: bool) -> Result<()> {
    hold(tx)?;
    let team = deal.details.team.as_str();
    let (mut facts, mut counted) = (fact::of(deal), fact::of_closed(deal, stages, won));
    let all: Vec<Fact> = facts.iter().chain(&counted).cloned().collect();
    let mut model = part(tx, team, &all)?;
    let left_out = too_many(tx, &model, &facts)?;
    for facts in [&mut facts, &mut counted] {
        facts.retain(|fact| !left_out.contains(fact.variable()));
    }
    let learned = model.learn(&Outcome { team, facts: &facts, counted: &counted, won });
    write(tx, &model)?;
    write_outcome(tx, &deal.id, &learned)?;
    if learned.number % CLEARING == 0 {
        clear(tx, &model, team)?;
    }
    Ok(())
}

/// Closed opportunities that were not learned, the one closed first first: those behind the mark.
///
/// # Errors
/// Those of the database.
pub fn not_learned(conn: &mut Conn<'_>, most: i64) -> Result<Vec<Opportunity>> {
    let ((time, id), columns) = (mark(conn)?, Opportunity::COLUMNS.join(", "));
    let sql = format!(
        "SELECT {columns} FROM opportunity WHERE {NOT_LEARNED} AND (close_time, id) > ($1, $2) ORDER BY close_time, id LIMIT $3"
    );
    conn.all(&sql, args![time, id, most], |row| Opportunity::from_row(row, 0))
}

/// All that closed up to this close time and id is learned: whatever closes later is learned as it closes, so nobody has to pass over it again.
fn mark(conn: &mut Conn<'_>) -> Result<(i64, String)> {
    let sql = "SELECT close_time, opportunity FROM score_mark WHERE id = 0";
    let mark = conn.one(sql, &[], |row| Ok((row.int(0)?, row.string(1)?)))?;
    Ok(mark.unwrap_or((i64::MIN, String::new())))
}

/// Sets the mark to the last of those that were learned now; to the last that is closed when there were no more.
///
/// # Errors
/// Those of the database.
pub fn set_mark(tx: &mut Tx<'_>, last: Option<&Opportunity>) -> Result<()> {
    let closed = |deal: &Opportunity| match deal.outcome {
        deal::Outcome::Won(time) | deal::Outcome::Lost(time, _) => Some((time, deal.id.clone())),
        deal::Outcome::Open => None,
    };
    let reached = match last.and_then(closed) {
        Some(reached) => Some(reached),
        None => {
            let sql = "SELECT close_time, id FROM opportunity WHERE state IN (2, 3) ORDER BY close_time DESC, id DESC LIMIT 1";
            tx.one(sql, &[], |row| Ok((row.int(0)?, row.string(1)?)))?
        }
    };
    let Some((time, id)) = reached else { return Ok(()) };
    let sql = "INSERT INTO score_mark (id, close_time, opportunity) VALUES (0, $1, $2)
               ON CONFLICT (id) DO UPDATE SET close_time = excluded.close_time, opportunity = excluded.opportunity";
    tx.execute(sql, args![time, id])?;
    Ok(())
}

/// How many those are, counted up to `most`.
///
/// # Errors
/// Those of the database.
pub fn count_not_learned(conn: &mut Conn<'_>, most: i64) -> Result<i64> {
    let (time, id) = mark(conn)?;
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT id FROM opportunity WHERE {NOT_LEARNED} AND (close_time, id) > ($1, $2) LIMIT $3) AS closed"
    );
    Ok(conn.one(&sql, args![time, id, most], |row| row.int(0))?.unwrap_or(0))
}

/// An opportunity was reopened: takes back what was counted when it closed. Nothing happens when nothing was.
///
/// # Errors
/// Those of the database.
pub fn taken_back(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    hold(tx)?;
    let learned = tx.one(
        "SELECT team, facts, won, number, team_number, probability FROM score_outcome WHERE opportunity = $1 AND opportunity <> ''",
        args![opportunity],
        learned_row,
    )?;
    let Some(learned) = learned else { return Ok(()) };
    let mut model = part(tx, &learned.team, &learned.counted)?;
    model.take_back(&learned);
    write(tx, &model)?;
    tx.execute("DELETE FROM score_outcome WHERE number = $1", args![learned.number])?;
    Ok(())
}

/// An opportunity was deleted: what was learned stays, but not of whom.
///
/// # Errors
/// Those of the database.
pub fn forgotten(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    tx.execute(
        "UPDATE score_outcome SET opportunity = '', facts = '' WHERE opportunity = $1 AND opportunity <> ''",
        args![opportunity],
    )?;
    Ok(())
}

/// The partner of a closed opportunity was erased: all counts stay, but not of which attributes the opportunity's were. A value that no other
/// opportunity had is counted on without its text.
///
/// # Errors
/// Those of the database.
pub fn erased(tx: &mut Tx<'_>, opportunity: &str) -> Result<()> {
    hold(tx)?;
    let sql = "SELECT number, facts FROM score_outcome WHERE opportunity = $1 AND opportunity <> ''";
    let found = tx.one(sql, args![opportunity], |row| Ok((row.int(0)?, row.string(1)?)))?;
    let Some((number, facts)) = found else { return Ok(()) };
    let facts: Vec<Fact> = facts.lines().filter_map(Fact::from_key).collect();
    let (own, kept): (Vec<&Fact>, Vec<&Fact>) =
        facts.iter().partition(|fact| fact.variable().starts_with("attributes."));
    for fact in own {
        let sql = "SELECT won + lost FROM score_count WHERE fact = $1 AND team = ''";
        let seen = tx.one(sql, args![fact.key()], |row| real(row, 0))?;
        // Each opportunity counts as one when it closes, and less from then on.
        if seen.is_some_and(|seen| seen <= 1.0 + 1e-9) {
            let name = format!("{}=erased {}", fact.variable(), id::new());
            tx.execute("UPDATE score_count SET fact = $2 WHERE fact = $1", args![fact.key(), name])?;
        }
    }
    let kept: Vec<&str> = kept.iter().map(|fact| fact.key()).collect();
    tx.execute("UPDATE score_outcome SET facts = $2 WHERE number = $1", args![number, kept.join("\n")])?;
    Ok(())
}

/// What was predicted for the last outcomes and what happened, of a team or of the whole company.
///
/// # Errors
/// Those of the database.
pub fn recent(conn: &mut Conn<'_>, team: &str, most: i64) -> Result<Vec<(f64, bool)>> {
    let row = |row: &Row<'_>| Ok((real(row, 0)?, row.bool(1)?));
    if team == COMPANY {
        let sql = "SELECT probability, won FROM score_outcome ORDER BY number DESC LIMIT $1";
        return conn.all(sql, args![most], row);
    }
    let sql = "SELECT probability, won FROM score_outcome WHERE team = $1 ORDER BY number DESC LIMIT $2";
    conn.all(sql, args![team, most], row)
}

/// Outcomes of other processes wait from here until the commit. On SQLite there is one writer.
///
/// # Errors
/// Those of the database.
pub fn hold(tx: &mut Tx<'_>) -> Result<()> {
    if tx.is_postgres() {
        tx.one("SELECT 1 FROM score_team WHERE team = '' FOR UPDATE", &[], |_| Ok(()))?;
    }
    Ok(())
}

/// New variables beyond the limit: they are not learned.
fn too_many(tx: &mut Tx<'_>, model: &Model, facts: &[Fact]) -> Result<BTreeSet<String>> {
    let new = facts.iter().map(Fact::variable).filter(|variable| !model.weights.contains_key(*variable));
    let new: BTreeSet<&str> = new.collect();
    if new.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT COUNT(*) FROM (SELECT name FROM score_weight LIMIT 1000) AS known";
    let known = tx.one(sql, &[], |row| row.int(0))?.unwrap_or(0);
    let room = usize::try_from(VARIABLES - known).unwrap_or(0);
    Ok(new.into_iter().skip(room).map(str::to_owned).collect())
}

fn write_outcome(tx: &mut Tx<'_>, opportunity: &str, learned: &Learned) -> Result<()> {
    let facts: Vec<&str> = learned.counted.iter().map(Fact::key).collect();
    tx.execute(
        "INSERT INTO score_outcome (number, opportunity, team, team_number, won, probability, facts) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            learned.number,
            opportunity,
            &learned.team,
            learned.team_number,
            learned.won,
            learned.probability,
            facts.join("\n")
        ],
    )?;
    Ok(())
}

/// Takes away counts that have faded to nothing; a variable has room for new values then.
fn clear(tx: &mut Tx<'_>, model: &Model, team: &str) -> Result<()> {
    for owner in BTreeSet::from([COMPANY, team]) {
        let before = model.team(owner).outcomes - LIFE;
        let old = "DELETE FROM score_count WHERE team = $1 AND fact IN (SELECT fact FROM score_count WHERE team = $1 AND clock < $2 LIMIT $3) RETURNING fact";
        let old = tx.all(old, args![owner, before, CLEARED], |row| row.string(0))?;
        let mut fewer: HashMap<&str, i64> = HashMap::new();
        for key in &old {
            if let Some((variable, _)) = key.split_once('=') {
                *fewer.entry(variable).or_default() += 1;
            }
        }
        for (variable, number) in fewer {
            tx.execute(
                "UPDATE score_count SET kinds = kinds - $3 WHERE fact = $1 AND team = $2",
                args![variable, owner, number],
            )?;
        }
    }
    Ok(())
}

fn learned_row(row: &Row<'_>) -> Result<Learned> {
    Ok(Learned {
        team: row.string(0)?,
        counted: row.text(1)?.lines().filter_map(Fact::from_key).collect(),
        won: row.bool(2)?,
        number: row.int(3)?,
        team_number: row.int(4)?,
        probability: real(row, 5)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kontor_kit::db::Db;
    use kontor_testbed::Place;

    use super::super::score_rows::changes;
    use super::*;
    use crate::domain::opportunity::{Details, Outcome};

    fn deal(id: &str, industry: &str) -> Opportunity {
        let attributes = BTreeMap::from([("industry".to_owned(), industry.to_owned())]);
        Opportunity {
            id: id.to_owned(),
            version: 1,
            details: Details { team: "teams/sales".to_owned(), attributes, ..Details::default() },
            pipeline: "pipelines/default".to_owned(),
            stage: "new".to_owned(),
            outcome: Outcome::Open,
            lead: String::new(),
            contact: String::new(),
            origin: String::new(),
            exchange: None,
            rot_time: None,
            stage_time: 1,
            create_time: 1,
            update_time: 1,
        }
    }

    async fn close(db: &Db, deal: &Opportunity, won: bool) {
        let (deal, stages) = (deal.clone(), ["new".to_owned(), "offer".to_owned()]);
        db.write(move |tx| closed(tx, &deal, &stages, won)).await.unwrap();
    }

    async fn read(db: &Db) -> Model {
        let facts = [
            Fact::new("attributes.industry", "building"),
            Fact::new("stage", "new"),
            Fact::new("stage", "offer"),
        ];
        db.read(move |conn| part(conn, "teams/sales", &facts)).await.unwrap()
    }

    async fn reopened_is_taken_back(place: Option<Place>) {
        let Some(place) = place else { return };
        let db = place.context.open_db("pipeline", crate::MIGRATIONS).await.unwrap();
        for number in 0..30 {
            close(&db, &deal(&number.to_string(), "building"), number % 3 == 0).await;
        }
        let before = read(&db).await;
        close(&db, &deal("again", "building"), true).await;
        db.write(|tx| taken_back(tx, "again")).await.unwrap();
        let after = read(&db).await;
        assert_eq!(after.teams[COMPANY].counted, 30);
        assert_eq!((after.teams[COMPANY].won, after.teams[COMPANY].outcomes), (10, 31));
        assert_eq!(after.version, before.version + 2);
        for (key, counts) in &before.counts {
            for (team, count) in &counts.of {
                let (then, now) = (count.faded(31), after.counts[key].of[team].faded(31));
                let same = |one: f64, other: f64| (one - other).abs() < 1e-9;
                assert!(same(then.won, now.won) && same(then.lost, now.lost), "{key} {then:?} {now:?}");
            }
        }
        // Closed again it is learned again; what was never learned is nothing to take back.
        close(&db, &deal("again", "building"), false).await;
        db.write(|tx| taken_back(tx, "nobody")).await.unwrap();
        let last = db.read(|conn| recent(conn, "teams/sales", 1_000)).await.unwrap();
        assert_eq!((last.len(), last[0].1), (31, false));
        db.write(|tx| forgotten(tx, "again")).await.unwrap();
        db.write(|tx| taken_back(tx, "again")).await.unwrap();
        assert_eq!(read(&db).await.teams[COMPANY].counted, 31);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn p16_reopened_is_taken_back_on_sqlite() {
        reopened_is_taken_back(Some(Place::sqlite())).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn p16_reopened_is_taken_back_on_postgres() {
        reopened_is_taken_back(Place::postgres().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_read_in_parts_is_the_one_that_follows_the_changes() {
        let place = Place::sqlite();
        let db = place.context.open_db("pipeline", crate::MIGRATIONS).await.unwrap();
        let mut followed = Model { version: -1, ..Model::default() };
        for number in 0..40 {
            let industry = ["building", "farming"][number % 2];
            close(&db, &deal(&number.to_string(), industry), number % 3 == 0).await;
            if number % 7 == 0 {
                followed = db
                    .read({
                        let followed = followed.clone();
                        move |conn| {
                            let mut followed = followed.clone();
                            changes(conn, &mut followed)?;
                            Ok(followed)
                        }
                    })
                    .await
                    .unwrap();
                let open = deal("open", "building");
                let facts = fact::of(&open);
                let part = read(&db).await.explain("teams/sales", &facts);
                assert_eq!(followed.explain("teams/sales", &facts), part);
            }
        }
    }
}
