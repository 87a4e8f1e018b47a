//! AssignmentService: protobuf to domain and back.
//! Called by the gateway and by other services.

use std::collections::HashMap;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_server::AssignmentService;
use tonic::{Request, Response, Status};

use super::peers::{Calendar, Directory};
use crate::domain::assignment::{self, Days, Member, Need, Past, Point, Skill};
use crate::{events, store};

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
        let member = id::parse("members", &request.get_ref().name, "name")?.to_owned();
        let member = self.db.read_few(move |conn| resource::get::<Member>(conn, &member)).await?;
        caller.must_read(&guard(&member), &member.name())?;
        Ok(Response::new(to_proto(member)))
    }

    async fn set_member(&self, request: Request<proto::SetMemberRequest>) -> Answer<proto::Member> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.member.as_ref().ok_or_else(|| Error::invalid("member", "it is missing"))?;
        let wanted = from_proto(new)?.checked()?;
        must_lead(&caller, &wanted.team)?;
        self.directory.assignee(&caller, "member.name", &format!("users/{}", wanted.id)).await?;
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
        let member = id::parse("members", &request.name, "name")?.to_owned();
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
            count @ 1..=BATCH => i64::from(count),
            _ => return Err(Error::invalid("max_count", format!("0 to {BATCH}")).into()),
        };
        let (days, now) = self.days(&caller, &request.team).await?;
        if request.dry_run {
            let plan = move |conn: &mut Conn<'_>| Ok(plan(conn, &request, count, &days, now)?.0);
            return Ok(Response::new(self.db.read(plan).await?));
        }
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    store::assignment::hold(tx, &request.team, count)?;
                    let now = tx.now();
                    let (answer, given) = plan(tx, &request, count, &days, now)?;
                    for (mut deal, member) in given {
                        store::assignment::give(tx, &mut deal, &member)?;
                        events::updated(tx, &caller, &deal, vec!["assignee".to_owned()])?;
                    }
                    Ok(answer)
                })
            })
            .await?;
        Ok(Response::new(answer))
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
        let (days, now) = self.days(&caller, &team).await?;
        let answer = self
            .db
            .read(move |conn| {
                let deal = store::opportunity::get(conn, &caller, &deal)?;
                must_lead(&caller, &deal.details.team)?;
                let members = store::assignment::members(conn, &deal.details.team)?;
                let members = store::assignment::with_past(conn, members, &days, now)?;
                Ok(explained(&store::assignment::item(conn, &deal)?, &members, seed))
            })
            .await?;
        Ok(Response::new(answer))
    }
}

impl Assignments {
    /// When the members of a team have time, asked before the transaction, and the instant that it was asked of.
    async fn days(&self, caller: &Caller, team: &str) -> kontor_kit::Result<(HashMap<String, Days>, i64)> {
        let (team, now) = (team.to_owned(), self.db.clock().now());
        let members = self.db.read(move |conn| store::assignment::members(conn, &team)).await?;
        let users: Vec<String> =
            members.into_iter().filter(|member| member.active).map(|member| member.id).collect();
        Ok((self.calendar.days(caller, &users, now).await?, now))
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

/// What a batch does, and the opportunities to change.
type Plan = (proto::AssignOpportunitiesResponse, Vec<(crate::domain::opportunity::Opportunity, Member)>);

fn plan(
    conn: &mut Conn<'_>,
    request: &proto::AssignOpportunitiesRequest,
    count: i64,
    days: &HashMap<String, Days>,
    now: i64,
) -> kontor_kit::Result<Plan> {
    let members = store::assignment::members(conn, &request.team)?;
    let mut members = store::assignment::with_past(conn, members, days, now)?;
    let deals = store::assignment::queue(conn, &request.team, count)?;
    let mut items = Vec::with_capacity(deals.len());
    for deal in &deals {
        items.push(store::assignment::item(conn, deal)?);
    }
    let owners = assignment::batch(&items, &members, request.seed);
    let (mut answer, mut given) = (proto::AssignOpportunitiesResponse::default(), Vec::new());
    let mut waiting = Vec::new();
    for ((deal, item), owner) in deals.into_iter().zip(&items).zip(owners) {
        let Some(owner) = owner else {
            waiting.push(item);
            continue;
        };
        let (member, past) = &mut members[owner];
        let score = assignment::score(&member.terms(item, past));
        past.recent += 1;
        answer.assigned.push(proto::Assigned { opportunity: deal.name(), member: member.name(), score });
        given.push((deal, member.clone()));
    }
    // The reasons are those after the batch: who is full by now counts as full.
    for item in waiting {
        let reason = queued_reason(&item.need, &members);
        answer.queued.push(proto::Queued { opportunity: format!("opportunities/{}", item.id), reason });
    }
    Ok((answer, given))
}

/// Why nobody gets it; empty when someone fits.
fn queued_reason(need: &Need, members: &[(Member, Past)]) -> String {
    if members.is_empty() {
        return "the team has no members".to_owned();
    }
    let refused: Vec<_> =
        members.iter().map(|(member, past)| (member, member.refusals(need, past))).collect();
    if refused.iter().any(|(_, reasons)| reasons.is_empty()) {
        return String::new();
    }
    let told =
        refused.iter().take(10).map(|(member, reasons)| format!("{}: {}", member.id, reasons.join(", ")));
    format!("nobody of {} fits; {}", members.len(), told.collect::<Vec<_>>().join("; "))
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
