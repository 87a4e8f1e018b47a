//! Row H4 in the directory: users, teams, secrets, partners and cards, by gRPC and by DAV.

use kontor_proto::collection::v1 as dav;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::r#type::v1::{ListAuditEntriesRequest, Phone};
use kontor_testbed::audit::{Audit, every_table_is_decided_on, line};
use kontor_testbed::{admin, user};
use prost_types::FieldMask;

use crate::card::{company, objects, partners, path, put, sales};
use crate::world::World;

kontor_testbed::on_both! { World;
    h4_users_and_teams_are_told,
    h4_of_passwords_only_the_change_is_told_and_only_to_their_user,
    h4_a_number_changed_over_dav_is_told_like_one_changed_over_grpc,
    h4_cards_of_ones_own_are_told_to_their_owner_alone,
    h4_a_merge_of_partners_and_its_end_are_told,
    h4_books_and_their_shares_are_told,
    h4_what_the_command_line_does_says_so,
    h4_an_erased_partner_leaves_no_value_and_a_whole_chain,
}

/// What the SQL of the directory writes, how it is audited, and why not.
const TABLES: &[(&str, &str)] = &[
    ("app_password", "by hand, as a secret; not when it was used"),
    ("card", "by hand, with the engine's entry of the card"),
    ("card_email", "not: follows from the card"),
    ("card_phone", "not: follows from the card"),
    ("consent", "by hand; with its partner when that is deleted"),
    ("consent_state", "not: follows from the consents"),
    ("credential", "by hand, as a secret; not its generation"),
    ("erased_partner", "not: follows from the erasure"),
    ("erasure", "not: it is a record itself, of who erased whom and what went where"),
    ("erasure_service", "not: follows from the erasure"),
    ("partner_merge", "by hand"),
    ("partner_merge_link", "not: follows from the merge; the links have entries"),
    ("partner_merged", "not: follows from the merge"),
    ("team_member", "by hand, with the team"),
    ("timeline", "not: made of events"),
    ("timeline_pending", "not: made of events"),
    ("timeline_state", "not: made of events"),
];

#[test]
fn h4_every_table_is_decided_on() {
    every_table_is_decided_on(env!("CARGO_MANIFEST_DIR"), TABLES);
}

fn audit(world: &World) -> Audit {
    Audit::new(&world.link, "directory")
}

async fn lines(world: &World, subject: &str) -> Vec<String> {
    audit(world).of(subject).await.iter().map(line).collect()
}

fn mask(fields: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: fields.iter().map(|field| (*field).to_owned()).collect() })
}

async fn h4_users_and_teams_are_told(world: World) {
    world.add_user("anna", "").await;
    world.add_user("ben", "").await;
    let changed = proto::User { name: "users/anna".to_owned(), admin: true, ..Default::default() };
    let request =
        proto::UpdateUserRequest { user: Some(changed), update_mask: mask(&["admin"]), ..Default::default() };
    world.users.clone().update_user(admin().request(request)).await.unwrap();
    let told = lines(&world, "users/anna").await;
    assert!(
        told[0].starts_with(
            "CREATE admin by CreateUser: display_name -> anna; admin -> false; disabled -> false;"
        ),
        "{told:?}"
    );
    assert_eq!(told[1], "UPDATE admin by UpdateUser: admin false -> true");

    let team = |members: &[&str], leaders: &[&str]| {
        let names = |users: &[&str]| users.iter().map(|user| format!("users/{user}")).collect();
        proto::Team {
            name: "teams/sales".to_owned(),
            display_name: "Sales".to_owned(),
            members: names(members),
            leaders: names(leaders),
            ..Default::default()
        }
    };
    let request = proto::CreateTeamRequest {
        team: Some(team(&["anna"], &[])),
        team_id: "sales".to_owned(),
        ..Default::default()
    };
    world.teams.clone().create_team(admin().request(request)).await.unwrap();
    let request = proto::UpdateTeamRequest {
        team: Some(team(&["anna", "ben"], &["ben"])),
        update_mask: mask(&["members", "leaders"]),
        ..Default::default()
    };
    world.teams.clone().update_team(admin().request(request)).await.unwrap();
    let request = proto::DeleteTeamRequest { name: "teams/sales".to_owned(), ..Default::default() };
    world.teams.clone().delete_team(admin().request(request)).await.unwrap();
    assert_eq!(
        lines(&world, "teams/sales").await,
        [
            "CREATE admin by CreateTeam: display_name -> Sales; members -> users/anna",
            "UPDATE admin by UpdateTeam: members users/anna -> users/anna\nusers/ben; leaders -> users/ben",
            "DELETE admin by DeleteTeam: display_name Sales ->; members users/anna\nusers/ben ->; leaders users/ben ->",
        ]
    );
    audit(&world).whole().await;
}

async fn h4_of_passwords_only_the_change_is_told_and_only_to_their_user(world: World) {
    world.add_user("anna", "a long secret").await;
    let made = world.app_password("anna", "phone").await;
    let name = made.app_password.unwrap().name;
    let request = proto::SetPasswordRequest {
        name: "users/anna".to_owned(),
        password: "another secret".to_owned(),
        ..Default::default()
    };
    world.users.clone().set_password(admin().request(request)).await.unwrap();
    let request = proto::DeleteAppPasswordRequest { name: name.clone(), ..Default::default() };
    world.users.clone().delete_app_password(user("anna").request(request)).await.unwrap();
    let told = lines(&world, "users/anna").await;
    assert_eq!(
        told[1..],
        [
            "UPDATE admin by CreateUser: password -> (secret)",
            "UPDATE admin by SetPassword: password (secret) -> (secret)"
        ]
    );
    let told = lines(&world, &name).await;
    assert!(told[0].ends_with("by CreateAppPassword: display_name -> phone; secret -> (secret)"), "{told:?}");
    assert_eq!(told[1], "DELETE anna by DeleteAppPassword: display_name phone ->; secret (secret) ->");
    for (reader, wanted) in [(user("anna"), 4), (user("ben"), 0), (admin(), 4)] {
        let request = ListAuditEntriesRequest::default();
        let got = audit(&world).list(reader.request(request)).await.unwrap().entries;
        let secrets = got.iter().filter(|entry| line(entry).contains("(secret)")).count();
        assert_eq!(secrets, wanted, "for {}", reader.user);
    }
}

fn card(uid: &str, lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\n{lines}END:VCARD\r\n")
}

async fn h4_a_number_changed_over_dav_is_told_like_one_changed_over_grpc(world: World) {
    world.add_user("sales", "").await;
    let given = proto::Partner {
        display_name: "Anna Peeters".to_owned(),
        phones: vec![Phone { number: "0471 12 34 56".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = proto::CreatePartnerRequest { partner: Some(given), ..Default::default() };
    let made = partners(&world).create_partner(sales().request(request)).await.unwrap().into_inner();
    let object = objects(&world, company()).await.pop().unwrap();
    let text = String::from_utf8(object.data.to_vec()).unwrap().replace("0471 12 34 56", "0472 00 00 00");
    for _ in 0..2 {
        // The same bytes again are no change.
        put(&world, company(), &object.name, &text).await.unwrap();
    }
    let changed = proto::Partner {
        name: made.name.clone(),
        phones: vec![Phone { number: "02 555 00 02".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = proto::UpdatePartnerRequest {
        partner: Some(changed),
        update_mask: mask(&["phones"]),
        ..Default::default()
    };
    partners(&world).update_partner(admin().request(request)).await.unwrap();
    let entries = audit(&world).of(&made.name).await;
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert!(entries.iter().all(|entry| entry.partner == made.name));
    let told: Vec<_> = entries.iter().map(line).collect();
    assert!(told[0].starts_with("CREATE sales by CreatePartner: collection -> addressBooks/"), "{told:?}");
    assert!(
        told[0].ends_with("; given_name -> Anna; family_name -> Peeters; phones -> 0471 12 34 56"),
        "{told:?}"
    );
    assert!(told[1].starts_with("UPDATE sales by PutObject: etag "), "{told:?}");
    assert!(told[1].ends_with("; phones 0471 12 34 56 -> 0472 00 00 00"), "{told:?}");
    assert!(told[2].starts_with("UPDATE admin by UpdatePartner: etag "), "{told:?}");
    assert!(told[2].ends_with("; phones 0472 00 00 00 -> 02 555 00 02"), "{told:?}");

    let request = dav::DeleteObjectRequest { path: company(), name: object.name, ..Default::default() };
    CollectionServiceClient::new(world.link.clone()).delete_object(sales().request(request)).await.unwrap();
    let told = lines(&world, &made.name).await;
    assert!(told[3].starts_with("DELETE sales by DeleteObject: collection addressBooks/"), "{told:?}");
    assert!(told[3].contains("phones 02 555 00 02 ->"), "{told:?}");
    audit(&world).whole().await;
}

async fn h4_cards_of_ones_own_are_told_to_their_owner_alone(world: World) {
    world.add_user("sales", "").await;
    put(&world, path("sales", "contacts"), "a.vcf", &card("a", "FN:Friend\r\n")).await.unwrap();
    for (reader, wanted) in [(sales(), 1), (user("ben"), 0), (admin(), 1)] {
        let got =
            audit(&world).list(reader.request(ListAuditEntriesRequest::default())).await.unwrap().entries;
        let got: Vec<_> = got.iter().filter(|entry| entry.subject.contains("/contacts/")).collect();
        assert_eq!(got.len(), wanted, "for {}", reader.user);
        assert!(
            got.iter()
                .all(|entry| entry.partner.is_empty() && line(entry).contains("display_name -> Friend"))
        );
    }
}

async fn add_partner(world: &World, name: &str, number: &str) -> String {
    let partner = proto::Partner {
        display_name: name.to_owned(),
        phones: vec![Phone { number: number.to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = proto::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    partners(world).create_partner(admin().request(request)).await.unwrap().into_inner().name
}

async fn h4_a_merge_of_partners_and_its_end_are_told(world: World) {
    world.add_user("sales", "").await;
    let one = add_partner(&world, "Anna", "0471 12 34 56").await;
    let other = add_partner(&world, "Anna P", "02 555 00 02").await;
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    let request =
        proto::MergePartnersRequest { name: one.clone(), others: vec![other.clone()], ..Default::default() };
    let merge =
        merges.merge_partners(sales().request(request)).await.unwrap().into_inner().merge.unwrap().name;
    let request = proto::UnmergePartnersRequest { name: merge.clone(), request_id: String::new() };
    merges.unmerge_partners(sales().request(request)).await.unwrap();
    assert_eq!(
        lines(&world, &merge).await,
        [
            format!("CREATE sales by MergePartners: survivor -> {one}; partners -> {other}"),
            format!("DELETE sales by UnmergePartners: survivor {one} ->; partners {other} ->"),
        ]
    );
    let of_one = lines(&world, &one).await;
    assert!(of_one[1].contains("phones 0471 12 34 56 -> 0471 12 34 56\n02 555 00 02"), "{of_one:?}");
    assert!(of_one[2].contains("phones 0471 12 34 56\n02 555 00 02 -> 0471 12 34 56"), "{of_one:?}");
    let of_other = lines(&world, &other).await;
    assert!(
        of_other[1].starts_with("UPDATE sales by MergePartners: collection addressBooks/"),
        "{of_other:?}"
    );
    assert!(
        of_other[2].starts_with("UPDATE sales by UnmergePartners: collection addressBooks/"),
        "{of_other:?}"
    );
    assert_eq!(of_other.len(), 3, "{of_other:?}");
    audit(&world).whole().await;
}

async fn h4_books_and_their_shares_are_told(world: World) {
    world.add_user("sales", "").await;
    world.add_user("ben", "").await;
    let mut client = CollectionServiceClient::new(world.link.clone());
    let collection = dav::Collection {
        owner: "sales".to_owned(),
        slug: "club".to_owned(),
        kind: dav::CollectionKind::AddressBook.into(),
        display_name: "Club".to_owned(),
        ..Default::default()
    };
    let request = dav::CreateCollectionRequest { collection: Some(collection) };
    let made = client.create_collection(sales().request(request)).await.unwrap().into_inner();
    put(&world, path("sales", "club"), "a.vcf", &card("a", "FN:Friend\r\n")).await.unwrap();
    let share = dav::Share {
        grantee: "users/ben".to_owned(),
        access: dav::Access::Write.into(),
        ..Default::default()
    };
    let change = |set: Vec<dav::Share>, remove: Vec<String>| dav::ChangeSharesRequest {
        path: path("sales", "club"),
        set,
        remove,
    };
    client.change_shares(sales().request(change(vec![share], vec![]))).await.unwrap();
    client.change_shares(sales().request(change(vec![], vec!["users/ben".to_owned()]))).await.unwrap();
    let request = dav::DeleteCollectionRequest { path: path("sales", "club") };
    client.delete_collection(sales().request(request)).await.unwrap();
    let told = lines(&world, &format!("addressBooks/{}", made.id)).await;
    assert!(
        told[0].starts_with("CREATE sales by CreateCollection: path -> sales/club; display_name -> Club;"),
        "{told:?}"
    );
    assert_eq!(
        told[1..3],
        [
            "UPDATE sales by ChangeShares: shares/users/ben -> write",
            "UPDATE sales by ChangeShares: shares/users/ben write ->"
        ]
    );
    assert!(told[3].starts_with("DELETE sales by DeleteCollection: path sales/club ->;"), "{told:?}");
    let request = ListAuditEntriesRequest { page_size: 9, ..Default::default() };
    let got = audit(&world).list(sales().request(request)).await.unwrap().entries;
    assert!(
        line(&got[1]).starts_with("DELETE sales by DeleteCollection: collection addressBooks/"),
        "its card too"
    );
    assert!(line(&got[1]).contains("display_name Friend ->"));
}

async fn h4_what_the_command_line_does_says_so(world: World) {
    let db = world.other_process().await;
    kontor_directory::admin::add_user(&db, "anna", "", Some("sales"), false, "long enough").await.unwrap();
    kontor_directory::admin::set_password(&db, "anna", "longer still").await.unwrap();
    let told = audit(&world).of("users/anna").await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|entry| entry.actor.is_empty() && entry.cause == "command line"));
    let team = lines(&world, "teams/sales").await;
    assert_eq!(team, ["CREATE Kontor by command line: display_name -> sales; members -> users/anna"]);
    audit(&world).whole().await;
}

async fn h4_an_erased_partner_leaves_no_value_and_a_whole_chain(world: World) {
    world.add_user("sales", "").await;
    let anna = add_partner(&world, "Anna", "0471 12 34 56").await;
    let other = add_partner(&world, "Other", "02 555 00 02").await;
    let db = world.other_process().await;
    let name = anna.clone();
    let erased = db.write(move |tx| kontor_kit::audit::forget(tx, &name)).await.unwrap();
    assert!(erased >= 5, "{erased}");
    let entries = audit(&world).of(&anna).await;
    assert!(
        entries[0].erased
            && entries[0].fields.iter().all(|it| it.old_value.is_none() && it.new_value.is_none())
    );
    assert!(!audit(&world).of(&other).await[0].erased);
    assert_eq!(audit(&world).whole().await.erased_count, 1);
}
