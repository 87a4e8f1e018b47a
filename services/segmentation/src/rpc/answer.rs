//! Answers of partners to questionnaires, and the rule of a profile.
//! Called by rpc/questionnaire.rs.

use std::collections::HashMap;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result, audit, clock, id, replay, resource};
use kontor_proto::segmentation::v1 as proto;

use super::House;
use crate::domain::questionnaire::{Questionnaire, profile};
use crate::store;
use crate::store::answer::Answer;

/// Answers, or choices of a profile, of one request.
const MOST: usize = 100;

fn to_proto(answer: Answer) -> proto::PartnerAnswer {
    proto::PartnerAnswer {
        question: answer.question,
        choices: answer.choices,
        answer_time: Some(clock::to_proto(answer.time)),
    }
}

impl House {
    pub(super) async fn record_answers(
        &self,
        caller: Caller,
        request: proto::RecordAnswersRequest,
    ) -> Result<proto::RecordAnswersResponse> {
        id::parse("partners", &request.partner, "partner")?;
        if !(1..=MOST).contains(&request.answers.len()) {
            return Err(Error::invalid("answers", format!("send 1 to {MOST}")));
        }
        for (place, answer) in request.answers.iter().enumerate() {
            if request.answers[..place].iter().any(|other| other.question == answer.question) {
                let message = format!("{:?} stands there twice", answer.question);
                return Err(Error::invalid(format!("answers[{place}].question"), message));
            }
        }
        if !self.is_known(&request.partner).await? {
            return Err(Error::not_found(&request.partner));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let ords = store::partner::get(tx, &request.partner)?;
                let mut told = audit::Entry::new(audit::Action::Update, &request.partner, &Guard::company())
                    .partner(&request.partner);
                let before = store::answer::of(tx, ords.ord)?;
                let mut changed = false;
                for (place, given) in request.answers.iter().enumerate() {
                    let field = format!("answers[{place}]");
                    let question = store::questionnaire::question(tx, &given.question)?.ok_or_else(|| {
                        Error::invalid(
                            format!("{field}.question"),
                            format!("there is no question {:?}", given.question),
                        )
                    })?;
                    let choices = question.answer(&field, &given.choices)?;
                    let answer = Answer { question: question.id, choices, time: tx.now() };
                    if store::answer::put(tx, ords, &answer)? {
                        let old = before.iter().find(|old| old.question == answer.question);
                        let old = old.map(|old| old.choices.join(", ")).unwrap_or_default();
                        told = told.field(
                            format!("answers.{}", answer.question),
                            old,
                            answer.choices.join(", "),
                        );
                        changed = true;
                    }
                }
                if changed {
                    tx.audit(told);
                    store::answer::settle(tx, ords.ord)?;
                    store::engine::partners_changed(tx, &[ords.ord])?;
                }
                let answers = store::answer::of(tx, ords.ord)?.into_iter().map(to_proto).collect();
                Ok(proto::RecordAnswersResponse { answers })
            })
        });
        let answer = write.await?;
        self.live.settled().await?;
        Ok(answer)
    }

    pub(super) async fn list_answers(
        &self,
        request: proto::ListAnswersRequest,
    ) -> Result<proto::ListAnswersResponse> {
        id::parse("partners", &request.partner, "partner")?;
        let read = self.db.read_few(move |conn| {
            let ord = store::partner::get(conn, &request.partner)?.ord;
            store::answer::of(conn, ord)
        });
        Ok(proto::ListAnswersResponse { answers: read.await?.into_iter().map(to_proto).collect() })
    }

    pub(super) async fn count_answers(
        &self,
        request: proto::CountAnswersRequest,
    ) -> Result<proto::CountAnswersResponse> {
        let id = id::parse("questionnaires", &request.name, "name")?.to_owned();
        let read = self.db.read(move |conn| {
            let found: Questionnaire = resource::get(conn, &id)?;
            let mut choices = Vec::new();
            for question in found.questions {
                let counts: HashMap<String, i64> =
                    store::answer::counts(conn, &question.id)?.into_iter().collect();
                choices.extend(question.choices.into_iter().map(|(choice, _)| proto::ChoiceCount {
                    count: counts.get(&choice).copied().unwrap_or(0),
                    question: question.id.clone(),
                    choice,
                }));
            }
            Ok(choices)
        });
        Ok(proto::CountAnswersResponse { choices: read.await? })
    }

    pub(super) async fn make_profile_rule(
        &self,
        request: proto::MakeProfileRuleRequest,
    ) -> Result<proto::MakeProfileRuleResponse> {
        if request.wanted.is_empty() && request.unwanted.is_empty() {
            return Err(Error::invalid("wanted", "name at least one choice, wanted or unwanted"));
        }
        let rule = self.db.read(move |conn| {
            let mut read = |field: &str, choices: &[String]| -> Result<Vec<(String, String)>> {
                if choices.len() > MOST {
                    return Err(Error::invalid(field, format!("name at most {MOST}")));
                }
                let mut all = Vec::new();
                for (place, text) in choices.iter().enumerate() {
                    let field = format!("{field}[{place}]");
                    let (question, choice) = text.split_once('.').ok_or_else(|| {
                        Error::invalid(&*field, format!("{text:?} is not like question.choice"))
                    })?;
                    let found = store::questionnaire::question(conn, question)?;
                    let offers = found.is_some_and(|it| it.choices.iter().any(|(id, _)| id == choice));
                    if !offers {
                        return Err(Error::invalid(field, format!("there is no choice {text:?}")));
                    }
                    all.push((question.to_owned(), choice.to_owned()));
                }
                Ok(all)
            };
            let wanted = read("wanted", &request.wanted)?;
            let unwanted = read("unwanted", &request.unwanted)?;
            Ok(profile(&wanted, &unwanted))
        });
        Ok(proto::MakeProfileRuleResponse { rule: rule.await? })
    }
}
