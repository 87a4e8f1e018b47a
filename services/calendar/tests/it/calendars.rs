//! CalendarService, and the calendar that every user gets (row D7 over gRPC).

use kontor_proto::calendar::v1 as proto;
use kontor_proto::collection::v1 as store;
use kontor_proto::directory::v1::{UpdateUserRequest, User};
use kontor_testbed::{admin, failure, user};
use tonic::Code;

use crate::support::{Bed, mask, meeting};

kontor_testbed::on_both! { Bed;
    every_user_gets_one_calendar_for_events_and_tasks,
    a_calendar_is_made_changed_and_deleted_with_all_in_it,
    bad_calendars_are_refused,
}

async fn every_user_gets_one_calendar_for_events_and_tasks(bed: Bed) {
    let list = |filter: &str| proto::ListCalendarsRequest { filter: filter.to_owned(), ..Default::default() };
    let own =
        bed.calendars().list_calendars(user("sales").request(list(""))).await.unwrap().into_inner().calendars;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].slug, "work");
    assert_eq!(own[0].display_name, "Calendar");
    assert_eq!(own[0].owner, "users/sales");
    assert_eq!(own[0].color, "#112233FF");
    assert_eq!(own[0].components, ["VEVENT", "VTODO"]);
    assert!(own[0].writable);
    let all = bed.calendars().list_calendars(admin().request(list(""))).await.unwrap().into_inner().calendars;
    assert_eq!(all.len(), 2);
    let filter = "owner = manager AND display_name : \"cal\"";
    let one =
        bed.calendars().list_calendars(admin().request(list(filter))).await.unwrap().into_inner().calendars;
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].owner, "users/manager");
    // A new colour of the user is the colour of the calendar.
    let changed = User { name: "users/sales".to_owned(), color: "#445566".to_owned(), ..Default::default() };
    let request =
        UpdateUserRequest { user: Some(changed), update_mask: mask(&["color"]), ..Default::default() };
    bed.users().update_user(admin().request(request)).await.unwrap();
    for () in kontor_testbed::patience() {
        let own = bed.calendars().list_calendars(user("sales").request(list(""))).await.unwrap().into_inner();
        if own.calendars[0].color == "#445566FF" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let own = bed.calendars().list_calendars(user("sales").request(list(""))).await.unwrap().into_inner();
    assert_eq!(own.calendars[0].color, "#445566FF");
}

async fn a_calendar_is_made_changed_and_deleted_with_all_in_it(bed: Bed) {
    let request = proto::CreateCalendarRequest {
        calendar: Some(proto::Calendar {
            display_name: "Travel".to_owned(),
            color: "#AABBCC".to_owned(),
            order: 3,
            time_zone: "America/New_York".to_owned(),
            components: vec!["VEVENT".to_owned()],
            ..proto::Calendar::default()
        }),
        calendar_id: "travel".to_owned(),
        request_id: "c1".to_owned(),
        validate_only: false,
    };
    let made =
        bed.calendars().create_calendar(user("sales").request(request.clone())).await.unwrap().into_inner();
    assert_eq!(
        bed.calendars().create_calendar(user("sales").request(request.clone())).await.unwrap().into_inner(),
        made
    );
    let taken = proto::CreateCalendarRequest { request_id: String::new(), ..request };
    let taken = bed.calendars().create_calendar(user("sales").request(taken)).await;
    assert_eq!(failure(taken).0, Code::AlreadyExists);
    // DAV clients get the zone as a VTIMEZONE.
    let path = store::CollectionPath { owner: "sales".to_owned(), slug: "travel".to_owned() };
    let get = store::GetCollectionRequest { path: Some(path), ..Default::default() };
    let seen = bed.collections().get_collection(user("sales").request(get)).await.unwrap().into_inner();
    assert!(seen.time_zone.contains("BEGIN:VTIMEZONE\r\nTZID:America/New_York\r\n"), "{}", seen.time_zone);

    let create = proto::CreateEventRequest {
        parent: made.name.clone(),
        event: Some(meeting("flight", "2026-11-23")),
        ..proto::CreateEventRequest::default()
    };
    bed.events().create_event(user("sales").request(create)).await.unwrap();
    let task = proto::CreateTaskRequest {
        parent: made.name.clone(),
        task: Some(proto::Task::default()),
        ..proto::CreateTaskRequest::default()
    };
    let task = bed.tasks().create_task(user("sales").request(task)).await;
    assert_eq!(failure(task), (Code::InvalidArgument, "SUPPORTED_COMPONENT".to_owned()));

    let update = |etag: &str| proto::UpdateCalendarRequest {
        calendar: Some(proto::Calendar {
            name: made.name.clone(),
            display_name: "Trips".to_owned(),
            etag: etag.to_owned(),
            ..proto::Calendar::default()
        }),
        update_mask: mask(&["display_name", "description"]),
        request_id: String::new(),
    };
    // The event in it has raised the version.
    let stale = bed.calendars().update_calendar(user("sales").request(update(&made.etag))).await;
    assert_eq!(failure(stale).0, Code::Aborted);
    let other = bed.calendars().update_calendar(user("manager").request(update(""))).await;
    assert_eq!(failure(other).0, Code::NotFound);
    let changed =
        bed.calendars().update_calendar(user("sales").request(update(""))).await.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.color.as_str()), ("Trips", "#AABBCC"));

    let mut own = update("");
    own.calendar.as_mut().unwrap().name = "calendars/default".to_owned();
    let own = bed.calendars().update_calendar(user("sales").request(own)).await.unwrap().into_inner();
    assert_eq!((own.slug.as_str(), own.display_name.as_str()), ("work", "Trips"));

    let delete = proto::DeleteCalendarRequest { name: made.name.clone(), request_id: String::new() };
    bed.calendars().delete_calendar(user("sales").request(delete)).await.unwrap();
    let get = proto::GetCalendarRequest { name: made.name.clone() };
    assert_eq!(failure(bed.calendars().get_calendar(user("sales").request(get)).await).0, Code::NotFound);
    assert!(bed.titles("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z").await.is_empty());
}

async fn bad_calendars_are_refused(bed: Bed) {
    let good = proto::Calendar { display_name: "x".to_owned(), ..proto::Calendar::default() };
    for (field, calendar) in [
        ("calendar.display_name", proto::Calendar::default()),
        ("calendar.color", proto::Calendar { color: "red".to_owned(), ..good.clone() }),
        ("calendar.time_zone", proto::Calendar { time_zone: "Nowhere".to_owned(), ..good.clone() }),
        ("calendar.components", proto::Calendar { components: vec!["VFREEBUSY".to_owned()], ..good.clone() }),
    ] {
        let request = proto::CreateCalendarRequest { calendar: Some(calendar), ..Default::default() };
        let status = bed.calendars().create_calendar(user("sales").request(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let (_, metadata) = kontor_kit::error::reason(&status).unwrap();
        assert_eq!(metadata.get("field").map(String::as_str), Some(field), "{status:?}");
    }
    let request =
        proto::CreateCalendarRequest { calendar: Some(good), validate_only: true, ..Default::default() };
    bed.calendars().create_calendar(user("sales").request(request)).await.unwrap();
    let list = proto::ListCalendarsRequest::default();
    let own =
        bed.calendars().list_calendars(user("sales").request(list)).await.unwrap().into_inner().calendars;
    assert_eq!(own.len(), 1);
}
