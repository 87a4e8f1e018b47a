//! ImportService: files of leads and of opportunities, received in pieces and written in batches, with the progress as a stream; and what imports there were.
//! Called by the gateway and by `kontor import`.

mod deals;
mod leads;
mod past;
mod progress;
mod receive;
mod settings;
mod write;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Storage, Tx};
use kontor_kit::slots::Slots;
use kontor_kit::{Error, Result, id};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_service_server::ImportService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status};

use super::peers::Directory;
use crate::domain::import::Kind;
use crate::rates::Rates;
use crate::store;
use crate::store::import_run::State;
use progress::Progress;
use receive::Pieces;

/// Messages that wait for a slow caller. The run waits for it then.
const QUEUE: usize = 4;
/// How long the end of a run waits until the caller has read all.
const GOODBYE: Duration = Duration::from_secs(10);

/// What a run says, whatever rows become; the answers of ImportOpportunities have the same fields.
type Answers = mpsc::Sender<Said>;
type Said = std::result::Result<proto::ImportLeadsResponse, Status>;
type Answer<T> = std::result::Result<Response<T>, Status>;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Imports {
    context: Context,
    db: Db,
    directory: Directory,
    rates: Rates,
    slots: Slots,
}

impl Imports {
    pub(super) fn new(context: &Context, db: &Db, directory: &Directory, rates: &Rates) -> Imports {
        Imports {
            context: context.clone(),
            db: db.clone(),
            directory: directory.clone(),
            rates: rates.clone(),
            slots: Slots::default(),
        }
    }
}

#[tonic::async_trait]
impl ImportService for Imports {
    type ImportLeadsStream = ReceiverStream<Said>;
    type ImportOpportunitiesStream =
        Pin<Box<dyn Stream<Item = std::result::Result<proto::ImportOpportunitiesResponse, Status>> + Send>>;

    async fn import_leads(
        &self,
        request: Request<tonic::Streaming<proto::ImportLeadsRequest>>,
    ) -> Answer<Self::ImportLeadsStream> {
        let caller = Caller::of(&request)?;
        let said = self.begin(caller, Pieces::Leads(request.into_inner()))?;
        Ok(Response::new(said))
    }

    async fn import_opportunities(
        &self,
        request: Request<tonic::Streaming<proto::ImportOpportunitiesRequest>>,
    ) -> Answer<Self::ImportOpportunitiesStream> {
        let caller = Caller::of(&request)?;
        let said = self.begin(caller, Pieces::Opportunities(request.into_inner()))?;
        Ok(Response::new(Box::pin(said.map(|said| said.map(deals::answer)))))
    }

    async fn list_imports(
        &self,
        request: Request<proto::ListImportsRequest>,
    ) -> Answer<proto::ListImportsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(past::list(&self.db, caller, request.into_inner()).await?))
    }

    async fn get_import(&self, request: Request<proto::GetImportRequest>) -> Answer<proto::Import> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(past::get(&self.db, caller, &request.get_ref().name).await?))
    }
}

impl Imports {
    /// Starts a run and answers at once; what is wrong comes as the end of the stream.
    fn begin(&self, caller: Caller, mut pieces: Pieces) -> Result<ReceiverStream<Said>> {
        let slot = self.slots.take(&caller.user)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let imports = self.clone();
        let run = async move {
            let stop = imports.context.stop.clone();
            let record = Arc::new(OnceLock::new());
            let outcome = tokio::select! {
                outcome = imports.run(&caller, &mut pieces, &sender, &record) => outcome,
                () = stop.cancelled() => Err(stopping()),
                // Nobody listens any more: the caller has cancelled, or is lost.
                () = sender.closed() => Err(gone()),
            };
            drop(slot);
            if let Err(cause) = outcome {
                imports.ended(&record, &cause).await;
                let _ = tokio::time::timeout(GOODBYE, sender.send(Err(cause.into()))).await;
                // The caller may still be sending. Were its side dropped before it has read our last word, it would only see a broken stream.
                let _ = tokio::time::timeout(GOODBYE, sender.closed()).await;
            }
            drop(pieces);
        };
        // Not through `Context::spawn`, which would end it without a word when the server stops.
        self.context.tasks.spawn(run);
        Ok(ReceiverStream::new(receiver))
    }

    async fn run(
        &self,
        caller: &Caller,
        pieces: &mut Pieces,
        answers: &Answers,
        record: &OnceLock<String>,
    ) -> Result<()> {
        let settings = self.settings(caller, pieces).await?;
        let mut progress = Progress::new(answers.clone(), settings.max_errors);
        let spool = receive::receive(&self.folder(), pieces, &settings, &mut progress).await?;
        if !settings.validate_only {
            let run = record.get_or_init(id::new).clone();
            progress.is_of(&run);
            let (user, of) = (caller.name(), settings.scope.clone());
            let rows = progress.counts().total;
            let begin = move |tx: &mut Tx<'_>| {
                let team = if of.owner.starts_with("teams/") { of.owner.as_str() } else { "" };
                store::import_run::begin(tx, &run, &user, team, (of.kind, &of.source, rows))
            };
            self.db.write(begin).await?;
        }
        match settings.scope.kind {
            Kind::Leads => self.write_all(leads::Leads, caller, settings, spool, &mut progress).await?,
            Kind::Opportunities => {
                let deals = deals::Deals { rates: self.rates.clone() };
                self.write_all(deals, caller, settings, spool, &mut progress).await?;
            }
        }
        if let Some(run) = record.get().cloned() {
            let counts = progress.counts();
            let end = move |tx: &mut Tx<'_>| {
                store::import_run::note(tx, &run, counts)?;
                store::import_run::end(tx, &run, State::Done, "")
            };
            self.db.write(end).await?;
        }
        progress.done().await
    }

    /// Notes why a run ended before its time, when it had begun. Should that fail, it is seen as interrupted after a while.
    async fn ended(&self, record: &OnceLock<String>, cause: &Error) {
        let Some(run) = record.get().cloned() else { return };
        let (state, failure) = match cause.code() {
            Code::Cancelled | Code::DeadlineExceeded => (State::Cancelled, String::new()),
            Code::Unavailable => (State::Interrupted, String::new()),
            _ => (State::Failed, cause.message().to_owned()),
        };
        let end = move |tx: &mut Tx<'_>| store::import_run::end(tx, &run, state, &failure);
        if let Err(cause) = self.db.write(end).await {
            tracing::warn!(%cause, "the end of an import was not noted");
        }
    }

    /// Where files are kept until they are read: beside the data, or where the system keeps what is temporary.
    fn folder(&self) -> std::path::PathBuf {
        match &self.context.storage {
            Storage::Sqlite(folder) => folder.clone(),
            Storage::Postgres(_) => std::env::temp_dir(),
        }
    }
}

fn stopping() -> Error {
    Error::unavailable("the server is stopping: send the same file again, nothing is created twice")
}

fn gone() -> Error {
    Error::new(Code::Cancelled, "CANCELLED", "the caller has gone")
}
