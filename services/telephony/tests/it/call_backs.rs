//! Row C10: a personal call-back is an event in its operator's calendar, and moving the event moves the call-back. Beside a real calendar.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::clock::to_proto;
use kontor_kit::link::Link;
use kontor_proto::collection::v1 as store;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::telephony::v1 as proto;
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::{MONDAY, SECOND, admin};
use tonic::Code;

use crate::lists::{Lease, Lists, lead, operator, row};
use crate::world::{ANNA, World};

kontor_testbed::on_both! { World;
    c10_moving_the_event_moves_the_call_back_and_nobody_else_gets_it,
    c10_outside_of_calling_hours_the_next_ones_come_back_to_the_event,
    c10_a_deleted_event_leaves_the_call_back_to_the_team,
    c10_what_becomes_of_the_call_back_shows_in_the_calendar,
    c10_one_that_is_being_called_keeps_its_time_and_its_lease,
    c10_a_number_that_is_not_to_be_called_leaves_the_calendar,
    c10_an_erased_partner_goes_from_the_calendar_too,
}

const HOUR: i64 = 3_600 * SECOND;
fn sales() -> Caller {
    operator("sales")
}

fn other() -> Caller {
    operator("operator")
}

/// So many hours after the test began, which is Monday at ten by Anna's clock.
fn at(hours: i64) -> i64 {
    MONDAY + hours * HOUR
}

/// A list with Anna's number, called from 08:00 to 20:00 by her clock, and a personal call-back of "sales". Gives the entry's name.
async fn agreed_with(world: &World, partner: &str, time: i64) -> (Lists, String) {
    let lists = Lists::with_list(world, |_| ()).await;
    let anna =
        proto::CallListRow { display_name: "Anna P.".to_owned(), partner: partner.to_owned(), ..row(ANNA) };
    assert_eq!(lists.import(vec![anna]).await.created_rows, 1);
    let lease = lists.take(&sales()).await;
    lists.dial(&lease).await.unwrap();
    call_back(&lists, &lease, time).await;
    starts(world, &sales(), time).await;
    (lists, lease.entry.name)
}

async fn agreed(world: &World, time: i64) -> (Lists, String) {
    agreed_with(world, "", time).await
}

/// Agrees on a call-back of one's own.
async fn call_back(lists: &Lists, lease: &Lease, time: i64) {
    let record = lists.record(lease, proto::CallListOutcome::NotHeld, |request| {
        request.reason = proto::CallOutcomeReason::CallBack.into();
        request.call_back_time = Some(to_proto(time));
        request.personal_call_back = true;
    });
    record.await.unwrap();
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for () in kontor_testbed::patience() {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came: {what}");
}

async fn due(lists: &Lists, name: &str, time: i64) {
    let what = "the call-back is due then";
    eventually(what, async || (lists.get(name).await.due_time? == to_proto(time)).then_some(())).await;
}

/// What is taken next, as soon as there is something.
async fn taken(lists: &Lists, caller: &Caller) -> Lease {
    eventually("the call-back", async || lists.next(caller).await).await
}

fn collections(world: &World) -> CollectionServiceClient<Link> {
    CollectionServiceClient::new(world.neighbours.calendar.clone())
}

fn path(caller: &Caller) -> Option<store::CollectionPath> {
    Some(store::CollectionPath { owner: caller.user.clone(), slug: "call-backs".to_owned() })
}

/// Name and text of the caller's only call-back.
async fn event(world: &World, caller: &Caller) -> Option<(String, String)> {
    let request = store::ListObjectsRequest { path: path(caller), with_data: true, ..Default::default() };
    let answer = collections(world).list_objects(caller.request(request)).await;
    let mut stream = match answer {
        Err(status) if status.code() == Code::NotFound => return None,
        found => found.unwrap().into_inner(),
    };
    let mut found = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        found.extend(chunk.objects);
    }
    assert!(found.len() <= 1, "{found:?}");
    let object = found.pop()?;
    Some((object.name, String::from_utf8(object.data.to_vec()).unwrap()))
}

fn stamp(time: i64) -> String {
    jiff::Timestamp::from_microsecond(time).unwrap().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Waits until the caller's event starts then.
async fn starts(world: &World, caller: &Caller, time: i64) -> String {
    let wanted = format!("DTSTART:{}", stamp(time));
    eventually(&wanted, async || {
        let (_, text) = event(world, caller).await?;
        text.lines().any(|line| line == wanted).then_some(text)
    })
    .await
}

async fn gone(world: &World, caller: &Caller) {
    eventually("the event is gone", async || event(world, caller).await.is_none().then_some(())).await;
}

/// Moves the caller's event, as a mail client does.
async fn drag(world: &World, caller: &Caller, time: i64) {
    let (name, text) = event(world, caller).await.expect("an event");
    let text: String = text
        .lines()
        .map(|line| match line.split_once(':') {
            Some(("DTSTART", _)) => format!("DTSTART:{}\r\n", stamp(time)),
            Some(("DTEND", _)) => format!("DTEND:{}\r\n", stamp(time + HOUR)),
            _ => format!("{line}\r\n"),
        })
        .collect();
    let request = store::PutObjectRequest {
        path: path(caller),
        name,
        data: text.into_bytes().into(),
        ..Default::default()
    };
    collections(world).put_object(caller.request(request)).await.unwrap();
}

async fn c10_moving_the_event_moves_the_call_back_and_nobody_else_gets_it(world: World) {
    let (lists, name) = agreed(&world, at(6)).await;
    let text = starts(&world, &sales(), at(6)).await;
    for line in ["SUMMARY:Call back Anna P.", "URL:tel:+32475123456", &format!("X-KONTOR-ENTRY:{name}")] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    assert!(event(&world, &other()).await.is_none());
    drag(&world, &sales(), at(2)).await;
    due(&lists, &name, at(2)).await;
    let entry = lists.get(&name).await;
    assert_eq!((entry.owner.as_str(), entry.call_back, entry.tries), ("users/sales", true, 0));
    let told: Vec<_> = Audit::new(&world.link, "telephony").of(&name).await.iter().map(line).collect();
    let last = told.last().expect("an entry");
    assert!(last.starts_with("UPDATE sales by ") && last.contains("due_time "), "{told:?}");

    world.place.set_clock(at(2) - SECOND);
    assert!(lists.next(&sales()).await.is_none(), "it is not due");
    world.pass(1);
    assert!(lists.next(&other()).await.is_none(), "it is somebody else's");
    assert_eq!(taken(&lists, &sales()).await.entry.name, name);
    // The move came back as news, and what the user made longer stayed so.
    let text = starts(&world, &sales(), at(2)).await;
    assert!(text.contains(&format!("DTEND:{}\r\n", stamp(at(3)))), "{text}");
    let moves = world.kinds().await.into_iter().filter(|kind| kind == "CallBackMoved").count();
    assert_eq!(moves, 1);
}

async fn c10_outside_of_calling_hours_the_next_ones_come_back_to_the_event(world: World) {
    let (lists, name) = agreed(&world, at(6)).await;
    // 22:00 by her clock; the next hours are from 08:00.
    drag(&world, &sales(), at(12)).await;
    due(&lists, &name, at(22)).await;
    starts(&world, &sales(), at(22)).await;
    // That is where it is already, and the event comes back all the same.
    drag(&world, &sales(), at(17)).await;
    starts(&world, &sales(), at(22)).await;
    // Past is now; and more than a year ahead is not possible.
    drag(&world, &sales(), at(-5)).await;
    due(&lists, &name, at(0)).await;
    starts(&world, &sales(), at(0)).await;
    drag(&world, &sales(), at(24 * 500)).await;
    starts(&world, &sales(), at(0)).await;
    due(&lists, &name, at(0)).await;
}

async fn c10_a_deleted_event_leaves_the_call_back_to_the_team(world: World) {
    let (lists, name) = agreed(&world, at(1)).await;
    let (object, _) = event(&world, &sales()).await.expect("the event");
    let request = store::DeleteObjectRequest { path: path(&sales()), name: object, ..Default::default() };
    collections(&world).delete_object(sales().request(request)).await.unwrap();
    let what = "it is nobody's";
    let entry =
        eventually(what, async || Some(lists.get(&name).await).filter(|it| it.owner.is_empty())).await;
    assert_eq!((entry.call_back, entry.due_time), (true, Some(to_proto(at(1)))), "nothing is lost");
    assert!(lists.next(&other()).await.is_none(), "it is not due");
    world.place.set_clock(at(1));
    assert_eq!(taken(&lists, &other()).await.entry.name, name);
    assert!(event(&world, &sales()).await.is_none() && event(&world, &other()).await.is_none());
}

async fn c10_what_becomes_of_the_call_back_shows_in_the_calendar(world: World) {
    let (lists, name) = agreed(&world, at(1)).await;
    let later = proto::CallListEntry {
        name: name.clone(),
        due_time: Some(to_proto(at(3))),
        owner: "users/operator".to_owned(),
        ..Default::default()
    };
    lists.change(&sales(), later.clone(), &["due_time"]).await.unwrap();
    starts(&world, &sales(), at(3)).await;
    lists.change(&lead(), later, &["owner"]).await.unwrap();
    starts(&world, &other(), at(3)).await;
    gone(&world, &sales()).await;
    // Agreed anew when it was called: the event moves. Held: it goes.
    for (now, again) in [(at(3), Some(at(5))), (at(5), None)] {
        world.place.set_clock(now);
        let lease = taken(&lists, &other()).await;
        lists.dial(&lease).await.unwrap();
        if let Some(time) = again {
            call_back(&lists, &lease, time).await;
            starts(&world, &other(), time).await;
        } else {
            lists.record(&lease, proto::CallListOutcome::Held, |_| ()).await.unwrap();
            gone(&world, &other()).await;
        }
    }
    assert!(event(&world, &sales()).await.is_none());
}

async fn c10_one_that_is_being_called_keeps_its_time_and_its_lease(world: World) {
    let (lists, name) = agreed(&world, at(1)).await;
    world.place.set_clock(at(1));
    let lease = taken(&lists, &sales()).await;
    drag(&world, &sales(), at(4)).await;
    starts(&world, &sales(), at(1)).await;
    assert_eq!(lists.dial(&lease).await.unwrap().due_time, Some(to_proto(at(1))));
    drag(&world, &sales(), at(4)).await;
    starts(&world, &sales(), at(1)).await;
    // Deleted while it is being called: the operator goes on with the call.
    let (object, _) = event(&world, &sales()).await.expect("the event");
    let request = store::DeleteObjectRequest { path: path(&sales()), name: object, ..Default::default() };
    collections(&world).delete_object(sales().request(request)).await.unwrap();
    eventually("it is nobody's", async || lists.get(&name).await.owner.is_empty().then_some(())).await;
    lists.record(&lease, proto::CallListOutcome::Held, |_| ()).await.unwrap();
    assert_eq!(lists.get(&name).await.state(), proto::CallListEntryState::Held);
}

async fn c10_a_number_that_is_not_to_be_called_leaves_the_calendar(world: World) {
    let (lists, name) = agreed(&world, at(6)).await;
    lists.do_not_call(&lead(), ANNA).await.unwrap();
    gone(&world, &sales()).await;
    let entry = lists.get(&name).await;
    assert_eq!((entry.cancel_reason(), entry.owner.as_str()), (proto::CancelReason::DoNotCall, ""));
}

async fn c10_an_erased_partner_goes_from_the_calendar_too(world: World) {
    let partner = world.neighbours.add_partner("Anna P.", ANNA).await;
    let (lists, name) = agreed_with(&world, &partner, at(6)).await;
    let mut client = ErasureServiceClient::new(world.neighbours.directory.clone());
    let request = directory::ErasePartnerRequest {
        name: partner,
        reason: directory::ErasureReason::Requested.into(),
        ..Default::default()
    };
    let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner().name;
    let is_done = async |service: &str| {
        let request = directory::GetErasureRequest { name: erasure.clone() };
        let mut client = ErasureServiceClient::new(world.neighbours.directory.clone());
        let found = client.get_erasure(admin().request(request)).await.unwrap().into_inner();
        let of = found.services.into_iter().find(|it| it.service == service)?;
        (of.state() == directory::ErasureState::Done).then_some(())
    };
    for service in ["telephony", "calendar"] {
        eventually(&format!("the report of {service}"), async || is_done(service).await).await;
    }
    assert!(event(&world, &sales()).await.is_none());
    let entry = lists.get(&name).await;
    assert!(entry.display_name != "Anna P." && entry.e164.is_empty(), "{entry:?}");
}
