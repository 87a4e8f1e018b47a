//! The live connector: connects, logs in, catches up and hands on facts; `run.rs` begins anew when the line drops.
//! Started by the keeper for each configured FreeSWITCH; one task each.

use std::convert::Infallible;

use super::config::Config;
use super::line::{Desk, Line};
use super::link::Link;
use super::translate::Translator;
use crate::connectors::failure::Failure;
use crate::connectors::run;
pub use crate::connectors::session::{Closed, Handle, Phase, Resume, Status, channel_sink};
use crate::connectors::session::{Seat, Sink};

/// The session of one FreeSWITCH.
pub type Session = run::Session<Talk>;

/// How a FreeSWITCH is spoken to through its event socket.
pub struct Talk {
    config: Config,
    desk: Desk,
}

impl Session {
    /// A session and the handle to speak to it.
    pub fn new(config: Config, resume: Resume) -> (Session, Handle) {
        let (seat, handle) = Seat::new(&config.timing, resume.startup);
        let translator = Translator::new(&config.connector, config.rules.clone(), &resume.open);
        let desk = Desk::new(translator, || jiff::Timestamp::now().into());
        (Session { talk: Talk { config, desk }, seat }, handle)
    }
}

impl run::Talk for Talk {
    fn connector(&self) -> &str {
        &self.config.connector
    }

    async fn attempt(&mut self, seat: &mut Seat, sink: &mut Sink) -> Result<Infallible, Failure> {
        seat.phase(Phase::Connecting);
        // a leg that begins after this moment tells of itself and must not count as gone
        let before = self.desk.translator.open_legs();
        let link = Link::connect(&self.config).await?;
        let mut line = Line::new(link, &mut self.desk, sink, &self.config);
        line.log_in().await?;
        seat.phase(Phase::CatchingUp);
        let known = seat.status.borrow().startup.clone();
        let about = line.catch_up(before, known).await?;
        let now = (line.desk.clock)();
        seat.connected(&self.config.connector, now, about.version, about.core);
        line.listen(&mut seat.requests, &seat.status).await
    }
}
