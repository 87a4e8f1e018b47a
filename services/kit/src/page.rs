//! Lists: filter, order and pages for every List method (AIP-132, AIP-158), stable while rows are inserted.
//! Called by every rpc file that lists; `resource.rs` builds on it.
//!
//! A page goes on behind the last row seen (its order value and id), never at a row count, so new rows shift nothing.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::auth::Caller;
use crate::db::{Conn, Row, Value};
use crate::{Error, Result, filter};

/// What a List method offers.
pub struct Listing {
    /// Table or join, as after FROM.
    pub table: &'static str,
    /// Columns to select, as text.
    pub columns: &'static str,
    /// Column of the id, unique among the rows that a list is about.
    pub id: &'static str,
    /// The table is large, and its rows are found by `id` alone: a list looks for the keys of a page first, each part of the scope by an index of
    /// its own, and reads whole rows for the page only.
    pub by_key: bool,
    /// Fields to filter and order by.
    pub fields: &'static [Field],
    /// Order when none is asked for: "create_time desc".
    pub default_order: &'static str,
    /// Rows on a page when none are asked for.
    pub default_size: i32,
    /// Rows on a page at most.
    pub max_size: i32,
}

/// One field of a listing.
pub struct Field {
    /// Name in the API.
    pub name: &'static str,
    /// Column or expression. Never null where `order` is set.
    pub column: &'static str,
    /// Kind of its values.
    pub kind: Kind,
    /// Offered in `filter`.
    pub filter: bool,
    /// Offered in `order_by`.
    pub order: bool,
    /// Has an index of its own, and values that many rows share: see `Field::common`.
    pub common: bool,
}

impl Field {
    /// A field to filter by.
    pub const fn filter(name: &'static str, column: &'static str, kind: Kind) -> Field {
        Field { name, column, kind, filter: true, order: false, common: false }
    }

    /// A field to order by.
    pub const fn order(name: &'static str, column: &'static str, kind: Kind) -> Field {
        Field { name, column, kind, filter: false, order: true, common: false }
    }

    /// A field for both.
    pub const fn both(name: &'static str, column: &'static str, kind: Kind) -> Field {
        Field { name, column, kind, filter: true, order: true, common: false }
    }

    /// A field with an index that is worth its while only for a rare value: a stage that nobody stands in, not one that a fifth of all do. SQLite
    /// counts nothing, so a list looks itself; PostgreSQL knows.
    #[must_use]
    pub const fn common(mut self) -> Field {
        self.common = true;
        self
    }
}

/// Kind of a field's values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// A user's resource name; `me` is the caller, `none` is nobody.
    User,
    /// Whole number.
    Int,
    /// true or false.
    Bool,
    /// Instant.
    Time,
    /// One of these names, kept as numbers.
    Enum(&'static [(&'static str, i64)]),
}

/// What the caller asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Rows; 0 is the default. More than the maximum gives the maximum.
    pub page_size: i32,
    /// From the answer before.
    pub page_token: String,
    /// AIP-160 filter.
    pub filter: String,
    /// "field" or "field desc".
    pub order_by: String,
}

impl Query {
    /// Tells lists apart by what they cost: for `Db::read_list`.
    pub fn kind(&self, caller: &Caller) -> u64 {
        self.kind_under(caller, "")
    }

    /// The same for a list of what is below `parent`: one long history must not send those of all others to the readers.
    pub fn kind_under(&self, caller: &Caller, parent: &str) -> u64 {
        let mut hash = DefaultHasher::new();
        (&caller.user, parent, &self.filter, &self.order_by, self.page_size).hash(&mut hash);
        hash.finish()
    }
}

/// Which rows a list is about, whatever its filter says: a condition, in parts that an OR joins. Each part is looked up by an index of its own, and
/// as many rows of it as the page has; one condition with ORs would read and sort all rows that somebody may see.
#[derive(Debug, Clone)]
pub struct Scope {
    parts: Vec<String>,
    args: Vec<Value>,
}

/// Rows with which a value is common.
const COMMON: i64 = 2_000;

/// Parts that are looked up one by one, at most.
const PARTS: usize = 20;

impl Scope {
    /// The rows that the caller may see, by the columns of owner and team.
    pub fn of(caller: &Caller, owner_column: &str, team_column: &str) -> Scope {
        let mut args = Vec::new();
        let mut parts = caller.scope_parts(owner_column, team_column, &mut args);
        if parts.len() > PARTS {
            parts = vec![format!("({})", parts.join(" OR "))];
        }
        Scope { parts, args }
    }

    /// Only rows for which `condition` holds too; in it, `{}` is the place of `value`.
    #[must_use]
    pub fn and(mut self, condition: &str, value: impl Into<Value>) -> Scope {
        self.args.push(value.into());
        let condition = condition.replace("{}", &format!("${}", self.args.len()));
        for part in &mut self.parts {
            *part = format!("{part} AND {condition}");
        }
        self
    }
}

impl From<(String, Vec<Value>)> for Scope {
    fn from((condition, args): (String, Vec<Value>)) -> Scope {
        Scope { parts: vec![condition], args }
    }
}

/// One page.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(turn).collect(), next_page_token: self.next_page_token }
    }
}

impl Listing {
    /// Runs the list over the rows of `scope` (use `Scope::of`, or a condition with its arguments).
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming page_size, page_token, filter or order_by.
    pub fn run<T>(
        &self,
        conn: &mut Conn<'_>,
        caller: &Caller,
        query: &Query,
        scope: impl Into<Scope>,
        mut map: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Page<T>> {
        let Scope { parts, mut args } = scope.into();
        let size = self.size(query.page_size)?;
        let order = self.order(&query.order_by)?;
        let stamp = self.stamp(query);
        let mut condition = String::new();
        if !query.filter.trim().is_empty() {
            let common = |field: &Field, value: &Value| self.is_common(conn, field, value);
            let filter = filter::to_sql(&query.filter, self.fields, caller, &mut args, common)?;
            condition = format!(" AND ({filter})");
        }
        if !query.page_token.is_empty() {
            let after = self.after(&order, &read_token(&query.page_token, stamp)?, &mut args)?;
            condition = format!("{condition} AND {after}");
        }
        let sql = self.statement(&parts, &condition, &order, size + 1);
        let mut rows = Vec::new();
        let mut last = None;
        let mut more = false;
        conn.each(&sql, &args, |row| {
            if rows.len() == size {
                more = true;
                return Ok(());
            }
            if rows.len() + 1 == size {
                let key = if order.is_text { row.string(0)? } else { row.int(0)?.to_string() };
                last = Some((key, row.string(1)?));
            }
            rows.push(map(row)?);
            Ok(())
        })?;
        let next_page_token = match (more, last) {
            (true, Some((key, id))) => write_token(stamp, &key, &id),
            _ => String::new(),
        };
        Ok(Page { rows, next_page_token })
    }

    /// Each page asks for its text, so it is pushed together; formatting took a tenth of a short list's time.
    fn statement(&self, parts: &[String], condition: &str, order: &Order, limit: usize) -> String {
        let Listing { id, table, columns, .. } = self;
        let Order { column, descending, .. } = order;
        let way = if *descending { "DESC" } else { "ASC" };
        let limit = limit.to_string();
        let mut sql = String::with_capacity(1_024);
        let mut push = |texts: &[&str]| texts.iter().for_each(|text| sql.push_str(text));
        if !self.by_key {
            push(&["SELECT ", column, ", ", id, ", ", columns, " FROM ", table, " WHERE ("]);
            for (number, part) in parts.iter().enumerate() {
                push(&[if number == 0 { "" } else { " OR " }, part]);
            }
            push(&[")", condition, " ORDER BY ", column, " ", way, ", ", id, " ", way, " LIMIT ", &limit]);
            return sql;
        }
        push(&["SELECT page_key, page_id, ", columns, " FROM ("]);
        for (number, part) in parts.iter().enumerate() {
            let is_one = parts.len() == 1;
            push(&match number {
                _ if is_one => [""; 2],
                0 => ["", "SELECT page_key, page_id FROM ("],
                _ => [" UNION ", "SELECT page_key, page_id FROM ("],
            });
            // Row-value order over (column, id): the id makes it total.
            push(&["SELECT ", column, " AS page_key, ", id, " AS page_id FROM ", table, " WHERE ", part]);
            push(&[condition, " ORDER BY ", column, " ", way, ", ", id, " ", way, " LIMIT ", &limit]);
            if !is_one {
                push(&[") AS part_", &number.to_string()]);
            }
        }
        if parts.len() > 1 {
            push(&[" ORDER BY 1 ", way, ", 2 ", way, " LIMIT ", &limit]);
        }
        push(&[") AS page CROSS JOIN ", table, " WHERE ", id, " = page_id ORDER BY page_key "]);
        push(&[way, ", page_id ", way]);
        sql
    }

    /// Whether so many rows have this value that looking at them in the order of the list finds a page sooner than its index does.
    fn is_common(&self, conn: &mut Conn<'_>, field: &Field, value: &Value) -> Result<bool> {
        if !field.common || conn.is_postgres() {
            return Ok(false);
        }
        let text = match value {
            Value::Text(Some(text)) => text.as_str(),
            Value::Int(Some(number)) => &number.to_string(),
            _ => return Ok(false),
        };
        conn.lately(&(self.table, field.column, text), |conn| {
            // To skip them is cheaper than to count them: nothing is made of each.
            let sql = format!(
                "SELECT 1 FROM {} WHERE {} = $1 LIMIT 1 OFFSET {}",
                self.table,
                field.column,
                COMMON - 1
            );
            Ok(conn.one(&sql, std::slice::from_ref(value), |_| Ok(()))?.is_some())
        })
    }

    fn size(&self, asked: i32) -> Result<usize> {
        if asked < 0 {
            return Err(Error::invalid("page_size", "it can't be negative"));
        }
        let size = if asked == 0 { self.default_size } else { asked.min(self.max_size) };
        Ok(usize::try_from(size).unwrap_or(1))
    }

    fn order(&self, asked: &str) -> Result<Order> {
        let text = if asked.trim().is_empty() { self.default_order } else { asked.trim() };
        let (name, descending) = match text.split_once(char::is_whitespace) {
            None => (text, false),
            Some((name, way)) if way.trim() == "desc" => (name, true),
            Some((name, way)) if way.trim() == "asc" => (name, false),
            Some(_) => return Err(self.bad_order(text)),
        };
        let field = self.fields.iter().find(|field| field.order && field.name == name);
        let field = field.ok_or_else(|| self.bad_order(text))?;
        let is_text = matches!(field.kind, Kind::Text | Kind::User);
        Ok(Order { column: field.column, descending, is_text })
    }

    fn bad_order(&self, text: &str) -> Error {
        let offered: Vec<_> =
            self.fields.iter().filter(|field| field.order).map(|field| field.name).collect();
        Error::invalid(
            "order_by",
            format!("{text:?} is no order: use one of {}, each with \" desc\"", offered.join(", ")),
        )
    }

    /// "behind this row", spelled out because PostgreSQL and SQLite use an index for it alike.
    fn after(&self, order: &Order, (key, id): &(String, String), args: &mut Vec<Value>) -> Result<String> {
        let key: Value =
            if order.is_text { key.into() } else { key.parse::<i64>().map_err(|_| bad_token())?.into() };
        args.push(key);
        args.push(id.into());
        let (key, id) = (args.len() - 1, args.len());
        let sign = if order.descending { '<' } else { '>' };
        Ok(format!("({}, {}) {sign} (${key}, ${id})", order.column, self.id))
    }

    /// Ties a token to the filter and order that it was made for.
    fn stamp(&self, query: &Query) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update(self.table);
        hash.update([0]);
        hash.update(&query.filter);
        hash.update([0]);
        hash.update(&query.order_by);
        let digest = hash.finalize();
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&digest[..8]);
        stamp
    }
}

struct Order {
    column: &'static str,
    descending: bool,
    is_text: bool,
}

/// Longest token in bytes: an order value of 40 kB, far more than any field that a list is ordered by.
const TOKEN_LENGTH: usize = 64 * 1024;

pub(crate) fn bad_token() -> Error {
    Error::invalid(
        "page_token",
        "it is not a token of this list with this filter and order_by: begin again without one",
    )
}

pub(crate) fn write_token(stamp: [u8; 8], key: &str, id: &str) -> String {
    let mut bytes = stamp.to_vec();
    bytes.extend_from_slice(id.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn read_token(token: &str, stamp: [u8; 8]) -> Result<(String, String)> {
    if token.len() > TOKEN_LENGTH {
        return Err(bad_token());
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    let rest = bytes.strip_prefix(&stamp).ok_or_else(bad_token)?;
    let text = std::str::from_utf8(rest).map_err(|_| bad_token())?;
    let (id, key) = text.split_once('\0').ok_or_else(bad_token)?;
    Ok((key.to_owned(), id.to_owned()))
}
