//! PipelineService: protobuf to domain and back.
//! Called by the gateway and by other services.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::pipeline_service_server::PipelineService;
use tonic::{Request, Response, Status};

use crate::domain::pipeline::{Demand, Pipeline, Stage};
use crate::store;

/// The service.
pub struct Pipelines {
    pub(super) db: Db,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl PipelineService for Pipelines {
    async fn list_pipelines(
        &self,
        request: Request<proto::ListPipelinesRequest>,
    ) -> Answer<proto::ListPipelinesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListPipelinesRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, ..Query::default() };
        let page =
            self.db.read(move |conn| store::pipeline::list(conn, &caller, &query)).await?.map(to_proto);
        Ok(Response::new(proto::ListPipelinesResponse {
            pipelines: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_pipeline(&self, request: Request<proto::GetPipelineRequest>) -> Answer<proto::Pipeline> {
        Caller::of(&request)?;
        let pipeline = id::parse("pipelines", &request.get_ref().name, "name")?.to_owned();
        let pipeline = self.db.read_few(move |conn| store::pipeline::get(conn, &pipeline)).await?;
        Ok(Response::new(to_proto(pipeline)))
    }

    async fn create_pipeline(
        &self,
        request: Request<proto::CreatePipelineRequest>,
    ) -> Answer<proto::Pipeline> {
        let caller = Caller::of(&request)?;
        must_manage(&caller)?;
        let request = request.into_inner();
        let new = request.pipeline.as_ref().ok_or_else(|| Error::invalid("pipeline", "it is missing"))?;
        let draft = Pipeline {
            id: request.pipeline_id.clone(),
            version: 1,
            display_name: new.display_name.clone(),
            stages: stages(new)?,
            is_default: new.is_default,
            lost_reason_required: new.lost_reason_required,
        };
        let draft = draft.checked()?;
        if request.validate_only {
            let answer = to_proto(draft.clone());
            if self.db.read(move |conn| store::pipeline::exists(conn, &draft.id)).await? {
                return Err(Error::already_exists(answer.name).into());
            }
            return Ok(Response::new(answer));
        }
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    store::pipeline::create(tx, &draft)?;
                    Ok(to_proto(draft.clone()))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_pipeline(
        &self,
        request: Request<proto::UpdatePipelineRequest>,
    ) -> Answer<proto::Pipeline> {
        let caller = Caller::of(&request)?;
        must_manage(&caller)?;
        let request = request.into_inner();
        let new = request.pipeline.as_ref().ok_or_else(|| Error::invalid("pipeline", "it is missing"))?;
        let pipeline = id::parse("pipelines", &new.name, "pipeline.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(new))?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let new = request.pipeline.clone().unwrap_or_default();
                    update(tx, &pipeline, &new, &mask)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn delete_pipeline(&self, request: Request<proto::DeletePipelineRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        must_manage(&caller)?;
        let request = request.into_inner();
        let pipeline = id::parse("pipelines", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    resource::hold::<Pipeline>(tx, &pipeline)?;
                    let pipeline = store::pipeline::get(tx, &pipeline)?;
                    resource::check_etag(&pipeline, &request.etag)?;
                    store::pipeline::delete(tx, &pipeline)
                })
            })
            .await?;
        Ok(Response::new(()))
    }
}

fn must_manage(caller: &Caller) -> kontor_kit::Result<()> {
    if caller.admin || !caller.led_teams.is_empty() {
        return Ok(());
    }
    Err(Error::denied("only administrators and team leaders may change pipelines"))
}

fn update(
    tx: &mut Tx<'_>,
    pipeline: &str,
    new: &proto::Pipeline,
    mask: &Mask,
) -> kontor_kit::Result<proto::Pipeline> {
    resource::hold::<Pipeline>(tx, pipeline)?;
    let old = store::pipeline::get(tx, pipeline)?;
    resource::check_etag(&old, &new.etag)?;
    let mut wanted = old.clone();
    for field in mask.fields() {
        match field.as_str() {
            "display_name" => wanted.display_name.clone_from(&new.display_name),
            "stages" => wanted.stages = stages(new)?,
            "is_default" => wanted.is_default = new.is_default,
            "lost_reason_required" => wanted.lost_reason_required = new.lost_reason_required,
            _ => {}
        }
    }
    let mut wanted = wanted.checked()?;
    if old.is_default && !wanted.is_default {
        let message = format!("{} is the default one: make another one the default instead", old.name());
        return Err(Error::precondition("DEFAULT_PIPELINE", message));
    }
    if wanted != old {
        store::pipeline::update(tx, &mut wanted, &old)?;
    }
    Ok(to_proto(wanted))
}

/// Fields that UpdatePipeline takes.
const FIELDS: [&str; 4] = ["display_name", "stages", "is_default", "lost_reason_required"];

fn fields_set(pipeline: &proto::Pipeline) -> Vec<&'static str> {
    let set = [
        !pipeline.display_name.is_empty(),
        !pipeline.stages.is_empty(),
        pipeline.is_default,
        pipeline.lost_reason_required,
    ];
    FIELDS.into_iter().zip(set).filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

fn stages(pipeline: &proto::Pipeline) -> kontor_kit::Result<Vec<Stage>> {
    let stage = |(place, stage): (usize, &proto::Stage)| {
        Ok(Stage {
            name: stage.name.clone(),
            display_name: stage.display_name.clone(),
            probability: stage.probability,
            rotting_days: stage.rotting_days,
            required: demands(&format!("pipeline.stages[{place}].required_fields"), &stage.required_fields)?,
        })
    };
    pipeline.stages.iter().enumerate().map(stage).collect()
}

fn demands(field: &str, names: &[String]) -> kontor_kit::Result<Vec<Demand>> {
    let mut demands = Vec::new();
    for name in names {
        let demand = Demand::of_field(name).ok_or_else(|| {
            let message = format!("{name:?} is none of amount, partner, assignee, expected_close_date");
            Error::invalid(field, message)
        })?;
        if !demands.contains(&demand) {
            demands.push(demand);
        }
    }
    Ok(demands)
}

fn to_proto(pipeline: Pipeline) -> proto::Pipeline {
    let stage = |stage: Stage| proto::Stage {
        name: stage.name,
        display_name: stage.display_name,
        probability: stage.probability,
        rotting_days: stage.rotting_days,
        required_fields: stage.required.iter().map(|demand| demand.field().to_owned()).collect(),
    };
    proto::Pipeline {
        name: pipeline.name(),
        etag: pipeline.etag(),
        display_name: pipeline.display_name,
        stages: pipeline.stages.into_iter().map(stage).collect(),
        is_default: pipeline.is_default,
        lost_reason_required: pipeline.lost_reason_required,
    }
}
