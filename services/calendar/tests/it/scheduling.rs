//! Implicit scheduling between users (RFC 6638): rows C7 and D9.

use kontor_kit::outbox;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::collection::v1 as store;
use kontor_proto::directory::v1 as directory;
use kontor_testbed::{admin, failure, user};
use tonic::{Code, Status};

use crate::support::Bed;

kontor_testbed::on_both! { Bed;
    c7_inviting_a_colleague_puts_it_in_the_colleagues_calendar,
    c7_an_answer_reaches_the_organizer_and_the_other_guests,
    c7_an_answer_to_an_older_sequence_is_ignored,
    c7_another_time_has_to_be_answered_again_and_a_guest_keeps_what_is_the_guests,
    d9_a_guest_may_not_change_the_meeting,
    c7_a_deleted_meeting_is_cancelled_and_one_left_out_too,
    c7_a_guest_who_deletes_declines_unless_told_not_to,
    c7_one_instance_of_a_series_is_answered_moved_and_cancelled_apart,
    c7_a_guest_of_one_instance_sees_only_that,
    d9_a_guest_named_in_another_way_is_the_same_guest,
    d9_people_outside_get_a_message_for_the_mail_service,
    d9_nobody_writes_into_a_meeting_of_somebody_else,
    d9_the_same_meeting_stands_once_in_the_calendars_of_a_user,
    c7_a_part_is_handed_over_to_a_delegate,
    c7_a_guest_whose_copy_runs_ahead_still_hears_the_organizer,
    d9_a_meeting_with_guests_does_not_move_to_another_owner,
    c7_a_new_time_and_a_cancellation_raise_the_sequence,
    d9_an_agent_that_is_not_known_is_left_alone,
}

pub const SALES: &str =
    "ORGANIZER:mailto:sales@kontor.test\nATTENDEE;PARTSTAT=ACCEPTED:mailto:sales@kontor.test\n";
pub const MANAGER: &str = "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:manager@kontor.test\n";

pub fn object(components: &[String]) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{}END:VCALENDAR\n", components.concat())
}

pub fn component(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:m\nDTSTAMP:20261101T080000Z\n{lines}END:VEVENT\n")
}

pub fn meeting(lines: &str) -> String {
    object(&[component(&format!("DTSTART:20261130T090000Z\nDTEND:20261130T100000Z\nSUMMARY:Plan\n{lines}"))])
}

pub fn weekly(lines: &str) -> String {
    let times = "DTSTART:20261130T090000Z\nDTEND:20261130T100000Z\nRRULE:FREQ=WEEKLY;COUNT=4\nSUMMARY:Plan\n";
    component(&format!("{times}{lines}"))
}

/// An object of a user with its text unfolded and LF.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: String,
    pub text: String,
    pub etag: String,
    pub tag: String,
}

impl Found {
    /// The unfolded line that has this text.
    #[track_caller]
    pub fn line(&self, part: &str) -> String {
        let mut lines = self.text.lines().filter(|line| line.contains(part));
        lines.next().unwrap_or_else(|| panic!("no {part} in\n{}", self.text)).to_owned()
    }

    pub fn has(&self, part: &str) -> bool {
        self.text.contains(part)
    }
}

pub async fn all(bed: &Bed, login: &str, slug: &str) -> Vec<Found> {
    let path = store::CollectionPath { owner: login.to_owned(), slug: slug.to_owned() };
    let request = store::ListObjectsRequest { path: Some(path), with_data: true, ..Default::default() };
    let mut stream = bed.collections().list_objects(user(login).request(request)).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        found.extend(chunk.objects.into_iter().map(|object| Found {
            name: object.name,
            text: String::from_utf8(object.data.to_vec()).unwrap().replace("\r\n ", "").replace("\r\n", "\n"),
            etag: object.etag,
            tag: object.schedule_tag,
        }));
    }
    found
}

#[track_caller]
pub fn only(mut found: Vec<Found>) -> Found {
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

pub async fn copy(bed: &Bed, login: &str) -> Found {
    only(all(bed, login, "work").await)
}

/// METHODs in an inbox, in the order in which they came.
pub async fn inbox(bed: &Bed, login: &str) -> Vec<String> {
    let found = all(bed, login, "inbox").await;
    found.iter().map(|message| message.line("METHOD:").replace("METHOD:", "")).collect()
}

pub async fn delete(bed: &Bed, login: &str, name: &str, silent: bool) {
    let path = store::CollectionPath { owner: login.to_owned(), slug: "work".to_owned() };
    let request = store::DeleteObjectRequest {
        path: Some(path),
        name: name.to_owned(),
        conditions: None,
        silent,
        ..Default::default()
    };
    bed.collections().delete_object(user(login).request(request)).await.unwrap();
}

pub async fn answer(bed: &Bed, login: &str, partstat: &str) -> Result<store::PutObjectResponse, Status> {
    let present = copy(bed, login).await;
    let own = present.line(&format!("mailto:{login}@kontor.test"));
    let new = format!("ATTENDEE;PARTSTAT={partstat}:mailto:{login}@kontor.test");
    bed.put(login, &present.name, &present.text.replace(&own, &new)).await
}

/// The payloads of one kind that the calendar published.
pub async fn published<P: prost::Message + prost::Name + Default>(bed: &Bed) -> Vec<P> {
    bed.changes("admin").await.iter().filter_map(outbox::payload::<P>).collect()
}

async fn c7_inviting_a_colleague_puts_it_in_the_colleagues_calendar(bed: Bed) {
    let text = meeting(&format!("{SALES}{MANAGER}BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT5M\nEND:VALARM\n"));
    let put = bed.put("sales", "m.ics", &text).await.unwrap();
    assert!(put.created && put.etag.is_empty(), "the bytes were altered: {put:?}");
    assert!(!put.schedule_tag.is_empty());
    let own = copy(&bed, "sales").await;
    assert!(own.line("manager@").contains("SCHEDULE-STATUS=1.2"), "{}", own.text);
    assert_eq!(own.tag, put.schedule_tag);
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("SUMMARY:Plan") && theirs.line("manager@").contains("PARTSTAT=NEEDS-ACTION"));
    assert!(
        !theirs.has("SCHEDULE-STATUS") && !theirs.has("VALARM") && !theirs.has("METHOD"),
        "{}",
        theirs.text
    );
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST"]);
    assert!(inbox(&bed, "sales").await.is_empty());
    // The message in the inbox is no meeting of its own.
    let shown = bed.titles("manager", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z").await;
    assert_eq!(shown, ["Plan 2026-11-30T09:00:00Z"]);
}

async fn c7_an_answer_reaches_the_organizer_and_the_other_guests(bed: Bed) {
    bed.user("third", "", "").await;
    let third = MANAGER.replace("manager", "third");
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{third}"))).await.unwrap();
    let (before, other) = (copy(&bed, "sales").await, copy(&bed, "third").await);
    let put = answer(&bed, "manager", "ACCEPTED").await.unwrap();
    assert!(put.etag.is_empty());
    let own = copy(&bed, "sales").await;
    let line = own.line("manager@");
    assert!(line.contains("PARTSTAT=ACCEPTED") && line.contains("SCHEDULE-STATUS=2.0"), "{line}");
    assert_ne!(own.etag, before.etag);
    assert_eq!(own.tag, before.tag, "an answer is no change of the meeting");
    let told = copy(&bed, "third").await;
    assert!(told.line("manager@").contains("PARTSTAT=ACCEPTED"));
    assert_eq!(told.tag, other.tag);
    assert!(copy(&bed, "manager").await.line("ORGANIZER").contains("SCHEDULE-STATUS=1.2"));
    assert_eq!(inbox(&bed, "sales").await, ["REPLY"]);
    assert_eq!(inbox(&bed, "third").await, ["REQUEST"], "nobody is disturbed by the answer of another");
    let answered = published::<proto::MeetingAnswered>(&bed).await;
    assert_eq!(answered.len(), 1);
    assert_eq!(
        (answered[0].attendee.as_str(), answered[0].participation.as_str()),
        ("manager@kontor.test", "ACCEPTED")
    );
    // A program that has not seen the answer writes the meeting anew: the answer stays.
    let late = before.text.replace("SUMMARY:Plan", "SUMMARY:Plan B");
    bed.put("sales", "m.ics", &late).await.unwrap();
    assert!(copy(&bed, "sales").await.line("manager@").contains("PARTSTAT=ACCEPTED"));
    assert!(copy(&bed, "manager").await.has("SUMMARY:Plan B"));
}

async fn c7_an_answer_to_an_older_sequence_is_ignored(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("SEQUENCE:3\n{SALES}{MANAGER}"))).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let stale = theirs.text.replace("SEQUENCE:3", "SEQUENCE:2").replace("NEEDS-ACTION", "ACCEPTED");
    bed.put("manager", &theirs.name, &stale).await.unwrap();
    assert!(copy(&bed, "sales").await.line("manager@").contains("NEEDS-ACTION"));
    assert!(inbox(&bed, "sales").await.is_empty());
}

async fn c7_another_time_has_to_be_answered_again_and_a_guest_keeps_what_is_the_guests(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    answer(&bed, "manager", "ACCEPTED").await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let alarm = "X-MOZ-LASTACK:1\nTRANSP:TRANSPARENT\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT9M\nEND:VALARM\nEND:VEVENT";
    let put = bed.put("manager", &theirs.name, &theirs.text.replace("END:VEVENT", alarm)).await.unwrap();
    assert!(!put.etag.is_empty(), "nothing to tell, so nothing is altered");
    assert_eq!(inbox(&bed, "sales").await, ["REPLY"]);
    let tag = copy(&bed, "manager").await.tag;
    let moved = copy(&bed, "sales").await.text.replace("T090000Z", "T093000Z");
    bed.put("sales", "m.ics", &moved).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.line("manager@").contains("NEEDS-ACTION"), "{}", theirs.text);
    assert!(theirs.has("DTSTART:20261130T093000Z"));
    assert!(theirs.has("TRIGGER:-PT9M") && theirs.has("TRANSP:TRANSPARENT") && theirs.has("X-MOZ-LASTACK:1"));
    assert_ne!(theirs.tag, tag);
    assert!(copy(&bed, "sales").await.line("manager@").contains("NEEDS-ACTION"));
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "REQUEST"]);
}

async fn d9_a_guest_may_not_change_the_meeting(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("LOCATION:Here\n{SALES}{MANAGER}"))).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    for (old, new) in [
        ("DTSTART:20261130T090000Z", "DTSTART:20261130T080000Z"),
        ("DTEND:20261130T100000Z", "DTEND:20261130T110000Z"),
        ("SUMMARY:Plan", "SUMMARY:Mine"),
        ("LOCATION:Here", "LOCATION:There"),
        ("SUMMARY:Plan", "SUMMARY:Plan\nRRULE:FREQ=DAILY;COUNT=2"),
        ("ORGANIZER:mailto:sales@", "ORGANIZER:mailto:manager@"),
        ("SUMMARY:Plan", "SUMMARY:Plan\nATTENDEE:mailto:friend@example.com"),
        ("ATTENDEE;PARTSTAT=ACCEPTED:mailto:sales@kontor.test\n", ""),
    ] {
        let text = theirs.text.replace(old, new);
        assert_ne!(text, theirs.text);
        let refused = failure(bed.put("manager", &theirs.name, &text).await);
        assert_eq!(refused, (Code::FailedPrecondition, "ALLOWED_ATTENDEE_CHANGE".to_owned()), "{new}");
    }
    let two = object(&[
        weekly(&format!("{SALES}{MANAGER}")),
        component(&format!(
            "RECURRENCE-ID:20261207T090000Z\nDTSTART:20261207T090000Z\nDTEND:20261207T100000Z\nORGANIZER:mailto:x@y.z\n{MANAGER}"
        )),
    ]);
    let refused = failure(bed.put("sales", "two.ics", &two.replace("UID:m", "UID:two")).await);
    assert_eq!(refused, (Code::FailedPrecondition, "SAME_ORGANIZER".to_owned()));
    let handed = copy(&bed, "sales").await.text.replace("ORGANIZER:mailto:sales", "ORGANIZER:mailto:manager");
    let refused = failure(bed.put("sales", "m.ics", &handed).await);
    assert_eq!(refused, (Code::FailedPrecondition, "ALLOWED_ORGANIZER_CHANGE".to_owned()));
    let message = object(&[]).replace("PRODID", "METHOD:REQUEST\nPRODID");
    let path = store::CollectionPath { owner: "manager".to_owned(), slug: "inbox".to_owned() };
    let request = store::PutObjectRequest {
        path: Some(path),
        name: "x.ics".to_owned(),
        data: meeting("").into_bytes().into(),
        ..Default::default()
    };
    assert!(!message.is_empty());
    let refused = failure(bed.collections().put_object(user("manager").request(request)).await);
    assert_eq!(refused.0, Code::PermissionDenied);
}

async fn c7_a_deleted_meeting_is_cancelled_and_one_left_out_too(bed: Bed) {
    bed.user("third", "", "").await;
    let third = MANAGER.replace("manager", "third");
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{third}"))).await.unwrap();
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    assert!(copy(&bed, "third").await.has("STATUS:CANCELLED"));
    assert_eq!(inbox(&bed, "third").await, ["REQUEST", "CANCEL"]);
    assert!(!copy(&bed, "manager").await.has("STATUS:CANCELLED"));
    delete(&bed, "sales", "m.ics", false).await;
    assert!(copy(&bed, "manager").await.has("STATUS:CANCELLED"));
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "REQUEST", "CANCEL"]);
    assert_eq!(inbox(&bed, "third").await, ["REQUEST", "CANCEL"]);
    // A cancelled copy goes without a word.
    let theirs = copy(&bed, "manager").await;
    delete(&bed, "manager", &theirs.name, false).await;
    assert!(inbox(&bed, "sales").await.is_empty());
}

async fn c7_a_guest_who_deletes_declines_unless_told_not_to(bed: Bed) {
    for (silent, says, replies) in [(true, "NEEDS-ACTION", 0), (false, "DECLINED", 1)] {
        bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
        let theirs = copy(&bed, "manager").await;
        delete(&bed, "manager", &theirs.name, silent).await;
        assert!(copy(&bed, "sales").await.line("manager@").contains(says));
        assert_eq!(inbox(&bed, "sales").await.len(), replies);
        delete(&bed, "sales", "m.ics", false).await;
    }
    // Who declined and threw it away does not get it back for a new title, but for a new time.
    let text = meeting(&format!("{SALES}{MANAGER}"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    delete(&bed, "manager", &theirs.name, false).await;
    let text = text.replace("SUMMARY:Plan", "SUMMARY:Other");
    bed.put("sales", "m.ics", &text).await.unwrap();
    assert!(all(&bed, "manager", "work").await.is_empty());
    bed.put("sales", "m.ics", &text.replace("T100000Z", "T110000Z")).await.unwrap();
    assert!(copy(&bed, "manager").await.line("manager@").contains("NEEDS-ACTION"));
}

async fn c7_one_instance_of_a_series_is_answered_moved_and_cancelled_apart(bed: Bed) {
    bed.put("sales", "m.ics", &object(&[weekly(&format!("{SALES}{MANAGER}"))])).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let declined = MANAGER.replace("NEEDS-ACTION", "DECLINED");
    let one = component(&format!(
        "RECURRENCE-ID:20261207T090000Z\nDTSTART:20261207T090000Z\nDTEND:20261207T100000Z\nSUMMARY:Plan\n{SALES}{declined}"
    ));
    let text = theirs.text.replace("END:VCALENDAR", &format!("{one}END:VCALENDAR"));
    bed.put("manager", &theirs.name, &text).await.unwrap();
    let own = copy(&bed, "sales").await;
    let (master, instance) = own.text.rsplit_once("BEGIN:VEVENT").expect("an override");
    assert!(master.contains("PARTSTAT=NEEDS-ACTION"), "{master}");
    assert!(instance.contains("RECURRENCE-ID:20261207T090000Z"), "{instance}");
    assert!(instance.contains("PARTSTAT=DECLINED") && instance.contains("SCHEDULE-STATUS=2.0"), "{instance}");
    let answered = published::<proto::MeetingAnswered>(&bed).await;
    assert!(answered[0].original_start_time.is_some());
    // The organizer moves the third one.
    let moved = component(&format!(
        "RECURRENCE-ID:20261214T090000Z\nDTSTART:20261215T140000Z\nDTEND:20261215T150000Z\nSUMMARY:Plan\n{SALES}{MANAGER}"
    ));
    let text = own.text.replace("END:VCALENDAR", &format!("{moved}END:VCALENDAR"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("DTSTART:20261215T140000Z") && theirs.has("PARTSTAT=DECLINED"), "{}", theirs.text);
    // And takes the last one out.
    let own = copy(&bed, "sales").await;
    let text = own.text.replacen(
        "RRULE:FREQ=WEEKLY;COUNT=4\n",
        "RRULE:FREQ=WEEKLY;COUNT=4\nEXDATE:20261221T090000Z\n",
        1,
    );
    bed.put("sales", "m.ics", &text).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("EXDATE:20261221T090000Z") && theirs.has("PARTSTAT=DECLINED"), "{}", theirs.text);
    let shown = bed.titles("manager", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z").await;
    assert_eq!(
        shown,
        ["Plan 2026-11-30T09:00:00Z", "Plan 2026-12-07T09:00:00Z", "Plan 2026-12-15T14:00:00Z"]
    );
    // The guest takes one out: that is declined too.
    let text = theirs.text.replacen(
        "EXDATE:20261221T090000Z",
        "EXDATE:20261221T090000Z\nEXDATE:20261130T090000Z",
        1,
    );
    bed.put("manager", &theirs.name, &text).await.unwrap();
    let own = copy(&bed, "sales").await;
    assert_eq!(own.text.matches("PARTSTAT=DECLINED").count(), 2, "{}", own.text);
    // What the guest took out stays out when the organizer changes something else.
    bed.put("sales", "m.ics", &own.text.replacen("SUMMARY:Plan", "SUMMARY:Plan B", 1)).await.unwrap();
    let shown = bed.titles("manager", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z").await;
    assert!(shown.is_empty(), "{shown:?}");
}

async fn c7_a_guest_of_one_instance_sees_only_that(bed: Bed) {
    let one = component(&format!(
        "RECURRENCE-ID:20261207T090000Z\nDTSTART:20261207T090000Z\nDTEND:20261207T100000Z\nSUMMARY:Plan\n{SALES}{MANAGER}"
    ));
    bed.put("sales", "m.ics", &object(&[weekly(SALES), one.clone()])).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(!theirs.has("RRULE") && theirs.has("RECURRENCE-ID:20261207T090000Z"), "{}", theirs.text);
    answer(&bed, "manager", "TENTATIVE").await.unwrap();
    assert!(copy(&bed, "sales").await.line("manager@").contains("TENTATIVE"));
    // Invited to all but one: that one is an exception.
    let without = one.replace(MANAGER, "");
    bed.put("sales", "m.ics", &object(&[weekly(&format!("{SALES}{MANAGER}")), without])).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("RRULE") && theirs.has("EXDATE:20261207T090000Z") && !theirs.has("RECURRENCE-ID"));
}

async fn d9_a_guest_named_in_another_way_is_the_same_guest(bed: Bed) {
    let put = async |text: &str| bed.put("sales", "m.ics", text).await.unwrap();
    put(&meeting(&format!("{SALES}{MANAGER}"))).await;
    answer(&bed, "manager", "ACCEPTED").await.unwrap();
    let by_path = "ATTENDEE;RSVP=TRUE:/dav/principals/users/manager/\n";
    for guest in [by_path, MANAGER] {
        put(&meeting(&format!("{SALES}{guest}"))).await;
        let kept = copy(&bed, "manager").await;
        assert!(!kept.has("STATUS:CANCELLED"), "{}", kept.text);
        assert!(kept.line("manager").contains("PARTSTAT=ACCEPTED"), "{}", kept.text);
        assert!(copy(&bed, "sales").await.line("manager").contains("PARTSTAT=ACCEPTED"));
    }
    assert!(!inbox(&bed, "manager").await.contains(&"CANCEL".to_owned()));
}

async fn d9_people_outside_get_a_message_for_the_mail_service(bed: Bed) {
    let outside = "ATTENDEE:mailto:Ann@example.com\nATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:bob@example.com\n";
    let nobody =
        "ATTENDEE:/dav/principals/users/nobody/\nATTENDEE;SCHEDULE-AGENT=NONE:mailto:manager@kontor.test\n";
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{outside}{nobody}"))).await.unwrap();
    let own = copy(&bed, "sales").await;
    assert!(own.line("Ann@").contains("SCHEDULE-STATUS=1.0"));
    assert!(own.line("nobody").contains("SCHEDULE-STATUS=3.7"));
    assert!(
        !own.line("bob@").contains("SCHEDULE-STATUS") && !own.line("manager@").contains("SCHEDULE-STATUS")
    );
    assert!(all(&bed, "manager", "work").await.is_empty());
    let messages = published::<proto::SchedulingMessage>(&bed).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0].method.as_str(), messages[0].recipients.as_slice()),
        ("REQUEST", &["ann@example.com".to_owned()][..])
    );
    assert_eq!(messages[0].sender, "sales@kontor.test");
    let text = String::from_utf8(messages[0].icalendar.to_vec()).unwrap();
    assert!(text.contains("METHOD:REQUEST") && !text.contains("SCHEDULE-"), "{text}");
    // The same again is no news, unless the client insists.
    bed.put("sales", "m.ics", &own.text).await.unwrap();
    assert_eq!(published::<proto::SchedulingMessage>(&bed).await.len(), 1);
    let again = own.text.replace("ATTENDEE;SCHEDULE-STATUS=1.0", "ATTENDEE;SCHEDULE-FORCE-SEND=REQUEST");
    bed.put("sales", "m.ics", &again).await.unwrap();
    assert_eq!(published::<proto::SchedulingMessage>(&bed).await.len(), 2);
    assert!(!copy(&bed, "sales").await.has("FORCE-SEND"));
    // The organizer's program enters what Ann answered by mail.
    let said = copy(&bed, "sales").await;
    let line = said.line("Ann@");
    let text = said.text.replace(&line, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:Ann@example.com");
    bed.put("sales", "m.ics", &text).await.unwrap();
    assert!(copy(&bed, "sales").await.line("Ann@").contains("ACCEPTED"));
    let answered = published::<proto::MeetingAnswered>(&bed).await;
    assert_eq!(answered.last().unwrap().attendee, "ann@example.com");
    // A guest answers an organizer outside.
    let theirs = meeting(&format!("{SALES}{MANAGER}")).replace("sales@kontor.test", "boss@example.com");
    bed.put("manager", "x.ics", &theirs.replace("NEEDS-ACTION", "ACCEPTED")).await.unwrap();
    let reply = published::<proto::SchedulingMessage>(&bed).await.pop().unwrap();
    assert_eq!((reply.method.as_str(), reply.recipients[0].as_str()), ("REPLY", "boss@example.com"));
    assert!(copy(&bed, "manager").await.line("ORGANIZER").contains("SCHEDULE-STATUS=1.0"));
}

async fn d9_nobody_writes_into_a_meeting_of_somebody_else(bed: Bed) {
    bed.user("third", "", "").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    // Another user makes a meeting of the same UID and invites the same guest.
    let other = meeting(&format!("{SALES}{MANAGER}")).replace("sales@", "third@").replace("Plan", "Trap");
    bed.put("third", "t.ics", &other).await.unwrap();
    assert!(copy(&bed, "third").await.line("manager@").contains("SCHEDULE-STATUS=3.8"));
    assert!(copy(&bed, "manager").await.has("SUMMARY:Plan"));
    // Somebody who is not invited answers.
    let text = meeting(&format!("{SALES}{MANAGER}"))
        .replace("manager@", "third@")
        .replace("NEEDS-ACTION", "ACCEPTED");
    delete(&bed, "third", "t.ics", false).await;
    bed.put("third", "u.ics", &text).await.unwrap();
    assert!(copy(&bed, "third").await.line("ORGANIZER").contains("SCHEDULE-STATUS=3.8"));
    assert!(!copy(&bed, "sales").await.has("third@"));
    // Who takes over an address that another user has gets nothing by it.
    let thief = directory::User {
        name: "users/third".to_owned(),
        email: "Manager@kontor.test".to_owned(),
        ..Default::default()
    };
    let request = directory::UpdateUserRequest {
        user: Some(thief),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    bed.users().update_user(admin().request(request)).await.unwrap();
    bed.user("fourth", "", "").await;
    bed.put("sales", "n.ics", &meeting(&format!("{SALES}{MANAGER}")).replace("UID:m", "UID:n"))
        .await
        .unwrap();
    assert_eq!(all(&bed, "manager", "work").await.len(), 2);
    assert_eq!(all(&bed, "third", "work").await.len(), 1);
}

async fn d9_the_same_meeting_stands_once_in_the_calendars_of_a_user(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let request = proto::CreateCalendarRequest {
        calendar: Some(proto::Calendar { display_name: "Two".to_owned(), ..Default::default() }),
        calendar_id: "two".to_owned(),
        ..Default::default()
    };
    bed.calendars().create_calendar(user("sales").request(request)).await.unwrap();
    let request = store::PutObjectRequest {
        path: Some(store::CollectionPath { owner: "sales".to_owned(), slug: "two".to_owned() }),
        name: "m.ics".to_owned(),
        data: meeting(&format!("{SALES}{MANAGER}")).into_bytes().into(),
        ..Default::default()
    };
    let refused = failure(bed.collections().put_object(user("sales").request(request)).await);
    assert_eq!(refused, (Code::FailedPrecondition, "UNIQUE_SCHEDULING_OBJECT".to_owned()));
}

async fn c7_a_part_is_handed_over_to_a_delegate(bed: Bed) {
    bed.user("third", "", "").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let line = theirs.line("manager@");
    let delegated = "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:third@kontor.test\":mailto:manager@kontor.test\n\
                     ATTENDEE;PARTSTAT=NEEDS-ACTION;DELEGATED-FROM=\"mailto:manager@kontor.test\":mailto:third@kontor.test";
    bed.put("manager", &theirs.name, &theirs.text.replace(&line, delegated)).await.unwrap();
    let own = copy(&bed, "sales").await;
    assert!(own.line(":mailto:manager@").contains("PARTSTAT=DELEGATED"), "{}", own.text);
    assert!(
        own.line(":mailto:manager@").contains("DELEGATED-TO=\"mailto:third@kontor.test\""),
        "{}",
        own.text
    );
    assert!(own.line(":mailto:third@").contains("DELEGATED-FROM"), "{}", own.text);
    assert!(copy(&bed, "third").await.has("SUMMARY:Plan"));
    assert_eq!(inbox(&bed, "third").await, ["REQUEST"]);
}

async fn c7_a_guest_whose_copy_runs_ahead_still_hears_the_organizer(bed: Bed) {
    let text = meeting(&format!("{SALES}{MANAGER}"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let theirs = copy(&bed, "manager").await;
    let ahead =
        theirs.text.replace("UID:m\n", "UID:m\nSEQUENCE:9\n").replace("20261101T080000Z", "20361101T080000Z");
    assert_ne!(ahead, theirs.text);
    bed.put("manager", &theirs.name, &ahead).await.unwrap();
    bed.put("sales", "m.ics", &text.replace("SUMMARY:Plan", "SUMMARY:Moved")).await.unwrap();
    assert!(copy(&bed, "manager").await.has("SUMMARY:Moved"));
}

async fn d9_a_meeting_with_guests_does_not_move_to_another_owner(bed: Bed) {
    bed.user("third", "", "").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let path = |owner: &str| Some(store::CollectionPath { owner: owner.to_owned(), slug: "work".to_owned() });
    let request = store::MoveObjectRequest {
        path: path("sales"),
        name: "m.ics".to_owned(),
        to_path: path("third"),
        to_name: "m.ics".to_owned(),
        ..Default::default()
    };
    let refused = failure(bed.collections().move_object(admin().request(request)).await);
    assert_eq!(refused.0, Code::PermissionDenied);
    assert!(copy(&bed, "sales").await.has("SUMMARY:Plan"));
    assert!(all(&bed, "third", "work").await.is_empty());
}

async fn c7_a_new_time_and_a_cancellation_raise_the_sequence(bed: Bed) {
    let text = meeting(&format!("SEQUENCE:4\n{SALES}{MANAGER}"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    bed.put("sales", "m.ics", &text.replace("SUMMARY:Plan", "SUMMARY:Other")).await.unwrap();
    assert!(copy(&bed, "sales").await.has("SEQUENCE:4"), "another title is no other meeting");
    // Programs leave the number to the server or forget it; one that raises it itself is not corrected.
    for (sent, start, kept) in [(4, "08", 5), (5, "07", 6), (9, "06", 9), (2, "05", 10)] {
        let moved = text
            .replace("SEQUENCE:4", &format!("SEQUENCE:{sent}"))
            .replace("T090000Z", &format!("T{start}0000Z"));
        bed.put("sales", "m.ics", &moved).await.unwrap();
        for user in ["sales", "manager"] {
            assert!(copy(&bed, user).await.has(&format!("SEQUENCE:{kept}")), "{user} {sent}");
        }
    }
    delete(&bed, "sales", "m.ics", false).await;
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("STATUS:CANCELLED") && theirs.has("SEQUENCE:11"), "{}", theirs.text);
}

async fn d9_an_agent_that_is_not_known_is_left_alone(bed: Bed) {
    let text = meeting(&format!("{SALES}{}", MANAGER.replace("ATTENDEE", "ATTENDEE;SCHEDULE-AGENT=X-ROBOT")));
    bed.put("sales", "m.ics", &text).await.unwrap();
    assert!(all(&bed, "manager", "work").await.is_empty());
    assert!(!copy(&bed, "sales").await.has("SCHEDULE-STATUS"));
}
