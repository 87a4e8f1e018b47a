//! What a rule may name besides fields, read for its author.
//! Called by the RPCs that take rules.

use kontor_kit::Result;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::Conn;

use super::questionnaire;
use crate::domain::facts::Field;
use crate::domain::rule::Rule;
use crate::domain::rule::catalogue::{Known, Without};

/// What is there for a caller, of the kinds that a rule names: most name none, and nothing is read for them.
///
/// # Errors
/// Those of the database.
pub fn known(conn: &mut Conn<'_>, caller: &Caller, rule: &Rule) -> Result<Known> {
    let mut known = Known::default();
    if !rule.segments().is_empty() {
        let sql = "SELECT id, team FROM segment WHERE delete_time IS NULL";
        conn.each(sql, &[], |row| {
            if caller.may_read(&Guard::new("", row.text(1)?)) {
                known.segments.insert(format!("segments/{}", row.text(0)?));
            }
            Ok(())
        })?;
    }
    if rule.fields().contains(Field::Answers) {
        for question in questionnaire::questions(conn)? {
            let choices = question.choices.into_iter().map(|(id, _)| id).collect();
            known.questions.insert(format!("questions/{}", question.id), choices);
        }
    }
    Ok(known)
}

/// A segment whose rule names a choice of a question.
///
/// # Errors
/// Those of the database.
pub fn asks_for(conn: &mut Conn<'_>, question: &str, choice: &str) -> Result<Option<String>> {
    let name = format!("questions/{question}");
    let without = Without { question: &name, choice };
    let names = |rule: &str| Rule::parse(rule).is_ok() && Rule::parse_known(rule, &without).is_err();
    let readers = questionnaire::readers(conn, question)?;
    Ok(readers.into_iter().find(|(_, rule)| names(rule)).map(|(segment, _)| segment))
}
