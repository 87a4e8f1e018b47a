//! Withdraws consents in the directory for those who unsubscribed: each stands in the database until the directory has it.
//! Started by lib.rs; rpc/unsubscribe.rs wakes it.

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::Result;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::store;
use crate::store::withdrawal::Withdrawal;

/// How often to look when nothing wakes us.
const LOOK: Duration = Duration::from_secs(1);
/// Taken at once.
const BATCH: i64 = 100;
/// The pause before one is tried again, in microseconds.
const AGAIN: i64 = 5_000_000;

/// Works for as long as the process runs.
pub fn start(context: &Context, db: &Db, directory: &Directory, wake: Arc<Notify>) {
    let (db, directory) = (db.clone(), directory.clone());
    context.spawn(async move {
        loop {
            let woken = wake.notified();
            if let Err(cause) = work(&db, &directory).await {
                tracing::warn!(%cause, "consents can't be withdrawn");
            }
            let _ = tokio::time::timeout(LOOK, woken).await;
        }
    });
}

async fn work(db: &Db, directory: &Directory) -> Result<()> {
    let now = db.clock().now();
    for one in db.read_few(move |conn| store::withdrawal::due(conn, now, BATCH)).await? {
        let Withdrawal { id, .. } = one.clone();
        match directory.withdraw(&one).await {
            Ok(()) => db.write(move |tx| store::withdrawal::done(tx, &id)).await?,
            Err(cause) => {
                tracing::warn!(%cause, "a consent can't be withdrawn now: it is tried again");
                db.write(move |tx| store::withdrawal::later(tx, &id, now + AGAIN)).await?;
            }
        }
    }
    Ok(())
}
