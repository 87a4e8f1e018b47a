//! Rows P20, P21 and P25: long queues, plans that no longer hold, disabled users, the seed, and whom "members/me" means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kontor_kit::args;
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_pipeline::{MIGRATIONS, Peers};
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_testbed::{SECOND, admin, failure};
use tonic::Code;

use crate::assignments::{assign, assignments, batch, explain, member, require, set, shares, skill};
use crate::world::{World, anna, ben, deal, manager, mask};

kontor_testbed::on_both! { World;
    p20_what_fits_nobody_does_not_hold_up_what_stands_behind_it,
    p20_a_queue_whose_head_fits_nobody_is_walked_to_its_end,
    p20_what_changes_while_a_batch_runs_is_left_out_and_the_rest_is_given,
    p20_batches_and_hands_at_the_same_time_give_each_opportunity_one_owner,
    p20_who_is_disabled_gets_nothing_from_the_next_batch_on,
    p21_a_capacity_lowered_while_a_batch_runs_is_kept,
    p25_the_seed_decides_between_equals_and_the_same_seed_answers_the_same,
    members_me_is_the_caller,
    member_1001_of_a_team_is_refused,
}

async fn add(world: &World, count: usize) -> Vec<String> {
    let mut names = Vec::with_capacity(count);
    for number in 0..count {
        names.push(world.add_deal(&anna(), deal(&format!("Deal {number}"))).await.name);
    }
    names
}

fn given(done: &proto::AssignOpportunitiesResponse) -> Vec<&str> {
    done.assigned.iter().map(|one| one.opportunity.as_str()).collect()
}

async fn p20_what_fits_nobody_does_not_hold_up_what_stands_behind_it(world: World) {
    set(&world, &manager(), member("anna", 50)).await.unwrap();
    let hard = add(&world, 150).await;
    for opportunity in &hard {
        let skills = vec![skill("flying", 1)];
        require(
            &world,
            proto::Requirements { opportunity: opportunity.clone(), skills, ..Default::default() },
        )
        .await;
    }
    let easy = add(&world, 10).await;
    let done = assign(&world, 100).await;
    assert_eq!(given(&done), easy);
    let queued: Vec<_> = done.queued.iter().map(|one| one.opportunity.as_str()).collect();
    assert_eq!(queued, hard);
    assert!(done.queued.iter().all(|one| one.reason.contains("anna: flying is 0, 1 is needed")));
}

/// Copies an opportunity so many times, one behind the other, with what it asks for.
async fn copy(world: &World, name: &str, times: i64) {
    const REST: &str = "version, title, partner, pipeline, stage, state, currency, amount, probability, assignee, team, expected_close_date, description, tags, lead, lost_reason, close_time, stage_time, update_time, attributes, source, contact, rot_time, recurring_amount, recurring_months, rate, rate_date, rate_currency, origin";
    const NEED: &str = "skills, country, postcode, latitude, longitude, deadline";
    let id = name.strip_prefix("opportunities/").unwrap().to_owned();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)";
    let deals = format!(
        "INSERT INTO opportunity (id, create_time, {REST}) {numbers} SELECT id || '-' || i, create_time + i, {REST} FROM opportunity CROSS JOIN n WHERE id = $1"
    );
    let needs = format!(
        "INSERT INTO assignment_need (opportunity, {NEED}) {numbers} SELECT opportunity || '-' || i, {NEED} FROM assignment_need CROSS JOIN n WHERE opportunity = $1"
    );
    let db = world.place.context.open_db("pipeline", MIGRATIONS).await.unwrap();
    db.write(move |tx| {
        tx.execute(&deals, args![&id, times])?;
        tx.execute(&needs, args![&id, times])
    })
    .await
    .unwrap();
}

async fn p20_a_queue_whose_head_fits_nobody_is_walked_to_its_end(world: World) {
    set(&world, &manager(), member("anna", 50)).await.unwrap();
    let hard = add(&world, 1).await.remove(0);
    let skills = vec![skill("flying", 1)];
    require(&world, proto::Requirements { opportunity: hard.clone(), skills, ..Default::default() }).await;
    // A batch looks at 5,000 of the head, and at as many behind it.
    copy(&world, &hard, 12_000).await;
    world.pass(SECOND);
    let easy = add(&world, 2).await;
    assert_eq!(given(&assign(&world, 10).await), Vec::<&str>::new());
    // A rehearsal does not go on by itself.
    for _ in 0..2 {
        let dry = proto::AssignOpportunitiesRequest { dry_run: true, ..batch(10) };
        let mut client = assignments(&world.link);
        let would = client.assign_opportunities(manager().request(dry)).await.unwrap().into_inner();
        assert_eq!(given(&would), easy);
    }
    assert_eq!(given(&assign(&world, 10).await), easy);
    // The walk came to the end, and begins anew behind the head.
    let later = add(&world, 1).await;
    assert_eq!(given(&assign(&world, 10).await), Vec::<&str>::new());
    assert_eq!(given(&assign(&world, 10).await), later);
}

/// Changes one row, and commits only when a batch has run meanwhile or has waited for this long.
async fn assign_during(
    world: &World,
    sql: &'static str,
    id: String,
    most: Duration,
) -> proto::AssignOpportunitiesResponse {
    let db = world.place.context.open_db("pipeline", MIGRATIONS).await.unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (finish, may_finish) = std::sync::mpsc::channel();
    let change = tokio::spawn(async move {
        db.write(move |tx| {
            let now = tx.now();
            assert_eq!(tx.execute(sql, args![&id, now])?, 1);
            let _ = begun.send(());
            // The batch plans on what stood before, and comes to write.
            let _ = may_finish.recv_timeout(most);
            Ok(())
        })
        .await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let done = assign(world, 0).await;
    let _ = finish.send(());
    change.await.unwrap().unwrap();
    done
}

async fn p20_what_changes_while_a_batch_runs_is_left_out_and_the_rest_is_given(world: World) {
    set(&world, &manager(), member("anna", 50)).await.unwrap();
    let names = add(&world, 6).await;
    let id = names[2].strip_prefix("opportunities/").unwrap().to_owned();
    let sql = "UPDATE opportunity SET assignee = 'users/ben', version = version + 1, update_time = $2 WHERE id = $1";
    // On PostgreSQL the batch does not wait for who changes it; on SQLite the writer does, and the plan is made anew.
    let skips = world.place.is_postgres();
    let done = assign_during(&world, sql, id, Duration::from_millis(if skips { 60_000 } else { 700 })).await;
    let rest: Vec<_> = names.iter().filter(|name| **name != names[2]).collect();
    assert_eq!(given(&done), rest);
    let left = if skips { vec![names[2].as_str()] } else { Vec::new() };
    assert_eq!(done.queued.iter().map(|one| one.opportunity.as_str()).collect::<Vec<_>>(), left);
    assert!(done.queued.iter().all(|one| one.reason.starts_with("changed while the batch ran")), "{done:?}");
    assert_eq!(world.deal(&names[2]).await.assignee, "users/ben");
    for name in rest {
        assert_eq!(world.deal(name).await.assignee, "users/anna");
    }
}

async fn p21_a_capacity_lowered_while_a_batch_runs_is_kept(world: World) {
    set(&world, &manager(), member("anna", 5)).await.unwrap();
    add(&world, 6).await;
    // The member's row is held by the change, so the batch waits for it and then sees that there is less room.
    let sql =
        "UPDATE assignment_member SET version = version + 1, capacity = 2 WHERE id = $1 AND $2 > version";
    let done = assign_during(&world, sql, "anna".to_owned(), Duration::from_millis(700)).await;
    assert_eq!((done.assigned.len(), done.queued.len()), (2, 4), "{done:?}");
    assert!(done.queued.iter().all(|one| one.reason.contains("anna: has 2 of 2 in 30 days")), "{done:?}");
}

async fn p20_batches_and_hands_at_the_same_time_give_each_opportunity_one_owner(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 100)).await.unwrap();
    }
    let names = add(&world, 40).await;
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..3 {
        let link = if world.place.is_postgres() && number > 0 {
            let peers = Peers { directory: world.directory.clone(), calendar: world.calendar.clone() };
            Link::local(kontor_pipeline::start(&world.place.another_process(), peers).await.unwrap().routes)
        } else {
            world.link.clone()
        };
        workers.spawn(async move {
            let mut mine = Vec::new();
            // A hand may take what a batch wanted: that batch gives less, but none fails.
            for _ in 0..12 {
                let request = batch(5);
                let done = assignments(&link).assign_opportunities(manager().request(request)).await;
                mine.extend(done.unwrap().into_inner().assigned.into_iter().map(|one| one.opportunity));
            }
            mine
        });
    }
    // The hand comes from the other end, and takes only what nobody has touched.
    let (mut deals, from_behind) = (world.deals.clone(), names.clone());
    workers.spawn(async move {
        let mut mine = Vec::new();
        for name in from_behind.into_iter().rev() {
            let opportunity = proto::Opportunity {
                name: name.clone(),
                etag: "v1".to_owned(),
                assignee: "users/ben".to_owned(),
                ..Default::default()
            };
            let request = proto::UpdateOpportunityRequest {
                opportunity: Some(opportunity),
                update_mask: mask(&["assignee"]),
                ..Default::default()
            };
            match deals.update_opportunity(manager().request(request)).await {
                Ok(_) => mine.push(name),
                Err(refused) => assert_eq!(refused.code(), Code::Aborted, "{refused}"),
            }
        }
        mine
    });
    let mut all: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    all.extend(assign(&world, 100).await.assigned.into_iter().map(|one| one.opportunity));
    assert_eq!(all.len(), names.len(), "given twice or not at all");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), names.into_iter().collect());
}

async fn p20_who_is_disabled_gets_nothing_from_the_next_batch_on(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 50)).await.unwrap();
    }
    add(&world, 2).await;
    let both = BTreeMap::from([("members/anna", 1), ("members/ben", 1)]);
    assert_eq!(shares(&assign(&world, 0).await.assigned), both);
    let disable = async |disabled: bool| {
        let user = directory::User { name: "users/anna".to_owned(), disabled, ..Default::default() };
        let request = directory::UpdateUserRequest {
            user: Some(user),
            update_mask: mask(&["disabled"]),
            ..Default::default()
        };
        let mut users = UserServiceClient::new(world.directory.clone());
        users.update_user(admin().request(request)).await.unwrap();
    };
    disable(true).await;
    let names = add(&world, 4).await;
    let why = explain(&world, &names[0]).await;
    assert_eq!(why.candidates.iter().map(|one| one.member.as_str()).collect::<Vec<_>>(), ["members/ben"]);
    let refused =
        proto::Rejection { member: "members/anna".to_owned(), reasons: vec!["disabled".to_owned()] };
    assert_eq!(why.rejections, [refused]);
    assert_eq!(shares(&assign(&world, 0).await.assigned), BTreeMap::from([("members/ben", 4)]));
    disable(false).await;
    add(&world, 1).await;
    assert_eq!(shares(&assign(&world, 0).await.assigned), BTreeMap::from([("members/anna", 1)]));
}

async fn p25_the_seed_decides_between_equals_and_the_same_seed_answers_the_same(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 50)).await.unwrap();
    }
    let names = add(&world, 20).await;
    let dry = async |seed: u64| {
        let request = proto::AssignOpportunitiesRequest { dry_run: true, seed, ..batch(0) };
        let mut service = assignments(&world.link);
        service.assign_opportunities(manager().request(request)).await.unwrap().into_inner()
    };
    let first = dry(1).await;
    assert_eq!(shares(&first.assigned), BTreeMap::from([("members/anna", 10), ("members/ben", 10)]));
    assert_eq!(dry(1).await, first);
    // One of 184,756 answers for each seed: that five are the same as the first does not happen.
    let mut differ = false;
    for seed in 2..7 {
        differ |= dry(seed).await != first;
    }
    assert!(differ, "the seed is ignored");
    // And the order of an explanation is that of the same lot.
    let mut firsts = BTreeSet::new();
    for seed in 0..30 {
        let request = proto::ExplainAssignmentRequest { opportunity: names[0].clone(), seed };
        let mut service = assignments(&world.link);
        let why = service.explain_assignment(manager().request(request)).await.unwrap().into_inner();
        firsts.insert(why.candidates[0].member.clone());
    }
    assert_eq!(firsts.len(), 2, "the seed is ignored");
}

async fn members_me_is_the_caller(world: World) {
    let made = set(&world, &manager(), member("me", 5)).await.unwrap();
    assert_eq!(made.name, "members/manager");
    let mut service = assignments(&world.link);
    let me = |caller: &Caller| caller.request(proto::GetMemberRequest { name: "members/me".to_owned() });
    assert_eq!(service.get_member(me(&manager())).await.unwrap().into_inner(), made);
    assert_eq!(failure(service.get_member(me(&ben())).await).0, Code::NotFound);
    assert_eq!(failure(service.get_member(me(&Caller::system())).await).0, Code::NotFound);
    let [opportunity] = add(&world, 1).await.try_into().unwrap();
    let done = assign(&world, 0).await;
    assert_eq!((given(&done), done.assigned[0].member.as_str()), (vec![&*opportunity], "members/manager"));
    assert_eq!(world.deal(&opportunity).await.assignee, "users/manager");
    let delete = proto::DeleteMemberRequest { name: "members/me".to_owned(), ..Default::default() };
    assert_eq!(failure(service.delete_member(ben().request(delete.clone())).await).0, Code::NotFound);
    service.delete_member(manager().request(delete)).await.unwrap();
    assert_eq!(failure(service.get_member(me(&manager())).await).0, Code::NotFound);
    let nobody = set(&world, &Caller::system(), member("me", 5)).await.unwrap_err();
    assert!(nobody.message().starts_with("member.name"), "{nobody}");
}

async fn member_1001_of_a_team_is_refused(world: World) {
    set(&world, &manager(), member("anna", 5)).await.unwrap();
    let db = world.place.context.open_db("pipeline", MIGRATIONS).await.unwrap();
    let sql = "INSERT INTO assignment_member (id, version, team, active, capacity, skills, territories, radius_km, preference)
         WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 999)
         SELECT 'm' || n, 1, 'teams/sales', 0, 0, '', '', 0, 0 FROM number";
    assert_eq!(db.write(move |tx| tx.execute(sql, &[])).await.unwrap(), 999);
    let refused = set(&world, &manager(), member("ben", 5)).await;
    assert!(refused.as_ref().unwrap_err().message().contains("teams/sales has 1000 members"), "{refused:?}");
    assert_eq!(failure(refused), (Code::FailedPrecondition, "TEAM_FULL".to_owned()));
    // Those who are there can be changed, and one place is one place.
    set(&world, &manager(), member("anna", 6)).await.unwrap();
    let delete = proto::DeleteMemberRequest { name: "members/m7".to_owned(), ..Default::default() };
    assignments(&world.link).delete_member(manager().request(delete)).await.unwrap();
    set(&world, &manager(), member("ben", 5)).await.unwrap();
    assert_eq!(failure(set(&world, &manager(), member("manager", 5)).await).0, Code::FailedPrecondition);
}
