//! Facts into their tables: a partner as the directory has it, records of its lists, traits. What is there already changes nothing.
//! Called by the pulls, the events and the RPC that takes facts.

use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::{Result, args};

use super::partner::{self, Ords};
use super::{answer, engine};
use crate::domain::facts::{
    self, Call, Column, Kind, List, Mail, Opportunity, Partner, Purchase, Visit, tables,
};

/// A record of one of the lists.
#[derive(Clone, Debug)]
pub enum Record {
    /// A deal.
    Opportunity(Opportunity),
    /// A call.
    Call(Call),
    /// A sale or a refund.
    Purchase(Purchase),
    /// What became of a mail.
    Mail(Mail),
    /// A page that was looked at.
    Visit(Visit),
}

/// What writing something did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added,
    /// It took the place of another one.
    Replaced,
    /// It was there just so.
    Unchanged,
}

/// A partner as the directory has it; language, numbers not to be called and scores are added here.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The plain fields.
    pub partner: Partner,
    /// Addresses in lower case, each once.
    pub emails: Vec<String>,
    /// E.164, each once.
    pub phones: Vec<String>,
}

impl Record {
    fn list(&self) -> List {
        match self {
            Record::Opportunity(_) => List::Opportunities,
            Record::Call(_) => List::Calls,
            Record::Purchase(_) => List::Purchases,
            Record::Mail(_) => List::Mails,
            Record::Visit(_) => List::Visits,
        }
    }

    fn value(&self, column: usize) -> facts::Value<'_> {
        match self {
            Record::Opportunity(record) => record.value(column),
            Record::Call(record) => record.value(column),
            Record::Purchase(record) => record.value(column),
            Record::Mail(record) => record.value(column),
            Record::Visit(record) => record.value(column),
        }
    }

    fn values(&self) -> Vec<Value> {
        let columns = self.list().columns();
        columns.iter().enumerate().map(|(at, column)| to_sql(column, self.value(at))).collect()
    }
}

fn to_sql(column: &Column, value: facts::Value<'_>) -> Value {
    match value {
        facts::Value::Absent if column.kind == Kind::Text => "".into(),
        facts::Value::Absent => Value::Int(None),
        facts::Value::Bool(value) => value.into(),
        facts::Value::Number(value) => value.into(),
        facts::Value::Text(value) => value.into(),
    }
}

fn from_sql(column: &Column, row: &Row<'_>, at: usize) -> Result<Value> {
    Ok(match column.kind {
        Kind::Text => row.string(at)?.into(),
        Kind::Bool | Kind::Int | Kind::Decimal | Kind::Time => Value::Int(row.opt_int(at)?),
    })
}

/// Writes a record of a list by its id, for whoever it was told of.
///
/// # Errors
/// Those of the database.
pub fn put(tx: &mut Tx<'_>, id: &str, ords: Ords, record: &Record) -> Result<Change> {
    let (table, columns) = (tables::of(record.list()), record.list().columns());
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let names = names.join(", ");
    let values = record.values();
    let sql = format!("SELECT ord, owner, {names} FROM {table} WHERE id = $1");
    let old = tx.one(&sql, args![id], |row| {
        let values: Result<Vec<Value>> =
            columns.iter().enumerate().map(|(at, column)| from_sql(column, row, at + 2)).collect();
        Ok((row.int(0)?, row.int(1)?, values?))
    })?;
    let change = match &old {
        None => Change::Added,
        Some((_, owner, old)) if *owner == i64::from(ords.owner) && *old == values => {
            return Ok(Change::Unchanged);
        }
        Some(_) => Change::Replaced,
    };
    if let Some((before, _, _)) = old {
        tx.execute(&format!("DELETE FROM {table} WHERE id = $1"), args![id])?;
        if before != i64::from(ords.ord) {
            engine::partners_changed(tx, &[u32::try_from(before).unwrap_or(ords.ord)])?;
        }
    }
    let mut row = args![ords.ord, id, ords.owner].to_vec();
    row.extend(values);
    tx.insert_many(table, &format!("ord, id, owner, {names}"), [row].into_iter(), "")?;
    engine::partners_changed(tx, &[ords.ord])?;
    Ok(change)
}

/// Takes a record away. Answers whom it counted for, when it was there.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &mut Tx<'_>, list: List, id: &str) -> Result<Option<u32>> {
    let sql = format!("DELETE FROM {} WHERE id = $1 RETURNING ord", tables::of(list));
    let Some(ord) = tx.one(&sql, args![id], |row| row.int(0))? else { return Ok(None) };
    let ord = u32::try_from(ord).map_err(kontor_kit::Error::internal)?;
    engine::partners_changed(tx, &[ord])?;
    Ok(Some(ord))
}

/// Writes a partner as the directory has it. One that went into another one has no facts of its own.
///
/// # Errors
/// Those of the database.
pub fn put_partner(tx: &mut Tx<'_>, name: &str, snapshot: &Snapshot) -> Result<()> {
    let Some(Ords { owner, ord }) = partner::find_or_add(tx, name)? else { return Ok(()) };
    if owner != ord {
        return Ok(());
    }
    let known = partner::is_there(tx, ord)?;
    let old = (texts(tx, ord, "emails")?, texts(tx, ord, "phones")?);
    let is_new = !write_plain(tx, ord, &snapshot.partner)?;
    let mut changed = is_new || !known;
    for (field, old, new) in [("emails", old.0, &snapshot.emails), ("phones", old.1, &snapshot.phones)] {
        changed |= set_texts(tx, ord, field, &old, new)?;
    }
    changed |= set_do_not_call(tx, ord)?;
    if !known {
        set_traits(tx, ord)?;
        answer::settle(tx, ord)?;
    }
    if changed { engine::partners_changed(tx, &[ord]) } else { Ok(()) }
}

/// Columns that the directory knows nothing of.
const OTHERS: [&str; 5] = ["language", "do_not_call", "rfm_recency", "rfm_frequency", "rfm_monetary"];

/// Writes the plain fields. True when they stood there just so.
fn write_plain(tx: &mut Tx<'_>, ord: u32, new: &Partner) -> Result<bool> {
    let (mut columns, mut values) = (Vec::new(), args![ord].to_vec());
    for (at, column) in Partner::COLUMNS.iter().enumerate() {
        columns.push(column.name);
        values.push(to_sql(column, new.value(at)));
    }
    let own = || columns.iter().filter(|name| !OTHERS.contains(*name));
    let places: Vec<String> = (1..=values.len()).map(|place| format!("${place}")).collect();
    let sets: Vec<String> = own().map(|name| format!("{name} = excluded.{name}")).collect();
    // create_time may be null.
    let differs: Vec<String> =
        own().map(|name| format!("fact_partner.{name} IS DISTINCT FROM excluded.{name}")).collect();
    let sql = format!(
        "INSERT INTO fact_partner (ord, {}) VALUES ({}) ON CONFLICT (ord) DO UPDATE SET {} WHERE {}",
        columns.join(", "),
        places.join(", "),
        sets.join(", "),
        differs.join(" OR ")
    );
    Ok(tx.execute(&sql, &values)? == 0)
}

fn texts(conn: &mut Conn<'_>, ord: u32, field: &str) -> Result<Vec<String>> {
    let sql = "SELECT value FROM fact_text WHERE ord = $1 AND field = $2 ORDER BY value";
    conn.all(sql, args![ord, field], |row| row.string(0))
}

/// Writes a list of texts. True when it was another one.
fn set_texts(tx: &mut Tx<'_>, ord: u32, field: &str, old: &[String], new: &[String]) -> Result<bool> {
    let mut new = new.to_vec();
    new.sort();
    new.dedup();
    let mut old = old.to_vec();
    old.sort();
    if old == new {
        return Ok(false);
    }
    tx.execute("DELETE FROM fact_text WHERE ord = $1 AND field = $2", args![ord, field])?;
    let rows: Vec<Vec<Value>> = new.iter().map(|value| args![ord, field, value].to_vec()).collect();
    tx.insert_many("fact_text", "ord, field, value", rows.into_iter(), "")?;
    Ok(true)
}

/// Looks anew whether one of a partner's numbers is not to be called. True when that is otherwise than before.
///
/// # Errors
/// Those of the database.
pub fn set_do_not_call(tx: &mut Tx<'_>, ord: u32) -> Result<bool> {
    let sql =
        "SELECT COUNT(*) FROM fact_text JOIN do_not_call ON e164 = value WHERE ord = $1 AND field = 'phones'";
    let now = tx.one(sql, args![ord], |row| row.int(0))?.unwrap_or(0) > 0;
    let sql = "UPDATE fact_partner SET do_not_call = $2 WHERE ord = $1 AND do_not_call <> $2";
    Ok(tx.execute(sql, args![ord, now])? > 0)
}

/// The partner of this number is not there any more. What was told of it stays.
///
/// # Errors
/// Those of the database.
pub fn remove_partner(tx: &mut Tx<'_>, ord: u32) -> Result<()> {
    tx.execute("DELETE FROM fact_text WHERE ord = $1", args![ord])?;
    if tx.execute("DELETE FROM fact_partner WHERE ord = $1", args![ord])? > 0 {
        engine::partners_changed(tx, &[ord])?;
    }
    Ok(())
}

/// Lets the records that were told of one partner count for another one.
///
/// # Errors
/// Those of the database.
pub fn count_for(tx: &mut Tx<'_>, owner: u32, ord: u32) -> Result<()> {
    for list in List::ALL {
        let sql = format!("UPDATE {} SET ord = $2 WHERE owner = $1", tables::of(list));
        tx.execute(&sql, args![owner, ord])?;
    }
    Ok(())
}

/// Keeps what was told of a partner's tags and language.
///
/// # Errors
/// Those of the database.
pub fn put_traits(tx: &mut Tx<'_>, ords: Ords, tags: &[String], language: &str) -> Result<Change> {
    let tags = tags.join("\n");
    let sql = "SELECT tags, language FROM partner_trait WHERE owner = $1";
    let old = tx.one(sql, args![ords.owner], |row| Ok((row.string(0)?, row.string(1)?)))?;
    let change = match old {
        None => Change::Added,
        Some(old) if old == (tags.clone(), language.to_owned()) => return Ok(Change::Unchanged),
        Some(_) => Change::Replaced,
    };
    tx.execute(
        "INSERT INTO partner_trait (owner, tags, language) VALUES ($1, $2, $3)
         ON CONFLICT (owner) DO UPDATE SET tags = excluded.tags, language = excluded.language",
        args![ords.owner, tags, language],
    )?;
    set_traits(tx, ords.ord)?;
    engine::partners_changed(tx, &[ords.ord])?;
    Ok(change)
}

/// Writes tags and language of a partner: all tags that were told of it and of those that went into it, and the first language.
///
/// # Errors
/// Those of the database.
pub fn set_traits(tx: &mut Tx<'_>, ord: u32) -> Result<()> {
    let Some(name) = partner::name(tx, ord)? else { return Ok(()) };
    let (mut tags, mut language) = (Vec::new(), String::new());
    for owner in partner::family(tx, &name)? {
        let sql = "SELECT tags, language FROM partner_trait WHERE owner = $1";
        let told = tx.one(sql, args![owner], |row| Ok((row.string(0)?, row.string(1)?)))?;
        let Some((more, one)) = told else { continue };
        tags.extend(more.lines().map(str::to_owned));
        if language.is_empty() {
            language = one;
        }
    }
    let old = texts(tx, ord, "tags")?;
    set_texts(tx, ord, "tags", &old, &tags)?;
    let sql = "UPDATE fact_partner SET language = $2 WHERE ord = $1 AND language <> $2";
    tx.execute(sql, args![ord, language]).map(|_| ())
}
