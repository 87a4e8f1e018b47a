//! DAV:sync-collection (RFC 6578): what changed since a token, and the token for the next time.
//! Called by REPORT on a calendar or an address book.

use axum::body::Body;
use futures_util::StreamExt;
use http::Response;
use kontor_kit::near::Chunks;
use kontor_proto::collection::v1::{Object, SyncChunk, SyncObjectsRequest};
use tonic::Status;

use super::Run;
use crate::dav::error::{Condition, Failure};
use crate::dav::properties::collection::{SyncToken, sync_token};
use crate::dav::properties::object::Template;
use crate::dav::stream::{self, Source};
use crate::dav::tags::Tags;
use crate::dav::xml::Writer;
use crate::dav::{contract_path, limits};

/// Answers with the changes since `token`, or with everything when it is empty; at most `limit` unless 0.
pub async fn run(mut run: Run<'_>, token: &str, limit: i64) -> Result<Response<Body>, Failure> {
    let since = match token {
        "" => SyncToken { id: "", sequence: -1, first_until: 0 },
        token => SyncToken::parse(token).ok_or_else(|| {
            Failure::forbidden(Condition::ValidSyncToken, "the sync token is not one of this server's")
        })?,
    };
    let template = run.template().await?;
    let message = SyncObjectsRequest {
        path: Some(contract_path(run.location)),
        since: since.sequence,
        first_until: since.first_until,
        collection_id: since.id.to_owned(),
        limit,
        with_data: template.with_data(),
        with_dead: template.with_dead(),
    };
    let near = run.call.dav.near(run.location.kind);
    if template.needs_tags_only() {
        let tags = near.sync_tags(run.call.request(message.clone())).await;
        // Where objects have dead properties, and they are asked for, tags are not enough.
        if !tags.as_ref().is_err_and(has_dead) {
            let tags = tags.map_err(|status| run.call.failure(&status))?;
            let source = Tags::new(tags, template, run.location.href());
            let failure = |status: &Status| run.call.failure(status);
            return stream::answer(stream::begin(), source, run.preferences, failure).await;
        }
    }
    let stream =
        near.sync_objects(run.call.request(message)).await.map_err(|status| run.call.failure(&status))?;
    let source =
        Changes { stream, chunk: Vec::new().into_iter(), last: None, template, href: run.location.href() };
    stream::answer(stream::begin(), source, run.preferences, |status| run.call.failure(status)).await
}

fn has_dead(status: &Status) -> bool {
    kontor_kit::error::reason(status).is_some_and(|(reason, _)| reason == "OBJECT_PROPERTIES")
}

/// The end of a sync: a 507 for this href when it was cut off, and the token to go on from.
pub fn end(out: &mut Writer, cut_off: Option<&String>, reached: SyncToken<'_>) {
    if let Some(href) = cut_off {
        stream::over_limit(out, href);
    }
    out.raw("<D:sync-token>");
    sync_token(reached.id, reached.sequence, reached.first_until, out);
    out.raw("</D:sync-token>\n");
}

/// The changes as they come; the token stands behind the last.
struct Changes {
    stream: Chunks<SyncChunk>,
    chunk: std::vec::IntoIter<Object>,
    last: Option<SyncChunk>,
    template: Template,
    href: String,
}

impl Source for Changes {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, Status> {
        loop {
            for object in self.chunk.by_ref() {
                // A short answer without a token would be none, so that too much breaks it off.
                self.template.render(object, out)?;
                if out.len() >= limits::ANSWER_CHUNK_BYTES {
                    return Ok(true);
                }
            }
            if let Some(last) = self.last.take() {
                let (id, sequence, first_until) = (&last.collection_id[..], last.sequence, last.first_until);
                let reached = SyncToken { id, sequence, first_until };
                end(out, last.truncated.then_some(&self.href), reached);
                return Ok(false);
            }
            let Some(mut chunk) = self.stream.next().await.transpose()? else {
                // Without its last chunk there is no token, and an answer without a token is none.
                return Err(Status::internal("the changes broke off before their last chunk"));
            };
            self.chunk = std::mem::take(&mut chunk.objects).into_iter();
            if chunk.last {
                self.last = Some(chunk);
            }
        }
    }
}
