//! CALDAV:calendar-multiget and CARDDAV:addressbook-multiget: the named objects, in the order asked, each with its own status.
//! Called by REPORT.

use std::collections::VecDeque;

use axum::body::Body;
use futures_util::StreamExt;
use http::Response;
use kontor_kit::near::Chunks;
use kontor_proto::collection::v1::{GetObjectsRequest, Object, ObjectChunk};
use tonic::Status;

use super::Run;
use crate::dav::error::Failure;
use crate::dav::path::Place;
use crate::dav::properties::object::Template;
use crate::dav::properties::propstat;
use crate::dav::stream::{self, Source};
use crate::dav::xml::Writer;
use crate::dav::{contract_path, limits};

/// Answers with one response for each href. One that leads out of this collection is a 404; of one object's report, any other.
pub async fn run(mut run: Run<'_>, hrefs: Vec<String>) -> Result<Response<Body>, Failure> {
    let template = run.template().await?;
    let mut names = Vec::with_capacity(hrefs.len());
    let mut foreign = VecDeque::new();
    for href in hrefs {
        match Place::of_href(&href) {
            Ok(Place::Object(location, name))
                if location == *run.location && run.name.is_none_or(|only| only == name) =>
            {
                names.push(name);
            }
            _ => foreign.push_back((names.len(), href)),
        }
    }
    let asked = names.len();
    let message = GetObjectsRequest {
        path: Some(contract_path(run.location)),
        names,
        with_data: template.with_data(),
        with_dead: template.with_dead(),
    };
    let answer = run.call.dav.near(run.location.kind).get_objects(run.call.request(message)).await;
    let stream = answer.map_err(|status| run.call.failure(&status))?;
    let href = run.location.href();
    let source = Named { stream, chunk: Vec::new().into_iter(), template, foreign, written: 0, asked, href };
    stream::answer(stream::begin(), source, run.preferences, |status| run.call.failure(status)).await
}

/// The objects as they come, with the foreign hrefs put in where they stood.
struct Named {
    stream: Chunks<ObjectChunk>,
    chunk: std::vec::IntoIter<Object>,
    template: Template,
    /// How many objects come before, and the href as the client wrote it.
    foreign: VecDeque<(usize, String)>,
    written: usize,
    asked: usize,
    /// Of the collection, for the 507.
    href: String,
}

impl Source for Named {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, Status> {
        loop {
            while out.len() < limits::ANSWER_CHUNK_BYTES
                && let Some((_, href)) = self.foreign.pop_front_if(|(before, _)| *before <= self.written)
            {
                propstat::missing(out, &href);
            }
            if out.len() >= limits::ANSWER_CHUNK_BYTES {
                return Ok(true);
            }
            if let Some(object) = self.chunk.next() {
                if let Err(refusal) = self.template.render(object, out) {
                    return self.template.cut(&self.href, refusal, out);
                }
                self.written += 1;
                continue;
            }
            match self.stream.next().await.transpose()? {
                Some(chunk) => self.chunk = chunk.objects.into_iter(),
                None if self.written < self.asked => {
                    return Err(Status::internal("the objects broke off before the last one asked for"));
                }
                None => return Ok(false),
            }
        }
    }
}
