//! The gRPC interface of templating: one file for each thing.
//! Hung into the unit by lib.rs.

mod document;
mod download;
mod file;
mod file_aside;
mod file_place;
mod file_write;
mod lock;
mod merge;
mod merge_new;
mod message;
mod preview;
mod revision;
mod template;

use kontor_kit::context::{Company, Context};
use kontor_kit::db::Db;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_kit::{Error, Result, id};
use kontor_proto::templating::v1::file_service_server::FileServiceServer;
use kontor_proto::templating::v1::merge_service_server::MergeServiceServer;
use kontor_proto::templating::v1::message_service_server::MessageServiceServer;
use kontor_proto::templating::v1::template_service_server::TemplateServiceServer;
use tonic::{Response, Status};

use crate::cache::Cache;
use crate::directory::Directory;
use crate::merges::Merges;
use crate::office::Office;

/// What a method answers.
type Answer<T> = std::result::Result<Response<T>, Status>;

/// What all of them stand on. Cheap to clone.
#[derive(Clone)]
struct House {
    context: Context,
    db: Db,
    cache: Cache,
    directory: Directory,
    office: Office,
    merges: Merges,
    company: Company,
}

/// All services of this unit.
pub fn routes(
    context: &Context,
    db: &Db,
    (cache, directory, office): (&Cache, &Directory, &Office),
    merges: &Merges,
) -> Routes {
    let house = House {
        context: context.clone(),
        db: db.clone(),
        cache: cache.clone(),
        directory: directory.clone(),
        office: office.clone(),
        merges: merges.clone(),
        company: context.company.clone(),
    };
    let templates = template::Templates(house.clone());
    let files = file::Files(house.clone());
    let messages = message::Messages(house.clone());
    let merges = merge::MergesRpc(house);
    Routes::new(TemplateServiceServer::new(templates).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(MessageServiceServer::new(messages).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(FileServiceServer::new(files).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(MergeServiceServer::new(merges).max_decoding_message_size(MESSAGE_LIMIT))
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

/// The id of "templates/{template}", and the number when it is a revision's name; "-" is the present one.
fn template_or_revision(name: &str, field: &str) -> Result<(String, Option<i64>)> {
    if !name.contains("/revisions/") {
        return Ok((id::parse("templates", name, field)?.to_owned(), None));
    }
    let (template, number) = id::parse_child("templates", "revisions", name, field)?;
    if number == "-" {
        return Ok((template.to_owned(), None));
    }
    let number = number.parse().ok().filter(|number: &i64| *number > 0);
    let number = number.ok_or_else(|| Error::invalid(field, format!("{name:?} has no number from 1 on")))?;
    Ok((template.to_owned(), Some(number)))
}
