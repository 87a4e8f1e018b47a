//! Makes messages of what was leased: asks the directory for the address and the consent of this moment, and templating for the texts.
//! Called by the sender, in a task of its own for each batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1::render_messages_response::Result as Rendered;
use tonic::Code;

use super::message::{self, Parts};
use super::{Job, Sender};
use crate::directory::Partner;
use crate::domain::keys::Keys;
use crate::domain::mailing::{Consent, Mailing, State as MailingState};
use crate::domain::recipient::State;
use crate::domain::{Address, Mailbox};
use crate::store;
use crate::store::lease::Leased;
use crate::templates::{AT_ONCE, For};

/// When messages that could not be made for now are tried again, in microseconds.
const AGAIN: i64 = 5_000_000;

/// What becomes of a recipient before its message is made.
pub(crate) enum Look {
    /// It gets one at this address.
    Good(Address),
    /// It has another address than it had.
    Moved(Address),
    /// It gets none.
    Not(State, String),
}

/// Looks at a recipient: its address and its consent, as the directory has them now.
pub(crate) fn look(
    mailing: &Mailing,
    row: &crate::domain::recipient::Outgoing,
    partner: Option<&Partner>,
) -> Look {
    if row.partner.is_empty() {
        return match (Address::parse(&row.address), mailing.basis.obstacle(Consent::None, &mailing.purpose)) {
            (Err(why), _) => Look::Not(State::NoAddress, why),
            (_, Some(why)) => Look::Not(State::NoConsent, why),
            (Ok(address), None) => Look::Good(address),
        };
    }
    let Some(partner) = partner else {
        return Look::Not(State::NoAddress, "the partner does not exist any more".to_owned());
    };
    if let Some(why) = mailing.basis.obstacle(partner.consent(&mailing.purpose), &mailing.purpose) {
        return Look::Not(State::NoConsent, why);
    }
    match &partner.address {
        Err(why) => Look::Not(State::NoAddress, why.clone()),
        Ok(address) => match Address::parse(&row.address) {
            Ok(before) if before.key() == address.key() => Look::Good(address.clone()),
            _ => Look::Moved(address.clone()),
        },
    }
}

/// A message that is to be made.
struct Wanted {
    leased: Leased,
    address: Address,
    name: String,
    hashes: (String, String),
}

impl Sender {
    /// Makes the messages of a lease and puts them into the queue.
    pub(super) async fn prepare(self, mailing: Arc<Mailing>, leased: Vec<Leased>) {
        let kept = leased.clone();
        if let Err(cause) = self.make(&mailing, leased).await {
            // None of them went into the queue.
            self.failed(&mailing, kept, &cause).await;
        }
    }

    async fn failed(&self, mailing: &Mailing, leased: Vec<Leased>, cause: &Error) {
        let is_final =
            matches!(cause.code(), Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument);
        tracing::warn!(mailing = mailing.full_name(), %cause, "messages can't be made");
        if is_final {
            self.pause(mailing, &format!("messages can't be made: {}", cause.message())).await;
        }
        let due = self.now() + AGAIN;
        self.give_back(leased, due).await;
    }

    /// Pauses a mailing, unless somebody changed it meanwhile.
    pub(super) async fn pause(&self, mailing: &Mailing, reason: &str) {
        let (old, reason) = (mailing.clone(), reason.to_owned());
        let write = move |tx: &mut Tx<'_>| {
            let mut present: Mailing = resource::hold(tx, &old.id)?;
            if present.version != old.version || present.state != MailingState::Running {
                return Ok(());
            }
            present.pause(&reason)?;
            present.update_time = tx.now();
            resource::update(tx, &mut present)?;
            crate::events::state_changed(tx, &present);
            Ok(())
        };
        if let Err(cause) = self.db().write(write).await {
            tracing::warn!(%cause, "a mailing can't be paused");
        }
    }

    async fn make(&self, mailing: &Arc<Mailing>, leased: Vec<Leased>) -> Result<()> {
        let made = Instant::now();
        let house = &self.0.house;
        let sender = Arc::new(house.senders(mailing)?);
        let names = leased.iter().map(|it| it.row.partner.clone()).filter(|it| !it.is_empty()).collect();
        let partners = house.directory.partners(names).await?;
        let wanted = self.sort(mailing, leased, &partners).await?;
        for part in chunks(wanted, AT_ONCE) {
            self.write_messages(mailing, &sender, part, made).await;
        }
        Ok(())
    }

    /// Sorts out who gets no message, and notes why.
    async fn sort(
        &self,
        mailing: &Arc<Mailing>,
        leased: Vec<Leased>,
        partners: &BTreeMap<String, Partner>,
    ) -> Result<Vec<Wanted>> {
        let keys = self.0.house.keys.clone();
        let (mut wanted, mut not, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for leased in leased {
            let partner = partners.get(&leased.row.partner);
            match look(mailing, &leased.row, partner) {
                Look::Good(address) => {
                    let hashes = (keys.address_hash(&address), keys.domain_hash(address.domain()));
                    let name = partner.map(|it| it.display_name.clone()).unwrap_or_default();
                    wanted.push(Wanted { leased, address, name, hashes });
                }
                Look::Moved(address) => moved.push((leased, address)),
                Look::Not(state, why) => not.push((leased, state, why)),
            }
        }
        let hashes: Vec<_> = wanted.iter().map(|it| it.hashes.clone()).collect();
        let found = move |conn: &mut Conn<'_>| {
            hashes.iter().map(|it| store::suppression::find(conn, (&it.0, &it.1))).collect::<Result<Vec<_>>>()
        };
        let found = self.db().read_few(found).await?;
        let mut good = Vec::new();
        for (it, suppression) in wanted.into_iter().zip(found) {
            match suppression {
                None => good.push(it),
                Some(found) => not.push((it.leased, State::Suppressed, found.cause.words().to_owned())),
            }
        }
        let (refused, elsewhere) = (not.iter().map(|it| &it.0), moved.iter().map(|it| &it.0));
        let gone: Vec<String> = refused.chain(elsewhere).map(|it| it.row.id.clone()).collect();
        if !gone.is_empty() {
            let holder = self.0.holder.clone();
            let write = move |tx: &mut Tx<'_>| note(tx, &keys, &holder, &not, &moved);
            self.db().write(write).await?;
            self.let_go(&gone);
        }
        Ok(good)
    }

    async fn write_messages(
        &self,
        mailing: &Arc<Mailing>,
        sender: &Arc<Senders>,
        wanted: Vec<Wanted>,
        made: Instant,
    ) {
        let house = self.0.house.clone();
        let recipients = wanted.iter().map(|it| For {
            key: it.leased.row.id.clone(),
            partner: it.leased.row.partner.clone(),
            unsubscribe_url: sender.unsubscribe_url(&house.keys, &it.leased.row.id),
        });
        let rendered = match house.templates.render(mailing, recipients.collect()).await {
            Ok(rendered) => rendered,
            Err(cause) => {
                let leased = wanted.into_iter().map(|it| it.leased).collect();
                return self.failed(mailing, leased, &cause).await;
            }
        };
        let kept: Vec<Leased> = wanted.iter().map(|it| it.leased.clone()).collect();
        let (of, from) = (mailing.clone(), sender.clone());
        let now = self.now();
        // Packing and signing take a core for a while.
        let built = tokio::task::spawn_blocking(move || {
            let mut rendered = rendered;
            let build = |it: Wanted| {
                let result = rendered.remove(&it.leased.row.id);
                from.job(&house, &of, it, result, now, made)
            };
            wanted.into_iter().map(build).collect::<Vec<_>>()
        });
        let Ok(built) = built.await else { return self.give_back(kept, now + AGAIN).await };
        let (mut jobs, mut not, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for one in built {
            match one {
                Built::Job(job) => jobs.push(*job),
                Built::Not(leased, state, why) => not.push((*leased, state, why)),
                Built::Again(leased) => again.push(*leased),
            }
        }
        if !not.is_empty() {
            let (holder, keys) = (self.0.holder.clone(), self.0.house.keys.clone());
            let gone: Vec<String> = not.iter().map(|(it, _, _)| it.row.id.clone()).collect();
            let write = move |tx: &mut Tx<'_>| note(tx, &keys, &holder, &not, &[]);
            if let Err(cause) = self.until_written(write).await {
                tracing::warn!(%cause, "what can't be made comes back when its lease ends");
            }
            self.let_go(&gone);
        }
        self.give_back(again, now + AGAIN).await;
        let late = self.0.queue.push(jobs);
        self.give_back(late.into_iter().map(|job| job.leased).collect(), now).await;
    }
}

/// Writes what is not sent, and the addresses that are others now.
fn note(
    tx: &mut Tx<'_>,
    keys: &Keys,
    holder: &str,
    not: &[(Leased, State, String)],
    moved: &[(Leased, Address)],
) -> Result<()> {
    for (leased, state, why) in not {
        store::mark::not_sent(tx, holder, leased, *state, why)?;
    }
    if let Some((first, _)) = moved.first() {
        // Held, so that nobody adds the same address meanwhile.
        resource::hold::<Mailing>(tx, &first.row.mailing)?;
    }
    for (leased, address) in moved {
        if store::outgoing::set_address(tx, keys, holder, &leased.row, address)? {
            store::mark::refund(tx, leased)?;
        }
    }
    Ok(())
}

fn chunks<T>(all: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut rest = all.into_iter().peekable();
    while rest.peek().is_some() {
        parts.push(rest.by_ref().take(size).collect());
    }
    parts
}

enum Built {
    Job(Box<Job>),
    Not(Box<Leased>, State, String),
    /// Templating did not answer for it.
    Again(Box<Leased>),
}

/// Who a mailing is from, where its answers and bounces go, and where people unsubscribe.
pub struct Senders {
    /// From.
    pub from: Mailbox,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
    /// Where people unsubscribe, without the token.
    pub unsubscribe_root: String,
}

impl Senders {
    /// Where the recipient of a message unsubscribes.
    pub fn unsubscribe_url(&self, keys: &Keys, outgoing: &str) -> String {
        format!("{}{}", self.unsubscribe_root, keys.token(outgoing).plain())
    }

    fn job(
        &self,
        house: &crate::rpc::House,
        mailing: &Arc<Mailing>,
        it: Wanted,
        result: Option<Rendered>,
        now: i64,
        made: Instant,
    ) -> Built {
        let Wanted { leased, address, name, hashes } = it;
        let message = match result {
            Some(Rendered::Message(message)) => message,
            Some(Rendered::Problem(problem)) => {
                return Built::Not(Box::new(leased), State::NotMade, problem.message);
            }
            Some(Rendered::Skipped(_)) => {
                return Built::Not(Box::new(leased), State::Removed, "the template leaves it out".to_owned());
            }
            None => return Built::Again(Box::new(leased)),
        };
        let url = self.unsubscribe_url(&house.keys, &leased.row.id);
        let parts = Parts {
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to_name: &name,
            to: &address,
            subject: &message.subject,
            text: &message.text,
            html: &message.html,
            message_id: &leased.row.message_id,
            date: now,
            unsubscribe_url: &url,
            is_test: false,
        };
        let base = house.settings.return_path.as_ref();
        let path = base.and_then(|base| house.keys.return_path(base, &leased.row.id));
        let from = message::address(path.as_ref().unwrap_or(&self.from.address));
        let built = message::build(&house.settings, parts);
        match (built, from, message::address(&address)) {
            (Ok(message), Ok(from), Ok(to)) => {
                let mailing = mailing.clone();
                Built::Job(Box::new(Job { leased, mailing, message, from, to, hashes, made }))
            }
            (Err(why), _, _) | (_, Err(why), _) | (_, _, Err(why)) => {
                Built::Not(Box::new(leased), State::NotMade, why)
            }
        }
    }
}
