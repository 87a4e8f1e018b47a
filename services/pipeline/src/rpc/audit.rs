//! AuditService: who wrote what in the pipeline, and whether the chain is whole.
//! Called by callers outside.

use kontor_kit::audit::{self, VerifyStream};
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_proto::pipeline::v1::audit_service_server::AuditService;
use kontor_proto::r#type::v1::{ListAuditEntriesRequest, ListAuditEntriesResponse, VerifyAuditRequest};
use tonic::{Request, Response, Status};

/// The service.
pub struct Audits {
    pub(super) context: Context,
    pub(super) db: Db,
}

#[tonic::async_trait]
impl AuditService for Audits {
    type VerifyAuditStream = VerifyStream;

    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(audit::list(&self.db, caller, request.into_inner()).await?))
    }

    async fn verify_audit(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(audit::verify(&self.context, &self.db, &caller, request.into_inner()).await?))
    }
}
