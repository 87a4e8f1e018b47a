//! MergeService: each method in a few lines; how one begins stands in merge_new.rs, how letters come out in download.rs.
//! Called by the gateway and by other programs.

use std::pin::Pin;
use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_kit::resource::Stored;
use kontor_kit::{Error, Result, clock, id, resource};
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::merge_service_server::MergeService;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Answer, House, download};
use crate::domain::merge::{Merge, State};
use crate::{merges, store};

/// The service.
pub struct MergesRpc(pub(super) House);

/// How often a merge of another process is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// As the API shows it.
pub(super) fn to_proto(row: &Merge) -> proto::Merge {
    let output = if row.joined { proto::MergeOutput::Joined } else { proto::MergeOutput::Separate };
    let policy = if row.skips { proto::FailurePolicy::Skip } else { proto::FailurePolicy::AllOrNothing };
    proto::Merge {
        name: row.full_name(),
        revision: format!("templates/{}/revisions/{}", row.template, row.revision),
        template_display_name: row.template_name.clone(),
        output: output.into(),
        pdf: row.pdf,
        failure_policy: policy.into(),
        state: i32::try_from(row.state as i64).unwrap_or(0),
        recipient_count: row.recipients,
        done_count: row.done,
        letter_count: row.letters,
        failed_count: row.failed,
        skipped_count: row.skipped,
        failure: row.failure.clone(),
        owner: row.owner.clone(),
        team: row.team.clone(),
        size_bytes: row.size,
        create_time: Some(clock::to_proto(row.create_time)),
        update_time: Some(clock::to_proto(row.update_time)),
        end_time: row.end_time.map(clock::to_proto),
    }
}

#[tonic::async_trait]
impl MergeService for MergesRpc {
    type WatchMergeStream = Pin<Box<dyn Stream<Item = std::result::Result<proto::Merge, Status>> + Send>>;
    type DownloadLetterStream = download::Download;
    type DownloadMergeStream = download::Download;

    async fn create_merge(&self, request: Request<proto::CreateMergeRequest>) -> Answer<proto::Merge> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.begin(caller, request.into_inner()).await?))
    }

    async fn get_merge(&self, request: Request<proto::GetMergeRequest>) -> Answer<proto::Merge> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(to_proto(&self.0.merge(&caller, &request.get_ref().name, "name").await?)))
    }

    async fn list_merges(
        &self,
        request: Request<proto::ListMergesRequest>,
    ) -> Answer<proto::ListMergesResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListMergesRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.0.db.read(move |conn| store::merge::list(conn, &caller, &query)).await?;
        let page = page.map(|row| to_proto(&row));
        let (merges, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListMergesResponse { merges, next_page_token }))
    }

    async fn watch_merge(
        &self,
        request: Request<proto::WatchMergeRequest>,
    ) -> Answer<Self::WatchMergeStream> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        let mut steps = self.0.merges.steps();
        steps.mark_unchanged();
        let mut merge = self.0.merge(&caller, &name, "name").await?;
        let (sender, receiver) = mpsc::channel(4);
        let house = self.0.clone();
        self.0.context.spawn(async move {
            loop {
                let is_over = merge.state.is_over();
                if sender.send(Ok(to_proto(&merge))).await.is_err() || is_over {
                    return;
                }
                loop {
                    tokio::select! {
                        () = sender.closed() => return,
                        _ = tokio::time::timeout(LOOK, steps.changed()) => {}
                    }
                    match house.merge(&caller, &name, "name").await {
                        Ok(now)
                            if now.update_time == merge.update_time
                                && now.state == merge.state
                                && now.done == merge.done
                                && now.gathered == merge.gathered => {}
                        Ok(now) => {
                            merge = now;
                            break;
                        }
                        Err(cause) => {
                            let _ = sender.send(Err(cause.into())).await;
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn cancel_merge(&self, request: Request<proto::CancelMergeRequest>) -> Answer<proto::Merge> {
        let caller = Caller::of(&request)?;
        let merge = self.0.steer(caller, &request.get_ref().name, |tx, merge| {
            store::merge::cancel(tx, merge)?;
            merges::ended(tx, merge);
            Ok(())
        });
        Ok(Response::new(merge.await?))
    }

    async fn resume_merge(&self, request: Request<proto::ResumeMergeRequest>) -> Answer<proto::Merge> {
        let caller = Caller::of(&request)?;
        let merge = self.0.steer(caller, &request.get_ref().name, store::merge::resume);
        Ok(Response::new(merge.await?))
    }

    async fn delete_merge(&self, request: Request<proto::DeleteMergeRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let id = id::parse("merges", &request.get_ref().name, "name")?.to_owned();
        let write = self.0.db.write(move |tx| {
            tx.act_for(&caller.name());
            let merge = store::merge::hold(tx, &caller, &id)?;
            if !merge.state.is_over() {
                let message = format!("{} goes on: cancel it first", merge.full_name());
                return Err(Error::precondition("RUNNING", message));
            }
            store::merge::gone(tx, &id)?;
            resource::delete(tx, &merge)?;
            store::content::release(tx, &merge.sha256)
        });
        write.await?;
        self.0.merges.wake();
        Ok(Response::new(()))
    }

    async fn list_merge_failures(
        &self,
        request: Request<proto::ListMergeFailuresRequest>,
    ) -> Answer<proto::ListMergeFailuresResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let merge = self.0.merge(&caller, &request.parent, "parent").await?;
        let (page_size, page_token) = (request.page_size, request.page_token);
        let query = Query { page_size, page_token, ..Default::default() };
        let read = self.0.db.read(move |conn| store::row::failures(conn, &caller, &merge.id, &query));
        let page = read.await?.map(|row| proto::MergeFailure {
            number: row.number,
            partner: row.partner,
            display_name: row.display_name,
            reason: row.reason,
        });
        let (failures, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListMergeFailuresResponse { failures, next_page_token }))
    }

    async fn list_letters(
        &self,
        request: Request<proto::ListLettersRequest>,
    ) -> Answer<proto::ListLettersResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let merge = self.0.merge(&caller, &request.parent, "parent").await?;
        merge.must_be_done()?;
        let (page_size, page_token) = (request.page_size, request.page_token);
        let query = Query { page_size, page_token, ..Default::default() };
        let id = merge.id.clone();
        let read = self.0.db.read(move |conn| store::letter::list(conn, &caller, &id, &query));
        let page = read.await?.map(|letter| proto::Letter {
            name: format!("merges/{}/letters/{}", merge.id, letter.number),
            filename: letter.filename,
            partner: letter.partner,
            size_bytes: letter.size,
        });
        let (letters, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListLettersResponse { letters, next_page_token }))
    }

    async fn download_letter(
        &self,
        request: Request<proto::DownloadLetterRequest>,
    ) -> Answer<Self::DownloadLetterStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.download_letter(caller, &request.get_ref().name).await?))
    }

    async fn download_merge(
        &self,
        request: Request<proto::DownloadMergeRequest>,
    ) -> Answer<Self::DownloadMergeStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.download_merge(caller, &request.get_ref().name).await?))
    }
}

impl House {
    /// A merge that the caller sees.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub(super) async fn merge(&self, caller: &Caller, name: &str, field: &str) -> Result<Merge> {
        let (caller, id) = (caller.clone(), id::parse("merges", name, field)?.to_owned());
        self.db.read_few(move |conn| store::merge::get(conn, &caller, &id)).await
    }

    /// Changes the state of a merge.
    async fn steer(
        &self,
        caller: Caller,
        name: &str,
        how: fn(&mut kontor_kit::db::Tx<'_>, &mut Merge) -> Result<()>,
    ) -> Result<proto::Merge> {
        let id = id::parse("merges", name, "name")?.to_owned();
        let write = self.db.write(move |tx| {
            tx.act_for(&caller.name());
            let mut merge = store::merge::hold(tx, &caller, &id)?;
            let before = merge.state;
            how(tx, &mut merge)?;
            let said = |state: State| format!("{state:?}").to_uppercase();
            let entry = kontor_kit::audit::Entry::new(
                kontor_kit::audit::Action::Update,
                merge.full_name(),
                &merge.audience(),
            );
            tx.audit(entry.field("state", said(before), said(merge.state)));
            Ok(to_proto(&merge))
        });
        let merge = write.await?;
        self.merges.wake();
        Ok(merge)
    }
}
