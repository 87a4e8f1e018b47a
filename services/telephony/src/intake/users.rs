//! Who has which extension: a small table, read from directory at most once a minute and after each change of a user.
//! Called by the intake for each batch; lib.rs connects it to directory's events.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::outbox::is;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{GetUserRequest, ListUsersRequest, User, UserCreated, UserUpdated};
use kontor_proto::r#type::v1::Event;
use tokio::sync::Mutex;

/// How old the table may get when no event tells of a change, which may go to another process.
const AGE: Duration = Duration::from_secs(60);
/// How old it may get when an extension is not in it: queues and doors have extensions too, so not at each event.
const UNKNOWN_AGE: Duration = Duration::from_millis(500);
/// Patience for reading it; afterwards the old one is used.
const PATIENCE: Duration = Duration::from_millis(500);
/// Pages of 1,000 users that are read.
const PAGES: usize = 10;

/// A user with a telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// "users/{user}"
    pub user: String,
    /// First team: "teams/{team}", or empty.
    pub team: String,
}

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct Users(Arc<Inner>);

/// By extension.
type Table = Arc<HashMap<String, Staff>>;

struct Inner {
    client: UserServiceClient<Link>,
    /// And when it was read.
    table: RwLock<(Table, Option<Instant>)>,
    stale: AtomicBool,
    reading: Mutex<()>,
}

impl Users {
    /// An empty table over directory.
    pub fn new(directory: Link) -> Self {
        let client = UserServiceClient::new(directory).max_decoding_message_size(MESSAGE_LIMIT);
        Users(Arc::new(Inner {
            client,
            table: RwLock::new((Arc::default(), None)),
            stale: AtomicBool::new(true),
            reading: Mutex::new(()),
        }))
    }

    /// Hears from directory when a user changes.
    pub fn listen(&self, context: &Context, db: &Db) {
        let users = self.clone();
        let wants = |event: &Event| is::<UserCreated>(event) || is::<UserUpdated>(event);
        context.bus.listen_for(context, "directory", "telephony.users", db.clone(), wants, move |_, _| {
            users.0.stale.store(true, Ordering::SeqCst);
            Ok(())
        });
    }

    /// All users by extension; those known before when directory can't be reached.
    /// An extension of `asked` that nobody has may have been given a moment ago, so then the table is read again sooner.
    pub async fn all(&self, asked: &BTreeSet<&str>) -> Table {
        let (table, read_at) = self.table();
        let age =
            if asked.iter().all(|extension| table.contains_key(*extension)) { AGE } else { UNKNOWN_AGE };
        let fresh = read_at.is_some_and(|at| at.elapsed() < age) && !self.0.stale.load(Ordering::SeqCst);
        if fresh {
            return table;
        }
        match tokio::time::timeout(PATIENCE, self.read()).await {
            Ok(Ok(table)) => table,
            Ok(Err(cause)) => {
                tracing::warn!(cause = %cause, "the extensions of users can't be read");
                table
            }
            Err(_) => table,
        }
    }

    fn table(&self) -> (Table, Option<Instant>) {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(&self) -> Result<Table> {
        let asked = Instant::now();
        let _one = self.0.reading.lock().await;
        if let (table, Some(at)) = self.table()
            && at > asked
            && !self.0.stale.load(Ordering::SeqCst)
        {
            return Ok(table);
        }
        // before the reading: a change in the middle makes it stale again
        self.0.stale.store(false, Ordering::SeqCst);
        let table = self.read_all().await.inspect_err(|_| self.0.stale.store(true, Ordering::SeqCst))?;
        let table = Arc::new(table);
        *self.0.table.write().unwrap_or_else(PoisonError::into_inner) = (table.clone(), Some(Instant::now()));
        Ok(table)
    }

    async fn read_all(&self) -> Result<HashMap<String, Staff>> {
        let mut client = self.0.client.clone();
        let mut table = HashMap::new();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let message = ListUsersRequest { page_size: 1_000, page_token, ..Default::default() };
            let answer = client.list_users(Caller::system().request(message)).await?.into_inner();
            let with_telephone = answer.users.into_iter().filter(|user| !user.extension.is_empty());
            table.extend(with_telephone.map(|user| (user.extension.clone(), staff(user))));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(table)
    }

    /// A user as the directory has it now.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE and others of directory.
    pub async fn get(&self, user: &str) -> Result<User> {
        let mut client = self.0.client.clone();
        let request = Caller::system().request(GetUserRequest { name: user.to_owned() });
        Ok(client.get_user(request).await?.into_inner())
    }

    /// A user's teams: "teams/{team}".
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE and others of directory.
    pub async fn teams(&self, user: &str) -> Result<Vec<String>> {
        Ok(self.get(user).await?.teams)
    }
}

fn staff(user: User) -> Staff {
    Staff { team: user.teams.into_iter().next().unwrap_or_default(), user: user.name }
}
