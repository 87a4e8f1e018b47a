//! Opportunities: create, move, win, lose, change, list; who sees them.

use kontor_kit::outbox::payload;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::r#type::v1::Money;
use kontor_testbed::{SECOND, admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, deal, manager, mask};

kontor_testbed::on_both! { World;
    p3_direct_opportunity_begins_in_the_first_stage,
    p4_stage_of_another_pipeline_is_refused_and_nothing_written,
    p5_a_stage_that_demands_fields_names_those_missing,
    p7_a_reopened_one_is_open_where_it_was_and_its_counts_are_taken_back,
    p8_rotting_begins_a_second_after_the_limit_and_a_move_resets_it,
    p6_losing_needs_a_reason_and_happens_once,
    p6_winning_happens_once_under_concurrency,
    p11_my_open_and_unassigned_in_stable_pages,
    p19_a_stale_etag_leaves_the_assignee,
    amounts_are_exact_or_refused,
    probability_is_the_stages_until_it_is_set,
    t12_an_origin_has_one_opportunity,
    x3_validate_only_and_repeat,
    x4_what_may_not_be_seen_is_not_found,
}

fn stage(name: &str) -> String {
    format!("pipelines/default/stages/{name}")
}

fn moved(deal: &proto::Opportunity, stage: &str) -> proto::MoveStageRequest {
    proto::MoveStageRequest { name: deal.name.clone(), stage: stage.to_owned(), ..Default::default() }
}

async fn p3_direct_opportunity_begins_in_the_first_stage(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    assert_eq!(made.pipeline, "pipelines/default");
    assert_eq!(made.stage, stage("new"));
    assert_eq!(made.state(), proto::OpportunityState::Open);
    assert_eq!((made.probability, made.close_time), (Some(10), None));
    assert_eq!((made.team.as_str(), made.assignee.as_str()), ("teams/sales", ""));
    assert_eq!(world.deal(&made.name).await, made);
    assert_eq!(world.kinds(&made.name).await, ["OpportunityCreated"]);
}

async fn p4_stage_of_another_pipeline_is_refused_and_nothing_written(world: World) {
    let other = proto::Pipeline {
        display_name: "Service".to_owned(),
        stages: vec![proto::Stage {
            name: "first".to_owned(),
            display_name: "First".to_owned(),
            probability: 5,
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = proto::CreatePipelineRequest {
        pipeline: Some(other),
        pipeline_id: "service".to_owned(),
        ..Default::default()
    };
    let other =
        world.pipelines.clone().create_pipeline(manager().request(request)).await.unwrap().into_inner();
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut deals = world.deals.clone();
    for wrong in [other.stages[0].name.as_str(), "pipelines/default/stages/none", "new"] {
        let status = deals.move_stage(anna().request(moved(&made, wrong))).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("stage"), "{}", status.message());
    }
    assert_eq!(world.deal(&made.name).await, made);
    world.pass(SECOND);
    let now = deals.move_stage(anna().request(moved(&made, &stage("qualified")))).await.unwrap().into_inner();
    assert_eq!((now.stage.as_str(), now.probability), (stage("qualified").as_str(), Some(30)));
    assert_ne!(now.stage_time, made.stage_time);
    let same =
        deals.move_stage(anna().request(moved(&made, &stage("qualified")))).await.unwrap().into_inner();
    assert_eq!(same, now);
    assert_eq!(world.kinds(&made.name).await, ["OpportunityCreated", "OpportunityStageMoved"]);
    let in_other = proto::Opportunity {
        pipeline: other.name.clone(),
        stage: other.stages[0].name.clone(),
        ..deal("Repair")
    };
    assert_eq!(world.add_deal(&anna(), in_other.clone()).await.probability, Some(5));
    let mixed = proto::Opportunity { pipeline: String::new(), ..in_other };
    let mixed = proto::CreateOpportunityRequest { opportunity: Some(mixed), ..Default::default() };
    assert_eq!(failure(deals.create_opportunity(anna().request(mixed)).await).0, Code::InvalidArgument);
}

async fn p6_losing_needs_a_reason_and_happens_once(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut deals = world.deals.clone();
    let lose = |reason: &str, request_id: &str| {
        anna().request(proto::LoseOpportunityRequest {
            name: made.name.clone(),
            reason: reason.to_owned(),
            request_id: request_id.to_owned(),
            ..Default::default()
        })
    };
    let refused = deals.lose_opportunity(lose(" ", "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("reason"));
    assert_eq!(world.deal(&made.name).await, made);
    world.pass(SECOND);
    let lost = deals.lose_opportunity(lose("too dear", "r1")).await.unwrap().into_inner();
    assert_eq!(lost.state(), proto::OpportunityState::Lost);
    assert_eq!((lost.lost_reason.as_str(), lost.probability), ("too dear", Some(0)));
    assert_eq!(lost.close_time.unwrap().seconds, made.create_time.unwrap().seconds + 1);
    assert_eq!(deals.lose_opportunity(lose("too dear", "r1")).await.unwrap().into_inner(), lost);
    assert_eq!(failure(deals.lose_opportunity(lose("again", "")).await).0, Code::FailedPrecondition);
    let closed = deals.move_stage(anna().request(moved(&made, &stage("qualified")))).await;
    assert_eq!(failure(closed), (Code::FailedPrecondition, "OPPORTUNITY_CLOSED".to_owned()));
    assert_eq!(world.kinds(&made.name).await, ["OpportunityCreated", "OpportunityLost"]);
}

async fn p6_winning_happens_once_under_concurrency(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut deals = world.deals.clone();
        let request = proto::WinOpportunityRequest {
            name: made.name.clone(),
            request_id: format!("win-{number}"),
            ..Default::default()
        };
        tries.spawn(async move { deals.win_opportunity(anna().request(request)).await });
    }
    let answers = tries.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter(Result::is_err) {
        assert_eq!(failure(refused).0, Code::FailedPrecondition);
    }
    let won = world.deal(&made.name).await;
    assert_eq!((won.state(), won.probability), (proto::OpportunityState::Won, Some(100)));
    assert!(won.close_time.is_some());
    assert_eq!(world.kinds(&made.name).await, ["OpportunityCreated", "OpportunityWon"]);
}

async fn p11_my_open_and_unassigned_in_stable_pages(world: World) {
    let mine = |title: &str| proto::Opportunity { assignee: "users/me".to_owned(), ..deal(title) };
    for title in ["d", "a", "c", "b"] {
        world.pass(1_000);
        world.add_deal(&anna(), mine(title)).await;
    }
    let closed = world.add_deal(&anna(), mine("won")).await;
    let win = proto::WinOpportunityRequest { name: closed.name, ..Default::default() };
    let mut deals = world.deals.clone();
    deals.win_opportunity(anna().request(win)).await.unwrap();
    world.add_deal(&anna(), deal("free")).await;
    let mut request = proto::ListOpportunitiesRequest {
        page_size: 2,
        filter: "assignee = me AND state = OPEN".to_owned(),
        order_by: "title".to_owned(),
        ..Default::default()
    };
    let mut titles = Vec::new();
    loop {
        let page = deals.list_opportunities(anna().request(request.clone())).await.unwrap().into_inner();
        titles.extend(page.opportunities.into_iter().map(|deal| deal.title));
        if page.next_page_token.is_empty() {
            break;
        }
        world.add_deal(&anna(), mine("aa")).await;
        request.page_token = page.next_page_token;
    }
    assert_eq!(titles, ["a", "b", "c", "d"]);
    let unassigned =
        proto::ListOpportunitiesRequest { filter: "assignee = none".to_owned(), ..Default::default() };
    let found = deals.list_opportunities(ben().request(unassigned)).await.unwrap().into_inner();
    let titles: Vec<_> = found.opportunities.iter().map(|deal| deal.title.as_str()).collect();
    assert_eq!(titles, ["free"]);
    let wrong = proto::ListOpportunitiesRequest { filter: "state = OPN".to_owned(), ..Default::default() };
    assert_eq!(failure(deals.list_opportunities(ben().request(wrong)).await).0, Code::InvalidArgument);
}

async fn p19_a_stale_etag_leaves_the_assignee(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut deals = world.deals.clone();
    let give = |to: &str, etag: &str| {
        let new = proto::Opportunity {
            name: made.name.clone(),
            assignee: format!("users/{to}"),
            etag: etag.to_owned(),
            ..Default::default()
        };
        let update_mask = mask(&["assignee"]);
        anna().request(proto::UpdateOpportunityRequest {
            opportunity: Some(new),
            update_mask,
            ..Default::default()
        })
    };
    let given = deals.update_opportunity(give("anna", &made.etag)).await.unwrap().into_inner();
    assert_eq!(given.assignee, "users/anna");
    let stale = deals.update_opportunity(give("ben", &made.etag)).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(world.deal(&made.name).await, given);
    // Nothing is moved by an update, nor passed over without a word.
    for update_mask in [None, mask(&["*"])] {
        let elsewhere =
            proto::Opportunity { title: "Moved".to_owned(), stage: stage("negotiation"), ..given.clone() };
        let request = proto::UpdateOpportunityRequest {
            opportunity: Some(elsewhere),
            update_mask,
            ..Default::default()
        };
        let refused = deals.update_opportunity(anna().request(request)).await.unwrap_err();
        assert!(
            refused.message().starts_with("opportunity.stage") && refused.message().contains("MoveStage")
        );
    }
    assert_eq!(world.deal(&made.name).await, given);
}

async fn amounts_are_exact_or_refused(world: World) {
    let with = |currency: &str, amount: &str| {
        let amount = Money { currency_code: currency.to_owned(), amount: amount.to_owned() };
        let opportunity = Some(proto::Opportunity { amount: Some(amount), ..deal("Roof") });
        anna().request(proto::CreateOpportunityRequest { opportunity, ..Default::default() })
    };
    let mut deals = world.deals.clone();
    let exact = deals.create_opportunity(with("CLF", "999999999999999.9999")).await.unwrap().into_inner();
    assert_eq!(world.deal(&exact.name).await.amount.unwrap().amount, "999999999999999.9999");
    for (currency, amount, field) in [
        ("eur", "1", "currency_code"),
        ("EUR", "1e3", "amount"),
        ("EUR", "-1", "amount"),
        ("EUR", "1.00001", "amount"),
    ] {
        let status = deals.create_opportunity(with(currency, amount)).await.unwrap_err();
        assert!(status.message().starts_with(&format!("opportunity.amount.{field}")), "{}", status.message());
    }
}

async fn probability_is_the_stages_until_it_is_set(world: World) {
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut deals = world.deals.clone();
    let update = |new: proto::Opportunity, paths: &[&str]| {
        let update_mask = mask(paths);
        anna().request(proto::UpdateOpportunityRequest {
            opportunity: Some(new),
            update_mask,
            ..Default::default()
        })
    };
    // What was read is sent back with a new title: the probability still follows the stage.
    let echo = proto::Opportunity { title: "New roof".to_owned(), ..made.clone() };
    deals.update_opportunity(update(echo, &["*"])).await.unwrap();
    let now =
        deals.move_stage(anna().request(moved(&made, &stage("negotiation")))).await.unwrap().into_inner();
    assert_eq!(now.probability, Some(80));
    let own = proto::Opportunity { probability: Some(55), ..now.clone() };
    deals.update_opportunity(update(own, &["probability"])).await.unwrap();
    let back = deals.move_stage(anna().request(moved(&made, &stage("new")))).await.unwrap().into_inner();
    assert_eq!(back.probability, Some(55));
    let too_much = proto::Opportunity { probability: Some(101), ..back };
    assert_eq!(
        failure(deals.update_opportunity(update(too_much, &["probability"])).await).0,
        Code::InvalidArgument
    );
}

async fn t12_an_origin_has_one_opportunity(world: World) {
    let of = |origin: &str| proto::Opportunity { origin: origin.to_owned(), ..deal("Roof") };
    let entry = "callLists/fair/entries/1";
    let made = world.add_deal(&anna(), of(entry)).await;
    assert_eq!((made.origin.as_str(), world.deal(&made.name).await.origin.as_str()), (entry, entry));
    let create = |caller: kontor_kit::auth::Caller, origin: &str, validate_only: bool| {
        let opportunity = Some(of(origin));
        let request = proto::CreateOpportunityRequest { opportunity, validate_only, ..Default::default() };
        let mut deals = world.deals.clone();
        async move { deals.create_opportunity(caller.request(request)).await }
    };
    for check_only in [true, false] {
        assert_eq!(failure(create(ben(), entry, check_only).await).0, Code::AlreadyExists);
    }
    assert_eq!(failure(create(ben(), "a\nb", false).await).0, Code::InvalidArgument);
    // none is no origin
    for _ in 0..2 {
        create(ben(), "", false).await.unwrap();
    }
    let request =
        proto::ListOpportunitiesRequest { filter: format!("origin = \"{entry}\""), ..Default::default() };
    let found = world.deals.clone().list_opportunities(anna().request(request)).await.unwrap().into_inner();
    assert_eq!(found.opportunities.iter().map(|deal| &deal.name).collect::<Vec<_>>(), [&made.name]);
}

async fn x3_validate_only_and_repeat(world: World) {
    let mut deals = world.deals.clone();
    let request = proto::CreateOpportunityRequest {
        opportunity: Some(deal("Roof")),
        request_id: "r1".to_owned(),
        validate_only: true,
    };
    let dry = deals.create_opportunity(anna().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(dry.stage, stage("new"));
    assert!(world.events(&admin()).await.is_empty());
    let real = proto::CreateOpportunityRequest { validate_only: false, ..request };
    let first = deals.create_opportunity(anna().request(real.clone())).await.unwrap().into_inner();
    let again = deals.create_opportunity(anna().request(real)).await.unwrap().into_inner();
    assert_eq!(first, again);
    let delete = proto::DeleteOpportunityRequest {
        name: first.name.clone(),
        etag: first.etag.clone(),
        request_id: "r2".to_owned(),
    };
    deals.delete_opportunity(anna().request(delete.clone())).await.unwrap();
    deals.delete_opportunity(anna().request(delete)).await.unwrap();
    assert_eq!(world.kinds(&first.name).await, ["OpportunityCreated", "OpportunityDeleted"]);
}

async fn x4_what_may_not_be_seen_is_not_found(world: World) {
    let owned = proto::Opportunity { assignee: "users/anna".to_owned(), ..deal("Roof") };
    let made = world.add_deal(&anna(), owned).await;
    let mut deals = world.deals.clone();
    let win = proto::WinOpportunityRequest { name: made.name.clone(), ..Default::default() };
    assert_eq!(failure(deals.win_opportunity(carl().request(win.clone())).await).0, Code::NotFound);
    assert_eq!(failure(deals.win_opportunity(ben().request(win.clone())).await).0, Code::PermissionDenied);
    assert_eq!(failure(deals.win_opportunity(win.clone()).await).0, Code::Unauthenticated);
    let all = deals.list_opportunities(carl().request(Default::default())).await.unwrap().into_inner();
    assert!(all.opportunities.is_empty());
    deals.win_opportunity(manager().request(win)).await.unwrap();
}

/// The default pipeline with this change of its stages.
async fn change_stages(world: &World, change: impl FnOnce(&mut Vec<proto::Stage>)) {
    let request = proto::GetPipelineRequest { name: "pipelines/default".to_owned() };
    let mut pipeline =
        world.pipelines.clone().get_pipeline(admin().request(request)).await.unwrap().into_inner();
    change(&mut pipeline.stages);
    let request = proto::UpdatePipelineRequest {
        pipeline: Some(pipeline),
        update_mask: mask(&["stages"]),
        ..Default::default()
    };
    world.pipelines.clone().update_pipeline(admin().request(request)).await.unwrap();
}

async fn p5_a_stage_that_demands_fields_names_those_missing(world: World) {
    change_stages(&world, |stages| {
        stages[2].required_fields = vec!["amount".to_owned(), "expected_close_date".to_owned()];
    })
    .await;
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let mut deals = world.deals.clone();
    let refused = deals.move_stage(anna().request(moved(&made, &stage("proposition")))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for field in ["opportunity.amount", "opportunity.expected_close_date"] {
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    assert_eq!(world.deal(&made.name).await, made, "nothing is written");
    let mut update = async |fields: proto::Opportunity, paths: &[&str]| {
        let request = proto::UpdateOpportunityRequest {
            opportunity: Some(proto::Opportunity { name: made.name.clone(), ..fields }),
            update_mask: mask(paths),
            ..Default::default()
        };
        deals.update_opportunity(anna().request(request)).await
    };
    let amount = Some(Money { currency_code: "EUR".to_owned(), amount: "100.00".to_owned() });
    let filled =
        proto::Opportunity { amount, expected_close_date: "2026-12-31".to_owned(), ..Default::default() };
    update(filled, &["amount", "expected_close_date"]).await.unwrap();
    let there = world
        .deals
        .clone()
        .move_stage(anna().request(moved(&made, &stage("proposition"))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(there.stage, stage("proposition"));
    // What the stage demands can't be taken away there; other fields are free.
    let cleared = update(proto::Opportunity::default(), &["amount"]).await.unwrap_err();
    assert!(cleared.message().contains("opportunity.amount"), "{}", cleared.message());
    let note = proto::Opportunity { description: "tiles".to_owned(), ..Default::default() };
    update(note, &["description"]).await.unwrap();
    // One that is there already when the demand comes may stay as it is, and be changed.
    let early = world.add_deal(&anna(), deal("Early")).await;
    change_stages(&world, |stages| stages[0].required_fields = vec!["partner".to_owned()]).await;
    let request = proto::UpdateOpportunityRequest {
        opportunity: Some(proto::Opportunity {
            title: "Earlier".to_owned(),
            name: early.name.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.deals.clone().update_opportunity(anna().request(request)).await.unwrap();
    world.deals.clone().move_stage(anna().request(moved(&early, &stage("new")))).await.unwrap();
    // Nobody begins there without it either.
    let request = proto::CreateOpportunityRequest {
        opportunity: Some(proto::Opportunity { stage: stage("proposition"), ..deal("Shed") }),
        ..Default::default()
    };
    let refused = world.deals.clone().create_opportunity(anna().request(request)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "STAGE_DEMANDS".to_owned()));
    // A demand for what there is not is refused by the pipeline.
    let mut pipeline = world
        .pipelines
        .clone()
        .get_pipeline(admin().request(proto::GetPipelineRequest { name: "pipelines/default".to_owned() }))
        .await
        .unwrap()
        .into_inner();
    pipeline.stages[1].required_fields = vec!["colour".to_owned()];
    let request = proto::UpdatePipelineRequest {
        pipeline: Some(pipeline),
        update_mask: mask(&["stages"]),
        ..Default::default()
    };
    let refused = world.pipelines.clone().update_pipeline(admin().request(request)).await.unwrap_err();
    assert!(refused.message().starts_with("pipeline.stages[1].required_fields"), "{}", refused.message());
}

async fn p7_a_reopened_one_is_open_where_it_was_and_its_counts_are_taken_back(world: World) {
    let known = |name: &str| proto::Opportunity {
        attributes: [("industry".to_owned(), "building".to_owned())].into(),
        ..deal(name)
    };
    for number in 0..12 {
        let made = world.add_deal(&anna(), known(&format!("Old {number}"))).await;
        let request = proto::WinOpportunityRequest { name: made.name, ..Default::default() };
        world.deals.clone().win_opportunity(anna().request(request)).await.unwrap();
    }
    let made = world.add_deal(&anna(), known("Roof")).await;
    let mut deals = world.deals.clone();
    let at_work =
        deals.move_stage(anna().request(moved(&made, &stage("qualified")))).await.unwrap().into_inner();
    let before = at_work.score.unwrap();
    world.pass(SECOND);
    let lose = proto::LoseOpportunityRequest {
        name: made.name.clone(),
        reason: "too dear".to_owned(),
        ..Default::default()
    };
    deals.lose_opportunity(anna().request(lose)).await.unwrap();
    let lower =
        world.add_deal(&anna(), proto::Opportunity { stage: stage("qualified"), ..known("Other") }).await;
    assert!(lower.score.unwrap() < before, "the loss was learned");
    world.pass(SECOND);
    let reopen = |request_id: &str| {
        let name = made.name.clone();
        proto::ReopenOpportunityRequest { name, request_id: request_id.to_owned(), ..Default::default() }
    };
    assert_eq!(failure(deals.reopen_opportunity(carl().request(reopen(""))).await).0, Code::NotFound);
    let open = deals.reopen_opportunity(anna().request(reopen("again"))).await.unwrap().into_inner();
    assert_eq!(
        (open.state(), open.stage.as_str()),
        (proto::OpportunityState::Open, stage("qualified").as_str())
    );
    assert_eq!((open.lost_reason.as_str(), open.close_time), ("", None));
    // All counts are as if it had never been lost; only how well the model foretold it is remembered.
    let (now, lower) = (open.score.unwrap(), lower.score.unwrap());
    assert!(now - lower > 0.8 * (before - lower), "{now} was {before}, and {lower} when it was lost");
    assert_eq!(deals.reopen_opportunity(anna().request(reopen("again"))).await.unwrap().into_inner(), open);
    assert_eq!(
        failure(deals.reopen_opportunity(anna().request(reopen(""))).await),
        (Code::FailedPrecondition, "OPPORTUNITY_OPEN".to_owned())
    );
    // The reason stays in the history.
    let events = world.events(&admin()).await;
    let of_it = |event: &&kontor_proto::r#type::v1::Event| event.subject == made.name;
    let reopened = events.iter().filter(of_it).find_map(payload::<proto::OpportunityReopened>).unwrap();
    assert_eq!((reopened.lost_reason.as_str(), reopened.stage.as_str()), ("too dear", "Qualified"));
    let lost = events.iter().filter(of_it).find_map(payload::<proto::OpportunityLost>).unwrap();
    assert_eq!(lost.reason, "too dear");
    // It can end again.
    let win = proto::WinOpportunityRequest { name: made.name.clone(), ..Default::default() };
    assert_eq!(
        deals.win_opportunity(anna().request(win)).await.unwrap().into_inner().state(),
        proto::OpportunityState::Won
    );
}

async fn p8_rotting_begins_a_second_after_the_limit_and_a_move_resets_it(world: World) {
    const DAY: i64 = 86_400 * SECOND;
    change_stages(&world, |stages| stages[0].rotting_days = 7).await;
    let made = world.add_deal(&anna(), deal("Roof")).await;
    let fresh =
        world.add_deal(&anna(), proto::Opportunity { stage: stage("qualified"), ..deal("Shed") }).await;
    assert!(!made.rotting && made.rot_time.is_some() && fresh.rot_time.is_none());
    let rotting = async || {
        let request = proto::ListOpportunitiesRequest { rotting: true, ..Default::default() };
        let listed =
            world.deals.clone().list_opportunities(anna().request(request)).await.unwrap().into_inner();
        listed.opportunities.into_iter().map(|deal| deal.name).collect::<Vec<_>>()
    };
    world.pass(7 * DAY);
    assert!(!world.deal(&made.name).await.rotting && rotting().await.is_empty());
    world.pass(SECOND);
    assert!(world.deal(&made.name).await.rotting);
    assert_eq!(rotting().await, [made.name.as_str()]);
    // A new limit holds for those that are there, and none ends it.
    change_stages(&world, |stages| stages[0].rotting_days = 0).await;
    assert!(!world.deal(&made.name).await.rotting);
    change_stages(&world, |stages| stages.iter_mut().for_each(|stage| stage.rotting_days = 7)).await;
    assert!(world.deal(&made.name).await.rotting && world.deal(&fresh.name).await.rotting);
    let mut deals = world.deals.clone();
    let now = deals.move_stage(anna().request(moved(&made, &stage("qualified")))).await.unwrap().into_inner();
    assert!(!now.rotting);
    world.pass(7 * DAY + SECOND);
    assert!(world.deal(&made.name).await.rotting);
    // What is closed does not rot.
    let win = proto::WinOpportunityRequest { name: made.name.clone(), ..Default::default() };
    let won = deals.win_opportunity(anna().request(win)).await.unwrap().into_inner();
    assert!(!won.rotting && won.rot_time.is_none());
}
