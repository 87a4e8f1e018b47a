//! The live connector: connects, logs in, catches up and hands on facts; `run.rs` begins anew when the line drops.
//! Started by the keeper for each configured Asterisk; one task each.

use std::convert::Infallible;

use super::config::Config;
use super::line::{Desk, Line};
use super::link::Link;
use super::translate::Translator;
use crate::connectors::failure::Failure;
use crate::connectors::run;
pub use crate::connectors::session::{
    Closed, Handle, MAX_BATCH, Phase, Resume, Status, Storing, channel_sink,
};
use crate::connectors::session::{Seat, Sink};
use crate::domain::fact::Micros;

/// The session of one Asterisk.
pub type Session = run::Session<Talk>;

/// How an Asterisk is spoken to through AMI.
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

    /// Uses another clock and another source of jitter (0 to 1), for tests.
    #[must_use]
    pub fn with(mut self, clock: fn() -> Micros, jitter: fn() -> f64) -> Self {
        self.talk.desk.clock = clock;
        self.seat.jitter = jitter;
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
        let link = Link::connect(&self.config).await?;
        let mut line = Line { link, desk: &mut self.desk, sink, config: &self.config };
        line.log_in().await?;
        seat.phase(Phase::CatchingUp);
        let known = seat.status.borrow().startup.clone();
        let startup = line.catch_up(before, known).await?;
        let now = (line.desk.clock)();
        let version = line.link.version().map(str::to_owned);
        seat.connected(&self.config.connector, now, version, startup);
        line.listen(&mut seat.requests, &seat.status).await
    }

    fn lost(&mut self) {
        self.desk.drop_replies();
    }
}
