//! TemplateService: templates themselves; what else it does stands in revision.rs, preview.rs and document.rs.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::template_service_server::TemplateService;
use tonic::{Request, Response};

use super::document::{meant, read_findings};
use super::{Answer, House, chosen_id, must};
use crate::domain::declared::Declared;
use crate::domain::stored::{Document, StoredTemplate};
use crate::store;

/// The service.
pub struct Templates(pub(super) House);

/// Fields that UpdateTemplate takes.
const FIELDS: [&str; 5] = ["display_name", "description", "team", "fields", "content"];

/// As the API shows it.
///
/// # Errors
/// INTERNAL when the row is damaged.
pub(super) fn to_proto(row: &StoredTemplate) -> Result<proto::Template> {
    let declared = Declared::from_text(&row.fields)?;
    let fields = declared.iter().map(|(path, kind)| proto::FieldDeclaration { path: path.to_owned(), kind });
    let state = if row.document.is_ready { proto::TemplateState::Ready } else { proto::TemplateState::Draft };
    Ok(proto::Template {
        name: row.full_name(),
        display_name: row.display_name.clone(),
        description: row.description.clone(),
        team: row.team.clone(),
        owner: row.owner.clone(),
        fields: fields.collect(),
        content: Default::default(),
        format: i32::try_from(row.document.format).unwrap_or(0),
        state: state.into(),
        findings: read_findings(&row.document)?,
        revision: row.revision_name(),
        size_bytes: row.document.size,
        records_per_letter: i32::try_from(row.document.records).unwrap_or(i32::MAX),
        not_joinable: row.document.not_joinable.clone(),
        etag: row.etag(),
        create_time: Some(clock::to_proto(row.create_time)),
        update_time: Some(clock::to_proto(row.update_time)),
    })
}

fn declared(fields: &[proto::FieldDeclaration]) -> Result<Declared> {
    Declared::new(fields.iter().map(|field| (field.path.clone(), field.kind)))
}

#[tonic::async_trait]
impl TemplateService for Templates {
    async fn list_templates(
        &self,
        request: Request<proto::ListTemplatesRequest>,
    ) -> Answer<proto::ListTemplatesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListTemplatesRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.0.db.read(move |conn| store::template::list(conn, &caller, &query)).await?;
        let templates: Result<Vec<_>> = page.rows.iter().map(to_proto).collect();
        let next_page_token = page.next_page_token;
        Ok(Response::new(proto::ListTemplatesResponse { templates: templates?, next_page_token }))
    }

    async fn get_template(&self, request: Request<proto::GetTemplateRequest>) -> Answer<proto::Template> {
        let caller = Caller::of(&request)?;
        let id = id::parse("templates", &request.get_ref().name, "name")?.to_owned();
        let row = self.0.db.read_few(move |conn| store::template::get(conn, &caller, &id)).await?;
        Ok(Response::new(to_proto(&row)?))
    }

    async fn create_template(
        &self,
        request: Request<proto::CreateTemplateRequest>,
    ) -> Answer<proto::Template> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.create(caller, request.into_inner()).await?))
    }

    async fn update_template(
        &self,
        request: Request<proto::UpdateTemplateRequest>,
    ) -> Answer<proto::Template> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.update(caller, request.into_inner()).await?))
    }

    async fn delete_template(&self, request: Request<proto::DeleteTemplateRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = id::parse("templates", &request.name, "name")?.to_owned();
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let row = store::template::hold(tx, &caller, &id, &request.etag)?;
                if store::merge::uses(tx, &id)? {
                    let message = format!(
                        "a merge of {} runs, or was cancelled and may go on: let it end, or delete it",
                        row.full_name()
                    );
                    return Err(Error::precondition("IN_USE", message));
                }
                store::template::drop_revisions(tx, &id, i64::MAX)?;
                resource::delete(tx, &row)
            })
        });
        write.await?;
        Ok(Response::new(()))
    }

    async fn list_template_revisions(
        &self,
        request: Request<proto::ListTemplateRevisionsRequest>,
    ) -> Answer<proto::ListTemplateRevisionsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.revisions(caller, request.into_inner()).await?))
    }

    async fn get_template_revision(
        &self,
        request: Request<proto::GetTemplateRevisionRequest>,
    ) -> Answer<proto::TemplateRevision> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.revision(caller, request.into_inner()).await?))
    }

    async fn check_template(
        &self,
        request: Request<proto::CheckTemplateRequest>,
    ) -> Answer<proto::CheckTemplateResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.check(caller, request.into_inner()).await?))
    }

    async fn preview_letter(
        &self,
        request: Request<proto::PreviewLetterRequest>,
    ) -> Answer<proto::PreviewLetterResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.preview(caller, request.into_inner()).await?))
    }

    async fn list_template_fields(
        &self,
        request: Request<proto::ListTemplateFieldsRequest>,
    ) -> Answer<proto::ListTemplateFieldsResponse> {
        Caller::of(&request)?;
        let fields = crate::domain::declared::standard_paths();
        let fields = fields.into_iter().map(|(path, kind)| proto::FieldDeclaration { path, kind }).collect();
        Ok(Response::new(proto::ListTemplateFieldsResponse { fields }))
    }
}

impl House {
    /// Looks at the content of a template that is to be kept.
    async fn look_given(
        &self,
        given: &proto::Template,
        present: Option<i64>,
        declared: &Declared,
    ) -> Result<Document> {
        let format = meant(given.format.into(), &given.content, present)?;
        let document = self.look("template.content", &given.content, format, declared).await?;
        if given.format != 0 && i64::from(given.format) != document.format {
            return Err(Error::invalid("template.format", "the document is of another format"));
        }
        Ok(document)
    }

    async fn create(&self, caller: Caller, request: proto::CreateTemplateRequest) -> Result<proto::Template> {
        let given = must(request.template.as_ref(), "template")?;
        let id = chosen_id(&request.template_id, "template_id")?;
        let declared = declared(&given.fields)?;
        let now = self.db.clock().now();
        let mut row = StoredTemplate {
            display_name: match given.display_name.trim() {
                "" => id.clone(),
                name => name.to_owned(),
            },
            id,
            version: 1,
            description: given.description.trim().to_owned(),
            team: given.team.clone(),
            owner: caller.name(),
            fields: declared.to_text(),
            document: Default::default(),
            revision: 1,
            create_time: now,
            update_time: now,
        };
        row.check()?;
        row.check_team(&caller)?;
        row.document = self.look_given(&given, None, &declared).await?;
        if request.validate_only {
            return to_proto(&row);
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                resource::insert(tx, &row)?;
                store::template::add_revision(tx, &row, &caller.name(), &given.content)?;
                to_proto(&row)
            })
        });
        write.await
    }

    async fn update(&self, caller: Caller, request: proto::UpdateTemplateRequest) -> Result<proto::Template> {
        let given = must(request.template.as_ref(), "template")?;
        let id = id::parse("templates", &given.name, "template.name")?.to_owned();
        let set = [
            !given.display_name.is_empty(),
            !given.description.is_empty(),
            !given.team.is_empty(),
            !given.fields.is_empty(),
            !given.content.is_empty(),
        ];
        let set: Vec<&str> =
            FIELDS.into_iter().zip(set).filter_map(|(field, set)| set.then_some(field)).collect();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &set)?;
        let (reader, wanted) = (caller.clone(), id.clone());
        let mut row = self
            .db
            .read_few(move |conn| {
                let row = store::template::get(conn, &reader, &wanted)?;
                reader.must_write(&row.guard(), &row.full_name())?;
                Ok(row)
            })
            .await?;
        resource::check_etag(&row, &given.etag)?;
        let old = row.clone();
        if mask.has("display_name") {
            row.display_name = given.display_name.trim().to_owned();
        }
        if mask.has("description") {
            row.description = given.description.trim().to_owned();
        }
        if mask.has("team") && row.team != given.team {
            row.team = given.team.clone();
            row.check_team(&caller)?;
        }
        let fields =
            if mask.has("fields") { declared(&given.fields)? } else { Declared::from_text(&row.fields)? };
        row.fields = fields.to_text();
        row.check()?;
        let is_new = mask.has("content");
        if is_new {
            row.document = self.look_given(&given, Some(row.document.format), &fields).await?;
            row.revision += 1;
        } else if mask.has("fields") {
            row.document = self.look_again(&row.document, &fields).await?;
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                // Compiled on what was read, so nobody may have written in between.
                let present = store::template::hold(tx, &caller, &id, "")?;
                resource::check_etag(&present, &old.etag())?;
                let mut row = row.clone();
                row.update_time = tx.now();
                resource::update(tx, &mut row)?;
                if is_new {
                    store::template::add_revision(tx, &row, &caller.name(), &given.content)?;
                }
                to_proto(&row)
            })
        });
        write.await
    }
}
