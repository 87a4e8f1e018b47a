//! The deliverers: each has one connection to the relay, sends one message after the other, and notes what came of it before it takes the next one. So a crash
//! doubles at most one message for each connection.
//! Started by the sender.

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::db::Tx;

use super::queue::Job;
use super::{Connection, Refusal, Sender, luck};
use crate::domain::Address;
use crate::domain::mailing::Mailing;
use crate::domain::pace::{TRY_FOR, pause};
use crate::domain::recipient::State;
use crate::domain::reply::{Stage, Verdict, judge};
use crate::domain::suppression::{Cause, Suppression};
use crate::store::mark::Outcome;
use crate::{events, store};

/// How long consent and message are good: one that waited longer is made anew.
const FRESH: Duration = Duration::from_secs(30);

/// Time for what is on its way when the process stops.
const GRACE: Duration = Duration::from_secs(20);

/// What is true of a message in the moment before it is sent.
enum Now {
    Send,
    /// Not now.
    Back(i64),
    /// Not at all.
    Suppressed(Cause),
    /// It is another process' by now.
    Gone,
}

impl Sender {
    pub(super) async fn deliver_all(&self) {
        let mut connection = None;
        while let Some(job) = self.0.queue.pop().await {
            let domain = job.leased.row.domain.clone();
            self.deliver(&mut connection, job).await;
            self.0.queue.done(&domain);
        }
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    async fn deliver(&self, connection: &mut Option<Connection>, job: Job) {
        if let Some(due) = self.waits_until(&job) {
            return self.give_back(vec![job.leased], due).await;
        }
        let Some(relay) = &self.0.house.settings.relay else { return self.let_go([&job.leased.row.id]) };
        if !connection.as_ref().is_some_and(Connection::is_good) {
            if let Some(old) = connection.take() {
                old.close().await;
            }
            let house = &self.0.house;
            let own_domain = house.settings.own_domain();
            let opened = tokio::select! {
                opened = Connection::open(relay, &own_domain, &house.trust) => opened,
                // Nothing of it is on its way.
                () = self.0.stop.cancelled() => return self.give_back(vec![job.leased], self.now()).await,
            };
            match opened {
                Ok(open) => *connection = Some(open),
                Err(refusal) => return self.settle(job, refusal).await,
            }
        }
        // Behind the connecting, which may take half a minute.
        match self.look(&job).await {
            Now::Send => {}
            Now::Back(due) => return self.give_back(vec![job.leased], due).await,
            Now::Gone => return self.let_go([&job.leased.row.id]),
            Now::Suppressed(cause) => {
                let (holder, leased, id) = (self.0.holder.clone(), job.leased.clone(), &job.leased.row.id);
                let write = move |tx: &mut Tx<'_>| {
                    store::mark::not_sent(tx, &holder, &leased, State::Suppressed, cause.words())
                };
                let _ = self.until_written(write).await;
                return self.let_go([id]);
            }
        }
        let Some(open) = connection else { return self.let_go([&job.leased.row.id]) };
        let outcome = tokio::select! {
            outcome = open.send((&job.from, &job.to), &job.message) => outcome,
            () = self.patience_is_over() => {
                let words = "the program stopped before the relay answered".to_owned();
                Err(Refusal { stage: Stage::Content, code: 0, words })
            }
        };
        // One that was given up may have an answer on its way.
        if (!open.is_good() || self.0.stop.is_cancelled())
            && let Some(old) = connection.take()
        {
            old.close().await;
        }
        match outcome {
            Ok(words) => self.sent(job, words).await,
            Err(refusal) => self.settle(job, refusal).await,
        }
    }

    /// When the process stops, what is on its way has a moment to end. Nothing is begun after the stop (`look`), so this
    /// counts from the stop, and ends before the keeper signs off.
    async fn patience_is_over(&self) {
        self.0.stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    /// Until when a message waits that is not to go now, by what is known without the database.
    fn waits_until(&self, job: &Job) -> Option<i64> {
        let (now, mailing) = (self.now(), &job.mailing);
        if let Some(rest) = self.relay_pause() {
            return Some(now + i64::try_from(rest.as_micros()).unwrap_or(0));
        }
        let is_late = job.made.elapsed() > FRESH || mailing.end_time.is_some_and(|end| end <= now);
        let is_shut = mailing.hours.is_some_and(|hours| !hours.is_open(&self.0.house.context.zone(), now));
        (self.0.stop.is_cancelled() || !self.is_sure() || is_late || is_shut).then_some(now)
    }

    /// Looks once more: whether the mailing is as it was, and the address gets something.
    async fn look(&self, job: &Job) -> Now {
        if let Some(due) = self.waits_until(job) {
            return Now::Back(due);
        }
        let (now, mailing) = (self.now(), &job.mailing);
        let (id, holder, hashes) = (job.leased.row.id.clone(), self.0.holder.clone(), job.hashes.clone());
        let read = move |conn: &mut kontor_kit::db::Conn<'_>| {
            store::lease::look(conn, &id, &holder, (&hashes.0, &hashes.1))
        };
        match self.db().read_few(read).await {
            Ok(Some(found)) if !found.is_ours => Now::Gone,
            Ok(Some(found)) if found.version != mailing.version => Now::Back(now),
            Ok(Some(_)) if self.0.stop.is_cancelled() => Now::Back(now),
            Ok(Some(found)) => Cause::of(found.suppressed).map_or(Now::Send, Now::Suppressed),
            Ok(None) => Now::Gone,
            Err(_) => Now::Back(now),
        }
    }

    /// Notes that a message was not taken, and what that means for it and for others.
    async fn settle(&self, job: Job, refusal: Refusal) {
        let verdict = judge(refusal.stage, refusal.code, &refusal.words);
        metrics::counter!("kontor_mail_total", "result" => name(verdict)).increment(1);
        match verdict {
            Verdict::RelayDown => {
                let due = self.now() + self.relay_failed(&refusal);
                if matches!(refusal.stage, Stage::Content | Stage::Recipient) {
                    // Nobody knows whether it was taken; or the relay hangs up at this recipient, and would again and again. Each try may be one more
                    // copy, so the pauses grow.
                    let due = due.max(self.now() + pause(job.leased.row.tries + 2, luck()));
                    return self.defer(job, refusal, due).await;
                }
                self.give_back(vec![job.leased], due).await;
            }
            Verdict::SenderRefused => {
                let Refusal { code, words, .. } = &refusal;
                let reason = format!("the relay takes nothing from {}: {code} {words}", job.from);
                self.pause(&job.mailing, &reason).await;
                let due = self.now();
                self.give_back(vec![job.leased], due).await;
            }
            Verdict::SlowDomain => {
                self.relay_works();
                self.slow(job, refusal).await;
            }
            Verdict::Later => {
                self.relay_works();
                let due = self.now() + pause(job.leased.row.tries + 2, luck());
                self.defer(job, refusal, due).await;
            }
            Verdict::NoSuchAddress | Verdict::Refused => {
                self.relay_works();
                let bounced = verdict == Verdict::NoSuchAddress;
                self.fail(job, refusal, bounced).await;
            }
        }
    }

    /// Notes that a message was taken.
    async fn sent(&self, job: Job, words: String) {
        self.relay_works();
        metrics::counter!("kontor_mail_total", "result" => "sent").increment(1);
        let outcome = Outcome { state: State::Sent, reason: words, reply_code: 250, due: self.now() };
        let (holder, row, was_refused) = (self.0.holder.clone(), job.leased.row, job.leased.was_refused);
        let id = row.id.clone();
        let write = move |tx: &mut Tx<'_>| {
            if was_refused {
                store::pace::taken(tx, &row.domain)?;
                store::lane::later(tx, &row.mailing, &row.domain, tx.now())?;
            }
            store::mark::tried(tx, &holder, &row, &outcome)
        };
        match self.until_written(write).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("a message was sent whose lease had run out: it may be doubled"),
            Err(cause) => tracing::warn!(%cause, "a message was sent and it is not noted: it may be doubled"),
        }
        self.let_go([&id]);
    }

    /// Tries one again later, unless it was tried for long enough.
    async fn defer(&self, job: Job, refusal: Refusal, due: i64) {
        let (row, now) = (&job.leased.row, self.now());
        let is_over = row.first_time > 0 && now - row.first_time > TRY_FOR;
        let (state, reason) = if is_over {
            (State::Failed, format!("tried for three days: {}", refusal.words))
        } else {
            (State::Deferred, refusal.words)
        };
        let outcome = Outcome { state, reason, reply_code: refusal.code, due };
        self.note(job, outcome, |_| Ok(())).await;
    }

    /// The domain asks for less: this one is tried later, and no other is sent to it meanwhile.
    async fn slow(&self, job: Job, refusal: Refusal) {
        let words = without(&refusal.words, &job.leased.row.address);
        let (domain, luck) = (job.leased.row.domain.clone(), luck());
        let paused = domain.clone();
        // Those that wait in this process stop at once, and what came in until the pause is written after them.
        let mut others = self.0.queue.take_domain(&domain);
        let write = move |tx: &mut Tx<'_>| {
            store::pace::refused(tx, &paused, &words, |refusals| pause(refusals, luck))
        };
        let until = match self.until_written(write).await {
            Ok(until) => until,
            Err(_) => self.now() + pause(1, luck),
        };
        others.extend(self.0.queue.take_domain(&domain));
        self.give_back(others.into_iter().map(|it| it.leased).collect(), until).await;
        self.defer(job, refusal, until).await;
    }

    async fn fail(&self, job: Job, refusal: Refusal, bounced: bool) {
        let outcome = Outcome {
            state: State::Failed,
            reason: refusal.words.clone(),
            reply_code: refusal.code,
            due: self.now(),
        };
        let (mailing, row) = (job.mailing.clone(), job.leased.row.clone());
        let (hash, note) = (job.hashes.0.clone(), format!("{} {}", refusal.code, refusal.words));
        self.note(job, outcome, move |tx| {
            if bounced { suppress(tx, &mailing, (&row.address, &hash), &row.partner, &note) } else { Ok(()) }
        })
        .await;
    }

    async fn note(
        &self,
        job: Job,
        outcome: Outcome,
        also: impl Fn(&mut Tx<'_>) -> kontor_kit::Result<()> + Send + Sync + 'static,
    ) {
        let (holder, row, also) = (self.0.holder.clone(), job.leased.row, Arc::new(also));
        let id = row.id.clone();
        let write = move |tx: &mut Tx<'_>| {
            // Of one that is another process' by now, or of a person who was erased meanwhile, nothing is noted.
            if store::mark::tried(tx, &holder, &row, &outcome)? { also(tx) } else { Ok(()) }
        };
        if let Err(cause) = self.until_written(write).await {
            tracing::warn!(%cause, "what came of a message is not noted: it is tried again");
        }
        self.let_go([&id]);
    }
}

/// A reply without the recipient in it: all who sign in see what a domain said last.
fn without(words: &str, address: &str) -> String {
    let (mut rest, mut out) = (words, String::new());
    if address.is_empty() {
        return words.to_owned();
    }
    while let Some(at) = rest.to_ascii_lowercase().find(&address.to_ascii_lowercase()) {
        out.push_str(&rest[..at]);
        out.push_str("(address)");
        rest = &rest[at + address.len()..];
    }
    out + rest
}

/// Nothing goes to this address any more: there is none.
fn suppress(
    tx: &mut Tx<'_>,
    mailing: &Mailing,
    (address, hash): (&str, &str),
    partner: &str,
    note: &str,
) -> kontor_kit::Result<()> {
    let suppression = Suppression {
        id: hash.to_owned(),
        version: 1,
        address: Address::parse(address).map(|it| it.key()).unwrap_or_default(),
        domain: String::new(),
        cause: Cause::HardBounce,
        note: note.chars().take(1_000).collect(),
        mailing: mailing.full_name(),
        user: String::new(),
        create_time: tx.now(),
    };
    let (_, is_new) = store::suppression::add(tx, &suppression)?;
    if is_new {
        events::suppressed(tx, mailing, partner, Cause::HardBounce);
    }
    Ok(())
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::RelayDown => "relay_down",
        Verdict::SenderRefused => "sender_refused",
        Verdict::SlowDomain => "slow_domain",
        Verdict::Later => "later",
        Verdict::NoSuchAddress => "no_such_address",
        Verdict::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn what_a_domain_said_names_nobody() {
        let words = "4.2.0 <Anna@Example.com>: greylisted, anna@example.com";
        assert_eq!(without(words, "anna@example.com"), "4.2.0 <(address)>: greylisted, (address)");
        assert_eq!(without("4.7.1 später", "é@x.de"), "4.7.1 später");
    }
}
