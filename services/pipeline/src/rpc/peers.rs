//! What the pipeline asks the directory: do this user, team and partner exist, and who is this lead's partner. And what it asks the calendar: who
//! has time when.
//! Called by the other rpc files, always before the database.

use std::collections::{HashMap, HashSet};

use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, MESSAGE_LIMIT};
use kontor_kit::{Error, Result, clock, id, phone};
use kontor_proto::calendar::v1::free_busy_service_client::FreeBusyServiceClient;
use kontor_proto::calendar::v1::{BusyKind, FreeBusy, QueryFreeBusyRequest};
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{
    GetPartnerRequest, GetTeamRequest, GetUserRequest, ListUsersRequest, LookupPartnersRequest,
    MatchOrCreatePartnerRequest, MatchOrCreatePartnerResponse, Partner,
};
use tonic::{Code, Status};

use crate::domain::assignment::{AHEAD, Days};

/// People that the calendar is asked about at once.
const PEOPLE: usize = 100;
/// Users of a page of the directory.
const USERS: i32 = 1_000;
/// Pages of disabled users that are read at most.
const PAGES: usize = 100;

/// Clients of the directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    users: UserServiceClient<Link>,
    teams: TeamServiceClient<Link>,
    partners: PartnerServiceClient<Link>,
}

impl Directory {
    /// Clients over a link.
    pub fn new(link: Link) -> Self {
        Directory {
            users: UserServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            teams: TeamServiceClient::new(link.clone()).max_decoding_message_size(MESSAGE_LIMIT),
            partners: PartnerServiceClient::new(link).max_decoding_message_size(MESSAGE_LIMIT),
        }
    }

    /// Checks the assignee of a record and returns it in full: "users/me" is the caller. Empty is nobody.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when there is no such user, or it is disabled.
    pub async fn assignee(&self, caller: &Caller, field: &str, name: &str) -> Result<String> {
        if name.is_empty() {
            return Ok(String::new());
        }
        let user = id::parse("users", name, field)?;
        // The caller was found a moment ago, when it signed in.
        if user == "me" || user == caller.user {
            return match caller.name() {
                nobody if nobody.is_empty() => {
                    Err(Error::invalid(field, "the installation itself has no records"))
                }
                name => Ok(name),
            };
        }
        let request = caller.request(GetUserRequest { name: name.to_owned() });
        let user = self.users.clone().get_user(request).await.map_err(|cause| missing(field, name, cause))?;
        if user.get_ref().disabled {
            return Err(Error::invalid(field, format!("{name} is disabled")));
        }
        Ok(name.to_owned())
    }

    /// Ids of the users who are disabled now.
    ///
    /// # Errors
    /// Those of the directory: nobody is taken for active whom it was not asked about.
    pub async fn disabled(&self, caller: &Caller) -> Result<HashSet<String>> {
        let mut request = ListUsersRequest {
            page_size: USERS,
            filter: "disabled = true".to_owned(),
            ..ListUsersRequest::default()
        };
        let mut disabled = HashSet::new();
        for _ in 0..PAGES {
            let page = self.users.clone().list_users(caller.request(request.clone())).await?.into_inner();
            let ids = page.users.iter().filter_map(|user| user.name.strip_prefix("users/"));
            disabled.extend(ids.map(str::to_owned));
            if page.next_page_token.is_empty() {
                return Ok(disabled);
            }
            request.page_token = page.next_page_token;
        }
        let message = format!("more than {} users are disabled", PAGES * 1_000);
        Err(Error::precondition("TOO_MANY", message))
    }

    /// Checks the team of a record. Empty is none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when there is no such team.
    pub async fn team(&self, caller: &Caller, field: &str, name: &str) -> Result<()> {
        if name.is_empty() || caller.belongs_to(name) {
            return Ok(());
        }
        id::parse("teams", name, field)?;
        let request = caller.request(GetTeamRequest { name: name.to_owned() });
        self.teams.clone().get_team(request).await.map_err(|cause| missing(field, name, cause))?;
        Ok(())
    }

    /// Checks the partner of a record and returns its name: of one that was merged into another, that one. Empty is none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when there is no such partner.
    pub async fn partner(&self, caller: &Caller, field: &str, name: &str) -> Result<String> {
        if name.is_empty() {
            return Ok(String::new());
        }
        id::parse("partners", name, field)?;
        let request = caller.request(GetPartnerRequest { name: name.to_owned() });
        let found = self.partners.clone().get_partner(request).await;
        Ok(found.map_err(|cause| missing(field, name, cause))?.into_inner().name)
    }

    /// The same for a partner that a file calls by its name, or by an e-mail address that no other has.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `field` when there is no such partner, or several have the address.
    pub async fn partner_called(&self, caller: &Caller, field: &str, called: &str) -> Result<String> {
        if !called.contains('@') {
            return self.partner(caller, field, called).await;
        }
        let request = LookupPartnersRequest { email: called.to_owned(), ..Default::default() };
        // What no address can be has no partner either.
        let is_address = !phone::address(called).is_empty();
        let found = if is_address { self.lookup(caller, request).await? } else { Vec::new() };
        match found.as_slice() {
            [partner] => Ok(partner.clone()),
            [] => Err(Error::invalid(field, format!("no partner has the address {called:?}"))),
            several => {
                let message =
                    format!("{} partners have the address {called:?}: name one of them", several.len());
                Err(Error::invalid(field, message))
            }
        }
    }

    /// The card of a partner; of one that was merged into another, that one's. None for an empty name, and when it is gone.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn find_partner(&self, caller: &Caller, name: &str) -> Result<Option<Partner>> {
        if name.is_empty() {
            return Ok(None);
        }
        let request = caller.request(GetPartnerRequest { name: name.to_owned() });
        match self.partners.clone().get_partner(request).await {
            Ok(found) => Ok(Some(found.into_inner())),
            Err(cause) if cause.code() == Code::NotFound => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Names of the partners that have a number or an address, 20 at most.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn lookup(&self, caller: &Caller, request: LookupPartnersRequest) -> Result<Vec<String>> {
        let found = self.partners.clone().lookup_partners(caller.request(request)).await?.into_inner();
        Ok(found.partners.into_iter().map(|partner| partner.name).collect())
    }

    /// Finds or creates a partner.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn match_or_create(
        &self,
        caller: &Caller,
        request: MatchOrCreatePartnerRequest,
    ) -> Result<MatchOrCreatePartnerResponse> {
        Ok(self.partners.clone().match_or_create_partner(caller.request(request)).await?.into_inner())
    }
}

/// Client of the calendar. Cheap to clone.
#[derive(Clone)]
pub struct Calendar {
    free_busy: FreeBusyServiceClient<Link>,
}

impl Calendar {
    /// A client over a link.
    pub fn new(link: Link) -> Self {
        let free_busy = FreeBusyServiceClient::new(link).max_decoding_message_size(MESSAGE_LIMIT);
        Calendar { free_busy }
    }

    /// When each of these users (ids) is away or busy, from an instant on for as long as `assignment::AHEAD`. Tentative meetings do not count.
    ///
    /// # Errors
    /// Those of the calendar: nobody is taken for free whom it was not asked about.
    pub async fn days(&self, caller: &Caller, users: &[String], from: i64) -> Result<HashMap<String, Days>> {
        let mut days = HashMap::with_capacity(users.len());
        for some in users.chunks(PEOPLE) {
            let away = self.busy(caller, some, from, false).await?;
            let taken = self.busy(caller, some, from, true).await?;
            for (user, (away, taken)) in some.iter().zip(away.into_iter().zip(taken)) {
                let away = spans(&away, |kind| kind == BusyKind::BusyUnavailable);
                let taken = spans(&taken, |kind| kind != BusyKind::BusyTentative);
                days.insert(user.clone(), Days { away, taken });
            }
        }
        Ok(days)
    }

    async fn busy(
        &self,
        caller: &Caller,
        users: &[String],
        from: i64,
        with_working_hours: bool,
    ) -> Result<Vec<FreeBusy>> {
        let request = QueryFreeBusyRequest {
            people: users.iter().map(|user| format!("users/{user}")).collect(),
            start_time: Some(clock::to_proto(from)),
            end_time: Some(clock::to_proto(from + AHEAD)),
            with_working_hours,
            ..Default::default()
        };
        Ok(self.free_busy.clone().query_free_busy(caller.request(request)).await?.into_inner().people)
    }
}

fn spans(of: &FreeBusy, counts: impl Fn(BusyKind) -> bool) -> Vec<(i64, i64)> {
    let busy = of.busy.iter().filter(|span| counts(span.kind()));
    let ends = busy.filter_map(|span| span.start_time.as_ref().zip(span.end_time.as_ref()));
    ends.map(|(start, end)| (clock::from_proto(start), clock::from_proto(end))).collect()
}

fn missing(field: &str, name: &str, cause: Status) -> Error {
    match cause.code() {
        Code::NotFound => Error::invalid(field, format!("{name} does not exist")),
        _ => cause.into(),
    }
}
