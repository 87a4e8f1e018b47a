//! ListOccurrences: edges of ranges, days, weeks with a change of the clock, recurrence, pages (rows C1, C2, C3, C6).

use kontor_kit::auth::Caller;
use kontor_kit::clock::to_proto;
use kontor_proto::calendar::v1 as proto;
use kontor_testbed::{admin, failure, user};
use tonic::Code;

use crate::support::{Bed, date, instant, local, meeting, micros};

kontor_testbed::on_both! { Bed;
    c1_what_ends_at_the_start_is_out_and_what_spans_it_is_in,
    c1_a_week_with_a_change_of_the_clock_has_its_own_hours,
    c2_three_days_are_dates_with_an_exclusive_end,
    days_follow_the_zone_of_the_calendar,
    c3_each_user_has_a_colour_and_the_filter_shows_only_theirs,
    c6_rules_dates_exceptions_and_overrides_together,
    two_instances_in_the_same_moment_are_both_there,
    what_holds_for_all_later_instances_describes_them,
    an_endless_series_is_there_in_every_year,
    a_dense_series_is_cut_off_by_pages_not_by_loss,
    pages_go_on_where_the_last_one_ended,
    bad_ranges_are_refused,
}

async fn c1_what_ends_at_the_start_is_out_and_what_spans_it_is_in(bed: Bed) {
    for (summary, start, end) in [
        ("ends at start", "2026-11-23T08:00:00", "2026-11-23T09:00:00"),
        ("spans start", "2026-11-23T08:00:00", "2026-11-23T09:00:01"),
        ("spans all", "2026-11-20T08:00:00", "2026-11-28T09:00:00"),
        ("begins at end", "2026-11-23T18:00:00", "2026-11-23T19:00:00"),
        ("spans end", "2026-11-23T17:59:59", "2026-11-23T19:00:00"),
    ] {
        let event = proto::Event {
            summary: summary.to_owned(),
            start: local(start),
            end: local(end),
            ..proto::Event::default()
        };
        bed.create("sales", event).await;
    }
    for (summary, start) in
        [("nothing at start", "2026-11-23T09:00:00"), ("nothing at end", "2026-11-23T18:00:00")]
    {
        let event =
            proto::Event { summary: summary.to_owned(), start: local(start), ..proto::Event::default() };
        bed.create("sales", event).await;
    }
    let found = bed.occurrences("sales", "2026-11-23T08:00:00Z", "2026-11-23T17:00:00Z", 0).await;
    let titles: Vec<&str> = found.iter().map(|one| one.summary.as_str()).collect();
    assert_eq!(titles, ["spans all", "spans start", "nothing at start", "spans end"]);
    let empty = found.iter().find(|one| one.summary == "nothing at start").unwrap();
    assert_eq!(empty.start_time, empty.end_time);
}

async fn c1_a_week_with_a_change_of_the_clock_has_its_own_hours(bed: Bed) {
    // In Brussels the clock goes back on 2026-10-25 at 03:00, and forward on 2027-03-28 at 02:00.
    let daily = |summary: &str, start: &str, end: &str| proto::Event {
        recurrence_rule: "FREQ=DAILY".to_owned(),
        start: local(start),
        end: local(end),
        summary: summary.to_owned(),
        ..proto::Event::default()
    };
    bed.create("sales", daily("standup", "2026-10-01T09:00:00", "2026-10-01T10:00:00")).await;
    bed.create("sales", daily("night", "2027-03-01T02:30:00", "2027-03-01T03:30:00")).await;
    let found = bed.titles("sales", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z").await;
    assert_eq!(
        found,
        ["standup 2026-10-24T07:00:00Z", "standup 2026-10-25T08:00:00Z", "standup 2026-10-26T08:00:00Z"]
    );
    // The week is an hour longer: Monday 00:00 to Monday 00:00 is 169 hours.
    let found = bed.titles("sales", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z").await;
    assert_eq!(found.len(), 7);
    // 02:30 does not exist on 2027-03-28; it is read with the offset before the gap (RFC 5545 section 3.3.5).
    let found = bed.titles("sales", "2027-03-26T23:00:00Z", "2027-03-29T22:00:00Z").await;
    let night: Vec<_> = found.iter().filter(|title| title.starts_with("night")).collect();
    assert_eq!(
        night,
        ["night 2027-03-27T01:30:00Z", "night 2027-03-28T01:30:00Z", "night 2027-03-29T00:30:00Z"]
    );
}

async fn c2_three_days_are_dates_with_an_exclusive_end(bed: Bed) {
    let event = proto::Event {
        summary: "fair".to_owned(),
        start: date("2026-11-23"),
        end: date("2026-11-26"),
        ..proto::Event::default()
    };
    let event = bed.create("sales", event).await;
    let event = bed.event("sales", &event.name).await;
    let text = crate::support::text(&event.icalendar);
    assert!(text.contains("DTSTART;VALUE=DATE:20261123\r\n"), "{text}");
    assert!(text.contains("DTEND;VALUE=DATE:20261126\r\n"), "{text}");
    let found = bed.occurrences("sales", "2026-11-25T12:00:00Z", "2026-11-25T13:00:00Z", 0).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].all_day);
    assert_eq!(instant(found[0].start_time), "2026-11-22T23:00:00Z");
    assert_eq!(instant(found[0].end_time), "2026-11-25T23:00:00Z");
    assert!(bed.titles("sales", "2026-11-25T23:00:00Z", "2026-11-26T23:00:00Z").await.is_empty());
    assert!(bed.titles("sales", "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z").await.is_empty());
}

async fn days_follow_the_zone_of_the_calendar(bed: Bed) {
    let event =
        proto::Event { summary: "holiday".to_owned(), start: date("2026-11-23"), ..proto::Event::default() };
    bed.create("sales", event).await;
    assert_eq!(
        bed.titles("sales", "2026-11-22T00:00:00Z", "2026-11-25T00:00:00Z").await,
        ["holiday 2026-11-22T23:00:00Z"]
    );
    let calendar = proto::Calendar {
        name: bed.work("sales").await,
        time_zone: "America/New_York".to_owned(),
        ..proto::Calendar::default()
    };
    let request = proto::UpdateCalendarRequest { calendar: Some(calendar), ..Default::default() };
    let calendar =
        bed.calendars().update_calendar(user("sales").request(request)).await.unwrap().into_inner();
    assert_eq!(calendar.time_zone, "America/New_York");
    assert_eq!(
        bed.titles("sales", "2026-11-22T00:00:00Z", "2026-11-25T00:00:00Z").await,
        ["holiday 2026-11-23T05:00:00Z"]
    );
}

async fn c3_each_user_has_a_colour_and_the_filter_shows_only_theirs(bed: Bed) {
    bed.create("sales", meeting("visit", "2026-11-23")).await;
    bed.create("manager", meeting("review", "2026-11-23")).await;
    let request = |owners: &[&str]| proto::ListOccurrencesRequest {
        parent: "calendars/-".to_owned(),
        start_time: Some(to_proto(micros("2026-11-23T00:00:00Z"))),
        end_time: Some(to_proto(micros("2026-11-24T00:00:00Z"))),
        owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        ..proto::ListOccurrencesRequest::default()
    };
    let list = async |caller: Caller, owners: &[&str]| {
        let found = bed.events().list_occurrences(caller.request(request(owners))).await.unwrap();
        found.into_inner().occurrences
    };
    let all = list(admin(), &[]).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().find(|one| one.owner == "users/sales").unwrap().color, "#112233");
    let manager = all.iter().find(|one| one.owner == "users/manager").unwrap();
    assert!(manager.color.len() == 7 && manager.color != "#112233", "{}", manager.color);
    assert_eq!(list(admin(), &["users/manager"]).await, vec![manager.clone()]);
    // Others' calendars are not seen, named or not.
    assert!(list(user("sales"), &[]).await.iter().all(|one| one.owner == "users/sales"));
    assert!(list(user("sales"), &["users/manager"]).await.is_empty());
}

async fn c6_rules_dates_exceptions_and_overrides_together(bed: Bed) {
    let text = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:series
DTSTAMP:20260101T000000Z
DTSTART;TZID=America/New_York:20261102T100000
DTEND;TZID=America/New_York:20261102T110000
RRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=6
RDATE;TZID=America/New_York:20261110T150000
EXDATE;TZID=America/New_York:20261105T100000
SUMMARY:call
END:VEVENT
BEGIN:VEVENT
UID:series
RECURRENCE-ID;TZID=America/New_York:20261109T100000
DTSTAMP:20260101T000000Z
DTSTART;TZID=America/New_York:20261113T080000
DTEND;TZID=America/New_York:20261113T083000
SUMMARY:call moved
STATUS:CANCELLED
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "series.ics", text).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 2).await;
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.summary.as_str(), instant(one.start_time), instant(one.original_start_time)))
        .collect();
    let wanted = [
        ("call", "2026-11-02T15:00:00Z", "2026-11-02T15:00:00Z"),
        ("call", "2026-11-10T20:00:00Z", "2026-11-10T20:00:00Z"),
        ("call", "2026-11-12T15:00:00Z", "2026-11-12T15:00:00Z"),
        ("call moved", "2026-11-13T13:00:00Z", "2026-11-09T15:00:00Z"),
        ("call", "2026-11-16T15:00:00Z", "2026-11-16T15:00:00Z"),
        ("call", "2026-11-19T15:00:00Z", "2026-11-19T15:00:00Z"),
    ];
    assert_eq!(seen, wanted.map(|(title, start, original)| (title, start.to_owned(), original.to_owned())));
    assert_eq!(found[3].status, i32::from(proto::EventStatus::Cancelled));
}

async fn two_instances_in_the_same_moment_are_both_there(bed: Bed) {
    let text = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:twice
DTSTAMP:20260101T000000Z
DTSTART:20261123T090000Z
DTEND:20261123T100000Z
RRULE:FREQ=DAILY;COUNT=3
SUMMARY:daily
END:VEVENT
BEGIN:VEVENT
UID:twice
RECURRENCE-ID:20261124T090000Z
DTSTAMP:20260101T000000Z
DTSTART:20261125T090000Z
DTEND:20261125T110000Z
SUMMARY:moved
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "twice.ics", text).await.unwrap();
    let found = bed.occurrences("sales", "2026-11-23T00:00:00Z", "2026-11-27T00:00:00Z", 1).await;
    let seen: Vec<_> = found.iter().map(|one| format!("{} {}", one.summary, instant(one.end_time))).collect();
    assert_eq!(
        seen,
        ["daily 2026-11-23T10:00:00Z", "moved 2026-11-25T11:00:00Z", "daily 2026-11-25T10:00:00Z"]
    );
}

async fn what_holds_for_all_later_instances_describes_them(bed: Bed) {
    let text = "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:future
DTSTAMP:20260101T000000Z
DTSTART:20261123T090000Z
DURATION:PT1H
RRULE:FREQ=DAILY;COUNT=4
SUMMARY:old
END:VEVENT
BEGIN:VEVENT
UID:future
RECURRENCE-ID;RANGE=THISANDFUTURE:20261125T090000Z
DTSTAMP:20260101T000000Z
DTSTART:20261125T110000Z
DURATION:PT1H
SUMMARY:new
END:VEVENT
END:VCALENDAR
";
    bed.put("sales", "future.ics", text).await.unwrap();
    let found = bed.titles("sales", "2026-11-23T00:00:00Z", "2026-11-28T00:00:00Z").await;
    let wanted = [
        "old 2026-11-23T09:00:00Z",
        "old 2026-11-24T09:00:00Z",
        "new 2026-11-25T11:00:00Z",
        "new 2026-11-26T11:00:00Z",
    ];
    assert_eq!(found, wanted);
}

async fn an_endless_series_is_there_in_every_year(bed: Bed) {
    let event = proto::Event { recurrence_rule: "FREQ=DAILY".to_owned(), ..meeting("daily", "2001-01-01") };
    bed.create("sales", event).await;
    for (from, to, first) in [
        ("2001-01-03T00:00:00Z", "2001-01-06T00:00:00Z", "2001-01-03T08:00:00Z"),
        ("2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z", "2026-11-23T08:00:00Z"),
        ("2049-07-01T00:00:00Z", "2049-07-04T00:00:00Z", "2049-07-01T07:00:00Z"),
    ] {
        let found = bed.titles("sales", from, to).await;
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], format!("daily {first}"));
    }
    // A range that begins inside of the rows and ends behind them.
    let found = bed.occurrences("sales", "2027-11-01T00:00:00Z", "2028-10-31T00:00:00Z", 100).await;
    assert_eq!(found.len(), 365);
    bed.set_clock("2028-11-23T08:00:00Z");
    assert_eq!(bed.titles("sales", "2028-12-01T00:00:00Z", "2028-12-03T00:00:00Z").await.len(), 2);
}

async fn a_dense_series_is_cut_off_by_pages_not_by_loss(bed: Bed) {
    let event = proto::Event {
        summary: "tick".to_owned(),
        start: local("2026-11-23T00:00:00"),
        recurrence_rule: "FREQ=MINUTELY".to_owned(),
        ..proto::Event::default()
    };
    bed.create("sales", event).await;
    let found = bed.occurrences("sales", "2026-11-30T00:00:00Z", "2026-11-30T10:00:00Z", 250).await;
    assert_eq!(found.len(), 600);
    let mut starts: Vec<_> = found.iter().map(|one| one.start_time.unwrap().seconds).collect();
    starts.dedup();
    assert_eq!(starts.len(), 600);
    assert!(starts.is_sorted());
}

async fn pages_go_on_where_the_last_one_ended(bed: Bed) {
    for day in 10..30 {
        bed.create("sales", meeting(&format!("m{day}"), &format!("2026-11-{day}"))).await;
        let day_off = proto::Event {
            summary: format!("d{day}"),
            start: date(&format!("2026-11-{day}")),
            ..proto::Event::default()
        };
        bed.create("sales", day_off).await;
    }
    let whole = bed.occurrences("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 0).await;
    assert_eq!(whole.len(), 40);
    assert_eq!(bed.occurrences("sales", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 3).await, whole);
}

async fn bad_ranges_are_refused(bed: Bed) {
    let ask = async |from: &str, to: &str, token: &str| {
        let request = proto::ListOccurrencesRequest {
            parent: "calendars/-".to_owned(),
            start_time: Some(to_proto(micros(from))),
            end_time: Some(to_proto(micros(to))),
            page_token: token.to_owned(),
            ..proto::ListOccurrencesRequest::default()
        };
        failure(bed.events().list_occurrences(user("sales").request(request)).await).0
    };
    assert_eq!(ask("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "").await, Code::InvalidArgument);
    assert_eq!(ask("2026-11-23T00:00:00Z", "2028-11-23T00:00:00Z", "").await, Code::InvalidArgument);
    assert_eq!(ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "nonsense").await, Code::InvalidArgument);
}
