//! Free/busy and free slots: what counts, how it is merged, who may ask (rows C8, C12).

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::availability_service_client::AvailabilityServiceClient;
use kontor_proto::calendar::v1::free_busy_service_client::FreeBusyServiceClient;
use kontor_testbed::{admin, failure, user};
use tonic::{Code, Status};

use crate::support::{Bed, date, instant, local, mask, meeting, time};

kontor_testbed::on_both! { Bed;
    c8_busy_times_merge_and_what_is_transparent_or_cancelled_is_free,
    c8_series_with_overrides_and_days_in_the_users_zone,
    c8_an_override_that_changes_whether_it_is_busy_holds_for_its_instance,
    c8_all_calendars_that_count_and_no_others,
    c8_across_users_in_one_call_and_an_event_that_is_being_moved_does_not_count,
    c8_questions_that_are_wrong_are_refused,
    c8_a_slot_is_found_for_all_of_them_in_their_hours,
    c12_working_hours_and_absences_are_told_and_followed,
    c12_hours_that_a_program_wrote_are_followed_and_kept,
}

fn caller(login: &str) -> Caller {
    if login == "admin" { admin() } else { user(login) }
}

fn free_busy(bed: &Bed) -> FreeBusyServiceClient<Link> {
    FreeBusyServiceClient::new(bed.link.clone())
}

fn availability(bed: &Bed) -> AvailabilityServiceClient<Link> {
    AvailabilityServiceClient::new(bed.link.clone())
}

fn ask(people: &[&str], from: &str, to: &str) -> proto::QueryFreeBusyRequest {
    proto::QueryFreeBusyRequest {
        people: people.iter().map(|person| (*person).to_owned()).collect(),
        start_time: Some(time(from)),
        end_time: Some(time(to)),
        ..Default::default()
    }
}

async fn query(
    bed: &Bed,
    login: &str,
    request: proto::QueryFreeBusyRequest,
) -> Result<Vec<proto::FreeBusy>, Status> {
    Ok(free_busy(bed).query_free_busy(caller(login).request(request)).await?.into_inner().people)
}

/// As "BUSY 23T08:00/23T09:00".
fn shown(one: &proto::FreeBusy) -> Vec<String> {
    let part = |time| instant(time)[8..16].to_owned();
    one.busy
        .iter()
        .map(|busy| {
            let kind = busy.kind().as_str_name().trim_start_matches("BUSY_KIND_");
            format!("{kind} {}/{}", part(busy.start_time), part(busy.end_time))
        })
        .collect()
}

/// What a colleague is told of "sales".
async fn of_sales(bed: &Bed, from: &str, to: &str) -> Vec<String> {
    shown(&query(bed, "manager", ask(&["users/sales"], from, to)).await.unwrap()[0])
}

fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n{lines}END:VEVENT\nEND:VCALENDAR\n"
    )
}

async fn c8_busy_times_merge_and_what_is_transparent_or_cancelled_is_free(bed: Bed) {
    for (number, lines) in [
        "DTSTART:20261123T090000Z\nDTEND:20261123T100000Z\n",
        "DTSTART:20261123T100000Z\nDTEND:20261123T103000Z\nCLASS:PRIVATE\nSUMMARY:secret\n",
        "DTSTART:20261123T101500Z\nDURATION:PT45M\n",
        "DTSTART:20261123T120000Z\nDTEND:20261123T130000Z\nTRANSP:TRANSPARENT\n",
        "DTSTART:20261123T130000Z\nDTEND:20261123T140000Z\nSTATUS:CANCELLED\n",
        "DTSTART:20261123T140000Z\nDTEND:20261123T150000Z\nSTATUS:TENTATIVE\n",
        "DTSTART:20261123T143000Z\nDTEND:20261123T144500Z\n",
        "DTSTART:20261123T160000Z\nDTEND:20261123T170000Z\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\n",
        "DTSTART:20261123T190000Z\n",
    ]
    .into_iter()
    .enumerate()
    {
        let text = event(&format!("UID:e{number}\n{lines}"));
        bed.put("sales", &format!("e{number}.ics"), &text).await.unwrap();
    }
    let found = of_sales(&bed, "2026-11-23T09:30:00Z", "2026-11-24T00:00:00Z").await;
    let wanted = [
        "BUSY 23T09:30/23T11:00",
        "BUSY_TENTATIVE 23T14:00/23T14:30",
        "BUSY 23T14:30/23T14:45",
        "BUSY_TENTATIVE 23T14:45/23T15:00",
        "BUSY_UNAVAILABLE 23T16:00/23T17:00",
    ];
    assert_eq!(found, wanted);
}

async fn c8_series_with_overrides_and_days_in_the_users_zone(bed: Bed) {
    let series = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Brussels:20261019T090000
DTEND;TZID=Europe/Brussels:20261019T100000
RRULE:FREQ=WEEKLY
EXDATE;TZID=Europe/Brussels:20261109T090000
END:VEVENT
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Europe/Brussels:20261102T090000
DTSTART;TZID=Europe/Brussels:20261103T140000
DTEND;TZID=Europe/Brussels:20261103T150000
END:VEVENT
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Europe/Brussels:20261116T090000
DTSTART;TZID=Europe/Brussels:20261116T090000
DTEND;TZID=Europe/Brussels:20261116T100000
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "s.ics", series).await.unwrap();
    // The clock goes back on 25 October.
    let found = of_sales(&bed, "2026-10-18T00:00:00Z", "2026-11-24T00:00:00Z").await;
    let wanted = [
        "BUSY 19T07:00/19T08:00",
        "BUSY 26T08:00/26T09:00",
        "BUSY 03T13:00/03T14:00",
        "BUSY 23T08:00/23T09:00",
    ];
    assert_eq!(found, wanted);
    // Far beyond the rows that are kept the text is read.
    let found = of_sales(&bed, "2031-06-01T00:00:00Z", "2031-06-03T00:00:00Z").await;
    assert_eq!(found, ["BUSY 02T07:00/02T08:00"]);
    let days = proto::Event { start: date("2026-12-24"), end: date("2026-12-26"), ..Default::default() };
    bed.create("sales", days).await;
    let found = of_sales(&bed, "2026-12-22T00:00:00Z", "2026-12-27T00:00:00Z").await;
    assert_eq!(found, ["BUSY 23T23:00/25T23:00"]);
}

async fn c8_an_override_that_changes_whether_it_is_busy_holds_for_its_instance(bed: Bed) {
    let series = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
DTSTART:20261123T090000Z
DTEND:20261123T100000Z
RRULE:FREQ=DAILY;COUNT=4
TRANSP:TRANSPARENT
END:VEVENT
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
RECURRENCE-ID:20261124T090000Z
DTSTART:20261124T090000Z
DTEND:20261124T093000Z
END:VEVENT
BEGIN:VEVENT
UID:s
DTSTAMP:20260101T000000Z
RECURRENCE-ID;RANGE=THISANDFUTURE:20261125T090000Z
DTSTART:20261125T110000Z
DTEND:20261125T120000Z
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "s.ics", series).await.unwrap();
    let found = of_sales(&bed, "2026-11-23T00:00:00Z", "2026-11-28T00:00:00Z").await;
    assert_eq!(found, ["BUSY 24T09:00/24T09:30", "BUSY 25T11:00/25T12:00", "BUSY 26T11:00/26T12:00"]);
    let alone = series
        [..series.find("BEGIN:VEVENT\nUID:s\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID;RANGE").unwrap()]
        .to_owned()
        + "END:VCALENDAR\n";
    bed.put("sales", "s.ics", &alone).await.unwrap();
    let found = of_sales(&bed, "2026-11-23T00:00:00Z", "2026-11-28T00:00:00Z").await;
    assert_eq!(found, ["BUSY 24T09:00/24T09:30"]);
}

async fn c8_all_calendars_that_count_and_no_others(bed: Bed) {
    let second = bed
        .calendars()
        .create_calendar(caller("sales").request(proto::CreateCalendarRequest {
            calendar: Some(proto::Calendar { display_name: "Private".to_owned(), ..Default::default() }),
            calendar_id: "private".to_owned(),
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    let request = proto::CreateEventRequest {
        parent: second.name.clone(),
        event: Some(meeting("dentist", "2026-11-23")),
        ..Default::default()
    };
    bed.events().create_event(caller("sales").request(request)).await.unwrap();
    bed.create("manager", meeting("other", "2026-11-24")).await;
    let range = ("2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z");
    assert_eq!(of_sales(&bed, range.0, range.1).await, ["BUSY 23T08:00/23T09:00"]);
    let request = kontor_proto::collection::v1::UpdateCollectionRequest {
        path: Some(kontor_proto::collection::v1::CollectionPath {
            owner: "sales".to_owned(),
            slug: "private".to_owned(),
        }),
        collection: Some(kontor_proto::collection::v1::Collection {
            transparent: true,
            ..Default::default()
        }),
        fields: vec!["transparent".to_owned()],
        ..Default::default()
    };
    bed.collections().update_collection(caller("sales").request(request)).await.unwrap();
    assert!(of_sales(&bed, range.0, range.1).await.is_empty());
    // Asked alone, the calendar still tells what stands in it; but only to who may see it.
    let alone = proto::QueryFreeBusyRequest { calendar: second.name, ..ask(&[], range.0, range.1) };
    let found = query(&bed, "sales", alone.clone()).await.unwrap();
    assert_eq!(shown(&found[0]), ["BUSY 23T08:00/23T09:00"]);
    assert_eq!(failure(query(&bed, "manager", alone).await).0, Code::NotFound);
}

async fn c8_across_users_in_one_call_and_an_event_that_is_being_moved_does_not_count(bed: Bed) {
    let event = bed
        .create("sales", proto::Event { uid: "shared".to_owned(), ..meeting("visit", "2026-11-23") })
        .await;
    bed.create("manager", proto::Event { uid: "shared".to_owned(), ..meeting("visit", "2026-11-23") }).await;
    bed.create("manager", meeting("review", "2026-11-24")).await;
    let people = ["users/manager", "users/me", "users/nobody", "unknown@example.com"];
    let request = ask(&people, "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z");
    let found = query(&bed, "sales", request.clone()).await.unwrap();
    assert_eq!(found.iter().map(|one| one.person.as_str()).collect::<Vec<_>>(), people);
    let users: Vec<&str> = found.iter().map(|one| one.user.as_str()).collect();
    assert_eq!(users, ["users/manager", "users/sales", "", ""]);
    assert_eq!(shown(&found[0]), ["BUSY 23T08:00/23T09:00", "BUSY 24T08:00/24T09:00"]);
    assert_eq!(shown(&found[1]), ["BUSY 23T08:00/23T09:00"]);
    assert!(found[2].busy.is_empty() && found[3].busy.is_empty());
    let moved = proto::QueryFreeBusyRequest { excluded_event: event.name.clone(), ..request.clone() };
    let found = query(&bed, "sales", moved.clone()).await.unwrap();
    assert_eq!(shown(&found[0]), ["BUSY 24T08:00/24T09:00"]);
    assert!(found[1].busy.is_empty());
    // Who may not see the event can't leave it out.
    assert_eq!(failure(query(&bed, "manager", moved).await).0, Code::NotFound);
    let stranger = free_busy(&bed).query_free_busy(request).await;
    assert_eq!(failure(stranger).0, Code::Unauthenticated);
}

async fn c8_questions_that_are_wrong_are_refused(bed: Bed) {
    let good = ask(&["users/sales"], "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
    let many = vec!["users/sales".to_owned(); 101];
    for bad in [
        ask(&["users/sales"], "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
        ask(&["users/sales"], "2026-11-23T00:00:00Z", "2027-11-25T00:00:00Z"),
        ask(&["sales"], "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        proto::QueryFreeBusyRequest { start_time: None, ..good.clone() },
        proto::QueryFreeBusyRequest { people: many, ..good },
    ] {
        assert_eq!(failure(query(&bed, "sales", bad).await).0, Code::InvalidArgument);
    }
}

async fn slots(bed: &Bed, request: proto::FindSlotsRequest) -> Result<Vec<String>, Status> {
    let found = free_busy(bed).find_slots(caller("sales").request(request)).await?.into_inner();
    Ok(found.slots.iter().map(|slot| instant(slot.start_time)[..16].to_owned()).collect())
}

async fn c8_a_slot_is_found_for_all_of_them_in_their_hours(bed: Bed) {
    // Both work from 9 to 17, sales in Brussels (UTC+1 then), manager in the company's zone.
    bed.create("sales", meeting("visit", "2026-11-23")).await;
    let busy = proto::Event {
        start: local("2026-11-23T10:00:00"),
        end: local("2026-11-23T16:10:00"),
        ..Default::default()
    };
    bed.create("sales", busy).await;
    let zone = |name: &str, zone: &str| proto::UpdateAvailabilityRequest {
        availability: Some(proto::Availability {
            name: format!("users/{name}/availability"),
            time_zone: zone.to_owned(),
            ..Default::default()
        }),
        update_mask: mask(&["time_zone"]),
        ..Default::default()
    };
    availability(&bed)
        .update_availability(caller("manager").request(zone("manager", "Europe/Lisbon")))
        .await
        .unwrap();
    let request = proto::FindSlotsRequest {
        people: vec!["users/sales".to_owned(), "users/manager".to_owned()],
        start_time: Some(time("2026-11-23T07:00:00Z")),
        end_time: Some(time("2026-11-27T00:00:00Z")),
        duration: Some(prost_types::Duration { seconds: 2_700, nanos: 0 }),
        count: 3,
        ..Default::default()
    };
    // 16:10 in Brussels is followed by 16:15; then sales goes home, and manager begins at 10 in Brussels.
    let found = slots(&bed, request.clone()).await.unwrap();
    assert_eq!(found, ["2026-11-23T15:15", "2026-11-24T09:00", "2026-11-24T09:45"]);
    let early = proto::FindSlotsRequest { outside_working_hours: true, ..request.clone() };
    assert_eq!(
        slots(&bed, early).await.unwrap(),
        ["2026-11-23T07:00", "2026-11-23T15:15", "2026-11-23T16:00"]
    );
    for bad in [
        proto::FindSlotsRequest { people: vec![], ..request.clone() },
        proto::FindSlotsRequest { people: vec!["users/nobody".to_owned()], ..request.clone() },
        proto::FindSlotsRequest { duration: None, ..request.clone() },
        proto::FindSlotsRequest { count: 101, ..request.clone() },
        proto::FindSlotsRequest { step_minutes: -1, ..request },
    ] {
        assert_eq!(failure(slots(&bed, bad).await).0, Code::InvalidArgument);
    }
}

async fn c12_working_hours_and_absences_are_told_and_followed(bed: Bed) {
    let get = async |login: &str| {
        let request = proto::GetAvailabilityRequest { name: "users/sales/availability".to_owned() };
        availability(&bed).get_availability(caller(login).request(request)).await.unwrap().into_inner()
    };
    let usual = get("manager").await;
    assert_eq!(
        (usual.hours.len(), usual.time_zone.as_str(), usual.etag.as_str()),
        (5, "Europe/Brussels", "")
    );
    assert!(usual.icalendar.is_empty(), "the text is only for its user");
    let hours = |day: proto::Weekday, start: &str, end: &str| proto::WorkingHours {
        day: day.into(),
        start: start.to_owned(),
        end: end.to_owned(),
    };
    let given = proto::Availability {
        name: "users/me/availability".to_owned(),
        hours: vec![
            hours(proto::Weekday::Monday, "08:00", "12:00"),
            hours(proto::Weekday::Monday, "13:00", "16:30"),
            hours(proto::Weekday::Tuesday, "08:00", "12:00"),
        ],
        absences: vec![proto::Absence {
            start: date("2026-11-24"),
            end: date("2026-11-25"),
            summary: "Doctor".to_owned(),
        }],
        ..Default::default()
    };
    let request = |given: proto::Availability| proto::UpdateAvailabilityRequest {
        availability: Some(given),
        ..Default::default()
    };
    let update = async |login: &str, given: proto::Availability| {
        availability(&bed).update_availability(caller(login).request(request(given))).await
    };
    let kept = update("sales", given.clone()).await.unwrap().into_inner();
    assert_eq!((&kept.hours, &kept.absences), (&given.hours, &given.absences));
    // A colleague sees the hours and when sales is away, but not why.
    let seen = get("manager").await;
    assert_eq!(seen.hours, given.hours);
    assert_eq!((seen.absences[0].start.clone(), seen.absences[0].summary.as_str()), (date("2026-11-24"), ""));

    bed.create("sales", meeting("visit", "2026-11-23")).await;
    let (from, to) = ("2026-11-22T23:00:00Z", "2026-11-25T23:00:00Z");
    assert_eq!(
        of_sales(&bed, from, to).await,
        ["BUSY 23T08:00/23T09:00", "BUSY_UNAVAILABLE 23T23:00/24T23:00"]
    );
    let asked = proto::QueryFreeBusyRequest { with_working_hours: true, ..ask(&["users/sales"], from, to) };
    let found = query(&bed, "manager", asked).await.unwrap();
    let wanted = [
        "BUSY_UNAVAILABLE 22T23:00/23T07:00",
        "BUSY 23T08:00/23T09:00",
        "BUSY_UNAVAILABLE 23T11:00/23T12:00",
        "BUSY_UNAVAILABLE 23T15:30/25T23:00",
    ];
    assert_eq!(shown(&found[0]), wanted);
    // Stated hours are those of people who have said them; the others are only busy.
    let people = ["users/sales", "users/manager"];
    let asked = proto::QueryFreeBusyRequest { with_stated_hours: true, ..ask(&people, from, to) };
    let found = query(&bed, "manager", asked).await.unwrap();
    assert_eq!(shown(&found[0]), wanted);
    assert_eq!(shown(&found[1]), [""; 0]);

    // Others may not write it, a stale version is refused, and a user who is not there has none.
    let others = proto::Availability { name: "users/sales/availability".to_owned(), ..given.clone() };
    assert_eq!(failure(update("manager", others).await).0, Code::PermissionDenied);
    let stale = proto::Availability { etag: "old".to_owned(), ..given.clone() };
    assert_eq!(failure(update("sales", stale).await).0, Code::Aborted);
    let nobody = proto::Availability { name: "users/nobody/availability".to_owned(), ..given.clone() };
    assert_eq!(failure(update("admin", nobody).await).0, Code::NotFound);
    let backwards =
        proto::Availability { hours: vec![hours(proto::Weekday::Friday, "12:00", "08:00")], ..given };
    assert_eq!(failure(update("sales", backwards).await).0, Code::InvalidArgument);
}

async fn c12_hours_that_a_program_wrote_are_followed_and_kept(bed: Bed) {
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//other//EN\r\nBEGIN:VAVAILABILITY\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
        X-OTHER:kept\r\nBEGIN:AVAILABLE\r\nUID:b\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261123T060000Z\r\nDTEND:20261123T070000Z\r\n\
        RRULE:FREQ=DAILY;INTERVAL=2\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n";
    let given = proto::Availability {
        name: "users/me/availability".to_owned(),
        icalendar: text.as_bytes().to_vec().into(),
        ..Default::default()
    };
    let update = async |given: proto::Availability| {
        let request = proto::UpdateAvailabilityRequest { availability: Some(given), ..Default::default() };
        availability(&bed).update_availability(caller("sales").request(request)).await
    };
    let kept = update(given.clone()).await.unwrap().into_inner();
    assert_eq!(kept.icalendar, text.as_bytes());
    assert!(kept.custom && kept.hours.is_empty());
    let asked = proto::QueryFreeBusyRequest {
        with_working_hours: true,
        ..ask(&["users/sales"], "2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z")
    };
    let found = query(&bed, "manager", asked).await.unwrap();
    assert_eq!(
        shown(&found[0]),
        ["BUSY_UNAVAILABLE 24T00:00/25T06:00", "BUSY_UNAVAILABLE 25T07:00/26T00:00"]
    );
    // An absence alone would lose them.
    let away = proto::Availability {
        name: "users/me/availability".to_owned(),
        absences: vec![proto::Absence {
            start: date("2026-12-01"),
            end: date("2026-12-02"),
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(failure(update(away).await), (Code::FailedPrecondition, "CUSTOM_AVAILABILITY".to_owned()));
    let broken = proto::Availability { icalendar: b"BEGIN:VCARD".to_vec().into(), ..given };
    assert_eq!(failure(update(broken).await).0, Code::InvalidArgument);
}
