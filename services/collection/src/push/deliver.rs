//! One message to one registration: is it still allowed, is there news, and what became of it.
//! Called by the loop in mod.rs.

use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::{Error, Result};
use tonic::Code;

use super::message::{self, News};
use super::post::{Post, Said};
use super::vapid::Key;
use super::{Accounts, address};
use crate::model::{Collection, Target};
use crate::store::collection;
use crate::store::push::{self as store, Registration};

/// Failures in a row after which a registration is given up; with the pauses that is three hours.
const TRIES: i64 = 12;
/// First pause after a failure, in seconds. It doubles each time.
const FIRST_PAUSE: i64 = 5;
/// Longest pause.
const LONGEST_PAUSE: i64 = 3_600;
/// Seconds between two messages to one registration. What changes meanwhile is one message.
const BETWEEN: i64 = 5;
const SECOND: i64 = 1_000_000;

/// Takes messages to push services. Cheap to clone.
#[derive(Clone)]
pub struct Courier<A> {
    context: Context,
    db: Db,
    accounts: A,
    key: Key,
    post: Post,
}

/// What became of a registration.
enum Outcome {
    /// Its client knows all up to this state of the collection; whether a message went out.
    Told(Box<Collection>, bool),
    /// Once more, after so many seconds.
    Again(i64),
    /// Nobody wants to hear it, or may.
    Over,
}

impl<A: Accounts> Courier<A> {
    /// A courier for one service.
    pub fn new(context: &Context, db: &Db, accounts: A, key: Key) -> Courier<A> {
        let post = Post::new(context.push.private_addresses);
        Courier { context: context.clone(), db: db.clone(), accounts, key, post }
    }

    /// Tells a registration what is new.
    pub async fn deliver(&self, to: Registration) {
        let outcome = self.attempt(&to).await.unwrap_or_else(|cause| {
            tracing::debug!(cause = %cause, "a push message waits");
            Outcome::Again(FIRST_PAUSE)
        });
        let now = self.context.clock.now();
        let kept = match outcome {
            Outcome::Told(collection, sent) => {
                count(if sent { "sent" } else { "unwanted" });
                let next_time = if sent { now + BETWEEN * SECOND } else { now };
                self.db.write(move |tx| store::told(tx, &to.id, &collection, next_time)).await
            }
            Outcome::Again(_) if to.tries + 1 >= TRIES => self.forget(to, "given up").await,
            Outcome::Again(pause) => {
                count("failed");
                self.db.write(move |tx| store::failed(tx, &to.id, now + pause * SECOND)).await
            }
            Outcome::Over => self.forget(to, "ended").await,
        };
        if let Err(cause) = kept {
            tracing::warn!(cause = %cause, "what became of a push message was not kept");
        }
    }

    async fn forget(&self, registration: Registration, why: &'static str) -> Result<()> {
        count(why);
        tracing::info!(
            registration = registration.id,
            user = registration.login,
            why,
            "a push registration is over"
        );
        self.db.write(move |tx| store::remove(tx, &registration.id)).await
    }

    async fn attempt(&self, to: &Registration) -> Result<Outcome> {
        // The settings may have changed since it was registered.
        if address::check(&to.address, &self.context.push).is_err() {
            return Ok(Outcome::Over);
        }
        let Some(caller) = self.accounts.caller(&to.login).await? else { return Ok(Outcome::Over) };
        let (registration, target) = (to.clone(), Target::id(&to.collection));
        let read = self.db.read(move |conn| {
            let (collection, _) = collection::find(conn, &caller, &target)?;
            let what = store::news(conn, &registration, &collection)?;
            Ok((collection, what))
        });
        let (collection, what) = match read.await {
            Ok(found) => found,
            // The collection is gone, or is no longer shared with this user.
            Err(cause) if cause.code() == Code::NotFound => return Ok(Outcome::Over),
            Err(cause) => return Err(cause),
        };
        if !what.content && !what.properties {
            return Ok(Outcome::Told(Box::new(collection), false));
        }
        let news = News { id: collection.id.clone(), seq: collection.seq, what };
        let now = self.context.clock.now();
        let request = message::request(to, &news, &self.key, &self.context.push.contact, now);
        let request = match request {
            Ok(request) => request,
            Err(cause) => return unusable(&cause),
        };
        Ok(match self.post.send(request).await {
            Said::Yes => Outcome::Told(Box::new(collection), true),
            Said::Gone => Outcome::Over,
            Said::Later(pause) => Outcome::Again(pause.unwrap_or_else(|| pause_after(to.tries))),
        })
    }
}

/// What was checked when it was registered can't be used after all: it never will be.
fn unusable(cause: &Error) -> Result<Outcome> {
    tracing::warn!(cause = %cause, "a push registration can't be used");
    Ok(Outcome::Over)
}

fn pause_after(tries: i64) -> i64 {
    let doubled = u32::try_from(tries).ok().and_then(|tries| FIRST_PAUSE.checked_shl(tries.min(20)));
    doubled.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

fn count(outcome: &'static str) {
    metrics::counter!("kontor_push_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_all_of_them_are_some_hours() {
        assert_eq!((pause_after(0), pause_after(1), pause_after(4)), (5, 10, 80));
        assert_eq!((pause_after(40), pause_after(-1)), (LONGEST_PAUSE, LONGEST_PAUSE));
        let all: i64 = (0..TRIES).map(pause_after).sum();
        assert!((2 * 3_600..5 * 3_600).contains(&all), "{all}");
    }
}
