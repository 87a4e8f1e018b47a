//! Scheduling messages that come by mail (iTIP, RFC 5546), and parts that are handed over: row C7.

use kontor_kit::auth::Caller;
use kontor_kit::error::reason;
use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::MessageOutcome::{Applied, Outdated, UnknownMeeting};
use kontor_testbed::{admin, failure, user};
use tonic::{Code, Status};

use crate::proposals::{event_of, open};
use crate::scheduling::{MANAGER, SALES, all, component, copy, inbox, meeting, object, published, weekly};
use crate::support::Bed;

kontor_testbed::on_both! { Bed;
    c7_a_reply_by_mail_sets_the_answer_and_lands_in_the_history,
    c7_an_older_reply_by_mail_is_ignored,
    c7_a_reply_of_a_stranger_is_refused,
    c7_a_guest_outside_proposes_another_time_and_asks_for_the_meeting,
    c7_an_organizer_outside_invites_changes_and_cancels,
    c7_one_instance_of_a_series_from_outside_is_changed_and_cancelled,
    c7_only_the_organizer_speaks_for_a_meeting_from_outside,
    c7_messages_that_are_none_are_refused,
    c7_over_the_api_a_part_is_handed_over_and_both_hear_the_answer,
    c7_a_message_from_outside_gives_no_right_to_a_file,
    c7_a_delegate_from_outside_is_not_believed_to_have_answered,
    c7_a_counter_from_outside_counts_no_further_than_the_meeting,
    c7_an_old_instance_does_not_undo_a_newer_series,
}

const ANN: &str = "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ann@example.com\n";
const BOSS: &str = "ORGANIZER:mailto:boss@example.com\nATTENDEE;PARTSTAT=ACCEPTED:mailto:boss@example.com\n";

async fn receive(bed: &Bed, login: &str, sender: &str, text: &str) -> Result<proto::MessageOutcome, Status> {
    let request = proto::ReceiveMessageRequest {
        user: format!("users/{login}"),
        sender: sender.to_owned(),
        icalendar: text.replace('\n', "\r\n").into_bytes().into(),
        ..Default::default()
    };
    let answer = bed.messages().receive_message(Caller::system().request(request)).await?.into_inner();
    assert!(!answer.method.is_empty() && !answer.uid.is_empty());
    Ok(answer.outcome())
}

fn with_method(method: &str, text: &str) -> String {
    text.replace("VERSION:2.0\n", &format!("VERSION:2.0\nMETHOD:{method}\n"))
}

/// Ann's answer, made at a minute past eight of the first of November.
fn reply(partstat: &str, minute: u32, lines: &str) -> String {
    let text = object(&[component(&format!(
        "ORGANIZER:mailto:sales@kontor.test\nATTENDEE;PARTSTAT={partstat}:mailto:ann@example.com\n{lines}"
    ))]);
    with_method("REPLY", &text).replace("20261101T0800", &format!("20261101T08{minute:02}"))
}

async fn c7_a_reply_by_mail_sets_the_answer_and_lands_in_the_history(bed: Bed) {
    let partner = bed.partner("Example", "ann@example.com").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{ANN}"))).await.unwrap();
    let before = copy(&bed, "sales").await;
    let outcome = receive(&bed, "sales", "Ann@Example.com", &reply("ACCEPTED", 5, "COMMENT:Gladly\n")).await;
    assert_eq!(outcome.unwrap(), Applied);
    let own = copy(&bed, "sales").await;
    let line = own.line("ann@");
    assert!(line.contains("PARTSTAT=ACCEPTED") && line.contains("SCHEDULE-STATUS=2.0"), "{line}");
    assert_eq!(own.tag, before.tag, "an answer is no change of the meeting");
    assert!(
        copy(&bed, "manager").await.line("ann@").contains("PARTSTAT=ACCEPTED"),
        "the other guests see it"
    );
    assert_eq!(inbox(&bed, "sales").await, ["REPLY"]);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST"]);
    let events = bed.changes("admin").await;
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| {
            Some((event.partner.clone(), kontor_kit::outbox::payload::<proto::MeetingAnswered>(event)?))
        })
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), told[0].1.comment.as_str()), (partner.as_str(), "Gladly"));
}

async fn c7_an_older_reply_by_mail_is_ignored(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("SEQUENCE:2\n{SALES}{ANN}"))).await.unwrap();
    let says = async |text: String| receive(&bed, "sales", "ann@example.com", &text).await.unwrap();
    let stands = async |word: &str| {
        let own = copy(&bed, "sales").await;
        assert!(own.line("ann@").contains(&format!("PARTSTAT={word}")), "{}", own.text);
    };
    assert_eq!(says(reply("ACCEPTED", 5, "SEQUENCE:1\n")).await, Outdated);
    stands("NEEDS-ACTION").await;
    assert_eq!(says(reply("TENTATIVE", 6, "SEQUENCE:2\n")).await, Applied);
    // A mail that was on its way for longer.
    assert_eq!(says(reply("DECLINED", 4, "SEQUENCE:2\n")).await, Outdated);
    stands("TENTATIVE").await;
    assert_eq!(says(reply("ACCEPTED", 7, "SEQUENCE:2\n")).await, Applied);
    stands("ACCEPTED").await;
    // A stamp in a far future does not shut out what comes later.
    let future = reply("DECLINED", 8, "SEQUENCE:2\n").replace("DTSTAMP:2026", "DTSTAMP:2099");
    assert_eq!(says(future).await, Applied);
    bed.advance(60);
    let later = reply("ACCEPTED", 9, "SEQUENCE:2\n").replace("DTSTAMP:20261101", "DTSTAMP:20261123");
    assert_eq!(says(later).await, Applied);
    stands("ACCEPTED").await;
    assert_eq!(inbox(&bed, "sales").await.len(), 4, "what is old is not told");
}

async fn c7_a_reply_of_a_stranger_is_refused(bed: Bed) {
    let named = ANN.replace("ATTENDEE", "ATTENDEE;SENT-BY=\"mailto:office@example.com\"");
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{named}"))).await.unwrap();
    let before = copy(&bed, "sales").await;
    let text = reply("ACCEPTED", 5, "");
    // Who says so himself is not believed.
    let claimed = text.replace("ATTENDEE;", "ATTENDEE;SENT-BY=\"mailto:eve@example.com\";");
    for text in [&text, &claimed, &text.replace("ann@", "eve@")] {
        let refused = failure(receive(&bed, "sales", "eve@example.com", text).await);
        assert_eq!(refused.0, Code::PermissionDenied);
    }
    assert_eq!(copy(&bed, "sales").await.etag, before.etag);
    assert!(inbox(&bed, "sales").await.is_empty());
    // The office that the meeting names may.
    assert_eq!(receive(&bed, "sales", "office@example.com", &text).await.unwrap(), Applied);
    assert!(copy(&bed, "sales").await.line("ann@").contains("PARTSTAT=ACCEPTED"));
    let other = text.replace("UID:m", "UID:other");
    assert_eq!(receive(&bed, "sales", "ann@example.com", &other).await.unwrap(), UnknownMeeting);
    // No user may speak in the name of the mail service.
    let request = proto::ReceiveMessageRequest { user: "users/sales".to_owned(), ..Default::default() };
    for caller in [user("sales"), admin()] {
        let refused = bed.messages().receive_message(caller.request(request.clone())).await;
        assert_eq!(failure(refused).0, Code::PermissionDenied);
    }
}

async fn c7_a_guest_outside_proposes_another_time_and_asks_for_the_meeting(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}{ANN}"))).await.unwrap();
    let counter = with_method(
        "COUNTER",
        &meeting(&format!("{}COMMENT:Later?\n", SALES.replace(":mailto", ";CN=S:mailto"))),
    )
    .replace("END:VEVENT", &format!("{ANN}END:VEVENT"))
    .replace("T090000Z", "T110000Z")
    .replace("T100000Z", "T120000Z");
    let refused = failure(receive(&bed, "sales", "eve@example.com", &counter).await);
    assert_eq!(refused.0, Code::PermissionDenied);
    assert_eq!(receive(&bed, "sales", "ann@example.com", &counter).await.unwrap(), Applied);
    assert_eq!(inbox(&bed, "sales").await, ["COUNTER"]);
    let found = open(&bed, "sales", &event_of(&bed, "sales").await).await;
    assert_eq!((found[0].attendee.as_str(), found[0].comment.as_str()), ("ann@example.com", "Later?"));
    let decline = proto::DeclineProposalRequest { name: found[0].name.clone(), ..Default::default() };
    bed.proposals().decline_proposal(user("sales").request(decline)).await.unwrap();
    let sent = published::<proto::SchedulingMessage>(&bed).await.pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.recipients[0].as_str()), ("DECLINECOUNTER", "ann@example.com"));
    let refresh = with_method("REFRESH", &object(&[component(&format!("{SALES}{ANN}"))]));
    assert_eq!(receive(&bed, "sales", "ann@example.com", &refresh).await.unwrap(), Applied);
    let sent = published::<proto::SchedulingMessage>(&bed).await.pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.recipients.len()), ("REQUEST", 1));
    assert!(String::from_utf8_lossy(&sent.icalendar).contains("SUMMARY:Plan"));
}

async fn c7_an_organizer_outside_invites_changes_and_cancels(bed: Bed) {
    let partner = bed.partner("Boss", "boss@example.com").await;
    let alarm = "X-KONTOR-PARTNER:partners/x\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT5M\nEND:VALARM\n";
    let text = with_method("REQUEST", &meeting(&format!("{BOSS}{MANAGER}{alarm}")));
    let from = async |text: &str| receive(&bed, "manager", "boss@example.com", text).await;
    assert_eq!(from(&text).await.unwrap(), Applied);
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("SUMMARY:Plan") && !theirs.has("METHOD") && !theirs.has("VALARM"), "{}", theirs.text);
    assert!(!theirs.has("X-KONTOR-PARTNER") && !theirs.tag.is_empty());
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST"]);
    // The answer goes by mail.
    let accepted = theirs.text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    bed.put("manager", &theirs.name, &accepted).await.unwrap();
    let sent = published::<proto::SchedulingMessage>(&bed).await.pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.recipients[0].as_str()), ("REPLY", "boss@example.com"));
    // A new text that has not heard of it leaves the answer; a new time asks again.
    let renamed = text.replace("SUMMARY:Plan", "SUMMARY:Plan B").replace("T080000Z\n", "T080100Z\n");
    assert_eq!(from(&renamed).await.unwrap(), Applied);
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("SUMMARY:Plan B") && theirs.line("manager@").contains("ACCEPTED"), "{}", theirs.text);
    assert_eq!(from(&text).await.unwrap(), Outdated, "the older one was on its way for longer");
    let moved = renamed.replace("T090000Z", "T093000Z").replace("UID:m\n", "UID:m\nSEQUENCE:1\n");
    assert_eq!(from(&moved).await.unwrap(), Applied);
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("T093000Z") && theirs.line("manager@").contains("NEEDS-ACTION"), "{}", theirs.text);
    assert_eq!(from(&renamed).await.unwrap(), Outdated);
    let mut with = Vec::new();
    for () in kontor_testbed::patience() {
        with = bed.event("manager", &event_of(&bed, "manager").await).await.partners;
        if !with.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(with, [partner], "a meeting with a partner");
    let cancel = with_method("CANCEL", &object(&[component(&format!("SEQUENCE:2\n{BOSS}{MANAGER}"))]));
    assert_eq!(from(&cancel).await.unwrap(), Applied);
    let theirs = copy(&bed, "manager").await;
    assert!(theirs.has("STATUS:CANCELLED") && theirs.has("SUMMARY:Plan B"), "{}", theirs.text);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "REQUEST", "REQUEST", "CANCEL"]);
    let unknown = cancel.replace("UID:m", "UID:n");
    assert_eq!(from(&unknown).await.unwrap(), UnknownMeeting);
}

async fn c7_one_instance_of_a_series_from_outside_is_changed_and_cancelled(bed: Bed) {
    let from = async |text: &str| receive(&bed, "manager", "boss@example.com", text).await.unwrap();
    let series = with_method("REQUEST", &object(&[weekly(&format!("{BOSS}{MANAGER}"))]));
    assert_eq!(from(&series).await, Applied);
    let one = component(&format!(
        "SEQUENCE:1\nRECURRENCE-ID:20261207T090000Z\nDTSTART:20261208T110000Z\nDTEND:20261208T120000Z\nSUMMARY:Plan\n{BOSS}{MANAGER}"
    ));
    assert_eq!(from(&with_method("REQUEST", &object(&[one]))).await, Applied);
    let gone = component(&format!("SEQUENCE:1\nRECURRENCE-ID:20261214T090000Z\n{BOSS}{MANAGER}"));
    assert_eq!(from(&with_method("CANCEL", &object(std::slice::from_ref(&gone)))).await, Applied);
    let shown = bed.occurrences("manager", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", 0).await;
    let times: Vec<String> = shown
        .iter()
        .map(|one| format!("{} {}", crate::support::instant(one.start_time), one.status))
        .collect();
    let wanted = [
        "2026-11-30T09:00:00Z 0",
        "2026-12-08T11:00:00Z 0",
        "2026-12-14T09:00:00Z 3",
        "2026-12-21T09:00:00Z 0",
    ];
    assert_eq!(times, wanted);
    let none = gone.replace("20261214T090000Z", "20261215T090000Z");
    let last = gone.replace("20261214T090000Z", "20261221T090000Z");
    assert_eq!(from(&with_method("CANCEL", &object(&[none.clone(), last]))).await, Applied);
    let shown = bed.occurrences("manager", "2026-12-20T00:00:00Z", "2026-12-31T00:00:00Z", 0).await;
    assert_eq!(
        shown.iter().map(|one| one.status).collect::<Vec<_>>(),
        [3],
        "one that is not there is passed over"
    );
    assert_eq!(from(&with_method("CANCEL", &object(&[none]))).await, UnknownMeeting);
}

async fn c7_only_the_organizer_speaks_for_a_meeting_from_outside(bed: Bed) {
    let text = with_method("REQUEST", &meeting(&format!("{BOSS}{MANAGER}")));
    let refused = failure(receive(&bed, "manager", "eve@example.com", &text).await);
    assert_eq!(refused.0, Code::PermissionDenied);
    assert!(all(&bed, "manager", "work").await.is_empty());
    receive(&bed, "manager", "boss@example.com", &text).await.unwrap();
    let before = copy(&bed, "manager").await;
    let newer = text.replace("UID:m\n", "UID:m\nSEQUENCE:5\n");
    let claimed = newer.replace("ORGANIZER:", "ORGANIZER;SENT-BY=\"mailto:eve@example.com\":");
    let taken = newer.replace("boss@", "eve@");
    for text in [&newer, &claimed, &taken] {
        for method in ["REQUEST", "CANCEL", "DECLINECOUNTER"] {
            let text = text.replace("METHOD:REQUEST", &format!("METHOD:{method}"));
            let refused = failure(receive(&bed, "manager", "eve@example.com", &text).await);
            assert_eq!(refused.0, Code::PermissionDenied, "{method}");
        }
    }
    assert_eq!(copy(&bed, "manager").await.etag, before.etag);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST"]);
    let declined = text.replace("METHOD:REQUEST", "METHOD:DECLINECOUNTER");
    assert_eq!(receive(&bed, "manager", "boss@example.com", &declined).await.unwrap(), Applied);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "DECLINECOUNTER"]);
    // A user's own meeting is not another's to cancel, and users invite from here.
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{ANN}")).replace("UID:m", "UID:s")).await.unwrap();
    let cancel = text.replace("METHOD:REQUEST", "METHOD:CANCEL").replace("UID:m", "UID:s");
    assert_eq!(failure(receive(&bed, "sales", "boss@example.com", &cancel).await).0, Code::PermissionDenied);
    let local = text.replace("boss@example.com", "sales@kontor.test").replace("UID:m", "UID:l");
    let refused = receive(&bed, "manager", "sales@kontor.test", &local).await.unwrap_err();
    assert_eq!(reason(&refused).unwrap().0, "LOCAL_ORGANIZER");
    let refused = receive(&bed, "sales", "boss@example.com", &text).await.unwrap_err();
    assert_eq!(reason(&refused).unwrap().0, "NOT_INVITED");
    // They cancel from here too.
    let inside = meeting(&format!("{SALES}{MANAGER}")).replace("UID:m", "UID:i");
    bed.put("sales", "i.ics", &inside).await.unwrap();
    let cancel = with_method("CANCEL", &inside).replace("UID:i\n", "UID:i\nSEQUENCE:9\n");
    let refused = receive(&bed, "manager", "sales@kontor.test", &cancel).await.unwrap_err();
    assert_eq!(reason(&refused).unwrap().0, "LOCAL_ORGANIZER");
}

async fn c7_messages_that_are_none_are_refused(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{ANN}"))).await.unwrap();
    let good = reply("ACCEPTED", 5, "");
    let many = with_method("REPLY", &object(&vec![component(&format!("{SALES}{ANN}")); 101]));
    let event =
        component("ORGANIZER:mailto:sales@kontor.test\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.com\n");
    let following = event.replace("UID:m\n", "UID:m\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261207T090000Z\n");
    let single = event.replace("UID:m\n", "UID:m\nRECURRENCE-ID:20261207T090000Z\n");
    let also = event.replace("UID:m\n", "UID:m\nRECURRENCE-ID;TZID=Europe/Brussels:20261207T100000\n");
    for (bad, what) in [
        (with_method("REPLY", &object(&[event.clone(), event])), "all of it twice"),
        (with_method("REPLY", &object(&[single, also])), "an instance twice"),
        (with_method("REPLY", &object(std::slice::from_ref(&following))), "a reply to all that follow"),
        (with_method("CANCEL", &object(&[following])), "all that follow cancelled"),
        ("BEGIN:VCALENDAR".to_owned(), "broken"),
        (good.replace("METHOD:REPLY\n", ""), "no METHOD"),
        (good.replace("METHOD:REPLY", "METHOD:PUBLISH"), "another METHOD"),
        (good.replace("DTSTAMP:20261101T080500Z\n", ""), "no DTSTAMP"),
        (good.replace("PARTSTAT=ACCEPTED", "PARTSTAT=\"A B\""), "PARTSTAT"),
        (many, "too many"),
        (
            good.replace("SUMMARY", "X")
                .replace("END:VEVENT", &format!("COMMENT:{}\nEND:VEVENT", "x".repeat(1 << 20))),
            "too large",
        ),
    ] {
        let refused = failure(receive(&bed, "sales", "ann@example.com", &bad).await);
        assert_eq!(refused.0, Code::InvalidArgument, "{what}");
    }
    assert_eq!(failure(receive(&bed, "sales", "ann", &good).await).0, Code::InvalidArgument);
    assert_eq!(failure(receive(&bed, "nobody", "ann@example.com", &good).await).0, Code::NotFound);
    assert!(copy(&bed, "sales").await.line("ann@").contains("NEEDS-ACTION"));
}

async fn c7_over_the_api_a_part_is_handed_over_and_both_hear_the_answer(bed: Bed) {
    bed.user("third", "", "").await;
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{MANAGER}"))).await.unwrap();
    let answer = async |login: &str, participation: &str, delegate_to: &str| {
        let request = proto::RespondToEventRequest {
            name: event_of(&bed, login).await,
            participation: participation.to_owned(),
            delegate_to: delegate_to.to_owned(),
            ..Default::default()
        };
        bed.events().respond_to_event(user(login).request(request)).await
    };
    for (word, to) in [
        ("DELEGATED", ""),
        ("ACCEPTED", "third@kontor.test"),
        ("DELEGATED", "manager@kontor.test"),
        ("DELEGATED", "sales@kontor.test"),
        ("DELEGATED", "third"),
    ] {
        assert_eq!(failure(answer("manager", word, to).await).0, Code::InvalidArgument, "{word} {to}");
    }
    answer("manager", "DELEGATED", "Third@kontor.test").await.unwrap();
    let own = copy(&bed, "sales").await;
    assert!(own.line(":mailto:manager@").contains("PARTSTAT=DELEGATED"), "{}", own.text);
    assert!(own.line(":mailto:manager@").contains("DELEGATED-TO=\"mailto:third@kontor.test\""));
    assert!(own.line(":mailto:third@").contains("DELEGATED-FROM=\"mailto:manager@kontor.test\""));
    assert_eq!(inbox(&bed, "third").await, ["REQUEST"]);
    answer("third", "ACCEPTED", "").await.unwrap();
    assert!(copy(&bed, "sales").await.line(":mailto:third@").contains("PARTSTAT=ACCEPTED"));
    assert!(copy(&bed, "manager").await.line(":mailto:third@").contains("PARTSTAT=ACCEPTED"));
    assert_eq!(inbox(&bed, "sales").await, ["REPLY", "REPLY"]);
    assert_eq!(inbox(&bed, "manager").await, ["REQUEST", "REPLY"], "the delegator hears it too");
    // Who was invited already may take the part as well.
    let third = MANAGER.replace("manager", "third");
    bed.put("sales", "n.ics", &meeting(&format!("{SALES}{MANAGER}{third}")).replace("UID:m", "UID:n"))
        .await
        .unwrap();
    let theirs = all(&bed, "manager", "work").await.into_iter().find(|found| found.has("UID:n")).unwrap();
    let line = theirs.line(":mailto:manager@");
    let handed =
        "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:third@kontor.test\":mailto:manager@kontor.test";
    let from = theirs.line(":mailto:third@");
    let taken = from.replace("ATTENDEE", "ATTENDEE;DELEGATED-FROM=\"mailto:manager@kontor.test\"");
    bed.put("manager", &theirs.name, &theirs.text.replace(&line, handed).replace(&from, &taken))
        .await
        .unwrap();
    let own = all(&bed, "sales", "work").await.into_iter().find(|found| found.has("UID:n")).unwrap();
    assert!(own.line(":mailto:third@").contains("DELEGATED-FROM"), "{}", own.text);
}

async fn c7_a_message_from_outside_gives_no_right_to_a_file(bed: Bed) {
    let file = "ATTACH;MANAGED-ID=f1;FMTTYPE=text/plain;FILENAME=a.txt;SIZE=4:https://kontor.test/dav/attachments/f1/a.txt\n";
    let text = with_method("REQUEST", &meeting(&format!("{BOSS}{MANAGER}{file}")));
    assert_eq!(receive(&bed, "manager", "boss@example.com", &text).await.unwrap(), Applied);
    let theirs = copy(&bed, "manager").await;
    assert!(!theirs.has("MANAGED-ID") && theirs.line("ATTACH").contains("FILENAME=a.txt"), "{}", theirs.text);
    assert!(!all(&bed, "manager", "inbox").await[0].has("MANAGED-ID"));
    let accepted = theirs.text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    bed.put("manager", &theirs.name, &accepted).await.unwrap();
}

async fn c7_a_delegate_from_outside_is_not_believed_to_have_answered(bed: Bed) {
    bed.put("sales", "m.ics", &meeting(&format!("{SALES}{ANN}"))).await.unwrap();
    let from = "DELEGATED-FROM=\"mailto:ann@example.com\"";
    let text = reply(
        "DELEGATED",
        5,
        &format!(
            "ATTENDEE;{from};PARTSTAT=ACCEPTED;SENT-BY=\"mailto:eve@example.com\":mailto:bob@example.com\n\
             ATTENDEE;{from};PARTSTAT=DECLINED:mailto:sales@kontor.test\n"
        ),
    );
    assert_eq!(receive(&bed, "sales", "ann@example.com", &text).await.unwrap(), Applied);
    let own = copy(&bed, "sales").await;
    let line = own.line(":mailto:bob@");
    assert!(line.contains("PARTSTAT=NEEDS-ACTION") && line.contains("DELEGATED-FROM"), "{line}");
    assert!(!line.contains("SENT-BY"), "{line}");
    assert_eq!(own.line("ATTENDEE;PARTSTAT=ACCEPTED"), "ATTENDEE;PARTSTAT=ACCEPTED:mailto:sales@kontor.test");
}

async fn c7_a_counter_from_outside_counts_no_further_than_the_meeting(bed: Bed) {
    let text = meeting(&format!("{SALES}{ANN}LOCATION:Hall\n"));
    bed.put("sales", "m.ics", &text).await.unwrap();
    let parent = event_of(&bed, "sales").await;
    let says = async |hour: u32, minute: u32| {
        let counter = with_method("COUNTER", &text)
            .replace("SUMMARY:Plan", &format!("SUMMARY:{}", "x".repeat(200_000)))
            .replace("UID:m\n", "UID:m\nSEQUENCE:9\n")
            .replace("T080000Z\n", &format!("T08{minute:02}00Z\n"))
            .replace("T090000Z", &format!("T{hour}0000Z"))
            .replace("T100000Z", &format!("T{}0000Z", hour + 1));
        receive(&bed, "sales", "ann@example.com", &counter).await.unwrap()
    };
    assert_eq!(says(12, 5).await, Applied);
    assert_eq!(says(14, 4).await, Outdated, "it was on its way for longer");
    let found = open(&bed, "sales", &parent).await;
    assert_eq!(found.len(), 1);
    assert_eq!(crate::support::time("2026-11-30T12:00:00Z"), start_of(&found[0]));
    assert_eq!(found[0].location, "", "the place is the present one");
    let told = all(&bed, "sales", "inbox").await.remove(0);
    assert!(told.has("SUMMARY:Plan\n") && told.has("LOCATION:Hall"), "{}", told.text);
    bed.put("sales", "m.ics", &text.replace("T090000Z", "T070000Z")).await.unwrap();
    assert!(open(&bed, "sales", &parent).await.is_empty(), "a new time ends it");
}

fn start_of(proposal: &proto::Proposal) -> prost_types::Timestamp {
    match proposal.start.as_ref().and_then(|start| start.kind.as_ref()) {
        Some(proto::event_time::Kind::Instant(at)) => *at,
        other => panic!("{other:?}"),
    }
}

async fn c7_an_old_instance_does_not_undo_a_newer_series(bed: Bed) {
    let from = async |text: &str| receive(&bed, "manager", "boss@example.com", text).await.unwrap();
    let series = |sequence: u32| {
        let text = object(&[weekly(&format!("SEQUENCE:{sequence}\n{BOSS}{MANAGER}"))]);
        with_method("REQUEST", &text)
    };
    let one = |sequence: u32, id: &str| {
        with_method(
            "REQUEST",
            &object(&[component(&format!(
                "SEQUENCE:{sequence}\nRECURRENCE-ID:{id}\nDTSTART:20261208T110000Z\nDTEND:20261208T120000Z\nSUMMARY:Plan\n{BOSS}{MANAGER}"
            ))]),
        )
    };
    assert_eq!(from(&series(0)).await, Applied);
    assert_eq!(from(&one(1, "20261207T090000Z")).await, Applied);
    assert_eq!(from(&series(5)).await, Applied);
    assert_eq!(from(&one(2, "20261207T090000Z")).await, Outdated);
    assert_eq!(from(&one(2, "20261214T090000Z")).await, Outdated);
    assert_eq!(from(&one(6, "20261207T090000Z")).await, Applied);
}
