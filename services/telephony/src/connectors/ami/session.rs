//! The live connector: connects, logs in, catches up, hands on facts, and begins anew when the line drops.
//! Started by the telephony service for each configured Asterisk; one task each.

use tracing::info;

use super::config::Config;
use super::line::{Desk, Line};
use super::link::{Failure, Link};
use super::translate::Translator;
use crate::connectors::session::Seat;
pub use crate::connectors::session::{
    Closed, Handle, MAX_BATCH, Phase, Resume, Status, Storing, channel_sink,
};
use crate::domain::fact::{CallFact, Micros};

/// One connector. [`Session::run`] lives until it is stopped.
pub struct Session {
    config: Config,
    desk: Desk,
    seat: Seat,
}

impl Session {
    /// A session and the handle to speak to it.
    pub fn new(config: Config, resume: Resume) -> (Session, Handle) {
        let (seat, handle) = Seat::new(&config.timing, resume.startup);
        let translator = Translator::new(&config.connector, config.rules.clone(), &resume.open);
        let desk = Desk::new(translator, || jiff::Timestamp::now().into());
        (Session { config, desk, seat }, handle)
    }

    /// Uses another clock and another source of jitter (0 to 1), for tests.
    #[must_use]
    pub fn with(mut self, clock: fn() -> Micros, jitter: fn() -> f64) -> Self {
        self.desk.clock = clock;
        self.seat.jitter = jitter;
        self
    }

    /// Runs until `stop` is ready or `sink` is closed. `sink` returns once a batch is stored; until then nothing
    /// more is read. Facts may be handed on twice: the fold does not mind.
    pub async fn run<S, F>(mut self, mut sink: S, stop: impl Future<Output = ()>)
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        let connector = self.config.connector.clone();
        tokio::select! {
            () = stop => info!(connector, "telephone connector stopped"),
            () = self.serve(&mut sink) => info!(connector, "telephone connector ended: facts are not taken"),
        }
    }

    async fn serve<S, F>(&mut self, sink: &mut S)
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        loop {
            let Err(failure) = self.attempt(sink).await;
            if matches!(failure, Failure::Unwanted) {
                return;
            }
            self.desk.drop_replies();
            let refused = matches!(failure, Failure::Refused { .. });
            self.seat.lost(&self.config.connector, &failure, refused).await;
        }
    }

    /// One connection from its beginning to its end.
    async fn attempt<S, F>(&mut self, sink: &mut S) -> Result<std::convert::Infallible, Failure>
    where
        S: FnMut(Vec<CallFact>) -> F,
        F: Future<Output = Result<(), Closed>>,
    {
        self.seat.phase(Phase::Connecting);
        // a leg that begins after this moment tells of itself and must not count as gone
        let before = self.desk.translator.open_legs();
        let link = Link::connect(&self.config).await?;
        let mut line = Line { link, desk: &mut self.desk, sink, config: &self.config };
        line.log_in().await?;
        self.seat.phase(Phase::CatchingUp);
        let known = self.seat.status.borrow().startup.clone();
        let startup = line.catch_up(before, known).await?;
        let now = (line.desk.clock)();
        let version = line.link.version().map(str::to_owned);
        self.seat.connected(&self.config.connector, now, version, startup);
        line.listen(&mut self.seat.requests, &self.seat.status).await
    }
}
