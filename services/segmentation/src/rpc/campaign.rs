//! CampaignService: each method in a few lines; what they do stands in campaign_manage.rs, and what campaigns do while they run in campaigns/.
//! Called by the gateway and by other programs.

use std::pin::Pin;

use futures_util::{Stream, stream};
use kontor_kit::auth::Caller;
use kontor_kit::db::Conn;
use kontor_kit::page::Query;
use kontor_kit::resource;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::campaign_service_server::CampaignService;
use tonic::{Request, Response, Status};

use super::campaign_manage::{Watch, to_proto};
use super::{Answer, House};
use crate::domain::campaign::{Campaign, State};
use crate::store;

/// The service.
pub struct Campaigns(pub(super) House);

type Watching = Pin<Box<dyn Stream<Item = std::result::Result<proto::Campaign, Status>> + Send>>;

#[tonic::async_trait]
impl CampaignService for Campaigns {
    type WatchCampaignStream = Watching;

    async fn list_campaigns(
        &self,
        request: Request<proto::ListCampaignsRequest>,
    ) -> Answer<proto::ListCampaignsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListCampaignsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.0.db.read(move |conn| store::campaign::list(conn, &caller, &query)).await?;
        let page = page.map(|campaign| to_proto(&campaign, None));
        let (campaigns, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListCampaignsResponse { campaigns, next_page_token }))
    }

    async fn get_campaign(&self, request: Request<proto::GetCampaignRequest>) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        let campaign = self.0.seen_campaign(&caller, &request.get_ref().name, "name").await?;
        Ok(Response::new(self.0.counted(campaign).await?))
    }

    async fn create_campaign(
        &self,
        request: Request<proto::CreateCampaignRequest>,
    ) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.create_campaign(caller, request.into_inner()).await?))
    }

    async fn update_campaign(
        &self,
        request: Request<proto::UpdateCampaignRequest>,
    ) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.update_campaign(caller, request.into_inner()).await?))
    }

    async fn start_campaign(&self, request: Request<proto::StartCampaignRequest>) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.start_campaign(caller, request.into_inner()).await?))
    }

    async fn pause_campaign(&self, request: Request<proto::PauseCampaignRequest>) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (name, etag, id) = (request.name.clone(), request.etag.clone(), request.request_id.clone());
        let pause = |_: &mut Conn<'_>, _: &Caller, campaign: &mut Campaign, _| campaign.pause("");
        let changed = self.0.change(caller, (&name, "name"), (&etag, &id), request, pause);
        Ok(Response::new(changed.await?))
    }

    async fn end_campaign(&self, request: Request<proto::EndCampaignRequest>) -> Answer<proto::Campaign> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (name, etag, id) = (request.name.clone(), request.etag.clone(), request.request_id.clone());
        let cancel_waiting = request.cancel_waiting;
        let campaign = self.0.seen_campaign(&caller, &name, "name").await?;
        campaign.must_be_managed_by(&caller)?;
        if !campaign.mailing.is_empty() && campaign.state != State::Ended {
            // Refused before anything is closed.
            resource::check_etag(&campaign, &etag)?;
            self.0.close_mailing(&caller, &campaign.mailing).await?;
        }
        let end = move |_: &mut Conn<'_>, _: &Caller, campaign: &mut Campaign, _| {
            campaign.end(cancel_waiting);
            Ok(())
        };
        let changed = self.0.change(caller, (&name, "name"), (&etag, &id), request, end);
        Ok(Response::new(changed.await?))
    }

    async fn watch_campaign(
        &self,
        request: Request<proto::WatchCampaignRequest>,
    ) -> Answer<Self::WatchCampaignStream> {
        let caller = Caller::of(&request)?;
        let name = request.into_inner().name;
        self.0.seen_campaign(&caller, &name, "name").await?;
        let watch = Watch { caller, name, last: None, is_over: false };
        let house = self.0.clone();
        let stream = stream::try_unfold((house, watch), |(house, mut watch)| async move {
            let news = house.news(&mut watch).await.map_err(Status::from)?;
            Ok(news.map(|news| (news, (house, watch))))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_campaign_partners(
        &self,
        request: Request<proto::ListCampaignPartnersRequest>,
    ) -> Answer<proto::ListCampaignPartnersResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.campaign_partners(caller, request.into_inner()).await?))
    }
}
