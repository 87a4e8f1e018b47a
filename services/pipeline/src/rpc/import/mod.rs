//! ImportService: files of leads, received in pieces and written in batches, with the progress as a stream.
//! Called by the gateway and by `kontor import`.

mod progress;
mod receive;
mod settings;
mod write;

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Db, Storage};
use kontor_kit::slots::Slots;
use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::import_service_server::ImportService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::peers::Directory;
use progress::Progress;

/// Messages that wait for a slow caller. The run waits for it then.
const QUEUE: usize = 4;
/// How long the end of a run waits until the caller has read all.
const GOODBYE: Duration = Duration::from_secs(10);

type Answers = mpsc::Sender<std::result::Result<proto::ImportLeadsResponse, Status>>;
type Pieces = Streaming<proto::ImportLeadsRequest>;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Imports {
    context: Context,
    db: Db,
    directory: Directory,
    slots: Slots,
}

impl Imports {
    pub(super) fn new(context: &Context, db: &Db, directory: &Directory) -> Imports {
        Imports {
            context: context.clone(),
            db: db.clone(),
            directory: directory.clone(),
            slots: Slots::default(),
        }
    }
}

#[tonic::async_trait]
impl ImportService for Imports {
    type ImportLeadsStream = ReceiverStream<std::result::Result<proto::ImportLeadsResponse, Status>>;

    /// Answers at once; what is wrong comes as the end of the stream.
    async fn import_leads(
        &self,
        request: Request<Pieces>,
    ) -> std::result::Result<Response<Self::ImportLeadsStream>, Status> {
        let caller = Caller::of(&request)?;
        let slot = self.slots.take(&caller.user)?;
        let mut pieces = request.into_inner();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let imports = self.clone();
        let run = async move {
            let stop = imports.context.stop.clone();
            let outcome = tokio::select! {
                outcome = imports.run(&caller, &mut pieces, &sender) => outcome,
                () = stop.cancelled() => Err(stopping()),
                // Nobody listens any more: the caller has cancelled, or is lost.
                () = sender.closed() => Ok(()),
            };
            drop(slot);
            if let Err(cause) = outcome {
                let _ = tokio::time::timeout(GOODBYE, sender.send(Err(cause.into()))).await;
                // The caller may still be sending. Were its side dropped before it has read our last word, it would only see a broken stream.
                let _ = tokio::time::timeout(GOODBYE, sender.closed()).await;
            }
            drop(pieces);
        };
        // Not through `Context::spawn`, which would end it without a word when the server stops.
        self.context.tasks.spawn(run);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Imports {
    async fn run(&self, caller: &Caller, pieces: &mut Pieces, answers: &Answers) -> Result<()> {
        let settings = self.settings(caller, pieces).await?;
        let mut progress = Progress::new(answers.clone(), settings.max_errors);
        let spool = receive::receive(&self.folder(), pieces, &settings, &mut progress).await?;
        self.write_all(caller, settings, spool, &mut progress).await
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
