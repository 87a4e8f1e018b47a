//! Figures over CalDAV and CardDAV; each answer is checked.

use kontor_tests::{Http, Process};

use crate::data::event;
use crate::floor::Floors;
use crate::{Figures, measure};

/// A program with a full calendar and a full book.
pub struct Bench<'a> {
    pub process: &'a Process,
    pub http: &'a Http,
    pub calendar: String,
    pub book: String,
    pub size: usize,
    pub floors: &'a Floors,
}

const WEEK: &str = r#"<C:time-range start="20260601T000000Z" end="20260608T000000Z"/>"#;
const MONTH: &str = r#"<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260601T000000Z" end="20260701T000000Z"/></C:free-busy-query>"#;
const POLL: &str = r#"<D:propfind xmlns:D="DAV:" xmlns:S="http://calendarserver.org/ns/"><D:prop><D:displayname/><S:getctag/><D:sync-token/></D:prop></D:propfind>"#;

fn sync_body(token: &str) -> String {
    format!(
        r#"<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"#
    )
}

/// Events of a week with their texts; `data` is what stands inside of calendar-data.
fn week(data: &str) -> String {
    format!(
        r#"<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data>{data}</C:calendar-data></D:prop>
        <C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{WEEK}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"#
    )
}

/// Cards of which one property holds a text.
fn search(property: &str, kind: &str, text: &str) -> String {
    format!(
        r#"<R:addressbook-query xmlns:D="DAV:" xmlns:R="urn:ietf:params:xml:ns:carddav"><D:prop><D:getetag/><R:address-data/></D:prop>
        <R:filter><R:prop-filter name="{property}"><R:text-match match-type="{kind}">{text}</R:text-match></R:prop-filter></R:filter></R:addressbook-query>"#
    )
}

impl Bench<'_> {
    /// What is at these numbers of events, with their texts.
    fn multiget(&self, numbers: impl Iterator<Item = usize>) -> String {
        let calendar = &self.calendar;
        let hrefs: String = numbers
            .map(|number| format!("<D:href>{calendar}event-{}.ics</D:href>", number % self.size))
            .collect();
        format!(
            r#"<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"#
        )
    }

    async fn answer(&self, path: &str, depth: &str, body: String) -> String {
        self.http.report(path, depth, body).await.expect(207).text()
    }

    /// All ETags, first sync, a sync after ten changes.
    pub async fn listings(&self, figures: &mut Figures) {
        let Bench { process, http, size, floors, .. } = *self;
        let calendar = &self.calendar;
        for (what, path) in [("all ETags of the calendar", calendar), ("all ETags of the book", &self.book)] {
            let listed = measure(process, 20, 1, |_| async {
                assert!(http.propfind(path, "1", "<D:getetag/>").await.expect(207).body.len() > size * 50)
            });
            figures.add(what, listed.await, floors.list());
        }
        let first = measure(process, 20, 1, |_| async {
            assert!(self.answer(calendar, "0", sync_body("")).await.len() > size * 50)
        });
        figures.add("first sync", first.await, floors.list());
        let body = self.answer(calendar, "0", sync_body("")).await;
        let (_, token) = body.rsplit_once("<D:sync-token>").expect("a token");
        let (token, _) = token.split_once('<').expect("its end");
        for number in 0..10 {
            let path = format!("{calendar}event-{}.ics", number * 11);
            http.put(&path, &[], event(number * 11).replace("Meeting", "Changed")).await.expect(204);
        }
        let after = measure(process, 400, 1, |_| async {
            let answer = self.answer(calendar, "0", sync_body(token)).await;
            assert_eq!(answer.matches("<D:href>").count(), 10, "{answer}");
        });
        figures.add("sync after 10 changes", after.await, floors.get());
        let full = measure(process, 2, 1, |_| async {
            let mut at = 0;
            while at < size {
                let answer = self.answer(calendar, "1", self.multiget(at..size.min(at + 50))).await;
                assert_eq!(answer.matches("END:VCALENDAR").count(), 50.min(size - at));
                at += 50;
            }
        });
        let (floor, fifty) = floors.fifty();
        figures.add("a client's full sync, multigets of 50", full.await, (floor, fifty * size as f64 / 50.0));
    }

    /// Multiget, a week, free/busy.
    pub async fn queries(&self, figures: &mut Figures) {
        let Bench { process, floors, .. } = *self;
        let calendar = &self.calendar;
        let many = measure(process, 200, 1, |number| async move {
            let answer =
                self.answer(calendar, "1", self.multiget((0..50).map(|step| number * 53 + step * 7))).await;
            assert_eq!(answer.matches("END:VCALENDAR").count(), 50);
        });
        figures.add("multiget of 50", many.await, floors.fifty());
        let expand = r#"<C:expand start="20260601T000000Z" end="20260608T000000Z"/>"#;
        for (what, data) in [("a week's query with data", ""), ("the same with expand", expand)] {
            let body = week(data);
            let asked = measure(process, 50, 1, |_| async {
                let answer = self.answer(calendar, "1", body.clone()).await;
                assert!(answer.contains("END:VEVENT"));
                assert!(data.is_empty() || !answer.contains("RRULE"));
            });
            figures.add(what, asked.await, floors.fifty());
        }
        let busy = measure(process, 50, 1, |_| async {
            let answer = self.http.report(calendar, "1", MONTH).await.expect(200).text();
            assert!(answer.contains("FREEBUSY") && answer.contains("202606"), "{answer}");
        });
        figures.add("free/busy of a month", busy.await, floors.get());
    }

    /// Contacts by name, address and number.
    pub async fn searches(&self, figures: &mut Figures) {
        let Bench { process, size, floors, .. } = *self;
        let last = size - 1;
        for (what, property, kind, text) in [
            ("search: a whole address", "EMAIL", "equals", format!("person{last}@company.example")),
            ("search: a name begins with", "FN", "starts-with", format!("Person {last}")),
            ("search: a part of an address", "EMAIL", "contains", format!("son{last}@")),
            ("search: a number's end", "TEL", "ends-with", format!("{last:06}")),
            ("search: no hit", "FN", "contains", "nobody at all".to_owned()),
        ] {
            let body = search(property, kind, &text);
            let hits = usize::from(!what.ends_with("no hit"));
            let found = measure(process, 400, 1, |_| async {
                let answer = self.answer(&self.book, "1", body.clone()).await;
                assert_eq!(answer.matches("END:VCARD").count(), hits, "{what}: {answer}");
            });
            figures.add(what, found.await, floors.get());
        }
    }

    /// Polls, GET and PUT.
    pub async fn points(&self, figures: &mut Figures) {
        let Bench { process, http, size, floors, .. } = *self;
        let calendar = &self.calendar;
        let poll = measure(process, 2_000, 8, |_| async {
            http.send("PROPFIND", "/dav/calendars/bench/", &[("depth", "1")], POLL).await.expect(207);
        });
        figures.add("home poll, 8 connections", poll.await, floors.get());
        let get = measure(process, 4_000, 8, |number| async move {
            http.get(&format!("{calendar}event-{}.ics", number * 37 % size)).await.expect(200);
        });
        figures.add("GET, 8 connections", get.await, floors.get());
        for (what, at_once, times) in [("PUT, 1 connection", 1, 300), ("PUT, 8 connections", 8, 4_000)] {
            let put = measure(process, times, at_once, |number| async move {
                let number = (number * 41 + at_once) % size;
                let body = event(number).replace("Room", &format!("Place {at_once}"));
                http.put(&format!("{calendar}event-{number}.ics"), &[], body).await.expect(204);
            });
            figures.add(what, put.await, floors.put(at_once));
        }
    }
}
