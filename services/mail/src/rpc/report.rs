//! A mailing in numbers, and as it goes on.
//! Called by rpc/mailing.rs.

use std::time::{Duration, Instant};

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::mail::v1 as proto;

use super::House;
use super::convert::{counts, state, to_proto};
use crate::domain::mailing::{Mailing, State};
use crate::store;

/// How often a mailing that is watched is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// Domains of a report.
const DOMAINS: i64 = 100;

/// A mailing that somebody watches.
pub(super) struct Watch {
    pub(super) caller: Caller,
    pub(super) name: String,
    pub(super) last: Option<proto::Mailing>,
    /// Until the next look: longer where there is much to count.
    pub(super) rest: Duration,
    pub(super) is_over: bool,
}

impl House {
    /// A mailing with its counts, and with what it waits for.
    pub(super) async fn counted(&self, mailing: &Mailing) -> Result<proto::Mailing> {
        let id = mailing.id.clone();
        let read = move |conn: &mut Conn<'_>| {
            Ok((store::count::states(conn, &id)?, store::count::unsubscribed(conn, &id)?))
        };
        let (states, unsubscribed) = self.db.read(read).await?;
        let counts = Some(counts(&states, unsubscribed));
        let waits = self.waits(mailing).await?;
        Ok(proto::Mailing { counts, waits, ..to_proto(mailing) })
    }

    /// What is new of a mailing that is watched; none at its end.
    pub(super) async fn news(&self, watch: &mut Watch) -> Result<Option<proto::Mailing>> {
        while !watch.is_over {
            if watch.last.is_some() {
                let stopped = self.context.stop.cancelled();
                if tokio::time::timeout(watch.rest, stopped).await.is_ok() {
                    return Err(Error::unavailable("the server stops: ask again"));
                }
            }
            let mailing = self.mailing(&watch.caller, &watch.name, "name").await?;
            let begun = Instant::now();
            let now = self.counted(&mailing).await?;
            watch.rest = LOOK.max(begun.elapsed() * 20);
            // What was on its way when it ended is told too.
            let busy = if mailing.state.is_over() && mailing.state != State::Completed {
                let id = mailing.id.clone();
                self.db.read_few(move |conn| store::count::is_sending(conn, &id)).await?
            } else {
                false
            };
            watch.is_over = mailing.state.is_over() && !busy;
            if watch.last.as_ref() != Some(&now) {
                watch.last = Some(now.clone());
                return Ok(Some(now));
            }
        }
        Ok(None)
    }

    pub(super) async fn report(&self, mailing: Mailing) -> Result<proto::MailingReport> {
        let (name, waits) = (mailing.full_name(), self.waits(&mailing).await?);
        let read = move |conn: &mut Conn<'_>| {
            let id = &mailing.id;
            let states = store::count::states(conn, id)?;
            let domains = store::count::domains(conn, id, DOMAINS)?;
            let replies = store::count::replies(conn, id)?;
            let span = store::count::span(conn, id)?;
            Ok((states, domains, replies, span, store::count::unsubscribed(conn, id)?))
        };
        let (states, domains, replies, span, unsubscribed) = self.db.read(read).await?;
        let states =
            states.into_iter().map(|(which, count)| proto::StateCount { state: state(which), count });
        let domains = domains.into_iter().map(|it| proto::DomainCount {
            domain: it.name,
            recipients: it.all,
            sent: it.sent,
            waiting: it.waiting,
            failed: it.failed,
        });
        let replies = replies
            .into_iter()
            .map(|(code, count)| proto::ReplyCount { code: i32::try_from(code).unwrap_or(0), count });
        let duration = span.map(|(first, last)| {
            let micros = (last - first).max(0);
            let nanos = i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
            prost_types::Duration { seconds: micros / 1_000_000, nanos }
        });
        Ok(proto::MailingReport {
            mailing: name,
            states: states.collect(),
            domains: domains.collect(),
            replies: replies.collect(),
            unsubscribed,
            duration,
            waits,
        })
    }
}
