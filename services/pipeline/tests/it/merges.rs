//! Row P14: leads and opportunities become one and several again: what goes along, what is refused, who may.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::outbox;
use kontor_proto::calendar::v1 as calendar;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::partner_merge_service_client::PartnerMergeServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_client::AssignmentServiceClient;
use kontor_proto::pipeline::v1::forecast_service_client::ForecastServiceClient;
use kontor_proto::pipeline::v1::merge_service_client::MergeServiceClient;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{MONDAY, SECOND, admin, failure};
use tonic::{Code, Status};

use crate::world::{World, anna, ben, carl, deal, lead, manager, mask};

kontor_testbed::on_both! { World;
    p14_leads_become_one_and_their_names_lead_to_it,
    p14_an_unmerge_of_leads_restores_all_exactly_and_keeps_what_was_changed_since,
    p14_opportunities_become_one_with_steps_leads_and_requirements_and_back,
    p14_a_merged_opportunity_is_counted_once_and_neither_won_nor_lost,
    p14_timeline_and_calendar_follow,
    p14_partners_that_merge_meanwhile_are_not_lost,
    p14_a_deleted_survivor_does_not_keep_what_went_into_it,
    p14_what_is_not_the_same_is_refused_and_changes_nothing,
    p14_who_may_not_change_all_of_them_may_not_merge_them,
    p14_the_same_request_twice_merges_once_and_a_stale_etag_never,
    p14_merges_that_cross_have_one_winner,
}

pub async fn merge_leads(
    world: &World,
    caller: &Caller,
    survivor: &str,
    others: &[&str],
) -> Result<proto::MergeLeadsResponse, Status> {
    let request = proto::MergeLeadsRequest {
        name: survivor.to_owned(),
        others: others.iter().map(|&other| other.to_owned()).collect(),
        ..Default::default()
    };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.merge_leads(caller.request(request)).await.map(|answer| answer.into_inner())
}

pub async fn unmerge_leads(world: &World, caller: &Caller, name: &str) -> Result<Vec<proto::Lead>, Status> {
    let request = proto::UnmergeLeadsRequest { name: name.to_owned(), request_id: String::new() };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.unmerge_leads(caller.request(request)).await.map(|answer| answer.into_inner().leads)
}

pub async fn merge_deals(
    world: &World,
    caller: &Caller,
    survivor: &str,
    others: &[&str],
) -> Result<proto::MergeOpportunitiesResponse, Status> {
    let request = proto::MergeOpportunitiesRequest {
        name: survivor.to_owned(),
        others: others.iter().map(|&other| other.to_owned()).collect(),
        ..Default::default()
    };
    let mut client = MergeServiceClient::new(world.link.clone());
    client.merge_opportunities(caller.request(request)).await.map(|answer| answer.into_inner())
}

pub async fn unmerge_deals(
    world: &World,
    caller: &Caller,
    name: &str,
) -> Result<Vec<proto::Opportunity>, Status> {
    let request = proto::UnmergeOpportunitiesRequest { name: name.to_owned(), request_id: String::new() };
    let mut client = MergeServiceClient::new(world.link.clone());
    client
        .unmerge_opportunities(caller.request(request))
        .await
        .map(|answer| answer.into_inner().opportunities)
}

/// All leads as they are, without their versions.
pub async fn leads(world: &World) -> Vec<proto::Lead> {
    let request = proto::ListLeadsRequest { order_by: "create_time".to_owned(), ..Default::default() };
    let page = world.leads.clone().list_leads(admin().request(request)).await.unwrap().into_inner();
    page.leads.into_iter().map(|lead| proto::Lead { etag: String::new(), ..lead }).collect()
}

/// All opportunities as they are, and what they ask for, without their versions.
pub async fn deals(world: &World) -> Vec<(proto::Opportunity, proto::Requirements)> {
    let request =
        proto::ListOpportunitiesRequest { order_by: "create_time".to_owned(), ..Default::default() };
    let page = world.deals.clone().list_opportunities(admin().request(request)).await.unwrap().into_inner();
    let mut all = Vec::new();
    for deal in page.opportunities {
        let request = proto::GetRequirementsRequest { opportunity: deal.name.clone() };
        let mut assignments = AssignmentServiceClient::new(world.link.clone());
        let needs = assignments.get_requirements(admin().request(request)).await.unwrap().into_inner();
        let next_step = deal.next_step.map(|step| proto::NextStep { etag: String::new(), ..step });
        all.push((proto::Opportunity { etag: String::new(), next_step, ..deal }, needs));
    }
    all
}

/// All next steps as they are, without their versions.
pub async fn steps(world: &World) -> Vec<proto::NextStep> {
    let request = proto::ListNextStepsRequest {
        parent: "opportunities/-".to_owned(),
        order_by: "create_time".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut client = NextStepServiceClient::new(world.link.clone());
    let page = client.list_next_steps(admin().request(request)).await.unwrap().into_inner();
    page.next_steps.into_iter().map(|step| proto::NextStep { etag: String::new(), ..step }).collect()
}

pub async fn add_step(world: &World, parent: &str, title: &str, day: &str) -> proto::NextStep {
    let step = proto::NextStep {
        title: title.to_owned(),
        due: Some(Due::DueDate(day.to_owned())),
        ..Default::default()
    };
    let request = proto::CreateNextStepRequest {
        parent: parent.to_owned(),
        next_step: Some(step),
        ..Default::default()
    };
    let mut client = NextStepServiceClient::new(world.link.clone());
    client.create_next_step(admin().request(request)).await.unwrap().into_inner()
}

pub async fn complete(world: &World, name: &str) {
    let request = proto::CompleteNextStepRequest { name: name.to_owned(), ..Default::default() };
    let mut client = NextStepServiceClient::new(world.link.clone());
    client.complete_next_step(admin().request(request)).await.unwrap();
}

pub async fn require(world: &World, opportunity: &str, country: &str) {
    let requirements = proto::Requirements {
        opportunity: opportunity.to_owned(),
        country: country.to_owned(),
        skills: vec![proto::Skill { name: "lang:nl".to_owned(), level: 3 }],
        ..Default::default()
    };
    let request =
        proto::SetRequirementsRequest { requirements: Some(requirements), request_id: String::new() };
    let mut client = AssignmentServiceClient::new(world.link.clone());
    client.set_requirements(admin().request(request)).await.unwrap();
}

pub async fn partner(world: &World, display_name: &str) -> String {
    let partner = directory::Partner { display_name: display_name.to_owned(), ..Default::default() };
    let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    world.partners.clone().create_partner(admin().request(request)).await.unwrap().into_inner().name
}

pub async fn convert(world: &World, lead: &str) -> Result<proto::Opportunity, Status> {
    let request = proto::ConvertLeadRequest { name: lead.to_owned(), ..Default::default() };
    let answer = world.leads.clone().convert_lead(admin().request(request)).await?;
    Ok(answer.into_inner().opportunity.unwrap())
}

fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

async fn p14_leads_become_one_and_their_names_lead_to_it(world: World) {
    let first = proto::Lead { tags: tags(&["hot"]), description: "one".to_owned(), ..lead("First") };
    let first = world.add_lead(&anna(), first).await;
    let second = proto::Lead {
        contact_name: "Anna Smit".to_owned(),
        phone: "01 45 55 12 34".to_owned(),
        region: "FR".to_owned(),
        description: "two".to_owned(),
        tags: tags(&["fair", "hot"]),
        attributes: [("size".to_owned(), "big".to_owned())].into(),
        ..lead("Second")
    };
    let second = world.add_lead(&anna(), second).await;
    let third = proto::Lead {
        contact_name: "A. Smit".to_owned(),
        email: "a@x.com".to_owned(),
        attributes: [("size".to_owned(), "small".to_owned()), ("kind".to_owned(), "roof".to_owned())].into(),
        ..lead("Third")
    };
    let third = world.add_lead(&anna(), third).await;
    world.pass(SECOND);
    let done = merge_leads(&world, &anna(), &first.name, &[&second.name, &third.name]).await.unwrap();
    let (now, merge) = (done.lead.unwrap(), done.merge.unwrap());
    let expected = proto::Lead {
        contact_name: "Anna Smit".to_owned(),
        phone: "01 45 55 12 34".to_owned(),
        region: "FR".to_owned(),
        email: "a@x.com".to_owned(),
        description: "one\n\ntwo".to_owned(),
        tags: tags(&["hot", "fair"]),
        attributes: [("size".to_owned(), "big".to_owned()), ("kind".to_owned(), "roof".to_owned())].into(),
        etag: now.etag.clone(),
        update_time: now.update_time,
        ..first.clone()
    };
    assert_eq!(now, expected);
    assert!(now.update_time > first.update_time && now.etag != first.etag);
    assert_eq!(merge.merged, [second.name.clone(), third.name.clone()]);
    assert_eq!((merge.survivor.as_str(), merge.actor.as_str()), (first.name.as_str(), "users/anna"));
    assert_eq!(leads(&world).await.len(), 1);
    for old in [&second.name, &third.name, &first.name] {
        assert_eq!(world.lead(old).await, now, "{old} leads to it");
    }
    // A change by an old name is told where to go.
    let change = proto::UpdateLeadRequest {
        lead: Some(proto::Lead { name: second.name.clone(), ..lead("Again") }),
        ..Default::default()
    };
    let moved = (Code::NotFound, "MERGED".to_owned());
    assert_eq!(failure(world.leads.clone().update_lead(anna().request(change)).await), moved);
    assert_eq!(failure(convert(&world, &third.name).await), moved);
    assert_eq!(failure(merge_leads(&world, &anna(), &second.name, &[&first.name]).await), moved);
    // One that merged may go into another: its names follow through.
    let last = world.add_lead(&anna(), lead("Last")).await;
    merge_leads(&world, &anna(), &last.name, &[&first.name]).await.unwrap();
    assert_eq!(world.lead(&third.name).await.name, last.name);
    let request = proto::ListMergesRequest { parent: "leads/-".to_owned(), ..Default::default() };
    let mut client = MergeServiceClient::new(world.link.clone());
    let listed = client.list_merges(anna().request(request)).await.unwrap().into_inner().merges;
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&merge));
    assert_eq!(world.kinds(&second.name).await, ["LeadCreated", "LeadMerged"]);
    assert_eq!(world.kinds(&last.name).await, ["LeadCreated", "LeadUpdated"]);
    // The way back is the way there, from its end.
    let again = unmerge_leads(&world, &anna(), &merge.name).await;
    assert_eq!(failure(again), (Code::FailedPrecondition, "MERGED_AGAIN".to_owned()));
}

async fn p14_an_unmerge_of_leads_restores_all_exactly_and_keeps_what_was_changed_since(world: World) {
    let first = world.add_lead(&anna(), proto::Lead { tags: tags(&["own"]), ..lead("First") }).await;
    world.pass(SECOND);
    let second = proto::Lead {
        email: "a@x.com".to_owned(),
        source: "fair".to_owned(),
        tags: tags(&["hot"]),
        description: "two".to_owned(),
        state: proto::LeadState::Disqualified.into(),
        assignee: "users/ben".to_owned(),
        ..lead("Second")
    };
    let second = world.add_lead(&anna(), second).await;
    let start = leads(&world).await;
    world.pass(SECOND);
    let done = merge_leads(&world, &manager(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    world.pass(SECOND);
    let back = unmerge_leads(&world, &manager(), &done.name).await.unwrap();
    assert_eq!(leads(&world).await, start);
    assert_eq!(back.iter().map(|lead| &lead.name).collect::<Vec<_>>(), [&first.name, &second.name]);
    assert!(back.iter().all(|lead| lead.etag != "v1"), "an old etag is known to be old");
    assert_eq!(
        failure(unmerge_leads(&world, &manager(), &done.name).await),
        (Code::NotFound, "NOT_FOUND".to_owned())
    );
    assert_eq!(world.kinds(&second.name).await, ["LeadCreated", "LeadMerged", "LeadUnmerged"]);

    let done = merge_leads(&world, &manager(), &first.name, &[&second.name]).await.unwrap().merge.unwrap();
    let change = proto::UpdateLeadRequest {
        lead: Some(proto::Lead {
            name: first.name.clone(),
            title: "Mine".to_owned(),
            source: "web".to_owned(),
            tags: tags(&["own", "hot", "new"]),
            ..Default::default()
        }),
        update_mask: mask(&["title", "source", "tags"]),
        ..Default::default()
    };
    world.leads.clone().update_lead(anna().request(change)).await.unwrap();
    unmerge_leads(&world, &manager(), &done.name).await.unwrap();
    let now = leads(&world).await;
    let expected = proto::Lead {
        title: "Mine".to_owned(),
        source: "web".to_owned(),
        tags: tags(&["own", "new"]),
        update_time: now[0].update_time,
        ..start[0].clone()
    };
    assert_eq!(now, [expected, start[1].clone()]);
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
        proto::GetForecastRequest { as_of: at.map(kontor_kit::clock::to_proto), ..Default::default() };
    let mut client = ForecastServiceClient::new(world.link.clone());
    let rows = client.get_forecast(admin().request(request)).await.unwrap().into_inner().rows;
    rows.into_iter().map(|row| (i64::from(row.count), row.total)).collect()
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

async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    for _ in 0..250 {
        if look().await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(look().await, expected);
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

async fn p14_what_is_not_the_same_is_refused_and_changes_nothing(world: World) {
    let mut made = Vec::new();
    for number in 0..3 {
        world.pass(SECOND);
        made.push(world.add_lead(&anna(), lead(&format!("{number}"))).await.name);
    }
    let converted =
        world.add_lead(&anna(), proto::Lead { email: "c@x.com".to_owned(), ..lead("converted") }).await;
    convert(&world, &converted.name).await.unwrap();
    let many = |from: usize| (from..from + 40).map(|tag| tag.to_string()).collect::<Vec<_>>();
    for from in [0, 30] {
        world.add_lead(&anna(), proto::Lead { tags: many(from), ..lead("many tags") }).await;
    }
    let start = leads(&world).await;
    let (first, second) = (made[0].as_str(), made[1].as_str());
    let tagged: Vec<&str> =
        start.iter().filter(|lead| lead.tags.len() == 40).map(|lead| lead.name.as_str()).collect();
    let too_many: Vec<String> = (0..51).map(|number| format!("leads/{number}")).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    let invalid = (Code::InvalidArgument, "INVALID_FIELD");
    for (survivor, others, expected) in [
        (first, vec![], invalid),
        (first, vec![first], invalid),
        (first, vec![second, second], invalid),
        (first, vec!["opportunities/x"], invalid),
        (first, too_many, invalid),
        ("nobody", vec![second], invalid),
        (first, vec!["leads/none"], (Code::NotFound, "NOT_FOUND")),
        (first, vec![second, &converted.name], (Code::FailedPrecondition, "LEAD_CONVERTED")),
        (tagged[0], vec![tagged[1]], (Code::FailedPrecondition, "TOO_MUCH")),
    ] {
        let refused = failure(merge_leads(&world, &anna(), survivor, &others).await);
        assert_eq!((refused.0, refused.1.as_str()), expected, "{survivor} {others:?}");
    }
    assert_eq!(leads(&world).await, start);
    // A converted one may stay.
    merge_leads(&world, &anna(), &converted.name, &[second]).await.unwrap();

    let other = proto::Pipeline {
        display_name: "Other".to_owned(),
        stages: vec![proto::Stage {
            name: "one".to_owned(),
            display_name: "One".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(other),
        pipeline_id: "other".to_owned(),
        ..Default::default()
    };
    world.pipelines.clone().create_pipeline(admin().request(request)).await.unwrap();
    let open = world.add_deal(&anna(), deal("open")).await;
    let elsewhere = world
        .add_deal(&anna(), proto::Opportunity { pipeline: "pipelines/other".to_owned(), ..deal("else") });
    let elsewhere = elsewhere.await;
    let won = world.add_deal(&anna(), deal("won")).await;
    let win = proto::WinOpportunityRequest { name: won.name.clone(), ..Default::default() };
    world.deals.clone().win_opportunity(anna().request(win)).await.unwrap();
    let start = deals(&world).await;
    for (survivor, other, reason) in [
        (&open.name, &elsewhere.name, "OTHER_PIPELINE"),
        (&open.name, &won.name, "OPPORTUNITY_CLOSED"),
        (&won.name, &open.name, "OPPORTUNITY_CLOSED"),
    ] {
        let refused = failure(merge_deals(&world, &anna(), survivor, &[other]).await);
        assert_eq!(refused, (Code::FailedPrecondition, reason.to_owned()));
    }
    assert_eq!(deals(&world).await, start);
    for wrong in ["leadMerges/none", "opportunityMerges/none"] {
        let expected = if wrong.starts_with("lead") { Code::InvalidArgument } else { Code::NotFound };
        assert_eq!(failure(unmerge_deals(&world, &anna(), wrong).await).0, expected);
    }
}

async fn p14_who_may_not_change_all_of_them_may_not_merge_them(world: World) {
    let ours = world.add_lead(&anna(), lead("ours")).await;
    let bens = proto::Lead { assignee: "users/ben".to_owned(), ..lead("Ben's") };
    let bens = world.add_lead(&anna(), bens).await;
    let theirs = world.add_lead(&carl(), lead("theirs")).await;
    let start = leads(&world).await;
    for (caller, survivor, other, code) in [
        (anna(), &ours, &bens, Code::PermissionDenied),
        (anna(), &bens, &ours, Code::PermissionDenied),
        (ben(), &ours, &theirs, Code::NotFound),
        (carl(), &theirs, &ours, Code::NotFound),
        (manager(), &ours, &theirs, Code::NotFound),
    ] {
        let refused = merge_leads(&world, &caller, &survivor.name, &[&other.name]).await;
        assert_eq!(failure(refused).0, code, "{} {} {}", caller.user, survivor.title, other.title);
    }
    assert_eq!(leads(&world).await, start);
    let merge = merge_leads(&world, &manager(), &ours.name, &[&bens.name]).await.unwrap().merge.unwrap();
    for (caller, code, seen) in
        [(carl(), Code::NotFound, 0), (anna(), Code::PermissionDenied, 1), (manager(), Code::Ok, 1)]
    {
        let request = proto::ListMergesRequest { parent: ours.name.clone(), ..Default::default() };
        let mut client = MergeServiceClient::new(world.link.clone());
        let listed = client.list_merges(caller.request(request)).await.unwrap().into_inner().merges;
        assert_eq!(listed.len(), seen);
        let outcome = unmerge_leads(&world, &caller, &merge.name).await;
        assert_eq!(outcome.map_or_else(|status| status.code(), |_| Code::Ok), code, "{}", caller.user);
    }
    // An old name tells a stranger nothing.
    merge_leads(&world, &manager(), &ours.name, &[&bens.name]).await.unwrap();
    let change = proto::UpdateLeadRequest {
        lead: Some(proto::Lead { name: bens.name.clone(), ..lead("x") }),
        ..Default::default()
    };
    let refused = world.leads.clone().update_lead(carl().request(change)).await;
    assert_eq!(failure(refused), (Code::NotFound, "NOT_FOUND".to_owned()));
    let get = proto::GetLeadRequest { name: bens.name.clone() };
    assert_eq!(failure(world.leads.clone().get_lead(carl().request(get)).await).0, Code::NotFound);
    assert!(world.events(&carl()).await.iter().all(|event| event.subject == theirs.name));
}

async fn p14_the_same_request_twice_merges_once_and_a_stale_etag_never(world: World) {
    let first = world.add_deal(&anna(), deal("first")).await;
    let second = world.add_deal(&anna(), deal("second")).await;
    let mut client = MergeServiceClient::new(world.link.clone());
    let request = proto::MergeOpportunitiesRequest {
        name: first.name.clone(),
        others: vec![second.name.clone()],
        etag: "v7".to_owned(),
        ..Default::default()
    };
    let stale = (Code::Aborted, "ETAG_MISMATCH".to_owned());
    assert_eq!(failure(client.merge_opportunities(anna().request(request.clone())).await), stale);
    let request = proto::MergeOpportunitiesRequest {
        etag: first.etag.clone(),
        other_etags: vec!["v7".to_owned()],
        ..request
    };
    assert_eq!(failure(client.merge_opportunities(anna().request(request.clone())).await), stale);
    let wrong = proto::MergeOpportunitiesRequest { other_etags: vec![String::new(); 2], ..request.clone() };
    assert_eq!(failure(client.merge_opportunities(anna().request(wrong)).await).0, Code::InvalidArgument);
    let request = proto::MergeOpportunitiesRequest {
        other_etags: vec![second.etag.clone()],
        request_id: "once".to_owned(),
        ..request
    };
    let done = client.merge_opportunities(anna().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(client.merge_opportunities(anna().request(request)).await.unwrap().into_inner(), done);
    let merge = done.merge.unwrap().name;
    let request = proto::UnmergeOpportunitiesRequest { name: merge, request_id: "back".to_owned() };
    let back = client.unmerge_opportunities(anna().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(client.unmerge_opportunities(anna().request(request)).await.unwrap().into_inner(), back);
    let merged = world.kinds(&second.name).await;
    assert_eq!(merged, ["OpportunityCreated", "OpportunityMerged", "OpportunityUnmerged"]);
    assert_eq!(
        outbox::kind(world.events(&anna()).await.last().unwrap()).rsplit('.').next(),
        Some("OpportunityUnmerged")
    );
}

async fn p14_merges_that_cross_have_one_winner(world: World) {
    // A second process over the same data, where a database serves several.
    let mut links = vec![world.link.clone()];
    if world.place.is_postgres() {
        let peers =
            kontor_pipeline::Peers { directory: world.directory.clone(), calendar: world.calendar.clone() };
        let unit = kontor_pipeline::start(&world.place.another_process(), peers).await.unwrap();
        links.push(kontor_kit::link::Link::local(unit.routes));
    }
    for round in 0..6 {
        let mut names = Vec::new();
        for number in 0..4 {
            names.push(world.add_lead(&anna(), lead(&format!("{round} {number}"))).await.name);
        }
        let pairs =
            [(0, vec![1]), (1, vec![0]), (2, vec![0, 3]), (3, vec![2, 1]), (0, vec![3]), (1, vec![2])];
        let mut running = Vec::new();
        for (place, (survivor, others)) in pairs.into_iter().enumerate() {
            let request = proto::MergeLeadsRequest {
                name: names[survivor].clone(),
                others: others.into_iter().map(|other| names[other].clone()).collect(),
                ..Default::default()
            };
            let mut client = MergeServiceClient::new(links[place % links.len()].clone());
            running.push(tokio::spawn(async move { client.merge_leads(admin().request(request)).await }));
        }
        let mut merges = Vec::new();
        for run in running {
            match run.await.unwrap() {
                Ok(done) => merges.push(done.into_inner().merge.unwrap()),
                Err(refused) => {
                    let refused = failure::<()>(Err(refused));
                    assert_eq!(refused, (Code::NotFound, "MERGED".to_owned()));
                }
            }
        }
        assert!(!merges.is_empty());
        let gone: Vec<&String> = merges.iter().flat_map(|merge| &merge.merged).collect();
        let left = leads(&world).await.iter().filter(|lead| names.contains(&lead.name)).count();
        assert_eq!(left + gone.len(), names.len(), "each is there, or went once");
        for name in &names {
            assert!(!gone.contains(&&world.lead(name).await.name));
        }
    }
}
