//! StartCall: whose telephone rings, over which connector, and whom it calls; checked before the click to call is stored.
//! Called by rpc/call.rs.

use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, id, replay, resource};
use kontor_proto::directory::v1::User;
use kontor_proto::telephony::v1 as proto;

use super::call::{Calls, absent};
use super::convert;
use crate::domain::connector::Connector;
use crate::domain::dial;
use crate::domain::entry::Match;
use crate::domain::list_entry::ListEntry;
use crate::domain::number::{MAX_RAW_BYTES, Party};
use crate::intake::dial::Start;
use crate::store;

impl Calls {
    /// Checks a click to call and stores it; the telephone system is told after that.
    pub(super) async fn start(
        &self,
        caller: Caller,
        request: proto::StartCallRequest,
    ) -> Result<proto::Call> {
        let start = self.start_of(&caller, &request).await?;
        if request.validate_only {
            let now = self.intake.db.clock().now();
            let checked =
                self.intake.db.read_few(move |conn| may_be_called(conn, (&caller, now), start)).await?;
            return Ok(convert::call(&checked.call(self.intake.db.clock().now())));
        }
        let intake = self.intake.clone();
        let write = self.intake.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let now = tx.now();
                let start = may_be_called(tx, (&caller, now), start.clone())?;
                Ok(convert::call(&intake.place(tx, &start)?))
            })
        });
        write.await
    }

    async fn start_of(&self, caller: &Caller, request: &proto::StartCallRequest) -> Result<Start> {
        let list_entry = request.call_list_entry.clone();
        let listed = self.listed(caller, &list_entry).await?;
        let user = self.user_to_ring(caller, &request.user).await?;
        let connector = self.dialling_connector(&request.connector).await?;
        let (number, found) = match listed {
            Some(entry) if request.number.trim().is_empty() && request.partner.is_empty() => {
                (entry.e164, None)
            }
            _ => self.whom(caller, request).await?,
        };
        let rules = connector.numbers(&self.context.company.region)?;
        let to = party(&rules, &number)?;
        let user_id = id::parse("users", &user.name, "user")?;
        let order_id = dial::new_id(connector.kind.wants_bare_ids());
        let order = connector.dial.originate(&order_id, user_id, &user.extension, &to, &rules)?;
        let found = match (found, to.e164()) {
            (None, Some(e164)) => self.intake.peers.find_now(e164).await.ok(),
            (found, _) => found,
        };
        Ok(Start {
            connector: connector.id,
            order,
            team: user.teams.into_iter().next().unwrap_or_default(),
            user: user.name,
            extension: user.extension,
            to,
            partner: request.partner.clone(),
            opportunity: request.opportunity.clone(),
            found,
            overrides_do_not_call: request.override_do_not_call,
            list_entry,
            outside_first: false,
        })
    }

    /// The entry of a call list that the call is for; none when it is for none.
    async fn listed(&self, caller: &Caller, name: &str) -> Result<Option<ListEntry>> {
        if name.is_empty() {
            return Ok(None);
        }
        let (list, entry) = super::call_list::entry_ids(name, "call_list_entry")?;
        let caller = caller.clone();
        let read = move |conn: &mut Conn<'_>| store::list_entry::get(conn, &caller, &list, &entry);
        let (_, entry) = self.intake.db.read_few(read).await?;
        Ok(Some(entry))
    }

    /// The user whose telephone rings first: the caller, or another for administrators and team leaders.
    async fn user_to_ring(&self, caller: &Caller, name: &str) -> Result<User> {
        let name = if matches!(name, "" | "users/me") { caller.name() } else { name.to_owned() };
        if name.is_empty() {
            return Err(Error::invalid("user", "it is missing: say whose telephone is to ring"));
        }
        id::parse("users", &name, "user")?;
        let own = caller.admin || caller.name() == name;
        let denied = || Error::denied("only administrators and team leaders may ring another's telephone");
        if !own && caller.led_teams.is_empty() {
            return Err(denied());
        }
        let user = self.intake.users.get(&name).await?;
        if own || user.teams.iter().any(|team| caller.leads(team)) { Ok(user) } else { Err(denied()) }
    }

    /// The connector that is named, or the only one that makes calls.
    async fn dialling_connector(&self, name: &str) -> Result<Connector> {
        if name.is_empty() {
            let mut all = self.intake.db.read_few(store::connector::diallers).await?;
            return match all.len() {
                0 => Err(cannot_dial(
                    "no connector makes calls: an administrator sets `dial` of one".to_owned(),
                )),
                1 => Ok(all.remove(0)),
                _ => {
                    let names: Vec<String> = all.iter().map(Connector::name).collect();
                    let message = format!("several make calls, so name one: {}", names.join(", "));
                    Err(Error::invalid("connector", message))
                }
            };
        }
        let id = id::parse("connectors", name, "connector")?.to_owned();
        let connector: Connector = self.intake.db.read_few(move |conn| resource::get(conn, &id)).await?;
        if connector.disabled {
            return Err(Error::precondition("CONNECTOR_DISABLED", format!("{name} is disabled")));
        }
        if !connector.dial.can_dial() {
            return Err(cannot_dial(format!("{name} makes no calls: an administrator sets its `dial`")));
        }
        Ok(connector)
    }

    /// The number to call, and whose it is when a partner was named.
    async fn whom(
        &self,
        caller: &Caller,
        request: &proto::StartCallRequest,
    ) -> Result<(String, Option<Match>)> {
        let peers = &self.intake.peers;
        let mut number = request.number.trim().to_owned();
        if !request.opportunity.is_empty() {
            id::parse("opportunities", &request.opportunity, "opportunity")?;
            let found = peers.opportunity(caller, &request.opportunity).await;
            found.map_err(|cause| absent("opportunity", &request.opportunity, cause))?;
        }
        if request.partner.is_empty() {
            if number.is_empty() {
                return Err(Error::invalid("number", "it is missing: give a number or a partner"));
            }
            return Ok((number, None));
        }
        id::parse("partners", &request.partner, "partner")?;
        let partner = peers.partner(caller, &request.partner).await;
        let partner = partner.map_err(|cause| absent("partner", &request.partner, cause))?;
        if number.is_empty() {
            let phone = partner.phones.iter().find(|phone| !phone.e164.is_empty());
            let phone = phone.or(partner.phones.first());
            let missing = || {
                let message = format!("{} has no telephone number: give one", request.partner);
                Error::precondition("NO_NUMBER", message)
            };
            let phone = phone.ok_or_else(missing)?;
            number = if phone.e164.is_empty() { phone.number.clone() } else { phone.e164.clone() };
        }
        let opportunity = self.only_open(&request.partner).await;
        Ok((number, Some(Match { partners: vec![request.partner.clone()], opportunity, complete: true })))
    }
}

/// Checks that the number may be called at this moment. Who was asked to call back may override it, and then it is noted; a list never does.
fn may_be_called(conn: &mut Conn<'_>, (caller, now): (&Caller, i64), start: Start) -> Result<Start> {
    let none = |start| Start { overrides_do_not_call: false, ..start };
    let is_banned = match start.to.e164() {
        Some(e164) => store::do_not_call::has(conn, e164)?,
        None => false,
    };
    let e164 = start.to.e164().unwrap_or_default();
    let message = match (is_banned, start.overrides_do_not_call, start.list_entry.is_empty()) {
        (false, _, true) => return Ok(none(start)),
        (false, _, false) => {
            must_be_leased(conn, (caller, now), &start)?;
            return Ok(none(start));
        }
        (true, true, true) => return Ok(start),
        (true, false, true) => {
            format!("{e164} is not to be called: `override_do_not_call` calls it all the same")
        }
        (true, _, false) => format!("{e164} is not to be called, so not for a call list either"),
    };
    Err(Error::precondition("DO_NOT_CALL", message))
}

/// A call for an entry of a list goes to its number, and only while the entry is the user's.
fn must_be_leased(conn: &mut Conn<'_>, (caller, now): (&Caller, i64), start: &Start) -> Result<()> {
    let (list, entry) = super::call_list::entry_ids(&start.list_entry, "call_list_entry")?;
    let (_, entry) = store::list_entry::get(conn, caller, &list, &entry)?;
    if start.to.e164() != Some(entry.e164.as_str()) {
        let message = format!("{} has another number: leave `number` empty", start.list_entry);
        return Err(Error::invalid("call_list_entry", message));
    }
    entry.must_be_of(&start.user, now)
}

fn cannot_dial(message: String) -> Error {
    Error::precondition("CANNOT_DIAL", message)
}

fn party(rules: &crate::domain::number::NumberRules, number: &str) -> Result<Party> {
    if number.len() > MAX_RAW_BYTES || number.chars().any(char::is_control) {
        let message = format!("a number has at most {MAX_RAW_BYTES} bytes and no control characters");
        return Err(Error::invalid("number", message));
    }
    rules
        .caller(number)
        .ok_or_else(|| Error::invalid("number", format!("{number:?} is not a telephone number")))
}
