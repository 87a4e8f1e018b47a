//! The live connector: connects, catches up and hands on facts; `run.rs` begins anew when the line drops.
//! Started by the keeper for each configured ARI; one task each.

use std::convert::Infallible;

use super::config::Config;
use super::line::{Desk, Line};
use super::link::Link;
use super::rest::Rest;
use super::translate::Translator;
use crate::connectors::failure::Failure;
use crate::connectors::run;
pub use crate::connectors::session::{Closed, Handle, Phase, Resume, Status, channel_sink};
use crate::connectors::session::{Seat, Sink};
use crate::domain::fact::Micros;

/// The session of one Asterisk.
pub type Session = run::Session<Talk>;

/// How an Asterisk is spoken to through ARI.
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

    /// Uses another clock, for tests.
    #[must_use]
    pub fn with(mut self, clock: fn() -> Micros) -> Self {
        self.talk.desk.clock = clock;
        self
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
        let rest = Rest::new(&self.config)?;
        let link = Link::connect(&self.config).await?;
        let mut line = Line { link, rest, desk: &mut self.desk, sink, config: &self.config };
        seat.phase(Phase::CatchingUp);
        let known = seat.status.borrow().startup.clone();
        let about = line.catch_up(before, known).await?;
        let now = (line.desk.clock)();
        seat.connected(&self.config.connector, now, about.version, about.startup);
        line.listen(&mut seat.requests, &seat.status).await
    }
}
