//! Mailings as they are steered: started, paused, let go on and ended.
//! Called by rpc/mailing.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Tx;
use kontor_kit::{Error, Result, replay, resource};
use kontor_proto::mail::v1 as proto;

use super::convert::to_proto;
use super::{House, mailing_id};
use crate::domain::mailing::{Mailing, State};
use crate::{events, store};

impl House {
    /// Changes a mailing that the caller steers.
    async fn change<Q: prost::Message + prost::Name + Clone + 'static>(
        &self,
        caller: Caller,
        name: &str,
        (etag, request_id): (String, String),
        request: Q,
        how: impl Fn(&mut Tx<'_>, &mut Mailing) -> Result<()> + Send + 'static,
    ) -> Result<proto::Mailing> {
        let id = mailing_id(name, "name")?;
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request_id, &request, |tx| {
                let mut row = store::mailing::hold(tx, &caller, &id, &etag)?;
                let before = row.clone();
                how(tx, &mut row)?;
                row.update_time = tx.now();
                resource::update(tx, &mut row)?;
                if row.state != before.state {
                    events::state_changed(tx, &row);
                }
                Ok(to_proto(&row))
            })
        });
        let answer = write.await?;
        let id = mailing_id(&answer.name, "name")?;
        let now: Mailing = self.db.read_few(move |conn| resource::get(conn, &id)).await?;
        let counts = self.counted(&now).await?.counts;
        Ok(proto::Mailing { counts, ..answer })
    }

    pub(super) async fn start(
        &self,
        caller: Caller,
        request: proto::StartMailingRequest,
    ) -> Result<proto::Mailing> {
        let mailing = self.own_mailing(&caller, &request.name, "name").await?;
        let mut waiting = 0;
        let revision = if mailing.state == State::Draft {
            self.settings.relay()?;
            self.senders(&mailing)?;
            let revision = self.templates.revision(&caller, &mailing.template).await?;
            let pinned = Mailing { template: revision.clone(), ..mailing.clone() };
            let check = self.templates.check(&caller, &pinned).await?;
            if let Some(finding) = check.findings.first() {
                let message =
                    format!("the message can't be made: {}; CheckMailing says all", finding.message);
                return Err(Error::precondition("TEMPLATE_FINDINGS", message));
            }
            // Before the write: of a million recipients it takes a while. Who is added meanwhile is confirmed by whoever adds, as after the start.
            let id = mailing.id.clone();
            waiting = self.db.read(move |conn| store::count::waiting(conn, &id)).await?;
            revision
        } else {
            // It is refused below, or this is a repeat of the request that started it.
            mailing.revision
        };
        let (name, keys) = (request.name.clone(), (request.etag.clone(), request.request_id.clone()));
        let (expected, version) = (request.expected_recipients, mailing.version);
        let start = move |tx: &mut Tx<'_>, row: &mut Mailing| {
            row.must_be_a_draft()?;
            if row.version != version {
                // Checked was another message.
                return Err(Error::etag_mismatch(row.full_name()));
            }
            row.start(waiting, expected, tx.now())?;
            row.revision.clone_from(&revision);
            Ok(())
        };
        self.change(caller, &name, keys, request, start).await
    }

    pub(super) async fn pause(
        &self,
        caller: Caller,
        request: proto::PauseMailingRequest,
    ) -> Result<proto::Mailing> {
        let (name, keys) = (request.name.clone(), (request.etag.clone(), request.request_id.clone()));
        self.change(caller, &name, keys, request, |_, row| row.pause("")).await
    }

    pub(super) async fn resume(
        &self,
        caller: Caller,
        request: proto::ResumeMailingRequest,
    ) -> Result<proto::Mailing> {
        let (name, keys) = (request.name.clone(), (request.etag.clone(), request.request_id.clone()));
        self.change(caller, &name, keys, request, |tx, row| row.resume(tx.now())).await
    }

    pub(super) async fn cancel(
        &self,
        caller: Caller,
        request: proto::CancelMailingRequest,
    ) -> Result<proto::Mailing> {
        let (name, keys) = (request.name.clone(), (request.etag.clone(), request.request_id.clone()));
        let cancel = |tx: &mut Tx<'_>, row: &mut Mailing| row.end(State::Cancelled, tx.now());
        self.change(caller, &name, keys, request, cancel).await
    }
}
