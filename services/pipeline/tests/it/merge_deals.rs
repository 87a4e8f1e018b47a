//! Row P14: opportunities become one and several again, with all that hangs on them.

use kontor_proto::calendar::v1 as calendar;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::forecast_service_client::ForecastServiceClient;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{MONDAY, SECOND, admin, failure};
use tonic::Code;

use crate::merge_help::{
    add_step, complete, convert, deals, eventually, leads, merge_deals, partner, require, steps,
    unmerge_deals,
};
use crate::world::{World, anna, carl, deal, lead, manager, mask};

kontor_testbed::on_both! { World;
    p14_opportunities_become_one_with_steps_leads_and_requirements_and_back,
    p14_a_merged_opportunity_is_counted_once_and_neither_won_nor_lost,
    p14_timeline_and_calendar_follow,
    p14_partners_that_merge_meanwhile_are_not_lost,
    p14_a_deleted_survivor_does_not_keep_what_went_into_it,
    p14_a_stage_that_changed_meanwhile_is_minded,
}

async fn p14_opportunities_become_one_with_steps_leads_and_requirements_and_back(world: World) {
    let by_mail = |title: &str| proto::Lead { email: format!("{title}@x.com"), ..lead(title) };
    let (one, two) =
        (world.add_lead(&anna(), by_mail("one")).await, world.add_lead(&anna(), by_mail("two")).await);
    let first = convert(&world, &one.name).await.unwrap();
    world.pass(SECOND);
    let second = convert(&world, &two.name).await.unwrap();
    world.pass(SECOND);
    let third = proto::Opportunity {
        amount: Some(Money { currency_code: "EUR".to_owned(), amount: "10".to_owned() }),
        expected_close_date: "2026-12-24".to_owned(),
        source: "fair".to_owned(),
        ..deal("third")
    };
    let third = world.add_deal(&anna(), third).await;
    let done = add_step(&world, &second.name, "done", "2026-11-30").await;
    complete(&world, &done.name).await;
    world.pass(SECOND);
    add_step(&world, &second.name, "open", "2026-12-01").await;
    world.pass(SECOND);
    add_step(&world, &third.name, "also open", "2026-12-02").await;
    require(&world, &third.name, "BE").await;
    let start = (deals(&world).await, steps(&world).await, leads(&world).await);
    world.pass(SECOND);
    let answer = merge_deals(&world, &anna(), &first.name, &[&second.name, &third.name]).await.unwrap();
    let now = answer.opportunity.unwrap();
    assert_eq!((now.amount.as_ref(), now.source.as_str()), (third.amount.as_ref(), "fair"));
    assert_eq!((&now.lead, &now.partner, &now.stage), (&one.name, &first.partner, &first.stage));
    // One open step is left; the others are the survivor's too.
    assert_eq!(now.next_step.as_ref().unwrap().title, "open");
    let moved = steps(&world).await;
    let told: Vec<_> = moved.iter().map(|step| (step.title.as_str(), step.state())).collect();
    let [opened, completed, dropped] =
        [proto::NextStepState::Open, proto::NextStepState::Done, proto::NextStepState::Dropped];
    assert_eq!(told, [("done", completed), ("open", opened), ("also open", dropped)]);
    assert!(moved.iter().all(|step| step.name.starts_with(&first.name) && step.opportunity_title == "one"));
    let request = proto::ListNextStepsRequest { parent: second.name.clone(), ..Default::default() };
    let mut client = NextStepServiceClient::new(world.link.clone());
    let by_old_name = client.list_next_steps(anna().request(request)).await.unwrap().into_inner();
    assert_eq!(by_old_name.next_steps.len(), 3);
    let get = proto::GetNextStepRequest { name: done.name.clone() };
    assert_eq!(client.get_next_step(anna().request(get)).await.unwrap().into_inner().title, "done");
    // Both leads are its own: a repeated conversion finds it.
    assert_eq!(world.lead(&two.name).await.opportunity, first.name);
    assert_eq!(convert(&world, &two.name).await.unwrap().name, first.name);
    let found = deals(&world).await;
    assert_eq!((found.len(), found[0].1.country.as_str()), (1, "BE"));
    assert_eq!(world.deal(&third.name).await, world.deal(&first.name).await);
    let delete = proto::DeleteOpportunityRequest { name: third.name.clone(), ..Default::default() };
    assert_eq!(failure(world.deals.clone().delete_opportunity(anna().request(delete)).await).1, "MERGED");

    world.pass(SECOND);
    let merge = answer.merge.unwrap();
    let back = unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    assert_eq!((deals(&world).await, steps(&world).await, leads(&world).await), start);
    assert_eq!(back.len(), 3);
    assert_eq!(world.kinds(&second.name).await.last().unwrap(), "OpportunityUnmerged");

    // What somebody did to a step meanwhile goes back with it, and a field that was set stays.
    let merge = merge_deals(&world, &anna(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    let open = world.deal(&first.name).await.next_step.unwrap();
    complete(&world, &open.name).await;
    unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    let states: Vec<_> = steps(&world).await.iter().map(|step| (step.title.clone(), step.state())).collect();
    assert_eq!(states[1], ("open".to_owned(), completed));
    assert_eq!(steps(&world).await[1].name, start.1[1].name);
}

async fn forecast(world: &World, at: Option<i64>) -> Vec<(i64, String)> {
    let request =
        proto::GetForecastRequest { as_of_time: at.map(kontor_kit::clock::to_proto), ..Default::default() };
    let mut client = ForecastServiceClient::new(world.link.clone());
    let rows = client.get_forecast(admin().request(request)).await.unwrap().into_inner().rows;
    rows.into_iter().map(|row| (row.count, row.total)).collect()
}

async fn p14_a_merged_opportunity_is_counted_once_and_neither_won_nor_lost(world: World) {
    let offer = |title: &str| proto::Opportunity {
        amount: Some(Money { currency_code: "EUR".to_owned(), amount: "100".to_owned() }),
        expected_close_date: "2026-12-24".to_owned(),
        ..deal(title)
    };
    let first = world.add_deal(&anna(), offer("first")).await;
    let second = world.add_deal(&anna(), offer("second")).await;
    let two = vec![(2, "200.0000".to_owned())];
    let one = vec![(1, "100.0000".to_owned())];
    assert_eq!(forecast(&world, None).await, two);
    world.pass(SECOND);
    let merge = merge_deals(&world, &anna(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    assert_eq!(forecast(&world, None).await, one);
    assert_eq!(forecast(&world, Some(MONDAY + SECOND - 1)).await, two, "it was so then");
    world.pass(SECOND);
    // Won, it is one outcome; the other one comes back open.
    let win = proto::WinOpportunityRequest { name: first.name.clone(), ..Default::default() };
    world.deals.clone().win_opportunity(anna().request(win)).await.unwrap();
    world.pass(SECOND);
    let back = unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    assert_eq!(
        back.iter().map(proto::Opportunity::state).collect::<Vec<_>>(),
        [proto::OpportunityState::Won, proto::OpportunityState::Open]
    );
    assert_eq!(forecast(&world, None).await, one);
    for (at, expected) in [(1, &one), (2, &vec![]), (3, &one)] {
        assert_eq!(&forecast(&world, Some(MONDAY + at * SECOND)).await, expected, "after {at} seconds");
    }
}

async fn p14_timeline_and_calendar_follow(world: World) {
    let (acme, bolt) = (partner(&world, "Acme").await, partner(&world, "Bolt").await);
    let of = |title: &str, partner: &str, assignee: &str| proto::Opportunity {
        partner: partner.to_owned(),
        expected_close_date: "2026-12-24".to_owned(),
        assignee: assignee.to_owned(),
        ..deal(title)
    };
    let first = world.add_deal(&anna(), of("first", &acme, "users/anna")).await;
    let second = world.add_deal(&anna(), of("second", &bolt, "users/ben")).await;
    let history = async |partner: &str| -> Vec<String> {
        let request =
            directory::ListTimelineEntriesRequest { parent: partner.to_owned(), ..Default::default() };
        let page = world.partners.clone().list_timeline_entries(admin().request(request)).await.unwrap();
        let mut lines: Vec<String> =
            page.into_inner().timeline_entries.into_iter().map(|entry| entry.summary).collect();
        lines.sort();
        lines
    };
    let deadlines = async || -> Vec<String> {
        let request = calendar::ListOccurrencesRequest {
            parent: "calendars/-".to_owned(),
            start_time: Some(kontor_kit::clock::to_proto(MONDAY)),
            end_time: Some(kontor_kit::clock::to_proto(MONDAY + 90 * 86_400 * SECOND)),
            ..Default::default()
        };
        let mut client = EventServiceClient::new(world.calendar.clone());
        let page = client.list_occurrences(admin().request(request)).await.unwrap().into_inner();
        let mut titles: Vec<String> = page.occurrences.into_iter().map(|it| it.summary).collect();
        titles.sort();
        titles
    };
    let lines = |lines: &[&str]| -> Vec<String> { lines.iter().map(|&line| line.to_owned()).collect() };
    eventually(lines(&["opportunity: first"]), async || history(&acme).await).await;
    eventually(lines(&["opportunity: second"]), async || history(&bolt).await).await;
    eventually(2, async || deadlines().await.len()).await;
    let both = deadlines().await;
    let merge = merge_deals(&world, &manager(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    let merged = "merged into another opportunity: second";
    let all = lines(&[merged, "opportunity: first", "opportunity: second"]);
    eventually(all.clone(), async || history(&acme).await).await;
    eventually(lines(&[]), async || history(&bolt).await).await;
    eventually(1, async || deadlines().await.len()).await;
    // Where the survivor goes its history goes, with what went into it.
    let give = |partner: &str| proto::UpdateOpportunityRequest {
        opportunity: Some(proto::Opportunity {
            name: first.name.clone(),
            partner: partner.to_owned(),
            ..Default::default()
        }),
        update_mask: mask(&["partner"]),
        ..Default::default()
    };
    world.deals.clone().update_opportunity(manager().request(give(&bolt))).await.unwrap();
    eventually(all.clone(), async || history(&bolt).await).await;
    eventually(lines(&[]), async || history(&acme).await).await;
    world.deals.clone().update_opportunity(manager().request(give(&acme))).await.unwrap();
    eventually(all, async || history(&acme).await).await;
    unmerge_deals(&world, &manager(), &merge.name).await.unwrap();
    eventually(lines(&["opportunity: second"]), async || history(&bolt).await).await;
    eventually(lines(&["opportunity: first"]), async || history(&acme).await).await;
    eventually(both, async || deadlines().await).await;
}

async fn p14_partners_that_merge_meanwhile_are_not_lost(world: World) {
    let (acme, bolt) = (partner(&world, "Acme").await, partner(&world, "Bolt").await);
    let of = |title: &str, partner: &str| proto::Opportunity { partner: partner.to_owned(), ..deal(title) };
    let first = world.add_deal(&anna(), of("first", "")).await;
    world.pass(SECOND);
    let second = world.add_deal(&anna(), of("second", &bolt)).await;
    let start = deals(&world).await;
    let merge = merge_deals(&world, &anna(), &first.name, &[&second.name]).await.unwrap();
    assert_eq!(merge.opportunity.unwrap().partner, bolt);
    let mut partners = PartnerMergeServiceClient::new(world.directory.clone());
    let request = directory::MergePartnersRequest {
        name: acme.clone(),
        others: vec![bolt.clone()],
        ..Default::default()
    };
    let one = partners.merge_partners(admin().request(request)).await.unwrap().into_inner().merge.unwrap();
    eventually(acme.clone(), async || world.deal(&first.name).await.partner).await;
    unmerge_deals(&world, &anna(), &merge.merge.unwrap().name).await.unwrap();
    assert_eq!(world.deal(&first.name).await.partner, "", "what it got is gone under its new name too");
    assert_eq!(world.deal(&second.name).await.partner, acme);
    let request = directory::UnmergePartnersRequest { name: one.name, request_id: String::new() };
    partners.unmerge_partners(admin().request(request)).await.unwrap();
    eventually(bolt, async || world.deal(&second.name).await.partner).await;
    let mut now = deals(&world).await;
    for ((now, _), (then, _)) in now.iter_mut().zip(&start) {
        now.update_time = then.update_time;
    }
    assert_eq!(now, start);
}

async fn p14_a_deleted_survivor_does_not_keep_what_went_into_it(world: World) {
    let first = world.add_deal(&anna(), deal("first")).await;
    world.pass(SECOND);
    let second = world.add_deal(&anna(), deal("second")).await;
    add_step(&world, &second.name, "open", "2026-12-01").await;
    let start = (deals(&world).await.remove(1), steps(&world).await);
    let merge = merge_deals(&world, &anna(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    let delete = proto::DeleteOpportunityRequest { name: first.name.clone(), ..Default::default() };
    world.deals.clone().delete_opportunity(anna().request(delete)).await.unwrap();
    let get = proto::GetOpportunityRequest { name: second.name.clone() };
    assert_eq!(
        failure(world.deals.clone().get_opportunity(anna().request(get)).await),
        (Code::NotFound, "NOT_FOUND".to_owned())
    );
    assert_eq!(failure(unmerge_deals(&world, &carl(), &merge.name).await).0, Code::NotFound);
    let back = unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    assert_eq!(back.len(), 1);
    assert_eq!((deals(&world).await, steps(&world).await), (vec![start.0], start.1));
}

async fn p14_a_stage_that_changed_meanwhile_is_minded(world: World) {
    let stage = |name: &str| proto::Stage {
        name: name.to_owned(),
        display_name: name.to_owned(),
        ..Default::default()
    };
    let other = |stages: Vec<proto::Stage>| proto::Pipeline {
        name: "pipelines/other".to_owned(),
        display_name: "Other".to_owned(),
        stages,
        ..Default::default()
    };
    let demanding = proto::Stage { required_fields: vec!["amount".to_owned()], ..stage("three") };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(other(vec![stage("one"), stage("two"), demanding.clone()])),
        pipeline_id: "other".to_owned(),
        ..Default::default()
    };
    let mut pipelines = world.pipelines.clone();
    pipelines.create_pipeline(admin().request(request)).await.unwrap();
    let named = |stage: &str| format!("pipelines/other/stages/{stage}");
    let of = |title: &str, stage: &str| proto::Opportunity {
        pipeline: "pipelines/other".to_owned(),
        stage: named(stage),
        ..deal(title)
    };
    let first = world.add_deal(&anna(), of("first", "one")).await;
    let second = proto::Opportunity {
        amount: Some(Money { currency_code: "EUR".to_owned(), amount: "10".to_owned() }),
        ..of("second", "two")
    };
    let second = world.add_deal(&anna(), second).await;
    let merge = merge_deals(&world, &anna(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    let go = |stage: &str| proto::MoveStageRequest {
        name: first.name.clone(),
        stage: named(stage),
        ..Default::default()
    };
    // Where the amount is demanded it can't be taken away.
    world.deals.clone().move_stage(anna().request(go("three"))).await.unwrap();
    let refused = failure(unmerge_deals(&world, &anna(), &merge.name).await);
    assert_eq!(refused, (Code::FailedPrecondition, "STAGE_DEMANDS".to_owned()));
    assert_eq!(world.deal(&second.name).await.name, first.name, "nothing was taken back");
    world.deals.clone().move_stage(anna().request(go("one"))).await.unwrap();
    let request = proto::UpdatePipelineRequest {
        pipeline: Some(other(vec![stage("one"), demanding])),
        update_mask: mask(&["stages"]),
        ..Default::default()
    };
    pipelines.update_pipeline(admin().request(request)).await.unwrap();
    unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    let back = world.deal(&second.name).await;
    assert_eq!((back.stage, back.amount), (named("one"), second.amount));
    assert_eq!(world.deal(&first.name).await.amount, None);
}
