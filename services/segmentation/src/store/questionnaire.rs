//! Questionnaires in the database.
//! Called by rpc/questionnaire.rs and rpc/answer.rs.

use kontor_kit::audit::{self, Shown};
use kontor_kit::auth::Guard;
use kontor_kit::db::{Conn, Row, Tx, Value};
use kontor_kit::page::{Field, Kind, Listing};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, args};
use kontor_proto::segmentation::v1 as proto;
use prost::Message;

use crate::domain::questionnaire::{Question, Questionnaire};

impl Stored for Questionnaire {
    const TABLE: &'static str = "questionnaire";
    const COLUMNS: &'static [&'static str] =
        &["id", "version", "display_name", "questions", "create_time", "update_time"];
    const COLLECTION: &'static str = "questionnaires";

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
            // Written by hand in `note`, as texts.
            "questions" => Shown::Not,
            other => audit::column(other),
        }
    }

    fn values(&self) -> Vec<Value> {
        args![
            &self.id,
            self.version,
            &self.display_name,
            pack(&self.questions),
            self.create_time,
            self.update_time,
        ]
        .to_vec()
    }

    fn from_row(row: &Row<'_>, from: usize) -> Result<Self> {
        Ok(Questionnaire {
            id: row.string(from)?,
            version: row.int(from + 1)?,
            display_name: row.string(from + 2)?,
            questions: unpack(row.bytes(from + 3)?)?,
            create_time: row.int(from + 4)?,
            update_time: row.int(from + 5)?,
        })
    }
}

/// For `resource::list`.
pub const LISTING: Listing = Listing {
    table: "questionnaire",
    columns: "id, version, display_name, questions, create_time, update_time",
    id: "id",
    by_key: false,
    fields: &[
        Field::both("display_name", "display_name", Kind::Text),
        Field::order("create_time", "create_time", Kind::Time),
    ],
    default_order: "display_name",
    default_size: 50,
    max_size: 1_000,
};

fn pack(questions: &[Question]) -> Vec<u8> {
    let questions = questions.iter().map(to_proto).collect();
    proto::Questionnaire { questions, ..Default::default() }.encode_to_vec()
}

fn unpack(bytes: &[u8]) -> Result<Vec<Question>> {
    let kept = proto::Questionnaire::decode(bytes).map_err(Error::internal)?;
    Ok(kept.questions.into_iter().map(from_proto).collect())
}

/// A question as the API and the database have it.
pub fn to_proto(question: &Question) -> proto::Question {
    let choices =
        question.choices.iter().map(|(id, text)| proto::Choice { id: id.clone(), text: text.clone() });
    proto::Question {
        id: question.id.clone(),
        text: question.text.clone(),
        choices: choices.collect(),
        multiple: question.multiple,
    }
}

/// And back.
pub fn from_proto(question: proto::Question) -> Question {
    Question {
        id: question.id,
        text: question.text,
        choices: question.choices.into_iter().map(|choice| (choice.id, choice.text)).collect(),
        multiple: question.multiple,
    }
}

/// The audit's text of what is asked: one line a question.
fn shown(row: Option<&Questionnaire>) -> String {
    let line = |question: &Question| {
        let choices: Vec<&str> = question.choices.iter().map(|(id, _)| id.as_str()).collect();
        format!("{}: {} ({})", question.id, question.text, choices.join(", "))
    };
    row.map(|row| row.questions.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}

/// Keeps in the audit what became of the questions, beside what `kit::resource` keeps.
pub fn note(tx: &mut Tx<'_>, old: Option<&Questionnaire>, new: Option<&Questionnaire>) {
    if let Some(row) = new.or(old) {
        let entry = audit::Entry::new(audit::Action::Update, row.name(), &row.audience());
        tx.audit(entry.field("questions", shown(old), shown(new)));
    }
}

/// Makes the questions of a questionnaire known by their ids.
///
/// # Errors
/// ALREADY_EXISTS naming the one that another questionnaire has.
pub fn set_questions(tx: &mut Tx<'_>, questionnaire: &Questionnaire) -> Result<()> {
    tx.execute("DELETE FROM question WHERE questionnaire = $1", args![&questionnaire.id])?;
    for question in &questionnaire.questions {
        let sql = "INSERT INTO question (id, questionnaire) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        if tx.execute(sql, args![&question.id, &questionnaire.id])? == 0 {
            return Err(Error::already_exists(format!("the question {}", question.id)));
        }
    }
    Ok(())
}

/// A question by its id.
///
/// # Errors
/// Those of the database.
pub fn question(conn: &mut Conn<'_>, id: &str) -> Result<Option<Question>> {
    let sql = "SELECT questionnaire FROM question WHERE id = $1";
    let Some(of) = conn.one(sql, args![id], |row| row.string(0))? else { return Ok(None) };
    let found: Questionnaire = resource::get(conn, &of)?;
    Ok(found.questions.into_iter().find(|question| question.id == id))
}

/// All questions that are asked.
///
/// # Errors
/// Those of the database.
pub fn questions(conn: &mut Conn<'_>) -> Result<Vec<Question>> {
    let all = conn.all("SELECT questions FROM questionnaire", &[], |row| unpack(row.bytes(0)?))?;
    Ok(all.into_iter().flatten().collect())
}

/// Segments whose rules read a question, with the rules.
///
/// # Errors
/// Those of the database.
pub fn readers(conn: &mut Conn<'_>, question: &str) -> Result<Vec<(String, String)>> {
    let sql =
        "SELECT id, rule FROM segment WHERE delete_time IS NULL AND rule LIKE $1 ESCAPE '!' ORDER BY id";
    let pattern = format!("%answers[\"questions/{}\"]%", question.replace('_', "!_"));
    conn.all(sql, args![pattern], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Forgets the ids of a questionnaire's questions.
///
/// # Errors
/// Those of the database.
pub fn forget_questions(tx: &mut Tx<'_>, questionnaire: &str) -> Result<()> {
    tx.execute("DELETE FROM question WHERE questionnaire = $1", args![questionnaire]).map(|_| ())
}
