//! Histories of partners: list and rebuild.
//! Called by rpc/partner.rs, whose service has the two methods.

use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db};
use kontor_kit::page::Query;
use kontor_kit::{Error, Result, clock, id};
use kontor_proto::directory::v1 as proto;
use kontor_proto::r#type::v1::Event;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::events;
use crate::store::timeline::{self, Found};

/// What RebuildTimelines answers.
pub type RebuildStream = ReceiverStream<std::result::Result<proto::RebuildTimelinesResponse, Status>>;

/// The histories.
#[derive(Clone)]
pub struct Timelines {
    /// Surroundings: the bus is read for a rebuild.
    pub context: Context,
    /// The directory's database.
    pub db: Db,
}

impl Timelines {
    /// ListTimelineEntries. Whether the partner exists is for the caller to check.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming parent, page_size, page_token or order_by.
    pub async fn list(
        &self,
        caller: Caller,
        request: proto::ListTimelineEntriesRequest,
    ) -> Result<proto::ListTimelineEntriesResponse> {
        id::parse("partners", &request.parent, "parent")?;
        let proto::ListTimelineEntriesRequest { parent, page_size, page_token, order_by } = request;
        let query = Query { page_size, page_token, filter: String::new(), order_by };
        let partner = parent.clone();
        let kind = query.kind_under(&caller, &parent);
        let read = move |conn: &mut Conn<'_>| timeline::list(conn, &caller, &partner, &query);
        let page = self.db.read_list(kind, read).await?;
        let page = page.map(|found| to_proto(&parent, found));
        Ok(proto::ListTimelineEntriesResponse {
            timeline_entries: page.rows,
            next_page_token: page.next_page_token,
        })
    }

    /// RebuildTimelines. It goes on when the caller leaves; reading goes on meanwhile.
    ///
    /// # Errors
    /// PERMISSION_DENIED. In the stream: UNAVAILABLE when a source can't be reached (the old histories stay),
    /// ABORTED when another rebuild took over.
    pub async fn rebuild(&self, caller: &Caller) -> Result<RebuildStream> {
        caller.must_be_admin()?;
        let (sender, receiver) = mpsc::channel(16);
        let generation = self.db.write(timeline::begin).await?;
        let mut work = Rebuild {
            timelines: self.clone(),
            generation,
            reached: Vec::new(),
            progress: proto::RebuildTimelinesResponse::default(),
            sender,
        };
        self.context.spawn(async move {
            match work.run().await {
                Ok(()) => {
                    work.progress.done = true;
                    // The caller may have left: then nobody needs to know.
                    let _ = work.sender.send(Ok(work.progress)).await;
                }
                Err(cause) => work.fail(cause).await,
            }
        });
        Ok(ReceiverStream::new(receiver))
    }
}

struct Rebuild {
    timelines: Timelines,
    generation: i64,
    /// Last number read of each source.
    reached: Vec<(&'static str, i64)>,
    progress: proto::RebuildTimelinesResponse,
    sender: mpsc::Sender<std::result::Result<proto::RebuildTimelinesResponse, Status>>,
}

impl Rebuild {
    async fn run(&mut self) -> Result<()> {
        for source in events::REBUILT_SOURCES {
            self.reached.push((source, 0));
            self.read(source).await?;
        }
        self.finish().await?;
        timeline::drop_old(&self.timelines.db).await
    }

    /// Reads a source to its newest event; one batch waits while another is written.
    async fn read(&mut self, source: &'static str) -> Result<()> {
        let bus = self.timelines.context.bus.clone();
        let (sender, mut batches) = mpsc::channel(1);
        let feed = bus.replay(source, move |batch| {
            let sender = sender.clone();
            async move { sender.send(batch).await.map_err(|_| Error::unavailable("the rebuild ended")) }
        });
        let take = async {
            while let Some(batch) = batches.recv().await {
                self.take(batch).await?;
            }
            // A feed that waits for room must notice that nobody reads any more.
            drop(batches);
            Ok(())
        };
        let (fed, taken): (Result<()>, Result<()>) = tokio::join!(feed, take);
        taken.and(fed)
    }

    async fn take(&mut self, batch: Vec<Event>) -> Result<()> {
        let generation = self.generation;
        let changes: Vec<_> = batch.iter().flat_map(events::changes).collect();
        let write = move |tx: &mut kontor_kit::db::Tx<'_>| timeline::take_past(tx, generation, &changes);
        self.progress.entries_written += self.timelines.db.write(write).await?;
        self.progress.events_read += i64::try_from(batch.len()).unwrap_or(0);
        if let (Some(last), Some(reached)) = (batch.last(), self.reached.last_mut()) {
            reached.1 = last.sequence;
        }
        // A slow reader misses a step of the progress; it must not hold up the rebuild.
        let _ = self.sender.try_send(Ok(self.progress));
        Ok(())
    }

    /// In one transaction: what arrived meanwhile, and the switch.
    async fn finish(&mut self) -> Result<()> {
        let (generation, reached) = (self.generation, self.reached.clone());
        self.progress.entries_written += self
            .timelines
            .db
            .write(move |tx| {
                let late = timeline::pending(tx, generation, &reached)?;
                let changes: Vec<_> = late.iter().flat_map(events::changes).collect();
                let written = timeline::take_past(tx, generation, &changes)?;
                timeline::switch(tx, generation)?;
                Ok(written)
            })
            .await?;
        Ok(())
    }

    async fn fail(&self, cause: Error) {
        tracing::warn!(cause = %cause, "the timelines were not rebuilt");
        if let Err(cause) = timeline::give_up(&self.timelines.db, self.generation).await {
            tracing::warn!(cause = %cause, "could not clear an unfinished rebuild");
        }
        let _ = self.sender.send(Err(cause.into())).await;
    }
}

fn to_proto(parent: &str, found: Found) -> proto::TimelineEntry {
    proto::TimelineEntry {
        name: format!("{parent}/timelineEntries/{}", found.entry),
        occur_time: Some(clock::to_proto(found.occur_time)),
        kind: found.kind,
        subject: found.subject,
        summary: found.summary,
        actor: found.actor,
    }
}
