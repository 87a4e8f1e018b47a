//! Rows of what the score learned: the part of the model that an outcome needs, and what changed since a version.
//! Called by score.rs and score_cache.rs.

use std::collections::BTreeSet;

use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Error, Result, args};

use crate::domain::score::base::Base;
use crate::domain::score::count::Count;
use crate::domain::score::fact::Fact;
use crate::domain::score::learn::keys;
use crate::domain::score::{INTERCEPT, Model, SLOPE, Team, Weight};

/// Keys in one statement.
const KEYS: usize = 32;

/// Rows in one statement.
const ROWS: usize = 16;

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

pub(super) fn write(tx: &mut Tx<'_>, model: &Model) -> Result<()> {
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

pub(super) fn real(row: &Row<'_>, column: usize) -> Result<f64> {
    row.opt_real(column)?.ok_or_else(|| Error::internal(format!("column {column} is null")))
}
