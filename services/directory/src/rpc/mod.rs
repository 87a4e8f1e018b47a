//! The gRPC face of the directory: protobuf to domain and back, one file for each resource.
//! Called by `lib.rs`.

mod app_password;
mod batch;
mod check;
mod collection;
mod consent;
mod contact;
mod erasure;
mod merge;
mod partner;
mod segment_book;
mod shares;
pub mod sign_in;
mod team;
pub mod timeline;
pub mod user;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::near::Near;
use kontor_kit::routes::Routes;
use kontor_kit::unit::Unit;
use kontor_proto::directory::v1::consent_service_server::ConsentServiceServer;
use kontor_proto::directory::v1::contact_service_server::ContactServiceServer;
use kontor_proto::directory::v1::credential_service_server::CredentialServiceServer;
use kontor_proto::directory::v1::erasure_service_server::ErasureServiceServer;
use kontor_proto::directory::v1::partner_merge_service_server::PartnerMergeServiceServer;
use kontor_proto::directory::v1::partner_service_server::PartnerServiceServer;
use kontor_proto::directory::v1::segment_book_service_server::SegmentBookServiceServer;
use kontor_proto::directory::v1::team_service_server::TeamServiceServer;
use kontor_proto::directory::v1::user_service_server::UserServiceServer;

use crate::store::card::Cards;

/// All services of the directory; the edge calls two of them directly.
///
/// # Errors
/// Those of the database.
pub async fn unit(context: &Context, db: &Db) -> Result<Unit> {
    let sign_ins = sign_in::SignIns::new(context, db);
    let users = user::Users { db: db.clone(), sign_ins: sign_ins.clone() };
    let teams = team::Teams { db: db.clone(), sign_ins: sign_ins.clone() };
    let cards = Cards::new(&context.company.region);
    let contacts = contact::Contacts { db: db.clone(), cards: cards.clone() };
    let timelines = timeline::Timelines { context: context.clone(), db: db.clone() };
    let merges = merge::Merges { db: db.clone(), cards: cards.clone() };
    let erasures = erasure::Erasures { db: db.clone(), cards: cards.clone(), bus: context.bus.clone() };
    let partners = partner::Partners { db: db.clone(), cards: cards.clone(), timelines };
    let ended = sign_ins.ended();
    let credentials = check::Credentials { sign_ins };
    let collections = collection::service(context, db, &cards).await?;
    let routes = Routes::new(UserServiceServer::new(users).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(TeamServiceServer::new(teams).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(CredentialServiceServer::new(credentials.clone()))
        .add_service(PartnerServiceServer::new(partners).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PartnerMergeServiceServer::new(merges).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ErasureServiceServer::new(erasures).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ContactServiceServer::new(contacts).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ConsentServiceServer::new(consent::Consents { db: db.clone() }))
        .add_service(SegmentBookServiceServer::new(segment_book::SegmentBooks { db: db.clone() }))
        .add_service(collections.clone().into_service());
    Ok(Unit::service("directory", context, db, routes)
        .offer(Near::default().collections(collections).credentials(credentials, ended)))
}
