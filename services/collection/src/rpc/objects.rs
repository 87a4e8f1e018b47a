//! Single objects over CollectionService: put and delete.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_proto::collection::v1 as proto;

use super::{Server, convert};
use crate::hooks::Hooks;
use crate::store::write;

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
            // Without an ETag the client reads again what it did not write.
            etag: if outcome.altered.is_some() { String::new() } else { outcome.object.etag },
            created: outcome.created,
            schedule_tag: outcome.object.schedule_tag,
        })
    }

    pub(super) async fn remove(&self, caller: Caller, request: proto::DeleteObjectRequest) -> Result<()> {
        let target = convert::target(request.path)?;
        let conditions = convert::conditions(request.conditions);
        let (name, silent, hooks) = (request.name, request.silent, self.hooks.clone());
        self.db
            .write(move |tx| {
                write::delete_as(tx, &hooks, &caller, &target, &name, &conditions, silent).map(|_| ())
            })
            .await
    }
}
