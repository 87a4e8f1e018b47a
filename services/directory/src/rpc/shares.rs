//! Shares of address books over the API: with whom, and whether they may write.
//! Called by rpc/contact.rs. Who may do what by a share is decided by the engine.

use kontor_collection::store::share::{self, Share};
use kontor_collection::{Access, Target};
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::directory::v1 as proto;

use super::contact::{Contacts, find_book};
use crate::store::{team, user};

impl Contacts {
    pub(super) async fn share(
        &self,
        caller: Caller,
        request: proto::ShareAddressBookRequest,
    ) -> Result<proto::AddressBookShare> {
        let book = id::parse("addressBooks", &request.name, "name")?.to_owned();
        check_grantee(&request.grantee)?;
        let access = if request.writable { Access::Write } else { Access::Read };
        let share = Share { grantee: request.grantee.clone(), access };
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = target(tx, &caller, &book)?;
                    share::put(tx, &caller, &target, &share)?;
                    // Asked last: whose book it is comes first.
                    if !is_known(tx, &share.grantee)? {
                        return Err(Error::not_found(&share.grantee));
                    }
                    Ok(message(&share))
                })
            })
            .await
    }

    pub(super) async fn unshare(
        &self,
        caller: Caller,
        request: proto::UnshareAddressBookRequest,
    ) -> Result<()> {
        let book = id::parse("addressBooks", &request.name, "name")?.to_owned();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let target = target(tx, &caller, &book)?;
                    share::remove(tx, &caller, &target, &request.grantee)
                })
            })
            .await
    }

    pub(super) async fn shares(
        &self,
        caller: Caller,
        request: proto::ListAddressBookSharesRequest,
    ) -> Result<proto::ListAddressBookSharesResponse> {
        let book = id::parse("addressBooks", &request.name, "name")?.to_owned();
        let found = self.db.read(move |conn| {
            let target = target(conn, &caller, &book)?;
            share::list(conn, &caller, &target)
        });
        Ok(proto::ListAddressBookSharesResponse { shares: found.await?.iter().map(message).collect() })
    }
}

/// The book as the engine names it, when the caller may see it.
fn target(conn: &mut Conn<'_>, caller: &Caller, book: &str) -> Result<Target> {
    Ok(Target::id(find_book(conn, caller, book)?.id))
}

fn check_grantee(grantee: &str) -> Result<()> {
    let collection = if grantee.starts_with("teams/") { "teams" } else { "users" };
    id::parse(collection, grantee, "grantee").map(|_| ())
}

fn is_known(conn: &mut Conn<'_>, grantee: &str) -> Result<bool> {
    match grantee.split_once('/') {
        Some(("teams", name)) => team::exists(conn, name),
        Some((_, name)) => Ok(user::find(conn, name)?.is_some()),
        None => Ok(false),
    }
}

fn message(share: &Share) -> proto::AddressBookShare {
    proto::AddressBookShare { grantee: share.grantee.clone(), writable: share.access >= Access::Write }
}
