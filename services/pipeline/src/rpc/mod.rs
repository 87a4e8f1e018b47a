//! The gRPC face of the pipeline: protobuf to domain and back, one file for each resource.
//! Called by `lib.rs`.

mod assignment;
mod assignment_batch;
mod batch;
mod convert;
mod deal_answer;
mod deal_fields;
mod duplicate;
mod exchange_rate;
mod forecast;
mod import;
mod lead;
mod merge;
mod merge_deals;
mod merge_leads;
mod next_step;
mod opportunity;
mod peers;
mod pipeline;
mod progress;
mod score;
mod summary;

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_proto::pipeline::v1::assignment_service_server::AssignmentServiceServer;
use kontor_proto::pipeline::v1::duplicate_service_server::DuplicateServiceServer;
use kontor_proto::pipeline::v1::exchange_rate_service_server::ExchangeRateServiceServer;
use kontor_proto::pipeline::v1::forecast_service_server::ForecastServiceServer;
use kontor_proto::pipeline::v1::import_service_server::ImportServiceServer;
use kontor_proto::pipeline::v1::lead_service_server::LeadServiceServer;
use kontor_proto::pipeline::v1::merge_service_server::MergeServiceServer;
use kontor_proto::pipeline::v1::next_step_service_server::NextStepServiceServer;
use kontor_proto::pipeline::v1::opportunity_service_server::OpportunityServiceServer;
use kontor_proto::pipeline::v1::pipeline_service_server::PipelineServiceServer;
use kontor_proto::pipeline::v1::score_service_server::ScoreServiceServer;

use crate::Peers;
use crate::rates::Rates;
use crate::store::score_cache::Scores;

/// All services of the pipeline.
pub fn routes(context: &Context, db: &Db, peers: Peers, scores: Scores, rates: Rates) -> Routes {
    let directory = peers::Directory::new(peers.directory);
    let leads = lead::Leads {
        db: db.clone(),
        directory: directory.clone(),
        scores: scores.clone(),
        rates: rates.clone(),
    };
    let imports = import::Imports::new(context, db, &directory, &rates);
    let assignments = assignment::Assignments {
        db: db.clone(),
        directory: directory.clone(),
        calendar: peers::Calendar::new(peers.calendar),
    };
    let duplicates = duplicate::Duplicates {
        db: db.clone(),
        directory: directory.clone(),
        region: context.company.region.clone(),
    };
    let merges = merge::Merges { db: db.clone(), scores: scores.clone() };
    let opportunities =
        opportunity::Opportunities { db: db.clone(), directory, scores, rates: rates.clone() };
    let pipelines = pipeline::Pipelines { db: db.clone() };
    let learned = score::Explanations { db: db.clone() };
    let next_steps = next_step::NextSteps { db: db.clone(), zone: context.zone() };
    let forecasts = forecast::Forecasts { db: db.clone(), rates: rates.clone() };
    let exchange_rates = exchange_rate::ExchangeRates { db: db.clone(), rates };
    Routes::new(LeadServiceServer::new(leads).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(OpportunityServiceServer::new(opportunities).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PipelineServiceServer::new(pipelines).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ImportServiceServer::new(imports))
        .add_service(AssignmentServiceServer::new(assignments).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ScoreServiceServer::new(learned))
        .add_service(NextStepServiceServer::new(next_steps).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ForecastServiceServer::new(forecasts))
        .add_service(ExchangeRateServiceServer::new(exchange_rates).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DuplicateServiceServer::new(duplicates).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(MergeServiceServer::new(merges).max_decoding_message_size(MESSAGE_LIMIT))
}
