//! Which user has which e-mail address, as the directory knows it; its answer is remembered for a short while.
//! Called by rpc/free_busy.rs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_proto::directory::v1::ListUsersRequest;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use tokio::time::Instant;

/// How long an answer is good.
const LIFE: Duration = Duration::from_secs(30);
/// An answer that lacks somebody is good for less, and so is a silent directory.
const REST: Duration = Duration::from_secs(1);
/// How long a question waits for the directory.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pages of 1,000 users that are read at most.
const PAGES: usize = 50;

/// Users and their addresses. Cheap to clone.
#[derive(Clone)]
pub struct Users {
    link: Link,
    kept: Arc<Mutex<Kept>>,
}

/// The last answer, and when it came.
type Kept = Option<(Instant, Arc<Addresses>)>;

/// The addresses of all users, in lower case.
#[derive(Debug, Default)]
pub struct Addresses {
    login_of: HashMap<String, String>,
    address_of: HashMap<String, String>,
}

impl Addresses {
    /// Login name of who has this address.
    pub fn login(&self, address: &str) -> Option<&str> {
        self.login_of.get(&address.to_lowercase()).map(String::as_str)
    }

    /// The user's address; empty when there is none, or the directory could not be asked.
    pub fn address(&self, login: &str) -> &str {
        self.address_of.get(login).map_or("", String::as_str)
    }
}

impl Users {
    /// The users of the directory behind a link.
    pub fn new(link: Link) -> Users {
        Users { link, kept: Arc::default() }
    }

    /// All addresses. `wanted` are those that must be among them: an older answer without one is asked for anew. When the
    /// directory does not answer in time, what was known last.
    pub async fn addresses(&self, wanted: &[String]) -> Arc<Addresses> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, addresses)) = &kept {
            let complete = wanted.iter().all(|address| addresses.login(address).is_some());
            if at.elapsed() < if complete { LIFE } else { REST } {
                return addresses.clone();
            }
        }
        let read = tokio::time::timeout(PATIENCE, self.read()).await.ok().flatten();
        let addresses = read.map(Arc::new).or(kept.map(|(_, addresses)| addresses)).unwrap_or_default();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), addresses.clone()));
        addresses
    }

    async fn read(&self) -> Option<Addresses> {
        let mut client = UserServiceClient::new(self.link.clone()).max_decoding_message_size(MESSAGE_LIMIT);
        let mut addresses = Addresses::default();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let message = ListUsersRequest { page_size: 1_000, page_token, ..ListUsersRequest::default() };
            let page = match client.list_users(Caller::system().request(message)).await {
                Ok(page) => page.into_inner(),
                Err(status) => {
                    tracing::debug!(cause = status.message(), "the directory could not list the users");
                    return None;
                }
            };
            for user in page.users {
                let login = user.name.strip_prefix("users/").unwrap_or(&user.name).to_owned();
                let address = user.email.trim().to_lowercase();
                if !address.is_empty() {
                    addresses.login_of.entry(address.clone()).or_insert_with(|| login.clone());
                    addresses.address_of.insert(login, address);
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Some(addresses)
    }
}
