//! A look at a list whose dialler runs: whether it stops, waits or places calls, and why.
//! Called by the dialler, before and inside its transaction, and by rpc/dialler.rs, which tells the words.

use jiff::tz::TimeZone;
use kontor_kit::Result;
use kontor_kit::db::Conn;
use kontor_kit::resource;

use super::known::Known;
use crate::domain::call_list::State;
use crate::domain::connector::Connector;
use crate::domain::dial::PATIENCE_MICROS;
use crate::domain::dialler::Dialler;
use crate::domain::pacing::Mode;
use crate::store;
use crate::store::lease::{self, Plan};
use crate::store::pacing::Pacing;

/// What to do.
pub enum Look {
    /// It can't go on: why.
    Stop(String),
    /// Nothing now: why.
    Wait(String),
    /// Place calls.
    Place(Box<Order>),
}

/// Calls to place.
pub struct Order {
    /// The list as it is now; only numbers at which it is calling hours, also while the order waits for the telephone system.
    pub plan: Plan,
    /// Over which connector.
    pub connector: Connector,
    /// How many.
    pub count: u32,
    /// How long each rings, in seconds.
    pub ring_seconds: i64,
    /// Why so many.
    pub words: String,
}

impl Look {
    /// Looks.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(conn: &mut Conn<'_>, dialler: &Dialler, now: i64, zone: &TimeZone) -> Result<Look> {
        let plan = match Plan::read(conn, &dialler.id) {
            Err(cause) if cause.is_not_found() => return Ok(Look::Stop("its list was deleted".to_owned())),
            plan => plan?.ahead(PATIENCE_MICROS),
        };
        let stops = match plan.list.state {
            State::Active => None,
            State::Paused => Some("its list was paused"),
            State::Ended => Some("its list has ended"),
            State::Deleted => Some("its list was deleted"),
        };
        if let Some(reason) = stops {
            return Ok(Look::Stop(reason.to_owned()));
        }
        let name = format!("connectors/{}", dialler.connector);
        let connector = match resource::find::<Connector>(conn, &dialler.connector)? {
            None => return Ok(Look::Stop(format!("{name} was deleted"))),
            Some(connector) if connector.disabled => {
                return Ok(Look::Stop(format!("{name} was disabled")));
            }
            Some(connector) if !connector.dial.can_dial_lists() => {
                return Ok(Look::Stop(format!("{name} dials no lists any more")));
            }
            Some(connector) => connector,
        };
        if !store::state::is_connected(conn, &dialler.connector)? {
            return Ok(Look::Wait(format!("{name} is not connected to its telephone system")));
        }
        let pacing = resource::find::<Pacing>(conn, &dialler.id)?;
        let pacing = pacing.unwrap_or_else(|| Pacing::usual(&dialler.id, &dialler.team));
        let ring_seconds = pacing.ring_seconds;
        let known = Known::read(conn, pacing, now, zone)?;
        if known.mode() == Mode::Preview {
            let words = "the pacing is preview: operators start calls themselves";
            return Ok(Look::Wait(words.to_owned()));
        }
        let decision = known.decide(now);
        if decision.place == 0 {
            return Ok(Look::Wait(decision.to_string()));
        }
        if lease::callable(conn, &plan, now, 1)? == 0 {
            return Ok(Look::Wait("no number of the list may be called now".to_owned()));
        }
        let (count, words) = (decision.place, decision.to_string());
        Ok(Look::Place(Box::new(Order { plan, connector, count, ring_seconds, words })))
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            Look::Stop(words) | Look::Wait(words) => words,
            Look::Place(order) => order.words,
        }
    }
}
