//! What the bench fills in: events, one of twenty a series, and cards.

use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use kontor_tests::{Http, Process};

pub fn event(number: usize) -> String {
    let day = 1 + number % 28;
    let month = 1 + (number / 28) % 12;
    let year = 2025 + (number / 336) % 3;
    let rule = if number.is_multiple_of(20) { "RRULE:FREQ=WEEKLY;COUNT=30\r\n" } else { "" };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:event-{number}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART;TZID=Europe/Brussels:{year}{month:02}{day:02}T{hour:02}0000\r\nDURATION:PT1H\r\n{rule}SUMMARY:Meeting number {number}\r\n\
         DESCRIPTION:What we talk about in meeting {number}\\, and what comes of it\r\nLOCATION:Room {room}\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        hour = 8 + number % 10,
        room = number % 40
    )
}

pub fn card(number: usize) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}\r\nFN:Person {number}\r\nN:{number};Person;;;\r\nORG:Company {}\r\n\
         TEL;TYPE=CELL:+32471{number:06}\r\nEMAIL;TYPE=WORK:person{number}@company.example\r\nNOTE:Met at the fair\r\nEND:VCARD\r\n",
        number % 500
    )
}

/// Puts `size` events and cards; returns the paths of the calendar and the book.
pub async fn fill(process: &Process, http: &Http, size: usize) -> (String, String) {
    let calendar = "/dav/calendars/bench/bench/";
    for _ in 0..200 {
        if http.send("MKCALENDAR", calendar, &[], "").await.status == 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let book = "/dav/addressbooks/bench/bench/";
    let make = "<D:mkcol xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>";
    http.send("MKCOL", book, &[("content-type", "application/xml")], make).await.expect(201);
    let filled = Instant::now();
    let put = |path: String, body: String| {
        let http = http.clone();
        async move {
            http.put(&path, &[], body).await.expect(201);
        }
    };
    let events = (0..size).map(|number| (format!("{calendar}event-{number}.ics"), event(number)));
    let cards = (0..size).map(|number| (format!("{book}card-{number}.vcf"), card(number)));
    stream::iter(events.chain(cards))
        .map(|(path, body)| put(path, body))
        .buffer_unordered(64)
        .collect::<Vec<()>>()
        .await;
    println!("filled in {:.1} s, {:.1} s CPU", filled.elapsed().as_secs_f64(), process.cpu_seconds());
    (calendar.to_owned(), book.to_owned())
}
