//! The message to one: shown, or sent as a test.
//! Called by rpc/mailing.rs.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id, secret};
use kontor_proto::mail::v1 as proto;
use kontor_proto::templating::v1::RenderedMessage;
use kontor_proto::templating::v1::render_messages_response::Result as Rendered;

use super::House;
use super::convert::state;
use crate::domain::mailing::Mailing;
use crate::domain::recipient::{Outgoing, State};
use crate::domain::{Address, Mailbox};
use crate::sender::message::{self, Parts};
use crate::sender::{Connection, Refusal};
use crate::templates::For;

/// Addresses of one test.
const TESTS: usize = 5;
/// The key of the one recipient.
const KEY: &str = "preview";

impl House {
    /// The texts of the message to a partner, or to nobody.
    async fn one(&self, mailing: &Mailing, partner: &str, url: String) -> Result<RenderedMessage> {
        let recipient = For { key: KEY.to_owned(), partner: partner.to_owned(), unsubscribe_url: url };
        let mut rendered = self.templates.render(mailing, vec![recipient]).await.map_err(not_made)?;
        match rendered.remove(KEY) {
            Some(Rendered::Message(message)) => Ok(message),
            Some(Rendered::Problem(problem)) => Err(Error::precondition("NOT_MADE", problem.message)),
            Some(Rendered::Skipped(_)) => {
                let message = "the template leaves this recipient out";
                Err(Error::precondition("NOT_MADE", message))
            }
            None => Err(Error::unavailable("templating broke off: ask again")),
        }
    }

    pub(super) async fn preview(
        &self,
        caller: &Caller,
        request: proto::PreviewMessageRequest,
    ) -> Result<proto::PreviewMessageResponse> {
        let mailing = self.mailing(caller, &request.name, "name").await?;
        let partner = request.partner;
        let mut found = BTreeMap::new();
        if !partner.is_empty() {
            id::parse("partners", &partner, "partner")?;
            found = self.directory.partners(vec![partner.clone()]).await?;
            if found.is_empty() {
                return Err(Error::invalid("partner", format!("{partner} does not exist")));
            }
        }
        let found = found.get(&partner);
        // As it would be sent, but for the token: nobody unsubscribes by a preview.
        let root = self
            .settings
            .unsubscribe_root()
            .unwrap_or_else(|_| "https://example.com/unsubscribe/".to_owned());
        let url = format!("{root}preview");
        let rendered = self.one(&mailing, &partner, url.clone()).await?;
        let address = found.and_then(|partner| partner.address.clone().ok());
        let obstacle = match (&address, found) {
            (_, None) => 0,
            (None, _) => state(State::NoAddress),
            (Some(address), _) => {
                let row = as_row(&mailing, &partner, address);
                let obstacles = self.look_at(&mailing, vec![row]).await?;
                obstacles.into_iter().flatten().next().map_or(0, state)
            }
        };
        let nobody = Address::parse("recipient@example.com").map_err(Error::internal)?;
        let from = self.settings.sender(&mailing.sender).ok();
        let reply_to = Mailbox::parse(&mailing.reply_to).ok();
        let parts = Parts {
            from: &from.unwrap_or(Mailbox { name: String::new(), address: nobody.clone() }),
            reply_to: reply_to.as_ref(),
            to_name: found.map_or("", |partner| &partner.display_name),
            to: &address.unwrap_or(nobody),
            subject: &rendered.subject,
            text: &rendered.text,
            html: &rendered.html,
            message_id: &self.message_id(KEY),
            date: self.db.clock().now(),
            unsubscribe_url: &url,
            is_test: false,
        };
        let message = message::build(&self.settings, parts);
        let message = message.map_err(|why| Error::precondition("NOT_MADE", why))?;
        Ok(proto::PreviewMessageResponse {
            message: message.into(),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            obstacle,
        })
    }

    pub(super) async fn send_test(
        &self,
        caller: &Caller,
        request: proto::SendTestMessageRequest,
    ) -> Result<proto::SendTestMessageResponse> {
        let mailing = self.own_mailing(caller, &request.name, "name").await?;
        if !(1..=TESTS).contains(&request.addresses.len()) {
            return Err(Error::invalid("addresses", format!("name 1 to {TESTS}")));
        }
        let read = |(place, text): (usize, &String)| {
            Address::parse(text).map_err(|why| Error::invalid(format!("addresses[{place}]"), why))
        };
        let addresses: Vec<Address> =
            request.addresses.iter().enumerate().map(read).collect::<Result<_>>()?;
        if !request.partner.is_empty() {
            id::parse("partners", &request.partner, "partner")?;
        }
        let relay = self.settings.relay()?;
        let from = self.settings.sender(&mailing.sender)?;
        // An address of its own kind: it works, says that it was a test, and unsubscribes nobody. Without a public address there is none to try.
        let token = self.keys.test_token(secret::random()).plain();
        let url = self.settings.unsubscribe_root().map(|root| format!("{root}{token}")).ok();
        let shown = url.clone().unwrap_or_else(|| "https://example.com/unsubscribe/test".to_owned());
        let rendered = self.one(&mailing, &request.partner, shown).await?;
        let reply_to = Mailbox::parse(&mailing.reply_to).ok();
        let open = async || {
            let opened = Connection::open(relay, &self.settings.own_domain(), &self.trust).await;
            opened.map_err(unreachable)
        };
        let mut connection = open().await?;
        let mut results = Vec::new();
        for address in addresses {
            let subject = format!("[Test] {}", rendered.subject);
            let parts = Parts {
                from: &from,
                reply_to: reply_to.as_ref(),
                to_name: "",
                to: &address,
                subject: &subject,
                text: &rendered.text,
                html: &rendered.html,
                message_id: &self.message_id(&id::new()),
                date: self.db.clock().now(),
                unsubscribe_url: url.as_deref().unwrap_or_default(),
                is_test: true,
            };
            let wrong = |why: String| Error::precondition("NOT_MADE", why);
            let text = message::build(&self.settings, parts).map_err(wrong)?;
            let (sender, to) = (message::address(&from.address), message::address(&address));
            if !connection.is_good() {
                connection = open().await?;
            }
            let sent = connection.send((&sender.map_err(wrong)?, &to.map_err(wrong)?), &text).await;
            let (sent, reply) = match sent {
                Ok(words) => (true, words),
                Err(refusal) => (false, format!("{} {}", refusal.code, refusal.words)),
            };
            results.push(proto::TestResult { address: address.to_string(), sent, reply });
        }
        connection.close().await;
        Ok(proto::SendTestMessageResponse { results })
    }
}

fn as_row(mailing: &Mailing, partner: &str, address: &Address) -> Outgoing {
    Outgoing {
        id: KEY.to_owned(),
        mailing: mailing.id.clone(),
        partner: partner.to_owned(),
        address: address.to_string(),
        domain: address.domain().to_owned(),
        message_id: String::new(),
        state: State::Pending,
        reason: String::new(),
        reply_code: 0,
        due: 0,
        tries: 0,
        first_time: 0,
        update_time: 0,
        unsubscribe_time: None,
    }
}

fn unreachable(refusal: Refusal) -> Error {
    let code = if refusal.code > 0 { format!("{} ", refusal.code) } else { String::new() };
    Error::unavailable(format!("the relay can't be used: {code}{}", refusal.words))
}

/// What is wrong with the template is a precondition here.
fn not_made(cause: Error) -> Error {
    match cause.code() {
        tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument | tonic::Code::NotFound => {
            Error::precondition("NOT_MADE", cause.message())
        }
        _ => cause,
    }
}
