//! Questionnaires: their form, what an answer may be, and the rule that a profile is.
//! Called by rpc/questionnaire.rs and rpc/answer.rs.

use std::collections::{BTreeMap, BTreeSet};

use kontor_kit::{Error, Result};

use super::segment::check_name;

/// Questions of a questionnaire, and choices of a question, at most.
const MOST: usize = 100;
/// Longest text of a question or a choice, in characters.
const TEXT: usize = 500;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Id, unique in the company.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// Ids and texts of the choices.
    pub choices: Vec<(String, String)>,
    /// Several choices at once.
    pub multiple: bool,
}

/// A questionnaire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questionnaire {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// What is asked.
    pub questions: Vec<Question>,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
}

impl Questionnaire {
    /// Checks all of it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        check_name("questionnaire.display_name", &self.display_name)?;
        let field = "questionnaire.questions";
        if !(1..=MOST).contains(&self.questions.len()) {
            return Err(Error::invalid(field, format!("ask 1 to {MOST} questions")));
        }
        let mut ids = BTreeSet::new();
        for (place, question) in self.questions.iter().enumerate() {
            let field = format!("{field}[{place}]");
            check_id(&format!("{field}.id"), &question.id)?;
            if !ids.insert(&question.id) {
                return Err(Error::invalid(
                    format!("{field}.id"),
                    format!("{:?} stands there twice", question.id),
                ));
            }
            question.check(&field)?;
        }
        Ok(())
    }
}

impl Question {
    fn check(&self, field: &str) -> Result<()> {
        check_text(&format!("{field}.text"), &self.text)?;
        if !(1..=MOST).contains(&self.choices.len()) {
            return Err(Error::invalid(format!("{field}.choices"), format!("offer 1 to {MOST} choices")));
        }
        let mut ids = BTreeSet::new();
        for (place, (id, text)) in self.choices.iter().enumerate() {
            let field = format!("{field}.choices[{place}]");
            check_id(&format!("{field}.id"), id)?;
            check_text(&format!("{field}.text"), text)?;
            if !ids.insert(id) {
                return Err(Error::invalid(format!("{field}.id"), format!("{id:?} stands there twice")));
            }
        }
        Ok(())
    }

    /// Checks an answer and answers its choices in the order of the question.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field`.choices.
    pub fn answer(&self, field: &str, choices: &[String]) -> Result<Vec<String>> {
        for (place, choice) in choices.iter().enumerate() {
            if !self.choices.iter().any(|(id, _)| id == choice) {
                let offered: Vec<&str> = self.choices.iter().map(|(id, _)| id.as_str()).take(10).collect();
                let message =
                    format!("{choice:?} is no choice of {}: those are {}", self.id, offered.join(", "));
                return Err(Error::invalid(format!("{field}.choices[{place}]"), message));
            }
        }
        let kept = self.choices.iter().map(|(id, _)| id).filter(|id| choices.contains(id)).cloned();
        let kept: Vec<String> = kept.collect();
        if kept.len() > 1 && !self.multiple {
            let message = format!("{} takes one choice only", self.id);
            return Err(Error::invalid(format!("{field}.choices"), message));
        }
        Ok(kept)
    }
}

fn check_id(field: &str, id: &str) -> Result<()> {
    let is_good = (1..=64).contains(&id.len())
        && id.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
    if is_good {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{id:?} is no id: use 1 to 64 of a-z, 0-9, \"_\"")))
}

fn check_text(field: &str, text: &str) -> Result<()> {
    let is_good =
        !text.trim().is_empty() && text.chars().count() <= TEXT && !text.chars().any(char::is_control);
    if is_good {
        Ok(())
    } else {
        Err(Error::invalid(field, format!("write 1 to {TEXT} characters on one line")))
    }
}

/// The rule of a profile: one of the wanted choices of each question that has any, and none of the unwanted ones. Choices are (question, choice).
pub fn profile(wanted: &[(String, String)], unwanted: &[(String, String)]) -> String {
    let has = |question: &str, choice: &str| format!("\"{choice}\" in answers[\"questions/{question}\"]");
    let mut by_question: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (question, choice) in wanted {
        by_question.entry(question).or_default().push(has(question, choice));
    }
    let yes = by_question.into_values().map(|any| match any.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(" || ")),
    });
    let no = unwanted.iter().map(|(question, choice)| format!("!({})", has(question, choice)));
    yes.chain(no).collect::<Vec<_>>().join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_and_over_questions_and_or_within_one() {
        let pair = |question: &str, choice: &str| (question.to_owned(), choice.to_owned());
        let rule = profile(&[pair("b", "x"), pair("a", "1"), pair("b", "y")], &[pair("c", "no")]);
        assert_eq!(
            rule,
            "\"1\" in answers[\"questions/a\"] && (\"x\" in answers[\"questions/b\"] || \"y\" in answers[\"questions/b\"]) && !(\"no\" in answers[\"questions/c\"])"
        );
        assert!(crate::domain::rule::Rule::parse(&rule).is_ok(), "it is a rule");
    }
}
