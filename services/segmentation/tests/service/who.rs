//! Who may see and change what, repeats, and an interface without a caller.

use kontor_proto::segmentation::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, leader, neighbour, sales};

kontor_testbed::on_both! { World;
    s1_a_team_sees_its_segments_and_its_leaders_change_them,
    s1_a_repeat_makes_one_segment_and_lists_are_in_pages,
}

async fn s1_a_team_sees_its_segments_and_its_leaders_change_them(world: World) {
    let anna = world.known("Anna", "BE").await;
    assert_eq!(
        failure(world.try_segment(&sales(), "ours", "true", &[], "teams/sales").await).0,
        Code::PermissionDenied
    );
    assert_eq!(
        failure(world.try_segment(&neighbour(), "ours", "true", &[], "teams/sales").await).0,
        Code::PermissionDenied
    );
    let ours = world.try_segment(&leader(), "ours", "true", &[], "teams/sales").await.unwrap();
    let own = world.try_segment(&sales(), "own", "true", &[], "").await.unwrap();
    assert_eq!(own.creator, "users/sales");
    let get = |name: &str| proto::GetSegmentRequest { name: name.to_owned() };
    let mut client = world.segments.clone();
    client.get_segment(sales().request(get(&ours.name))).await.unwrap();
    assert_eq!(failure(client.get_segment(neighbour().request(get(&ours.name))).await).0, Code::NotFound);
    assert_eq!(failure(client.get_segment(get(&ours.name)).await).0, Code::Unauthenticated);
    client.get_segment(neighbour().request(get(&own.name))).await.unwrap();
    let members = proto::ListMembersRequest { parent: ours.name.clone(), ..Default::default() };
    assert_eq!(failure(client.list_members(neighbour().request(members)).await).0, Code::NotFound);
    let explain = proto::ExplainMembershipRequest { name: ours.name.clone(), partner: anna.clone() };
    assert_eq!(failure(client.explain_membership(neighbour().request(explain)).await).0, Code::NotFound);
    let compare = proto::CompareSegmentsRequest { segments: vec![ours.name.clone()] };
    assert_eq!(failure(client.compare_segments(neighbour().request(compare)).await).0, Code::NotFound);
    for rule in ["in_segment(\"segments/ours\")", "true"] {
        let parents = if rule == "true" { vec![ours.name.clone()] } else { Vec::new() };
        let preview = proto::PreviewRuleRequest { rule: rule.to_owned(), parents, ..Default::default() };
        assert_eq!(failure(client.preview_rule(neighbour().request(preview)).await).0, Code::InvalidArgument);
    }
    let leaked = world.try_segment(&neighbour(), "leak", "in_segment(\"segments/ours\")", &[], "").await;
    assert_eq!(failure(leaked).0, Code::InvalidArgument);
    for caller in [neighbour(), sales()] {
        let change = proto::UpdateSegmentRequest { segment: Some(ours.clone()), ..Default::default() };
        let code = if caller.user == "sales" { Code::PermissionDenied } else { Code::NotFound };
        assert_eq!(failure(client.update_segment(caller.request(change)).await).0, code);
    }
    let of = |caller: kontor_kit::auth::Caller| {
        let request = proto::GetPartnerSegmentsRequest { partner: anna.clone() };
        let mut client = world.segments.clone();
        async move { client.get_partner_segments(caller.request(request)).await.unwrap().into_inner().segments }
    };
    assert_eq!(of(sales()).await, ["segments/ours", "segments/own"]);
    assert_eq!(of(neighbour()).await, ["segments/own"]);
    let list =
        client.list_segments(neighbour().request(proto::ListSegmentsRequest::default())).await.unwrap();
    assert_eq!(list.into_inner().segments.len(), 1);
    let delete = proto::DeleteSegmentRequest { name: own.name.clone(), ..Default::default() };
    assert_eq!(
        failure(client.delete_segment(neighbour().request(delete.clone())).await).0,
        Code::PermissionDenied
    );
    client.delete_segment(sales().request(delete)).await.unwrap();
}

async fn s1_a_repeat_makes_one_segment_and_lists_are_in_pages(world: World) {
    let request = |id: &str| {
        let segment =
            proto::Segment { display_name: format!("S {id}"), rule: "true".to_owned(), ..Default::default() };
        proto::CreateSegmentRequest {
            segment: Some(segment),
            segment_id: id.to_owned(),
            request_id: format!("once {id}"),
            ..Default::default()
        }
    };
    let mut client = world.segments.clone();
    for id in ["a", "b", "c"] {
        let first = client.create_segment(admin().request(request(id))).await.unwrap().into_inner();
        let again = client.create_segment(admin().request(request(id))).await.unwrap().into_inner();
        assert_eq!(first, again);
    }
    let taken = proto::CreateSegmentRequest { request_id: String::new(), ..request("a") };
    assert_eq!(failure(client.create_segment(admin().request(taken)).await).0, Code::AlreadyExists);
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let list = proto::ListSegmentsRequest {
            page_size: 2,
            page_token: token,
            order_by: "display_name desc".to_owned(),
            ..Default::default()
        };
        let page = client.list_segments(sales().request(list)).await.unwrap().into_inner();
        names.extend(page.segments.into_iter().map(|segment| segment.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["segments/c", "segments/b", "segments/a"]);
    let mut draft = request("d");
    draft.validate_only = true;
    client.create_segment(admin().request(draft)).await.unwrap();
    let get = proto::GetSegmentRequest { name: "segments/d".to_owned() };
    assert_eq!(failure(client.get_segment(admin().request(get)).await).0, Code::NotFound);
}
