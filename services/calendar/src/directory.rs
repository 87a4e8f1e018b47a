//! Asks the directory which partners have an address, and remembers the answers for a while.
//! Called by hook.rs before a write and by tasks.rs for what has to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kontor_collection::Accounts;
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{GetPartnerRequest, GetTeamRequest, GetUserRequest, LookupPartnersRequest};
use tokio::time::Instant;
use tonic::Code;

use crate::store::items::With;

/// Answers that are remembered at most.
const REMEMBERED: usize = 10_000;
/// And for how long: a change in another process is not heard here.
const LIFE: Duration = Duration::from_secs(60);
/// How long the directory is left alone after it did not answer: each who asks would wait in vain.
const REST: Duration = Duration::from_secs(2);

/// The way to the directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    link: Link,
    remembered: Mutex<HashMap<String, (Instant, Vec<String>)>>,
    /// When it last did not answer.
    failed: Mutex<Option<Instant>>,
}

impl Directory {
    /// The directory behind a link.
    pub fn new(link: Link) -> Directory {
        Directory(Arc::new(Inner { link, remembered: Mutex::default(), failed: Mutex::default() }))
    }

    async fn find(&self, addresses: &[String], deadline: Duration) -> Option<Vec<With>> {
        let found = tokio::time::timeout(deadline, self.find_all(addresses)).await.ok().flatten();
        let failed = found.is_none().then(Instant::now);
        *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        found
    }

    /// The partners that have one of these addresses. None when the directory could not be asked in time; it is not even
    /// asked when it has just been silent.
    pub async fn find_soon(&self, addresses: &[String], deadline: Duration) -> Option<Vec<With>> {
        let failed = *self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some_and(|at| at.elapsed() < REST) {
            return None;
        }
        self.find(addresses, deadline).await
    }

    /// Addresses of a partner, in lower case; empty when there is no such partner. None when the directory could not be asked.
    pub async fn addresses(&self, partner: &str) -> Option<Vec<String>> {
        let request = Caller::system().request(GetPartnerRequest { name: partner.to_owned() });
        let answer =
            tokio::time::timeout(Duration::from_secs(5), self.client().get_partner(request)).await.ok()?;
        match answer {
            Ok(partner) => {
                let emails = partner.into_inner().emails;
                Some(emails.into_iter().map(|email| email.address.trim().to_lowercase()).collect())
            }
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                Some(Vec::new())
            }
            Err(_) => None,
        }
    }

    /// Whether there is a user ("users/{user}") or a team ("teams/{team}") of this name.
    ///
    /// # Errors
    /// UNAVAILABLE when the directory does not answer.
    pub async fn knows(&self, name: &str) -> kontor_kit::Result<bool> {
        let (name, link) = (name.to_owned(), self.0.link.clone());
        let asked = async {
            let system = Caller::system();
            if name.starts_with("teams/") {
                let mut client = TeamServiceClient::new(link);
                client.get_team(system.request(GetTeamRequest { name })).await.map(|_| ())
            } else {
                let mut client = UserServiceClient::new(link);
                client.get_user(system.request(GetUserRequest { name })).await.map(|_| ())
            }
        };
        match tokio::time::timeout(Duration::from_secs(5), asked).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(status)) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(false),
            _ => Err(kontor_kit::Error::unavailable("the directory does not answer: try again")),
        }
    }

    /// The user as a caller with the teams of now; none when there is no such user, or the user is disabled.
    ///
    /// # Errors
    /// UNAVAILABLE when the directory does not answer.
    pub async fn caller(&self, login: &str) -> kontor_kit::Result<Option<Caller>> {
        let mut client = UserServiceClient::new(self.0.link.clone());
        let request = Caller::system().request(GetUserRequest { name: format!("users/{login}") });
        match tokio::time::timeout(Duration::from_secs(5), client.get_user(request)).await {
            Ok(Ok(user)) => Ok(Some(user.into_inner()).filter(|user| !user.disabled).map(Caller::of_user)),
            Ok(Err(status)) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(None),
            _ => Err(kontor_kit::Error::unavailable("the directory does not answer: try again")),
        }
    }

    /// Forgets all answers, after a change of partners.
    pub fn forget(&self) {
        self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn find_all(&self, addresses: &[String]) -> Option<Vec<With>> {
        let mut with = Vec::new();
        for address in addresses.iter().filter(|address| is_mail(address)) {
            let partners = match self.remembered(address) {
                Some(partners) => partners,
                None => self.ask(address).await?,
            };
            with.extend(partners.into_iter().map(|partner| (partner, address.clone())));
        }
        Some(with)
    }

    async fn ask(&self, address: &str) -> Option<Vec<String>> {
        let message = LookupPartnersRequest { email: address.to_owned(), ..LookupPartnersRequest::default() };
        let partners: Vec<String> =
            match self.client().lookup_partners(Caller::system().request(message)).await {
                Ok(answer) => answer.into_inner().partners.into_iter().map(|partner| partner.name).collect(),
                Err(status) if status.code() == Code::InvalidArgument => Vec::new(),
                Err(status) => {
                    tracing::debug!(cause = status.message(), "the directory could not look up an address");
                    return None;
                }
            };
        let mut remembered = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(address.to_owned(), (Instant::now(), partners.clone()));
        Some(partners)
    }

    fn remembered(&self, address: &str) -> Option<Vec<String>> {
        let remembered = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(address).filter(|(at, _)| at.elapsed() < LIFE).map(|(_, partners)| partners.clone())
    }

    fn client(&self) -> PartnerServiceClient<Link> {
        PartnerServiceClient::new(self.0.link.clone()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}

impl Accounts for Directory {
    async fn caller(&self, login: &str) -> kontor_kit::Result<Option<Caller>> {
        Directory::caller(self, login).await
    }
}

fn is_mail(address: &str) -> bool {
    address.len() <= 320 && address.contains('@') && !address.contains(':')
}
