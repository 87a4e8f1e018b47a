//! Shares of calendars over the API: with whom, and whether they may write.
//! Called by rpc/calendars.rs. Who may do what by a share is decided by the engine.

use kontor_collection::store::share::{self, Share};
use kontor_collection::{Access, Target};
use kontor_kit::auth::Caller;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::calendar::v1 as proto;

use super::Core;
use super::objects::find_calendar;

impl Core {
    pub(super) async fn share(
        &self,
        caller: Caller,
        request: proto::ShareCalendarRequest,
    ) -> Result<proto::CalendarShare> {
        let id = id::parse("calendars", &request.name, "name")?.to_owned();
        check_grantee(&request.grantee)?;
        if !self.hooks.directory.knows(&request.grantee).await? {
            return Err(Error::not_found(&request.grantee));
        }
        let access = if request.writable { Access::Write } else { Access::Read };
        let share = Share { grantee: request.grantee.clone(), access };
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = Target::id(find_calendar(tx, &caller, &id)?.0.id);
                    share::put(tx, &caller, &target, &share)?;
                    Ok(message(&share))
                })
            })
            .await
    }

    pub(super) async fn unshare(&self, caller: Caller, request: proto::UnshareCalendarRequest) -> Result<()> {
        let id = id::parse("calendars", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = Target::id(find_calendar(tx, &caller, &id)?.0.id);
                    share::remove(tx, &caller, &target, &request.grantee)
                })
            })
            .await
    }

    pub(super) async fn shares(
        &self,
        caller: Caller,
        request: proto::ListCalendarSharesRequest,
    ) -> Result<proto::ListCalendarSharesResponse> {
        let id = id::parse("calendars", &request.name, "name")?.to_owned();
        let found = self.db.read(move |conn| {
            let target = Target::id(find_calendar(conn, &caller, &id)?.0.id);
            share::list(conn, &caller, &target)
        });
        Ok(proto::ListCalendarSharesResponse { shares: found.await?.iter().map(message).collect() })
    }
}

fn check_grantee(grantee: &str) -> Result<()> {
    if grantee.starts_with("teams/") {
        id::parse("teams", grantee, "grantee")?;
    } else {
        id::parse("users", grantee, "grantee")?;
    }
    Ok(())
}

fn message(share: &Share) -> proto::CalendarShare {
    proto::CalendarShare { grantee: share.grantee.clone(), writable: share.access >= Access::Write }
}
