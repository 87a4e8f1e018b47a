//! PacingService: how calls of a list are paced, and how many may be placed now.
//! Called by the gateway: by leaders, and by whoever places calls.

use jiff::tz::TimeZone;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::pacing_service_server::PacingService;
use tonic::{Request, Response, Status};

use crate::dialler::known::Known;
use crate::domain::pacing::{self, Mode};
use crate::store;
use crate::store::pacing::Pacing;

/// The service.
pub struct Pacings {
    pub(super) db: Db,
    pub(super) zone: TimeZone,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

const FIELDS: [&str; 4] = ["mode", "drop_cap_per_mille", "ring_duration", "max_ringing"];

#[tonic::async_trait]
impl PacingService for Pacings {
    async fn get_pacing(&self, request: Request<proto::GetPacingRequest>) -> Answer<proto::Pacing> {
        let caller = Caller::of(&request)?;
        let list = list_id(&request.get_ref().name, "name")?;
        let pacing = self.db.read_few(move |conn| find(conn, &caller, &list)).await?;
        Ok(Response::new(to_proto(&pacing)))
    }

    async fn update_pacing(&self, request: Request<proto::UpdatePacingRequest>) -> Answer<proto::Pacing> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.pacing.clone().ok_or_else(|| Error::invalid("pacing", "it is missing"))?;
        let list = list_id(&given.name, "pacing.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        let wanted = checked(&given)?;
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let (mut pacing, is_new) = hold(tx, &caller, &list, &given)?;
                    resource::check_etag(&pacing, &given.etag)?;
                    apply(&mask, &wanted, &mut pacing);
                    if is_new {
                        resource::insert(tx, &pacing)?;
                    } else {
                        resource::update(tx, &mut pacing)?;
                    }
                    Ok(to_proto(&pacing))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn compute_pacing(
        &self,
        request: Request<proto::ComputePacingRequest>,
    ) -> Answer<proto::ComputePacingResponse> {
        let caller = Caller::of(&request)?;
        let list = list_id(&request.get_ref().name, "name")?;
        let (now, zone) = (self.db.clock().now(), self.zone.clone());
        let answer = self.db.read(move |conn| {
            let pacing = find(conn, &caller, &list)?;
            Known::read(conn, pacing, now, &zone).map(|known| answer(&known, now))
        });
        Ok(Response::new(answer.await?))
    }
}

/// The id of the list in "callLists/{list}/pacing".
fn list_id(name: &str, field: &str) -> Result<String> {
    let wrong = || Error::invalid(field, format!("{name:?} is not a name like callLists/{{list}}/pacing"));
    let list = name.strip_suffix("/pacing").ok_or_else(wrong)?;
    id::parse("callLists", list, field).map(str::to_owned).map_err(|_| wrong())
}

/// The pacing of a list: as it was set, else the usual one.
fn find(conn: &mut Conn<'_>, caller: &Caller, list: &str) -> Result<Pacing> {
    let team = team(conn, caller, list)?;
    let set = resource::find::<Pacing>(conn, list)?;
    Ok(set.unwrap_or_else(|| Pacing::usual(list, &team)))
}

/// Who calls the list.
fn team(conn: &mut Conn<'_>, caller: &Caller, list: &str) -> Result<String> {
    let found = store::call_list::get(conn, caller, list);
    Ok(found.map_err(|cause| hidden(cause, &format!("callLists/{list}/pacing")))?.team)
}

fn hidden(cause: Error, name: &str) -> Error {
    if cause.is_not_found() { Error::not_found(name) } else { cause }
}

/// The pacing to be changed, and whether it is new.
fn hold(tx: &mut Tx<'_>, caller: &Caller, list: &str, given: &proto::Pacing) -> Result<(Pacing, bool)> {
    let team = team(tx, caller, list)?;
    if !caller.admin && !caller.leads(&team) {
        return Err(Error::denied("only an administrator or a leader of the team may do this"));
    }
    if !given.team.is_empty() && given.team != team {
        return Err(Error::invalid("pacing.team", format!("it is the list's, {team}: leave it out")));
    }
    Ok(match resource::hold_if_there::<Pacing>(tx, list)? {
        Some(pacing) => (pacing, false),
        None => (Pacing { version: 1, ..Pacing::usual(list, &team) }, true),
    })
}

fn fields_set(given: &proto::Pacing) -> Vec<&'static str> {
    let set = [
        ("mode", given.mode != 0),
        ("drop_cap_per_mille", given.drop_cap_per_mille != 0),
        ("ring_duration", given.ring_duration.is_some()),
        ("max_ringing", given.max_ringing != 0),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(field, _)| field).collect()
}

/// The values given, each with its default.
struct Wanted {
    mode: i32,
    drop_cap_per_mille: i64,
    ring_seconds: i64,
    max_ringing: i64,
}

fn checked(given: &proto::Pacing) -> Result<Wanted> {
    proto::PacingMode::try_from(given.mode)
        .map_err(|_| Error::invalid("pacing.mode", format!("{} is not one of its values", given.mode)))?;
    let within = |field: &str, value: i64, from: i64, to: i64, usual: i64| match value {
        0 => Ok(usual),
        value if (from..=to).contains(&value) => Ok(value),
        value => Err(Error::invalid(field, format!("{value} is not from {from} to {to}"))),
    };
    let ring = given.ring_duration.unwrap_or_default();
    if ring.nanos != 0 {
        return Err(Error::invalid("pacing.ring_duration", "use whole seconds"));
    }
    let cap = i64::from(given.drop_cap_per_mille);
    Ok(Wanted {
        mode: given.mode,
        drop_cap_per_mille: within("pacing.drop_cap_per_mille", cap, 1, 100, store::pacing::CAP_PER_MILLE)?,
        ring_seconds: within("pacing.ring_duration", ring.seconds, 15, 60, store::pacing::RING_SECONDS)?,
        max_ringing: within("pacing.max_ringing", i64::from(given.max_ringing), 1, 1_000, 0)?,
    })
}

fn apply(mask: &Mask, wanted: &Wanted, pacing: &mut Pacing) {
    if mask.has("mode") {
        pacing.mode = wanted.mode;
    }
    if mask.has("drop_cap_per_mille") {
        pacing.drop_cap_per_mille = wanted.drop_cap_per_mille;
    }
    if mask.has("ring_duration") {
        pacing.ring_seconds = wanted.ring_seconds;
    }
    if mask.has("max_ringing") {
        pacing.max_ringing = wanted.max_ringing;
    }
}

/// What follows from what is known of a list.
fn answer(known: &Known, now: i64) -> proto::ComputePacingResponse {
    let (moment, decision) = (known.moment(now), known.decide(now));
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let (talk, wrap) = known.handling.means();
    let mean = |mean: f64| known.handling.is_known(1).then(|| crate::events::duration((mean * 1e6) as i64));
    proto::ComputePacingResponse {
        place_count: number(decision.place),
        reason: decision.to_string(),
        mode: match known.mode() {
            Mode::Preview => proto::PacingMode::Preview,
            Mode::Progressive => proto::PacingMode::Progressive,
            Mode::Predictive => proto::PacingMode::Predictive,
        }
        .into(),
        operator_count: number(moment.operators),
        idle_count: number(moment.idle),
        freeing_count: moment.freeing,
        ringing_count: number(moment.ringing),
        answer_rate: moment.answer_rate,
        average_talk: mean(talk),
        average_wrap_up: mean(wrap),
        live_count: i64::try_from(moment.answered).unwrap_or(i64::MAX),
        dropped_count: i64::try_from(moment.dropped).unwrap_or(i64::MAX),
        budget: pacing::budget(known.cap(), &moment),
    }
}

fn to_proto(pacing: &Pacing) -> proto::Pacing {
    proto::Pacing {
        name: pacing.name(),
        team: pacing.team.clone(),
        mode: pacing.mode,
        drop_cap_per_mille: i32::try_from(pacing.drop_cap_per_mille).unwrap_or(i32::MAX),
        ring_duration: Some(prost_types::Duration { seconds: pacing.ring_seconds, nanos: 0 }),
        max_ringing: i32::try_from(pacing.max_ringing).unwrap_or(i32::MAX),
        etag: pacing.etag(),
    }
}
