//! What a rule may name besides fields, read for its author.
//! Called by the RPCs that take rules.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kontor_kit::Result;
use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::Conn;

use super::questionnaire;
use crate::domain::facts::Field;
use crate::domain::rule::Rule;
use crate::domain::rule::catalogue::{Known, Naming};

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

/// The choices of a question that rules name, each with the id of a segment whose rule does.
///
/// # Errors
/// Those of the database.
pub fn asked_for(conn: &mut Conn<'_>, question: &str) -> Result<BTreeMap<String, String>> {
    let name = format!("questions/{question}");
    let mut asked = BTreeMap::new();
    for (segment, rule) in questionnaire::readers(conn, question)? {
        let naming = Naming { question: &name, choices: RefCell::default() };
        // A rule that is none any more names nothing.
        if Rule::parse_known(&rule, &naming).is_ok() {
            for choice in naming.choices.into_inner() {
                asked.entry(choice).or_insert_with(|| segment.clone());
            }
        }
    }
    Ok(asked)
}
