//! `request_id` (AIP-155): the same request twice has one effect and one answer, kept in the transaction of the change.
//! Called by every create and custom method.

use std::time::Duration;

use prost::{Message, Name};
use sha2::{Digest, Sha256};

use crate::auth::Caller;
use crate::db::{Db, Tx};
use crate::{Error, Result, args};

/// How long answers are kept.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Runs `job` once for this caller, method (the request's type) and `request_id`; a repeat gets the first answer.
/// An empty `request_id` always runs it.
///
/// # Errors
/// Those of `job`; INVALID_ARGUMENT when the id was used for another request; FAILED_PRECONDITION with reason ERASED when what it made was erased
/// since (see erase.rs).
pub fn once<Q, A>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    request_id: &str,
    request: &Q,
    job: impl FnOnce(&mut Tx<'_>) -> Result<A>,
) -> Result<A>
where
    Q: Message + Name,
    A: Message + Default,
{
    tx.act_for(&caller.name());
    if request_id.is_empty() {
        return job(tx);
    }
    if request_id.len() > 100 || request_id.chars().any(char::is_control) {
        let message = "use at most 100 characters on one line, for example a UUID";
        return Err(Error::invalid("request_id", message));
    }
    let digest = Sha256::digest(request.encode_to_vec()).to_vec();
    let method = Q::full_name();
    let now = tx.now();
    // The row comes first: the same request in another process waits for this one here, before it has any effect.
    let new = tx.execute(
        "INSERT INTO kit_request (caller, method, request_id, digest, answer, time) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (caller, method, request_id) DO NOTHING",
        args![&caller.user, &method, request_id, &digest[..], Vec::<u8>::new(), now],
    )?;
    if new == 0 {
        return first_answer(tx, caller, &method, request_id, &digest);
    }
    let answer = job(tx)?;
    tx.execute(
        "UPDATE kit_request SET answer = $4 WHERE caller = $1 AND method = $2 AND request_id = $3",
        args![&caller.user, &method, request_id, answer.encode_to_vec()],
    )?;
    Ok(answer)
}

/// Forgets the answer that `once` gave in this transaction, so that a repeat runs the request again: for an answer that says "not now".
///
/// # Errors
/// Those of the database.
pub fn forget<Q: Name>(tx: &mut Tx<'_>, caller: &Caller, request_id: &str) -> Result<()> {
    let sql = "DELETE FROM kit_request WHERE caller = $1 AND method = $2 AND request_id = $3";
    tx.execute(sql, args![&caller.user, Q::full_name(), request_id]).map(|_| ())
}

fn first_answer<A: Message + Default>(
    tx: &mut Tx<'_>,
    caller: &Caller,
    method: &str,
    request_id: &str,
    digest: &[u8],
) -> Result<A> {
    let known = tx.one(
        "SELECT digest, answer FROM kit_request WHERE caller = $1 AND method = $2 AND request_id = $3",
        args![&caller.user, method, request_id],
        |row| Ok((row.bytes(0)?.to_vec(), row.bytes(1)?.to_vec())),
    )?;
    match known {
        Some((known, _)) if known.is_empty() => {
            let message =
                "request_id: what this request made was erased since: choose a new one to make it anew";
            Err(Error::precondition("ERASED", message))
        }
        Some((known, answer)) if known == digest => A::decode(answer.as_slice()).map_err(Error::internal),
        Some(_) => Err(Error::invalid("request_id", "it was used for another request: choose a new one")),
        None => Err(Error::internal("the answer to a request_id is gone")),
    }
}

/// Forgets old answers and old event ids, an hour after the start and then every hour.
pub(crate) async fn forget_old(db: Db) {
    loop {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let forgot = db
            .write(|tx| {
                let before = tx.now() - i64::try_from(KEEP.as_micros()).unwrap_or(0);
                tx.execute("DELETE FROM kit_request WHERE time < $1", args![before])?;
                tx.execute("DELETE FROM kit_seen WHERE time < $1", args![before])
            })
            .await;
        if let Err(cause) = forgot {
            tracing::warn!(cause = %cause, "could not forget old request ids");
        }
    }
}
