//! Facts in SQLite, in the tables as `domain::facts::tables` has them.
//! Called by the tests that hold the evaluators against SQL.

use std::cell::RefCell;

use kontor_segmentation::domain::facts::{Column, Facts, List, Micros, Partner, Texts, Value, tables};
use kontor_segmentation::domain::rule::Rule;
use kontor_segmentation::domain::rule::sql::{self, Known, Members, Source};
use rusqlite::types::Value as Cell;

pub struct Database(pub rusqlite::Connection);

/// Answers questions of the writer of statements from the database itself.
struct Asked<'a> {
    database: &'a Database,
    members: &'a dyn Fn(&str) -> Members,
    asked: RefCell<usize>,
}

impl Known for Asked<'_> {
    fn members(&self, segment: &str) -> Members {
        (self.members)(segment)
    }

    fn texts(&self, source: &Source) -> Vec<String> {
        *self.asked.borrow_mut() += 1;
        let text = format!("SELECT DISTINCT {} FROM {}", source.column, source.table);
        let mut statement = self.database.0.prepare(&text).expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("texts")
    }
}

impl Database {
    pub fn new() -> Database {
        let database = Database(rusqlite::Connection::open_in_memory().expect("a database"));
        for statement in tables::create() {
            database.0.execute_batch(&statement).expect("a table");
        }
        database
    }

    pub fn put(&self, ord: u32, facts: &Facts) {
        let plain = (0..Partner::COLUMNS.len()).map(|column| facts.partner.value(column));
        self.row(tables::PARTNER, Partner::COLUMNS, &[Cell::from(ord)], plain);
        for list in List::ALL {
            for at in 0..facts.count(list) {
                let values = (0..list.columns().len()).map(|column| facts.record(list, at, column));
                self.row(
                    tables::of(list),
                    list.columns(),
                    &[Cell::from(ord), Cell::from(format!("id{at}"))],
                    values,
                );
            }
        }
        for texts in Texts::ALL {
            for item in facts.texts(texts) {
                let sql = format!("INSERT INTO {} VALUES (?, ?, ?)", tables::TEXT);
                self.0.execute(&sql, (ord, texts.name(), item)).expect("a text");
            }
        }
        for (question, choices) in &facts.answers {
            for choice in choices {
                let sql = format!("INSERT INTO {} VALUES (?, ?, ?)", tables::ANSWER);
                self.0.execute(&sql, (ord, question, choice)).expect("an answer");
            }
        }
    }

    fn row<'v>(
        &self,
        table: &str,
        columns: &[Column],
        keys: &[Cell],
        values: impl Iterator<Item = Value<'v>>,
    ) {
        let cells = values.map(|value| match value {
            Value::Absent => Cell::Null,
            Value::Bool(value) => Cell::from(i64::from(value)),
            Value::Number(number) => Cell::from(number),
            Value::Text(text) => Cell::from(text.to_owned()),
        });
        let cells: Vec<Cell> = keys.iter().cloned().chain(cells).collect();
        let names: String = columns.iter().map(|column| format!(", {}", column.name)).collect();
        let keys = if keys.len() == 2 { "ord, id" } else { "ord" };
        let marks = vec!["?"; cells.len()].join(", ");
        let text = format!("INSERT INTO {table} ({keys}{names}) VALUES ({marks})");
        self.0.execute(&text, rusqlite::params_from_iter(cells)).expect("a row");
    }

    /// Whom a rule fits, by SQL.
    pub fn fitting(&self, rule: &Rule, now: Micros, members: &dyn Fn(&str) -> Members) -> Vec<u32> {
        let asked = Asked { database: self, members, asked: RefCell::new(0) };
        let query = sql::query(rule, now, &asked).expect("a statement");
        let mut statement =
            self.0.prepare(&query.text).unwrap_or_else(|error| panic!("{error}: {}", query.text));
        for (at, arg) in query.args.iter().enumerate() {
            let name = format!("${}", at + 1);
            let index = statement.parameter_index(&name).expect("names").expect("the argument is used");
            statement.raw_bind_parameter(index, arg).expect("a bound argument");
        }
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            found.push(row.get(0).expect("a number"));
        }
        found
    }
}
