//! Pipelines and their stages in the database.
//! Called by the rpc files and by lib.rs.

use std::collections::HashMap;

use kontor_kit::audit::{Action, Entry, Shown};
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing, Page, Query};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args, audit, id};

use super::forecast;
use crate::domain::pipeline::{Demand, Pipeline, Stage};

impl Stored for Pipeline {
    const TABLE: &'static str = "pipeline";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "display_name", "is_default", "lost_reason_required"];
    const COLLECTION: &'static str = "pipelines";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn set_version(&mut self, version: i64) {
        self.version = version;
    }

    fn audience(&self) -> Guard {
        Guard::company()
    }

    fn shown(column: &'static str) -> Shown {
        match column {
            "is_default" | "lost_reason_required" => Shown::As(column, Kind::Bool),
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            (&self.id).into(),
            self.version.into(),
            (&self.display_name).into(),
            self.is_default.into(),
            self.lost_reason_required.into(),
        ]
    }

    /// Without its stages: the functions below add them.
    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Pipeline {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            is_default: row.bool(from + 3)?,
            lost_reason_required: row.bool(from + 4)?,
            stages: Vec::new(),
        })
    }
}

/// What ListPipelines offers: the default one first, then by name.
const LISTING: Listing = Listing {
    table: "pipeline",
    columns: "id, version, display_name, is_default, lost_reason_required",
    id: "id",
    by_key: false,
    fields: &[Field::order(
        "place",
        "(CASE is_default WHEN 1 THEN '0' ELSE '1' END || display_name)",
        Kind::Text,
    )],
    default_order: "place",
    default_size: 50,
    max_size: 1_000,
};

/// Makes the default pipeline of a new installation.
///
/// # Errors
/// Those of the database.
pub fn ensure_default(tx: &mut Tx<'_>) -> Result<()> {
    let first = Pipeline::first();
    // Two processes may start at once: the second finds the row taken and does nothing.
    let new = tx.execute(
        "INSERT INTO pipeline (id, version, display_name, is_default, lost_reason_required)
         SELECT $1, 1, $2, 1, $3 WHERE NOT EXISTS (SELECT 1 FROM pipeline) ON CONFLICT DO NOTHING",
        args![&first.id, &first.display_name, first.lost_reason_required],
    )?;
    if new == 0 {
        return Ok(());
    }
    let entry = Entry::new(Action::Create, first.name(), &first.audience());
    tx.audit(entry.field("display_name", "", &first.display_name).field("is_default", "", "true"));
    write_stages(tx, &first, &[])
}

/// Lists pipelines with their stages.
///
/// # Errors
/// INVALID_ARGUMENT naming page_size or page_token.
pub fn list(conn: &mut Conn<'_>, caller: &Caller, query: &Query) -> Result<Page<Pipeline>> {
    let everyone = ("1 = 1".to_owned(), Vec::new());
    let mut page = resource::list::<Pipeline>(conn, &LISTING, caller, query, everyone)?;
    page.rows.iter_mut().try_for_each(|pipeline| add_stages(conn, pipeline))?;
    Ok(page)
}

/// One pipeline with its stages.
///
/// # Errors
/// NOT_FOUND.
pub fn get(conn: &mut Conn<'_>, id: &str) -> Result<Pipeline> {
    let mut pipeline = resource::get::<Pipeline>(conn, id)?;
    add_stages(conn, &mut pipeline)?;
    Ok(pipeline)
}

/// The pipeline of a request's field; the default one when it is empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` when there is none of this name.
pub fn named_or_default(conn: &mut Conn<'_>, field: &str, name: &str) -> Result<Pipeline> {
    let id = named(conn, field, name)?;
    get(conn, &id).map_err(|cause| unknown(field, &id, cause))
}

/// The pipeline that people call so: its resource name, its id or its display name; the default one when it is empty.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` when there is none, or several have that display name.
pub fn called_or_default(conn: &mut Conn<'_>, field: &str, called: &str) -> Result<Pipeline> {
    let id = called.strip_prefix("pipelines/").unwrap_or(called);
    if called.is_empty() || exists(conn, id)? {
        let name = if called.is_empty() { String::new() } else { format!("pipelines/{id}") };
        return named_or_default(conn, field, &name);
    }
    let sql = "SELECT id FROM pipeline WHERE display_name = $1 LIMIT 2";
    match conn.all(sql, args![called], |row| row.string(0))?.as_slice() {
        [id] => get(conn, id),
        [] => Err(Error::invalid(field, format!("there is no pipeline {called:?}"))),
        _ => {
            Err(Error::invalid(field, format!("several pipelines are called {called:?}: use the id of one")))
        }
    }
}

/// The id in a request's field, or that of the default one.
fn named(conn: &mut Conn<'_>, field: &str, name: &str) -> Result<String> {
    if !name.is_empty() {
        return Ok(id::parse("pipelines", name, field)?.to_owned());
    }
    conn.one("SELECT id FROM pipeline WHERE is_default = 1", &[], |row| row.string(0))?
        .ok_or_else(|| Error::internal("there is no default pipeline"))
}

fn unknown(field: &str, id: &str, cause: Error) -> Error {
    if cause.is_not_found() {
        return Error::invalid(field, format!("pipelines/{id} does not exist"));
    }
    cause
}

/// One pipeline with its stages for an opportunity that goes into one of them. Until the commit nobody in another process
/// can take its stages away: on SQLite there is one writer.
///
/// # Errors
/// NOT_FOUND.
pub fn get_for_use(tx: &mut Tx<'_>, id: &str) -> Result<Pipeline> {
    if tx.is_postgres() {
        tx.one("SELECT 1 FROM pipeline WHERE id = $1 FOR SHARE", args![id], |_| Ok(()))?;
    }
    get(tx, id)
}

/// Like `named_or_default`, held like `get_for_use`.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` when there is none of this name.
pub fn named_or_default_for_use(tx: &mut Tx<'_>, field: &str, name: &str) -> Result<Pipeline> {
    let id = named(tx, field, name)?;
    get_for_use(tx, &id).map_err(|cause| unknown(field, &id, cause))
}

/// Whether a pipeline exists.
///
/// # Errors
/// Those of the database.
pub fn exists(conn: &mut Conn<'_>, id: &str) -> Result<bool> {
    Ok(conn.one("SELECT 1 FROM pipeline WHERE id = $1", args![id], |_| Ok(()))?.is_some())
}

/// Display name and probability of a stage; the last segment and 0 when it is gone.
///
/// # Errors
/// Those of the database.
pub fn stage(conn: &mut Conn<'_>, name: &str) -> Result<Stage> {
    let found = conn.one(
        "SELECT name, display_name, probability, rotting_days, required FROM stage WHERE name = $1",
        args![name],
        stage_row,
    )?;
    Ok(found.unwrap_or_else(|| Stage {
        name: name.to_owned(),
        display_name: name.rsplit('/').next().unwrap_or(name).to_owned(),
        ..Stage::default()
    }))
}

/// Percent of the opportunities in a stage that are won. 0 for one that is gone.
///
/// # Errors
/// Those of the database.
pub fn probability(conn: &mut Conn<'_>, stage: &str) -> Result<i32> {
    let sql = "SELECT probability FROM stage WHERE name = $1";
    let found = conn.one(sql, args![stage], |row| row.int(0))?;
    Ok(found.and_then(|percent| i32::try_from(percent).ok()).unwrap_or(0))
}

/// Probabilities of stages, each looked up once: a page of opportunities stands in a few. 0 for one that is gone.
///
/// # Errors
/// Those of the database.
pub fn probabilities<'a>(
    conn: &mut Conn<'_>,
    stages: impl Iterator<Item = &'a str>,
) -> Result<HashMap<&'a str, i32>> {
    let mut found = HashMap::new();
    for name in stages {
        if !found.contains_key(name) {
            found.insert(name, probability(conn, name)?);
        }
    }
    Ok(found)
}

/// Writes a new pipeline. A new default takes the place of the old one.
///
/// # Errors
/// ALREADY_EXISTS.
pub fn create(tx: &mut Tx<'_>, pipeline: &Pipeline) -> Result<()> {
    if exists(tx, &pipeline.id)? {
        return Err(Error::already_exists(pipeline.name()));
    }
    if pipeline.is_default {
        take_default(tx)?;
    }
    resource::insert(tx, pipeline)?;
    write_stages(tx, pipeline, &[])
}

/// Writes a changed pipeline.
///
/// # Errors
/// ABORTED; FAILED_PRECONDITION when a stage left out has opportunities.
pub fn update(tx: &mut Tx<'_>, pipeline: &mut Pipeline, old: &Pipeline) -> Result<()> {
    for stage in &old.stages {
        let stays = pipeline.stages.iter().any(|kept| kept.name == stage.name);
        let sql = "SELECT 1 FROM opportunity WHERE stage = $1 LIMIT 1";
        if !stays && tx.one(sql, args![&stage.name], |_| Ok(()))?.is_some() {
            let message = format!("{} has opportunities: move them first", stage.name);
            return Err(Error::precondition("STAGE_IN_USE", message));
        }
    }
    if pipeline.is_default && !old.is_default {
        take_default(tx)?;
    }
    resource::update(tx, pipeline)?;
    tx.execute("DELETE FROM stage WHERE pipeline = $1", args![&pipeline.id])?;
    write_stages(tx, pipeline, &old.stages)?;
    let before =
        |stage: &Stage| old.stages.iter().find(|it| it.name == stage.name).map_or(0, |it| it.rotting_days);
    for stage in pipeline.stages.iter().filter(|stage| stage.rotting_days != before(stage)) {
        limit(tx, stage)?;
    }
    Ok(())
}

/// A stage's new limit holds for the opportunities that are there. Their etags move: who read them before must not write the old limit back.
fn limit(tx: &mut Tx<'_>, stage: &Stage) -> Result<()> {
    match stage.rot_time(0) {
        Some(span) => tx.execute(
            "UPDATE opportunity SET rot_time = stage_time + $2, version = version + 1 WHERE stage = $1 AND state = 1",
            args![&stage.name, span],
        )?,
        None => tx.execute(
            "UPDATE opportunity SET rot_time = NULL, version = version + 1 WHERE stage = $1 AND state = 1",
            args![&stage.name],
        )?,
    };
    Ok(())
}

/// Deletes a pipeline.
///
/// # Errors
/// ABORTED; FAILED_PRECONDITION when it is the default one or has opportunities.
pub fn delete(tx: &mut Tx<'_>, pipeline: &Pipeline) -> Result<()> {
    if pipeline.is_default {
        let message = format!("{} is the default one: make another one the default first", pipeline.name());
        return Err(Error::precondition("DEFAULT_PIPELINE", message));
    }
    let sql = "SELECT 1 FROM opportunity WHERE stage IN (SELECT name FROM stage WHERE pipeline = $1) LIMIT 1";
    if tx.one(sql, args![&pipeline.id], |_| Ok(()))?.is_some() {
        let message = format!("{} has opportunities", pipeline.name());
        return Err(Error::precondition("PIPELINE_IN_USE", message));
    }
    resource::delete(tx, pipeline)?;
    tx.execute("DELETE FROM stage WHERE pipeline = $1", args![&pipeline.id])?;
    tx.audit(audit_stages(Action::Delete, pipeline, &pipeline.stages, &[]));
    Ok(())
}

/// The old default's etag moves too: it is not what its readers saw.
fn take_default(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "UPDATE pipeline SET is_default = 0, version = version + 1 WHERE is_default = 1 RETURNING id";
    for id in tx.all(sql, &[], |row| row.string(0))? {
        let entry = Entry::new(Action::Update, format!("pipelines/{id}"), &Guard::company());
        tx.audit(entry.field("is_default", "true", "false"));
    }
    Ok(())
}

fn add_stages(conn: &mut Conn<'_>, pipeline: &mut Pipeline) -> Result<()> {
    let sql = "SELECT name, display_name, probability, rotting_days, required FROM stage WHERE pipeline = $1 ORDER BY position";
    pipeline.stages = conn.all(sql, args![&pipeline.id], stage_row)?;
    Ok(())
}

fn stage_row(row: &Row<'_>) -> Result<Stage> {
    Ok(Stage {
        name: row.string(0)?,
        display_name: row.string(1)?,
        probability: i32::try_from(row.int(2)?).map_err(Error::internal)?,
        rotting_days: i32::try_from(row.int(3)?).map_err(Error::internal)?,
        required: row.text(4)?.split(',').filter_map(Demand::of_field).collect(),
    })
}

fn write_stages(tx: &mut Tx<'_>, pipeline: &Pipeline, old: &[Stage]) -> Result<()> {
    tx.audit(audit_stages(Action::Update, pipeline, old, &pipeline.stages));
    for (position, stage) in pipeline.stages.iter().enumerate() {
        tx.execute(
            "INSERT INTO stage (name, pipeline, position, display_name, probability, rotting_days, required)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                &stage.name,
                &pipeline.id,
                i64::try_from(position).unwrap_or(0),
                &stage.display_name,
                stage.probability,
                stage.rotting_days,
                stage.required.iter().map(|demand| demand.field()).collect::<Vec<_>>().join(",")
            ],
        )?;
        forecast::note_stage(tx, &stage.name, stage.probability)?;
    }
    Ok(())
}

/// What became of the stages, each by its place and its fields.
fn audit_stages(action: Action, pipeline: &Pipeline, old: &[Stage], new: &[Stage]) -> Entry {
    let facts = |stages: &[Stage], name: &str| -> [String; 5] {
        let Some(at) = stages.iter().position(|stage| stage.name == name) else { return Default::default() };
        let stage = &stages[at];
        let required: Vec<&str> = stage.required.iter().map(|demand| demand.field()).collect();
        [
            (at + 1).to_string(),
            stage.display_name.clone(),
            stage.probability.to_string(),
            stage.rotting_days.to_string(),
            required.join(", "),
        ]
    };
    let names = ["place", "display_name", "probability", "rotting_days", "required_fields"];
    let mut entry = Entry::new(action, pipeline.name(), &pipeline.audience());
    let gone = old.iter().filter(|stage| !new.iter().any(|kept| kept.name == stage.name));
    for stage in new.iter().chain(gone) {
        let id = stage.name.strip_prefix(&format!("{}/", pipeline.name())).unwrap_or(&stage.name);
        let (before, after) = (facts(old, &stage.name), facts(new, &stage.name));
        for (name, (before, after)) in names.iter().zip(before.into_iter().zip(after)) {
            entry = entry.field(format!("{id}.{name}"), before, after);
        }
    }
    entry
}
