//! Checking secrets: app passwords first, then account passwords, with a bounded cache and the limit on wrong tries.
//! Called by rpc/check.rs, and by rpc/user.rs, rpc/team.rs and rpc/app_password.rs to end cached sign-ins.
//!
//! In one process the writer's commit empties the cache, so a revocation works at once. Another process that serves the same
//! database (a second copy, or `kontor token` on the command line) is noticed by the generation, which is read again every two seconds; the edge
//! asks again a second later at most.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kontor_kit::clock::Clock;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Tx};
pub use kontor_kit::secret::random;
use kontor_kit::{Error, Result};
use kontor_proto::directory::v1::CheckCredentialResponse;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::user::to_proto;
use crate::domain::credential::{self, AppSecret, LONGEST, Password};
use crate::domain::limit::Limits;
use crate::domain::sign_in_cache::{Cache, Key, Seen};
use crate::store;
use crate::store::credential::AppPassword;

/// Argon2 runs at once: each takes 19 MiB and a core for some 20 ms.
const SLOTS: usize = 2;
/// Sign-ins that may wait for such a run.
const WAITING: usize = 128;
/// How long a cached answer is good without reading the generation again.
const TRUST: Duration = Duration::from_secs(2);
/// How often the last use of an app password is written.
const MINUTE: Duration = Duration::from_secs(60);

/// All sign-ins of this process. Cheap to clone.
#[derive(Clone)]
pub struct SignIns(Arc<Inner>);

struct Inner {
    context: Context,
    db: Db,
    clock: Clock,
    cache: Mutex<Cache<CheckCredentialResponse>>,
    limits: Mutex<Limits>,
    slots: Semaphore,
    waiting: Semaphore,
    /// Hash of a password that nobody has: an unknown user costs as much as a wrong password.
    nobody: tokio::sync::OnceCell<String>,
}

/// What the edge was given.
pub struct Attempt {
    /// Login name; empty with a bearer token.
    pub user: String,
    /// Password, app password or token.
    pub secret: String,
    /// Address of the peer.
    pub peer: String,
}

impl SignIns {
    /// The sign-ins of one started service.
    pub fn new(context: &Context, db: &Db) -> Self {
        SignIns(Arc::new(Inner {
            context: context.clone(),
            db: db.clone(),
            clock: context.clock.clone(),
            cache: Mutex::new(Cache::new(random(), random())),
            limits: Mutex::new(Limits::default()),
            slots: Semaphore::new(SLOTS),
            waiting: Semaphore::new(WAITING),
            nobody: tokio::sync::OnceCell::new(),
        }))
    }

    /// Says who it is.
    ///
    /// # Errors
    /// UNAUTHENTICATED when it is wrong; RESOURCE_EXHAUSTED with the time to wait after too many wrong tries.
    pub async fn check(&self, mut attempt: Attempt) -> Result<CheckCredentialResponse> {
        // Telephones like to write the first letter large.
        attempt.user = attempt.user.trim().to_ascii_lowercase();
        // PostgreSQL takes no NUL in a text, and no login name has one.
        let no_user = attempt.user.len() > 64 || attempt.user.contains('\0');
        if no_user || attempt.secret.is_empty() || attempt.secret.len() > LONGEST {
            self.check_limit(&attempt)?;
            return Err(self.wrong(&attempt));
        }
        let (key, epoch) = self.cache(|cache| (cache.key(&attempt.user, &attempt.secret), cache.epoch()));
        if let Some(answer) = self.cached(&key).await? {
            // A device that holds a right app password goes on while another one behind the same address guesses.
            if answer.app_password.is_empty() {
                self.check_limit(&attempt)?;
            }
            return Ok(answer);
        }
        if let Some(answer) = self.by_app_password(&attempt).await? {
            self.remember(key, epoch, &answer);
            return Ok(answer);
        }
        self.check_limit(&attempt)?;
        if attempt.user.is_empty() {
            return Err(self.wrong(&attempt));
        }
        self.by_password(&attempt, key, epoch).await
    }

    /// Moves whenever answers that were given are no longer true.
    pub fn ended(&self) -> Arc<AtomicU64> {
        self.cache(|cache| cache.shared_epoch())
    }

    /// Ends the cached sign-ins of a user when this transaction is committed.
    pub fn end_on_commit(&self, tx: &mut Tx<'_>, user: &str) {
        let (sign_ins, user) = (self.clone(), user.to_owned());
        tx.on_commit(move || sign_ins.cache(|cache| cache.forget(&user)));
    }

    /// Whether a user knows the account password: asked when it is changed. Counted like a sign-in from the address "change".
    ///
    /// # Errors
    /// PERMISSION_DENIED when it is wrong; RESOURCE_EXHAUSTED after too many wrong tries.
    pub async fn check_current_password(&self, user: &str, secret: &str) -> Result<()> {
        let attempt = Attempt { user: user.to_owned(), secret: secret.to_owned(), peer: "change".to_owned() };
        let kept = self.kept(user).await?.map(|kept| kept.password).unwrap_or_default();
        let _slot = self.slot().await?;
        self.check_limit(&attempt)?;
        if secret.len() <= LONGEST && self.verify(secret, kept).await? {
            return Ok(());
        }
        self.wrong(&attempt);
        Err(Error::denied("current_password: it is wrong"))
    }

    /// The text to keep of a password.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when too many wait.
    pub async fn hash(&self, password: Password) -> Result<String> {
        let _slot = self.slot().await?;
        hash(password).await
    }

    async fn cached(&self, key: &Key) -> Result<Option<CheckCredentialResponse>> {
        let now = self.0.clock.now();
        let Some(seen) = self.cache(|cache| cache.find(key)) else { return Ok(None) };
        // A clock that was set back is no reason to trust for longer.
        if !(0..micros(TRUST)).contains(&now.saturating_sub(seen.checked_time)) {
            let generation = self.kept(&seen.user).await?.map(|kept| kept.generation);
            if generation != Some(seen.answer.generation) {
                self.cache(|cache| cache.forget(&seen.user));
                return Ok(None);
            }
            self.cache(|cache| cache.confirm(key, now));
        }
        if !seen.answer.app_password.is_empty() && now.saturating_sub(seen.used_time) >= micros(MINUTE) {
            self.cache(|cache| cache.mark_used(key, now));
            self.write_use(&seen.answer.app_password);
        }
        Ok(Some(seen.answer))
    }

    async fn by_app_password(&self, attempt: &Attempt) -> Result<Option<CheckCredentialResponse>> {
        let Some(secret) = AppSecret::read(&attempt.secret) else { return Ok(None) };
        let hash = credential::hash_of(&secret);
        let user = attempt.user.clone();
        let found = self
            .0
            .db
            .read(move |conn| {
                let Some((record, kept)) = store::credential::find_app_password(conn, hash)? else {
                    return Ok(None);
                };
                let same =
                    bool::from(kept.as_slice().ct_eq(&hash)) && (user.is_empty() || user == record.user);
                if !same {
                    return Ok(None);
                }
                let answer = answer(conn, &record.user, Some(&record))?;
                Ok(answer.map(|answer| (answer, record)))
            })
            .await?;
        let Some((answer, record)) = found else { return Ok(None) };
        if self.0.clock.now().saturating_sub(record.last_use_time) >= micros(MINUTE) {
            self.write_use(&answer.app_password);
        }
        Ok(Some(answer))
    }

    async fn by_password(&self, attempt: &Attempt, key: Key, epoch: u64) -> Result<CheckCredentialResponse> {
        let _slot = self.slot().await?;
        // While it waited, the same device may have got through with another request, or the limit was reached.
        self.check_limit(attempt)?;
        if let Some(answer) = self.cached(&key).await? {
            return Ok(answer);
        }
        let user = attempt.user.clone();
        let found = self
            .0
            .db
            .read(move |conn| {
                let kept = store::credential::find(conn, &user)?.map(|kept| kept.password);
                Ok((kept.unwrap_or_default(), answer(conn, &user, None)?))
            })
            .await?;
        let (kept, answer) = found;
        let right = self.verify(&attempt.secret, kept).await?;
        match answer.filter(|_| right) {
            Some(answer) => {
                self.remember(key, epoch, &answer);
                Ok(answer)
            }
            None => Err(self.wrong(attempt)),
        }
    }

    async fn verify(&self, secret: &str, kept: String) -> Result<bool> {
        let nobody = self
            .0
            .nobody
            .get_or_try_init(|| async {
                hash(Password::any(&AppSecret::from_random(random()).shown())?).await
            })
            .await?;
        let kept = if kept.is_empty() { nobody.clone() } else { kept };
        let secret = secret.to_owned();
        let verify = tokio::task::spawn_blocking(move || credential::is_password(&secret, &kept));
        verify.await.map_err(Error::internal)
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>> {
        let busy = |_| Error::exhausted("too many sign-ins at once: try again", Duration::from_secs(1));
        let _place = self.0.waiting.try_acquire().map_err(busy)?;
        self.0.slots.acquire().await.map_err(Error::internal)
    }

    async fn kept(&self, user: &str) -> Result<Option<store::credential::Credential>> {
        let user = user.to_owned();
        self.0.db.read(move |conn| store::credential::find(conn, &user)).await
    }

    fn check_limit(&self, attempt: &Attempt) -> Result<()> {
        let now = self.0.clock.now();
        let limits = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        match limits.wait(&attempt.user, &attempt.peer, now) {
            None => Ok(()),
            Some(wait) => Err(Error::exhausted("too many wrong sign-ins: wait, then try again", wait)),
        }
    }

    fn wrong(&self, attempt: &Attempt) -> Error {
        let now = self.0.clock.now();
        let mut limits = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.note(&attempt.user, &attempt.peer, now);
        tracing::info!(user = attempt.user, peer = attempt.peer, "wrong sign-in");
        Error::unauthenticated("the user name or the password is wrong")
    }

    fn remember(&self, key: Key, epoch: u64, answer: &CheckCredentialResponse) {
        let now = self.0.clock.now();
        let user = answer.user.as_ref().map_or("", |user| user.name.as_str());
        let user = user.strip_prefix("users/").unwrap_or(user).to_owned();
        let seen = Seen { user, answer: answer.clone(), checked_time: now, used_time: now };
        self.cache(|cache| cache.insert(key, epoch, seen));
    }

    /// Notes the use of an app password, without letting the caller wait for the disk.
    fn write_use(&self, name: &str) {
        let Some(id) = name.rsplit('/').next().map(str::to_owned) else { return };
        let db = self.0.db.clone();
        self.0.context.spawn(async move {
            if let Err(cause) = db.write(move |tx| store::credential::mark_used(tx, &id)).await {
                tracing::warn!(cause = %cause, "could not note the use of an app password");
            }
        });
    }

    fn cache<T>(&self, job: impl FnOnce(&mut Cache<CheckCredentialResponse>) -> T) -> T {
        job(&mut self.0.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The answer for a user that may sign in; none for others.
fn answer(
    conn: &mut kontor_kit::db::Conn<'_>,
    user: &str,
    app_password: Option<&AppPassword>,
) -> Result<Option<CheckCredentialResponse>> {
    let Some(profile) = store::user::find(conn, user)? else { return Ok(None) };
    let Some(kept) = store::credential::find(conn, user)? else { return Ok(None) };
    if profile.user.details.disabled {
        return Ok(None);
    }
    let app_password = app_password.map(|record| format!("users/{user}/appPasswords/{}", record.id));
    Ok(Some(CheckCredentialResponse {
        user: Some(to_proto(profile)),
        generation: kept.generation,
        app_password: app_password.unwrap_or_default(),
    }))
}

/// Hashes a password on a thread of its own.
///
/// # Errors
/// INTERNAL.
pub async fn hash(password: Password) -> Result<String> {
    let salt = random();
    tokio::task::spawn_blocking(move || password.hash(salt)).await.map_err(Error::internal)?
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
