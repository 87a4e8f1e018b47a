//! Row C10: call-backs as events of their operator, both ways. What telephony says is written into an outbox in its name.

use std::time::Duration;

use kontor_kit::auth::Guard;
use kontor_kit::db::Db;
use kontor_kit::outbox::{self, NewEvent, payload};
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::call_back_event_changed::Change;
use kontor_proto::calendar::v1::free_busy_service_client::FreeBusyServiceClient;
use kontor_proto::collection::v1 as store;
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::telephony::v1::{CallBackEnded, CallBackMoved, CallBackPlanned};
use kontor_proto::r#type::v1::Event;
use kontor_testbed::{admin, failure, user};
use prost::{Message, Name};
use tonic::{Code, Status};

use crate::support::{Bed, instant, mask, text, time};

kontor_testbed::on_both! { Bed;
    c10_a_personal_call_back_is_an_event_in_its_operators_calendar,
    c10_one_that_is_open_to_all_stands_in_nobodys_calendar,
    c10_moving_the_event_by_dav_or_grpc_is_published_and_nothing_else_is,
    c10_telephonys_news_move_the_event_and_keep_what_the_user_wrote,
    c10_one_that_is_over_or_given_to_another_goes_from_the_calendar,
    c10_deleting_the_event_is_published_and_news_do_not_bring_it_back,
    c10_what_a_call_back_cannot_be_is_refused,
    c10_a_stranger_neither_sees_nor_moves_it,
    c10_an_erasure_waits_for_telephonys_report,
}

const ENTRY: &str = "callLists/fair/entries/e1";
const AT: &str = "2026-11-24T14:30:00Z";

/// Telephony says something of an entry.
async fn say<P: Message + Name + 'static>(telephony: &Db, entry: &str, said: P) {
    let entry = entry.to_owned();
    let write = telephony.write(move |tx| {
        tx.publish(NewEvent::new("telephony", &entry, &Guard::new("", "teams/sales"), &said));
        Ok(())
    });
    write.await.unwrap();
}

fn planned(operator: &str, personal: bool, at: &str) -> CallBackPlanned {
    CallBackPlanned {
        call_list: "callLists/fair".to_owned(),
        operator: format!("users/{operator}"),
        personal,
        call_back_time: Some(time(at)),
        display_name: "Jo Maes".to_owned(),
        number: "+32471123456".to_owned(),
    }
}

fn moved(operator: &str, at: &str) -> CallBackMoved {
    CallBackMoved {
        call_list: "callLists/fair".to_owned(),
        operator: format!("users/{operator}"),
        personal: true,
        call_back_time: Some(time(at)),
    }
}

fn ended() -> CallBackEnded {
    CallBackEnded { call_list: "callLists/fair".to_owned(), operator: "users/sales".to_owned() }
}

fn path(login: &str) -> Option<store::CollectionPath> {
    Some(store::CollectionPath { owner: login.to_owned(), slug: "call-backs".to_owned() })
}

/// The event as a DAV client of `login` gets it from the home of `owner`.
async fn got_by(bed: &Bed, login: &str, owner: &str) -> Result<Option<store::Object>, Status> {
    let request = store::GetObjectsRequest {
        path: path(owner),
        names: vec!["e1.ics".to_owned()],
        with_data: true,
        ..Default::default()
    };
    let mut stream = bed.collections().get_objects(user(login).request(request)).await?.into_inner();
    let chunk = stream.message().await?;
    Ok(chunk.and_then(|chunk| chunk.objects.into_iter().find(|object| !object.missing)))
}

async fn got(bed: &Bed, login: &str) -> Option<store::Object> {
    got_by(bed, login, login).await.ok().flatten()
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

/// Waits until the user's event has a line.
async fn shown(bed: &Bed, login: &str, line: &str) -> String {
    eventually(line, async || {
        let found = text(&got(bed, login).await?.data);
        found.lines().any(|it| it == line).then_some(found)
    })
    .await
}

async fn gone(bed: &Bed, login: &str) {
    eventually("the event is gone", async || got(bed, login).await.is_none().then_some(())).await;
}

async fn put(bed: &Bed, login: &str, owner: &str, name: &str, text: &str) -> Result<(), Status> {
    let request = store::PutObjectRequest {
        path: path(owner),
        name: name.to_owned(),
        data: text.as_bytes().to_vec().into(),
        ..Default::default()
    };
    bed.collections().put_object(user(login).request(request)).await.map(|_| ())
}

async fn delete(bed: &Bed, login: &str, owner: &str) -> Result<(), Status> {
    let request =
        store::DeleteObjectRequest { path: path(owner), name: "e1.ics".to_owned(), ..Default::default() };
    bed.collections().delete_object(user(login).request(request)).await.map(|_| ())
}

/// What was published of call-backs: "users/sales moved 2026-11-24T14:30:00Z".
async fn published(bed: &Bed) -> Vec<String> {
    let told = |event: Event| {
        let change = payload::<proto::CallBackEventChanged>(&event)?.change?;
        assert_eq!(event.subject, ENTRY);
        assert_eq!(event.audience.as_ref().map(|it| it.owner.as_str()), Some("users/sales"));
        Some(match change {
            Change::CallBackTime(time) => format!("{} moved {}", event.actor, instant(Some(time))),
            Change::Deleted(_) => format!("{} deleted", event.actor),
        })
    };
    bed.changes("admin").await.into_iter().filter_map(told).collect()
}

/// The event's name over gRPC, and what it is.
async fn occurrence(bed: &Bed, login: &str) -> Option<proto::Occurrence> {
    let found = bed.occurrences(login, "2026-11-23T00:00:00Z", "2026-12-31T00:00:00Z", 0).await;
    found.into_iter().find(|it| it.kind() == proto::EventKind::CallBack)
}

async fn busy(bed: &Bed) -> Vec<String> {
    let request = proto::QueryFreeBusyRequest {
        people: vec!["users/sales".to_owned()],
        start_time: Some(time("2026-11-24T00:00:00Z")),
        end_time: Some(time("2026-11-26T00:00:00Z")),
        ..Default::default()
    };
    let mut client = FreeBusyServiceClient::new(bed.link.clone());
    let people = client.query_free_busy(user("manager").request(request)).await.unwrap().into_inner().people;
    let part = |at| instant(at)[8..16].to_owned();
    people[0].busy.iter().map(|it| format!("{}/{}", part(it.start_time), part(it.end_time))).collect()
}

async fn calendar_names(bed: &Bed, login: &str) -> Vec<String> {
    let request = user(login).request(proto::ListCalendarsRequest::default());
    let found = bed.calendars().list_calendars(request).await.unwrap().into_inner();
    found.calendars.into_iter().map(|calendar| calendar.display_name).collect()
}

async fn c10_a_personal_call_back_is_an_event_in_its_operators_calendar(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    assert_eq!(calendar_names(&bed, "sales").await, ["Calendar"], "made with the first one");
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    let event = shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    for line in [
        "SUMMARY:Call back Jo Maes",
        "DTEND:20261124T144500Z",
        "URL:tel:+32471123456",
        "X-KONTOR-ENTRY:callLists/fair/entries/e1",
        "TRIGGER:-PT5M",
    ] {
        assert!(event.lines().any(|it| it == line), "{line} in {event}");
    }
    assert_eq!(calendar_names(&bed, "sales").await, ["Calendar", "Call-backs"]);
    let found = occurrence(&bed, "sales").await.expect("a call-back among the occurrences");
    assert_eq!((found.summary.as_str(), found.owner.as_str()), ("Call back Jo Maes", "users/sales"));
    assert_eq!((found.color.as_str(), instant(found.start_time).as_str()), ("#112233", AT));
    assert_eq!(busy(&bed).await, ["24T14:30/24T14:45"]);

    // The unified calendar has it with its kind, for its operator only.
    let overview = async |login: &str| {
        let request = store::ListObjectsRequest {
            path: Some(store::CollectionPath { owner: login.to_owned(), slug: "overview".to_owned() }),
            with_data: true,
            ..Default::default()
        };
        let mut stream =
            bed.collections().list_objects(user(login).request(request)).await.unwrap().into_inner();
        let mut all = String::new();
        while let Some(chunk) = stream.message().await.unwrap() {
            chunk.objects.iter().for_each(|object| all.push_str(&text(&object.data)));
        }
        all
    };
    let of_sales = overview("sales").await;
    for line in ["CATEGORIES:Call-back\r\n", "X-KONTOR-KIND:CALL-BACK\r\n", "SUMMARY:Call back Jo Maes\r\n"] {
        assert!(of_sales.contains(line), "{line} in {of_sales}");
    }
    assert!(!of_sales.contains("VALARM"), "an alarm does not go off twice");
    assert_eq!(overview("manager").await, "");
    assert_eq!(published(&bed).await, Vec::<String>::new());
}

async fn c10_one_that_is_open_to_all_stands_in_nobodys_calendar(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, "callLists/fair/entries/e2", planned("sales", false, AT)).await;
    say(&telephony, "callLists/fair/entries/e3", planned("", true, AT)).await;
    say(&telephony, ENTRY, planned("manager", true, AT)).await;
    shown(&bed, "manager", "DTSTART:20261124T143000Z").await;
    assert_eq!(calendar_names(&bed, "sales").await, ["Calendar"]);
    // A personal one that becomes open leaves the calendar.
    say(&telephony, ENTRY, CallBackMoved { personal: false, ..moved("manager", AT) }).await;
    gone(&bed, "manager").await;
}

async fn c10_moving_the_event_by_dav_or_grpc_is_published_and_nothing_else_is(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    let event = shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    let renamed = event.replace("SUMMARY:Call back Jo Maes", "SUMMARY:Jo, about the price\r\nX-OWN:1");
    put(&bed, "sales", "sales", "e1.ics", &renamed).await.unwrap();
    let zoned = renamed
        .replace("DTSTART:20261124T143000Z", "DTSTART;TZID=Europe/Brussels:20261124T153000")
        .replace("DTEND:20261124T144500Z", "DTEND;TZID=Europe/Brussels:20261124T160000");
    put(&bed, "sales", "sales", "e1.ics", &zoned).await.unwrap();
    assert_eq!(published(&bed).await, Vec::<String>::new(), "a title, a zone and an end are the user's own");
    let later = zoned.replace("20261124T1", "20261125T1");
    for _ in 0..2 {
        put(&bed, "sales", "sales", "e1.ics", &later).await.unwrap();
    }
    assert_eq!(published(&bed).await, ["users/sales moved 2026-11-25T14:30:00Z"]);
    assert_eq!(text(&got(&bed, "sales").await.unwrap().data), later, "the bytes are the client's");

    let name = occurrence(&bed, "sales").await.expect("the event").event;
    let event = bed.event("sales", &name).await;
    let start = Some(proto::EventTime {
        kind: Some(proto::event_time::Kind::Local("2026-11-26T09:00:00".to_owned())),
        time_zone: "Europe/Brussels".to_owned(),
    });
    let end = Some(proto::EventTime {
        kind: Some(proto::event_time::Kind::Local("2026-11-26T09:30:00".to_owned())),
        time_zone: "Europe/Brussels".to_owned(),
    });
    let request = proto::UpdateEventRequest {
        event: Some(proto::Event { start, end, etag: event.etag.clone(), ..event.clone() }),
        update_mask: mask(&["start", "end"]),
        request_id: "once".to_owned(),
    };
    for _ in 0..2 {
        bed.events().update_event(user("sales").request(request.clone())).await.unwrap();
    }
    let told = published(&bed).await;
    assert_eq!(told[1..], ["users/sales moved 2026-11-26T08:00:00Z"], "{told:?}");
    let stale = proto::UpdateEventRequest { request_id: String::new(), ..request };
    let refused = bed.events().update_event(user("sales").request(stale)).await;
    assert_eq!(failure(refused).0, Code::Aborted);
    assert_eq!(published(&bed).await.len(), 2);
}

async fn c10_telephonys_news_move_the_event_and_keep_what_the_user_wrote(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    let event = shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    let own = event
        .replace("SUMMARY:Call back Jo Maes", "SUMMARY:Jo\r\nX-OWN:kept")
        .replace("DTEND:20261124T144500Z", "DTEND:20261124T153000Z");
    put(&bed, "sales", "sales", "e1.ics", &own).await.unwrap();
    say(&telephony, ENTRY, moved("sales", "2026-11-25T08:00:00Z")).await;
    let now = shown(&bed, "sales", "DTSTART:20261125T080000Z").await;
    for line in ["DTEND:20261125T090000Z", "SUMMARY:Jo", "X-OWN:kept", "TRIGGER:-PT5M"] {
        assert!(now.lines().any(|it| it == line), "{line} in {now}");
    }
    assert_eq!(busy(&bed).await, ["25T08:00/25T09:00"]);
    // The same news again change nothing, neither does the same plan; another entry's news come behind them.
    let etag = got(&bed, "sales").await.unwrap().etag;
    say(&telephony, ENTRY, moved("sales", "2026-11-25T08:00:00Z")).await;
    say(&telephony, ENTRY, planned("sales", true, "2026-11-25T08:00:00Z")).await;
    say(&telephony, "callLists/fair/entries/e1x", planned("manager", true, AT)).await;
    eventually("the news behind", async || occurrence(&bed, "manager").await).await;
    assert_eq!(got(&bed, "sales").await.unwrap().etag, etag);
    assert_eq!(published(&bed).await, Vec::<String>::new(), "news don't come back");
}

async fn c10_one_that_is_over_or_given_to_another_goes_from_the_calendar(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    say(&telephony, ENTRY, planned("manager", true, "2026-11-24T15:00:00Z")).await;
    shown(&bed, "manager", "DTSTART:20261124T150000Z").await;
    gone(&bed, "sales").await;
    say(&telephony, ENTRY, ended()).await;
    gone(&bed, "manager").await;
    assert_eq!(calendar_names(&bed, "sales").await, ["Calendar", "Call-backs"], "the calendar stays");
    // Agreed anew, it is there anew.
    say(&telephony, ENTRY, planned("sales", true, "2026-11-27T10:00:00Z")).await;
    shown(&bed, "sales", "DTSTART:20261127T100000Z").await;
    assert_eq!(published(&bed).await, Vec::<String>::new());
}

async fn c10_deleting_the_event_is_published_and_news_do_not_bring_it_back(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    delete(&bed, "sales", "sales").await.unwrap();
    assert_eq!(published(&bed).await, ["users/sales deleted"]);
    assert_eq!(failure(delete(&bed, "sales", "sales").await).0, Code::NotFound);
    say(&telephony, ENTRY, moved("sales", "2026-11-25T08:00:00Z")).await;
    say(&telephony, ENTRY, ended()).await;
    say(&telephony, ENTRY, CallBackPlanned { personal: false, ..planned("sales", true, AT) }).await;
    say(&telephony, "callLists/fair/entries/e2", planned("sales", true, AT)).await;
    let only = eventually("the news behind", async || occurrence(&bed, "sales").await).await;
    let name = bed.event("sales", &only.event).await;
    assert!(name.uid == "e2" && got(&bed, "sales").await.is_none(), "{name:?}");

    // Over gRPC it is the same.
    let request = proto::DeleteEventRequest { name: only.event, ..Default::default() };
    bed.events().delete_event(user("sales").request(request)).await.unwrap();
    let events = bed.changes("sales").await;
    let last = events.last().expect("an event");
    assert_eq!(outbox::kind(last), proto::CallBackEventChanged::full_name());
    assert_eq!(last.subject, "callLists/fair/entries/e2");
}

async fn c10_what_a_call_back_cannot_be_is_refused(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    let event = shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    let with = |line: &str| event.replace("BEGIN:VALARM", &format!("{line}\r\nBEGIN:VALARM"));
    let all_day = event
        .replace("DTSTART:20261124T143000Z", "DTSTART;VALUE=DATE:20261124")
        .replace("DTEND:20261124T144500Z\r\n", "");
    for (text, says) in [
        (with("RRULE:FREQ=DAILY;COUNT=3"), "once"),
        (with("STATUS:CANCELLED"), "delete"),
        (with("ORGANIZER:mailto:sales@kontor.test\r\nATTENDEE:mailto:manager@kontor.test"), "guests"),
        (all_day, "time of day"),
    ] {
        let refused = put(&bed, "sales", "sales", "e1.ics", &text).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{text}");
        assert!(refused.message().contains(says), "{}", refused.message());
    }
    let other = event.replace("UID:e1", "UID:own").replace("Call back Jo Maes", "Lunch");
    let refused = put(&bed, "sales", "sales", "own.ics", &other).await.unwrap_err();
    assert!(refused.message().contains("agree on one there"), "{}", refused.message());
    for (slug, to_name) in [("work", "e1.ics"), ("call-backs", "other.ics")] {
        let request = store::MoveObjectRequest {
            path: path("sales"),
            name: "e1.ics".to_owned(),
            to_path: Some(store::CollectionPath { owner: "sales".to_owned(), slug: slug.to_owned() }),
            to_name: to_name.to_owned(),
            ..Default::default()
        };
        let refused = bed.collections().move_object(user("sales").request(request)).await;
        assert_eq!(failure(refused).0, Code::PermissionDenied, "{slug}/{to_name}");
    }
    let request = store::DeleteCollectionRequest { path: path("sales") };
    let refused = bed.collections().delete_collection(user("sales").request(request)).await;
    assert_eq!(failure(refused), (Code::FailedPrecondition, "SERVER_COLLECTION".to_owned()));
    assert_eq!(text(&got(&bed, "sales").await.unwrap().data), event);
    assert_eq!(published(&bed).await, Vec::<String>::new());
}

async fn c10_a_stranger_neither_sees_nor_moves_it(bed: Bed) {
    let telephony = bed.fake("telephony").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    let event = shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    assert_eq!(got_by(&bed, "manager", "sales").await.unwrap_err().code(), Code::NotFound);
    let later = event.replace("20261124T1430", "20261124T1400");
    assert_eq!(failure(put(&bed, "manager", "sales", "e1.ics", &later).await).0, Code::NotFound);
    assert_eq!(failure(delete(&bed, "manager", "sales").await).0, Code::NotFound);
    assert!(occurrence(&bed, "manager").await.is_none());
    let name = occurrence(&bed, "sales").await.expect("the event").event;
    let request = proto::DeleteEventRequest { name, ..Default::default() };
    let refused = bed.events().delete_event(user("manager").request(request)).await;
    assert_eq!(failure(refused).0, Code::NotFound);
    assert_eq!(published(&bed).await, Vec::<String>::new());
}

async fn c10_an_erasure_waits_for_telephonys_report(bed: Bed) {
    let (telephony, pipeline) = (bed.fake("telephony").await, bed.fake("pipeline").await);
    let partner = bed.partner("Jo Maes", "jo@example.test").await;
    say(&telephony, ENTRY, planned("sales", true, AT)).await;
    shown(&bed, "sales", "DTSTART:20261124T143000Z").await;
    let request = directory::ErasePartnerRequest {
        name: partner,
        reason: directory::ErasureReason::Requested.into(),
        ..Default::default()
    };
    let mut client = ErasureServiceClient::new(bed.directory());
    let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner().name;
    let report = directory::PartnerDataErased { erasure: erasure.clone(), done: true, ..Default::default() };
    let of_pipeline = report.clone();
    let write = pipeline.write(move |tx| {
        tx.publish(NewEvent::new("pipeline", &of_pipeline.erasure, &Guard::company(), &of_pipeline));
        Ok(())
    });
    write.await.unwrap();
    let reported = async || {
        let said = |event: &Event| payload::<directory::PartnerDataErased>(event).is_some_and(|it| it.done);
        bed.changes("admin").await.iter().any(said)
    };
    // The job begins after a second, and looks again every second.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!reported().await, "telephony has not reported");
    say(&telephony, ENTRY, ended()).await;
    say(&telephony, &erasure, report).await;
    eventually("the calendar's report", async || reported().await.then_some(())).await;
    assert!(got(&bed, "sales").await.is_none(), "what telephony said before its report was heard");
}
