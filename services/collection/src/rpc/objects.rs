//! Single objects over CollectionService: put, delete, move and copy.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;

use super::{Server, convert};
use crate::hooks::Hooks;
use crate::store::{transfer, write};

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
        write::check_size(&data)?;
        let prepared = hooks.prepare(&caller, data.clone()).await?;
        let outcome = self
            .db
            .write(move |tx| write::put(tx, &hooks, &caller, &target, &name, &data, &conditions, &prepared))
            .await?;
        Ok(proto::PutObjectResponse {
            etag: outcome.object.etag,
            created: outcome.created,
            schedule_tag: outcome.object.schedule_tag,
        })
    }

    pub(super) async fn remove(&self, caller: Caller, request: proto::DeleteObjectRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let conditions = convert::conditions(request.conditions);
        let (name, hooks) = (request.name, self.hooks.clone());
        self.db
            .write(move |tx| write::delete(tx, &hooks, &caller, &target, &name, &conditions).map(|_| ()))
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
                    let (created, etag) = (outcome.created, outcome.object.etag);
                    return Ok(proto::MoveObjectResponse { created, etag });
                }
                Err(cause) if cause.reason() == transfer::CHANGED => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(Error::unavailable("the object changes all the time: try again"))
    }
}
