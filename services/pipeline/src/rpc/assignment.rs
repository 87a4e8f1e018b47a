//! AssignmentService: protobuf to domain and back.
//! Called by the gateway and by other services.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_server::AssignmentService;
use tonic::{Request, Response, Status};

use super::assignment_batch::queued_reason;
use super::peers::{Calendar, Directory};
use crate::domain::assignment::{self, Member, Need, Past, Point, Skill};
use crate::store;

/// The service.
pub struct Assignments {
    pub(super) db: Db,
    pub(super) directory: Directory,
    pub(super) calendar: Calendar,
}

type Answer<T> = Result<Response<T>, Status>;

/// Opportunities of one batch at most.
const BATCH: i32 = 1_000;

#[tonic::async_trait]
impl AssignmentService for Assignments {
    async fn list_members(
        &self,
        request: Request<proto::ListMembersRequest>,
    ) -> Answer<proto::ListMembersResponse> {
        let caller = Caller::of(&request)?;
        let team = request.into_inner().team;
        id::parse("teams", &team, "team")?;
        caller.must_read(&Guard::new("", team.as_str()), &team)?;
        let members = self.db.read(move |conn| store::assignment::members(conn, &team)).await?;
        Ok(Response::new(proto::ListMembersResponse { members: members.into_iter().map(to_proto).collect() }))
    }

    async fn get_member(&self, request: Request<proto::GetMemberRequest>) -> Answer<proto::Member> {
        let caller = Caller::of(&request)?;
        let member = member_id(&caller, &request.get_ref().name)?;
        let member = self.db.read_few(move |conn| resource::get::<Member>(conn, &member)).await?;
        caller.must_read(&guard(&member), &member.name())?;
        Ok(Response::new(to_proto(member)))
    }

    async fn set_member(&self, request: Request<proto::SetMemberRequest>) -> Answer<proto::Member> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.member.as_ref().ok_or_else(|| Error::invalid("member", "it is missing"))?;
        let mut wanted = from_proto(new)?.checked()?;
        must_lead(&caller, &wanted.team)?;
        let user = self.directory.assignee(&caller, "member.name", &format!("users/{}", wanted.id)).await?;
        wanted.id = id::parse("users", &user, "member.name")?.to_owned();
        self.directory.team(&caller, "member.team", &wanted.team).await?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let etag = request.member.as_ref().map_or("", |member| member.etag.as_str());
                    set(tx, &caller, wanted.clone(), etag)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn delete_member(&self, request: Request<proto::DeleteMemberRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let member = member_id(&caller, &request.name)?;
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let member = store::assignment::find_for_change(tx, &member)?;
                    let member = member.ok_or_else(|| Error::not_found(&request.name))?;
                    caller.must_read(&guard(&member), &request.name)?;
                    must_lead(&caller, &member.team)?;
                    resource::check_etag(&member, &request.etag)?;
                    resource::delete(tx, &member)
                })
            })
            .await?;
        Ok(Response::new(()))
    }

    async fn get_requirements(
        &self,
        request: Request<proto::GetRequirementsRequest>,
    ) -> Answer<proto::Requirements> {
        let caller = Caller::of(&request)?;
        let deal = id::parse("opportunities", &request.get_ref().opportunity, "opportunity")?.to_owned();
        let read = move |conn: &mut Conn<'_>| {
            let deal = store::opportunity::get(conn, &caller, &deal)?;
            Ok(need_to_proto(deal.name(), store::assignment::need(conn, &deal.id)?))
        };
        Ok(Response::new(self.db.read_few(read).await?))
    }

    async fn set_requirements(
        &self,
        request: Request<proto::SetRequirementsRequest>,
    ) -> Answer<proto::Requirements> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.requirements.as_ref();
        let new = new.ok_or_else(|| Error::invalid("requirements", "it is missing"))?;
        let deal = id::parse("opportunities", &new.opportunity, "requirements.opportunity")?.to_owned();
        let need = Need {
            skills: skills(&new.skills),
            country: new.country.clone(),
            postcode: new.postcode.clone(),
            place: new.place.as_ref().map(|place| point("requirements.place", place)).transpose()?,
            deadline: new.response_deadline.as_ref().map(clock::from_proto),
        };
        let need = need.checked()?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let deal = store::opportunity::get_for_change(tx, &caller, &deal, "")?;
                    store::assignment::set_need(tx, &deal, &need)?;
                    Ok(need_to_proto(deal.name(), need.clone()))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn assign_opportunities(
        &self,
        request: Request<proto::AssignOpportunitiesRequest>,
    ) -> Answer<proto::AssignOpportunitiesResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        id::parse("teams", &request.team, "team")?;
        must_lead(&caller, &request.team)?;
        let count = match request.max_count {
            0 => 100,
            count @ 1..=BATCH => usize::try_from(count).map_err(Error::internal)?,
            _ => return Err(Error::invalid("max_count", format!("0 to {BATCH}")).into()),
        };
        Ok(Response::new(self.assign(&caller, request, count).await?))
    }

    async fn explain_assignment(
        &self,
        request: Request<proto::ExplainAssignmentRequest>,
    ) -> Answer<proto::ExplainAssignmentResponse> {
        let caller = Caller::of(&request)?;
        let proto::ExplainAssignmentRequest { opportunity, seed } = request.into_inner();
        let deal = id::parse("opportunities", &opportunity, "opportunity")?.to_owned();
        let (reader, name) = (caller.clone(), deal.clone());
        let team = self.db.read(move |conn| team_of(conn, &reader, &name)).await?;
        let asked = self.asked(&caller, &team).await?;
        let answer = self
            .db
            .read(move |conn| {
                let deal = store::opportunity::get(conn, &caller, &deal)?;
                must_lead(&caller, &deal.details.team)?;
                let members = store::assignment::members(conn, &deal.details.team)?;
                let members = asked.with_past(conn, members, asked.now)?;
                Ok(explained(&store::assignment::item(conn, &deal)?, &members, seed))
            })
            .await?;
        Ok(Response::new(answer))
    }
}

/// The team of an opportunity, for one who may ask who would get it.
fn team_of(conn: &mut Conn<'_>, caller: &Caller, deal: &str) -> kontor_kit::Result<String> {
    let team = store::opportunity::get(conn, caller, deal)?.details.team;
    must_lead(caller, &team)?;
    if team.is_empty() {
        let message = "an opportunity without a team is not assigned: set its team first";
        return Err(Error::precondition("NO_TEAM", message));
    }
    Ok(team)
}

/// The id in a member's name; "members/me" is the caller.
fn member_id(caller: &Caller, name: &str) -> kontor_kit::Result<String> {
    match id::parse("members", name, "name")? {
        "me" if caller.user.is_empty() => Err(Error::not_found(name)),
        "me" => Ok(caller.user.clone()),
        member => Ok(member.to_owned()),
    }
}

fn guard(member: &Member) -> Guard {
    Guard::new(format!("users/{}", member.id), member.team.as_str())
}

fn must_lead(caller: &Caller, team: &str) -> kontor_kit::Result<()> {
    if caller.admin || caller.leads(team) {
        return Ok(());
    }
    Err(Error::denied("only an administrator or a leader of the team may do this"))
}

fn set(
    tx: &mut Tx<'_>,
    caller: &Caller,
    mut wanted: Member,
    etag: &str,
) -> kontor_kit::Result<proto::Member> {
    store::assignment::must_have_room(tx, &wanted.team, &wanted.id)?;
    match store::assignment::find_for_change(tx, &wanted.id)? {
        Some(old) => {
            must_lead(caller, &old.team)?;
            resource::check_etag(&old, etag)?;
            wanted.version = old.version;
            resource::update(tx, &mut wanted)?;
        }
        None if !etag.is_empty() => return Err(Error::etag_mismatch(wanted.name())),
        None => resource::insert(tx, &wanted)?,
    }
    Ok(to_proto(wanted))
}

fn explained(
    item: &assignment::Item,
    members: &[(Member, Past)],
    seed: u64,
) -> proto::ExplainAssignmentResponse {
    let candidate = |(member, past): &(Member, Past)| {
        let terms = member.terms(item, past);
        proto::Candidate {
            member: member.name(),
            score: assignment::score(&terms),
            terms: terms.map(|(name, value)| proto::Term { name: name.to_owned(), value }).to_vec(),
            recent: i32::try_from(past.recent).unwrap_or(i32::MAX),
        }
    };
    let rejection = |(member, past): &(Member, Past)| {
        let reasons = member.refusals(&item.need, past);
        (!reasons.is_empty()).then(|| proto::Rejection { member: member.name(), reasons })
    };
    proto::ExplainAssignmentResponse {
        candidates: assignment::ranked(item, members, seed).into_iter().map(candidate).collect(),
        rejections: members.iter().filter_map(rejection).collect(),
        queued_reason: queued_reason(&item.need, members),
    }
}

fn skills(skills: &[proto::Skill]) -> Vec<Skill> {
    skills.iter().map(|skill| (skill.name.clone(), skill.level)).collect()
}

fn skills_to_proto(skills: Vec<Skill>) -> Vec<proto::Skill> {
    skills.into_iter().map(|(name, level)| proto::Skill { name, level }).collect()
}

fn point(field: &str, point: &proto::Point) -> kontor_kit::Result<Point> {
    let fine = |value: f64, most: f64| value.is_finite() && value.abs() <= most;
    if !fine(point.latitude, 90.0) || !fine(point.longitude, 180.0) {
        return Err(Error::invalid(field, "latitude is -90 to 90, longitude -180 to 180"));
    }
    let micro = |degrees: f64| (degrees * 1e6).round() as i64;
    Ok(Point { latitude: micro(point.latitude), longitude: micro(point.longitude) })
}

fn point_to_proto(point: Point) -> proto::Point {
    proto::Point { latitude: point.latitude as f64 / 1e6, longitude: point.longitude as f64 / 1e6 }
}

fn from_proto(new: &proto::Member) -> kontor_kit::Result<Member> {
    id::parse("teams", &new.team, "member.team")?;
    Ok(Member {
        id: id::parse("members", &new.name, "member.name")?.to_owned(),
        version: 1,
        team: new.team.clone(),
        active: new.active,
        capacity: new.capacity,
        skills: skills(&new.skills),
        territories: new.territories.clone(),
        home: new.home.as_ref().map(|home| point("member.home", home)).transpose()?,
        radius_km: new.radius_km,
        preference: new.preference,
    })
}

fn to_proto(member: Member) -> proto::Member {
    proto::Member {
        name: member.name(),
        etag: member.etag(),
        team: member.team,
        active: member.active,
        capacity: member.capacity,
        skills: skills_to_proto(member.skills),
        territories: member.territories,
        home: member.home.map(point_to_proto),
        radius_km: member.radius_km,
        preference: member.preference,
    }
}

fn need_to_proto(opportunity: String, need: Need) -> proto::Requirements {
    proto::Requirements {
        opportunity,
        skills: skills_to_proto(need.skills),
        country: need.country,
        postcode: need.postcode,
        place: need.place.map(point_to_proto),
        response_deadline: need.deadline.map(clock::to_proto),
    }
}
