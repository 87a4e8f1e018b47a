//! TeamService: protobuf to domain and back.
//! Called by the gateway and by other services.

use std::collections::BTreeSet;

use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::team_service_server::TeamService;
use tonic::{Request, Response, Status};

use super::sign_in::SignIns;
use crate::domain::team::Team;
use crate::store;

/// The service.
pub struct Teams {
    pub(super) db: Db,
    pub(super) sign_ins: SignIns,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TeamService for Teams {
    async fn list_teams(
        &self,
        request: Request<proto::ListTeamsRequest>,
    ) -> Answer<proto::ListTeamsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListTeamsRequest { page_size, page_token } = request.into_inner();
        let query = Query { page_size, page_token, ..Query::default() };
        let page = self.db.read(move |conn| store::team::list(conn, &caller, &query)).await?;
        let page = page.map(|team| to_proto(&team));
        Ok(Response::new(proto::ListTeamsResponse {
            teams: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_team(&self, request: Request<proto::GetTeamRequest>) -> Answer<proto::Team> {
        Caller::of(&request)?;
        let team = id::parse("teams", &request.get_ref().name, "name")?.to_owned();
        let team = self.db.read(move |conn| store::team::get(conn, &team)).await?;
        Ok(Response::new(to_proto(&team)))
    }

    async fn create_team(&self, request: Request<proto::CreateTeamRequest>) -> Answer<proto::Team> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let new = request.team.as_ref().ok_or_else(|| Error::invalid("team", "it is missing"))?;
        let draft = Team {
            id: request.team_id.clone(),
            version: 1,
            display_name: new.display_name.clone(),
            members: users("team.members", &new.members)?,
            leaders: users("team.leaders", &new.leaders)?,
            create_time: self.db.clock().now(),
        };
        let draft = draft.checked()?;
        if request.validate_only {
            let answer = to_proto(&draft);
            self.db.read(move |conn| check_new(conn, &draft)).await?;
            return Ok(Response::new(answer));
        }
        let sign_ins = self.sign_ins.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let concerned = store::team::create(tx, &draft)?;
                    end_sign_ins(&sign_ins, tx, &concerned);
                    Ok(to_proto(&draft))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_team(&self, request: Request<proto::UpdateTeamRequest>) -> Answer<proto::Team> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.team.as_ref().ok_or_else(|| Error::invalid("team", "it is missing"))?;
        let team = id::parse("teams", &new.name, "team.name")?.to_owned();
        if !caller.admin && !caller.leads(&new.name) {
            return Err(Error::denied("only administrators and the team's leaders may do this").into());
        }
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(new))?;
        let sign_ins = self.sign_ins.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let new = request.team.clone().unwrap_or_default();
                    let (team, concerned) = update(tx, &team, &new, &mask)?;
                    end_sign_ins(&sign_ins, tx, &concerned);
                    Ok(to_proto(&team))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn delete_team(&self, request: Request<proto::DeleteTeamRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let team = id::parse("teams", &request.name, "name")?.to_owned();
        let sign_ins = self.sign_ins.clone();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    resource::hold::<Team>(tx, &team)?;
                    let team = store::team::get(tx, &team)?;
                    resource::check_etag(&team, &request.etag)?;
                    let concerned = store::team::delete(tx, &team)?;
                    end_sign_ins(&sign_ins, tx, &concerned);
                    Ok(())
                })
            })
            .await?;
        Ok(Response::new(()))
    }
}

/// Fields that UpdateTeam takes.
const FIELDS: [&str; 3] = ["display_name", "members", "leaders"];

fn fields_set(team: &proto::Team) -> Vec<&'static str> {
    let set = [
        ("display_name", !team.display_name.is_empty()),
        ("members", !team.members.is_empty()),
        ("leaders", !team.leaders.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

fn check_new(conn: &mut kontor_kit::db::Conn<'_>, team: &Team) -> kontor_kit::Result<()> {
    if store::team::exists(conn, &team.id)? {
        return Err(Error::already_exists(team.name()));
    }
    store::team::check_members(conn, team)
}

fn update(
    tx: &mut Tx<'_>,
    team: &str,
    new: &proto::Team,
    mask: &Mask,
) -> kontor_kit::Result<(Team, Vec<String>)> {
    resource::hold::<Team>(tx, team)?;
    let old = store::team::get(tx, team)?;
    resource::check_etag(&old, &new.etag)?;
    let mut wanted = old.clone();
    if mask.has("display_name") {
        wanted.display_name.clone_from(&new.display_name);
    }
    if mask.has("members") {
        wanted.members = users("team.members", &new.members)?;
        // Who is no member any more does not lead either, unless the same call says so.
        wanted.leaders.retain(|leader| wanted.members.contains(leader));
    }
    if mask.has("leaders") {
        wanted.leaders = users("team.leaders", &new.leaders)?;
    }
    let mut wanted = wanted.checked()?;
    if wanted == old {
        return Ok((old, Vec::new()));
    }
    let concerned = store::team::update(tx, &mut wanted, &old.members)?;
    Ok((wanted, concerned))
}

/// Teams say who sees what, so a sign-in that is kept must not outlive them.
fn end_sign_ins(sign_ins: &SignIns, tx: &mut Tx<'_>, users: &[String]) {
    users.iter().for_each(|user| sign_ins.end_on_commit(tx, user));
}

fn users(field: &str, names: &[String]) -> kontor_kit::Result<BTreeSet<String>> {
    names.iter().map(|name| id::parse("users", name, field).map(str::to_owned)).collect()
}

fn to_proto(team: &Team) -> proto::Team {
    let names = |users: &BTreeSet<String>| users.iter().map(|user| format!("users/{user}")).collect();
    proto::Team {
        name: team.name(),
        display_name: team.display_name.clone(),
        members: names(&team.members),
        leaders: names(&team.leaders),
        etag: team.etag(),
    }
}
