//! Whether a mailing is right, and who would get it.
//! Called by rpc/mailing.rs.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result};
use kontor_proto::mail::v1 as proto;

use super::House;
use super::convert::state;
use crate::domain::Address;
use crate::domain::mailing::Mailing;
use crate::domain::recipient::{Outgoing, State};
use crate::sender::{Look, look};
use crate::store;

/// Recipients that are looked up at most.
const MOST: usize = 10_000;
/// The same in one step.
const STEP: i64 = 1_000;

impl House {
    pub(super) async fn check(&self, caller: &Caller, name: &str) -> Result<proto::CheckMailingResponse> {
        let mailing = self.mailing(caller, name, "name").await?;
        let mut findings = Vec::new();
        let mut find = |field: &str, message: String| {
            findings.push(proto::MailingFinding { field: field.to_owned(), message });
        };
        if let Err(cause) = self.settings.relay() {
            find("relay", cause.message().to_owned());
        }
        if let Err(cause) = self.settings.sender(&mailing.sender) {
            find("from", cause.message().to_owned());
        }
        if let Err(cause) = self.settings.unsubscribe_root() {
            find("relay", cause.message().to_owned());
        }
        match self.templates.check(caller, &mailing).await {
            Ok(check) => {
                for finding in check.findings.into_iter().chain(check.warnings) {
                    let field = match finding.part.as_str() {
                        part @ ("subject" | "text") => part,
                        _ => "template",
                    };
                    find(field, finding.message);
                }
            }
            Err(cause) if cause.is_not_found() || cause.code() == tonic::Code::FailedPrecondition => {
                find("template", cause.message().to_owned());
            }
            Err(cause) => return Err(cause),
        }
        let (checked, obstacles) = self.obstacles(&mailing).await?;
        let would_not: i64 = obstacles.values().sum();
        let would_not_get =
            obstacles.into_iter().map(|(which, count)| proto::StateCount { state: state(which), count });
        let would_not_get = would_not_get.collect();
        Ok(proto::CheckMailingResponse { findings, checked, would_get: checked - would_not, would_not_get })
    }

    /// Looks up who waits, as the sender does.
    async fn obstacles(&self, mailing: &Mailing) -> Result<(i64, BTreeMap<State, i64>)> {
        let (mut checked, mut after, mut obstacles) = (0_usize, String::new(), BTreeMap::new());
        while checked < MOST {
            let (id, from) = (mailing.id.clone(), after.clone());
            let read = move |conn: &mut Conn<'_>| store::outgoing::waiting(conn, &id, &from, STEP);
            let rows = self.db.read(read).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            checked += rows.len();
            for obstacle in self.look_at(mailing, rows).await?.into_iter().flatten() {
                *obstacles.entry(obstacle).or_default() += 1;
            }
        }
        Ok((i64::try_from(checked).map_err(Error::internal)?, obstacles))
    }

    /// Why each of these would get nothing in this moment.
    pub(super) async fn look_at(&self, mailing: &Mailing, rows: Vec<Outgoing>) -> Result<Vec<Option<State>>> {
        let names = rows.iter().map(|row| row.partner.clone()).filter(|name| !name.is_empty());
        let partners = self.directory.partners(names.collect()).await?;
        let looks: Vec<std::result::Result<Address, State>> = rows
            .iter()
            .map(|row| match look(mailing, row, partners.get(&row.partner)) {
                Look::Good(address) | Look::Moved(address) => Ok(address),
                Look::Not(state, _) => Err(state),
            })
            .collect();
        let keys = self.keys.clone();
        let read = move |conn: &mut Conn<'_>| {
            let suppressed = |conn: &mut Conn<'_>, address: &Address| {
                let hashes = (keys.address_hash(address), keys.domain_hash(address.domain()));
                Ok::<_, Error>(
                    store::suppression::find(conn, (&hashes.0, &hashes.1))?.map(|_| State::Suppressed),
                )
            };
            looks
                .iter()
                .map(|look| match look {
                    Ok(address) => suppressed(conn, address),
                    Err(state) => Ok(Some(*state)),
                })
                .collect()
        };
        self.db.read(read).await
    }
}
