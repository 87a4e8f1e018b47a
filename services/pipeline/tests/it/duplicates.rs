//! Row P13: leads and opportunities that may be the same one.

use kontor_kit::auth::Caller;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::DuplicateReason::{Email, Name, Partner, Phone};
use kontor_proto::pipeline::v1::duplicate_service_client::DuplicateServiceClient;
use kontor_proto::pipeline::v1::find_duplicates_request::Of;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, deal, lead, mask};

kontor_testbed::on_both! { World;
    p13_spellings_of_one_lead_find_the_same_pair_each_with_its_reason,
    p13_a_form_is_warned_before_anything_is_saved,
    p13_an_opportunity_is_found_by_its_partner_and_its_lead,
    p13_what_is_found_follows_every_write_of_a_lead,
    p13_a_common_address_is_capped_and_hides_no_better_match,
    p13_groups_come_in_pages_and_show_what_the_caller_may_see,
    p13_bad_questions_are_refused_by_field,
}

fn reached(title: &str, email: &str, phone: &str) -> proto::Lead {
    proto::Lead { email: email.to_owned(), phone: phone.to_owned(), ..lead(title) }
}

async fn ask(world: &World, caller: &Caller, of: Of) -> proto::FindDuplicatesResponse {
    let request = proto::FindDuplicatesRequest { of: Some(of), max_count: 0 };
    let mut client = DuplicateServiceClient::new(world.link.clone());
    client.find_duplicates(caller.request(request)).await.unwrap().into_inner()
}

/// "title reasons confidence" of each.
async fn found(world: &World, caller: &Caller, name: &str) -> Vec<String> {
    lines(&ask(world, caller, Of::Name(name.to_owned())).await)
}

fn lines(answer: &proto::FindDuplicatesResponse) -> Vec<String> {
    let line = |duplicate: &proto::Duplicate| {
        let reasons =
            duplicate.matches.iter().map(|it| it.reason().as_str_name().rsplit('_').next().unwrap());
        let title = &duplicate.record.as_ref().unwrap().title;
        format!("{title} {} {}", reasons.collect::<Vec<_>>().join("+"), duplicate.confidence)
    };
    answer.duplicates.iter().map(line).collect()
}

async fn groups(world: &World, caller: &Caller, page_size: i32) -> Vec<proto::DuplicateGroup> {
    let mut client = DuplicateServiceClient::new(world.link.clone());
    let mut all = Vec::new();
    let mut request = proto::ListDuplicatesRequest { page_size, page_token: String::new() };
    loop {
        let page = client.list_duplicates(caller.request(request.clone())).await.unwrap().into_inner();
        all.extend(page.groups);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

async fn p13_spellings_of_one_lead_find_the_same_pair_each_with_its_reason(world: World) {
    let named = |lead: proto::Lead, name: &str, company: &str| proto::Lead {
        contact_name: name.to_owned(),
        company_name: company.to_owned(),
        ..lead
    };
    let first = reached("first", "A@X.com", "+32 471 12 34 56");
    let first = world.add_lead(&anna(), named(first, "Peeters, Anna", "ACME bv")).await;
    let second = proto::Lead { region: "BE".to_owned(), ..reached("second", " a@x.com ", "0471 123456") };
    let second = world.add_lead(&anna(), named(second, "Anna Peeters", "Acme, BV")).await;
    // Neither a namesake elsewhere nor a tagged address is the same one.
    world.add_lead(&anna(), named(reached("third", "a+x@x.com", "0471 12 34 57"), "Anna Peeters", "")).await;
    for (one, other) in [(&first, &second), (&second, &first)] {
        let answer = ask(&world, &anna(), Of::Name(one.name.clone())).await;
        assert_eq!((answer.duplicates.len(), answer.total_count), (1, 1), "{answer:#?}");
        let hit = &answer.duplicates[0];
        assert_eq!(hit.record.as_ref().unwrap().name, other.name);
        let person = |lead: &proto::Lead| format!("{}, {}", lead.contact_name, lead.company_name);
        let expected = [
            (Email, one.email.clone(), other.email.clone(), "a@x.com"),
            (Phone, one.phone.clone(), other.phone.clone(), "+32471123456"),
            (Name, person(one), person(other), "anna peeters, acme bv"),
        ];
        let expected = expected.map(|(reason, value, other_value, common)| proto::DuplicateMatch {
            reason: reason.into(),
            value,
            other_value,
            common_value: common.to_owned(),
        });
        assert_eq!((hit.matches.as_slice(), hit.confidence), (&expected[..], 99));
    }
    // One reason alone: the address is surer than the number, and that than the name.
    for (title, email, phone, name) in [
        ("by email", "a@x.com", "", ""),
        ("by number", "", "0032 471/12.34.56", ""),
        ("by name", "", "", "ANNA PEETERS"),
    ] {
        world.add_lead(&anna(), named(reached(title, email, phone), name, "Acme BV")).await;
    }
    assert_eq!(
        found(&world, &anna(), &first.name).await,
        ["second EMAIL+PHONE+NAME 99", "by email EMAIL 90", "by number PHONE 80", "by name NAME 70"]
    );
}

async fn p13_a_form_is_warned_before_anything_is_saved(world: World) {
    let made = world.add_lead(&anna(), reached("Roof", "a@x.com", "0471 12 34 56")).await;
    let draft = |email: &str, phone: &str| Of::Lead(reached("", email, phone));
    let answer = ask(&world, &anna(), draft(" A@x.COM", "+32471123456")).await;
    assert_eq!(lines(&answer), ["Roof EMAIL+PHONE 98"]);
    // What is not typed to its end is no error.
    for (email, phone) in [("a@", ""), ("", "0471"), ("", ""), ("nul\0@x.com", "x\0")] {
        assert!(ask(&world, &anna(), draft(email, phone)).await.duplicates.is_empty(), "{email:?} {phone:?}");
    }
    // Whom the directory knows by that address has an opportunity already.
    let convert = proto::ConvertLeadRequest { name: made.name.clone(), ..Default::default() };
    world.leads.clone().convert_lead(anna().request(convert)).await.unwrap();
    assert_eq!(
        lines(&ask(&world, &anna(), draft("a@x.com", "")).await),
        ["Roof EMAIL 90", "Roof PARTNER 50"]
    );
    assert!(ask(&world, &carl(), draft("a@x.com", "")).await.duplicates.is_empty(), "neither is his");
    assert!(world.events(&admin()).await.iter().all(|event| !event.subject.is_empty()));
}

async fn p13_an_opportunity_is_found_by_its_partner_and_its_lead(world: World) {
    let made = world.add_lead(&anna(), reached("Roof", "a@x.com", "0471 12 34 56")).await;
    let convert = proto::ConvertLeadRequest { name: made.name.clone(), ..Default::default() };
    let first = world.leads.clone().convert_lead(anna().request(convert)).await.unwrap().into_inner();
    let first = first.opportunity.unwrap();
    let same = proto::Opportunity { partner: first.partner.clone(), ..deal("Same partner") };
    let same = world.add_deal(&anna(), same).await;
    world.add_lead(&anna(), reached("New mail", "A@x.com", "")).await;
    let theirs = proto::Opportunity { partner: first.partner.clone(), ..deal("Theirs") };
    world.add_deal(&carl(), theirs).await;
    assert_eq!(found(&world, &anna(), &first.name).await, ["New mail EMAIL 90", "Same partner PARTNER 50"]);
    // By its partner's card one that never had a lead is found as well.
    assert_eq!(
        found(&world, &anna(), &same.name).await,
        ["Roof EMAIL+PHONE 98", "New mail EMAIL 90", "Roof PARTNER 50"]
    );
    let answer = ask(&world, &anna(), Of::Name(first.name.clone())).await;
    let partner = &answer.duplicates[1].matches[0];
    assert_eq!(
        (partner.reason(), &partner.value, &partner.other_value),
        (Partner, &same.partner, &same.partner)
    );
    assert_eq!(found(&world, &anna(), &world.add_deal(&anna(), deal("Alone")).await.name).await, [""; 0]);
}

async fn p13_what_is_found_follows_every_write_of_a_lead(world: World) {
    let first = world.add_lead(&anna(), reached("first", "a@x.com", "")).await;
    let second = world.add_lead(&anna(), reached("second", "b@x.com", "0471 12 34 56")).await;
    assert_eq!(found(&world, &anna(), &first.name).await, [""; 0]);
    let change = |phone: &str, region: &str| proto::UpdateLeadRequest {
        lead: Some(proto::Lead {
            name: first.name.clone(),
            phone: phone.to_owned(),
            region: region.to_owned(),
            ..Default::default()
        }),
        update_mask: mask(&["phone", "region"]),
        ..Default::default()
    };
    let mut leads = world.leads.clone();
    leads.update_lead(anna().request(change("0471 123456", "BE"))).await.unwrap();
    assert_eq!(found(&world, &anna(), &second.name).await, ["first PHONE 80"]);
    leads.update_lead(anna().request(change("0471 123456", "DE"))).await.unwrap();
    assert_eq!(found(&world, &anna(), &second.name).await, [""; 0], "a number of another country");
    leads.update_lead(anna().request(change("0471 123456", ""))).await.unwrap();
    // Whose it is and what became of it changes nothing; who may see it does.
    let many = proto::BatchChangeLeadsRequest {
        names: vec![first.name.clone()],
        team: Some("teams/support".to_owned()),
        ..Default::default()
    };
    leads.batch_change_leads(anna().request(many)).await.unwrap();
    assert_eq!(found(&world, &anna(), &second.name).await, [""; 0]);
    assert_eq!(found(&world, &admin(), &second.name).await, ["first PHONE 80"]);
    let convert = proto::ConvertLeadRequest { name: second.name.clone(), ..Default::default() };
    leads.convert_lead(anna().request(convert)).await.unwrap();
    let converted = ask(&world, &admin(), Of::Name(first.name.clone())).await;
    let record = converted.duplicates[0].record.clone().unwrap();
    assert_eq!((record.state.as_str(), record.opportunity.is_empty()), ("CONVERTED", false));
    let delete = proto::DeleteLeadRequest { name: first.name.clone(), ..Default::default() };
    leads.delete_lead(admin().request(delete)).await.unwrap();
    assert_eq!(found(&world, &admin(), &second.name).await, [""; 0]);
    assert!(groups(&world, &admin(), 0).await.is_empty());
}

async fn p13_a_common_address_is_capped_and_hides_no_better_match(world: World) {
    let mut made = Vec::new();
    for number in 0..110 {
        let leads = world.leads.clone();
        let lead = reached(&format!("{number}"), "info@example.com", "");
        let request = proto::CreateLeadRequest { lead: Some(lead), ..Default::default() };
        made.push(tokio::spawn(async move { leads.clone().create_lead(anna().request(request)).await }));
    }
    for made in made {
        made.await.unwrap().unwrap();
    }
    world.add_lead(&anna(), reached("by number", "", "0471 12 34 56")).await;
    let asked = world.add_lead(&anna(), reached("asked", "Info@Example.com", "+32471123456")).await;
    let answer = ask(&world, &anna(), Of::Name(asked.name.clone())).await;
    assert_eq!((answer.duplicates.len(), answer.total_count), (20, 111));
    let lines = lines(&answer);
    assert_eq!(lines[0], "by number PHONE 80");
    assert!(lines[1..].iter().all(|line| line.ends_with(" EMAIL 10")), "{lines:?}");
    let groups = groups(&world, &anna(), 0).await;
    let told: Vec<_> =
        groups.iter().map(|group| (group.reason(), group.records.len(), group.total_count)).collect();
    assert_eq!(told, [(Email, 20, 111), (Phone, 2, 2)]);
    assert_eq!(groups[0].records[0].name, asked.name, "the newest first");
}

async fn p13_groups_come_in_pages_and_show_what_the_caller_may_see(world: World) {
    for number in 0..7 {
        for who in [anna(), ben()] {
            world.add_lead(&who, reached(&format!("{number}"), &format!("{number}@x.com"), "")).await;
        }
        // One of each is the support team's.
        world.add_lead(&carl(), reached("theirs", &format!("{number}@x.com"), "")).await;
    }
    world.add_lead(&carl(), reached("both", "", "0471 12 34 56")).await;
    world.add_lead(&carl(), reached("both", "", "+32471123456")).await;
    let seen = |groups: &[proto::DuplicateGroup]| -> Vec<String> {
        groups.iter().map(|group| format!("{} {}", group.value, group.total_count)).collect()
    };
    let of_sales = groups(&world, &anna(), 2).await;
    let expected: Vec<String> = (0..7).map(|number| format!("{number}@x.com 2")).collect();
    assert_eq!(seen(&of_sales), expected);
    assert!(of_sales.iter().flat_map(|group| &group.records).all(|record| record.team == "teams/sales"));
    assert_eq!(seen(&groups(&world, &carl(), 3).await), ["+32471123456 2"]);
    let all = groups(&world, &admin(), 100).await;
    assert_eq!((all.len(), all[0].total_count), (8, 3));
}

async fn p13_bad_questions_are_refused_by_field(world: World) {
    let made = world.add_lead(&anna(), lead("Roof")).await;
    let mut client = DuplicateServiceClient::new(world.link.clone());
    let name = |name: &str| Some(Of::Name(name.to_owned()));
    for (of, max_count, code) in [
        (None, 0, Code::InvalidArgument),
        (name(""), 0, Code::InvalidArgument),
        (name("partners/x"), 0, Code::InvalidArgument),
        (name(&made.name), 101, Code::InvalidArgument),
        (name(&made.name), -1, Code::InvalidArgument),
        (name("leads/none"), 0, Code::NotFound),
        (name("opportunities/none"), 0, Code::NotFound),
    ] {
        let request = proto::FindDuplicatesRequest { of: of.clone(), max_count };
        assert_eq!(
            failure(client.find_duplicates(anna().request(request)).await).0,
            code,
            "{of:?} {max_count}"
        );
    }
    let request = proto::FindDuplicatesRequest { of: name(&made.name), max_count: 0 };
    assert_eq!(failure(client.find_duplicates(carl().request(request.clone())).await).0, Code::NotFound);
    assert_eq!(failure(client.find_duplicates(request).await).0, Code::Unauthenticated);
    for request in [
        proto::ListDuplicatesRequest { page_size: -1, ..Default::default() },
        proto::ListDuplicatesRequest { page_token: "x".to_owned(), ..Default::default() },
    ] {
        assert_eq!(failure(client.list_duplicates(anna().request(request)).await).0, Code::InvalidArgument);
    }
}
