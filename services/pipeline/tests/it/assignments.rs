//! Rows P20 to P25: who gets which opportunity.

use std::collections::BTreeMap;

use kontor_kit::auth::Caller;
use kontor_kit::clock;
use kontor_kit::link::Link;
use kontor_pipeline::Peers;
use kontor_proto::calendar::v1 as calendar;
use kontor_proto::calendar::v1::availability_service_client::AvailabilityServiceClient;
use kontor_proto::pipeline::v1 as proto;
use kontor_proto::pipeline::v1::assignment_service_client::AssignmentServiceClient;
use kontor_testbed::{SECOND, admin, failure};
use tonic::{Code, Status};

use crate::world::{World, anna, carl, deal, manager, mask};

kontor_testbed::on_both! { World;
    p20_eight_workers_give_each_opportunity_one_owner,
    p20_the_best_sum_is_taken_and_not_the_first_come,
    p21_no_window_of_thirty_days_holds_more_than_the_capacity,
    p22_skills_territory_and_distance_are_kept_and_what_fits_nobody_stays_with_the_reason,
    p23_who_is_away_by_the_calendar_gets_nothing_until_the_return,
    p23_who_has_no_time_before_the_deadline_does_not_get_it,
    p24_two_equals_get_fifteen_each_in_thirty_days,
    p25_explain_and_dry_run_write_nothing_and_answer_the_same,
    x4_members_are_seen_by_their_team_and_changed_by_its_leader,
    wrong_members_and_requirements_are_refused_by_field,
}

const DAY: i64 = 86_400 * SECOND;

pub fn assignments(link: &Link) -> AssignmentServiceClient<Link> {
    AssignmentServiceClient::new(link.clone())
}

pub fn member(user: &str, capacity: i32) -> proto::Member {
    proto::Member {
        name: format!("members/{user}"),
        team: "teams/sales".to_owned(),
        active: true,
        capacity,
        ..Default::default()
    }
}

pub fn skill(name: &str, level: i32) -> proto::Skill {
    proto::Skill { name: name.to_owned(), level }
}

pub async fn set(world: &World, caller: &Caller, member: proto::Member) -> Result<proto::Member, Status> {
    let request = proto::SetMemberRequest { member: Some(member), request_id: String::new() };
    Ok(assignments(&world.link).set_member(caller.request(request)).await?.into_inner())
}

pub async fn require(world: &World, requirements: proto::Requirements) {
    let request =
        proto::SetRequirementsRequest { requirements: Some(requirements), request_id: String::new() };
    assignments(&world.link).set_requirements(admin().request(request)).await.unwrap();
}

pub fn batch(max_count: i32) -> proto::AssignOpportunitiesRequest {
    proto::AssignOpportunitiesRequest {
        team: "teams/sales".to_owned(),
        max_count,
        seed: 7,
        ..Default::default()
    }
}

pub async fn assign(world: &World, max_count: i32) -> proto::AssignOpportunitiesResponse {
    assignments(&world.link)
        .assign_opportunities(manager().request(batch(max_count)))
        .await
        .unwrap()
        .into_inner()
}

pub async fn explain(world: &World, opportunity: &str) -> proto::ExplainAssignmentResponse {
    let request = proto::ExplainAssignmentRequest { opportunity: opportunity.to_owned(), seed: 7 };
    assignments(&world.link).explain_assignment(manager().request(request)).await.unwrap().into_inner()
}

/// How many each got.
pub fn shares(assigned: &[proto::Assigned]) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    for one in assigned {
        *shares.entry(one.member.as_str()).or_default() += 1;
    }
    shares
}

async fn p20_eight_workers_give_each_opportunity_one_owner(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 25)).await.unwrap();
    }
    let mut names = Vec::new();
    for number in 0..60 {
        names.push(world.add_deal(&anna(), deal(&format!("Deal {number}"))).await.name);
    }
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..8 {
        // On PostgreSQL each is a process of its own.
        let link = if world.place.is_postgres() && number > 0 {
            let peers = Peers { directory: world.directory.clone(), calendar: world.calendar.clone() };
            Link::local(kontor_pipeline::start(&world.place.another_process(), peers).await.unwrap().routes)
        } else {
            world.link.clone()
        };
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let request = proto::AssignOpportunitiesRequest { seed: number, ..batch(7) };
                let done = assignments(&link).assign_opportunities(manager().request(request)).await.unwrap();
                let done = done.into_inner();
                if done.assigned.is_empty() {
                    return mine;
                }
                mine.extend(done.assigned);
            }
        });
    }
    let given: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let mut owners = BTreeMap::new();
    for one in &given {
        assert_eq!(owners.insert(one.opportunity.clone(), one.member.clone()), None, "given twice: {one:?}");
    }
    assert_eq!(shares(&given), BTreeMap::from([("members/anna", 25), ("members/ben", 25)]));
    for name in &names {
        let expected = owners.get(name).map_or(String::new(), |member| member.replace("members/", "users/"));
        assert_eq!(world.deal(name).await.assignee, expected);
    }
    let rest = assign(&world, 100).await;
    assert_eq!((rest.assigned.len(), rest.queued.len()), (0, 10));
    assert!(rest.queued[0].reason.contains("anna: has 25 of 25 in 30 days"), "{}", rest.queued[0].reason);
}

async fn p20_the_best_sum_is_taken_and_not_the_first_come(world: World) {
    // Anna can do both, Ben only the second. Whoever takes the first item alone would give it to Ben, and the Dutch one would starve.
    let dutch = vec![skill("lang:nl", 4)];
    set(&world, &manager(), proto::Member { skills: dutch, preference: -50, ..member("anna", 1) })
        .await
        .unwrap();
    set(&world, &manager(), proto::Member { preference: 50, ..member("ben", 1) }).await.unwrap();
    let any = world.add_deal(&anna(), deal("Any")).await.name;
    let needs = world.add_deal(&anna(), deal("Dutch")).await.name;
    let skills = vec![skill("lang:nl", 3)];
    require(&world, proto::Requirements { opportunity: needs.clone(), skills, ..Default::default() }).await;
    let done = assign(&world, 0).await;
    let given: Vec<_> =
        done.assigned.iter().map(|one| (one.opportunity.as_str(), one.member.as_str())).collect();
    assert_eq!(given, [(any.as_str(), "members/ben"), (needs.as_str(), "members/anna")]);
    assert!(done.queued.is_empty());
}

async fn p21_no_window_of_thirty_days_holds_more_than_the_capacity(world: World) {
    set(&world, &manager(), member("anna", 45)).await.unwrap();
    let (mut times, mut hours) = (Vec::new(), 0_i64);
    let mut random = 11_u64;
    for number in 0..220 {
        world.add_deal(&anna(), deal(&format!("Deal {number}"))).await;
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pass = i64::try_from(random >> 60).unwrap_or(0);
        hours += pass;
        world.pass(pass * 3_600 * SECOND);
        if number % 3 == 0 {
            let done = assign(&world, 100).await;
            times.extend(done.assigned.iter().map(|_| hours));
        }
    }
    for start in &times {
        let held = times.iter().filter(|time| (*start..start + 30 * 24).contains(*time)).count();
        assert!(held <= 45, "{held} from hour {start} on");
    }
    let fullest =
        times.iter().map(|start| times.iter().filter(|time| (*start..start + 720).contains(*time)).count());
    assert_eq!(fullest.max(), Some(45), "the capacity is used");
    assert!(times.len() > 60, "{}", times.len());
}

async fn p22_skills_territory_and_distance_are_kept_and_what_fits_nobody_stays_with_the_reason(world: World) {
    let place = |latitude, longitude| Some(proto::Point { latitude, longitude });
    let (brussels, ghent, paris, leuven) =
        (place(50.8503, 4.3517), place(51.0543, 3.7174), place(48.8566, 2.3522), place(50.8798, 4.7005));
    let near = |user: &str, home| proto::Member { home, radius_km: 100, ..member(user, 50) };
    let speaks =
        |member: proto::Member, level| proto::Member { skills: vec![skill("lang:nl", level)], ..member };
    set(&world, &manager(), speaks(near("anna", brussels), 2)).await.unwrap();
    set(&world, &manager(), speaks(near("ben", ghent), 5)).await.unwrap();
    let add = async |title: &str, requirements: proto::Requirements| {
        let name = world.add_deal(&anna(), deal(title)).await.name;
        require(&world, proto::Requirements { opportunity: name.clone(), ..requirements }).await;
        name
    };
    let dutch =
        proto::Requirements { skills: vec![skill("lang:nl", 3)], place: brussels, ..Default::default() };
    let in_dutch = add("Dutch", dutch.clone()).await;
    let close = add("Close", proto::Requirements { place: leuven, ..Default::default() }).await;
    let far = add("Far", proto::Requirements { place: paris, ..Default::default() }).await;
    let done = assign(&world, 0).await;
    let given: BTreeMap<_, _> =
        done.assigned.iter().map(|one| (one.opportunity.as_str(), one.member.as_str())).collect();
    // Anna is nearer, but speaks less Dutch than is asked; Ghent to Brussels is 50 km. Leuven is nearer to Brussels.
    assert_eq!(given, BTreeMap::from([(in_dutch.as_str(), "members/ben"), (close.as_str(), "members/anna")]));
    assert_eq!((done.queued.len(), done.queued[0].opportunity.as_str()), (1, far.as_str()));
    let reason = &done.queued[0].reason;
    assert!(reason.contains("anna: 263 km away, 100 at most"), "{reason}");
    assert_eq!(world.deal(&far).await.assignee, "");
    assert_eq!(explain(&world, &far).await.queued_reason, *reason);

    // A territory says no where the distance would not.
    let belgium =
        proto::Member { territories: vec!["BE-90".to_owned(), "NL".to_owned()], ..member("ben", 50) };
    set(&world, &manager(), proto::Member { skills: vec![skill("lang:nl", 5)], ..belgium }).await.unwrap();
    let at = |country: &str, postcode: &str| proto::Requirements {
        skills: vec![skill("lang:nl", 5)],
        country: country.to_owned(),
        postcode: postcode.to_owned(),
        ..Default::default()
    };
    let inside = add("Inside", at("BE", "9000")).await;
    let outside = add("Outside", at("BE", "1000")).await;
    let abroad = add("Abroad", at("NL", "1011")).await;
    let done = assign(&world, 0).await;
    let given: Vec<_> = done.assigned.iter().map(|one| one.opportunity.as_str()).collect();
    // Ben has no radius any more, so Paris is his too.
    assert_eq!(given, [far.as_str(), inside.as_str(), abroad.as_str()]);
    let reasons: BTreeMap<_, _> =
        done.queued.iter().map(|one| (one.opportunity.as_str(), one.reason.as_str())).collect();
    assert!(reasons[outside.as_str()].contains("ben: BE-1000 is outside the territories"), "{reasons:?}");
    // With the language it goes to the one who has it.
    assert!(explain(&world, &outside).await.candidates.is_empty());
}

async fn p23_who_is_away_by_the_calendar_gets_nothing_until_the_return(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 100)).await.unwrap();
    }
    // The clock stands on a Monday.
    let today = clock::to_proto(world.place.context.clock.now());
    let now = jiff::Timestamp::from_second(today.seconds).unwrap();
    let first = jiff::tz::TimeZone::UTC.to_datetime(now).date();
    let day = |after: i64| first.checked_add(jiff::Span::new().days(after)).unwrap().to_string();
    let at = |after: i64| {
        Some(calendar::EventTime {
            kind: Some(calendar::event_time::Kind::Date(day(after))),
            ..Default::default()
        })
    };
    let absence = calendar::Absence { start: at(1), end: at(6), summary: "skiing".to_owned() };
    let request = calendar::UpdateAvailabilityRequest {
        availability: Some(calendar::Availability {
            name: "users/anna/availability".to_owned(),
            absences: vec![absence],
            ..Default::default()
        }),
        update_mask: mask(&["absences"]),
        request_id: String::new(),
    };
    let mut availability = AvailabilityServiceClient::new(world.calendar.clone());
    let mut tries = 0;
    // The calendar hears of new users a moment later.
    while let Err(status) = availability.update_availability(anna().request(request.clone())).await {
        assert!(status.code() == Code::NotFound && tries < 250, "{status}");
        tries += 1;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut of_day = Vec::new();
    for number in 0..8 {
        for half in ["a", "b"] {
            world.add_deal(&anna(), deal(&format!("Day {number} {half}"))).await;
        }
        let done = assign(&world, 0).await;
        of_day.push(shares(&done.assigned).get("members/anna").copied().unwrap_or(0));
        assert_eq!(done.assigned.len(), 2);
        if number == 2 {
            let opportunity = world.add_deal(&anna(), deal("Who")).await.name;
            let why = explain(&world, &opportunity).await;
            assert_eq!(why.rejections.len(), 1);
            assert!(why.rejections[0].reasons[0].starts_with("away until "), "{why:?}");
            assert!(!format!("{why:?}").contains("skiing"), "why somebody is away is nobody's business");
            assert_eq!(assign(&world, 0).await.assigned[0].member, "members/ben");
        }
        world.pass(DAY);
    }
    // There on the first day, away on five, back on the seventh.
    assert!(of_day[0] > 0 && of_day[6] > 0, "{of_day:?}");
    assert_eq!(of_day[1..6], [0; 5], "{of_day:?}");
}

async fn p23_who_has_no_time_before_the_deadline_does_not_get_it(world: World) {
    set(&world, &manager(), member("anna", 100)).await.unwrap();
    let now = world.place.context.clock.now();
    let within = async |hours: i64| {
        let opportunity = world.add_deal(&anna(), deal("Soon")).await.name;
        let response_deadline = Some(clock::to_proto(now + hours * 3_600 * SECOND));
        let wanted =
            proto::Requirements { opportunity: opportunity.clone(), response_deadline, ..Default::default() };
        require(&world, wanted).await;
        explain(&world, &opportunity).await
    };
    // A week from now there is a working hour, a minute ago there was none.
    assert_eq!(within(7 * 24).await.candidates.len(), 1);
    let past = within(-1).await;
    assert!(past.candidates.is_empty() && past.queued_reason.contains("anna: no time before "), "{past:?}");
}

async fn p24_two_equals_get_fifteen_each_in_thirty_days(world: World) {
    for user in ["anna", "ben"] {
        set(&world, &manager(), member(user, 45)).await.unwrap();
    }
    let mut given = Vec::new();
    for day in 0..30 {
        world.add_deal(&anna(), deal(&format!("Day {day}"))).await;
        given.extend(assign(&world, 0).await.assigned);
        world.pass(DAY);
    }
    assert_eq!(shares(&given), BTreeMap::from([("members/anna", 15), ("members/ben", 15)]));
}

async fn p25_explain_and_dry_run_write_nothing_and_answer_the_same(world: World) {
    set(&world, &manager(), proto::Member { skills: vec![skill("roof", 5)], ..member("anna", 2) })
        .await
        .unwrap();
    set(
        &world,
        &manager(),
        proto::Member { skills: vec![skill("roof", 3)], preference: 5, ..member("ben", 2) },
    )
    .await
    .unwrap();
    set(&world, &manager(), proto::Member { active: false, ..member("manager", 9) }).await.unwrap();
    let mut names = Vec::new();
    for number in 0..5 {
        names.push(world.add_deal(&anna(), deal(&format!("Deal {number}"))).await.name);
    }
    let skills = vec![skill("roof", 3)];
    require(&world, proto::Requirements { opportunity: names[0].clone(), skills, ..Default::default() })
        .await;
    let events = world.events(&admin()).await.len();

    let answer = explain(&world, &names[0]).await;
    let ranked: Vec<_> = answer.candidates.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(ranked, ["members/anna", "members/ben"]);
    for candidate in &answer.candidates {
        assert_eq!(candidate.terms.iter().map(|term| term.value).sum::<i64>(), candidate.score);
    }
    let of = |place: usize, name: &str| {
        answer.candidates[place].terms.iter().find(|term| term.name == name).map(|term| term.value)
    };
    assert_eq!((of(0, "skills"), of(1, "skills"), of(1, "preference")), (Some(20_000), Some(0), Some(5_000)));
    assert_eq!(answer.rejections.len(), 1);
    assert_eq!(
        (answer.rejections[0].member.as_str(), answer.rejections[0].reasons.len()),
        ("members/manager", 2)
    );

    let dry = proto::AssignOpportunitiesRequest { dry_run: true, ..batch(0) };
    let mut service = assignments(&world.link);
    let first = service.assign_opportunities(manager().request(dry.clone())).await.unwrap().into_inner();
    assert_eq!((first.assigned.len(), first.queued.len()), (4, 1));
    assert_eq!(service.assign_opportunities(manager().request(dry)).await.unwrap().into_inner(), first);
    assert_eq!(explain(&world, &names[0]).await, answer);
    assert_eq!(world.events(&admin()).await.len(), events, "nothing is written");
    for name in &names {
        assert_eq!(world.deal(name).await.assignee, "");
    }
    // What was promised is what is done, and a repeat of the request gives the same answer.
    let real = proto::AssignOpportunitiesRequest { request_id: "monday".to_owned(), ..batch(0) };
    let done = service.assign_opportunities(manager().request(real.clone())).await.unwrap().into_inner();
    assert_eq!(done, first);
    assert_eq!(service.assign_opportunities(manager().request(real)).await.unwrap().into_inner(), done);
}

async fn x4_members_are_seen_by_their_team_and_changed_by_its_leader(world: World) {
    let made = set(&world, &manager(), member("anna", 5)).await.unwrap();
    assert_eq!(failure(set(&world, &anna(), member("anna", 99)).await).0, Code::PermissionDenied);
    assert_eq!(failure(set(&world, &carl(), member("carl", 5)).await).0, Code::PermissionDenied);
    let mut service = assignments(&world.link);
    let get = proto::GetMemberRequest { name: made.name.clone() };
    assert_eq!(service.get_member(anna().request(get.clone())).await.unwrap().into_inner(), made);
    assert_eq!(failure(service.get_member(carl().request(get)).await).0, Code::NotFound);
    let list = proto::ListMembersRequest { team: "teams/sales".to_owned() };
    assert_eq!(
        service.list_members(anna().request(list.clone())).await.unwrap().into_inner().members,
        std::slice::from_ref(&made)
    );
    assert_eq!(failure(service.list_members(carl().request(list)).await).0, Code::NotFound);
    for stranger in [anna(), carl()] {
        assert_eq!(
            failure(service.assign_opportunities(stranger.request(batch(0))).await).0,
            Code::PermissionDenied
        );
    }
    let opportunity = world.add_deal(&anna(), deal("Roof")).await.name;
    let request = proto::ExplainAssignmentRequest { opportunity, seed: 1 };
    // Others of the team see the opportunity, but not what is said of their colleagues.
    assert_eq!(
        failure(service.explain_assignment(anna().request(request.clone())).await).0,
        Code::PermissionDenied
    );
    assert_eq!(failure(service.explain_assignment(carl().request(request)).await).0, Code::NotFound);
    let stale = proto::Member { etag: "v99".to_owned(), ..member("anna", 6) };
    assert_eq!(failure(set(&world, &manager(), stale).await).0, Code::Aborted);
    let delete = proto::DeleteMemberRequest { name: made.name.clone(), ..Default::default() };
    assert_eq!(failure(service.delete_member(carl().request(delete.clone())).await).0, Code::NotFound);
    service.delete_member(manager().request(delete)).await.unwrap();
    let get = proto::GetMemberRequest { name: made.name };
    assert_eq!(failure(service.get_member(manager().request(get)).await).0, Code::NotFound);
}

async fn wrong_members_and_requirements_are_refused_by_field(world: World) {
    for (wrong, field) in [
        (proto::Member { capacity: -1, ..member("anna", 1) }, "member.capacity"),
        (proto::Member { radius_km: 5, ..member("anna", 1) }, "member.home"),
        (proto::Member { skills: vec![skill("roof", 11)], ..member("anna", 1) }, "member.skills"),
        (
            proto::Member { territories: vec!["belgium".to_owned()], ..member("anna", 1) },
            "member.territories",
        ),
        (member("nobody", 1), "member.name"),
        (
            proto::Member {
                home: Some(proto::Point { latitude: f64::NAN, longitude: 0.0 }),
                ..member("anna", 1)
            },
            "member.home",
        ),
    ] {
        let refused = set(&world, &manager(), wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{field}: {}", refused.message());
    }
    let list = proto::ListMembersRequest { team: "teams/sales".to_owned() };
    let listed = assignments(&world.link).list_members(manager().request(list)).await.unwrap().into_inner();
    assert!(listed.members.is_empty());
}
