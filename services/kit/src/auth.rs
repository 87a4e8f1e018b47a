//! Who calls, and who may see what: the one place that decides.
//! Every rpc file asks `Caller::of`; stores add `Caller::scope` to their lists.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use kontor_proto::directory::v1::User;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::db::Value;
use crate::{Error, Result};

/// Header that carries a signed caller between processes of one installation. The edge drops it from outside requests.
pub const CALLER_HEADER: &str = "x-kontor-caller";

/// The user or program that a request comes from. Cheap to clone: every request hands it on several times.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Account", into = "Account")]
pub struct Caller(Arc<Known>);

#[derive(PartialEq, Eq)]
struct Known {
    account: Account,
    /// "users/{user}", or empty.
    name: Arc<str>,
}

/// What is known of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Login name: "sales". Empty for the installation itself.
    pub user: String,
    /// Name for people.
    pub display_name: String,
    /// May see and manage everything.
    pub admin: bool,
    /// Ids of the teams that the user belongs to.
    pub teams: Vec<String>,
    /// Ids of the teams that the user leads.
    pub led_teams: Vec<String>,
    /// IANA zone of the user; empty means the installation's.
    pub time_zone: String,
    /// True when one of Kontor's own services calls on its own behalf.
    pub system: bool,
}

impl From<Account> for Caller {
    fn from(account: Account) -> Caller {
        let name = match account.user.as_str() {
            "" => "".into(),
            user => format!("users/{user}").into(),
        };
        Caller(Arc::new(Known { account, name }))
    }
}

impl From<Caller> for Account {
    fn from(caller: Caller) -> Account {
        caller.0.account.clone()
    }
}

impl Deref for Caller {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0.account
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.account.fmt(into)
    }
}

static SYSTEM: LazyLock<Caller> = LazyLock::new(|| {
    Caller::from(Account {
        user: String::new(),
        display_name: "Kontor".to_owned(),
        admin: true,
        teams: Vec::new(),
        led_teams: Vec::new(),
        time_zone: String::new(),
        system: true,
    })
});

impl Caller {
    /// Whether this one may all that another one may: the same user later, while a stream is open.
    pub fn may_all_of(&self, before: &Caller) -> bool {
        let has = |now: &[String], then: &[String]| then.iter().all(|team| now.contains(team));
        self.admin
            || (!before.admin && has(&self.teams, &before.teams) && has(&self.led_teams, &before.led_teams))
    }

    /// The installation itself: background work, demo data, the command line.
    pub fn system() -> Self {
        SYSTEM.clone()
    }

    /// The caller of a request. Deny by default: without one it is UNAUTHENTICATED.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Caller> {
        request.extensions().get::<Caller>().cloned().ok_or_else(|| {
            Error::unauthenticated(
                "sign in first: send `authorization: Bearer TOKEN` or `authorization: Basic ...`",
            )
        })
    }

    /// The caller that a user of the directory is.
    pub fn of_user(user: User) -> Self {
        let ids = |names: Vec<String>| {
            names.into_iter().filter_map(|name| name.strip_prefix("teams/").map(str::to_owned)).collect()
        };
        Caller::from(Account {
            user: user.name.strip_prefix("users/").unwrap_or(&user.name).to_owned(),
            display_name: user.display_name,
            admin: user.admin,
            teams: ids(user.teams),
            led_teams: ids(user.led_teams),
            time_zone: user.time_zone,
            system: false,
        })
    }

    /// A request to another service on behalf of this caller.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.extensions_mut().insert(self.clone());
        request
    }

    /// Resource name: "users/sales"; empty for the installation itself.
    pub fn name(&self) -> String {
        self.0.name.as_ref().to_owned()
    }

    /// The same, shared.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// The team that new records of this caller get: "teams/{team}", or empty.
    pub fn first_team(&self) -> String {
        self.teams.first().map(|team| format!("teams/{team}")).unwrap_or_default()
    }

    /// Only for administrators.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn must_be_admin(&self) -> Result<()> {
        if self.admin { Ok(()) } else { Err(Error::denied("only an administrator may do this")) }
    }

    /// Only for Kontor's own services, the gateway among them.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn must_be_system(&self) -> Result<()> {
        if self.system { Ok(()) } else { Err(Error::denied("this method is spoken between services only")) }
    }

    /// Whether the caller leads this team ("teams/{team}").
    pub fn leads(&self, team: &str) -> bool {
        team.strip_prefix("teams/").is_some_and(|team| self.led_teams.iter().any(|led| led == team))
    }

    /// Whether the caller belongs to this team ("teams/{team}").
    pub fn belongs_to(&self, team: &str) -> bool {
        team.strip_prefix("teams/").is_some_and(|team| self.teams.iter().any(|own| own == team))
    }

    /// Whether the caller may see a record: administrators, its owner, its team; everyone when it has no team and no owner.
    pub fn may_read(&self, guard: &Guard) -> bool {
        self.admin
            || guard.is_company()
            || (!guard.owner.is_empty() && *guard.owner == *self.0.name)
            || self.belongs_to(&guard.team)
            || self.leads(&guard.team)
    }

    /// Whether the caller may change a record: administrators, its owner, its team's leaders; when nobody owns it, its team,
    /// and everyone when it has no team either.
    pub fn may_write(&self, guard: &Guard) -> bool {
        self.admin
            || (!guard.owner.is_empty() && *guard.owner == *self.0.name)
            || self.leads(&guard.team)
            || (guard.owner.is_empty() && (guard.team.is_empty() || self.belongs_to(&guard.team)))
    }

    /// Checks for reading. What may not be seen does not exist.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub fn must_read(&self, guard: &Guard, name: &str) -> Result<()> {
        if self.may_read(guard) { Ok(()) } else { Err(Error::not_found(name)) }
    }

    /// Checks for writing.
    ///
    /// # Errors
    /// NOT_FOUND when it may not be seen, PERMISSION_DENIED when it may not be changed.
    pub fn must_write(&self, guard: &Guard, name: &str) -> Result<()> {
        self.must_read(guard, name)?;
        if self.may_write(guard) {
            return Ok(());
        }
        Err(Error::denied(format!("{name} belongs to someone else: ask its owner or the team's leader")))
    }

    /// The same rule as `may_read`, as an SQL condition on two text columns; its arguments are added to `args`.
    pub fn scope(&self, owner_column: &str, team_column: &str, args: &mut Vec<Value>) -> String {
        format!("({})", self.scope_parts(owner_column, team_column, args).join(" OR "))
    }

    /// The same condition as the parts of an OR: an index answers each of them alone (see `page::Scope`).
    pub fn scope_parts(&self, owner_column: &str, team_column: &str, args: &mut Vec<Value>) -> Vec<String> {
        if self.admin {
            return vec!["1 = 1".to_owned()];
        }
        let mut parts = vec![format!("({owner_column} = '' AND {team_column} = '')")];
        let teams: BTreeSet<&String> = self.teams.iter().chain(&self.led_teams).collect();
        let teams = teams.into_iter().map(|team| (team_column, format!("teams/{team}")));
        let own = (!self.user.is_empty()).then(|| (owner_column, self.name()));
        for (column, name) in own.into_iter().chain(teams) {
            args.push(name.into());
            parts.push(format!("{column} = ${}", args.len()));
        }
        parts
    }
}

/// Whose a record is: what the rule above looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// "users/{user}", or empty.
    pub owner: String,
    /// "teams/{team}", or empty.
    pub team: String,
}

impl Guard {
    /// A record of an owner and a team; either may be empty.
    pub fn new(owner: impl Into<String>, team: impl Into<String>) -> Self {
        Guard { owner: owner.into(), team: team.into() }
    }

    /// A record that everyone in the company may see.
    pub fn company() -> Self {
        Guard::default()
    }

    /// What only administrators may see. No user and no team has this name.
    pub fn administrators() -> Self {
        Guard::new("administrators", "")
    }

    /// Whether everyone may see it.
    pub fn is_company(&self) -> bool {
        self.owner.is_empty() && self.team.is_empty()
    }
}

/// The key with which the processes of one installation trust each other's word on who calls.
#[derive(Clone)]
pub struct ClusterKey(std::sync::Arc<[u8]>);

/// How long a signed caller is good.
const CALLER_LIFE: Duration = Duration::from_secs(60);

impl ClusterKey {
    /// A key from at least 16 bytes.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a shorter one.
    pub fn new(key: &[u8]) -> Result<Self> {
        if key.len() < 16 {
            return Err(Error::invalid("cluster.key", "use at least 16 characters"));
        }
        Ok(ClusterKey(key.into()))
    }

    /// A caller as a header value, good for a minute.
    ///
    /// # Errors
    /// INTERNAL only.
    pub fn sign(&self, caller: &Caller, now: i64) -> Result<String> {
        let until = now.saturating_add(i64::try_from(CALLER_LIFE.as_micros()).unwrap_or(0));
        let body = serde_json::to_vec(&(until, caller)).map_err(Error::internal)?;
        let mac = self.mac(&body)?.finalize().into_bytes();
        Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(body), URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The caller of a header value, when it is ours and fresh.
    pub fn verify(&self, header: &str, now: i64) -> Option<Caller> {
        let (body, mac) = header.split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        self.mac(&body).ok()?.verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let (until, caller): (i64, Caller) = serde_json::from_slice(&body).ok()?;
        (until > now).then_some(caller)
    }

    fn mac(&self, body: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(Error::internal)?;
        mac.update(body);
        Ok(mac)
    }
}
