//! Push messages (WebDAV-Push, draft-bitfire-webdav-push-00): who registered for a collection is told soon after it changed.
//! Started by `calendar` and `directory`; `rpc::Server` keeps the registrations.
//!
//! What has to be told is seen from the change numbers: each registration remembers how far its client was told, so nothing is lost
//! when the process stops, and many changes are one message.

mod address;
mod deliver;
mod message;
mod post;
mod vapid;

use std::sync::Arc;
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::clock::Clock;
use kontor_kit::context::{Context, Push as Settings};
use kontor_kit::db::Db;
use kontor_kit::{Error, Result};
use tokio::sync::{Notify, Semaphore};
use tonic::Code;
use web_push_native::p256::PublicKey;

use crate::store::push as store;
use deliver::Courier;
use vapid::Key;

/// How often changes are looked for while somebody is registered. Changes in between are one message.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether another process took the first registration.
const LOOK_IDLE: Duration = Duration::from_secs(5);
/// Messages on their way at once.
const AT_ONCE: usize = 64;
/// How long a registration is good when the client says nothing, in microseconds.
const USUAL_LIFE: i64 = 30 * DAY;
/// And at most.
const LONGEST_LIFE: i64 = 90 * DAY;
const DAY: i64 = 86_400 * 1_000_000;

/// Users as they are now. The engine knows login names only.
pub trait Accounts: Clone + Send + Sync + 'static {
    /// The user as a caller; none when there is no such user, or the user is disabled.
    ///
    /// # Errors
    /// UNAVAILABLE when it can't be said now.
    fn caller(&self, login: &str) -> impl Future<Output = Result<Option<Caller>>> + Send;
}

/// The sending of one service. Cheap to clone.
#[derive(Clone)]
pub struct Push(Arc<Inner>);

struct Inner {
    key: Key,
    clock: Clock,
    settings: Settings,
    wake: Notify,
}

/// What a client asks for, checked.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub address: String,
    pub public_key: Vec<u8>,
    pub auth_secret: Vec<u8>,
    pub wants: store::Wants,
    /// Microseconds UTC.
    pub expire_time: i64,
}

impl Push {
    /// Reads the service's key, makes it at the first start, and sends for as long as the process runs. None when no message
    /// could go out.
    ///
    /// # Errors
    /// Those of the database; INTERNAL when the kept key is none.
    pub async fn start<A: Accounts>(context: &Context, db: &Db, accounts: A) -> Result<Option<Push>> {
        if !context.push.enabled {
            return Ok(None);
        }
        let fresh = Key::random();
        let secret = db.write(move |tx| store::key(tx, &fresh)).await?;
        let inner = Inner {
            key: Key::of_secret(&secret)?,
            clock: context.clock.clone(),
            settings: context.push.clone(),
            wake: Notify::new(),
        };
        let push = Push(Arc::new(inner));
        let courier = Courier::new(context, db, accounts, push.0.key.clone());
        context.spawn(look(push.clone(), context.clone(), db.clone(), courier));
        Ok(Some(push))
    }

    /// The public key for clients: base64url.
    pub(crate) fn public_key(&self) -> String {
        self.0.key.public()
    }

    /// Checks what a client asks for. `expire_time` in microseconds UTC, 0 when it says nothing.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason INVALID_SUBSCRIPTION.
    pub(crate) fn check(
        &self,
        address: String,
        public_key: &[u8],
        auth_secret: &[u8],
        wants: store::Wants,
        expire_time: i64,
    ) -> Result<Wish> {
        let refused = |what: &str| {
            Err(Error::new(
                Code::InvalidArgument,
                "INVALID_SUBSCRIPTION",
                format!("the subscription's {what}"),
            ))
        };
        if let Err(why) = address::check(&address, &self.0.settings) {
            return refused(&format!("address can't be used: {why}"));
        }
        if public_key.len() != 65 || PublicKey::from_sec1_bytes(public_key).is_err() {
            return refused("public key is no uncompressed point of P-256");
        }
        if auth_secret.len() != 16 {
            return refused("authentication secret has not 16 bytes");
        }
        let now = self.0.clock.now();
        let expire_time =
            if expire_time > now { expire_time.min(now + LONGEST_LIFE) } else { now + USUAL_LIFE };
        let (public_key, auth_secret) = (public_key.to_vec(), auth_secret.to_vec());
        Ok(Wish { address, public_key, auth_secret, wants, expire_time })
    }

    /// Somebody registered.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }
}

/// Looks for registrations whose collection changed, and hands each to the courier.
async fn look<A: Accounts>(push: Push, context: Context, db: Db, courier: Courier<A>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let now = context.clock.now();
        match store::due(&db, now, places.available_permits()).await {
            Ok((due, any)) => {
                for registration in due {
                    let Ok(place) = places.clone().try_acquire_owned() else { break };
                    let courier = courier.clone();
                    context.spawn(async move {
                        courier.deliver(registration).await;
                        drop(place);
                    });
                }
                if any {
                    tokio::time::sleep(LOOK).await;
                } else {
                    let _ = tokio::time::timeout(LOOK_IDLE, push.0.wake.notified()).await;
                }
            }
            Err(cause) => {
                tracing::warn!(cause = %cause, "push messages wait");
                tokio::time::sleep(LOOK_IDLE).await;
            }
        }
    }
}
