//! MailingService: each method in a few lines; what they do stands in the other files of this folder.
//! Called by the gateway and by other programs.

use std::pin::Pin;

use futures_util::{Stream, stream};
use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::mailing_service_server::MailingService;
use tonic::{Request, Response, Status};

use super::convert::{recipient, to_proto};
use super::report::{LOOK, Watch};
use super::{Answer, House};
use crate::sender::Sender;
use crate::store;

/// The service.
#[derive(Clone)]
pub struct Mailings {
    pub(super) house: House,
    pub(super) sender: Sender,
}

type Watching = Pin<Box<dyn Stream<Item = std::result::Result<proto::Mailing, Status>> + Send>>;

#[tonic::async_trait]
impl MailingService for Mailings {
    type WatchMailingStream = Watching;

    async fn list_mailings(
        &self,
        request: Request<proto::ListMailingsRequest>,
    ) -> Answer<proto::ListMailingsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListMailingsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.house.db.read(move |conn| store::mailing::list(conn, &caller, &query)).await?;
        let page = page.map(|row| to_proto(&row));
        let (mailings, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListMailingsResponse { mailings, next_page_token }))
    }

    async fn get_mailing(&self, request: Request<proto::GetMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        let mailing = self.house.mailing(&caller, &request.get_ref().name, "name").await?;
        Ok(Response::new(self.house.counted(&mailing).await?))
    }

    async fn create_mailing(&self, request: Request<proto::CreateMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.create(caller, request.into_inner()).await?))
    }

    async fn update_mailing(&self, request: Request<proto::UpdateMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        let answer = self.house.update(caller, request.into_inner()).await?;
        self.sender.wake();
        Ok(Response::new(answer))
    }

    async fn delete_mailing(&self, request: Request<proto::DeleteMailingRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        self.house.delete(caller, request.into_inner()).await?;
        Ok(Response::new(()))
    }

    async fn add_recipients(
        &self,
        request: Request<proto::AddRecipientsRequest>,
    ) -> Answer<proto::AddRecipientsResponse> {
        let caller = Caller::of(&request)?;
        let answer = self.house.add_recipients(caller, request.into_inner()).await?;
        self.sender.wake();
        Ok(Response::new(answer))
    }

    async fn remove_recipients(
        &self,
        request: Request<proto::RemoveRecipientsRequest>,
    ) -> Answer<proto::RemoveRecipientsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.remove_recipients(caller, request.into_inner()).await?))
    }

    async fn list_recipients(
        &self,
        request: Request<proto::ListRecipientsRequest>,
    ) -> Answer<proto::ListRecipientsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListRecipientsRequest { parent, page_size, page_token, filter } = request.into_inner();
        let mailing = self.house.mailing(&caller, &parent, "parent").await?;
        let query = Query { page_size, page_token, filter, order_by: String::new() };
        let read = move |conn: &mut kontor_kit::db::Conn<'_>| {
            store::outgoing::list(conn, &caller, &mailing.id, &query)
        };
        let page = self.house.db.read(read).await?.map(recipient);
        let (recipients, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListRecipientsResponse { recipients, next_page_token }))
    }

    async fn check_mailing(
        &self,
        request: Request<proto::CheckMailingRequest>,
    ) -> Answer<proto::CheckMailingResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.check(&caller, &request.get_ref().name).await?))
    }

    async fn preview_message(
        &self,
        request: Request<proto::PreviewMessageRequest>,
    ) -> Answer<proto::PreviewMessageResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.preview(&caller, request.into_inner()).await?))
    }

    async fn send_test_message(
        &self,
        request: Request<proto::SendTestMessageRequest>,
    ) -> Answer<proto::SendTestMessageResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.send_test(&caller, request.into_inner()).await?))
    }

    async fn start_mailing(&self, request: Request<proto::StartMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        let answer = self.house.start(caller, request.into_inner()).await?;
        self.sender.wake();
        Ok(Response::new(answer))
    }

    async fn pause_mailing(&self, request: Request<proto::PauseMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.pause(caller, request.into_inner()).await?))
    }

    async fn resume_mailing(&self, request: Request<proto::ResumeMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        let answer = self.house.resume(caller, request.into_inner()).await?;
        self.sender.wake();
        Ok(Response::new(answer))
    }

    async fn cancel_mailing(&self, request: Request<proto::CancelMailingRequest>) -> Answer<proto::Mailing> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.house.cancel(caller, request.into_inner()).await?))
    }

    async fn watch_mailing(
        &self,
        request: Request<proto::WatchMailingRequest>,
    ) -> Answer<Self::WatchMailingStream> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        self.house.mailing(&caller, &name, "name").await?;
        let watch = Watch { caller, name, last: None, rest: LOOK, is_over: false };
        let house = self.house.clone();
        let news = stream::try_unfold((house, watch), async |(house, mut watch)| {
            let news = house.news(&mut watch).await.map_err(Status::from)?;
            Ok(news.map(|news| (news, (house, watch))))
        });
        Ok(Response::new(Box::pin(news)))
    }

    async fn get_mailing_report(
        &self,
        request: Request<proto::GetMailingReportRequest>,
    ) -> Answer<proto::MailingReport> {
        let caller = Caller::of(&request)?;
        let mailing = self.house.mailing(&caller, &request.get_ref().name, "name").await?;
        Ok(Response::new(self.house.report(mailing).await?))
    }
}
