//! Rows that imports have seen, so that each makes one record whatever is sent again, by whom, and how many at once.
//! Called by rpc/import.

use std::collections::{HashMap, HashSet};

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Result, args};

use crate::domain::import::Kind;

/// Keys in one statement.
const KEYS: usize = 100;

/// Whose rows they are: keys are unique within one of these.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What they became: the rows of leads and of opportunities do not know each other.
    pub kind: Kind,
    /// "teams/{team}" or "users/{user}"; empty for the installation itself.
    pub owner: String,
    /// Name of the source.
    pub source: String,
}

impl Scope {
    /// The beginnings of what is read, written and noted. Whole, so that the audit's test finds the tables.
    fn statements(&self) -> [&'static str; 3] {
        match self.kind {
            Kind::Leads => [
                "SELECT row_key, digest, lead FROM import_row",
                "INSERT INTO import_row (scope, source, row_key, digest, lead)",
                "UPDATE import_row SET digest = $4",
            ],
            Kind::Opportunities => [
                "SELECT row_key, digest, opportunity FROM import_deal_row",
                "INSERT INTO import_deal_row (scope, source, row_key, digest, opportunity)",
                "UPDATE import_deal_row SET digest = $4",
            ],
        }
    }
}

/// A row that was seen before.
#[derive(Clone, Debug)]
pub struct Known {
    /// Digest of what it said last.
    pub digest: String,
    /// Id of its record.
    pub record: String,
}

/// Those of these keys that are known.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn<'_>, scope: &Scope, keys: &[&str]) -> Result<HashMap<String, Known>> {
    let mut found = HashMap::new();
    let places: Vec<String> = (3..KEYS + 3).map(|number| format!("${number}")).collect();
    let [select, ..] = scope.statements();
    let sql = format!("{select} WHERE scope = $1 AND source = $2 AND row_key IN ({})", places.join(", "));
    for some in keys.chunks(KEYS) {
        let mut args: Vec<Value> = vec![(&scope.owner).into(), (&scope.source).into()];
        // One text for all: the last chunk is filled up with its last key.
        args.extend((0..KEYS).map(|place| Value::from(some[place.min(some.len() - 1)])));
        conn.each(&sql, &args, |row| {
            found.insert(row.string(0)?, Known { digest: row.string(1)?, record: row.string(2)? });
            Ok(())
        })?;
    }
    Ok(found)
}

/// A row that wants to be the first of its key.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Its key.
    pub key: &'a str,
    /// Digest of what it says.
    pub digest: &'a str,
    /// Id of the record that it would make.
    pub record: &'a str,
}

/// Takes the keys that nobody has, and returns them. Who claims the same key in another process waits here for the end of that transaction; the
/// keys are claimed in their order, so that no two wait for each other.
///
/// # Errors
/// Those of the database.
pub fn claim(tx: &mut Tx<'_>, scope: &Scope, mut claims: Vec<Claim<'_>>) -> Result<HashSet<String>> {
    claims.sort_unstable_by_key(|claim| claim.key);
    let mut taken = HashSet::new();
    for some in claims.chunks(KEYS) {
        let mut args: Vec<Value> = vec![(&scope.owner).into(), (&scope.source).into()];
        let mut rows = Vec::with_capacity(some.len());
        for claim in some {
            let at = args.len();
            rows.push(format!("($1, $2, ${}, ${}, ${})", at + 1, at + 2, at + 3));
            args.extend([claim.key, claim.digest, claim.record].map(Value::from));
        }
        let [_, insert, _] = scope.statements();
        let sql = format!(
            "{insert} VALUES {} ON CONFLICT (scope, source, row_key) DO NOTHING RETURNING row_key",
            rows.join(", ")
        );
        taken.extend(tx.all(&sql, &args, |row| row.string(0))?);
    }
    Ok(taken)
}

/// Notes what a known row says now.
///
/// # Errors
/// Those of the database.
pub fn note(tx: &mut Tx<'_>, scope: &Scope, key: &str, digest: &str) -> Result<()> {
    let [.., update] = scope.statements();
    let sql = format!("{update} WHERE scope = $1 AND source = $2 AND row_key = $3");
    tx.execute(&sql, args![&scope.owner, &scope.source, key, digest])?;
    Ok(())
}
