//! The tables that hold facts, as the SQL evaluator reads them: one row a partner by its number (`ord`), one table a list.
//! Called by the SQL evaluator, by the tests, and by the test that compares the migrations with it.

use super::record::Partner;
use super::schema::{Column, List};
use super::value::Kind;

/// One row a partner.
pub const PARTNER: &str = "fact_partner";
/// Items of tags, emails and phones: (ord, field, value), `field` being the name in rules.
pub const TEXT: &str = "fact_text";
/// Answers: (ord, question, choice).
pub const ANSWER: &str = "fact_answer";

/// The table of a list. Beside the columns it has `ord` and `id`, the record's own name.
pub fn of(list: List) -> &'static str {
    match list {
        List::Opportunities => "fact_opportunity",
        List::Calls => "fact_call",
        List::Purchases => "fact_purchase",
        List::Mails => "fact_mail",
        List::Visits => "fact_visit",
    }
}

/// Statements that make the tables. Absent numbers are NULL, absent texts are empty; decimals are ten-thousandths, instants microseconds.
pub fn create() -> Vec<String> {
    let mut all = vec![
        format!("CREATE TABLE {PARTNER} (ord BIGINT PRIMARY KEY{})", columns(Partner::COLUMNS)),
        format!(
            "CREATE TABLE {TEXT} (ord BIGINT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (ord, field, value))"
        ),
        format!(
            "CREATE TABLE {ANSWER} (ord BIGINT NOT NULL, question TEXT NOT NULL, choice TEXT NOT NULL, PRIMARY KEY (ord, question, choice))"
        ),
    ];
    for list in List::ALL {
        let columns = columns(list.columns());
        let table = of(list);
        all.push(format!(
            "CREATE TABLE {table} (ord BIGINT NOT NULL, id TEXT NOT NULL{columns}, PRIMARY KEY (ord, id))"
        ));
    }
    all
}

fn columns(columns: &[Column]) -> String {
    let one = |column: &Column| match column.kind {
        Kind::Bool => format!(", {} BIGINT NOT NULL", column.name),
        Kind::Text => format!(", {} TEXT NOT NULL", column.name),
        Kind::Int | Kind::Decimal | Kind::Time => format!(", {} BIGINT", column.name),
    };
    columns.iter().map(one).collect()
}
