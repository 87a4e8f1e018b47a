//! Teams: members and leaders, who may change them, and what users show of them.

use kontor_proto::directory::v1 as proto;
use kontor_testbed::{admin, caller, failure};
use tonic::Code;

use crate::world::World;

kontor_testbed::on_both! { World;
    x4_leaders_change_their_team_and_members_do_not,
    members_and_leaders_show_on_users,
    x3_teams_obey_etag_and_repeat,
}

fn new_team(team_id: &str, members: &[&str], leaders: &[&str]) -> proto::CreateTeamRequest {
    let names = |users: &[&str]| users.iter().map(|user| format!("users/{user}")).collect();
    let team = proto::Team {
        display_name: team_id.to_uppercase(),
        members: names(members),
        leaders: names(leaders),
        ..Default::default()
    };
    proto::CreateTeamRequest { team: Some(team), team_id: team_id.to_owned(), ..Default::default() }
}

fn renamed(team: &proto::Team, display_name: &str) -> proto::UpdateTeamRequest {
    let team =
        proto::Team { name: team.name.clone(), display_name: display_name.to_owned(), ..Default::default() };
    proto::UpdateTeamRequest { team: Some(team), ..Default::default() }
}

async fn x4_leaders_change_their_team_and_members_do_not(world: World) {
    world.add_user("anna", "").await;
    world.add_user("ben", "").await;
    let mut teams = world.teams.clone();
    let leader = caller("anna", &["sales"], &["sales"]);
    let member = caller("ben", &["sales"], &[]);
    let request = new_team("sales", &["ben"], &["anna"]);
    assert_eq!(failure(teams.create_team(leader.request(request.clone())).await).0, Code::PermissionDenied);
    let team = teams.create_team(admin().request(request)).await.unwrap().into_inner();
    assert_eq!(team.members, ["users/anna", "users/ben"], "a leader is a member");
    let refused = teams.update_team(member.request(renamed(&team, "Ours"))).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    let changed = teams.update_team(leader.request(renamed(&team, "Verkoop"))).await.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.members.len()), ("Verkoop", 2));
    let delete = proto::DeleteTeamRequest { name: team.name, ..Default::default() };
    assert_eq!(failure(teams.delete_team(leader.request(delete)).await).0, Code::PermissionDenied);
}

async fn members_and_leaders_show_on_users(world: World) {
    for user in ["anna", "ben"] {
        world.add_user(user, "").await;
    }
    let mut teams = world.teams.clone();
    teams.create_team(admin().request(new_team("support", &["anna"], &[]))).await.unwrap();
    teams.create_team(admin().request(new_team("sales", &["ben"], &["anna"]))).await.unwrap();
    let anna = proto::GetUserRequest { name: "users/anna".to_owned() };
    let anna = world.users.clone().get_user(admin().request(anna)).await.unwrap().into_inner();
    assert_eq!(anna.teams, ["teams/sales", "teams/support"]);
    assert_eq!(anna.led_teams, ["teams/sales"]);
    let unknown = teams.create_team(admin().request(new_team("x", &["nobody"], &[]))).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert!(unknown.message().starts_with("team.members"), "{}", unknown.message());
    let listed = teams.list_teams(admin().request(proto::ListTeamsRequest::default())).await.unwrap();
    let names: Vec<_> = listed.get_ref().teams.iter().map(|team| team.name.as_str()).collect();
    assert_eq!(names, ["teams/sales", "teams/support"]);
}

async fn x3_teams_obey_etag_and_repeat(world: World) {
    world.add_user("anna", "").await;
    let mut teams = world.teams.clone();
    let request =
        proto::CreateTeamRequest { request_id: "r1".to_owned(), ..new_team("sales", &["anna"], &[]) };
    let first = teams.create_team(admin().request(request.clone())).await.unwrap().into_inner();
    let again = teams.create_team(admin().request(request)).await.unwrap().into_inner();
    assert_eq!(first, again);
    let mut stale = renamed(&first, "Other");
    stale.team.as_mut().unwrap().etag = "v9".to_owned();
    assert_eq!(failure(teams.update_team(admin().request(stale)).await).0, Code::Aborted);
    let emptied = proto::UpdateTeamRequest {
        team: Some(proto::Team { name: first.name.clone(), etag: first.etag, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["members".to_owned()] }),
        ..Default::default()
    };
    let emptied = teams.update_team(admin().request(emptied)).await.unwrap().into_inner();
    assert!(emptied.members.is_empty());
    let delete =
        proto::DeleteTeamRequest { name: first.name, etag: emptied.etag, request_id: "r2".to_owned() };
    teams.delete_team(admin().request(delete.clone())).await.unwrap();
    teams.delete_team(admin().request(delete.clone())).await.unwrap();
    let gone = proto::DeleteTeamRequest { request_id: String::new(), ..delete };
    assert_eq!(failure(teams.delete_team(admin().request(gone)).await).0, Code::NotFound);
}
