//! MessageService: messages for mail, made for up to a hundred recipients in a call. Nothing is kept here.
//! Called by mail's mailings, and by other programs for previews.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::message_service_server::MessageService;
use kontor_proto::templating::v1::render_messages_response::Result as Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Answer, House, document};
use crate::cache::Ready;
use crate::directory::Recipient;
use crate::domain::declared::{Declared, MESSAGE};
use crate::domain::message::{SCHEMES, has_scheme, with_own_fields};
use crate::domain::stored::StoredTemplate;
use crate::domain::{
    Fields, Finding, Format, Letter, Locale, Message, Place, Problem, Record, Snippet, Value,
};
use crate::maker::{self, Data, Maker};

/// Recipients of a call.
const RECIPIENTS: usize = 100;
/// Characters of an address.
const ADDRESS: usize = 2_000;
/// Messages that are made before the caller takes them: each may have 2 MiB.
const AHEAD: usize = 2;
/// Where the links of a preview lead.
const UNSUBSCRIBE: &str = "https://example.com/unsubscribe";
const VIEW: &str = "https://example.com/view";

/// The service.
pub struct Messages(pub(super) House);

/// Messages as they are made.
pub type MessageStream = ReceiverStream<std::result::Result<proto::RenderMessagesResponse, Status>>;

#[tonic::async_trait]
impl MessageService for Messages {
    type RenderMessagesStream = MessageStream;

    async fn render_messages(&self, request: Request<proto::RenderMessagesRequest>) -> Answer<MessageStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.render(caller, request.into_inner()).await?))
    }

    async fn check_message(
        &self,
        request: Request<proto::CheckMessageRequest>,
    ) -> Answer<proto::CheckMessageResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.check_message(caller, request.into_inner()).await?))
    }
}

/// One recipient of a call, read.
struct Wanted {
    key: String,
    partner: String,
    own: proto::Fields,
    locale: Option<Locale>,
    unsubscribe_url: String,
    view_url: String,
}

/// All that a call makes its messages of.
struct Work {
    maker: Maker<Arc<Message>>,
    subject: Snippet,
    text: Option<Snippet>,
}

impl House {
    async fn render(&self, caller: Caller, request: proto::RenderMessagesRequest) -> Result<MessageStream> {
        let (stored, message) = self.message(&caller, &request.template).await?;
        let declared = Declared::from_text(&stored.fields)?;
        let fields = declared.for_format(message.format())?;
        let subject = Snippet::subject(&request.subject).and_then(|it| checked(it, &fields));
        let subject = subject.map_err(|findings| wrong("subject", &findings))?;
        let text = given_text(message.format(), &request.text).transpose();
        let text = text.and_then(|it| it.map(|it| checked(it, &fields)).transpose());
        let text = text.map_err(|findings| wrong("text", &findings))?;
        let recipients = wanted(&request)?;
        let locale = maker::locale("locale", &request.locale)?;
        let shared = request.fields.clone().unwrap_or_default();
        let sender = self.sender_of(&caller, &request.sender).await?;
        let about = (&self.company, &self.context.zone());
        let now = self.db.clock().now();
        let maker = Maker::new(message, declared.fields()?, (&shared, &sender), locale, about, now)?;
        let partners = self.partners_of(&recipients).await?;
        let work = Work { maker, subject, text };
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            for wanted in recipients {
                let result = work.make(&wanted, &partners);
                let answer = proto::RenderMessagesResponse { key: wanted.key, result: Some(result) };
                if answers.blocking_send(Ok(answer)).is_err() {
                    // Nobody waits for the others.
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(stream))
    }

    /// The template of messages that a name means.
    async fn message(&self, caller: &Caller, name: &str) -> Result<(StoredTemplate, Arc<Message>)> {
        super::template_or_revision(name, "template")?;
        let (stored, sha256) = self.find(caller, name).await?;
        if stored.document.message_format().is_none() {
            return Err(not_a_message(&stored));
        }
        match self.ready(&stored, &sha256).await? {
            Ready::Message(message) => Ok((stored, message)),
            Ready::Letter(_) => Err(not_a_message(&stored)),
        }
    }

    async fn sender_of(&self, caller: &Caller, sender: &str) -> Result<proto::Fields> {
        if sender.is_empty() || sender == caller.name() {
            return self.directory.sender(caller).await;
        }
        caller.must_be_admin()?;
        let found = self.directory.sender_called(sender).await?;
        found.ok_or_else(|| Error::invalid("sender", format!("{sender} does not exist")))
    }

    /// The partners of all recipients, in one call.
    async fn partners_of(&self, recipients: &[Wanted]) -> Result<HashMap<String, Recipient>> {
        let names: HashSet<&String> =
            recipients.iter().map(|it| &it.partner).filter(|it| !it.is_empty()).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let found = self.directory.batch(names.clone()).await?;
        Ok(names.into_iter().zip(found).filter_map(|(name, found)| Some((name, found?))).collect())
    }

    async fn check_message(
        &self,
        caller: Caller,
        request: proto::CheckMessageRequest,
    ) -> Result<proto::CheckMessageResponse> {
        super::template_or_revision(&request.template, "template")?;
        let (stored, sha256) = self.find(&caller, &request.template).await?;
        let Some(format) = stored.document.message_format() else { return Err(not_a_message(&stored)) };
        let declared = Declared::from_text(&stored.fields)?;
        let fields = declared.for_format(format)?;
        let mut snippets = Vec::new();
        let mut of_snippets = Vec::new();
        for made in [Some(Snippet::subject(&request.subject)), given_text(format, &request.text)]
            .into_iter()
            .flatten()
        {
            match made {
                Ok(snippet) => {
                    of_snippets.extend(snippet.check(&fields));
                    snippets.push(snippet);
                }
                Err(found) => of_snippets.extend(found),
            }
        }
        let message = match self.cache.get(Some(format), &sha256).await {
            Ok(Ready::Message(message)) => message,
            Ok(Ready::Letter(_)) => return Err(not_a_message(&stored)),
            // It does not compile; what is wrong is known.
            Err(cause) if cause.reason() == "TEMPLATE_DRAFT" => {
                let name = request.template.clone();
                let check = proto::CheckTemplateRequest { name, ..Default::default() };
                let mut findings = self.check(caller, check).await?.findings;
                findings.extend(document::some(&of_snippets));
                return Ok(proto::CheckMessageResponse { findings, warnings: Vec::new() });
            }
            Err(cause) => return Err(cause),
        };
        let mut findings = message.check(&fields);
        findings.extend(of_snippets);
        let mut warnings = message.warnings();
        if request.subject.trim().is_empty() {
            let why = "there is no subject".to_owned();
            warnings.push(Finding::in_part("subject", Problem::Markup(why)));
        }
        // Where it is an unknown field, it is used.
        let without = with_own_fields(declared.with_standard(false)?, false);
        let uses = |findings: Vec<Finding>| findings.iter().any(|it| is_unsubscribe(&it.problem));
        if !uses(message.check(&without)) && !snippets.iter().any(|snippet| uses(snippet.check(&without))) {
            let why =
                "{{ message.unsubscribe_url }} stands nowhere: who gets this can't unsubscribe".to_owned();
            warnings.push(Finding { place: Place::default(), problem: Problem::Markup(why) });
        }
        Ok(proto::CheckMessageResponse {
            findings: document::some(&findings),
            warnings: document::some(&warnings),
        })
    }

    /// The HTML or the text of a template, as PreviewLetter shows it.
    pub(super) async fn preview_message(
        &self,
        caller: Caller,
        request: proto::PreviewLetterRequest,
        stored: &StoredTemplate,
        message: Arc<Message>,
    ) -> Result<proto::PreviewLetterResponse> {
        if request.pdf {
            return Err(Error::invalid("pdf", "a message is no letter: there is no PDF of it"));
        }
        if !request.partner.is_empty() {
            id::parse("partners", &request.partner, "partner")?;
        }
        let declared = Declared::from_text(&stored.fields)?;
        let wanted = Wanted {
            key: "preview".to_owned(),
            partner: request.partner,
            own: request.fields.unwrap_or_default(),
            locale: maker::locale("locale", &request.locale)?,
            unsubscribe_url: UNSUBSCRIBE.to_owned(),
            view_url: VIEW.to_owned(),
        };
        let partners = self.partners_of(std::slice::from_ref(&wanted)).await?;
        if !wanted.partner.is_empty() && partners.is_empty() {
            return Err(Error::invalid("partner", format!("{} does not exist", wanted.partner)));
        }
        let sender = self.directory.sender(&caller).await?;
        let about = (&self.company, &self.context.zone());
        let none = proto::Fields::default();
        let now = self.db.clock().now();
        let is_html = message.format() != Format::Text;
        let maker = Maker::new(message, declared.fields()?, (&none, &sender), None, about, now)?;
        let work = Work { maker, subject: Snippet::subject("").map_err(unread)?, text: None };
        // What is missing or of another kind is told with the field's name.
        work.data(&wanted, &partners)?;
        let made = tokio::task::spawn_blocking(move || work.make(&wanted, &partners)).await;
        let media_type = if is_html { Format::Html } else { Format::Text };
        let media_type = media_type.media_type().to_owned();
        match made.map_err(Error::internal)? {
            Outcome::Message(made) => Ok(proto::PreviewLetterResponse {
                content: if is_html { made.html } else { made.text }.into_bytes().into(),
                media_type,
                locale: made.locale,
                skipped: false,
            }),
            Outcome::Problem(problem) => Err(Error::precondition("LETTER", problem.message)),
            Outcome::Skipped(_) => {
                Ok(proto::PreviewLetterResponse { media_type, skipped: true, ..Default::default() })
            }
        }
    }
}

impl Work {
    fn make(&self, wanted: &Wanted, partners: &HashMap<String, Recipient>) -> Outcome {
        let told = |message: String, finding: Option<&Finding>| {
            Outcome::Problem(proto::MessageProblem { message, finding: finding.map(document::to_proto) })
        };
        let data = match self.data(wanted, partners) {
            Ok(data) => data,
            Err(cause) => return told(cause.message().to_owned(), None),
        };
        let records = std::slice::from_ref(&data.record);
        let letter = Letter { records, locale: data.locale, now: self.maker.now, number: 1 };
        match self.maker.template.make(&self.subject, self.text.as_ref(), letter) {
            Ok(Some(made)) => Outcome::Message(proto::RenderedMessage {
                subject: made.subject,
                html: made.html,
                text: made.text,
                locale: data.locale.tag().to_owned(),
            }),
            Ok(None) => Outcome::Skipped(true),
            Err(finding) => told(finding.to_string(), Some(&finding)),
        }
    }

    fn data(&self, wanted: &Wanted, partners: &HashMap<String, Recipient>) -> Result<Data> {
        let partner = match wanted.partner.as_str() {
            "" => None,
            name => {
                let found = partners.get(name).map(|found| &found.fields);
                Some(found.ok_or_else(|| Error::invalid("partner", format!("{name} does not exist")))?)
            }
        };
        let mut data = self.maker.data(partner, &wanted.own, wanted.locale, "fields")?;
        let address = |text: &str| if text.is_empty() { Value::Empty } else { Value::Text(text.into()) };
        let own = Record::new()
            .with("unsubscribe_url", address(&wanted.unsubscribe_url))
            .with("view_url", address(&wanted.view_url));
        data.record.set(MESSAGE, Value::Record(own));
        Ok(data)
    }
}

fn not_a_message(stored: &StoredTemplate) -> Error {
    let message = format!(
        "{} is a letter's template: messages are made of HTML, MJML or plain text",
        stored.full_name()
    );
    Error::precondition("NOT_A_MESSAGE", message)
}

fn unread(findings: Vec<Finding>) -> Error {
    Error::internal(findings.first().map(ToString::to_string).unwrap_or_default())
}

fn given_text(format: Format, text: &str) -> Option<std::result::Result<Snippet, Vec<Finding>>> {
    if text.is_empty() {
        return None;
    }
    if format == Format::Text {
        let why = "the template is plain text: leave the text away".to_owned();
        return Some(Err(vec![Finding::in_part("text", Problem::WrongType(why))]));
    }
    Some(Snippet::text(text))
}

/// A text that uses only fields that exist.
fn checked(snippet: Snippet, fields: &Fields) -> std::result::Result<Snippet, Vec<Finding>> {
    let findings = snippet.check(fields);
    if findings.is_empty() { Ok(snippet) } else { Err(findings) }
}

fn wrong(field: &str, findings: &[Finding]) -> Error {
    Error::invalid(field, findings.first().map(ToString::to_string).unwrap_or_default())
}

fn is_unsubscribe(problem: &Problem) -> bool {
    matches!(problem, Problem::UnknownField { name, .. } if name.ends_with("unsubscribe_url"))
}

/// Reads and checks who gets a message.
fn wanted(request: &proto::RenderMessagesRequest) -> Result<Vec<Wanted>> {
    let given = &request.recipients;
    if given.is_empty() || given.len() > RECIPIENTS {
        return Err(Error::invalid("recipients", format!("name 1 to {RECIPIENTS} recipients")));
    }
    let mut keys = HashSet::new();
    let mut all = Vec::with_capacity(given.len());
    for (place, recipient) in given.iter().enumerate() {
        let field = |name: &str| format!("recipients[{place}].{name}");
        let key = &recipient.key;
        if key.is_empty() || key.chars().count() > 100 || key.chars().any(char::is_control) {
            return Err(Error::invalid(field("key"), "write 1 to 100 characters on one line"));
        }
        if !keys.insert(key) {
            return Err(Error::invalid(field("key"), format!("{key:?} is there twice")));
        }
        if !recipient.partner.is_empty() {
            id::parse("partners", &recipient.partner, &field("partner"))?;
        }
        check_address(&field("unsubscribe_url"), &recipient.unsubscribe_url, &["http", "https", "mailto"])?;
        check_address(&field("view_url"), &recipient.view_url, &["http", "https"])?;
        all.push(Wanted {
            key: key.clone(),
            partner: recipient.partner.clone(),
            own: recipient.fields.clone().unwrap_or_default(),
            locale: maker::locale(&field("locale"), &recipient.locale)?,
            unsubscribe_url: recipient.unsubscribe_url.clone(),
            view_url: recipient.view_url.clone(),
        });
    }
    Ok(all)
}

fn check_address(field: &str, address: &str, schemes: &[&str]) -> Result<()> {
    debug_assert!(schemes.iter().all(|scheme| SCHEMES.contains(scheme)), "one list of schemes");
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    let fits = has_scheme(address) && schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let plain = !address.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"' || c == '<');
    if address.is_empty() || fits && plain && address.chars().count() <= ADDRESS {
        return Ok(());
    }
    let message = format!("write an address with {} and at most {ADDRESS} characters", schemes.join(":, "));
    Err(Error::invalid(field, message))
}
