//! Whom something is shared with: from the addresses that clients write to users and teams, and from these to their names.
//! Called by POST of a CS:share and by PROPFIND of CS:invite.

use std::collections::HashMap;

use http::StatusCode;
use kontor_proto::collection::v1::Collection;
use kontor_proto::directory::v1::{ListUsersRequest, User};

use super::error::Failure;
use super::path::Place;
use super::properties::record;
use super::{Call, limits};

/// Users in one page of the directory's list.
const PAGE: i32 = 1_000;

/// Finds users and teams by hrefs; the directory's addresses are read once, when the first e-mail address comes.
#[derive(Default)]
pub struct Book {
    /// Login name by e-mail address in lower case; none for an address that several users have.
    by_address: Option<HashMap<String, Option<String>>>,
}

impl Book {
    /// The user or team of a principal's path or a mailto: address, as shares name it. None when there is none.
    ///
    /// # Errors
    /// What the directory answers.
    pub async fn find(&mut self, call: &Call<'_>, href: &str) -> Result<Option<String>, Failure> {
        // By the name that the directory has, for "me" is whoever asks.
        let found = match named(href) {
            Some(Place::Principal(user)) => record::load_user(call, &user).await.map(|user| user.name),
            Some(Place::Team(team)) => record::load_team(call, &team).await.map(|team| team.name),
            _ => return self.by_address(call, href).await,
        };
        match found {
            Ok(name) => Ok(Some(name)),
            Err(failure) if failure.status() == StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The same for a share that ends, whose user or team need not exist any more.
    ///
    /// # Errors
    /// What the directory answers.
    pub async fn find_gone(&mut self, call: &Call<'_>, href: &str) -> Result<Option<String>, Failure> {
        match named(href) {
            Some(Place::Principal(user)) => Ok(Some(format!("users/{user}"))),
            Some(Place::Team(team)) => Ok(Some(format!("teams/{team}"))),
            _ => self.by_address(call, href).await,
        }
    }

    async fn by_address(&mut self, call: &Call<'_>, href: &str) -> Result<Option<String>, Failure> {
        let is_mail = href.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
        let Some(address) = href.get(7..).filter(|address| is_mail && address.contains('@')) else {
            return Ok(None);
        };
        let address = percent_encoding::percent_decode_str(address).decode_utf8_lossy().trim().to_lowercase();
        if self.by_address.is_none() {
            self.by_address = Some(addresses(call).await?);
        }
        let found = self.by_address.as_ref().and_then(|all| all.get(&address)).cloned().flatten();
        Ok(found.map(|login| format!("users/{login}")))
    }
}

/// A user or a team by its path.
fn named(href: &str) -> Option<Place> {
    let place = Place::of_href(href).ok().filter(|_| href.contains('/'))?;
    matches!(place, Place::Principal(_) | Place::Team(_)).then_some(place)
}

/// Whose address is whose, of all who can sign in.
async fn addresses(call: &Call<'_>) -> Result<HashMap<String, Option<String>>, Failure> {
    let mut all: HashMap<String, Option<String>> = HashMap::new();
    let (mut page_token, mut seen) = (String::new(), 0);
    loop {
        let message = ListUsersRequest { page_size: PAGE, page_token, ..ListUsersRequest::default() };
        let page = call.dav.users.clone().list_users(call.request(message)).await;
        let page = page.map_err(|status| call.failure(&status))?.into_inner();
        seen += page.users.len();
        for User { name, email, disabled, .. } in page.users {
            let address = email.trim().to_lowercase();
            if address.is_empty() || disabled {
                continue;
            }
            let login = name.strip_prefix("users/").unwrap_or(&name).to_owned();
            // It must not be a guess with whom something is shared.
            all.entry(address).and_modify(|user| *user = None).or_insert(Some(login));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() || seen >= limits::PRINCIPALS_LOOKED_AT {
            return Ok(all);
        }
    }
}

/// Writes the names of users and teams into the shares; those that the directory does not tell stay empty.
pub async fn name(call: &Call<'_>, collections: &mut [Collection]) {
    let mut names: HashMap<String, String> = HashMap::new();
    for share in collections.iter_mut().flat_map(|collection| collection.shares.iter_mut()) {
        if !names.contains_key(&share.grantee) {
            if names.len() == limits::SHAREES_NAMED {
                return;
            }
            names.insert(share.grantee.clone(), name_of(call, &share.grantee).await);
        }
        share.display_name.clone_from(&names[&share.grantee]);
    }
}

async fn name_of(call: &Call<'_>, grantee: &str) -> String {
    match grantee.split_once('/') {
        Some(("teams", team)) => {
            record::load_team(call, team).await.map(|team| team.display_name).unwrap_or_default()
        }
        Some((_, user)) => {
            record::load_user(call, user).await.map(|user| user.display_name).unwrap_or_default()
        }
        None => String::new(),
    }
}
