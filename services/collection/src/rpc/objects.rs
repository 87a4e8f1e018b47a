//! Single objects over CollectionService: put, delete, move and copy.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use super::push::check_silent;
use super::{Server, convert};
use crate::hooks::{Hooks, Tell};
use crate::store::dead::Property;
use crate::store::{self, object_property, transfer, write};

/// How often a move is tried anew when the source changed while it was read.
const TRIES: usize = 5;

impl<H: Hooks> Server<H> {
    pub(super) async fn put(
        &self,
        caller: Caller,
        request: proto::PutObjectRequest,
    ) -> Result<proto::PutObjectResponse> {
        let target = convert::target(request.path)?;
        let conditions = convert::conditions(request.conditions);
        let (name, data, hooks) = (request.name, request.data, self.hooks.clone());
        let silent = request.silent_registrations;
        check_silent(&silent)?;
        write::check_size(&data)?;
        let prepared = hooks.prepare(&caller, data.clone()).await?;
        let outcome = self
            .db
            .write(move |tx| {
                let outcome = write::put(tx, &hooks, &caller, &target, &name, &data, &conditions, &prepared)?;
                if !silent.is_empty() {
                    store::push::silence(tx, &caller.user, &outcome.collection, &silent)?;
                }
                Ok(outcome)
            })
            .await?;
        Ok(proto::PutObjectResponse {
            // Without an ETag the client reads again what it did not write.
            etag: if outcome.altered.is_some() { String::new() } else { outcome.object.etag },
            created: outcome.created,
            schedule_tag: outcome.object.schedule_tag,
        })
    }

    pub(super) async fn properties(&self, caller: Caller, request: proto::UpdateObjectRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let conditions = convert::conditions(request.conditions);
        let name = request.name;
        let set: Vec<Property> = request.set_dead.into_iter().map(convert::dead).collect();
        let remove: Vec<_> = request.remove_dead.into_iter().map(|one| (one.namespace, one.name)).collect();
        let write = self.db.write(move |tx| {
            object_property::update(tx, &caller, (&target, &name), &conditions, &set, &remove)
        });
        write.await
    }

    pub(super) async fn remove(&self, caller: Caller, request: proto::DeleteObjectRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let conditions = convert::conditions(request.conditions);
        let tell = if request.silent { Tell::Guests } else { Tell::Everyone };
        let (name, hooks) = (request.name, self.hooks.clone());
        let silent = request.silent_registrations;
        check_silent(&silent)?;
        self.db
            .write(move |tx| {
                write::delete_as(tx, &hooks, &caller, &target, &name, &conditions, tell)?;
                if !silent.is_empty() {
                    let (collection, _) = store::collection::find(tx, &caller, &target)?;
                    store::push::silence(tx, &caller.user, &collection, &silent)?;
                }
                Ok(())
            })
            .await
    }

    /// Reads and checks the source before the transaction, as `put` does; when it changed in between, once more.
    pub(super) async fn transfer(
        &self,
        caller: Caller,
        request: proto::MoveObjectRequest,
    ) -> Result<proto::MoveObjectResponse> {
        let plan = transfer::Plan {
            from: convert::target(request.path)?,
            name: request.name,
            to: convert::target(request.to_path)?,
            to_name: request.to_name,
            conditions: convert::conditions(request.conditions),
            overwrite: request.overwrite,
            copy: request.copy,
        };
        for _ in 0..TRIES {
            let (reader, wanted) = (caller.clone(), plan.clone());
            let source = self.db.read(move |conn| transfer::source(conn, &reader, &wanted)).await?;
            let prepared = self.hooks.prepare(&caller, source.data.clone()).await?;
            let (hooks, caller, plan) = (self.hooks.clone(), caller.clone(), plan.clone());
            let done =
                self.db.write(move |tx| transfer::run(tx, &hooks, &caller, &plan, &source, &prepared)).await;
            match done {
                Ok(outcome) => {
                    let (created, object) = (outcome.created, outcome.object);
                    let (etag, schedule_tag) = (object.etag, object.schedule_tag);
                    return Ok(proto::MoveObjectResponse { created, etag, schedule_tag });
                }
                Err(cause) if cause.reason() == transfer::CHANGED => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(Error::unavailable("the object changes all the time: try again"))
    }
}
