//! Cards and contacts: what is made over gRPC is a card over DAV and the other way round, byte for byte.

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::collection::v1 as dav;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::contact_service_client::ContactServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::r#type::v1::Phone;
use kontor_testbed::{admin, caller, failure};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::world::World;

kontor_testbed::on_both! { World;
    new_users_have_a_book_of_their_own_and_the_companys,
    d3_a_contact_made_over_grpc_is_a_card_and_a_partner,
    d3_a_number_changed_over_dav_is_the_partners_at_once,
    unknown_properties_survive_a_change_over_grpc_byte_for_byte,
    cards_of_ones_own_are_no_partners,
    bad_cards_are_refused_with_their_reason,
    deleting_over_grpc_leaves_a_tombstone,
    x3_contacts_obey_etag_mask_and_repeat,
    contacts_are_listed_in_pages,
    d3_a_card_moved_into_the_company_book_is_a_partner_and_stays_one,
}

pub fn company() -> Option<dav::CollectionPath> {
    path("company", "company")
}

pub fn path(owner: &str, slug: &str) -> Option<dav::CollectionPath> {
    Some(dav::CollectionPath { owner: owner.to_owned(), slug: slug.to_owned() })
}

pub fn sales() -> Caller {
    caller("sales", &[], &[])
}

pub fn partners(world: &World) -> PartnerServiceClient<Link> {
    PartnerServiceClient::new(world.link.clone())
}

fn contacts(world: &World) -> ContactServiceClient<Link> {
    ContactServiceClient::new(world.link.clone())
}

pub async fn put(
    world: &World,
    path: Option<dav::CollectionPath>,
    name: &str,
    data: &str,
) -> Result<dav::PutObjectResponse, Status> {
    let request = dav::PutObjectRequest {
        path,
        name: name.to_owned(),
        data: data.to_owned().into(),
        ..Default::default()
    };
    let mut client = CollectionServiceClient::new(world.link.clone());
    Ok(client.put_object(sales().request(request)).await?.into_inner())
}

/// All objects of a book with their bytes.
pub async fn objects(world: &World, path: Option<dav::CollectionPath>) -> Vec<dav::Object> {
    let request = dav::ListObjectsRequest { path, with_data: true, ..Default::default() };
    let mut client = CollectionServiceClient::new(world.link.clone());
    let mut stream = client.list_objects(sales().request(request)).await.unwrap().into_inner();
    let mut objects = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        objects.extend(chunk.objects);
    }
    objects
}

pub async fn sync(world: &World, since: i64, id: &str) -> (Vec<dav::Object>, i64, String) {
    let request = dav::SyncObjectsRequest {
        path: company(),
        since,
        collection_id: id.to_owned(),
        ..Default::default()
    };
    let mut client = CollectionServiceClient::new(world.link.clone());
    let mut stream = client.sync_objects(sales().request(request)).await.unwrap().into_inner();
    let chunk = stream.message().await.unwrap().unwrap();
    assert!(chunk.last);
    (chunk.objects, chunk.sequence, chunk.collection_id)
}

fn card(uid: &str, lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\n{lines}END:VCARD\r\n")
}

pub async fn all_partners(world: &World) -> Vec<proto::Partner> {
    let answer = partners(world).list_partners(sales().request(proto::ListPartnersRequest::default())).await;
    answer.unwrap().into_inner().partners
}

async fn books(world: &World, caller: &Caller) -> Vec<proto::AddressBook> {
    let request = caller.request(proto::ListAddressBooksRequest::default());
    contacts(world).list_address_books(request).await.unwrap().into_inner().address_books
}

async fn new_users_have_a_book_of_their_own_and_the_companys(world: World) {
    world.add_user("sales", "").await;
    let found = books(&world, &sales()).await;
    assert_eq!(found.len(), 2);
    let shared = found.iter().find(|book| book.company).unwrap();
    assert_eq!((shared.name.as_str(), shared.writable), ("addressBooks/company", true));
    let own = found.iter().find(|book| !book.company).unwrap();
    assert_eq!(own.owner, "users/sales");
    let request = proto::ListAddressBooksRequest { page_size: 1, ..Default::default() };
    let first =
        contacts(&world).list_address_books(sales().request(request.clone())).await.unwrap().into_inner();
    let request = proto::ListAddressBooksRequest { page_token: first.next_page_token, ..request };
    let second = contacts(&world).list_address_books(sales().request(request)).await.unwrap().into_inner();
    assert_ne!(first.address_books[0], second.address_books[0]);
    assert_eq!(second.next_page_token, "");
    let request = dav::GetCollectionRequest { path: path("sales", "contacts"), ..Default::default() };
    let mut client = CollectionServiceClient::new(world.link.clone());
    let book = client.get_collection(sales().request(request.clone())).await.unwrap().into_inner();
    assert!(book.is_default && book.kind() == dav::CollectionKind::AddressBook);
    let foreign = client.get_collection(caller("other", &[], &[]).request(request)).await;
    assert_eq!(failure(foreign).0, Code::NotFound);
}

async fn d3_a_contact_made_over_grpc_is_a_card_and_a_partner(world: World) {
    let contact = proto::Contact {
        given_name: "Ann".to_owned(),
        family_name: "Müller".to_owned(),
        organization: "Acme; Söhne".to_owned(),
        phones: vec![Phone {
            number: "0471 12 34 56".to_owned(),
            types: vec!["cell".to_owned()],
            ..Default::default()
        }],
        note: "line 1\nline 2".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateContactRequest {
        parent: "addressBooks/company".to_owned(),
        contact: Some(contact),
        ..Default::default()
    };
    let made = contacts(&world).create_contact(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((made.display_name.as_str(), made.phones[0].e164.as_str()), ("Ann Müller", "+32471123456"));
    let objects = objects(&world, company()).await;
    assert_eq!((objects.len(), &objects[0].etag), (1, &made.etag));
    let text = std::str::from_utf8(&objects[0].data).unwrap();
    for line in [
        "FN:Ann Müller\r\n",
        "N:Müller;Ann;;;\r\n",
        "ORG:Acme\\; Söhne\r\n",
        "NOTE:line 1\\nline 2\r\n",
        "TEL;TYPE=CELL:0471 12 34 56\r\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let request = proto::GetPartnerRequest { name: made.partner.clone() };
    let partner = partners(&world).get_partner(sales().request(request)).await.unwrap().into_inner();
    assert_eq!((&partner.contact, &partner.etag, &partner.note), (&made.name, &made.etag, &made.note));
    assert_eq!((&partner.organization, partner.kind()), (&made.organization, proto::PartnerKind::Person));
    let request = proto::GetContactRequest { name: made.name.clone() };
    let read = contacts(&world).get_contact(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(read.vcard, objects[0].data);
    assert_eq!(proto::Contact { vcard: Default::default(), ..read }, made);
}

async fn d3_a_number_changed_over_dav_is_the_partners_at_once(world: World) {
    let before = card("u1", "FN:Ann\r\nTEL;TYPE=cell:+32 471 12 34 56\r\nEMAIL:Ann@Acme.be\r\n");
    put(&world, company(), "ann.vcf", &before).await.unwrap();
    let partner = all_partners(&world).await.remove(0);
    assert_eq!(
        (partner.phones[0].e164.as_str(), partner.emails[0].address.as_str()),
        ("+32471123456", "Ann@Acme.be")
    );
    let changed = put(&world, company(), "ann.vcf", &before.replace("12 34 56", "65 43 21")).await.unwrap();
    assert!(!changed.created);
    let again = all_partners(&world).await.remove(0);
    assert_eq!((&again.name, again.phones[0].e164.as_str()), (&partner.name, "+32471654321"));
    assert_eq!(again.etag, changed.etag);
    put(&world, company(), "bob.vcf", &card("u2", "FN:Bob\r\n")).await.unwrap();
    assert_eq!(all_partners(&world).await.len(), 2, "a new uid is a new partner");
    put(&world, company(), "list.vcf", &card("u3", "FN:Friends\r\nX-ADDRESSBOOKSERVER-KIND:group\r\n"))
        .await
        .unwrap();
    assert_eq!(all_partners(&world).await.len(), 2, "a list of cards is no partner");
}

async fn unknown_properties_survive_a_change_over_grpc_byte_for_byte(world: World) {
    let photo = "QUJD".repeat(200);
    let odd = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:odd\r\nFN:Odd\r\n Name\r\nitem1.X-ABLabel:_$!<Other>!$_\r\nX-Foo;x-p=\"a:b\";Y=^n:va\\,lue \r\n\twith a fold\r\nitem1.TEL;type=pref;TYPE=Cell:0471 12 34 56\r\nTEL;TYPE=WORK:02 123 45 67\r\nPHOTO;ENCODING=b;TYPE=JPEG:{photo}\r\nORG:Acme;Unit A\r\nN:Name;Odd;van;Dr.;\r\nx-last:1\r\nEND:VCARD\r\n"
    );
    put(&world, company(), "odd.vcf", &odd).await.unwrap();
    let partner = all_partners(&world).await.remove(0);
    let phone = |number: &str, types: &[&str]| Phone {
        number: number.to_owned(),
        types: types.iter().map(|one| (*one).to_owned()).collect(),
        ..Default::default()
    };
    let request = proto::UpdatePartnerRequest {
        partner: Some(proto::Partner {
            name: partner.name.clone(),
            phones: vec![phone("0471 12 34 56", &["cell", "pref"]), phone("02 765 43 21", &["work"])],
            title: "CEO".to_owned(),
            etag: partner.etag.clone(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["phones".to_owned(), "title".to_owned()] }),
        ..Default::default()
    };
    let updated = partners(&world).update_partner(sales().request(request)).await.unwrap().into_inner();
    assert_ne!(updated.etag, partner.etag);
    assert_eq!((updated.title.as_str(), updated.phones[1].e164.as_str()), ("CEO", "+3227654321"));
    let text = String::from_utf8(objects(&world, company()).await[0].data.to_vec()).unwrap();
    let expected = odd.replace("02 123 45 67", "02 765 43 21");
    let added = |line: &&str| !line.starts_with("TITLE:") && !line.starts_with("REV:");
    let kept: Vec<&str> = text.split_inclusive("\r\n").filter(added).collect();
    assert_eq!(kept.concat(), expected);
    assert_eq!(text.matches("TITLE:CEO\r\n").count(), 1);
    // Nothing changed: not a byte, not the etag.
    let request = proto::UpdatePartnerRequest {
        partner: Some(proto::Partner { title: "CEO".to_owned(), name: partner.name, ..Default::default() }),
        ..Default::default()
    };
    let same = partners(&world).update_partner(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(same.etag, updated.etag);
}

async fn cards_of_ones_own_are_no_partners(world: World) {
    world.add_user("sales", "").await;
    put(&world, path("sales", "contacts"), "a.vcf", &card("u1", "FN:Mum\r\nTEL:+32471123456\r\n"))
        .await
        .unwrap();
    assert!(all_partners(&world).await.is_empty());
    let request =
        proto::LookupPartnersRequest { phone_number: "+32471123456".to_owned(), ..Default::default() };
    let found = partners(&world).lookup_partners(sales().request(request)).await.unwrap().into_inner();
    assert!(found.partners.is_empty());
    let book = books(&world, &sales()).await.into_iter().find(|book| !book.company).unwrap();
    let request = proto::ListContactsRequest { parent: book.name.clone(), ..Default::default() };
    let listed = contacts(&world).list_contacts(sales().request(request.clone())).await.unwrap().into_inner();
    assert_eq!((listed.contacts.len(), listed.contacts[0].partner.as_str()), (1, ""));
    let foreign = contacts(&world).list_contacts(caller("other", &[], &[]).request(request)).await;
    assert_eq!(failure(foreign).0, Code::NotFound);
    let request = proto::GetContactRequest { name: listed.contacts[0].name.clone() };
    let foreign = contacts(&world).get_contact(caller("other", &[], &[]).request(request.clone())).await;
    assert_eq!(failure(foreign).0, Code::NotFound);
    assert!(contacts(&world).get_contact(sales().request(request)).await.is_ok());
    assert!(world.events().await.iter().all(|event| event.partner.is_empty()));
}

async fn bad_cards_are_refused_with_their_reason(world: World) {
    let reason = |answer| failure(answer).1;
    assert_eq!(reason(put(&world, company(), "a.vcf", "hello").await), "VALID_DATA");
    assert_eq!(reason(put(&world, company(), "a.vcf", &card("a", "")).await), "VALID_DATA");
    assert_eq!(
        reason(put(&world, company(), "a.vcf", &card("a", "FN:A\r\n").replace("3.0", "9.9")).await),
        "SUPPORTED_DATA"
    );
    let two = card("a", "FN:A\r\n") + &card("b", "FN:B\r\n");
    assert_eq!(reason(put(&world, company(), "a.vcf", &two).await), "VALID_DATA");
    put(&world, company(), "a.vcf", &card("a", "FN:A\r\n")).await.unwrap();
    assert_eq!(reason(put(&world, company(), "b.vcf", &card("a", "FN:B\r\n")).await), "UID_CONFLICT");
    let long = format!("FN:{}\r\n", "x".repeat(100_000));
    put(&world, company(), "long.vcf", &card("long", &long)).await.unwrap();
    assert!(all_partners(&world).await.iter().all(|partner| partner.display_name.chars().count() <= 500));
}

async fn deleting_over_grpc_leaves_a_tombstone(world: World) {
    put(&world, company(), "ann.vcf", &card("u1", "FN:Ann\r\n")).await.unwrap();
    let (_, token, id) = sync(&world, -1, "").await;
    let partner = all_partners(&world).await.remove(0);
    let delete = |etag: &str| proto::DeletePartnerRequest {
        name: partner.name.clone(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let stale = partners(&world).delete_partner(sales().request(delete("0"))).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    partners(&world).delete_partner(sales().request(delete(&partner.etag))).await.unwrap();
    let (changes, _, _) = sync(&world, token, &id).await;
    assert!(changes.len() == 1 && changes[0].missing && changes[0].name == "ann.vcf");
    let request = proto::GetPartnerRequest { name: partner.name };
    assert_eq!(failure(partners(&world).get_partner(sales().request(request)).await).0, Code::NotFound);
    put(&world, company(), "ann.vcf", &card("u1", "FN:Ann\r\n")).await.unwrap();
    assert_eq!(all_partners(&world).await.len(), 1);
}

async fn x3_contacts_obey_etag_mask_and_repeat(world: World) {
    let request = proto::CreateContactRequest {
        parent: "addressBooks/company".to_owned(),
        contact: Some(proto::Contact {
            display_name: "Ann".to_owned(),
            uid: "my-uid".to_owned(),
            ..Default::default()
        }),
        request_id: "r1".to_owned(),
        ..Default::default()
    };
    let dry = proto::CreateContactRequest { validate_only: true, ..request.clone() };
    let draft = contacts(&world).create_contact(sales().request(dry)).await.unwrap().into_inner();
    assert_eq!((draft.name.as_str(), draft.display_name.as_str()), ("", "Ann"));
    assert!(objects(&world, company()).await.is_empty());
    let made = contacts(&world).create_contact(sales().request(request.clone())).await.unwrap().into_inner();
    let again = contacts(&world).create_contact(sales().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(made, again);
    let other = proto::CreateContactRequest { request_id: "r2".to_owned(), ..request };
    let taken = contacts(&world).create_contact(sales().request(other)).await;
    assert_eq!(failure(taken), (Code::AlreadyExists, "UID_CONFLICT".to_owned()));
    let update = |etag: &str, paths: &[&str]| proto::UpdateContactRequest {
        contact: Some(proto::Contact {
            name: made.name.clone(),
            display_name: "Anna".to_owned(),
            title: "Boss".to_owned(),
            etag: etag.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    let stale = contacts(&world).update_contact(sales().request(update("0", &["title"]))).await;
    assert_eq!(failure(stale).0, Code::Aborted);
    let bad = contacts(&world).update_contact(sales().request(update("", &["uid"]))).await;
    assert_eq!(failure(bad).0, Code::InvalidArgument);
    let updated = contacts(&world).update_contact(sales().request(update(&made.etag, &["title"]))).await;
    let updated = updated.unwrap().into_inner();
    assert_eq!((updated.display_name.as_str(), updated.title.as_str()), ("Ann", "Boss"));
    let empty = proto::CreateContactRequest {
        parent: "addressBooks/company".to_owned(),
        contact: Some(proto::Contact::default()),
        ..Default::default()
    };
    assert_eq!(
        failure(contacts(&world).create_contact(sales().request(empty)).await).0,
        Code::InvalidArgument
    );
    let delete = proto::DeleteContactRequest { name: made.name, ..Default::default() };
    contacts(&world).delete_contact(sales().request(delete.clone())).await.unwrap();
    assert_eq!(failure(contacts(&world).delete_contact(sales().request(delete)).await).0, Code::NotFound);
}

async fn contacts_are_listed_in_pages(world: World) {
    for (number, name) in ["émile", "Bob", "anna", "Zoe", "carl"].iter().enumerate() {
        put(
            &world,
            company(),
            &format!("{number}.vcf"),
            &card(&number.to_string(), &format!("FN:{name}\r\n")),
        )
        .await
        .unwrap();
    }
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListContactsRequest {
            parent: "addressBooks/company".to_owned(),
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = contacts(&world).list_contacts(admin().request(request)).await.unwrap().into_inner();
        names.extend(page.contacts.into_iter().map(|contact| contact.display_name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["anna", "Bob", "carl", "Zoe", "émile"]);
}

async fn move_card(
    world: &World,
    from: Option<dav::CollectionPath>,
    to: Option<dav::CollectionPath>,
    name: &str,
) -> Result<dav::MoveObjectResponse, Status> {
    let request = dav::MoveObjectRequest {
        path: from,
        name: name.to_owned(),
        to_path: to,
        to_name: name.to_owned(),
        overwrite: true,
        ..Default::default()
    };
    let mut client = CollectionServiceClient::new(world.link.clone());
    Ok(client.move_object(sales().request(request)).await?.into_inner())
}

async fn d3_a_card_moved_into_the_company_book_is_a_partner_and_stays_one(world: World) {
    world.add_user("sales", "").await;
    let own = || path("sales", "contacts");
    put(&world, own(), "a.vcf", &card("a", "FN:Ann\r\nN:;Ann;;;\r\nTEL:+32471112233\r\n")).await.unwrap();
    assert!(all_partners(&world).await.is_empty());
    move_card(&world, own(), company(), "a.vcf").await.unwrap();
    let partner = all_partners(&world).await.remove(0);
    let found =
        proto::LookupPartnersRequest { phone_number: "+32471112233".to_owned(), ..Default::default() };
    let found = partners(&world).lookup_partners(sales().request(found)).await.unwrap().into_inner().partners;
    assert_eq!(found.iter().map(|found| &found.name).collect::<Vec<_>>(), [&partner.name]);
    let request =
        proto::ListContactsRequest { parent: "addressBooks/company".to_owned(), ..Default::default() };
    let listed =
        contacts(&world).list_contacts(sales().request(request)).await.unwrap().into_inner().contacts;
    assert_eq!(listed.len(), 1, "the typed row stands in the new book");
    // A partner does not leave, whatever stands at the destination.
    put(&world, own(), "a.vcf", &card("a", "FN:Ann\r\n")).await.unwrap();
    let refused = move_card(&world, company(), own(), "a.vcf").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("partner"), "{refused:?}");
    // Its private state overwrites the company's one, and it is still the same partner.
    move_card(&world, own(), company(), "a.vcf").await.unwrap();
    assert_eq!(all_partners(&world).await.remove(0).name, partner.name);
    // A group is no partner, so it may leave.
    let group = card("g", "FN:Team\r\nX-ADDRESSBOOKSERVER-KIND:group\r\n");
    put(&world, company(), "g.vcf", &group).await.unwrap();
    move_card(&world, company(), own(), "g.vcf").await.unwrap();
    assert_eq!(objects(&world, company()).await.len(), 1);
}
