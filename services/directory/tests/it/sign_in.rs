//! Signing in: account passwords, app passwords, tokens, the limit on wrong tries, and the end of cached sign-ins.

use std::time::Duration;

use kontor_directory::admin as command_line;
use kontor_proto::directory::v1 as proto;
use kontor_testbed::{SECOND, admin, caller, failure};
use tonic::Code;
use tonic_types::StatusExt;

use crate::world::World;

kontor_testbed::on_both! { World;
    d15_app_password_works_alone_and_is_revoked_at_once,
    d15_the_secret_is_shown_once,
    x4_password_change_and_disabling_work_at_once,
    x4_team_change_shows_at_the_next_sign_in,
    wrong_tries_are_limited_by_user_and_address,
    a_right_app_password_is_never_locked_out,
    unknown_users_and_odd_secrets_are_only_wrong,
    only_services_may_check_credentials,
    the_command_line_works_beside_a_running_server,
    last_use_is_noted,
}

const PASSWORD: &str = "correct horse";
const HOME: &str = "192.0.2.1";

async fn d15_app_password_works_alone_and_is_revoked_at_once(world: World) {
    world.add_user("anna", PASSWORD).await;
    let phone = world.app_password("anna", "Anna's phone").await;
    let laptop = world.app_password("anna", "laptop").await;
    assert!(phone.secret.len() >= 32 && phone.secret != laptop.secret);
    let name = phone.app_password.unwrap().name;
    for (user, secret) in
        [("anna", phone.secret.clone()), ("", phone.secret.clone()), ("Anna", phone.secret.to_uppercase())]
    {
        let answer = world.check(user, &secret, HOME).await.unwrap();
        assert_eq!((answer.user.unwrap().name.as_str(), &answer.app_password), ("users/anna", &name));
    }
    world.add_user("ben", PASSWORD).await;
    assert_eq!(failure(world.check("ben", &phone.secret, HOME).await).0, Code::Unauthenticated);

    let revoke = proto::DeleteAppPasswordRequest { name: name.clone(), ..Default::default() };
    let ben = caller("ben", &[], &[]);
    let mut users = world.users.clone();
    assert_eq!(
        failure(users.delete_app_password(ben.request(revoke.clone())).await).0,
        Code::PermissionDenied
    );
    users.delete_app_password(caller("anna", &[], &[]).request(revoke)).await.unwrap();
    assert_eq!(failure(world.check("anna", &phone.secret, HOME).await).0, Code::Unauthenticated);
    assert_eq!(failure(world.check("", &phone.secret, HOME).await).0, Code::Unauthenticated);
    world.check("anna", &laptop.secret, HOME).await.unwrap();
    world.check("anna", PASSWORD, HOME).await.unwrap();
}

async fn d15_the_secret_is_shown_once(world: World) {
    world.add_user("anna", "").await;
    let request = proto::CreateAppPasswordRequest {
        parent: "users/me".to_owned(),
        display_name: "phone".to_owned(),
        request_id: "r1".to_owned(),
    };
    let anna = caller("anna", &[], &[]);
    let mut users = world.users.clone();
    let first = users.create_app_password(anna.request(request.clone())).await.unwrap().into_inner();
    let again = users.create_app_password(anna.request(request)).await.unwrap().into_inner();
    assert_eq!(first.app_password, again.app_password);
    assert!(!first.secret.is_empty() && again.secret.is_empty());
    let list = proto::ListAppPasswordsRequest { parent: "users/anna".to_owned(), ..Default::default() };
    let listed = users.list_app_passwords(anna.request(list.clone())).await.unwrap().into_inner();
    assert_eq!(listed.app_passwords, [first.app_password.unwrap()]);
    let ben = caller("ben", &[], &[]);
    assert_eq!(failure(users.list_app_passwords(ben.request(list)).await).0, Code::PermissionDenied);
}

async fn x4_password_change_and_disabling_work_at_once(world: World) {
    let anna = world.add_user("anna", PASSWORD).await;
    let before = world.check("anna", PASSWORD, HOME).await.unwrap();
    let me = caller("anna", &[], &[]);
    let mut users = world.users.clone();
    let set = |current: &str| proto::SetPasswordRequest {
        name: "users/anna".to_owned(),
        password: "battery staple".to_owned(),
        current_password: current.to_owned(),
    };
    assert_eq!(failure(users.set_password(me.request(set("wrong"))).await).0, Code::PermissionDenied);
    users.set_password(me.request(set(PASSWORD))).await.unwrap();
    assert_eq!(failure(world.check("anna", PASSWORD, HOME).await).0, Code::Unauthenticated);
    let after = world.check("anna", "battery staple", HOME).await.unwrap();
    assert!(after.generation > before.generation);

    let disabled = proto::UpdateUserRequest {
        user: Some(proto::User { name: anna.name, disabled: true, ..Default::default() }),
        ..Default::default()
    };
    let phone = world.app_password("anna", "phone").await.secret;
    world.check("anna", &phone, HOME).await.unwrap();
    users.update_user(admin().request(disabled)).await.unwrap();
    assert_eq!(failure(world.check("anna", "battery staple", HOME).await).0, Code::Unauthenticated);
    assert_eq!(failure(world.check("anna", &phone, HOME).await).0, Code::Unauthenticated);
}

async fn x4_team_change_shows_at_the_next_sign_in(world: World) {
    world.add_user("anna", PASSWORD).await;
    assert!(world.check("anna", PASSWORD, HOME).await.unwrap().user.unwrap().teams.is_empty());
    let team = proto::Team {
        display_name: "Sales".to_owned(),
        leaders: vec!["users/anna".to_owned()],
        ..Default::default()
    };
    let request =
        proto::CreateTeamRequest { team: Some(team), team_id: "sales".to_owned(), ..Default::default() };
    world.teams.clone().create_team(admin().request(request)).await.unwrap();
    let user = world.check("anna", PASSWORD, HOME).await.unwrap().user.unwrap();
    assert_eq!(
        (user.teams, user.led_teams),
        (vec!["teams/sales".to_owned()], vec!["teams/sales".to_owned()])
    );
}

async fn wrong_tries_are_limited_by_user_and_address(world: World) {
    world.add_user("anna", PASSWORD).await;
    world.check("anna", PASSWORD, HOME).await.unwrap();
    for _ in 0..10 {
        assert_eq!(failure(world.check("anna", "wrong guess", HOME).await).0, Code::Unauthenticated);
    }
    let refused = world.check("anna", PASSWORD, HOME).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait, Duration::from_secs(60));
    world.check("anna", PASSWORD, "192.0.2.2").await.unwrap();
    assert_eq!(failure(world.check("ben", "wrong guess", HOME).await).0, Code::Unauthenticated);
    world.pass(59 * SECOND);
    assert_eq!(failure(world.check("anna", PASSWORD, HOME).await).0, Code::ResourceExhausted);
    world.pass(SECOND);
    world.check("anna", PASSWORD, HOME).await.unwrap();
}

async fn a_right_app_password_is_never_locked_out(world: World) {
    world.add_user("anna", PASSWORD).await;
    let phone = world.app_password("anna", "phone").await.secret;
    for _ in 0..12 {
        world.check("anna", "an old password", HOME).await.unwrap_err();
    }
    assert_eq!(failure(world.check("anna", "an old password", HOME).await).0, Code::ResourceExhausted);
    world.check("anna", &phone, HOME).await.unwrap();
    world.check("anna", &phone, "192.0.2.9").await.unwrap();
}

async fn unknown_users_and_odd_secrets_are_only_wrong(world: World) {
    world.add_user("anna", PASSWORD).await;
    world.add_user("ben", "").await;
    let long = "x".repeat(100_000);
    let wrong =
        [("nobody", PASSWORD), ("ben", PASSWORD), ("anna", ""), ("anna", long.as_str()), ("", "token")];
    for (place, (user, secret)) in wrong.into_iter().enumerate() {
        let status = world.check(user, secret, &format!("192.0.2.{place}")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(status.message(), "the user name or the password is wrong");
    }
    let odd = world.check(&long, "x", HOME).await;
    assert_eq!(failure(odd).0, Code::Unauthenticated);
}

async fn only_services_may_check_credentials(world: World) {
    let request = proto::CheckCredentialRequest { user: "anna".to_owned(), ..Default::default() };
    let mut credentials = world.credentials.clone();
    let refused = credentials.check_credential(admin().request(request.clone())).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    assert_eq!(failure(credentials.check_credential(request).await).0, Code::Unauthenticated);
}

async fn the_command_line_works_beside_a_running_server(world: World) {
    let db = world.other_process().await;
    command_line::add_user(&db, "anna", "anna@example.com", Some("sales"), false, PASSWORD).await.unwrap();
    command_line::add_user(&db, "ben", "", Some("sales"), true, PASSWORD).await.unwrap();
    let taken = command_line::add_user(&db, "anna", "", None, false, PASSWORD).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert!(command_line::add_user(&db, "carl", "", None, false, "short").await.is_err());
    assert!(command_line::add_user(&db, "carl", "carl at home", None, false, PASSWORD).await.is_err());
    let user = world.check("anna", PASSWORD, HOME).await.unwrap().user.unwrap();
    assert_eq!((user.name.as_str(), user.teams), ("users/anna", vec!["teams/sales".to_owned()]));
    assert_eq!(user.email, "anna@example.com");
    let secret = command_line::add_token(&db, "anna", "phone").await.unwrap();
    world.check("anna", &secret, HOME).await.unwrap();
    assert_eq!(command_line::add_token(&db, "nobody", "x").await.unwrap_err().code(), Code::NotFound);
    // Another process does not empty this one's cache: the generation is read again after two seconds.
    command_line::set_password(&db, "anna", "battery staple").await.unwrap();
    world.pass(2 * SECOND);
    assert_eq!(failure(world.check("anna", PASSWORD, HOME).await).0, Code::Unauthenticated);
    world.check("anna", &secret, HOME).await.unwrap();
    world.check("anna", "battery staple", HOME).await.unwrap();
}

async fn last_use_is_noted(world: World) {
    world.add_user("anna", "").await;
    let phone = world.app_password("anna", "phone").await;
    assert_eq!(phone.app_password.unwrap().last_use_time, None);
    world.check("anna", &phone.secret, HOME).await.unwrap();
    let list = proto::ListAppPasswordsRequest { parent: "users/anna".to_owned(), ..Default::default() };
    for () in kontor_testbed::patience() {
        let listed = world.users.clone().list_app_passwords(admin().request(list.clone())).await.unwrap();
        if listed.get_ref().app_passwords[0].last_use_time.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the use was not noted");
}
