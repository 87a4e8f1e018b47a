//! Row P14: leads and opportunities become one and several again: what the survivor gets, what is refused, who may.

use kontor_kit::outbox;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::merge_service_client::MergeServiceClient;
use kontor_testbed::{SECOND, admin, failure};
use tonic::Code;

use crate::merge_help::{
    convert, deals, leads, merge_deals, merge_leads, tags, unmerge_deals, unmerge_leads,
};
use crate::world::{World, anna, ben, carl, deal, lead, manager, mask};

kontor_testbed::on_both! { World;
    p14_leads_become_one_and_their_names_lead_to_it,
    p14_an_unmerge_of_leads_restores_all_exactly_and_keeps_what_was_changed_since,
    p14_when_a_record_was_changed_never_goes_back,
    p14_what_is_not_the_same_is_refused_and_changes_nothing,
    p14_who_may_not_change_all_of_them_may_not_merge_them,
    p14_the_same_request_twice_merges_once_and_a_stale_etag_never,
    p14_merges_that_cross_have_one_winner,
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
    assert!(now.update_time != first.update_time && now.etag != first.etag);
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

async fn p14_when_a_record_was_changed_never_goes_back(world: World) {
    let (one, two) = (world.add_lead(&anna(), lead("one")).await, world.add_lead(&anna(), lead("two")).await);
    world.pass(SECOND);
    let merge = merge_leads(&world, &anna(), &one.name, &[&two.name]).await.unwrap().merge.unwrap();
    world.pass(SECOND);
    let back = unmerge_leads(&world, &anna(), &merge.name).await.unwrap();
    let time = |micros: i64| Some(kontor_kit::clock::to_proto(micros));
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|lead| lead.update_time == time(world.place.now())), "{back:?}");
    let (one, two) = (world.add_deal(&anna(), deal("one")).await, world.add_deal(&anna(), deal("two")).await);
    world.pass(SECOND);
    let merge = merge_deals(&world, &anna(), &one.name, &[&two.name]).await.unwrap().merge.unwrap();
    world.pass(SECOND);
    let back = unmerge_deals(&world, &anna(), &merge.name).await.unwrap();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|deal| deal.update_time == time(world.place.now())), "{back:?}");
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
    let elsewhere = proto::Opportunity { pipeline: "pipelines/other".to_owned(), ..deal("else") };
    let elsewhere = world.add_deal(&anna(), elsewhere).await;
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
