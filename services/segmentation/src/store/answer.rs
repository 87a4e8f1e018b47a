//! Answers of partners to questions: what was told, and what of it counts. The newest answer to a question counts, whoever of a merged partner gave it.
//! Called by rpc/answer.rs and when partners are merged.

use kontor_kit::db::{Conn, Tx, Value};
use kontor_kit::{Result, args};

use super::partner::{self, Ords};

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Id of the question.
    pub question: String,
    /// Ids of the choices.
    pub choices: Vec<String>,
    /// Microseconds UTC.
    pub time: i64,
}

/// The answers that count for a partner, by question.
///
/// # Errors
/// Those of the database.
pub fn of(conn: &mut Conn<'_>, ord: u32) -> Result<Vec<Answer>> {
    let Some(name) = partner::name(conn, ord)? else { return Ok(Vec::new()) };
    let mut all: Vec<Answer> = Vec::new();
    for owner in partner::family(conn, &name)? {
        let sql = "SELECT question, choices, time FROM answer WHERE owner = $1";
        let more = conn.all(sql, args![owner], |row| {
            let choices = row.text(1)?.lines().map(str::to_owned).collect();
            Ok(Answer { question: row.string(0)?, choices, time: row.int(2)? })
        })?;
        all.extend(more);
    }
    // The newest first; of two of the same moment the survivor's, which came first.
    all.sort_by(|one, other| one.question.cmp(&other.question).then(other.time.cmp(&one.time)));
    all.dedup_by(|later, first| later.question == first.question);
    all.retain(|answer| !answer.choices.is_empty());
    Ok(all)
}

/// Keeps an answer; no choices take the one before back. True when it was another one.
///
/// # Errors
/// Those of the database.
pub fn put(tx: &mut Tx<'_>, ords: Ords, answer: &Answer) -> Result<bool> {
    let now = of(tx, ords.ord)?;
    let old = now.iter().find(|old| old.question == answer.question);
    if old.map_or(&[][..], |old| &old.choices) == answer.choices {
        return Ok(false);
    }
    // Kept for the partner itself, so that nothing that went into it says otherwise; an empty one hides theirs.
    tx.execute(
        "INSERT INTO answer (owner, question, choices, time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (owner, question) DO UPDATE SET choices = excluded.choices, time = excluded.time",
        args![ords.owner, &answer.question, answer.choices.join("\n"), answer.time],
    )?;
    Ok(true)
}

/// Writes what counts for a partner to where rules read it.
///
/// # Errors
/// Those of the database.
pub fn settle(tx: &mut Tx<'_>, ord: u32) -> Result<()> {
    let answers = of(tx, ord)?;
    tx.execute("DELETE FROM fact_answer WHERE ord = $1", args![ord])?;
    let choices = answers.iter().flat_map(|answer| {
        let question = fact_question(&answer.question);
        answer.choices.iter().map(move |choice| args![ord, &question, choice].to_vec())
    });
    let rows: Vec<Vec<Value>> = choices.collect();
    tx.insert_many("fact_answer", "ord, question, choice", rows.into_iter(), "")
}

/// A question's name as rules and facts have it.
pub fn fact_question(id: &str) -> String {
    format!("questions/{id}")
}

/// Partners that answered a question, by number.
///
/// # Errors
/// Those of the database.
pub fn who_answered(conn: &mut Conn<'_>, question: &str) -> Result<Vec<u32>> {
    let sql = "SELECT DISTINCT ord FROM fact_answer WHERE question = $1 ORDER BY ord";
    conn.all(sql, args![fact_question(question)], |row| {
        u32::try_from(row.int(0)?).map_err(kontor_kit::Error::internal)
    })
}

/// Forgets all answers to a question.
///
/// # Errors
/// Those of the database.
pub fn forget_question(tx: &mut Tx<'_>, question: &str) -> Result<()> {
    tx.execute("DELETE FROM answer WHERE question = $1", args![question])?;
    tx.execute("DELETE FROM fact_answer WHERE question = $1", args![fact_question(question)])?;
    Ok(())
}

/// How many partners chose each choice of a question.
///
/// # Errors
/// Those of the database.
pub fn counts(conn: &mut Conn<'_>, question: &str) -> Result<Vec<(String, i64)>> {
    let sql =
        "SELECT choice, COUNT(*) FROM fact_answer JOIN fact_partner ON fact_partner.ord = fact_answer.ord
         WHERE question = $1 GROUP BY choice ORDER BY choice";
    conn.all(sql, args![fact_question(question)], |row| Ok((row.string(0)?, row.int(1)?)))
}

/// Forgets a choice in all answers to a question. Answers whose answers those were.
///
/// # Errors
/// Those of the database.
pub fn forget_choice(tx: &mut Tx<'_>, question: &str, choice: &str) -> Result<Vec<u32>> {
    let sql = "SELECT DISTINCT ord FROM fact_answer WHERE question = $1 AND choice = $2 ORDER BY ord";
    let who = tx.all(sql, args![fact_question(question), choice], |row| {
        u32::try_from(row.int(0)?).map_err(kontor_kit::Error::internal)
    })?;
    let sql = "SELECT owner, choices FROM answer WHERE question = $1";
    let told = tx.all(sql, args![question], |row| Ok((row.int(0)?, row.string(1)?)))?;
    for (owner, choices) in told {
        let kept: Vec<&str> = choices.lines().filter(|kept| *kept != choice).collect();
        if kept.len() != choices.lines().count() {
            let sql = "UPDATE answer SET choices = $3 WHERE owner = $1 AND question = $2";
            tx.execute(sql, args![owner, question, kept.join("\n")])?;
        }
    }
    let sql = "DELETE FROM fact_answer WHERE question = $1 AND choice = $2";
    tx.execute(sql, args![fact_question(question), choice])?;
    Ok(who)
}
