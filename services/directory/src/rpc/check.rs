//! CredentialService: the gateway asks it who signs in.
//! Called by the gateway only.

use kontor_kit::auth::Caller;
use kontor_proto::directory::v1::credential_service_server::CredentialService;
use kontor_proto::directory::v1::{CheckCredentialRequest, CheckCredentialResponse};
use tonic::{Request, Response, Status};

use super::sign_in::{Attempt, SignIns};

/// The service.
#[derive(Clone)]
pub struct Credentials {
    pub(super) sign_ins: SignIns,
}

#[tonic::async_trait]
impl CredentialService for Credentials {
    async fn check_credential(
        &self,
        request: Request<CheckCredentialRequest>,
    ) -> Result<Response<CheckCredentialResponse>, Status> {
        Caller::of(&request)?.must_be_system()?;
        let CheckCredentialRequest { user, secret, peer } = request.into_inner();
        Ok(Response::new(self.sign_ins.check(Attempt { user, secret, peer }).await?))
    }
}
