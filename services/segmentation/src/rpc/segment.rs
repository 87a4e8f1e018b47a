//! SegmentService: each method in a line or two; what they do stands in definition.rs, entry.rs, preview.rs, member.rs and size.rs.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::segment_service_server::SegmentService;
use tonic::{Request, Response};

use super::{Answer, House, definition, segment_id};
use crate::store;

/// The service.
pub struct Segments(pub(super) House);

#[tonic::async_trait]
impl SegmentService for Segments {
    async fn list_segments(
        &self,
        request: Request<proto::ListSegmentsRequest>,
    ) -> Answer<proto::ListSegmentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (page_size, page_token) = (request.page_size, request.page_token);
        let query = Query { page_size, page_token, filter: request.filter, order_by: request.order_by };
        let deleted = request.show_deleted;
        let page = self.0.db.read(move |conn| store::segment::list(conn, &caller, &query, deleted)).await?;
        let page = page.map(|(segment, size)| definition::to_proto(&segment, size, false));
        let (segments, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListSegmentsResponse { segments, next_page_token }))
    }

    async fn get_segment(&self, request: Request<proto::GetSegmentRequest>) -> Answer<proto::Segment> {
        let caller = Caller::of(&request)?;
        let id = segment_id(&request.get_ref().name, "name")?;
        let read = self.0.db.read_few(move |conn| {
            let segment = store::segment::get(conn, &caller, &id)?;
            let size = store::segment::size(conn, &id)?;
            Ok(definition::to_proto(&segment, size, true))
        });
        Ok(Response::new(read.await?))
    }

    async fn create_segment(&self, request: Request<proto::CreateSegmentRequest>) -> Answer<proto::Segment> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.create_segment(caller, request.into_inner()).await?))
    }

    async fn update_segment(&self, request: Request<proto::UpdateSegmentRequest>) -> Answer<proto::Segment> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.update_segment(caller, request.into_inner()).await?))
    }

    async fn delete_segment(&self, request: Request<proto::DeleteSegmentRequest>) -> Answer<proto::Segment> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.delete_segment(caller, request.into_inner()).await?))
    }

    async fn undelete_segment(
        &self,
        request: Request<proto::UndeleteSegmentRequest>,
    ) -> Answer<proto::Segment> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.undelete_segment(caller, request.into_inner()).await?))
    }

    async fn add_segment_entries(
        &self,
        request: Request<proto::AddSegmentEntriesRequest>,
    ) -> Answer<proto::AddSegmentEntriesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.add_entries(caller, request.into_inner()).await?))
    }

    async fn remove_segment_entries(
        &self,
        request: Request<proto::RemoveSegmentEntriesRequest>,
    ) -> Answer<proto::RemoveSegmentEntriesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.remove_entries(caller, request.into_inner()).await?))
    }

    async fn list_segment_entries(
        &self,
        request: Request<proto::ListSegmentEntriesRequest>,
    ) -> Answer<proto::ListSegmentEntriesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.list_entries(caller, request.into_inner()).await?))
    }

    async fn check_rule(
        &self,
        request: Request<proto::CheckRuleRequest>,
    ) -> Answer<proto::CheckRuleResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.check_rule(caller, request.into_inner()).await?))
    }

    async fn preview_rule(
        &self,
        request: Request<proto::PreviewRuleRequest>,
    ) -> Answer<proto::PreviewRuleResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.preview(caller, request.into_inner()).await?))
    }

    async fn list_rule_fields(
        &self,
        request: Request<proto::ListRuleFieldsRequest>,
    ) -> Answer<proto::ListRuleFieldsResponse> {
        Caller::of(&request)?;
        Ok(Response::new(super::preview::fields()))
    }

    async fn list_members(
        &self,
        request: Request<proto::ListMembersRequest>,
    ) -> Answer<proto::ListMembersResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.members(caller, request.into_inner()).await?))
    }

    async fn get_partner_segments(
        &self,
        request: Request<proto::GetPartnerSegmentsRequest>,
    ) -> Answer<proto::GetPartnerSegmentsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.partner_segments(caller, request.into_inner()).await?))
    }

    async fn explain_membership(
        &self,
        request: Request<proto::ExplainMembershipRequest>,
    ) -> Answer<proto::ExplainMembershipResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.explain(caller, request.into_inner()).await?))
    }

    async fn compare_segments(
        &self,
        request: Request<proto::CompareSegmentsRequest>,
    ) -> Answer<proto::CompareSegmentsResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.compare(caller, request.into_inner()).await?))
    }

    async fn list_segment_sizes(
        &self,
        request: Request<proto::ListSegmentSizesRequest>,
    ) -> Answer<proto::ListSegmentSizesResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.sizes(caller, request.into_inner()).await?))
    }

    async fn check_audience(
        &self,
        request: Request<proto::CheckAudienceRequest>,
    ) -> Answer<proto::CheckAudienceResponse> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.0.audience(caller, request.into_inner()).await?))
    }
}
