//! Pops: who rings at the caller's own telephone, with the last contacts and the open opportunities.
//! Called by rpc/call.rs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::{Error, Result, id, resource};
use kontor_proto::pipeline::v1::Opportunity;
use kontor_proto::telephony::v1::{CallPop, OpportunityBrief};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::convert;
use crate::domain::entry::Entry;
use crate::intake::Intake;
use crate::intake::hub::Ring;

/// Pops that wait for a slow watcher.
const WAITING: usize = 16;

/// Makes pops.
#[derive(Clone)]
pub struct Pops {
    context: Context,
    intake: Intake,
    /// Names of stages; read anew when one is not there.
    stages: Arc<Mutex<HashMap<String, String>>>,
}

type Stream = ReceiverStream<std::result::Result<CallPop, Status>>;

impl Pops {
    pub(super) fn new(context: &Context, intake: &Intake) -> Self {
        Pops { context: context.clone(), intake: intake.clone(), stages: Arc::default() }
    }

    /// Watches the telephone of a user; the caller's own when `user` is empty.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming it, PERMISSION_DENIED when it is not the caller's to watch.
    pub(super) async fn watch(&self, caller: Caller, user: &str) -> Result<Stream> {
        let user = if matches!(user, "" | "users/me") { caller.name() } else { user.to_owned() };
        id::parse("users", &user, "user")?;
        self.must_watch(&caller, &user).await?;
        let rings = self.intake.hub.watch();
        let (sender, receiver) = mpsc::channel(WAITING);
        self.context.spawn(self.clone().pump(caller, user, rings, sender));
        Ok(ReceiverStream::new(receiver))
    }

    async fn must_watch(&self, caller: &Caller, user: &str) -> Result<()> {
        if caller.admin || caller.name() == user {
            return Ok(());
        }
        let denied = || Error::denied("only administrators and team leaders may watch another's telephone");
        if caller.led_teams.is_empty() {
            return Err(denied());
        }
        let teams = self.intake.users.teams(user).await?;
        if teams.iter().any(|team| caller.leads(team)) { Ok(()) } else { Err(denied()) }
    }

    async fn pump(
        self,
        caller: Caller,
        user: String,
        mut rings: broadcast::Receiver<Ring>,
        sender: mpsc::Sender<std::result::Result<CallPop, Status>>,
    ) {
        loop {
            let ring = tokio::select! {
                ring = rings.recv() => ring,
                () = sender.closed() => return,
            };
            let ring = match ring {
                Ok(ring) if ring.user == user => ring,
                Ok(_) => continue,
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "a watcher of pops was too slow");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            match self.pop(&caller, &ring.call).await {
                Ok(pop) => {
                    if sender.send(Ok(pop)).await.is_err() {
                        return;
                    }
                }
                Err(cause) => tracing::warn!(cause = %cause, "a pop could not be made"),
            }
        }
    }

    /// What the caller may see of a call. A service that is away leaves its part empty: the pop comes in any case.
    async fn pop(&self, caller: &Caller, call: &str) -> Result<CallPop> {
        let id = call.to_owned();
        let call: Entry = self.intake.db.read(move |conn| resource::get(conn, &id)).await?;
        let mut pop = CallPop { call: Some(convert::call(&call)), ..Default::default() };
        if call.partner.is_empty() {
            return Ok(pop);
        }
        let peers = &self.intake.peers;
        let (partner, contacts, open) = tokio::join!(
            peers.partner(caller, &call.partner),
            peers.last_contacts(caller, &call.partner),
            peers.open_for(caller, &call.partner),
        );
        pop.partner_display_name = partner.map(|partner| partner.display_name).unwrap_or_default();
        let contacts = contacts.unwrap_or_default();
        pop.last_contacts = contacts.into_iter().map(|contact| contact.summary).collect();
        for opportunity in open.unwrap_or_default() {
            pop.open_opportunities.push(self.brief(opportunity).await);
        }
        Ok(pop)
    }

    async fn brief(&self, opportunity: Opportunity) -> OpportunityBrief {
        let stage = self.stage(&opportunity.stage).await;
        OpportunityBrief { name: opportunity.name, title: opportunity.title, stage }
    }

    async fn stage(&self, name: &str) -> String {
        let known = || self.stages.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(stage) = known() {
            return stage;
        }
        if let Ok(stages) = self.intake.peers.stages().await {
            *self.stages.lock().unwrap_or_else(PoisonError::into_inner) = stages;
        }
        known().unwrap_or_else(|| name.rsplit('/').next().unwrap_or_default().to_owned())
    }
}
