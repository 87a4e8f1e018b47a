//! AuditService: who wrote what in the calendar, and whether the chain is whole.
//! Mounted by `start`.

use kontor_kit::audit::{self, VerifyStream};
use kontor_kit::auth::Caller;
use kontor_proto::calendar::v1::audit_service_server::AuditService;
use kontor_proto::r#type::v1::{ListAuditEntriesRequest, ListAuditEntriesResponse, VerifyAuditRequest};
use tonic::{Request, Response};

use super::{Answer, Core};

#[tonic::async_trait]
impl AuditService for Core {
    type VerifyAuditStream = VerifyStream;

    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Answer<ListAuditEntriesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(audit::list(&self.db, caller, request.into_inner()).await?))
    }

    async fn verify_audit(&self, request: Request<VerifyAuditRequest>) -> Answer<VerifyStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(audit::verify(&self.context, &self.db, &caller, request.into_inner()).await?))
    }
}
