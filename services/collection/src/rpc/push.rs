//! Push registrations over CollectionService.
//! Called by the server in `rpc/mod.rs`.

use kontor_kit::auth::Caller;
use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::{Error, Result};
use kontor_proto::collection::v1 as proto;
use tonic::Code;

use super::{Server, convert};
use crate::hooks::Hooks;
use crate::model::Kind;
use crate::push::Push;
use crate::store::collection;
use crate::store::push::{self, Wants};

/// Registrations in one list of those that are not told of a change.
const SILENT: usize = 100;

impl<H: Hooks> Server<H> {
    pub(super) fn pushes(&self) -> Result<proto::DescribePushResponse> {
        Ok(proto::DescribePushResponse { public_key: self.sending()?.public_key() })
    }

    pub(super) async fn register(
        &self,
        caller: Caller,
        request: proto::RegisterPushRequest,
    ) -> Result<proto::RegisterPushResponse> {
        let sending = self.sending()?;
        if caller.user.is_empty() {
            return Err(Error::denied("only a user registers for push messages: they end with the user"));
        }
        let target = convert::target(request.path)?;
        let wants = Wants { content: request.content_updates, properties: request.property_updates };
        let expire_time = request.expire_time.as_ref().map_or(0, from_proto);
        let wish = sending.check(
            request.push_resource,
            &request.public_key,
            &request.auth_secret,
            wants,
            expire_time,
        )?;
        let expire_time = wish.expire_time;
        let write = self.db.write(move |tx| {
            let (found, _) = collection::find(tx, &caller, &target)?;
            if found.kind.is_of_server() && !matches!(found.kind, Kind::NextSteps | Kind::CallBacks) {
                return Err(Error::precondition(
                    "PUSH_NOT_AVAILABLE",
                    "there is no push for scheduling messages and overviews",
                ));
            }
            push::register(tx, &caller.user, &found, &wish)
        });
        let (id, created) = write.await?;
        sending.wake();
        Ok(proto::RegisterPushResponse { id, expire_time: Some(to_proto(expire_time)), created })
    }

    pub(super) async fn unregister(
        &self,
        caller: Caller,
        request: proto::UnregisterPushRequest,
    ) -> Result<()> {
        self.db.write(move |tx| push::unregister(tx, &caller.user, &request.id)).await
    }

    fn sending(&self) -> Result<&Push> {
        let none =
            || Error::new(Code::Unimplemented, "PUSH_NOT_AVAILABLE", "this service sends no push messages");
        self.push.as_ref().ok_or_else(none)
    }
}

/// Checks a list of registrations that are not told.
///
/// # Errors
/// INVALID_ARGUMENT.
pub(super) fn check_silent(ids: &[String]) -> Result<()> {
    if ids.len() <= SILENT { Ok(()) } else { Err(Error::invalid("silent_registrations", "name at most 100")) }
}
