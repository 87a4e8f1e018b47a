//! ChangeService: the change stream of the calendar.
//! Mounted by `start`.

use kontor_kit::auth::Caller;
use kontor_kit::changes::{self, ChangeStream};
use kontor_proto::calendar::v1::change_service_server::ChangeService;
use kontor_proto::r#type::v1::WatchChangesRequest;
use tonic::{Request, Response};

use super::{Answer, Core};

#[tonic::async_trait]
impl ChangeService for Core {
    type WatchChangesStream = ChangeStream;

    async fn watch_changes(&self, request: Request<WatchChangesRequest>) -> Answer<ChangeStream> {
        let caller = Caller::of(&request)?;
        let stream = changes::watch(&self.context, &self.db, caller, request.into_inner()).await?;
        Ok(Response::new(stream))
    }
}
