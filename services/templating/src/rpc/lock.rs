//! Locks of files (RFC 4918 section 6): who may write while somebody has a document open.
//! Called by rpc/file.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::{Error, Result, id};
use kontor_proto::templating::v1 as proto;

use super::House;
use super::file_place::lock_place;
use crate::store;
use crate::store::lock::Lock;

/// Seconds that a lock lasts when nothing is asked for, and at most.
const SECONDS: (i32, i32) = (600, 3_600);
/// Bytes that a client may say of its owner.
const OWNER: usize = 4_096;
/// Tokens of a request at most.
const TOKENS: usize = 100;

fn to_proto(lock: &Lock, now: i64) -> proto::FileLock {
    proto::FileLock {
        token: lock.token.clone(),
        path: lock.path.clone(),
        user: lock.user.clone(),
        owner: lock.owner.clone().into(),
        shared: lock.shared,
        deep: lock.deep,
        timeout_seconds: i32::try_from((lock.until - now) / 1_000_000).unwrap_or(0),
    }
}

fn until(now: i64, seconds: i32) -> i64 {
    let seconds = if seconds <= 0 { SECONDS.0 } else { seconds.min(SECONDS.1) };
    now + i64::from(seconds) * 1_000_000
}

/// Which lock keeps a user, who has some, from writing a place.
fn conflict(
    conn: &mut Conn<'_>,
    user: &str,
    (place, deep): (&str, bool),
    has: impl Fn(&Lock) -> bool,
    now: i64,
) -> Result<Option<Lock>> {
    let mut covering = store::lock::covering(conn, place, now)?;
    // Whoever set a template aside has no token of it.
    covering.retain(|lock| !lock.aside || lock.user != user);
    let held = covering.iter().any(&has);
    // Of several shared ones, one is enough to have.
    let against = covering.into_iter().find(|lock| !has(lock) && (!lock.shared || !held));
    if against.is_some() || !deep {
        return Ok(against);
    }
    Ok(store::lock::below(conn, place, now)?.into_iter().find(|lock| !has(lock)))
}

impl House {
    pub(super) async fn lock(
        &self,
        caller: Caller,
        request: proto::LockFileRequest,
    ) -> Result<proto::LockFileResponse> {
        if request.owner.len() > OWNER {
            return Err(Error::invalid("owner", format!("at most {OWNER} bytes")));
        }
        let write = self.db.write(move |tx| {
            store::lock::serialize(tx)?;
            let now = tx.now();
            let place = lock_place(tx, &caller, &request.path)?;
            let among = |lock: &Lock| request.shared && lock.shared;
            if let Some(against) = conflict(tx, &caller.user, (&place, request.deep), among, now)? {
                let lock = Some(to_proto(&against, now));
                return Ok(proto::LockFileResponse { lock, conflict: true });
            }
            let lock = Lock {
                token: format!("urn:uuid:{}", id::new()),
                place,
                path: request.path.clone(),
                user: caller.user.clone(),
                owner: request.owner.to_vec(),
                shared: request.shared,
                deep: request.deep,
                aside: false,
                until: until(now, request.timeout_seconds),
            };
            store::lock::add(tx, &lock)?;
            Ok(proto::LockFileResponse { lock: Some(to_proto(&lock, now)), conflict: false })
        });
        write.await
    }

    pub(super) async fn unlock(&self, caller: Caller, request: proto::UnlockFileRequest) -> Result<()> {
        let write = self.db.write(move |tx| {
            let lock = own(tx, &caller, &request.path, &request.token)?;
            store::lock::remove(tx, &lock.token)
        });
        write.await
    }

    pub(super) async fn refresh(
        &self,
        caller: Caller,
        request: proto::RefreshLockRequest,
    ) -> Result<proto::FileLock> {
        let write = self.db.write(move |tx| {
            let now = tx.now();
            let mut lock = own(tx, &caller, &request.path, &request.token)?;
            lock.until = until(now, request.timeout_seconds);
            store::lock::extend(tx, &lock.token, lock.until)?;
            Ok(to_proto(&lock, now))
        });
        write.await
    }

    pub(super) async fn check_locks(
        &self,
        caller: Caller,
        request: proto::CheckLocksRequest,
    ) -> Result<proto::CheckLocksResponse> {
        if request.tokens.len() > TOKENS {
            return Err(Error::invalid("tokens", format!("at most {TOKENS}")));
        }
        let now = self.db.clock().now();
        let read = self.db.read_few(move |conn| {
            let place = match lock_place(conn, &caller, &request.path) {
                Ok(place) => place,
                // Nothing is locked where nothing can be: whether it may be written is asked elsewhere.
                Err(_) => return Ok(proto::CheckLocksResponse::default()),
            };
            let has = |lock: &Lock| {
                request.tokens.contains(&lock.token) && (request.any_user || lock.user == caller.user)
            };
            let against = conflict(conn, &caller.user, (&place, request.deep), has, now)?;
            Ok(proto::CheckLocksResponse { conflict: against.map(|lock| to_proto(&lock, now)) })
        });
        read.await
    }

    pub(super) async fn locks(&self, caller: Caller, path: String) -> Result<proto::ListLocksResponse> {
        let now = self.db.clock().now();
        let read = self.db.read_few(move |conn| {
            let Ok(place) = lock_place(conn, &caller, &path) else {
                return Ok(proto::ListLocksResponse::default());
            };
            let locks = store::lock::covering(conn, &place, now)?;
            Ok(proto::ListLocksResponse { locks: locks.iter().map(|lock| to_proto(lock, now)).collect() })
        });
        read.await
    }

    pub(super) async fn drop_locks(&self, caller: Caller, path: String) -> Result<()> {
        let write = self.db.write(move |tx| {
            // Only where the caller may write: after it moved or removed what stood there, its own places.
            let place = format!("f:{}/{path}", caller.user);
            store::lock::drop_all(tx, &place)
        });
        write.await
    }
}

/// A lock of the caller's that covers a path.
fn own(tx: &mut Tx<'_>, caller: &Caller, path: &str, token: &str) -> Result<Lock> {
    let (place, now) = (lock_place(tx, caller, path)?, tx.now());
    let found = store::lock::covering(tx, &place, now)?.into_iter().find(|lock| lock.token == token);
    found
        .filter(|lock| lock.user == caller.user || caller.admin)
        .ok_or_else(|| Error::not_found(format!("the lock {token:?} of {path:?}")))
}
