//! What the score learned, in the database: an outcome reads and writes its own rows only. What is shown comes from score_cache.rs.
//! Called by rpc/opportunity.rs and rpc/score.rs.
//!
//! Outcomes are learned one after the other, also by several processes: each holds the company's row until its commit.

use std::collections::{BTreeSet, HashMap};

use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Error, Result, args};

use crate::domain::opportunity::Opportunity;
use crate::domain::score::base::Base;
use crate::domain::score::count::{Count, LIFE};
use crate::domain::score::fact::{self, Fact};
use crate::domain::score::learn::{Learned, Outcome, keys};
use crate::domain::score::{COMPANY, INTERCEPT, Model, SLOPE, Team, Weight};

/// Variables that are learned at most: one is an attribute's key.
const VARIABLES: i64 = 200;
/// Keys in one statement.
const KEYS: usize = 32;
/// Rows in one statement.
const ROWS: usize = 16;
/// Outcomes between two clearings of counts that have faded away.
const CLEARING: i64 = 1_000;
/// Counts that one clearing takes away at most.
const CLEARED: i64 = 2_000;

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

/// An opportunity was reopened: takes back what was counted when it closed. Nothing happens when nothing was.
///
/// # Errors
/// Those of the database.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "ReopenOpportunity, which calls it, comes with another branch")
)]
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

/// Trust in each variable, by name.
///
/// # Errors
/// Those of the database.
pub fn weights(conn: &mut Conn<'_>) -> Result<Vec<(String, Weight)>> {
    conn.all("SELECT name, value, gradient FROM score_weight ORDER BY name LIMIT 1000", &[], weight_row)
}

/// Number of changes of the model.
///
/// # Errors
/// Those of the database.
pub fn version(conn: &mut Conn<'_>) -> Result<i64> {
    let found = conn.one("SELECT version FROM score_team WHERE team = ''", &[], |row| row.int(0))?;
    found.ok_or_else(|| Error::internal("the company's score is gone"))
}

/// The part of the model that these facts need.
///
/// # Errors
/// Those of the database.
pub fn part(conn: &mut Conn<'_>, team: &str, facts: &[Fact]) -> Result<Model> {
    let mut model = Model { version: version(conn)?, ..Model::default() };
    let sql = "SELECT team, outcomes, counted, won, state FROM score_team WHERE team IN ('', $1)";
    model.teams.extend(conn.all(sql, args![team], team_row)?);
    let variables: BTreeSet<&str> = facts.iter().map(Fact::variable).chain([SLOPE, INTERCEPT]).collect();
    for names in chunks(variables) {
        let sql =
            format!("SELECT name, value, gradient FROM score_weight WHERE name IN ({})", places(1, KEYS));
        model.weights.extend(conn.all(&sql, &names, weight_row)?);
    }
    for mut names in chunks(keys(facts)) {
        names.push(team.into());
        let (places, team) = (places(1, KEYS), KEYS + 1);
        let sql = format!(
            "SELECT fact, team, clock, won, lost, kinds FROM score_count WHERE fact IN ({places}) AND team IN ('', ${team})"
        );
        conn.each(&sql, &names, |row| add_count(&mut model, row))?;
    }
    Ok(model)
}

/// What changed since a version, added to a model.
///
/// # Errors
/// Those of the database.
pub fn changes(conn: &mut Conn<'_>, model: &mut Model) -> Result<()> {
    // The number first: what comes in between is read again the next time.
    let now = version(conn)?;
    let since = model.version;
    let sql = "SELECT team, outcomes, counted, won, state FROM score_team WHERE version > $1";
    model.teams.extend(conn.all(sql, args![since], team_row)?);
    let sql = "SELECT name, value, gradient FROM score_weight WHERE version > $1";
    model.weights.extend(conn.all(sql, args![since], weight_row)?);
    let sql = "SELECT fact, team, clock, won, lost, kinds FROM score_count WHERE version > $1";
    conn.each(sql, args![since], |row| add_count(model, row))?;
    model.version = now;
    Ok(())
}

fn hold(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("UPDATE score_team SET version = version WHERE team = ''", &[])?;
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

fn write(tx: &mut Tx<'_>, model: &Model) -> Result<()> {
    let version = model.version;
    let teams = model.teams.iter().map(|(name, team)| {
        vec![
            name.into(),
            version.into(),
            team.outcomes.into(),
            team.counted.into(),
            team.won.into(),
            text(&team.base).into(),
        ]
    });
    upsert(
        tx,
        "score_team",
        &["team", "version", "outcomes", "counted", "won", "state"],
        1,
        teams.collect(),
    )?;
    let weights = model
        .weights
        .iter()
        .map(|(name, weight)| vec![name.into(), version.into(), weight.value.into(), weight.gradient.into()]);
    upsert(tx, "score_weight", &["name", "version", "value", "gradient"], 1, weights.collect())?;
    let counts = model.counts.iter().flat_map(|(key, counts)| counts.of.iter().map(move |of| (key, of)));
    let counts = counts.map(|(key, (team, count))| {
        vec![
            key.into(),
            team.into(),
            version.into(),
            count.clock.into(),
            count.won.into(),
            count.lost.into(),
            count.kinds.into(),
        ]
    });
    let columns = ["fact", "team", "version", "clock", "won", "lost", "kinds"];
    upsert(tx, "score_count", &columns, 2, counts.collect())
}

fn upsert(tx: &mut Tx<'_>, table: &str, columns: &[&str], keys: usize, rows: Vec<Vec<Value>>) -> Result<()> {
    let sets: Vec<String> =
        columns[keys..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
    for rows in rows.chunks(ROWS) {
        let width = columns.len();
        let values: Vec<String> =
            (0..rows.len()).map(|row| format!("({})", places(row * width + 1, width))).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
            columns.join(", "),
            values.join(", "),
            columns[..keys].join(", "),
            sets.join(", ")
        );
        tx.execute(&sql, &rows.concat())?;
    }
    Ok(())
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
        let old = "SELECT fact FROM score_count WHERE team = $1 AND clock < $2 LIMIT $3";
        let old = tx.all(old, args![owner, before, CLEARED], |row| row.string(0))?;
        let mut fewer: HashMap<&str, i64> = HashMap::new();
        for key in &old {
            tx.execute("DELETE FROM score_count WHERE fact = $1 AND team = $2", args![key, owner])?;
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

/// Keys in groups of one size, filled up by repeating the last, so that there is one statement for all.
fn chunks(keys: BTreeSet<&str>) -> Vec<Vec<Value>> {
    let keys: Vec<Value> = keys.into_iter().map(Value::from).collect();
    let fill = |group: &[Value]| {
        let last = group.last().cloned().unwrap_or(Value::Text(None));
        group.iter().cloned().chain(std::iter::repeat(last)).take(KEYS).collect()
    };
    keys.chunks(KEYS).map(fill).collect()
}

/// "$3, $4, $5"
fn places(from: usize, number: usize) -> String {
    let places: Vec<String> = (from..from + number).map(|place| format!("${place}")).collect();
    places.join(", ")
}

fn team_row(row: &Row<'_>) -> Result<(String, Team)> {
    let numbers: Vec<f64> =
        row.text(4)?.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let team = Team {
        outcomes: row.int(1)?,
        counted: row.int(2)?,
        won: row.int(3)?,
        // Empty when it is new.
        base: Base::from_numbers(&numbers).unwrap_or_default(),
    };
    Ok((row.string(0)?, team))
}

/// Each number in the shortest form that reads back to the same bits.
fn text(base: &Base) -> String {
    let numbers: Vec<String> = base.numbers().iter().map(|number| format!("{number:?}")).collect();
    numbers.join(" ")
}

fn weight_row(row: &Row<'_>) -> Result<(String, Weight)> {
    Ok((row.string(0)?, Weight { value: real(row, 1)?, gradient: real(row, 2)? }))
}

fn add_count(model: &mut Model, row: &Row<'_>) -> Result<()> {
    let count = Count { clock: row.int(2)?, won: real(row, 3)?, lost: real(row, 4)?, kinds: row.int(5)? };
    let counts = match model.counts.get_mut(row.text(0)?) {
        Some(counts) => counts,
        None => model.counts.entry(row.string(0)?).or_default(),
    };
    counts.of.insert(row.string(1)?, count);
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

fn real(row: &Row<'_>, column: usize) -> Result<f64> {
    row.opt_real(column)?.ok_or_else(|| Error::internal(format!("column {column} is null")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kontor_kit::db::Db;
    use kontor_testbed::Place;

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
