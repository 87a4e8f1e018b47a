//! The gRPC face of the pipeline: protobuf to domain and back, one file for each resource.
//! Called by `lib.rs`.

mod assignment;
mod assignment_batch;
mod batch;
mod change;
mod convert;
mod deal_answer;
mod deal_fields;
mod forecast;
mod lead;
mod next_step;
mod opportunity;
mod peers;
mod pipeline;
mod progress;
mod score;

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_proto::pipeline::v1::assignment_service_server::AssignmentServiceServer;
use kontor_proto::pipeline::v1::change_service_server::ChangeServiceServer;
use kontor_proto::pipeline::v1::forecast_service_server::ForecastServiceServer;
use kontor_proto::pipeline::v1::lead_service_server::LeadServiceServer;
use kontor_proto::pipeline::v1::next_step_service_server::NextStepServiceServer;
use kontor_proto::pipeline::v1::opportunity_service_server::OpportunityServiceServer;
use kontor_proto::pipeline::v1::pipeline_service_server::PipelineServiceServer;
use kontor_proto::pipeline::v1::score_service_server::ScoreServiceServer;
use tonic::service::Routes;

use crate::Peers;
use crate::store::score_cache::Scores;

/// All services of the pipeline.
pub fn routes(context: &Context, db: &Db, peers: Peers, scores: Scores) -> Routes {
    let directory = peers::Directory::new(peers.directory);
    let leads = lead::Leads { db: db.clone(), directory: directory.clone(), scores: scores.clone() };
    let assignments = assignment::Assignments {
        db: db.clone(),
        directory: directory.clone(),
        calendar: peers::Calendar::new(peers.calendar),
    };
    let opportunities = opportunity::Opportunities { db: db.clone(), directory, scores };
    let pipelines = pipeline::Pipelines { db: db.clone() };
    let learned = score::Explanations { db: db.clone() };
    let changes = change::Changes { context: context.clone(), db: db.clone() };
    let next_steps = next_step::NextSteps { db: db.clone(), zone: crate::next_steps::zone(context) };
    let forecasts = forecast::Forecasts { db: db.clone() };
    Routes::new(LeadServiceServer::new(leads).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(OpportunityServiceServer::new(opportunities).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PipelineServiceServer::new(pipelines).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ChangeServiceServer::new(changes))
        .add_service(AssignmentServiceServer::new(assignments).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ScoreServiceServer::new(learned))
        .add_service(NextStepServiceServer::new(next_steps).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ForecastServiceServer::new(forecasts))
}
