//! Revisions of templates, as they were saved.
//! Called by rpc/template.rs.

use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_kit::{Result, clock, id};
use kontor_proto::templating::v1 as proto;

use super::{House, template_or_revision};
use crate::store;
use crate::store::template::Revision;

fn to_proto(template: &str, row: Revision, content: Vec<u8>) -> proto::TemplateRevision {
    proto::TemplateRevision {
        name: format!("templates/{template}/revisions/{}", row.number),
        author: row.author,
        create_time: Some(clock::to_proto(row.create_time)),
        size_bytes: row.size,
        sha256: row.sha256,
        content: content.into(),
    }
}

impl House {
    pub(super) async fn revisions(
        &self,
        caller: Caller,
        request: proto::ListTemplateRevisionsRequest,
    ) -> Result<proto::ListTemplateRevisionsResponse> {
        let id = id::parse("templates", &request.parent, "parent")?.to_owned();
        let (page_size, page_token) = (request.page_size, request.page_token);
        let query = Query { page_size, page_token, ..Default::default() };
        let of = id.clone();
        let page = self.db.read(move |conn| store::template::revisions(conn, &caller, &of, &query)).await?;
        let page = page.map(|row| to_proto(&id, row, Vec::new()));
        let (revisions, next_page_token) = (page.rows, page.next_page_token);
        Ok(proto::ListTemplateRevisionsResponse { revisions, next_page_token })
    }

    pub(super) async fn revision(
        &self,
        caller: Caller,
        request: proto::GetTemplateRevisionRequest,
    ) -> Result<proto::TemplateRevision> {
        let (id, number) = template_or_revision(&request.name, "name")?;
        let read = self.db.read(move |conn| {
            let row = store::template::get(conn, &caller, &id)?;
            let revision = store::template::get_revision(conn, &id, number.unwrap_or(row.revision))?;
            let content = store::content::data(conn, &revision.sha256)?;
            Ok(to_proto(&id, revision, content))
        });
        read.await
    }
}
