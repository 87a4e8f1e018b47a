//! Other times that guests propose (RFC 5546 sections 3.2.7 and 3.2.8): row C7.

use kontor_kit::error::reason;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::collection::v1 as store;
use kontor_testbed::{failure, user};
use tonic::{Code, Status};

use crate::scheduling::{
    MANAGER, SALES, all, component, copy, delete, inbox, meeting, object, published, weekly,
};
use crate::support::{Bed, instant, local, time};

kontor_testbed::on_both! { Bed;
    c7_a_guest_proposes_another_time_and_the_organizer_accepts,
    c7_a_declined_proposal_is_told_and_a_moved_meeting_ends_those_before,
    c7_one_instance_of_a_series_is_proposed_elsewhere,
    c7_who_is_not_invited_proposes_nothing_and_nobody_proposes_without_end,
    c7_a_proposal_to_an_organizer_outside_goes_by_mail,
    c7_proposals_go_with_the_meeting_and_with_the_guest,
    c7_an_accepted_time_leaves_a_newer_place,
    c7_proposals_follow_a_meeting_into_another_calendar,
    d9_a_message_that_is_forced_by_no_method_is_marked,
    d9_a_copy_that_becomes_an_event_of_its_own_is_declined,
    c7_a_partner_has_a_meeting_once_whatever_becomes_of_the_copies,
}

/// Name of the only event in a user's calendar.
pub async fn event_of(bed: &Bed, login: &str) -> String {
    let request = proto::ListEventsRequest { parent: "calendars/default".to_owned(), ..Default::default() };
    let found = bed.events().list_events(user(login).request(request)).await.unwrap().into_inner();
    assert_eq!(found.events.len(), 1, "{found:#?}");
    found.events[0].name.clone()
}

/// A proposal to meet on the first of December, 14:00 to 15:30 in Brussels.
fn wish(name: &str) -> proto::ProposeTimeRequest {
    proto::ProposeTimeRequest {
        name: name.to_owned(),
        start: local("2026-12-01T14:00:00"),
        end: local("2026-12-01T15:30:00"),
        comment: "Could we, please?".to_owned(),
        ..Default::default()
    }
}

async fn propose(
    bed: &Bed,
    login: &str,
    request: proto::ProposeTimeRequest,
) -> Result<proto::Proposal, Status> {
    Ok(bed.proposals().propose_time(user(login).request(request)).await?.into_inner())
}

pub async fn open(bed: &Bed, login: &str, parent: &str) -> Vec<proto::Proposal> {
    let request = proto::ListProposalsRequest { parent: parent.to_owned() };
    bed.proposals().list_proposals(user(login).request(request)).await.unwrap().into_inner().proposals
}

fn why(outcome: Result<proto::Proposal, Status>) -> String {
    reason(&outcome.unwrap_err()).unwrap_or_default().0
}

async fn accept(bed: &Bed, login: &str, name: &str, request_id: &str) -> Result<proto::Event, Status> {
    let request = proto::AcceptProposalRequest { name: name.to_owned(), request_id: request_id.to_owned() };
    Ok(bed.proposals().accept_proposal(user(login).request(request)).await?.into_inner())
}

async fn c7_a_guest_proposes_another_time_and_the_organizer_accepts(bed: Bed) {
    bed.user("third", "", "").await;
    let third = MANAGER.replace("manager", "third");
    let zoned = meeting(&format!("{SALES}{MANAGER}{third}"))
        .replace("DTSTART:20261130T090000Z", "DTSTART;TZID=America/New_York:20261130T040000")
        .replace("DTEND:20261130T100000Z", "DTEND;TZID=America/New_York:20261130T050000");
    bed.put("sales", "m.ics", &zoned).await.unwrap();
    let (own, theirs) = (event_of(&bed, "sales").await, event_of(&bed, "manager").await);
    let request = proto::ProposeTimeRequest {
        location: "Room 2".to_owned(),
        request_id: "once".to_owned(),
        ..wish(&theirs)
    };
    let made = propose(&bed, "manager", request.clone()).await.unwrap();
    assert_eq!((made.name.as_str(), made.attendee.as_str()), ("", "manager@kontor.test"));
    propose(&bed, "manager", request).await.unwrap();
    // The same again has no effect; the organizer finds it in the inbox, in the list, and in the change stream.
    assert_eq!(inbox(&bed, "sales").await, ["COUNTER"]);
    let message = all(&bed, "sales", "inbox").await.remove(0);
    for part in
        ["UID:m", "DTSTART;TZID=Europe/Brussels:20261201T140000", "LOCATION:Room 2", "COMMENT:Could we"]
    {
        assert!(message.has(part), "{}", message.text);
    }
    assert!(copy(&bed, "sales").await.has("T040000"), "nothing has moved");
    let countered = published::<proto::MeetingCountered>(&bed).await;
    assert_eq!(countered.len(), 1);
    assert_eq!(instant(countered[0].start_time), "2026-12-01T13:00:00Z");
    let found = open(&bed, "sales", &own).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].location.as_str(), found[0].comment.as_str()), ("Room 2", "Could we, please?"));
    assert!(open(&bed, "manager", &theirs).await.is_empty(), "they stand at the organizer's event");
    // A guest does not decide, and a neighbour knows nothing of it.
    for login in ["manager", "third"] {
        assert_eq!(failure(accept(&bed, login, &found[0].name, "").await).0, Code::NotFound);
    }
    let event = accept(&bed, "sales", &found[0].name, "yes").await.unwrap();
    assert_eq!(event.location, "Room 2");
    // A repeat gets the first answer; a new request finds nothing open.
    assert_eq!(accept(&bed, "sales", &found[0].name, "yes").await.unwrap().etag, event.etag);
    assert_eq!(failure(accept(&bed, "sales", &found[0].name, "").await).0, Code::NotFound);
    for login in ["sales", "manager", "third"] {
        let found = copy(&bed, login).await;
        // 14:00 in Brussels, in the zone of the meeting.
        assert!(found.has("DTSTART;TZID=America/New_York:20261201T080000"), "{}", found.text);
        assert!(found.has("SEQUENCE:1") && found.has("LOCATION:Room 2"), "{}", found.text);
    }
    assert_eq!(inbox(&bed, "third").await, ["REQUEST", "REQUEST"]);
    assert!(copy(&bed, "sales").await.line("manager@").contains("NEEDS-ACTION"));
}

async fn c7_a_declined_proposal_is_told_and_a_moved_meeting_ends_those_before(bed: Bed) {
    let text = meeting(&format!("{SALES}{MANAGER}"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let (own, theirs) = (event_of(&bed, "sales").await, event_of(&bed, "manager").await);
    propose(&bed, "manager", wish(&theirs)).await.unwrap();
    // A second one takes the place of the first.
    let later = proto::ProposeTimeRequest { start: local("2026-12-02T09:00:00"), end: None, ..wish(&theirs) };
    propose(&bed, "manager", later).await.unwrap();
    let found = open(&bed, "sales", &own).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].end, local("2026-12-02T10:00:00"), "it lasts as long as before");
    let before = copy(&bed, "manager").await.etag;
    let decline = proto::DeclineProposalRequest {
        name: found[0].name.clone(),
        comment: "No room, sorry".to_owned(),
        request_id: "no".to_owned(),
    };
    let refused = bed.proposals().decline_proposal(user("manager").request(decline.clone())).await;
    assert_eq!(failure(refused).0, Code::NotFound);
    for _ in 0..2 {
        bed.proposals().decline_proposal(user("sales").request(decline.clone())).await.unwrap();
    }
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "DECLINECOUNTER"]);
    let told = all(&bed, "manager", "inbox").await.pop().unwrap();
    assert!(told.has("COMMENT:No room\\, sorry") && told.has("UID:m"), "{}", told.text);
    assert_eq!(copy(&bed, "manager").await.etag, before, "the meeting is what it was");
    assert!(open(&bed, "sales", &own).await.is_empty());
    // A change of the title leaves a proposal open, a new time ends it.
    propose(&bed, "manager", wish(&theirs)).await.unwrap();
    let renamed = text.replace("SUMMARY:Plan", "SUMMARY:Plan B");
    bed.put("sales", "m.ics", &renamed).await.unwrap();
    assert_eq!(open(&bed, "sales", &own).await.len(), 1);
    bed.put("sales", "m.ics", &renamed.replace("T090000Z", "T080000Z")).await.unwrap();
    assert!(open(&bed, "sales", &own).await.is_empty());
}

async fn c7_one_instance_of_a_series_is_proposed_elsewhere(bed: Bed) {
    bed.put("sales", "m.ics", &object(&[weekly(&format!("{SALES}{MANAGER}"))])).await.unwrap();
    let (own, theirs) = (event_of(&bed, "sales").await, event_of(&bed, "manager").await);
    let one = proto::ProposeTimeRequest {
        original_start_time: Some(time("2026-12-07T09:00:00Z")),
        start: local("2026-12-08T14:00:00"),
        end: None,
        ..wish(&theirs)
    };
    let none =
        proto::ProposeTimeRequest { original_start_time: Some(time("2026-12-08T09:00:00Z")), ..one.clone() };
    assert_eq!(failure(propose(&bed, "manager", none).await).0, Code::NotFound);
    propose(&bed, "manager", one).await.unwrap();
    let found = open(&bed, "sales", &own).await;
    assert_eq!(instant(found[0].original_start_time), "2026-12-07T09:00:00Z");
    assert!(all(&bed, "sales", "inbox").await[0].has("RECURRENCE-ID:20261207T090000Z"));
    let event = accept(&bed, "sales", &found[0].name, "").await.unwrap();
    assert_eq!(event.override_count, 1);
    for login in ["sales", "manager"] {
        let shown = bed.titles(login, "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z").await;
        let times = ["11-30T09", "12-08T13", "12-14T09", "12-21T09"];
        assert_eq!(shown, times.map(|at| format!("Plan 2026-{at}:00:00Z")), "{login}");
    }
    // All of the series: it stays where its zone puts it, and the instance that was moved stays moved.
    let all_of_it =
        proto::ProposeTimeRequest { start: local("2026-11-30T11:00:00"), end: None, ..wish(&theirs) };
    propose(&bed, "manager", all_of_it).await.unwrap();
    let found = open(&bed, "sales", &own).await;
    accept(&bed, "sales", &found[0].name, "").await.unwrap();
    let shown = bed.titles("manager", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z").await;
    let times = ["11-30T10", "12-08T13", "12-14T10", "12-21T10"];
    assert_eq!(shown, times.map(|at| format!("Plan 2026-{at}:00:00Z")));
}

async fn c7_who_is_not_invited_proposes_nothing_and_nobody_proposes_without_end(bed: Bed) {
    bed.user("third", "", "").await;
    let days = weekly(&format!("{SALES}{MANAGER}")).replace("WEEKLY;COUNT=4", "DAILY;COUNT=30");
    bed.put("sales", "m.ics", &object(&[days])).await.unwrap();
    let (own, theirs) = (event_of(&bed, "sales").await, event_of(&bed, "manager").await);
    assert_eq!(failure(propose(&bed, "third", wish(&theirs)).await).0, Code::NotFound);
    assert_eq!(failure(propose(&bed, "third", wish(&own)).await).0, Code::NotFound);
    assert_eq!(why(propose(&bed, "sales", wish(&own)).await), "NOT_INVITED", "the organizer moves it");
    bed.put(
        "third",
        "t.ics",
        &object(&[component("DTSTART:20261130T090000Z\nSUMMARY:Mine\n")]).replace("UID:m", "UID:t"),
    )
    .await
    .unwrap();
    assert_eq!(why(propose(&bed, "third", wish(&event_of(&bed, "third").await)).await), "NOT_INVITED");
    for bad in [
        proto::ProposeTimeRequest { start: None, end: None, ..wish(&theirs) },
        proto::ProposeTimeRequest { end: local("2026-12-01T14:00:00"), ..wish(&theirs) },
        proto::ProposeTimeRequest { location: "x".repeat(1_001), ..wish(&theirs) },
        proto::ProposeTimeRequest { comment: "x".repeat(10_001), ..wish(&theirs) },
        wish("calendars/x"),
    ] {
        assert_eq!(failure(propose(&bed, "manager", bad).await).0, Code::InvalidArgument);
    }
    for day in 0..21 {
        let start = jiff::Timestamp::from_second(1_796_029_200 + day * 86_400).unwrap();
        let one = proto::ProposeTimeRequest {
            original_start_time: Some(time(&start.to_string())),
            start: local("2027-12-08T14:00:00"),
            end: None,
            ..wish(&theirs)
        };
        let outcome = propose(&bed, "manager", one).await;
        if day < 20 {
            outcome.unwrap();
        } else {
            assert_eq!(why(outcome), "TOO_MANY_PROPOSALS");
        }
    }
    assert_eq!(open(&bed, "sales", &own).await.len(), 20);
    let parent = proto::ListProposalsRequest { parent: own.clone() };
    let refused = bed.proposals().list_proposals(user("third").request(parent)).await;
    assert_eq!(failure(refused).0, Code::NotFound);
}

async fn c7_a_proposal_to_an_organizer_outside_goes_by_mail(bed: Bed) {
    let text = meeting(&format!("{SALES}{MANAGER}")).replace("sales@kontor.test", "boss@example.com");
    bed.put("manager", "x.ics", &text).await.unwrap();
    let theirs = event_of(&bed, "manager").await;
    propose(&bed, "manager", wish(&theirs)).await.unwrap();
    let sent = published::<proto::SchedulingMessage>(&bed).await.pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.recipients[0].as_str()), ("COUNTER", "boss@example.com"));
    assert_eq!(sent.sender, "manager@kontor.test");
    let text = String::from_utf8(sent.icalendar.to_vec()).unwrap();
    for part in ["METHOD:COUNTER", "BEGIN:VTIMEZONE", "mailto:manager@kontor.test", "20261201T140000"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(published::<proto::MeetingCountered>(&bed).await.is_empty());
}

async fn c7_proposals_go_with_the_meeting_and_with_the_guest(bed: Bed) {
    bed.user("third", "", "").await;
    let third = MANAGER.replace("manager", "third");
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{third}"))).await.unwrap();
    let own = event_of(&bed, "sales").await;
    for login in ["manager", "third"] {
        propose(&bed, login, wish(&event_of(&bed, login).await)).await.unwrap();
    }
    assert_eq!(open(&bed, "sales", &own).await.len(), 2);
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let left = open(&bed, "sales", &own).await;
    assert_eq!(left.iter().map(|one| one.attendee.as_str()).collect::<Vec<_>>(), ["manager@kontor.test"]);
    delete(&bed, "sales", "m.ics", false).await;
    let gone = propose(&bed, "manager", wish(&event_of(&bed, "manager").await)).await;
    assert_eq!(why(gone), "NO_SUCH_MEETING");
    assert_eq!(failure(accept(&bed, "sales", &left[0].name, "").await).0, Code::NotFound);
}

async fn c7_an_accepted_time_leaves_a_newer_place(bed: Bed) {
    let text = meeting(&format!("{SALES}{MANAGER}LOCATION:Hall\n"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let own = event_of(&bed, "sales").await;
    let made = propose(&bed, "manager", wish(&event_of(&bed, "manager").await)).await.unwrap();
    assert_eq!(made.location, "");
    bed.put("sales", "m.ics", &text.replace("LOCATION:Hall", "LOCATION:Garden")).await.unwrap();
    let found = open(&bed, "sales", &own).await;
    assert_eq!(found[0].location, "");
    let event = accept(&bed, "sales", &found[0].name, "").await.unwrap();
    assert_eq!(event.location, "Garden");
    // A meeting that nobody organizes any more has no proposals.
    let later = proto::ProposeTimeRequest {
        start: local("2026-12-03T14:00:00"),
        end: None,
        ..wish(&event_of(&bed, "manager").await)
    };
    propose(&bed, "manager", later).await.unwrap();
    assert_eq!(open(&bed, "sales", &own).await.len(), 1);
    let text = copy(&bed, "sales").await.text;
    let organizer = copy(&bed, "sales").await.line("ORGANIZER");
    bed.put("sales", "m.ics", &text.replace(&format!("{organizer}\n"), "")).await.unwrap();
    assert!(open(&bed, "sales", &own).await.is_empty());
}

async fn c7_proposals_follow_a_meeting_into_another_calendar(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let own = event_of(&bed, "sales").await;
    propose(&bed, "manager", wish(&event_of(&bed, "manager").await)).await.unwrap();
    let request = proto::CreateCalendarRequest {
        calendar: Some(proto::Calendar { display_name: "Two".to_owned(), ..Default::default() }),
        calendar_id: "two".to_owned(),
        ..Default::default()
    };
    let two = bed.calendars().create_calendar(user("sales").request(request)).await.unwrap().into_inner();
    let path = |slug: &str| Some(store::CollectionPath { owner: "sales".to_owned(), slug: slug.to_owned() });
    let request = store::MoveObjectRequest {
        path: path("work"),
        name: "m.ics".to_owned(),
        to_path: path("two"),
        to_name: "m.ics".to_owned(),
        ..Default::default()
    };
    bed.collections().move_object(user("sales").request(request)).await.unwrap();
    let moved = format!("{}/events/{}", two.name, own.rsplit('/').next().unwrap());
    assert_eq!(open(&bed, "sales", &moved).await.len(), 1);
}

async fn d9_a_message_that_is_forced_by_no_method_is_marked(bed: Bed) {
    let forced = MANAGER.replace("ATTENDEE", "ATTENDEE;SCHEDULE-FORCE-SEND=X-SHOUT");
    let text = meeting(&format!("{SALES}{MANAGER}"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    bed.put("sales", "m.ics", &text.replace(MANAGER, &forced)).await.unwrap();
    let own = copy(&bed, "sales").await;
    assert!(own.line("manager@").contains("SCHEDULE-STATUS=2.3") && !own.has("FORCE-SEND"), "{}", own.text);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST"], "nothing was sent by it");
    let theirs = copy(&bed, "manager").await;
    let forced = theirs.text.replace("ORGANIZER:", "ORGANIZER;SCHEDULE-FORCE-SEND=X-SHOUT:");
    bed.put("manager", &theirs.name, &forced).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.line("ORGANIZER").contains("SCHEDULE-STATUS=2.3") && !theirs.has("FORCE-SEND"));
    assert!(inbox(&bed, "sales").await.is_empty());
}

async fn d9_a_copy_that_becomes_an_event_of_its_own_is_declined(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let put = bed.put("manager", &theirs.name, &meeting("")).await.unwrap();
    assert!(put.schedule_tag.is_empty() && !put.etag.is_empty(), "{put:?}");
    assert!(copy(&bed, "sales").await.line("manager@").contains("PARTSTAT=DECLINED"));
    assert_eq!(inbox(&bed, "sales").await, ["REPLY"]);
    // From now on it is the user's own, and the organizer's changes leave it alone.
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}")).replace("Plan", "Other")).await.unwrap();
    assert!(copy(&bed, "manager").await.has("SUMMARY:Plan"));
    bed.put("manager", &theirs.name, &meeting("").replace("Plan", "Mine")).await.unwrap();
    assert_eq!(inbox(&bed, "sales").await, ["REPLY"]);
}

async fn c7_a_partner_has_a_meeting_once_whatever_becomes_of_the_copies(bed: Bed) {
    let guest = "ATTENDEE:mailto:ann@example.com\n";
    let first = bed.partner("First", "ann@example.com").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{guest}"))).await.unwrap();
    let told = async |partner: &str, wanted: usize| {
        let mut found = 0;
        for () in kontor_testbed::patience() {
            let events = bed.changes("admin").await;
            let of_partner = events.iter().filter(|event| event.partner == partner);
            let is_new = |event: &&kontor_proto::r#type::v1::Event| {
                kontor_kit::outbox::payload::<proto::MeetingScheduled>(event).is_some()
            };
            found = of_partner.filter(is_new).count();
            if found >= wanted {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // What would come too much comes with the same step of work, or a little later.
        assert_eq!(found, wanted, "{partner}");
    };
    told(&first, 1).await;
    // The guest puts the copy into another calendar.
    let request = proto::CreateCalendarRequest {
        calendar: Some(proto::Calendar { display_name: "Two".to_owned(), ..Default::default() }),
        calendar_id: "two".to_owned(),
        ..Default::default()
    };
    bed.calendars().create_calendar(user("manager").request(request)).await.unwrap();
    let path =
        |slug: &str| Some(store::CollectionPath { owner: "manager".to_owned(), slug: slug.to_owned() });
    let request = store::MoveObjectRequest {
        path: path("work"),
        name: copy(&bed, "manager").await.name,
        to_path: path("two"),
        to_name: "m.ics".to_owned(),
        ..Default::default()
    };
    bed.collections().move_object(user("manager").request(request)).await.unwrap();
    told(&first, 1).await;
    // A partner who comes later finds the organizer's meeting only.
    let second = bed.partner("Second", "ann@example.com").await;
    told(&second, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    told(&second, 1).await;
    told(&first, 1).await;
}
