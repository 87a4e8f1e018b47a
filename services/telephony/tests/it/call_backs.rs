//! Row C10: a personal call-back is an event in its operator's calendar, and moving the event moves the call-back. Beside a real calendar.

use std::time::Duration;

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::clock::to_proto;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_kit::outbox::NewEvent;
use kontor_proto::calendar::v1::{CallBackEventChanged, call_back_event_changed::Change};
use kontor_proto::collection::v1 as store;
use kontor_proto::collection::v1::collection_service_client::CollectionServiceClient;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::call_list_service_client::CallListServiceClient;
use kontor_proto::telephony::v1::dispatch_service_client::DispatchServiceClient;
use kontor_proto::telephony::v1::do_not_call_service_client::DoNotCallServiceClient;
use kontor_proto::telephony::v1::import_call_list_entries_request::Part;
use kontor_testbed::audit::{Audit, line};
use kontor_testbed::{MONDAY, SECOND, admin, caller};
use tonic::{Code, Request};

use crate::world::{ANNA, World};

kontor_testbed::on_both! { World;
    c10_moving_the_event_moves_the_call_back_and_nobody_else_gets_it,
    c10_outside_of_calling_hours_the_next_ones_come_back_to_the_event,
    c10_a_deleted_event_leaves_the_call_back_to_the_team,
    c10_what_becomes_of_the_call_back_shows_in_the_calendar,
    c10_one_that_is_being_called_keeps_its_time_and_its_lease,
    c10_only_its_owners_events_move_it_and_only_while_it_is_one,
    c10_an_erased_partner_goes_from_the_calendar_too,
}

const HOUR: i64 = 3_600 * SECOND;
const LIST: &str = "callLists/fair";

fn sales() -> Caller {
    caller("sales", &["sales"], &[])
}

fn operator() -> Caller {
    caller("operator", &["sales"], &[])
}

fn lists(world: &World) -> CallListServiceClient<Link> {
    CallListServiceClient::new(world.link.clone())
}

fn dispatch(world: &World) -> DispatchServiceClient<Link> {
    DispatchServiceClient::new(world.link.clone())
}

/// So many hours after the test began, which is Monday at ten by Anna's clock.
fn at(hours: i64) -> i64 {
    MONDAY + hours * HOUR
}

/// A list with Anna's number, called from 08:00 to 20:00 by her clock.
async fn add_list(world: &World, partner: &str) {
    let list = proto::CallList {
        display_name: "Fair".to_owned(),
        team: "teams/sales".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateCallListRequest {
        call_list: Some(list),
        call_list_id: "fair".to_owned(),
        ..Default::default()
    };
    lists(world).create_call_list(admin().request(request)).await.unwrap();
    let settings = proto::CallListImport { parent: LIST.to_owned(), ..Default::default() };
    let row = proto::CallListRow {
        number: ANNA.to_owned(),
        display_name: "Anna P.".to_owned(),
        partner: partner.to_owned(),
        ..Default::default()
    };
    let parts = [Part::Settings(settings), Part::Rows(proto::CallListRows { rows: vec![row] })];
    let messages = parts.map(|part| proto::ImportCallListEntriesRequest { part: Some(part) });
    let mut request = Request::new(tokio_stream::iter(messages));
    request.extensions_mut().insert(admin());
    let mut answers = lists(world).import_call_list_entries(request).await.unwrap().into_inner();
    let mut created = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        created = answer.created_rows;
    }
    assert_eq!(created, 1);
}

async fn take(world: &World, caller: &Caller) -> Option<(proto::CallListEntry, String)> {
    let request = proto::TakeNextCallRequest { parent: LIST.to_owned(), ..Default::default() };
    let answer = dispatch(world).take_next_call(caller.request(request)).await.unwrap().into_inner();
    answer.entry.map(|entry| (entry, answer.lease_token))
}

async fn dial(world: &World, caller: &Caller, name: &str, token: &str) -> proto::CallListEntry {
    let request = proto::StartDialRequest {
        name: name.to_owned(),
        lease_token: token.to_owned(),
        ..Default::default()
    };
    dispatch(world).start_dial(caller.request(request)).await.unwrap().into_inner()
}

/// Tells how the call went; a time makes it a personal call-back.
async fn record(world: &World, caller: &Caller, name: &str, token: &str, call_back: Option<i64>) {
    use proto::{CallListOutcome as Outcome, CallOutcomeReason as Reason};
    let (outcome, reason) = match call_back {
        Some(_) => (Outcome::NotHeld, Reason::CallBack),
        None => (Outcome::Held, Reason::Unspecified),
    };
    let request = proto::RecordOutcomeRequest {
        name: name.to_owned(),
        lease_token: token.to_owned(),
        outcome: outcome.into(),
        reason: reason.into(),
        call_back_time: call_back.map(to_proto),
        personal_call_back: call_back.is_some(),
        ..Default::default()
    };
    dispatch(world).record_outcome(caller.request(request)).await.unwrap();
}

/// A list with a personal call-back of "sales". Gives the entry's name.
async fn agreed(world: &World, time: i64) -> String {
    add_list(world, "").await;
    let (entry, token) = take(world, &sales()).await.expect("the only number");
    dial(world, &sales(), &entry.name, &token).await;
    record(world, &sales(), &entry.name, &token, Some(time)).await;
    starts(world, &sales(), time).await;
    entry.name
}

async fn get(world: &World, name: &str) -> proto::CallListEntry {
    let request = proto::GetCallListEntryRequest { name: name.to_owned() };
    lists(world).get_call_list_entry(admin().request(request)).await.unwrap().into_inner()
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came: {what}");
}

async fn due(world: &World, name: &str, time: i64) {
    let what = "the call-back is due then";
    eventually(what, async || (get(world, name).await.due_time? == to_proto(time)).then_some(())).await;
}

fn collections(world: &World) -> CollectionServiceClient<Link> {
    CollectionServiceClient::new(world.neighbours.calendar.clone())
}

fn path(caller: &Caller) -> Option<store::CollectionPath> {
    Some(store::CollectionPath { owner: caller.user.clone(), slug: "call-backs".to_owned() })
}

/// Name and text of the caller's only call-back.
async fn event(world: &World, caller: &Caller) -> Option<(String, String)> {
    let request =
        store::ListObjectsRequest { path: path(caller), with_data: true, ..Default::default() };
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
    let request =
        store::PutObjectRequest { path: path(caller), name, data: text.into_bytes().into(), ..Default::default() };
    collections(world).put_object(caller.request(request)).await.unwrap();
}

async fn c10_moving_the_event_moves_the_call_back_and_nobody_else_gets_it(world: World) {
    let name = agreed(&world, at(6)).await;
    let text = starts(&world, &sales(), at(6)).await;
    for line in ["SUMMARY:Call back Anna P.", "URL:tel:+32475123456", &format!("X-KONTOR-ENTRY:{name}")] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    assert!(event(&world, &operator()).await.is_none());
    drag(&world, &sales(), at(2)).await;
    due(&world, &name, at(2)).await;
    let entry = get(&world, &name).await;
    assert_eq!((entry.owner.as_str(), entry.call_back, entry.tries), ("users/sales", true, 0));
    let told: Vec<_> = Audit::new(&world.link, "telephony").of(&name).await.iter().map(line).collect();
    let last = told.last().expect("an entry");
    assert!(last.starts_with("UPDATE sales by ") && last.contains("due_time "), "{told:?}");

    world.place.set_clock(at(2) - SECOND);
    assert!(take(&world, &sales()).await.is_none(), "it is not due");
    world.pass(1);
    assert!(take(&world, &operator()).await.is_none(), "it is somebody else's");
    let (taken, _) = eventually("the call-back", async || take(&world, &sales()).await).await;
    assert_eq!(taken.name, name);
    // The move came back as news, and what the user made longer stayed so.
    let text = starts(&world, &sales(), at(2)).await;
    assert!(text.contains(&format!("DTEND:{}\r\n", stamp(at(3)))), "{text}");
    let moves = world.kinds().await.into_iter().filter(|kind| kind == "CallBackMoved").count();
    assert_eq!(moves, 1);
}

async fn c10_outside_of_calling_hours_the_next_ones_come_back_to_the_event(world: World) {
    let name = agreed(&world, at(6)).await;
    // 22:00 by her clock; the next hours are from 08:00.
    drag(&world, &sales(), at(12)).await;
    due(&world, &name, at(22)).await;
    starts(&world, &sales(), at(22)).await;
    // That is where it is already, and the event comes back all the same.
    drag(&world, &sales(), at(17)).await;
    starts(&world, &sales(), at(22)).await;
    // Past is now; and more than a year ahead is not possible.
    drag(&world, &sales(), at(-5)).await;
    due(&world, &name, at(0)).await;
    starts(&world, &sales(), at(0)).await;
    drag(&world, &sales(), at(24 * 500)).await;
    starts(&world, &sales(), at(0)).await;
    due(&world, &name, at(0)).await;
}

async fn c10_a_deleted_event_leaves_the_call_back_to_the_team(world: World) {
    let name = agreed(&world, at(1)).await;
    let (object, _) = event(&world, &sales()).await.expect("the event");
    let request = store::DeleteObjectRequest { path: path(&sales()), name: object, ..Default::default() };
    collections(&world).delete_object(sales().request(request)).await.unwrap();
    let what = "it is nobody's";
    let entry = eventually(what, async || Some(get(&world, &name).await).filter(|it| it.owner.is_empty())).await;
    assert_eq!((entry.call_back, entry.due_time), (true, Some(to_proto(at(1)))), "nothing is lost");
    assert!(take(&world, &operator()).await.is_none(), "it is not due");
    world.place.set_clock(at(1));
    let (taken, _) = eventually("the call-back", async || take(&world, &operator()).await).await;
    assert_eq!(taken.name, name);
    assert!(event(&world, &sales()).await.is_none() && event(&world, &operator()).await.is_none());
}

async fn c10_what_becomes_of_the_call_back_shows_in_the_calendar(world: World) {
    let name = agreed(&world, at(1)).await;
    let update = async |entry: proto::CallListEntry, field: &str| {
        let request = proto::UpdateCallListEntryRequest {
            entry: Some(proto::CallListEntry { name: name.clone(), ..entry }),
            update_mask: Some(prost_types::FieldMask { paths: vec![field.to_owned()] }),
            ..Default::default()
        };
        lists(&world).update_call_list_entry(admin().request(request)).await.unwrap();
    };
    update(proto::CallListEntry { due_time: Some(to_proto(at(3))), ..Default::default() }, "due_time").await;
    starts(&world, &sales(), at(3)).await;
    update(proto::CallListEntry { owner: "users/operator".to_owned(), ..Default::default() }, "owner").await;
    starts(&world, &operator(), at(3)).await;
    gone(&world, &sales()).await;
    // Agreed anew when it was called: the event moves. Held: it goes.
    world.place.set_clock(at(3));
    for (now, again) in [(at(3), Some(at(5))), (at(5), None)] {
        world.place.set_clock(now);
        let (_, token) = eventually("the call-back", async || take(&world, &operator()).await).await;
        dial(&world, &operator(), &name, &token).await;
        record(&world, &operator(), &name, &token, again).await;
        match again {
            Some(time) => drop(starts(&world, &operator(), time).await),
            None => gone(&world, &operator()).await,
        }
    }
    assert!(event(&world, &sales()).await.is_none());
}

async fn c10_one_that_is_being_called_keeps_its_time_and_its_lease(world: World) {
    let name = agreed(&world, at(1)).await;
    world.place.set_clock(at(1));
    let (_, token) = eventually("the call-back", async || take(&world, &sales()).await).await;
    drag(&world, &sales(), at(4)).await;
    starts(&world, &sales(), at(1)).await;
    assert_eq!(dial(&world, &sales(), &name, &token).await.due_time, Some(to_proto(at(1))));
    drag(&world, &sales(), at(4)).await;
    starts(&world, &sales(), at(1)).await;
    // Deleted while it is being called: the operator goes on with the call.
    let (object, _) = event(&world, &sales()).await.expect("the event");
    let request = store::DeleteObjectRequest { path: path(&sales()), name: object, ..Default::default() };
    collections(&world).delete_object(sales().request(request)).await.unwrap();
    eventually("it is nobody's", async || get(&world, &name).await.owner.is_empty().then_some(())).await;
    record(&world, &sales(), &name, &token, None).await;
    assert_eq!(get(&world, &name).await.state(), proto::CallListEntryState::Held);
}

/// The calendar says in its outbox that a user moved an event.
async fn say(calendar: &Db, user: &str, subject: &str, time: i64) {
    let (owner, subject) = (format!("users/{user}"), subject.to_owned());
    let write = calendar.write(move |tx| {
        let changed = CallBackEventChanged { change: Some(Change::CallBackTime(to_proto(time))) };
        let event = NewEvent::new("calendar", &subject, &Guard::new(&owner, ""), &changed);
        tx.publish(event.actor(&owner));
        Ok(())
    });
    write.await.unwrap();
}

async fn c10_only_its_owners_events_move_it_and_only_while_it_is_one(world: World) {
    let name = agreed(&world, at(6)).await;
    let context = &world.place.context;
    let calendar = Db::open(&context.storage, "calendar", &[], context.clock.clone()).await.unwrap();
    for subject in ["callLists/fair", "callLists/fair/entries/none", "callLists/other/entries/x", "", "x/y/z/0"] {
        say(&calendar, "sales", subject, at(2)).await;
    }
    say(&calendar, "operator", &name, at(2)).await;
    say(&calendar, "", &name, at(2)).await;
    // The owner's own comes behind them.
    say(&calendar, "sales", &name, at(3)).await;
    due(&world, &name, at(3)).await;
    let moves = world.kinds().await.into_iter().filter(|kind| kind == "CallBackMoved").count();
    assert_eq!(moves, 1);
    starts(&world, &sales(), at(3)).await;

    // Not to be called: its entry is closed, and late news of the event change nothing.
    let number = proto::DoNotCallNumber { number: ANNA.to_owned(), ..Default::default() };
    let request =
        proto::CreateDoNotCallNumberRequest { do_not_call_number: Some(number), ..Default::default() };
    DoNotCallServiceClient::new(world.link.clone())
        .create_do_not_call_number(admin().request(request))
        .await
        .unwrap();
    gone(&world, &sales()).await;
    let closed = get(&world, &name).await;
    say(&calendar, "sales", &name, at(4)).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(get(&world, &name).await, closed);
}

async fn c10_an_erased_partner_goes_from_the_calendar_too(world: World) {
    let partner = world.neighbours.add_partner("Anna P.", ANNA).await;
    add_list(&world, &partner).await;
    let (entry, token) = take(&world, &sales()).await.expect("the only number");
    dial(&world, &sales(), &entry.name, &token).await;
    record(&world, &sales(), &entry.name, &token, Some(at(6))).await;
    starts(&world, &sales(), at(6)).await;
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
    eventually("the calendar's report", async || is_done("calendar").await).await;
    is_done("telephony").await.expect("telephony has reported before");
    assert!(event(&world, &sales()).await.is_none());
    let entry = get(&world, &entry.name).await;
    assert!(entry.display_name != "Anna P." && entry.e164.is_empty(), "{entry:?}");
}
