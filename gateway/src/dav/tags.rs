//! The listing that clients ask for most, names and ETags only: copied from the service's run of bytes straight into the answer.
//! Called by PROPFIND and by sync-collection when their template needs no more.

use bytes::Bytes;
use futures_util::StreamExt;
use kontor_kit::near::Chunks;
use kontor_kit::tags;
use kontor_proto::collection::v1::TagChunk;
use tonic::Status;

use super::limits;
use super::properties::collection::SyncToken;
use super::properties::object::Template;
use super::reports::sync_collection;
use super::stream::Source;
use super::xml::Writer;

/// The tags as they come; behind those of a sync stands the token.
pub struct Tags {
    stream: Chunks<TagChunk>,
    run: Bytes,
    last: Option<TagChunk>,
    template: Template,
    href: String,
}

impl Tags {
    /// All of a stream; `href` is the collection's.
    pub fn new(stream: Chunks<TagChunk>, template: Template, href: String) -> Self {
        Tags { stream, run: Bytes::new(), last: None, template, href }
    }

    /// Writes what is there until the piece is full.
    fn copy(&mut self, out: &mut Writer) {
        let mut rest = &self.run[..];
        while out.len() < limits::ANSWER_CHUNK_BYTES
            && let Some((name, etag)) = tags::next(&mut rest)
        {
            self.template.write_tag(name, etag, out);
        }
        let done = self.run.len() - rest.len();
        self.run = self.run.slice(done..);
    }
}

impl Source for Tags {
    async fn fill(&mut self, out: &mut Writer) -> Result<bool, Status> {
        loop {
            self.copy(out);
            if !self.run.is_empty() {
                return Ok(true);
            }
            if let Some(last) = self.last.take() {
                // A plain listing has no token.
                if !last.collection_id.is_empty() {
                    let cut_off = last.truncated.then_some(&self.href);
                    let (id, sequence, first_until) =
                        (&last.collection_id[..], last.sequence, last.first_until);
                    sync_collection::end(out, cut_off, SyncToken { id, sequence, first_until });
                }
                return Ok(false);
            }
            let Some(mut chunk) = self.stream.next().await.transpose()? else {
                return Err(Status::internal("the listing broke off before its end"));
            };
            self.run = std::mem::take(&mut chunk.tags);
            if chunk.last {
                self.last = Some(chunk);
            }
        }
    }
}
