//! Who may start a campaign, when it is asked back, paused and ended.

use kontor_testbed::user;
use tonic::Code;

use super::*;
use crate::world::neighbour;

kontor_testbed::on_both! { World;
    s9_a_campaign_is_asked_back_paused_and_ended,
    s9_a_segment_that_leaps_to_everybody_pauses_its_campaign,
    s9_leaders_of_the_list_fill_it_and_strangers_see_nothing,
}

async fn s9_a_campaign_is_asked_back_paused_and_ended(world: World) {
    let anna = world.belgian("Anna", "+3224000001").await;
    world.add_segment("all", "true").await;
    let given = proto::Campaign { leavers: proto::CampaignLeavers::Keep.into(), ..campaign("all") };
    let made = world.create(&leader(), "spring", given.clone()).await.unwrap();
    assert_eq!(made.counts.unwrap().waiting, 1);
    let again = world.create(&leader(), "spring", given).await.unwrap();
    assert_eq!(again.call_list, made.call_list, "a repeat makes no second list");
    assert_eq!(world.entries(&made.call_list).await.len(), 0);
    let status = world.begin(&leader(), "spring", 0).await.unwrap_err();
    let (reason, metadata) = kontor_kit::error::reason(&status).unwrap();
    assert_eq!((reason.as_str(), metadata["count"].as_str()), ("MATCHES_EVERYBODY", "1"));
    let ben = world.belgian("Ben", "+3224000002").await;
    world.members_become("all", &[&anna, &ben]).await;
    assert_eq!(failure(world.begin(&leader(), "spring", 1).await).1, "TOO_MANY_MEMBERS");
    world.begin(&leader(), "spring", 2).await.unwrap();
    assert_eq!(world.filled("spring").await.counts.unwrap().added, 2);
    let pause = async || {
        let request =
            proto::PauseCampaignRequest { name: "campaigns/spring".to_owned(), ..Default::default() };
        world.campaigns.clone().pause_campaign(leader().request(request)).await
    };
    pause().await.unwrap();
    assert_eq!(failure(pause().await).1, "CAMPAIGN_NOT_RUNNING");
    let cora = world.belgian("Cora", "+3224000003").await;
    world.members_become("all", &[&anna, &ben, &cora]).await;
    assert_eq!(world.campaign("spring").await.counts.unwrap().waiting, 1);
    world.begin(&leader(), "spring", 3).await.unwrap();
    world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.added == 3)).await;
    let request = proto::EndCampaignRequest {
        name: "campaigns/spring".to_owned(),
        cancel_waiting: true,
        ..Default::default()
    };
    world.campaigns.clone().end_campaign(leader().request(request)).await.unwrap();
    let ended = world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.cancelled == 3)).await;
    assert_eq!(ended.state(), proto::CampaignState::Ended);
    assert_eq!(failure(world.begin(&leader(), "spring", 3).await).1, "CAMPAIGN_ENDED");
    // A list that ends pauses who fills it, with the reason.
    let list = world.call_list(&leader(), "fair", "teams/sales").await;
    let given = proto::Campaign { call_list: list.name.clone(), ..campaign("all") };
    world.create(&leader(), "autumn", given).await.unwrap();
    let ended = telephony::CallList { state: telephony::CallListState::Ended.into(), ..list };
    let request = telephony::UpdateCallListRequest {
        call_list: Some(ended),
        update_mask: Some(prost_types::FieldMask { paths: vec!["state".to_owned()] }),
        ..Default::default()
    };
    let mut client = CallListServiceClient::new(world.telephony.clone());
    client.update_call_list(admin().request(request)).await.unwrap();
    world.begin(&leader(), "autumn", 3).await.unwrap();
    let paused = world.becomes("autumn", |it| it.state() == proto::CampaignState::Paused).await;
    assert_eq!(paused.pause_reason, "callLists/fair can't be filled: callLists/fair has ended");
}

async fn s9_a_segment_that_leaps_to_everybody_pauses_its_campaign(world: World) {
    for at in 0..2 {
        world.belgian(&format!("Belgian {at}"), &format!("+322400000{at}")).await;
    }
    for at in 0..13 {
        world.known(&format!("German {at}"), "DE").await;
    }
    let segment = world.add_segment("be", "country == \"BE\"").await;
    let list = world.create(&leader(), "spring", campaign("be")).await.unwrap().call_list;
    world.begin(&leader(), "spring", 0).await.unwrap();
    assert_eq!(world.filled("spring").await.counts.unwrap().added, 2);
    // Somebody mends the rule while the campaign runs.
    let all = proto::Segment { rule: "true".to_owned(), etag: String::new(), ..segment };
    world.update_segment(all, &["rule"]).await.unwrap();
    let paused = world.becomes("spring", |it| it.state() == proto::CampaignState::Paused).await;
    let why = "13 members joined at once, and 15 of 15 known partners are members now, and 2 were meant when the campaign was started: \
               start it again with expected_members 15";
    assert_eq!(paused.pause_reason, why);
    assert_eq!((world.entries(&list).await.len(), paused.counts.unwrap().waiting), (2, 13));
    let told = world.events().await;
    let told = told.iter().filter_map(kontor_kit::outbox::payload::<proto::CampaignStateChanged>).next_back();
    assert_eq!(told.unwrap().state(), proto::CampaignState::Paused);
    // It is meant, and goes on; who joins as the days pass is added without a question.
    assert_eq!(failure(world.begin(&leader(), "spring", 0).await).1, "MATCHES_EVERYBODY");
    let again = world.begin(&leader(), "spring", 15).await.unwrap();
    assert_eq!((again.state(), again.pause_reason.as_str()), (proto::CampaignState::Running, ""));
    assert_eq!(world.filled("spring").await.counts.unwrap().without_number, 13);
    for at in 2..5 {
        world.belgian(&format!("Belgian {at}"), &format!("+322400000{at}")).await;
    }
    let now = world.becomes("spring", |it| it.counts.as_ref().is_some_and(|it| it.added == 5)).await;
    assert_eq!(now.state(), proto::CampaignState::Running);
}

async fn s9_leaders_of_the_list_fill_it_and_strangers_see_nothing(world: World) {
    world.belgian("Anna", "+3224000001").await;
    world.add_segment("be", "country == \"BE\"").await;
    world.try_segment(&neighbour(), "theirs", "true", &[], "teams/support").await.unwrap();
    let list = world.call_list(&neighbour(), "theirs", "teams/support").await.name;
    let ours = campaign("be");
    let refused = async |caller: &Caller, given: proto::Campaign| {
        let status = world.create(caller, "x", given).await.unwrap_err();
        let field = kontor_kit::error::reason(&status).and_then(|(_, mut it)| it.remove("field"));
        (status.code(), field.unwrap_or_default())
    };
    let invalid = |field: &str| (Code::InvalidArgument, field.to_owned());
    assert_eq!(refused(&sales(), ours.clone()).await, (Code::PermissionDenied, String::new()));
    assert_eq!(refused(&neighbour(), ours.clone()).await, (Code::PermissionDenied, String::new()));
    assert_eq!(refused(&leader(), campaign("theirs")).await, invalid("campaign.segment"));
    let there = proto::Campaign { call_list: list, team: String::new(), ..ours.clone() };
    assert_eq!(refused(&leader(), there).await, invalid("campaign.call_list"));
    for (wrong, field) in [
        (proto::Campaign { priority: 10, ..ours.clone() }, "campaign.priority"),
        (proto::Campaign { display_name: " ".to_owned(), ..ours.clone() }, "campaign.display_name"),
        (proto::Campaign { team: "x".to_owned(), ..ours.clone() }, "campaign.team"),
        (
            proto::Campaign { excluded_segments: vec!["segments/theirs".to_owned()], ..ours.clone() },
            "campaign.excluded_segments[0]",
        ),
        (
            proto::Campaign { excluded_segments: vec!["segments/be".to_owned()], ..ours.clone() },
            "campaign.excluded_segments[0]",
        ),
    ] {
        assert_eq!(refused(&leader(), wrong).await, invalid(field));
    }
    world.create(&leader(), "spring", ours).await.unwrap();
    assert_eq!(failure(world.begin(&sales(), "spring", 0).await).0, Code::PermissionDenied);
    for stranger in [neighbour(), user("eve")] {
        assert_eq!(failure(world.begin(&stranger, "spring", 0).await).0, Code::NotFound);
        let get = proto::GetCampaignRequest { name: "campaigns/spring".to_owned() };
        let answer = world.campaigns.clone().get_campaign(stranger.request(get)).await;
        assert_eq!(failure(answer).0, Code::NotFound);
        let all = proto::ListCampaignsRequest::default();
        let all = world.campaigns.clone().list_campaigns(stranger.request(all)).await.unwrap().into_inner();
        assert_eq!(all.campaigns, []);
    }
    let all = proto::ListCampaignsRequest { filter: "state = DRAFT".to_owned(), ..Default::default() };
    let all = world.campaigns.clone().list_campaigns(sales().request(all)).await.unwrap().into_inner();
    assert_eq!(all.campaigns.len(), 1);
}
