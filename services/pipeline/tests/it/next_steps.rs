//! Next steps: set, change, complete, drop, list; who may do it.

use kontor_kit::clock::{from_proto, to_proto};
use kontor_kit::link::Link;
use kontor_kit::outbox::payload;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::next_step::Due;
use kontor_proto::pipeline::v1::next_step_service_client::NextStepServiceClient;
use kontor_testbed::{MONDAY, SECOND, admin, failure};
use tonic::Code;

use crate::world::{World, anna, ben, carl, deal, manager, mask};

kontor_testbed::on_both! { World;
    p12_each_opportunity_has_one_due_next_step,
    p12_overdue_steps_are_listed_in_pages,
    p12_completing_logs_it_and_asks_for_the_next,
    p12_a_step_is_changed_or_dropped_under_its_etag,
    p12_closing_or_deleting_an_opportunity_drops_its_step,
    p12_the_step_follows_the_opportunity,
    p12_bad_steps_are_refused_by_field,
    p12_who_may_not_see_or_change_the_opportunity_may_not_its_step,
    p12_two_at_once_set_one_step,
}

const DAY: i64 = 24 * 3_600 * SECOND;

fn steps(world: &World) -> NextStepServiceClient<Link> {
    NextStepServiceClient::new(world.link.clone())
}

fn on(title: &str, day: &str) -> proto::NextStep {
    proto::NextStep { title: title.to_owned(), due: Some(Due::DueDate(day.to_owned())), ..Default::default() }
}

fn at(title: &str, micros: i64) -> proto::NextStep {
    proto::NextStep {
        title: title.to_owned(),
        due: Some(Due::DueTime(to_proto(micros))),
        ..Default::default()
    }
}

fn mine(title: &str) -> proto::Opportunity {
    proto::Opportunity { assignee: "users/anna".to_owned(), ..deal(title) }
}

fn create(parent: &str, step: proto::NextStep) -> proto::CreateNextStepRequest {
    proto::CreateNextStepRequest { parent: parent.to_owned(), next_step: Some(step), ..Default::default() }
}

async fn set(world: &World, parent: &str, step: proto::NextStep) -> proto::NextStep {
    steps(world).create_next_step(anna().request(create(parent, step))).await.unwrap().into_inner()
}

async fn listed(world: &World, request: proto::ListNextStepsRequest) -> Vec<String> {
    let page = steps(world).list_next_steps(anna().request(request)).await.unwrap().into_inner();
    page.next_steps.into_iter().map(|step| step.title).collect()
}

fn all(filter: &str) -> proto::ListNextStepsRequest {
    proto::ListNextStepsRequest {
        parent: "opportunities/-".to_owned(),
        filter: filter.to_owned(),
        ..Default::default()
    }
}

async fn p12_each_opportunity_has_one_due_next_step(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    assert!(made.needs_next_step && made.next_step.is_none());
    let draft =
        proto::CreateNextStepRequest { validate_only: true, ..create(&made.name, on("Call", "2026-11-30")) };
    let checked = steps(&world).create_next_step(anna().request(draft)).await.unwrap().into_inner();
    assert_eq!(checked.title, "Call");
    assert!(world.deal(&made.name).await.needs_next_step, "only checked");

    let request = proto::CreateNextStepRequest {
        request_id: "once".to_owned(),
        ..create(&made.name, on(" Call ", "2026-11-30"))
    };
    let step = steps(&world).create_next_step(anna().request(request.clone())).await.unwrap().into_inner();
    assert_eq!(steps(&world).create_next_step(anna().request(request)).await.unwrap().into_inner(), step);
    assert_eq!((step.title.as_str(), step.assignee.as_str()), ("Call", "users/anna"));
    assert_eq!((step.state(), step.opportunity_title.as_str()), (proto::NextStepState::Open, "Roof"));
    // The day ends at midnight in Brussels.
    assert_eq!(step.late_time, Some(to_proto(MONDAY.div_euclid(DAY) * DAY + 8 * DAY - 3_600 * SECOND)));
    let shown = world.deal(&made.name).await;
    assert_eq!((shown.next_step.as_ref(), shown.needs_next_step), (Some(&step), false));
    let second =
        steps(&world).create_next_step(anna().request(create(&made.name, on("Write", "2026-12-01")))).await;
    assert_eq!(failure(second), (Code::FailedPrecondition, "NEXT_STEP_EXISTS".to_owned()));

    world.add_deal(&anna(), mine("Door")).await;
    let needing = proto::ListOpportunitiesRequest {
        filter: "assignee = me AND needs_next_step = true".to_owned(),
        ..Default::default()
    };
    let mut deals = world.deals.clone();
    let found = deals.list_opportunities(anna().request(needing)).await.unwrap().into_inner().opportunities;
    assert_eq!(found.iter().map(|deal| deal.title.as_str()).collect::<Vec<_>>(), ["Door"]);
    let having = proto::ListOpportunitiesRequest {
        filter: "needs_next_step = false".to_owned(),
        ..Default::default()
    };
    let found = deals.list_opportunities(anna().request(having)).await.unwrap().into_inner().opportunities;
    assert_eq!(found, [shown]);
}

async fn p12_overdue_steps_are_listed_in_pages(world: World) {
    for number in 0..5 {
        let made = world.add_deal(&anna(), mine(&format!("deal {number}"))).await;
        set(&world, &made.name, at(&format!("step {number}"), MONDAY + (5 - number) * 3_600 * SECOND)).await;
    }
    let of_ben =
        world.add_deal(&ben(), proto::Opportunity { assignee: "users/ben".to_owned(), ..deal("x") }).await;
    let request = create(&of_ben.name, at("ben's", MONDAY + SECOND));
    steps(&world).create_next_step(ben().request(request)).await.unwrap();
    let late = |filter: &str| proto::ListNextStepsRequest { overdue: true, ..all(filter) };
    assert_eq!(listed(&world, late("")).await, Vec::<String>::new());
    // One second before the second one is due, and at that second.
    world.place.set_clock(MONDAY + 2 * 3_600 * SECOND - SECOND);
    assert_eq!(listed(&world, late("assignee = me")).await, ["step 4"]);
    world.pass(SECOND);
    assert_eq!(listed(&world, late("assignee = me")).await, ["step 4", "step 3"]);
    assert_eq!(listed(&world, late("")).await, ["ben's", "step 4", "step 3"]);

    world.pass(DAY);
    let mut request = proto::ListNextStepsRequest { page_size: 2, ..late("assignee = me") };
    let mut titles = Vec::new();
    loop {
        let page = steps(&world).list_next_steps(anna().request(request.clone())).await.unwrap().into_inner();
        titles.extend(page.next_steps.into_iter().map(|step| step.title));
        if page.next_page_token.is_empty() {
            break;
        }
        let more = world.add_deal(&anna(), mine("later")).await;
        set(&world, &more.name, at("came later", MONDAY)).await;
        request.page_token = page.next_page_token;
    }
    assert_eq!(titles, ["step 4", "step 3", "step 2", "step 1", "step 0"]);
    let backwards = proto::ListNextStepsRequest {
        order_by: "due desc".to_owned(),
        ..all("assignee = me AND title : step")
    };
    assert_eq!(listed(&world, backwards).await[..2], ["step 0", "step 1"]);
    for (filter, order_by) in [("color = red", ""), ("", "color")] {
        let wrong = proto::ListNextStepsRequest { order_by: order_by.to_owned(), ..all(filter) };
        let refused = steps(&world).list_next_steps(anna().request(wrong)).await;
        assert_eq!(failure(refused).0, Code::InvalidArgument);
    }
}

async fn p12_completing_logs_it_and_asks_for_the_next(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let first = set(&world, &made.name, on("Call", "2026-11-30")).await;
    let complete = |name: &str, following: Option<proto::NextStep>, request_id: &str| {
        anna().request(proto::CompleteNextStepRequest {
            name: name.to_owned(),
            following,
            request_id: request_id.to_owned(),
            ..Default::default()
        })
    };
    world.pass(SECOND);
    let done = steps(&world)
        .complete_next_step(complete(&first.name, Some(on("Visit", "2026-12-03")), "r1"))
        .await
        .unwrap()
        .into_inner();
    let again = steps(&world)
        .complete_next_step(complete(&first.name, Some(on("Visit", "2026-12-03")), "r1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, done);
    assert!(!done.needs_next_step);
    let (closed, second) = (done.completed.unwrap(), done.following.unwrap());
    assert_eq!((closed.state(), closed.closed_by.as_str()), (proto::NextStepState::Done, "users/anna"));
    assert_eq!(from_proto(&closed.close_time.unwrap()), world.place.now());
    assert_eq!(world.deal(&made.name).await.next_step, Some(second.clone()));
    let twice = steps(&world).complete_next_step(complete(&first.name, None, "")).await;
    assert_eq!(failure(twice), (Code::FailedPrecondition, "NEXT_STEP_CLOSED".to_owned()));

    // A bad following step takes the completion back.
    let bad = steps(&world).complete_next_step(complete(&second.name, Some(on("", "2026-12-03")), "")).await;
    assert_eq!(failure(bad).0, Code::InvalidArgument);
    let mut rehearsal = complete(&second.name, None, "r2");
    rehearsal.get_mut().validate_only = true;
    assert!(steps(&world).complete_next_step(rehearsal).await.unwrap().into_inner().needs_next_step);
    assert_eq!(world.deal(&made.name).await.next_step, Some(second.clone()));

    world.pass(SECOND);
    let done =
        steps(&world).complete_next_step(complete(&second.name, None, "r2")).await.unwrap().into_inner();
    assert!(done.needs_next_step && done.following.is_none());
    assert!(world.deal(&made.name).await.needs_next_step);
    let history = proto::ListNextStepsRequest {
        parent: made.name.clone(),
        filter: "state = DONE".to_owned(),
        order_by: "close_time desc".to_owned(),
        ..Default::default()
    };
    assert_eq!(listed(&world, history).await, ["Visit", "Call"]);
    let kinds = world.kinds(&made.name).await;
    assert_eq!(
        kinds,
        [
            "OpportunityCreated",
            "NextStepCreated",
            "NextStepCompleted",
            "NextStepCreated",
            "NextStepCompleted"
        ]
    );
    let events = world.events(&anna()).await;
    let asks: Vec<_> = events
        .iter()
        .filter_map(payload::<proto::NextStepCompleted>)
        .map(|done| done.needs_next_step)
        .collect();
    assert_eq!(asks, [false, true]);
}

async fn p12_a_step_is_changed_or_dropped_under_its_etag(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let step = set(&world, &made.name, on("Call", "2026-11-30")).await;
    let update = |step: proto::NextStep, paths: &[&str]| {
        let update_mask = mask(paths);
        anna().request(proto::UpdateNextStepRequest {
            next_step: Some(step),
            update_mask,
            ..Default::default()
        })
    };
    let new =
        proto::NextStep { name: step.name.clone(), etag: step.etag.clone(), ..at("Write", MONDAY + DAY) };
    let now = steps(&world).update_next_step(update(new.clone(), &["due_time"])).await.unwrap().into_inner();
    assert_eq!((now.title.as_str(), now.due.as_ref()), ("Call", new.due.as_ref()));
    assert_eq!(now.late_time, Some(to_proto(MONDAY + DAY)));
    let stale = steps(&world).update_next_step(update(new.clone(), &["title"])).await;
    assert_eq!(failure(stale), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    // The same again changes nothing and tells nobody.
    let same = proto::NextStep { etag: String::new(), ..new.clone() };
    let unchanged = steps(&world).update_next_step(update(same, &["due_time"])).await.unwrap().into_inner();
    assert_eq!(unchanged, now);
    for (wrong, paths) in [
        (proto::NextStep { due: None, ..new.clone() }, ["due_date"]),
        (proto::NextStep { title: String::new(), ..new.clone() }, ["title"]),
        (new.clone(), ["state"]),
        (new.clone(), ["due_date"]),
    ] {
        let wrong = proto::NextStep { etag: String::new(), ..wrong };
        assert_eq!(
            failure(steps(&world).update_next_step(update(wrong, &paths)).await).0,
            Code::InvalidArgument
        );
    }
    let drop = |etag: &str| {
        anna().request(proto::DropNextStepRequest {
            name: step.name.clone(),
            etag: etag.to_owned(),
            ..Default::default()
        })
    };
    assert_eq!(failure(steps(&world).drop_next_step(drop(&step.etag)).await).0, Code::Aborted);
    let dropped = steps(&world).drop_next_step(drop(&now.etag)).await.unwrap().into_inner();
    assert_eq!(dropped.state(), proto::NextStepState::Dropped);
    assert_eq!(failure(steps(&world).drop_next_step(drop("")).await).1, "NEXT_STEP_CLOSED");
    let kinds = world.kinds(&made.name).await;
    assert_eq!(kinds, ["OpportunityCreated", "NextStepCreated", "NextStepUpdated", "NextStepDropped"]);
    set(&world, &made.name, on("Another", "2026-12-01")).await;
}

async fn p12_closing_or_deleting_an_opportunity_drops_its_step(world: World) {
    let mut deals = world.deals.clone();
    let won = world.add_deal(&anna(), mine("Won")).await;
    let step = set(&world, &won.name, on("Call", "2026-11-30")).await;
    let win = proto::WinOpportunityRequest { name: won.name.clone(), ..Default::default() };
    let answer = deals.win_opportunity(anna().request(win)).await.unwrap().into_inner();
    assert!(answer.next_step.is_none() && !answer.needs_next_step);
    assert_eq!(
        world.kinds(&won.name).await,
        ["OpportunityCreated", "NextStepCreated", "NextStepDropped", "OpportunityWon"]
    );
    let get = proto::GetNextStepRequest { name: step.name };
    let step = steps(&world).get_next_step(anna().request(get)).await.unwrap().into_inner();
    assert_eq!(step.state(), proto::NextStepState::Dropped);
    let late = steps(&world).create_next_step(anna().request(create(&won.name, on("x", "2026-12-01")))).await;
    assert_eq!(failure(late), (Code::FailedPrecondition, "OPPORTUNITY_CLOSED".to_owned()));

    let gone = world.add_deal(&anna(), mine("Gone")).await;
    let step = set(&world, &gone.name, on("Call", "2026-11-30")).await;
    let delete = proto::DeleteOpportunityRequest { name: gone.name.clone(), ..Default::default() };
    deals.delete_opportunity(anna().request(delete)).await.unwrap();
    assert_eq!(
        world.kinds(&gone.name).await,
        ["OpportunityCreated", "NextStepCreated", "NextStepDropped", "OpportunityDeleted"]
    );
    let get = proto::GetNextStepRequest { name: step.name };
    assert_eq!(failure(steps(&world).get_next_step(anna().request(get)).await).0, Code::NotFound);
    let reasons: Vec<_> = world
        .events(&admin())
        .await
        .iter()
        .filter_map(payload::<proto::NextStepDropped>)
        .map(|dropped| dropped.opportunity_closed)
        .collect();
    assert_eq!(reasons, [true, true]);
}

async fn p12_the_step_follows_the_opportunity(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let step = set(&world, &made.name, on("Call", "2026-11-30")).await;
    let new = proto::Opportunity {
        name: made.name.clone(),
        title: "Big roof".to_owned(),
        assignee: "users/ben".to_owned(),
        ..Default::default()
    };
    let update_mask = mask(&["title", "assignee"]);
    let request =
        proto::UpdateOpportunityRequest { opportunity: Some(new), update_mask, ..Default::default() };
    let answer = world.deals.clone().update_opportunity(anna().request(request)).await.unwrap().into_inner();
    let now = answer.next_step.unwrap();
    assert_eq!((now.assignee.as_str(), now.opportunity_title.as_str()), ("users/ben", "Big roof"));
    assert_ne!(now.etag, step.etag);
    let kinds = world.kinds(&made.name).await;
    assert_eq!(kinds, ["OpportunityCreated", "NextStepCreated", "NextStepUpdated", "OpportunityUpdated"]);
    let of_ben =
        steps(&world).list_next_steps(ben().request(all("assignee = me"))).await.unwrap().into_inner();
    assert_eq!(of_ben.next_steps, [now]);
    assert_eq!(listed(&world, all("assignee = me")).await, Vec::<String>::new());
}

async fn p12_bad_steps_are_refused_by_field(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let long = "x".repeat(501);
    for (wrong, field) in [
        (on("", "2026-11-30"), "next_step.title"),
        (on(&long, "2026-11-30"), "next_step.title"),
        (on("two\nlines", "2026-11-30"), "next_step.title"),
        (on("x", "2026-2-30"), "next_step.due_date"),
        (proto::NextStep { title: "x".to_owned(), ..Default::default() }, "next_step.due_date"),
        (at("x", -1), "next_step.due_time"),
        (at("x", i64::MAX), "next_step.due_time"),
        (proto::NextStep { note: "\0".to_owned(), ..on("x", "2026-11-30") }, "next_step.note"),
    ] {
        let refused =
            steps(&world).create_next_step(anna().request(create(&made.name, wrong))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    let none = proto::CreateNextStepRequest { parent: made.name.clone(), ..Default::default() };
    assert_eq!(failure(steps(&world).create_next_step(anna().request(none)).await).0, Code::InvalidArgument);
    let nowhere = create("opportunities/none", on("x", "2026-11-30"));
    assert_eq!(failure(steps(&world).create_next_step(anna().request(nowhere)).await).0, Code::NotFound);
    assert_eq!(world.kinds(&made.name).await, ["OpportunityCreated"]);
}

async fn p12_who_may_not_see_or_change_the_opportunity_may_not_its_step(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let step = set(&world, &made.name, on("Call", "2026-11-30")).await;
    let get = || proto::GetNextStepRequest { name: step.name.clone() };
    let complete = || proto::CompleteNextStepRequest { name: step.name.clone(), ..Default::default() };
    let list = || proto::ListNextStepsRequest { parent: made.name.clone(), ..Default::default() };
    let mut client = steps(&world);
    assert_eq!(failure(client.get_next_step(get()).await).0, Code::Unauthenticated);
    assert_eq!(failure(client.get_next_step(carl().request(get())).await).0, Code::NotFound);
    assert_eq!(failure(client.complete_next_step(carl().request(complete())).await).0, Code::NotFound);
    assert_eq!(failure(client.list_next_steps(carl().request(list())).await).0, Code::NotFound);
    let all_of_carl = client.list_next_steps(carl().request(all(""))).await.unwrap().into_inner();
    assert!(all_of_carl.next_steps.is_empty());
    // A neighbour of the same team reads.
    assert_eq!(client.get_next_step(ben().request(get())).await.unwrap().into_inner(), step);
    assert_eq!(failure(client.complete_next_step(ben().request(complete())).await).0, Code::PermissionDenied);
    let other = proto::GetNextStepRequest { name: step.name.replace("opportunities/", "opportunities/x") };
    assert_eq!(failure(client.get_next_step(anna().request(other)).await).0, Code::NotFound);
    client.complete_next_step(manager().request(complete())).await.unwrap();
}

async fn p12_two_at_once_set_one_step(world: World) {
    let made = world.add_deal(&anna(), mine("Roof")).await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut client = steps(&world);
        let request = create(&made.name, on(&format!("step {number}"), "2026-11-30"));
        tries.spawn(async move { client.create_next_step(anna().request(request)).await });
    }
    let answers = tries.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter(Result::is_err) {
        assert_eq!(failure(refused).1, "NEXT_STEP_EXISTS");
    }
}
