//! Partners: look-ups, the one write that finds or makes, kinds, links, lists, and one event for one change.

use kontor_kit::outbox::{kind, payload};
use kontor_proto::directory::v1 as proto;
use kontor_proto::r#type::v1::{Email, Phone};
use kontor_testbed::failure;
use prost_types::FieldMask;
use tonic::Code;

use crate::card::{all_partners, company, objects, partners, put, sales};
use crate::world::World;

kontor_testbed::on_both! { World;
    t3_a_number_finds_its_partner_in_any_spelling,
    a_number_has_a_digit_and_a_card_keeps_what_it_says,
    of_many_at_once_one_makes_the_partner,
    a_company_stays_a_company_on_its_card,
    each_change_has_exactly_one_event,
    partners_are_filtered_and_ordered,
    the_history_is_asked_of_partners_only,
}

fn person(name: &str, phone: &str, email: &str) -> proto::Partner {
    let phones = (!phone.is_empty()).then(|| Phone { number: phone.to_owned(), ..Default::default() });
    let emails = (!email.is_empty()).then(|| Email { address: email.to_owned(), ..Default::default() });
    proto::Partner {
        display_name: name.to_owned(),
        phones: phones.into_iter().collect(),
        emails: emails.into_iter().collect(),
        ..Default::default()
    }
}

async fn create(world: &World, partner: proto::Partner) -> proto::Partner {
    let request = proto::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    partners(world).create_partner(sales().request(request)).await.unwrap().into_inner()
}

async fn lookup(world: &World, phone: &str, email: &str, region: &str) -> proto::LookupPartnersResponse {
    let request = proto::LookupPartnersRequest {
        phone_number: phone.to_owned(),
        email: email.to_owned(),
        region: region.to_owned(),
    };
    partners(world).lookup_partners(sales().request(request)).await.unwrap().into_inner()
}

async fn t3_a_number_finds_its_partner_in_any_spelling(world: World) {
    let ann = create(&world, person("Ann", "0471/12.34.56", "Ann@Acme.be")).await;
    create(&world, person("Bob", "+33 1 45 55 12 34", "bob@acme.be")).await;
    create(&world, person("Cy", "+33145551234", "")).await;
    for spelling in ["+32471123456", "0471 12 34 56", "0032 471 12 34 56"] {
        let found = lookup(&world, spelling, "", "").await;
        assert_eq!((found.partners, found.e164.as_str()), (vec![ann.clone()], "+32471123456"), "{spelling}");
    }
    let names = |found: proto::LookupPartnersResponse| -> Vec<String> {
        found.partners.into_iter().map(|partner| partner.display_name).collect()
    };
    assert_eq!(names(lookup(&world, "01 45 55 12 34", "", "FR").await), ["Bob", "Cy"]);
    assert_eq!(names(lookup(&world, "", " ANN@acme.BE ", "").await), ["Ann"]);
    assert_eq!(names(lookup(&world, "0471123456", "bob@acme.be", "").await), ["Ann", "Bob"]);
    assert_eq!(names(lookup(&world, "0471123457", "", "").await), [""; 0]);
    // An extension is a number that nobody has; a text without a digit is none, and a text without "@" no address.
    let extension = lookup(&world, "101", "", "").await;
    assert_eq!((extension.partners.len(), extension.e164.as_str()), (0, ""));
    for (phone, email, field) in [
        ("", "", "phone_number"),
        ("hello", "", "phone_number"),
        ("", "hello", "email"),
        ("hello", "hi", "phone_number"),
    ] {
        let request = proto::LookupPartnersRequest {
            phone_number: phone.to_owned(),
            email: email.to_owned(),
            ..Default::default()
        };
        let refused = partners(&world).lookup_partners(sales().request(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{phone:?} {email:?}");
        let message = refused.message();
        assert!(message.starts_with(&format!("{field}: ")) && message.contains("give"), "{message}");
    }
    assert_eq!(names(lookup(&world, "hello", "bob@acme.be", "").await), ["Bob"], "one of them is enough");
}

async fn a_number_has_a_digit_and_a_card_keeps_what_it_says(world: World) {
    let refused = |outcome: Result<tonic::Response<proto::Partner>, tonic::Status>| {
        let refused = outcome.expect_err("no number");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let message = refused.message();
        assert!(message.starts_with("partner.phones[0].number: \"abc\""), "{message}");
    };
    let request =
        proto::CreatePartnerRequest { partner: Some(person("Ann", "abc", "")), ..Default::default() };
    refused(partners(&world).create_partner(sales().request(request)).await);
    let wanted =
        proto::MatchOrCreatePartnerRequest { partner: Some(person("Ann", "abc", "")), ..Default::default() };
    let outcome = partners(&world).match_or_create_partner(sales().request(wanted)).await;
    assert_eq!(failure(outcome).0, Code::InvalidArgument);
    assert!(all_partners(&world).await.is_empty());
    let ann = create(&world, person("Ann", "101", "")).await;
    let update = |partner: proto::Partner, field: &str| proto::UpdatePartnerRequest {
        partner: Some(proto::Partner { name: ann.name.clone(), ..partner }),
        update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
        ..Default::default()
    };
    let change = update(person("Ann", "abc", ""), "phones");
    refused(partners(&world).update_partner(sales().request(change)).await);
    // A card may say so: its bytes stay, and a change of something else goes through.
    let book = company();
    let text = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:desk\r\nFN:Desk\r\nN:;Desk;;;\r\nTEL:ask the desk\r\nEND:VCARD\r\n";
    put(&world, book.clone(), "desk.vcf", text).await.unwrap();
    let desk = all_partners(&world).await.into_iter().find(|it| it.display_name == "Desk").unwrap();
    assert_eq!(desk.phones[0].number, "ask the desk");
    let noted = proto::Partner { name: desk.name.clone(), note: "noted".to_owned(), ..Default::default() };
    let change = proto::UpdatePartnerRequest { partner: Some(noted), ..Default::default() };
    let now = partners(&world).update_partner(sales().request(change)).await.unwrap().into_inner();
    assert_eq!((now.note.as_str(), now.phones[0].number.as_str()), ("noted", "ask the desk"));
    let card = objects(&world, book).await.into_iter().find(|it| it.name == "desk.vcf").unwrap();
    assert!(String::from_utf8_lossy(&card.data).contains("TEL:ask the desk"));
}

async fn of_many_at_once_one_makes_the_partner(world: World) {
    let ask = |partner: proto::Partner, region: &str| {
        let request = proto::MatchOrCreatePartnerRequest {
            partner: Some(partner),
            region: region.to_owned(),
            ..Default::default()
        };
        let mut client = partners(&world);
        async move { client.match_or_create_partner(sales().request(request)).await.unwrap().into_inner() }
    };
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let email = if number % 2 == 0 { "new@acme.be" } else { "NEW@acme.be " };
            tokio::spawn(ask(person(&format!("New {number}"), "+32471000000", email.trim()), ""))
        })
        .collect();
    let mut names = std::collections::BTreeSet::new();
    let mut created = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        created += i32::from(answer.created);
        names.insert(answer.partner.unwrap().name);
    }
    assert_eq!((names.len(), created, all_partners(&world).await.len()), (1, 1, 1));
    // The address decides before the number.
    let by_number = create(&world, person("Number", "+32471999999", "")).await;
    let found = ask(person("x", "+32471999999", "new@acme.be"), "").await;
    assert!(names.contains(&found.partner.unwrap().name));
    let found = ask(person("x", "0471 99 99 99", "unknown@acme.be"), "").await;
    assert_eq!(found.partner.unwrap().name, by_number.name);
    // A national number of another country is known again.
    let french = ask(person("", "01 45 55 12 34", ""), "FR").await;
    assert!(french.created);
    assert!(!ask(person("y", "0033145551234", ""), "").await.created);
}

async fn a_company_stays_a_company_on_its_card(world: World) {
    let acme =
        proto::Partner { kind: proto::PartnerKind::Company.into(), ..person("Acme", "", "info@acme.be") };
    let acme = create(&world, acme).await;
    assert_eq!(
        (acme.kind(), acme.organization.as_str(), acme.family_name.as_str()),
        (proto::PartnerKind::Company, "", "")
    );
    let text = String::from_utf8(objects(&world, company()).await[0].data.to_vec()).unwrap();
    assert!(text.contains("X-ABShowAs:COMPANY\r\n") && text.contains("ORG:Acme\r\n"), "{text}");
    let ann =
        create(&world, proto::Partner { company: acme.name.clone(), ..person("Ann Lee", "", "") }).await;
    assert_eq!(
        (ann.company.as_str(), ann.given_name.as_str(), ann.family_name.as_str()),
        (acme.name.as_str(), "Ann", "Lee")
    );
    // A change over DAV keeps the link, which no card knows.
    let card = objects(&world, company()).await.into_iter().find(|object| object.etag == ann.etag).unwrap();
    let changed =
        String::from_utf8(card.data.to_vec()).unwrap().replace("END:VCARD", "TITLE:CEO\r\nEND:VCARD");
    put(&world, company(), &card.name, &changed).await.unwrap();
    let update = |company: &str, mask: &[&str]| {
        let request = proto::UpdatePartnerRequest {
            partner: Some(proto::Partner {
                name: ann.name.clone(),
                company: company.to_owned(),
                kind: proto::PartnerKind::Company.into(),
                ..Default::default()
            }),
            update_mask: Some(FieldMask { paths: mask.iter().map(|path| (*path).to_owned()).collect() }),
            ..Default::default()
        };
        let mut client = partners(&world);
        async move { client.update_partner(sales().request(request)).await.map(tonic::Response::into_inner) }
    };
    let same = update(&acme.name, &["company"]).await.unwrap();
    assert_eq!((same.company.as_str(), same.title.as_str()), (acme.name.as_str(), "CEO"));
    assert_eq!(failure(update("partners/none", &["company"]).await).0, Code::InvalidArgument);
    assert_eq!(failure(update(&ann.name, &["company"]).await).0, Code::InvalidArgument);
    assert_eq!(update("", &["kind"]).await.unwrap().kind(), proto::PartnerKind::Company);
    let delete = proto::DeletePartnerRequest { name: acme.name, ..Default::default() };
    partners(&world).delete_partner(sales().request(delete)).await.unwrap();
    assert_eq!(all_partners(&world).await[0].company, "", "a link to nothing is no link");
}

async fn each_change_has_exactly_one_event(world: World) {
    let ann = create(&world, person("Ann", "", "")).await;
    let object = objects(&world, company()).await.remove(0);
    let changed =
        String::from_utf8(object.data.to_vec()).unwrap().replace("END:VCARD", "TITLE:CEO\r\nEND:VCARD");
    put(&world, company(), &object.name, &changed).await.unwrap();
    let request = proto::CreatePartnerRequest {
        partner: Some(person("Dry", "", "")),
        validate_only: true,
        ..Default::default()
    };
    let dry = partners(&world).create_partner(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(dry.name, "");
    let delete = proto::DeletePartnerRequest { name: ann.name.clone(), ..Default::default() };
    partners(&world).delete_partner(sales().request(delete)).await.unwrap();
    let events = world.events().await;
    let kinds: Vec<&str> = events.iter().map(|event| kind(event).rsplit('.').next().unwrap()).collect();
    assert_eq!(kinds, ["PartnerCreated", "PartnerUpdated", "PartnerDeleted"]);
    for event in &events {
        assert_eq!(
            (&event.subject, &event.partner, event.actor.as_str()),
            (&ann.name, &ann.name, "users/sales")
        );
        assert!(event.audience.as_ref().unwrap().company);
    }
    assert_eq!(payload::<proto::PartnerUpdated>(&events[1]).unwrap().fields, ["title"]);
}

async fn partners_are_filtered_and_ordered(world: World) {
    for (name, kind) in [("Beta", 2), ("alpha", 1), ("Gamma 10%", 2)] {
        world.pass(1_000_000);
        create(&world, proto::Partner { kind, ..person(name, "", "") }).await;
    }
    let list = async |filter: &str, order_by: &str| -> Vec<String> {
        let request = proto::ListPartnersRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            ..Default::default()
        };
        let answer = partners(&world).list_partners(sales().request(request)).await.unwrap().into_inner();
        answer.partners.into_iter().map(|partner| partner.display_name).collect()
    };
    assert_eq!(list("", "").await, ["alpha", "Beta", "Gamma 10%"]);
    assert_eq!(list("kind = COMPANY", "create_time desc").await, ["Gamma 10%", "Beta"]);
    assert_eq!(list("display_name : \"ETA\"", "update_time").await, ["Beta"]);
    let bad = proto::ListPartnersRequest { order_by: "note".to_owned(), ..Default::default() };
    assert_eq!(failure(partners(&world).list_partners(sales().request(bad)).await).0, Code::InvalidArgument);
}

async fn the_history_is_asked_of_partners_only(world: World) {
    let ann = create(&world, person("Ann", "", "")).await;
    let ask = |parent: &str| {
        let request = proto::ListTimelineEntriesRequest { parent: parent.to_owned(), ..Default::default() };
        let mut client = partners(&world);
        async move { client.list_timeline_entries(sales().request(request)).await }
    };
    assert!(ask(&ann.name).await.unwrap().into_inner().timeline_entries.is_empty());
    assert_eq!(failure(ask("partners/none").await).0, Code::NotFound);
}
