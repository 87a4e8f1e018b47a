//! Who may see and change what, and an interface without a caller.

use kontor_proto::templating::v1 as proto;
use kontor_testbed::failure;
use tonic::Code;

use crate::support::{docx, p};
use crate::world::{World, leader, neighbour, sales};

kontor_testbed::on_both! { World; l1_a_template_and_its_merges_are_seen_by_their_owner_and_team_only }

async fn l1_a_template_and_its_merges_are_seen_by_their_owner_and_team_only(world: World) {
    let mut client = world.templates.clone();
    let get = |name: &str| proto::GetTemplateRequest { name: name.to_owned() };
    let own = world.try_template(&sales(), "own", docx(&p("x")), &[], "").await.unwrap();
    assert_eq!(own.owner, "users/sales");
    let ours = world.try_template(&sales(), "ours", docx(&p("x")), &[], "teams/sales").await.unwrap();
    let other = world.try_template(&sales(), "other", docx(&p("x")), &[], "teams/support").await;
    assert_eq!(failure(other).0, Code::InvalidArgument);
    // Without a team it is its owner's alone.
    assert_eq!(failure(client.get_template(leader().request(get(&own.name))).await).0, Code::NotFound);
    client.get_template(leader().request(get(&ours.name))).await.unwrap();
    assert_eq!(failure(client.get_template(neighbour().request(get(&ours.name))).await).0, Code::NotFound);
    assert_eq!(failure(client.get_template(get(&ours.name)).await).0, Code::Unauthenticated);
    let list = client.list_templates(leader().request(proto::ListTemplatesRequest::default())).await.unwrap();
    assert_eq!(list.into_inner().templates.len(), 1);
    let colleague = kontor_testbed::caller("colleague", &["sales"], &[]);
    for (caller, code) in [(neighbour(), Code::NotFound), (colleague.clone(), Code::PermissionDenied)] {
        let change = proto::UpdateTemplateRequest {
            template: Some(proto::Template { description: "x".to_owned(), ..ours.clone() }),
            ..Default::default()
        };
        assert_eq!(failure(client.update_template(caller.request(change)).await).0, code);
    }
    let preview = proto::PreviewLetterRequest { name: ours.name.clone(), ..Default::default() };
    assert_eq!(failure(client.preview_letter(neighbour().request(preview)).await).0, Code::NotFound);
    let revision = proto::GetTemplateRevisionRequest { name: format!("{}/revisions/1", ours.name) };
    assert_eq!(failure(client.get_template_revision(neighbour().request(revision)).await).0, Code::NotFound);
    let request = proto::CreateMergeRequest {
        template: ours.name.clone(),
        rows: vec![Default::default()],
        ..Default::default()
    };
    let mut merges = world.merges.clone();
    assert_eq!(failure(merges.create_merge(neighbour().request(request.clone())).await).0, Code::NotFound);
    let merge = world.merge(request).await;
    let name = merge.name.clone();
    let get = proto::GetMergeRequest { name: name.clone() };
    merges.get_merge(colleague.request(get.clone())).await.unwrap();
    assert_eq!(failure(merges.get_merge(neighbour().request(get.clone())).await).0, Code::NotFound);
    assert_eq!(failure(merges.get_merge(get).await).0, Code::Unauthenticated);
    let letters = proto::ListLettersRequest { parent: name.clone(), ..Default::default() };
    assert_eq!(failure(merges.list_letters(neighbour().request(letters)).await).0, Code::NotFound);
    let download = proto::DownloadLetterRequest { name: format!("{name}/letters/1") };
    let refused = merges.download_letter(neighbour().request(download)).await.map(|_| ());
    assert_eq!(failure(refused).0, Code::NotFound);
    let delete = proto::DeleteMergeRequest { name };
    assert_eq!(
        failure(merges.delete_merge(colleague.request(delete.clone())).await).0,
        Code::PermissionDenied
    );
    merges.delete_merge(leader().request(delete)).await.unwrap();
}
