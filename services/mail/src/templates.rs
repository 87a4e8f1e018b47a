//! What mail asks templating: the revision of a template, whether a message is right, and messages.
//! Called by rpc and the sender, always outside of a transaction.

use std::collections::HashMap;

use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::message_service_client::MessageServiceClient;
use kontor_proto::templating::v1::render_messages_response::Result as Rendered;
use kontor_proto::templating::v1::template_service_client::TemplateServiceClient;
use prost::Message;

use crate::domain::mailing::Mailing;

/// Recipients of one request.
pub const AT_ONCE: usize = 100;

/// Clients of templating. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    templates: TemplateServiceClient<Link>,
    messages: MessageServiceClient<Link>,
}

/// Whom a message is for.
#[derive(Clone, Debug)]
pub struct For {
    /// By which its answer is known.
    pub key: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// Where it unsubscribes.
    pub unsubscribe_url: String,
}

impl Templates {
    /// Clients over a link.
    pub fn new(link: Link) -> Self {
        Templates {
            templates: TemplateServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            messages: MessageServiceClient::new(link).max_decoding_message_size(MESSAGE_LIMIT),
        }
    }

    /// The revision that messages are made of from now on, for somebody who may see the template.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming mailing.template; those of templating.
    pub async fn revision(&self, caller: &Caller, template: &str) -> Result<String> {
        let base = template.split("/revisions/").next().unwrap_or(template).to_owned();
        let request = proto::GetTemplateRequest { name: base };
        let found = self.templates.clone().get_template(caller.request(request)).await;
        let found = match found.map_err(Error::from) {
            Err(cause) if cause.is_not_found() => {
                let message = format!("{template} does not exist or you may not see it");
                return Err(Error::invalid("mailing.template", message));
            }
            found => found?.into_inner(),
        };
        Ok(if template.contains("/revisions/") { template.to_owned() } else { found.revision })
    }

    /// What is wrong with a mailing's message, and what is better otherwise.
    ///
    /// # Errors
    /// Those of templating.
    pub async fn check(&self, caller: &Caller, mailing: &Mailing) -> Result<proto::CheckMessageResponse> {
        let request = proto::CheckMessageRequest {
            template: mailing.template.clone(),
            subject: mailing.subject.clone(),
            text: mailing.text.clone(),
        };
        Ok(self.messages.clone().check_message(caller.request(request)).await?.into_inner())
    }

    /// Messages of at most 100 recipients, by their keys.
    ///
    /// # Errors
    /// Those of templating: what is wrong for all.
    pub async fn render(&self, mailing: &Mailing, recipients: Vec<For>) -> Result<HashMap<String, Rendered>> {
        let template = if mailing.revision.is_empty() { &mailing.template } else { &mailing.revision };
        let fields = proto::Fields::decode(&mailing.fields[..]).map_err(Error::internal)?;
        let recipients = recipients.into_iter().map(|one| proto::MessageRecipient {
            key: one.key,
            partner: one.partner,
            unsubscribe_url: one.unsubscribe_url,
            ..Default::default()
        });
        let request = proto::RenderMessagesRequest {
            template: template.clone(),
            subject: mailing.subject.clone(),
            text: mailing.text.clone(),
            recipients: recipients.collect(),
            fields: Some(fields),
            locale: mailing.locale.clone(),
            sender: mailing.owner.clone(),
        };
        let answer = self.messages.clone().render_messages(Caller::system().request(request)).await?;
        let (mut answer, mut all) = (answer.into_inner(), HashMap::new());
        while let Some(one) = answer.message().await? {
            if let Some(result) = one.result {
                all.insert(one.key, result);
            }
        }
        Ok(all)
    }
}
