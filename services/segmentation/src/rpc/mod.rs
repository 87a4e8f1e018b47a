//! The gRPC interface of segmentation: one file for each thing.
//! Hung into the unit by lib.rs.

mod answer;
mod campaign;
mod campaign_mail;
mod campaign_manage;
mod definition;
mod entry;
mod fact;
mod member;
mod preview;
mod price_list;
mod purchase;
mod questionnaire;
mod segment;
mod size;
mod tree;

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_kit::{Error, Result, id};
use kontor_proto::segmentation::v1::campaign_service_server::CampaignServiceServer;
use kontor_proto::segmentation::v1::fact_service_server::FactServiceServer;
use kontor_proto::segmentation::v1::price_list_service_server::PriceListServiceServer;
use kontor_proto::segmentation::v1::purchase_statistics_service_server::PurchaseStatisticsServiceServer;
use kontor_proto::segmentation::v1::questionnaire_service_server::QuestionnaireServiceServer;
use kontor_proto::segmentation::v1::segment_service_server::SegmentServiceServer;
use tonic::{Response, Status};

use crate::engine::Live;
use crate::pulls::Sources;

/// What a method answers.
type Answer<T> = std::result::Result<Response<T>, Status>;

/// What all of them stand on. Cheap to clone.
#[derive(Clone)]
struct House {
    context: Context,
    db: Db,
    live: Live,
    sources: Sources,
    region: String,
    currency: String,
}

/// All services of this unit.
pub fn routes(context: &Context, db: &Db, live: &Live, sources: &Sources) -> Routes {
    let house = House {
        context: context.clone(),
        db: db.clone(),
        live: live.clone(),
        sources: sources.clone(),
        region: context.company.region.clone(),
        currency: context.company.currency.clone(),
    };
    let segments = segment::Segments(house.clone());
    let questionnaires = questionnaire::Questionnaires(house.clone());
    let facts = fact::Facts(house.clone());
    let purchases = purchase::Purchases(house.clone());
    let prices = price_list::PriceLists(house.clone());
    let campaigns = campaign::Campaigns(house);
    Routes::new(SegmentServiceServer::new(segments).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(QuestionnaireServiceServer::new(questionnaires).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(FactServiceServer::new(facts).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PurchaseStatisticsServiceServer::new(purchases))
        .add_service(CampaignServiceServer::new(campaigns))
        .add_service(PriceListServiceServer::new(prices).max_decoding_message_size(MESSAGE_LIMIT))
}

/// The id in "segments/{segment}".
fn segment_id(name: &str, field: &str) -> Result<String> {
    id::parse("segments", name, field).map(str::to_owned)
}

/// The id that a caller chose for something new, or a new one.
fn chosen_id(id: &str, field: &str) -> Result<String> {
    if id.is_empty() {
        return Ok(id::new());
    }
    id::check_chosen(id, field)?;
    Ok(id.to_owned())
}

/// A field that must be set.
fn must<T: Clone>(value: Option<&T>, field: &str) -> Result<T> {
    value.cloned().ok_or_else(|| Error::invalid(field, "it is missing"))
}
