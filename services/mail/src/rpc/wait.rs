//! Why messages of a mailing that runs do not go out: the relay, domains that pause, the hours of the day.
//! Called by rpc/report.rs.

use kontor_kit::db::Conn;
use kontor_kit::{Result, clock};
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::MailingWaitReason as Reason;

use super::House;
use crate::domain::mailing::{Mailing, State};
use crate::store;
use crate::store::pace::Paused;
use crate::store::worker::Trouble;

/// Domains that are told.
const DOMAINS: i64 = 10;

impl House {
    /// What a mailing waits for; nothing unless it runs and somebody waits in it.
    pub(super) async fn waits(&self, mailing: &Mailing) -> Result<Vec<proto::MailingWait>> {
        if mailing.state != State::Running {
            return Ok(Vec::new());
        }
        let (id, now) = (mailing.id.clone(), self.db.clock().now());
        let read = move |conn: &mut Conn<'_>| {
            if !store::count::is_open(conn, &id)? {
                return Ok(None);
            }
            Ok(Some((store::worker::trouble(conn, now)?, store::pace::paused(conn, &id, now, DOMAINS)?)))
        };
        let Some((trouble, paused)) = self.db.read(read).await? else { return Ok(Vec::new()) };
        let mut waits = Vec::new();
        if self.settings.relay.is_none() {
            waits.push(wait(Reason::Relay, "no relay is set: set mail.relay", 0, 0));
        } else if let Some(Trouble { words, since, until }) = trouble {
            waits.push(wait(Reason::Relay, &words, since, until));
        }
        let zone = self.context.zone();
        if let Some(hours) = mailing.hours.filter(|hours| !hours.is_open(&zone, now)) {
            let opening = hours.next_opening(&zone, now).unwrap_or(0);
            waits.push(wait(Reason::Hours, "it is sent at other hours of the day", 0, opening));
        }
        waits.extend(paused.into_iter().map(|Paused { domain, since, until, reply }| {
            let message = format!("{domain} asked for less: {reply}");
            proto::MailingWait { domain, ..wait(Reason::DomainPaused, message.trim_end(), since, until) }
        }));
        Ok(waits)
    }
}

fn wait(reason: Reason, message: &str, since: i64, retry: i64) -> proto::MailingWait {
    let time = |micros: i64| (micros > 0).then(|| clock::to_proto(micros));
    proto::MailingWait {
        reason: reason.into(),
        message: message.to_owned(),
        domain: String::new(),
        since_time: time(since),
        retry_time: time(retry),
    }
}
