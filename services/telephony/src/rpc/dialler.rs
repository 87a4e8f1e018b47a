//! DiallerService: the dialler of a call list is looked at, started and stopped.
//! Called by the gateway.

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Tx};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::dialler_service_server::DiallerService;
use tonic::{Request, Response, Status};

use crate::dialler::{self, Desk, Wake};
use crate::domain::call_list::{CallList, State};
use crate::domain::connector::Connector;
use crate::domain::dialler::Dialler;
use crate::intake::Intake;
use crate::store;
use crate::store::pacing::Pacing;

/// The service.
pub struct Diallers {
    intake: Intake,
    desk: Desk,
    wake: Wake,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

/// PacingMode of operators who start calls themselves.
const PREVIEW: i32 = proto::PacingMode::Preview as i32;

#[tonic::async_trait]
impl DiallerService for Diallers {
    async fn get_dialler(&self, request: Request<proto::GetDiallerRequest>) -> Answer<proto::Dialler> {
        let caller = Caller::of(&request)?;
        let id = list_id(&request.get_ref().name)?;
        let (desk, now) = (self.desk.clone(), self.intake.db.clock().now());
        let read = move |conn: &mut Conn<'_>| {
            let list = list(conn, &caller, &id)?;
            let dialler = resource::find::<Dialler>(conn, &id)?;
            told(conn, &desk, &dialler.unwrap_or_else(|| Dialler::new(&id, &list.team)), now)
        };
        Ok(Response::new(self.intake.db.read(read).await?))
    }

    async fn start_dialler(&self, request: Request<proto::StartDiallerRequest>) -> Answer<proto::Dialler> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = list_id(&request.name)?;
        let (desk, wake) = (self.desk.clone(), self.wake.clone());
        let write = move |tx: &mut Tx<'_>| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let dialler = start(tx, &caller, &id, &request.connector)?;
                let (wake, now) = (wake.clone(), tx.now());
                tx.on_commit(move || wake.wake());
                told(tx, &desk, &dialler, now)
            })
        };
        Ok(Response::new(self.intake.db.write(write).await?))
    }

    async fn stop_dialler(&self, request: Request<proto::StopDiallerRequest>) -> Answer<proto::Dialler> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = list_id(&request.name)?;
        let (desk, intake) = (self.desk.clone(), self.intake.clone());
        let write = move |tx: &mut Tx<'_>| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let (list, now) = (managed(tx, &caller, &id)?, tx.now());
                let Some(mut dialler) = resource::hold_if_there::<Dialler>(tx, &id)? else {
                    return told(tx, &desk, &Dialler::new(&id, &list.team), now);
                };
                dialler::stop(tx, &intake, &mut dialler, &caller.name(), "it was stopped by hand")?;
                told(tx, &desk, &dialler, now)
            })
        };
        let answer = self.intake.db.write(write).await?;
        // calls that were taken back are over
        self.intake.wake.notify_one();
        Ok(Response::new(answer))
    }
}

impl Diallers {
    pub(super) fn new(context: &Context, intake: &Intake, wake: &Wake) -> Diallers {
        Diallers { intake: intake.clone(), desk: Desk::new(context, intake), wake: wake.clone() }
    }
}

fn start(tx: &mut Tx<'_>, caller: &Caller, id: &str, connector: &str) -> Result<Dialler> {
    let (list, now) = (managed(tx, caller, id)?, tx.now());
    if list.state != State::Active {
        let message = format!("{} is not active: resume it first", list.name());
        return Err(Error::precondition("LIST_NOT_ACTIVE", message));
    }
    if resource::find::<Pacing>(tx, id)?.is_some_and(|pacing| pacing.mode == PREVIEW) {
        let message =
            format!("the pacing of {} is preview, so operators start calls: change it first", list.name());
        return Err(Error::precondition("PREVIEW", message));
    }
    let connector = connector_of(tx, connector)?;
    let before = resource::hold_if_there::<Dialler>(tx, id)?;
    let mut dialler = before.clone().unwrap_or_else(|| Dialler::new(id, &list.team));
    if dialler.start(&connector.id, &caller.name(), now) {
        if before.is_some() {
            resource::update(tx, &mut dialler)?;
        } else {
            dialler.version = 1;
            resource::insert(tx, &dialler)?;
        }
        dialler::started(tx, &dialler);
    }
    Ok(dialler)
}

/// The connector that is named, or the only one that dials lists.
fn connector_of(conn: &mut Conn<'_>, name: &str) -> Result<Connector> {
    let cannot = |message: String| Error::precondition("CANNOT_DIAL", message);
    if name.is_empty() {
        let mut all = store::connector::diallers(conn)?;
        all.retain(|connector| connector.dial.can_dial_lists());
        return match all.len() {
            0 => Err(cannot(
                "no connector dials lists: an administrator sets `dial.list_device` of one".to_owned(),
            )),
            1 => Ok(all.remove(0)),
            _ => {
                let names: Vec<String> = all.iter().map(Connector::name).collect();
                let message = format!("several dial lists, so name one: {}", names.join(", "));
                Err(Error::invalid("connector", message))
            }
        };
    }
    let connector: Connector = resource::get(conn, id::parse("connectors", name, "connector")?)?;
    if connector.disabled {
        return Err(Error::precondition("CONNECTOR_DISABLED", format!("{name} is disabled")));
    }
    if !connector.dial.can_dial_lists() {
        return Err(cannot(format!("{name} dials no lists: an administrator sets its `dial.list_device`")));
    }
    Ok(connector)
}

/// The id of the list in "callLists/{list}/dialler".
fn list_id(name: &str) -> Result<String> {
    let wrong = || Error::invalid("name", format!("{name:?} is not a name like callLists/{{list}}/dialler"));
    let list = name.strip_suffix("/dialler").ok_or_else(wrong)?;
    id::parse("callLists", list, "name").map(str::to_owned).map_err(|_| wrong())
}

/// A list that the caller may see.
fn list(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<CallList> {
    store::call_list::get(conn, caller, id).map_err(|cause| {
        if cause.is_not_found() { Error::not_found(format!("callLists/{id}/dialler")) } else { cause }
    })
}

/// A list that the caller manages.
fn managed(conn: &mut Conn<'_>, caller: &Caller, id: &str) -> Result<CallList> {
    let list = list(conn, caller, id)?;
    list.must_be_managed_by(caller)?;
    Ok(list)
}

/// The dialler as callers see it, with what it does now.
fn told(conn: &mut Conn<'_>, desk: &Desk, dialler: &Dialler, now: i64) -> Result<proto::Dialler> {
    let state = if dialler.running { proto::DiallerState::Running } else { proto::DiallerState::Stopped };
    let description =
        if dialler.running { desk.look(conn, dialler, now)?.words() } else { dialler.reason.clone() };
    let ran = dialler.version > 0;
    Ok(proto::Dialler {
        name: dialler.name(),
        state: state.into(),
        connector: if ran { format!("connectors/{}", dialler.connector) } else { String::new() },
        user: dialler.user.clone(),
        change_time: ran.then(|| clock::to_proto(dialler.change_time)),
        description,
        team: dialler.team.clone(),
        etag: if ran { dialler.etag() } else { String::new() },
    })
}
