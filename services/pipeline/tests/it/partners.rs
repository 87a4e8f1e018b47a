//! Rows P14 and H2: opportunities follow their partner into a merge and out of it.

use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::world::{World, anna, deal};

kontor_testbed::on_both! { World;
    p14_opportunities_follow_their_partner_into_a_merge_and_out_of_it,
    p14_hundreds_follow_in_batches_and_each_is_of_one_partner_all_the_time,
}

async fn partner(world: &World, display_name: &str) -> String {
    let partner = directory::Partner { display_name: display_name.to_owned(), ..Default::default() };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

async fn wait_for(world: &World, deal: &str, partner: &str) -> proto::Opportunity {
    for () in kontor_testbed::patience() {
        let found = world.deal(deal).await;
        if found.partner == partner {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{deal} is not with {partner}: {:?}", world.deal(deal).await);
}

async fn p14_opportunities_follow_their_partner_into_a_merge_and_out_of_it(world: World) {
    let (acme, bolt, third) =
        (partner(&world, "Acme").await, partner(&world, "Bolt").await, partner(&world, "Third").await);
    let of = |title: &str, partner: &str| proto::Opportunity { partner: partner.to_owned(), ..deal(title) };
    let own = world.add_deal(&anna(), of("Roof", &acme)).await;
    let moved = world.add_deal(&anna(), of("Shed", &bolt)).await;
    let given_away = world.add_deal(&anna(), of("Wall", &bolt)).await;
    let mut merges = PartnerMergeServiceClient::new(world.directory.clone());
    let request = directory::MergePartnersRequest {
        name: acme.clone(),
        others: vec![bolt.clone()],
        ..Default::default()
    };
    let merge = merges.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap();
    let now = wait_for(&world, &moved.name, &acme).await;
    assert_eq!(
        now,
        proto::Opportunity {
            partner: acme.clone(),
            etag: now.etag.clone(),
            update_time: now.update_time,
            ..moved.clone()
        }
    );
    wait_for(&world, &given_away.name, &acme).await;
    // The old name is understood, and the new one is kept.
    let later = world.add_deal(&anna(), of("Door", &bolt)).await;
    assert_eq!(later.partner, acme);
    let request = proto::UpdateOpportunityRequest {
        opportunity: Some(proto::Opportunity {
            name: given_away.name.clone(),
            partner: third.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.deals.clone().update_opportunity(anna().request(request)).await.unwrap();

    let request = directory::UnmergePartnersRequest { name: merge.name, request_id: String::new() };
    merges.unmerge_partners(admin().request(request)).await.unwrap();
    wait_for(&world, &moved.name, &bolt).await;
    for (deal, partner) in [(&own.name, &acme), (&later.name, &acme), (&given_away.name, &third)] {
        assert_eq!(world.deal(deal).await.partner, *partner);
    }
    let unknown = proto::CreateOpportunityRequest {
        opportunity: Some(of("Nothing", "partners/nobody")),
        ..Default::default()
    };
    assert_eq!(
        failure(world.deals.clone().create_opportunity(anna().request(unknown)).await).0,
        Code::InvalidArgument
    );
}

/// How many opportunities each partner has, in one snapshot.
async fn counts(world: &World, partners: [&str; 2]) -> [usize; 2] {
    let filter = format!("partner = \"{}\" OR partner = \"{}\"", partners[0], partners[1]);
    let request = proto::ListOpportunitiesRequest { filter, page_size: 1_000, ..Default::default() };
    let page = world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner();
    partners.map(|partner| page.opportunities.iter().filter(|deal| deal.partner == partner).count())
}

async fn p14_hundreds_follow_in_batches_and_each_is_of_one_partner_all_the_time(world: World) {
    const ALL: usize = 350;
    let (acme, bolt) = (partner(&world, "Acme").await, partner(&world, "Bolt").await);
    for number in 0..ALL {
        let deal = proto::Opportunity { partner: bolt.clone(), ..deal(&format!("Deal {number}")) };
        world.add_deal(&anna(), deal).await;
    }
    let until = async |wanted: [usize; 2]| {
        for () in kontor_testbed::patience() {
            let found = counts(&world, [&acme, &bolt]).await;
            assert_eq!(found[0] + found[1], wanted[0] + wanted[1], "none is lost from both");
            if found == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("they are {:?}", counts(&world, [&acme, &bolt]).await);
    };
    let mut merges = PartnerMergeServiceClient::new(world.directory.clone());
    let request = directory::MergePartnersRequest {
        name: acme.clone(),
        others: vec![bolt.clone()],
        ..Default::default()
    };
    let merge = merges.merge_partners(admin().request(request.clone())).await.unwrap().into_inner();
    until([ALL, 0]).await;
    let unmerge = |merge: directory::MergePartnersResponse| {
        let name = merge.merge.unwrap().name;
        admin().request(directory::UnmergePartnersRequest { name, request_id: String::new() })
    };
    merges.unmerge_partners(unmerge(merge)).await.unwrap();
    until([0, ALL]).await;
    // Merged and taken back before they all have followed: they come back all the same. One that is made meanwhile is where its name leads, and stays.
    let merge = merges.merge_partners(admin().request(request)).await.unwrap().into_inner();
    world.add_deal(&anna(), proto::Opportunity { partner: acme.clone(), ..deal("New") }).await;
    merges.unmerge_partners(unmerge(merge)).await.unwrap();
    until([1, ALL]).await;
    // And nothing comes after it.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    until([1, ALL]).await;
}
