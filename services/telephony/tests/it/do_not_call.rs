//! T12 and T13: a held call becomes one opportunity, linked both ways; numbers that are not to be called, and calling hours by the number's own zone.

use kontor_kit::outbox::payload;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::CallListOutcome::{Held, NotHeld};
use kontor_proto::telephony::v1::import_do_not_call_numbers_request::Part;
use kontor_proto::telephony::v1::{CallListEntryState as State, CallOutcomeReason, CancelReason};
use kontor_testbed::{MONDAY, SECOND, admin, caller, failure, user};
use tonic::Code;

use crate::lists::{FAIR, Lists, lead, numbers, operator, row};
use crate::world::World;

kontor_testbed::on_both! { World;
    t12_held_becomes_an_opportunity_linked_both_ways,
    t12_twice_gives_one,
    t12_not_held_is_refused,
    t12_a_pipeline_that_is_away_changes_nothing,
    t13_a_number_on_the_list_is_never_leased_not_even_mid_list,
    t13_who_asks_not_to_be_called_is_not_called_in_any_list,
    t13_only_eight_to_eight_by_the_numbers_own_zone,
    t13_several_zones_must_all_be_inside,
    t13_calling_hours_are_a_setting_of_the_list,
    t13_a_register_is_imported,
    t13_only_administrators_take_a_number_off,
}

const HOUR: i64 = 3_600;

async fn convert(
    lists: &Lists,
    caller: &kontor_kit::auth::Caller,
    name: &str,
    request_id: &str,
) -> Result<proto::CallListEntry, tonic::Status> {
    let request = proto::CreateOpportunityFromEntryRequest {
        name: name.to_owned(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let mut client = lists.dispatch.clone();
    client.create_opportunity_from_entry(caller.request(request)).await.map(tonic::Response::into_inner)
}

async fn t12_held_becomes_an_opportunity_linked_both_ways(world: World) {
    let anna = world.neighbours.add_partner("Anna Peeters", "+32475123456").await;
    let lists = Lists::with_list(&world, |_| ()).await;
    let named = proto::CallListRow { display_name: "Anna".to_owned(), ..row("0475 12 34 56") };
    lists.import(vec![named]).await;
    let sales = operator("sales");
    let held = lists.hold(&sales).await;
    let entry = convert(&lists, &sales, &held.name, "").await.unwrap();
    assert!(entry.opportunity.starts_with("opportunities/"), "{entry:?}");
    let deal = world.neighbours.opportunity(&entry.opportunity).await;
    assert_eq!((deal.origin.as_str(), deal.partner.as_str()), (held.name.as_str(), anna.as_str()));
    assert_eq!(
        (deal.title.as_str(), deal.assignee.as_str(), deal.team.as_str()),
        ("Fair 2026: Anna", "users/sales", "teams/sales")
    );
    assert_eq!(lists.entries(&format!("opportunity = \"{}\"", entry.opportunity)).await, [entry]);
    let events = world.events().await;
    assert_eq!(events.iter().filter_map(payload::<proto::CallListEntryConverted>).count(), 1);
}

async fn t12_twice_gives_one(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let sales = operator("sales");
    let held = lists.hold(&sales).await;
    let first = convert(&lists, &sales, &held.name, "once").await.unwrap();
    assert_eq!(convert(&lists, &sales, &held.name, "once").await.unwrap(), first);
    // another request, another person, at the same moment
    let lead = caller("lead", &["sales"], &["sales"]);
    assert_eq!(convert(&lists, &lead, &held.name, "again").await.unwrap(), first);
    lists.fill(&["+32475123457"]).await;
    let held = lists.hold(&sales).await;
    let (one, other) =
        tokio::join!(convert(&lists, &sales, &held.name, ""), convert(&lists, &lead, &held.name, ""));
    assert_eq!(one.unwrap().opportunity, other.unwrap().opportunity);
    assert_eq!(world.neighbours.opportunities().await.len(), 2);
    let events = world.events().await;
    assert_eq!(events.iter().filter_map(payload::<proto::CallListEntryConverted>).count(), 2);
}

async fn t12_not_held_is_refused(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456", "+32475123457"]).await;
    let sales = operator("sales");
    let failed = lists.fail(&sales, CallOutcomeReason::Busy).await;
    let answer = convert(&lists, &lead(), &failed.name, "").await;
    assert_eq!(failure(answer), (Code::FailedPrecondition, "NOT_HELD".to_owned()));
    let held = lists.hold(&sales).await;
    assert_eq!(failure(convert(&lists, &operator("ben"), &held.name, "").await).0, Code::PermissionDenied);
    assert_eq!(failure(convert(&lists, &user("eve"), &held.name, "").await).0, Code::NotFound);
    assert!(world.neighbours.opportunities().await.is_empty());
}

async fn t12_a_pipeline_that_is_away_changes_nothing(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let sales = operator("sales");
    let held = lists.hold(&sales).await;
    world.neighbours.pipeline_gate.shut();
    assert_eq!(convert(&lists, &sales, &held.name, "once").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(lists.get(&held.name).await.opportunity, "");
    world.neighbours.pipeline_gate.open();
    convert(&lists, &sales, &held.name, "once").await.unwrap();
}

async fn t13_a_number_on_the_list_is_never_leased_not_even_mid_list(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let some = numbers(40);
    lists.fill(&some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let ann = operator("ann");
    let mut leased = Vec::new();
    for number in &some {
        // the next but one is put on the list while the list is called
        if leased.len() % 2 == 0 {
            lists.do_not_call(&ann, number).await.unwrap();
        }
        let Some(lease) = lists.next(&ann).await else { break };
        assert!(!leased.contains(&lease.entry.e164));
        leased.push(lease.entry.e164);
    }
    for entry in lists.entries("state = CANCELLED").await {
        assert_eq!(entry.cancel_reason(), CancelReason::DoNotCall);
    }
    // one that an operator has is taken away, unless it is dialled
    lists.create("second", |_| ()).await.unwrap();
    let settings = proto::CallListImport { parent: "callLists/second".to_owned(), ..Default::default() };
    lists.import_as(&lead(), settings, vec![row("+32475999001"), row("+32475999002")]).await.unwrap();
    let take = async || {
        let answer = lists.take_as(&ann, "callLists/second").await.unwrap();
        crate::lists::Lease { caller: ann.clone(), entry: answer.entry.unwrap(), token: answer.lease_token }
    };
    let (first, second) = (take().await, take().await);
    lists.dial(&second).await.unwrap();
    for lease in [&first, &second] {
        lists.do_not_call(&operator("ben"), &lease.entry.e164).await.unwrap();
    }
    assert_eq!(failure(lists.dial(&first).await), (Code::FailedPrecondition, "DO_NOT_CALL".to_owned()));
    let busy = |request: &mut proto::RecordOutcomeRequest| request.reason = CallOutcomeReason::Busy.into();
    let entry = lists.record(&second, NotHeld, busy).await.unwrap();
    assert_eq!((entry.state(), entry.cancel_reason()), (State::Cancelled, CancelReason::DoNotCall));
}

async fn t13_who_asks_not_to_be_called_is_not_called_in_any_list(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    lists.create("other", |_| ()).await.unwrap();
    let settings = proto::CallListImport { parent: "callLists/other".to_owned(), ..Default::default() };
    lists.import_as(&lead(), settings, vec![row("+32475123456")]).await.unwrap();
    let entry = lists.fail(&operator("ann"), CallOutcomeReason::DoNotCall).await;
    assert_eq!((entry.state(), entry.cancel_reason()), (State::Cancelled, CancelReason::DoNotCall));
    assert_eq!(lists.take_as(&operator("ann"), "callLists/-").await.unwrap().entry, None);
    let get = proto::GetDoNotCallNumberRequest { name: "doNotCallNumbers/32475123456".to_owned() };
    let number =
        lists.numbers.clone().get_do_not_call_number(user("eve").request(get)).await.unwrap().into_inner();
    assert_eq!((number.number.as_str(), number.user.as_str()), ("+32475123456", "users/ann"));
    assert_eq!(number.reason(), proto::DoNotCallReason::Asked);
}

async fn t13_only_eight_to_eight_by_the_numbers_own_zone(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let ann = operator("ann");
    let cases = [
        // local 08:00 of each, and 20:00
        ("+32475000001", "2026-11-24T07:00:00Z", "2026-11-24T19:00:00Z"),
        ("+12125550100", "2026-11-24T13:00:00Z", "2026-11-25T01:00:00Z"),
        ("+81312345678", "2026-11-23T23:00:00Z", "2026-11-24T11:00:00Z"),
        ("+918012345678", "2026-11-24T02:30:00Z", "2026-11-24T14:30:00Z"),
        // summer there
        ("+61293744000", "2026-11-23T21:30:00Z", "2026-11-24T09:00:00Z"),
    ];
    let micros = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    for (number, start, end) in cases {
        world.place.set_clock(micros(start) - SECOND);
        lists.fill(&[number]).await;
        let none = lists.take_as(&ann, FAIR).await.unwrap();
        assert_eq!(none.entry, None, "{number} before {start}");
        assert!(none.retry_time.is_some());
        world.place.set_clock(micros(start));
        let lease = lists.take(&ann).await;
        assert_eq!(lease.entry.e164, number);
        // leased inside, dialled outside: refused
        let back = proto::ReleaseEntryRequest {
            name: lease.entry.name.clone(),
            lease_token: lease.token,
            ..Default::default()
        };
        lists.dispatch.clone().release_entry(ann.request(back)).await.unwrap();
        world.place.set_clock(micros(end) - SECOND);
        let lease = lists.take(&ann).await;
        world.place.set_clock(micros(end));
        let answer = lists.dial(&lease).await;
        assert_eq!(failure(answer), (Code::FailedPrecondition, "OUTSIDE_CALLING_HOURS".to_owned()));
        world.pass(300);
        assert!(lists.next(&ann).await.is_none(), "{number} after {end}");
        let cancel = proto::CancelCallListEntryRequest { name: lease.entry.name, ..Default::default() };
        lists.dispatch.clone().cancel_call_list_entry(lead().request(cancel)).await.unwrap();
        world.place.set_clock(MONDAY);
    }
}

async fn t13_several_zones_must_all_be_inside(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    // a mobile of Australia may be in Perth or in Sydney: 08:00 in Perth is 11:00 in Sydney
    lists.fill(&["+61412345678"]).await;
    let entry = lists.entries("").await.remove(0);
    assert!(entry.time_zones.len() > 3 && entry.time_zones.contains(&"Australia/Perth".to_owned()));
    let ann = operator("ann");
    let at = |text: &str| world.place.set_clock(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    at("2026-11-23T23:59:59Z");
    assert!(lists.next(&ann).await.is_none());
    at("2026-11-24T00:00:00Z");
    lists.take(&ann).await;
    // and in the evening Sydney ends the day
    at("2026-11-24T09:00:00Z");
    assert!(lists.next(&ann).await.is_none());
}

async fn t13_calling_hours_are_a_setting_of_the_list(world: World) {
    let tuesday = proto::CallingHours { weekday: 2, start: "10:00".to_owned(), end: "11:00".to_owned() };
    let lists = Lists::with_list(&world, |list| list.calling_hours = vec![tuesday]).await;
    lists.fill(&["+32475123456"]).await;
    let ann = operator("ann");
    let none = lists.take_as(&ann, FAIR).await.unwrap();
    assert_eq!(none.entry, None, "it is Monday");
    let next = kontor_kit::clock::from_proto(&none.retry_time.unwrap());
    assert_eq!(next, MONDAY + 24 * HOUR * SECOND);
    world.place.set_clock(next);
    assert_eq!(lists.summary().await.callable_count, 1);
    world.pass(HOUR);
    assert_eq!(lists.summary().await.callable_count, 0);
    let any = proto::CallList { name: FAIR.to_owned(), any_hour: true, ..Default::default() };
    lists.update(&lead(), any, &["any_hour"]).await.unwrap();
    let lease = lists.take(&ann).await;
    lists.dial(&lease).await.unwrap();
    lists.record(&lease, Held, |_| ()).await.unwrap();
}

async fn t13_a_register_is_imported(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    let some = numbers(1_500);
    lists.fill(&some[..20].iter().map(String::as_str).collect::<Vec<_>>()).await;
    let import = |caller: kontor_kit::auth::Caller, numbers: Vec<String>| {
        let settings =
            proto::DoNotCallImport { reason: 2, note: "register".to_owned(), ..Default::default() };
        let first = proto::ImportDoNotCallNumbersRequest { part: Some(Part::Settings(settings)) };
        let rest: Vec<_> = numbers
            .chunks(1_000)
            .map(|some| proto::ImportDoNotCallNumbersRequest {
                part: Some(Part::Rows(proto::DoNotCallRows { numbers: some.to_vec() })),
            })
            .collect();
        let mut client = lists.numbers.clone();
        async move {
            let messages = tokio_stream::iter(std::iter::once(first).chain(rest));
            let mut answers = client.import_do_not_call_numbers(caller.request(messages)).await?.into_inner();
            let (mut last, mut errors) = (proto::ImportDoNotCallNumbersResponse::default(), Vec::new());
            while let Some(answer) = answers.message().await? {
                errors.extend(answer.errors.clone());
                last = answer;
            }
            Ok::<_, tonic::Status>((last, errors))
        }
    };
    let mut given = some[10..].to_vec();
    given.extend(["0470 00 00 10".to_owned(), "nobody".to_owned()]);
    let (last, errors) = import(lead(), given).await.unwrap();
    assert!(last.done);
    assert_eq!((last.created_rows, last.known_rows, last.refused_rows), (1_490, 1, 1));
    assert_eq!(
        (last.cancelled_entries, errors[0].line, errors[0].reason.as_str()),
        (10, 1_492, "NOT_A_NUMBER")
    );
    assert_eq!(lists.summary().await.open_count, 10);
    assert_eq!(failure(import(operator("ann"), Vec::new()).await).0, Code::PermissionDenied);
    let request =
        proto::ListDoNotCallNumbersRequest { filter: "reason = REGISTER".to_owned(), ..Default::default() };
    let page = lists.numbers.clone().list_do_not_call_numbers(user("eve").request(request)).await.unwrap();
    assert_eq!(page.into_inner().do_not_call_numbers.len(), 50);
}

async fn t13_only_administrators_take_a_number_off(world: World) {
    let lists = Lists::with_list(&world, |_| ()).await;
    lists.fill(&["+32475123456"]).await;
    let number = lists.do_not_call(&operator("ann"), "0475 12 34 56").await.unwrap();
    assert_eq!(number.name, "doNotCallNumbers/32475123456");
    // who was first stays
    assert_eq!(lists.do_not_call(&operator("ben"), "0475 12 34 56").await.unwrap(), number);
    assert_eq!(failure(lists.do_not_call(&operator("ben"), "hello").await).0, Code::InvalidArgument);
    let off = proto::DeleteDoNotCallNumberRequest { name: number.name.clone(), ..Default::default() };
    let mut client = lists.numbers.clone();
    let answer = client.delete_do_not_call_number(lead().request(off.clone())).await;
    assert_eq!(failure(answer).0, Code::PermissionDenied);
    client.delete_do_not_call_number(admin().request(off.clone())).await.unwrap();
    assert_eq!(failure(client.delete_do_not_call_number(admin().request(off)).await).0, Code::NotFound);
    // what was cancelled stays so; a new import brings nothing back
    assert_eq!(lists.import(vec![row("+32475123456")]).await.merged_rows, 1);
    assert!(lists.next(&operator("ann")).await.is_none());
}
