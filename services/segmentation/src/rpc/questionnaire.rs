//! QuestionnaireService: questionnaires themselves; answers stand in answer.rs.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::mask::Mask;
use kontor_kit::page::{Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::questionnaire_service_server::QuestionnaireService;
use tonic::{Request, Response};

use super::{Answer, House, chosen_id, must};
use crate::domain::questionnaire::Questionnaire;
use crate::domain::segment::Segment;
use crate::store;
use crate::store::questionnaire::{LISTING, from_proto};

/// The service.
pub struct Questionnaires(pub(super) House);

/// Fields that UpdateQuestionnaire takes.
const FIELDS: [&str; 2] = ["display_name", "questions"];

fn to_proto(row: &Questionnaire) -> proto::Questionnaire {
    proto::Questionnaire {
        name: row.name(),
        display_name: row.display_name.clone(),
        questions: row.questions.iter().map(store::questionnaire::to_proto).collect(),
        etag: row.etag(),
        create_time: Some(clock::to_proto(row.create_time)),
        update_time: Some(clock::to_proto(row.update_time)),
    }
}

fn must_make(caller: &Caller) -> Result<()> {
    if caller.admin || !caller.led_teams.is_empty() {
        return Ok(());
    }
    Err(Error::denied("only administrators and leaders of a team make questionnaires"))
}

/// Questions that are not asked any more are read by no segment, and lose their answers; so do choices that are not offered any more.
fn drop_answers(
    tx: &mut Tx<'_>,
    caller: &Caller,
    old: &Questionnaire,
    new: Option<&Questionnaire>,
) -> Result<()> {
    // No rule that names one of them is saved meanwhile.
    store::segment::lock(tx)?;
    for question in &old.questions {
        let now = new.and_then(|new| new.questions.iter().find(|now| now.id == question.id));
        let Some(now) = now else {
            if let Some((segment, _)) = store::questionnaire::readers(tx, &question.id)?.first() {
                let reader = seen(tx, caller, segment)?;
                let message = format!("{reader} reads the question {}: change that first", question.id);
                return Err(Error::precondition("IN_USE", message));
            }
            let who = store::answer::who_answered(tx, &question.id)?;
            store::answer::forget_question(tx, &question.id)?;
            store::engine::partners_changed(tx, &who)?;
            continue;
        };
        let is_gone = |id: &String| !now.choices.iter().any(|(kept, _)| kept == id);
        let gone: Vec<&String> = question.choices.iter().map(|(id, _)| id).filter(|id| is_gone(id)).collect();
        if gone.is_empty() {
            continue;
        }
        let asked = store::catalogue::asked_for(tx, &question.id)?;
        for choice in gone {
            if let Some(segment) = asked.get(choice) {
                let reader = seen(tx, caller, segment)?;
                let message =
                    format!("{reader} asks for the choice {}.{choice}: change that first", question.id);
                return Err(Error::precondition("IN_USE", message));
            }
            let who = store::answer::forget_choice(tx, &question.id, choice)?;
            store::engine::partners_changed(tx, &who)?;
        }
    }
    Ok(())
}

/// A segment as the caller may know it.
fn seen(tx: &mut Tx<'_>, caller: &Caller, id: &str) -> Result<String> {
    let segment: Segment = resource::get(tx, id)?;
    let may = caller.may_read(&segment.guard());
    Ok(if may { segment.full_name() } else { "a segment that you do not see".to_owned() })
}

#[tonic::async_trait]
impl QuestionnaireService for Questionnaires {
    async fn list_questionnaires(
        &self,
        request: Request<proto::ListQuestionnairesRequest>,
    ) -> Answer<proto::ListQuestionnairesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListQuestionnairesRequest { page_size, page_token, filter, order_by } =
            request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let read = self.0.db.read(move |conn| {
            let scope = Scope::from(("1 = 1".to_owned(), Vec::new()));
            resource::list::<Questionnaire>(conn, &LISTING, &caller, &query, scope)
        });
        let page = read.await?.map(|row| to_proto(&row));
        Ok(Response::new(proto::ListQuestionnairesResponse {
            questionnaires: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_questionnaire(
        &self,
        request: Request<proto::GetQuestionnaireRequest>,
    ) -> Answer<proto::Questionnaire> {
        Caller::of(&request)?;
        let id = id::parse("questionnaires", &request.get_ref().name, "name")?.to_owned();
        let row = self.0.db.read_few(move |conn| resource::get::<Questionnaire>(conn, &id)).await?;
        Ok(Response::new(to_proto(&row)))
    }

    async fn create_questionnaire(
        &self,
        request: Request<proto::CreateQuestionnaireRequest>,
    ) -> Answer<proto::Questionnaire> {
        let caller = Caller::of(&request)?;
        must_make(&caller)?;
        let request = request.into_inner();
        let given = must(request.questionnaire.as_ref(), "questionnaire")?;
        let now = self.0.db.clock().now();
        let row = Questionnaire {
            id: chosen_id(&request.questionnaire_id, "questionnaire_id")?,
            version: 1,
            display_name: given.display_name.trim().to_owned(),
            questions: given.questions.into_iter().map(from_proto).collect(),
            create_time: now,
            update_time: now,
        };
        row.check()?;
        if request.validate_only {
            return Ok(Response::new(to_proto(&row)));
        }
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                resource::insert(tx, &row)?;
                store::questionnaire::note(tx, None, Some(&row));
                store::questionnaire::set_questions(tx, &row)?;
                Ok(to_proto(&row))
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn update_questionnaire(
        &self,
        request: Request<proto::UpdateQuestionnaireRequest>,
    ) -> Answer<proto::Questionnaire> {
        let caller = Caller::of(&request)?;
        must_make(&caller)?;
        let request = request.into_inner();
        let given = must(request.questionnaire.as_ref(), "questionnaire")?;
        let id = id::parse("questionnaires", &given.name, "questionnaire.name")?.to_owned();
        let set: Vec<&str> = FIELDS
            .into_iter()
            .zip([!given.display_name.is_empty(), !given.questions.is_empty()])
            .filter_map(|(field, set)| set.then_some(field))
            .collect();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &set)?;
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let old: Questionnaire = resource::hold(tx, &id)?;
                resource::check_etag(&old, &given.etag)?;
                let mut row = old.clone();
                if mask.has("display_name") {
                    row.display_name = given.display_name.trim().to_owned();
                }
                if mask.has("questions") {
                    row.questions = given.questions.iter().cloned().map(from_proto).collect();
                }
                row.check()?;
                row.update_time = tx.now();
                drop_answers(tx, &caller, &old, Some(&row))?;
                resource::update(tx, &mut row)?;
                store::questionnaire::note(tx, Some(&old), Some(&row));
                store::questionnaire::set_questions(tx, &row)?;
                Ok(to_proto(&row))
            })
        });
        let answer = write.await?;
        self.0.live.settled().await?;
        Ok(Response::new(answer))
    }

    async fn delete_questionnaire(&self, request: Request<proto::DeleteQuestionnaireRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        must_make(&caller)?;
        let request = request.into_inner();
        let id = id::parse("questionnaires", &request.name, "name")?.to_owned();
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let row: Questionnaire = resource::hold(tx, &id)?;
                resource::check_etag(&row, &request.etag)?;
                drop_answers(tx, &caller, &row, None)?;
                store::questionnaire::forget_questions(tx, &id)?;
                store::questionnaire::note(tx, Some(&row), None);
                resource::delete(tx, &row)
            })
        });
        write.await?;
        self.0.live.settled().await?;
        Ok(Response::new(()))
    }

    async fn record_answers(
        &self,
        request: Request<proto::RecordAnswersRequest>,
    ) -> Answer<proto::RecordAnswersResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.record_answers(caller, request.into_inner()).await?))
    }

    async fn list_answers(
        &self,
        request: Request<proto::ListAnswersRequest>,
    ) -> Answer<proto::ListAnswersResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.0.list_answers(request.into_inner()).await?))
    }

    async fn count_answers(
        &self,
        request: Request<proto::CountAnswersRequest>,
    ) -> Answer<proto::CountAnswersResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.0.count_answers(request.into_inner()).await?))
    }

    async fn make_profile_rule(
        &self,
        request: Request<proto::MakeProfileRuleRequest>,
    ) -> Answer<proto::MakeProfileRuleResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.0.make_profile_rule(request.into_inner()).await?))
    }
}
