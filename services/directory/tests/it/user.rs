//! Users: who may make and change them, repeats, etags, masks, pages, events.

use kontor_kit::outbox;
use kontor_proto::directory::v1 as proto;
use kontor_testbed::{admin, caller, failure};
use tonic::Code;

use crate::world::World;

kontor_testbed::on_both! { World;
    x4_only_administrators_make_users,
    x3_the_same_request_twice_makes_one_user,
    x3_update_obeys_mask_and_etag,
    x4_users_change_their_own_name_but_not_their_rights,
    x3_users_are_listed_in_pages_and_filtered,
    x3_validate_only_writes_nothing,
    the_last_administrator_stays,
    an_extension_belongs_to_one_user,
}

fn new_user(user_id: &str, request_id: &str) -> proto::CreateUserRequest {
    proto::CreateUserRequest {
        user: Some(proto::User { display_name: "Anna".to_owned(), ..Default::default() }),
        user_id: user_id.to_owned(),
        password: "long enough".to_owned(),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

fn change(user: proto::User, paths: &[&str]) -> proto::UpdateUserRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    proto::UpdateUserRequest {
        user: Some(user),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

async fn x4_only_administrators_make_users(world: World) {
    let mut users = world.users.clone();
    let anna = caller("anna", &["sales"], &["sales"]);
    let refused = users.create_user(anna.request(new_user("ben", ""))).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    let nobody = users.create_user(new_user("ben", "")).await;
    assert_eq!(failure(nobody).0, Code::Unauthenticated);
    let made = users.create_user(admin().request(new_user("ben", ""))).await.unwrap().into_inner();
    assert_eq!((made.name.as_str(), made.etag.as_str()), ("users/ben", "v1"));
    assert!(made.color.starts_with('#'));
    let me = proto::GetUserRequest { name: "users/me".to_owned() };
    let me = users.get_user(caller("ben", &[], &[]).request(me)).await.unwrap().into_inner();
    assert_eq!(me, made);
    let events = world.events().await;
    let created: Vec<_> = events.iter().filter_map(outbox::payload::<proto::UserCreated>).collect();
    assert_eq!(created.len(), 1);
    assert_eq!((created[0].user.as_str(), &created[0].color), ("ben", &made.color));
}

async fn x3_the_same_request_twice_makes_one_user(world: World) {
    let mut users = world.users.clone();
    let first = users.create_user(admin().request(new_user("anna", "r1"))).await.unwrap().into_inner();
    let again = users.create_user(admin().request(new_user("anna", "r1"))).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = users.create_user(admin().request(new_user("ben", "r1"))).await;
    assert_eq!(failure(other), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let taken = users.create_user(admin().request(new_user("anna", "r2"))).await;
    assert_eq!(failure(taken), (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    assert_eq!(world.events().await.len(), 1);
}

async fn x3_update_obeys_mask_and_etag(world: World) {
    let anna = world.add_user("anna", "").await;
    let mut users = world.users.clone();
    let wanted = proto::User {
        display_name: "Anna P".to_owned(),
        email: "anna@example.com".to_owned(),
        ..anna.clone()
    };
    let only_mail = change(wanted.clone(), &["email"]);
    let changed = users.update_user(admin().request(only_mail)).await.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.email.as_str()), ("anna", "anna@example.com"));
    assert_eq!(changed.etag, "v2");
    let stale = users.update_user(admin().request(change(wanted.clone(), &["display_name"]))).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let unknown = users.update_user(admin().request(change(wanted, &["password"]))).await;
    assert_eq!(failure(unknown).0, Code::InvalidArgument);
    let same = change(proto::User { etag: String::new(), ..changed.clone() }, &["email"]);
    assert_eq!(users.update_user(admin().request(same)).await.unwrap().into_inner(), changed);
    let updated = world.events().await.iter().filter_map(outbox::payload::<proto::UserUpdated>).count();
    assert_eq!(updated, 1, "a change that changes nothing is no event");
}

async fn x4_users_change_their_own_name_but_not_their_rights(world: World) {
    let anna = world.add_user("anna", "").await;
    world.add_user("ben", "").await;
    let mut users = world.users.clone();
    let me = caller("anna", &[], &[]);
    let named = proto::User { display_name: "Anna P".to_owned(), admin: true, ..anna.clone() };
    let good = users.update_user(me.request(change(named.clone(), &["display_name"]))).await.unwrap();
    assert_eq!((good.get_ref().display_name.as_str(), good.get_ref().admin), ("Anna P", false));
    let named = proto::User { etag: String::new(), ..named };
    let rights = users.update_user(me.request(change(named.clone(), &["admin"]))).await;
    assert_eq!(failure(rights).0, Code::PermissionDenied);
    let other = proto::User { name: "users/ben".to_owned(), ..named };
    let other = users.update_user(me.request(change(other, &["display_name"]))).await;
    assert_eq!(failure(other).0, Code::PermissionDenied);
}

async fn x3_users_are_listed_in_pages_and_filtered(world: World) {
    for user in ["dora", "anna", "carl", "ben", "eva"] {
        world.add_user(user, "").await;
    }
    let mut users = world.users.clone();
    let mut request = proto::ListUsersRequest { page_size: 2, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let me = caller("anna", &[], &[]);
        let page = users.list_users(me.request(request.clone())).await.unwrap().into_inner();
        assert!(page.users.len() <= 2);
        names.extend(page.users.into_iter().map(|user| user.name));
        if page.next_page_token.is_empty() {
            break;
        }
        // A user that comes in between shifts nothing.
        if names.len() == 2 {
            world.add_user("aaa", "").await;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names, ["users/anna", "users/ben", "users/carl", "users/dora", "users/eva"]);
    let filtered = proto::ListUsersRequest {
        filter: "display_name : \"AR\" AND disabled = false".to_owned(),
        order_by: "display_name desc".to_owned(),
        ..Default::default()
    };
    let found = users.list_users(admin().request(filtered)).await.unwrap().into_inner();
    assert_eq!(found.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["users/carl"]);
    let wrong = proto::ListUsersRequest { filter: "password = \"x\"".to_owned(), ..Default::default() };
    assert_eq!(failure(users.list_users(admin().request(wrong)).await).0, Code::InvalidArgument);
}

async fn x3_validate_only_writes_nothing(world: World) {
    let mut users = world.users.clone();
    let dry = proto::CreateUserRequest { validate_only: true, ..new_user("anna", "r1") };
    let shown = users.create_user(admin().request(dry.clone())).await.unwrap().into_inner();
    assert_eq!(shown.name, "users/anna");
    let anna = proto::GetUserRequest { name: "users/anna".to_owned() };
    assert_eq!(failure(users.get_user(admin().request(anna)).await).0, Code::NotFound);
    users.create_user(admin().request(new_user("anna", "r1"))).await.unwrap();
    assert_eq!(failure(users.create_user(admin().request(dry)).await).0, Code::AlreadyExists);
    let short = proto::CreateUserRequest { password: "short".to_owned(), ..new_user("ben", "") };
    assert_eq!(failure(users.create_user(admin().request(short)).await).0, Code::InvalidArgument);
}

async fn the_last_administrator_stays(world: World) {
    let mut users = world.users.clone();
    let mut request = new_user("boss", "");
    request.user.as_mut().unwrap().admin = true;
    let boss = users.create_user(admin().request(request)).await.unwrap().into_inner();
    let fallen = change(proto::User { admin: false, ..boss.clone() }, &["admin"]);
    let refused = users.update_user(admin().request(fallen)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "LAST_ADMIN".to_owned()));
    let same = proto::GetUserRequest { name: "users/boss".to_owned() };
    assert_eq!(users.get_user(admin().request(same)).await.unwrap().into_inner(), boss);
}

async fn an_extension_belongs_to_one_user(world: World) {
    let anna = world.add_user("anna", "").await;
    let ben = world.add_user("ben", "").await;
    let mut users = world.users.clone();
    let with =
        |user: proto::User| change(proto::User { extension: "101".to_owned(), ..user }, &["extension"]);
    users.update_user(admin().request(with(anna))).await.unwrap();
    assert_eq!(failure(users.update_user(admin().request(with(ben))).await).0, Code::AlreadyExists);
    let filter = proto::ListUsersRequest { filter: "extension = \"101\"".to_owned(), ..Default::default() };
    let found = users.list_users(admin().request(filter)).await.unwrap().into_inner();
    assert_eq!(found.users.len(), 1);
}
