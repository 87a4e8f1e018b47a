//! The life of a session, whatever it speaks: connect, be lost, pause, begin anew.
//! Run by the keeper, one task for each connector; what one connection says is each kind's own [`Talk`].

use std::convert::Infallible;

use tracing::info;

use super::failure::Failure;
use super::session::{Seat, Sink, Storing};
use crate::domain::fact::CallFact;

/// How one kind of telephone system is spoken to.
pub trait Talk: Send {
    /// The connector's name.
    fn connector(&self) -> &str;

    /// One connection from its beginning to its end. Nothing more is read until `sink` has stored a batch.
    fn attempt(
        &mut self,
        seat: &mut Seat,
        sink: &mut Sink,
    ) -> impl Future<Output = Result<Infallible, Failure>> + Send;

    /// The connection is gone: whoever waits for an answer over it waits in vain.
    fn lost(&mut self) {}
}

/// One connector's session. [`Session::run`] lives until it is stopped.
pub struct Session<T> {
    pub(super) talk: T,
    pub(super) seat: Seat,
}

impl<T: Talk> Session<T> {
    /// Runs until `stop` is ready or `sink` is closed. `sink` returns once a batch is stored; until then nothing
    /// more is read. Facts may be handed on twice: the fold does not mind.
    pub async fn run(
        mut self,
        sink: impl FnMut(Vec<CallFact>) -> Storing + Send + 'static,
        stop: impl Future<Output = ()>,
    ) {
        let connector = self.talk.connector().to_owned();
        tokio::select! {
            () = stop => info!(connector, "telephone connector stopped"),
            () = self.serve(Box::new(sink)) => info!(connector, "telephone connector ended: facts are not taken"),
        }
    }

    async fn serve(&mut self, mut sink: Sink) {
        loop {
            let Err(failure) = self.talk.attempt(&mut self.seat, &mut sink).await;
            if matches!(failure, Failure::Unwanted) {
                return;
            }
            self.talk.lost();
            self.seat.lost(self.talk.connector(), &failure).await;
        }
    }
}
