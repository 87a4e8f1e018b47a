//! ChangeService: the outbox of telephony as a stream.
//! Called by other services and by callers outside.

use kontor_kit::auth::Caller;
use kontor_kit::changes::{self, ChangeStream};
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_proto::telephony::v1::change_service_server::ChangeService;
use kontor_proto::r#type::v1::WatchChangesRequest;
use tonic::{Request, Response, Status};

/// The service.
pub struct Changes {
    pub(super) context: Context,
    pub(super) db: Db,
}

#[tonic::async_trait]
impl ChangeService for Changes {
    type WatchChangesStream = ChangeStream;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<ChangeStream>, Status> {
        let caller = Caller::of(&request)?;
        let stream = changes::watch(&self.context, &self.db, caller, request.into_inner()).await?;
        Ok(Response::new(stream))
    }
}
