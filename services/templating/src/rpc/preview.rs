//! Checks of templates, and a letter for one partner that is not kept.
//! Called by rpc/template.rs.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;

use super::{House, document, template_or_revision};
use crate::cache::{Cache, Ready};
use crate::domain::declared::Declared;
use crate::domain::stored::StoredTemplate;
use crate::domain::template::Format;
use crate::domain::{Letter, Rendered, Renderer, tree};
use crate::maker::{self, Maker};
use crate::{office, store};

impl House {
    pub(super) async fn check(
        &self,
        caller: Caller,
        request: proto::CheckTemplateRequest,
    ) -> Result<proto::CheckTemplateResponse> {
        if request.name.is_empty() == request.content.is_empty() {
            return Err(Error::invalid("content", "send a name or a content, one of them"));
        }
        if !request.name.is_empty() {
            let (template, sha256) = self.find(&caller, &request.name).await?;
            if sha256 == template.document.sha256 {
                let findings = document::read_findings(&template.document)?;
                let format = i32::try_from(template.document.format).unwrap_or(0);
                return Ok(proto::CheckTemplateResponse { findings, format });
            }
            let data = self.db.read(move |conn| store::content::data(conn, &sha256)).await?;
            let format = template.document.message_format();
            return self.findings(format, data.into(), &Declared::from_text(&template.fields)?).await;
        }
        let fields = request.fields.iter().map(|field| (field.path.clone(), field.kind));
        let format = document::meant(request.format.into(), &request.content, None)?;
        self.findings(format, request.content.clone(), &Declared::new(fields)?).await
    }

    async fn findings(
        &self,
        format: Option<Format>,
        content: bytes::Bytes,
        declared: &Declared,
    ) -> Result<proto::CheckTemplateResponse> {
        let sha256 = Cache::hash(&content);
        Ok(match self.cache.compile(format, &sha256, content).await? {
            Err(findings) => proto::CheckTemplateResponse {
                findings: document::some(&findings),
                format: format.map_or(0, |format| format as i32),
            },
            Ok(template) => proto::CheckTemplateResponse {
                findings: document::some(&template.check(&declared.for_format(template.format())?)),
                format: template.format() as i32,
            },
        })
    }

    /// A template that the caller sees, and the hash of the revision that was named.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub(super) async fn find(&self, caller: &Caller, name: &str) -> Result<(StoredTemplate, String)> {
        let (id, number) = template_or_revision(name, "name")?;
        let caller = caller.clone();
        let read = self.db.read_few(move |conn| {
            let template = store::template::get(conn, &caller, &id)?;
            let sha256 = match number {
                Some(number) => store::template::get_revision(conn, &id, number)?.sha256,
                None => template.document.sha256.clone(),
            };
            Ok((template, sha256))
        });
        read.await
    }

    pub(super) async fn preview(
        &self,
        caller: Caller,
        request: proto::PreviewLetterRequest,
    ) -> Result<proto::PreviewLetterResponse> {
        let (stored, sha256) = self.find(&caller, &request.name).await?;
        let template = match self.ready(&stored, &sha256).await? {
            Ready::Letter(template) => template,
            Ready::Message(message) => return self.preview_message(caller, request, &stored, message).await,
        };
        if request.pdf && !self.office.is_there() {
            return Err(office::missing());
        }
        let locale = maker::locale("locale", &request.locale)?;
        let declared = Declared::from_text(&stored.fields)?;
        let partner = match request.partner.as_str() {
            "" => None,
            name => {
                kontor_kit::id::parse("partners", name, "partner")?;
                let photo = maker::shows_photo(&template, &declared)?;
                let found = self.directory.recipient(name, photo).await?;
                let missing = || Error::invalid("partner", format!("{name} does not exist"));
                Some(found.ok_or_else(missing)?.fields)
            }
        };
        let sender = self.directory.sender(&caller).await?;
        let none = proto::Fields::default();
        let about = (&self.company, &self.context.zone());
        let now = self.db.clock().now();
        let maker = Maker::new(template, declared.fields()?, (&none, &sender), None, about, now)?;
        let own = request.fields.unwrap_or_default();
        let data = maker.data(partner.as_ref(), &own, locale, "fields")?;
        let made = tokio::task::spawn_blocking(move || {
            let mut renderer = Renderer::new(&maker.template);
            let records = std::slice::from_ref(&data.record);
            let letter = Letter { records, locale: data.locale, now: maker.now, number: 1 };
            let media_type = maker.template.format().media_type();
            match renderer.render(letter) {
                Ok(Rendered::Letter { .. }) => {
                    Ok((renderer.bytes().to_vec(), media_type, data.locale, false))
                }
                Ok(Rendered::Skipped) => Ok((Vec::new(), media_type, data.locale, true)),
                Err(finding) => Err(Error::precondition("LETTER", finding.to_string())),
            }
        });
        let (mut content, mut media_type, locale, skipped) = made.await.map_err(Error::internal)??;
        if request.pdf && !skipped {
            let extension = tree::extension(stored.document.format);
            let pdf = self.office.convert(vec![content], extension).await?.pop().flatten();
            content = pdf.ok_or_else(|| Error::precondition("LETTER", "LibreOffice makes no PDF of it"))?;
            media_type = "application/pdf";
        }
        Ok(proto::PreviewLetterResponse {
            content: content.into(),
            media_type: media_type.to_owned(),
            locale: locale.tag().to_owned(),
            skipped,
        })
    }

    /// The compiled template of a revision of which letters or messages may be made.
    ///
    /// # Errors
    /// FAILED_PRECONDITION.
    pub(super) async fn ready(&self, stored: &StoredTemplate, sha256: &str) -> Result<Ready> {
        let format = stored.document.message_format();
        if sha256 == stored.document.sha256 {
            stored.must_be_ready()?;
            return self.cache.get(format, sha256).await;
        }
        let template = self.cache.get(format, sha256).await?;
        let declared = Declared::from_text(&stored.fields)?;
        if let Some(finding) = template.check(&declared.for_format(template.format())?).first() {
            let message = format!("this revision of {} has findings: {finding}", stored.full_name());
            return Err(Error::precondition("TEMPLATE_DRAFT", message));
        }
        Ok(template)
    }
}
