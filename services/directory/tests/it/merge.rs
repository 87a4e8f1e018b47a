//! Rows P14 and H2 for partners: merging those that are the same one, and taking that back.

use std::collections::BTreeMap;

use kontor_proto::collection::v1 as dav;
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::r#type::v1::{Email, Phone};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::card::{all_partners, company, objects, partners, sales};
use crate::world::World;

kontor_testbed::on_both! { World;
    p14_partners_become_one_and_their_old_names_lead_to_it,
    p14_an_unmerge_restores_all_exactly_and_keeps_what_was_changed_since,
    p14_any_sequence_of_merges_and_unmerges_returns_to_the_start,
    p14_what_two_gave_stays_until_both_are_taken_back,
    p14_the_old_name_of_a_company_leads_to_the_one_it_went_into,
    p14_wrong_merges_are_refused_and_change_nothing,
    p14_a_change_by_a_merged_name_names_the_survivor,
}

fn person(name: &str, phone: &str, email: &str) -> proto::Partner {
    let phone = Phone { number: phone.to_owned(), ..Default::default() };
    let email = Email { address: email.to_owned(), ..Default::default() };
    proto::Partner {
        display_name: name.to_owned(),
        phones: vec![phone],
        emails: vec![email],
        ..Default::default()
    }
}

async fn create(world: &World, partner: proto::Partner) -> proto::Partner {
    let request = proto::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    partners(world).create_partner(sales().request(request)).await.unwrap().into_inner()
}

async fn get(world: &World, name: &str) -> proto::Partner {
    let request = proto::GetPartnerRequest { name: name.to_owned() };
    partners(world).get_partner(sales().request(request)).await.unwrap().into_inner()
}

async fn merge(world: &World, name: &str, others: &[&str]) -> Result<proto::MergePartnersResponse, Status> {
    let request = proto::MergePartnersRequest {
        name: name.to_owned(),
        others: others.iter().map(|&other| other.to_owned()).collect(),
        ..Default::default()
    };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    Ok(merges.merge_partners(sales().request(request)).await?.into_inner())
}

async fn unmerge(world: &World, name: &str) -> Result<Vec<proto::Partner>, Status> {
    let request = proto::UnmergePartnersRequest { name: name.to_owned(), request_id: String::new() };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    Ok(merges.unmerge_partners(sales().request(request)).await?.into_inner().partners)
}

async fn by_email(world: &World, email: &str) -> Vec<String> {
    let request = proto::LookupPartnersRequest { email: email.to_owned(), ..Default::default() };
    let found = partners(world).lookup_partners(sales().request(request)).await.unwrap().into_inner();
    found.partners.into_iter().map(|partner| partner.name).collect()
}

/// All that people see of the partners, without versions and times.
async fn seen(world: &World) -> BTreeMap<String, proto::Partner> {
    let all = all_partners(world).await.into_iter();
    all.map(|it| {
        let name = it.name.clone();
        (name, proto::Partner { etag: String::new(), update_time: None, ..it })
    })
    .collect()
}

async fn p14_partners_become_one_and_their_old_names_lead_to_it(world: World) {
    let acme = create(&world, proto::Partner { kind: 2, ..person("Acme", "+3221", "info@acme.be") }).await;
    let twin =
        create(&world, proto::Partner { kind: 2, ..person("ACME nv", "+3222", "sales@acme.be") }).await;
    let works = proto::Partner { company: twin.name.clone(), ..person("Ann", "+3223", "ann@acme.be") };
    let ann = create(&world, works).await;
    let before = objects(&world, company()).await.len();

    let done = merge(&world, &acme.name, &[&twin.name]).await.unwrap();
    let one = done.partner.unwrap();
    assert_eq!(one.name, acme.name);
    let numbers: Vec<_> = one.phones.iter().map(|phone| phone.number.as_str()).collect();
    assert_eq!((numbers, one.emails.len()), (vec!["+3221", "+3222"], 2));
    // The old name leads to it, look-ups find it, its people are the survivor's, and the card has left the book.
    assert_eq!(get(&world, &twin.name).await, one);
    assert_eq!(by_email(&world, "sales@acme.be").await, [acme.name.as_str()]);
    assert_eq!(get(&world, &ann.name).await.company, acme.name);
    assert_eq!(objects(&world, company()).await.len(), before - 1);
    assert_eq!(all_partners(&world).await.len(), 2);

    let merges = PartnerMergeServiceClient::new(world.link.clone());
    let list =
        |parent: &str| proto::ListPartnerMergesRequest { parent: parent.to_owned(), ..Default::default() };
    for (parent, count) in [(acme.name.as_str(), 1), ("partners/-", 1), (ann.name.as_str(), 0)] {
        let listed =
            merges.clone().list_partner_merges(sales().request(list(parent))).await.unwrap().into_inner();
        assert_eq!(listed.merges.len(), count, "{parent}");
        if let Some(merge) = listed.merges.first() {
            assert_eq!(
                (merge.survivor.as_str(), merge.partners.as_slice()),
                (acme.name.as_str(), std::slice::from_ref(&twin.name))
            );
            assert_eq!(merge.actor, "users/sales");
        }
    }
}

async fn p14_an_unmerge_restores_all_exactly_and_keeps_what_was_changed_since(world: World) {
    let acme = create(&world, proto::Partner { kind: 2, ..person("Acme", "+3221", "info@acme.be") }).await;
    let twin = create(&world, proto::Partner { kind: 2, ..person("Twin", "+3222", "sales@acme.be") }).await;
    let works = proto::Partner { company: twin.name.clone(), ..person("Ann", "+3223", "ann@acme.be") };
    create(&world, works).await;
    let cards = objects(&world, company()).await;
    let start = seen(&world).await;
    let done = merge(&world, &acme.name, &[&twin.name]).await.unwrap().merge.unwrap();
    let back = unmerge(&world, &done.name).await.unwrap();
    assert_eq!(back.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [&acme.name, &twin.name]);
    assert_eq!(seen(&world).await, start);
    let texts =
        |cards: Vec<dav::Object>| cards.into_iter().map(|it| (it.name, it.data)).collect::<BTreeMap<_, _>>();
    assert_eq!(texts(objects(&world, company()).await), texts(cards), "names and bytes of the cards");
    assert_eq!(unmerge(&world, &done.name).await.unwrap_err().code(), Code::NotFound);

    // What somebody wrote on the survivor meanwhile is not lost with it.
    let done = merge(&world, &acme.name, &[&twin.name]).await.unwrap();
    let changed =
        proto::Partner { name: acme.name.clone(), note: "pays late".to_owned(), ..Default::default() };
    let request = proto::UpdatePartnerRequest {
        partner: Some(changed),
        update_mask: Some(FieldMask { paths: vec!["note".to_owned()] }),
        ..Default::default()
    };
    partners(&world).update_partner(sales().request(request)).await.unwrap();
    unmerge(&world, &done.merge.unwrap().name).await.unwrap();
    let mut expected = start.clone();
    expected.get_mut(&acme.name).unwrap().note = "pays late".to_owned();
    assert_eq!(seen(&world).await, expected);
}

async fn p14_any_sequence_of_merges_and_unmerges_returns_to_the_start(world: World) {
    let mut names = Vec::new();
    for number in 0..6 {
        // Some share a number or an address.
        let partner =
            person(&format!("P{number}"), &format!("+322{}", number % 4), &format!("p{}@x.com", number % 5));
        let note = if number % 2 == 0 { format!("note {number}") } else { String::new() };
        names.push(create(&world, proto::Partner { note, ..partner }).await.name);
    }
    let start = seen(&world).await;
    let mut random = 20_261_124_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap_or(0) % below
    };
    let mut open: Vec<String> = Vec::new();
    let (mut merged, mut taken_back) = (0, 0);
    for _ in 0..60 {
        if next(3) > 0 {
            let (survivor, other) = (names[next(6)].clone(), names[next(6)].clone());
            // One that went already, or itself, is refused.
            if let Ok(done) = merge(&world, &survivor, &[&other]).await {
                open.push(done.merge.unwrap().name);
                merged += 1;
            }
        } else if !open.is_empty() {
            let place = next(open.len());
            match unmerge(&world, &open[place]).await {
                Ok(_) => {
                    open.remove(place);
                    taken_back += 1;
                }
                Err(refused) => assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}"),
            }
        }
    }
    assert!(merged > 8 && taken_back > 3, "{merged} merges, {taken_back} taken back");
    while !open.is_empty() {
        let place = next(open.len());
        if unmerge(&world, &open[place]).await.is_ok() {
            open.remove(place);
        }
    }
    assert_eq!(seen(&world).await, start);
}

async fn p14_what_two_gave_stays_until_both_are_taken_back(world: World) {
    let acme = create(&world, person("Acme", "+3221", "info@acme.be")).await;
    let twin = create(&world, person("Twin", "+3222", "twin@acme.be")).await;
    let third = create(&world, person("Third", "+3222", "third@acme.be")).await;
    let start = seen(&world).await;
    let first = merge(&world, &acme.name, &[&twin.name]).await.unwrap().merge.unwrap();
    let second = merge(&world, &acme.name, &[&third.name]).await.unwrap().merge.unwrap();
    unmerge(&world, &first.name).await.unwrap();
    let numbers = |it: proto::Partner| it.phones.into_iter().map(|phone| phone.number).collect::<Vec<_>>();
    assert_eq!(numbers(get(&world, &acme.name).await), ["+3221", "+3222"], "the third one gives it too");
    unmerge(&world, &second.name).await.unwrap();
    assert_eq!(seen(&world).await, start);
}

async fn p14_the_old_name_of_a_company_leads_to_the_one_it_went_into(world: World) {
    let acme = create(&world, proto::Partner { kind: 2, ..person("Acme", "+3221", "info@acme.be") }).await;
    let twin = create(&world, proto::Partner { kind: 2, ..person("Twin", "+3222", "sales@acme.be") }).await;
    merge(&world, &acme.name, &[&twin.name]).await.unwrap();
    let works = proto::Partner { company: twin.name.clone(), ..person("Ann", "+3223", "ann@acme.be") };
    let ann = create(&world, works.clone()).await;
    assert_eq!(ann.company, acme.name);
    let request = proto::UpdatePartnerRequest {
        partner: Some(proto::Partner { name: ann.name.clone(), ..works }),
        update_mask: Some(FieldMask { paths: vec!["company".to_owned()] }),
        ..Default::default()
    };
    let same = partners(&world).update_partner(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(same.company, acme.name);
}

async fn p14_wrong_merges_are_refused_and_change_nothing(world: World) {
    let acme = create(&world, proto::Partner { kind: 2, ..person("Acme", "+3221", "info@acme.be") }).await;
    let ann = create(&world, person("Ann", "+3223", "ann@acme.be")).await;
    let bob = create(&world, person("Bob", "+3224", "bob@acme.be")).await;
    let start = seen(&world).await;
    for (others, code) in [
        (vec![], Code::InvalidArgument),
        (vec![ann.name.as_str()], Code::InvalidArgument),
        (vec!["partners/nobody"], Code::NotFound),
        (vec!["users/sales"], Code::InvalidArgument),
    ] {
        let refused = merge(&world, &ann.name, &others).await.unwrap_err();
        assert_eq!(refused.code(), code, "{others:?}: {refused}");
    }
    let refused = merge(&world, &ann.name, &[&bob.name, &acme.name]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let request = proto::MergePartnersRequest {
        name: ann.name.clone(),
        others: vec![bob.name.clone()],
        etag: "stale".to_owned(),
        ..Default::default()
    };
    let mut merges = PartnerMergeServiceClient::new(world.link.clone());
    assert_eq!(
        merges.merge_partners(sales().request(request.clone())).await.unwrap_err().code(),
        Code::Aborted
    );
    assert_eq!(seen(&world).await, start);
    // A repeat is harmless.
    let request = proto::MergePartnersRequest {
        etag: String::new(),
        request_id: "5d1c8f04-8ac2-4c9d-9a4e-1f1d42a5be10".to_owned(),
        ..request
    };
    let first = merges.merge_partners(sales().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(merges.merge_partners(sales().request(request)).await.unwrap().into_inner(), first);
}

async fn p14_a_change_by_a_merged_name_names_the_survivor(world: World) {
    let mut made = Vec::new();
    for name in ["Ann", "Anna", "Annie", "Bob"] {
        made.push(create(&world, person(name, "+3221", "a@acme.be")).await.name);
    }
    let [ann, anna, annie, bob] = made.as_slice() else { panic!("{made:?}") };
    merge(&world, anna, &[annie]).await.unwrap();
    merge(&world, ann, &[anna]).await.unwrap();
    let update = proto::UpdatePartnerRequest {
        partner: Some(proto::Partner { name: annie.clone(), ..person("New", "+3221", "a@acme.be") }),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let delete = proto::DeletePartnerRequest { name: annie.clone(), ..Default::default() };
    let refused = [
        partners(&world).update_partner(sales().request(update)).await.unwrap_err(),
        partners(&world).delete_partner(sales().request(delete)).await.unwrap_err(),
        merge(&world, annie, &[bob]).await.unwrap_err(),
        merge(&world, bob, &[annie]).await.unwrap_err(),
    ];
    for refused in refused {
        let (reason, about) = kontor_kit::error::reason(&refused).expect("a reason");
        assert_eq!((refused.code(), reason.as_str()), (Code::NotFound, "MERGED"), "{refused}");
        assert_eq!(about["survivor"], *ann);
    }
    assert_eq!(get(&world, annie).await.name, *ann, "to read it the name is followed");
}
