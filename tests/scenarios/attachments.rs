//! Managed attachments (RFC 8607), over DAV and over gRPC.
//! Rows C7 and D9.

use kontor_proto::calendar::v1::{
    AddAttachmentRequest, GetAttachmentRequest, ListAttachmentsRequest, ListEventsRequest, NewAttachment,
    ReadAttachmentRequest, RemoveAttachmentRequest,
};
use kontor_tests::{Answer, Http, both};
use tonic::Code;

use crate::scheduling::{hrefs, meeting, only, with_addresses};
use crate::sharing::{share, unshare};
use crate::support::refused;

const OBJECT: &str = "/dav/calendars/sales/work/one.ics";

fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn unfolded(answer: &Answer) -> String {
    answer.text().replace("\r\n ", "")
}

async fn text(http: &Http, path: &str) -> String {
    unfolded(&http.get(path).await.expect(200))
}

async fn add(http: &Http, path: &str, query: &str, data: &str) -> Answer {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-disposition", "attachment; filename=\"plan b.html\""),
    ];
    http.send("POST", &format!("{path}?action=attachment-add{query}"), &headers, data.to_owned()).await
}

/// Paths of the attachments in a text.
fn paths(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("ATTACH;"));
    lines.filter_map(|line| line.find("/dav/attachments/").map(|at| line[at..].to_owned())).collect()
}

both! {
    async fn d9_an_attachment_comes_is_read_changes_and_goes(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        sales.put(OBJECT, &[], event("one", "")).await.expect(201);
        let made = add(&sales, OBJECT, "", "<script>1</script>").await.expect(201);
        let id = made.header("cal-managed-id").to_owned();
        assert!(!id.is_empty() && made.header("location").contains(&id));
        let with = text(&sales, OBJECT).await;
        let line = format!("ATTACH;MANAGED-ID={id};FMTTYPE=text/html;FILENAME=plan b.html;SIZE=18:https://");
        assert!(with.contains(&line) && with.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"), "{with}");
        let path = paths(&with).remove(0);
        assert_eq!(path, format!("/dav/attachments/{id}/plan%20b.html"));
        let read = sales.get(&path).await.expect(200);
        assert_eq!(read.text(), "<script>1</script>");
        // What was uploaded is never a page of this server.
        for (header, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-disposition", "attachment; filename=\"plan b.html\""),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cache-control", "private, no-cache"),
        ] {
            assert_eq!(read.header(header), value);
        }
        let tag = read.header("etag").to_owned();
        sales.send("GET", &path, &[("if-none-match", &tag)], "").await.expect(304);
        sales.send("GET", &path, &[("if-match", "\"x\"")], "").await.expect(412);
        assert_eq!(sales.send("HEAD", &path, &[], "").await.expect(200).header("content-length"), "18");
        for method in ["PUT", "DELETE", "POST", "PROPFIND"] {
            assert_eq!(sales.send(method, &path, &[], "").await.expect(405).header("allow"), "OPTIONS, GET, HEAD");
        }
        // It is replaced under another id, and the old one is gone.
        let query = format!("{OBJECT}?action=attachment-update&managed-id={id}");
        let headers = [("content-type", "application/pdf"), ("content-disposition", "attachment; filename*=UTF-8''pr%C3%A9cis.pdf"), ("prefer", "return=representation")];
        let changed = sales.send("POST", &query, &headers, "%PDF").await.expect(200);
        let new = changed.header("cal-managed-id").to_owned();
        assert_ne!(new, id);
        assert_eq!(changed.header("content-location"), OBJECT);
        assert_eq!(changed.header("etag"), sales.get(OBJECT).await.expect(200).header("etag"));
        let with = unfolded(&changed);
        assert!(with.contains(&format!("MANAGED-ID={new};FMTTYPE=application/pdf;FILENAME=pr\u{e9}cis.pdf;SIZE=4:")), "{with}");
        assert!(!with.contains(&id) && with.matches("ATTACH").count() == 1, "{with}");
        sales.get(&path).await.expect(404);
        let read = sales.get(&paths(&with)[0]).await.expect(200);
        assert!(read.header("content-disposition").ends_with("filename*=UTF-8''pr%C3%A9cis.pdf"));
        let query = format!("{OBJECT}?action=attachment-remove&managed-id={new}");
        let gone = sales.send("POST", &query, &[], "").await.expect(204);
        assert_eq!(gone.header("cal-managed-id"), "");
        assert!(!text(&sales, OBJECT).await.contains("ATTACH"));
        sales.get(&paths(&with)[0]).await.expect(404);
    }

    async fn d9_what_rfc_8607_announces(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        for path in ["/dav/calendars/sales/", "/dav/calendars/sales/work/", OBJECT] {
            let dav = sales.send("OPTIONS", path, &[], "").await.expect(200).header("dav").to_owned();
            assert!(dav.contains("calendar-managed-attachments") && !dav.contains("no-recurrence"), "{dav}");
        }
        assert!(sales.send("OPTIONS", OBJECT, &[], "").await.header("allow").contains("POST"));
        let sizes = "<C:max-attachment-size/><C:max-attachments-per-resource/>";
        let calendar = sales.propfind("/dav/calendars/sales/work/", "0", sizes).await.expect(207).text();
        assert!(calendar.contains("<C:max-attachment-size>10485760</C:max-attachment-size>"), "{calendar}");
        assert!(calendar.contains("<C:max-attachments-per-resource>50</C:max-attachments-per-resource>"), "{calendar}");
        let server = "<C:managed-attachments-server-URL/>";
        let home = sales.propfind("/dav/calendars/sales/", "0", server).await.expect(207).text();
        assert!(home.contains("HTTP/1.1 200 OK") && !home.contains("404"), "{home}");
        let books = sales.propfind("/dav/addressbooks/sales/", "0", server).await.expect(207).text();
        assert!(books.contains("404"), "{books}");
        let all = "<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>";
        let all = sales.send("PROPFIND", "/dav/calendars/sales/", &[("depth", "1")], all).await.expect(207).text();
        assert!(!all.contains("attachment"), "{all}");
        let set = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop>\
                   <C:max-attachment-size>1</C:max-attachment-size></D:prop></D:set></D:propertyupdate>";
        let set = sales.send("PROPPATCH", "/dav/calendars/sales/work/", &[], set).await.expect(207).text();
        assert!(set.contains("403"), "{set}");
    }

    async fn d9_one_instance_of_a_series_has_its_own_attachment(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        sales.put(OBJECT, &[], event("one", "RRULE:FREQ=DAILY;COUNT=3\r\n")).await.expect(201);
        let one = add(&sales, OBJECT, "&rid=20261201T090000Z", "one").await.expect(201);
        let one = one.header("cal-managed-id").to_owned();
        let with = text(&sales, OBJECT).await;
        assert!(with.contains("RECURRENCE-ID:20261201T090000Z") && with.matches("BEGIN:VEVENT").count() == 2, "{with}");
        assert_eq!(with.matches(&format!("MANAGED-ID={one}")).count(), 1);
        let all = add(&sales, OBJECT, "", "all").await.expect(201).header("cal-managed-id").to_owned();
        assert_eq!(text(&sales, OBJECT).await.matches(&format!("MANAGED-ID={all}")).count(), 2);
        add(&sales, OBJECT, "&rid=M,20261202T090000Z", "two").await.expect(201);
        // The third day is made from the series, which has two by now.
        let with = text(&sales, OBJECT).await;
        assert_eq!((with.matches("BEGIN:VEVENT").count(), with.matches(&format!("MANAGED-ID={all}")).count()), (3, 3), "{with}");
        let query = format!("{OBJECT}?action=attachment-remove&managed-id={all}&rid=20261201T090000Z");
        sales.send("POST", &query, &[], "").await.expect(204);
        assert_eq!(text(&sales, OBJECT).await.matches(&format!("MANAGED-ID={all}")).count(), 2);
        let before = text(&sales, OBJECT).await;
        for rid in ["20261203T090000Z", "20261201", "X", ""] {
            let refusal = add(&sales, OBJECT, &format!("&rid={rid}"), "x").await.expect(403);
            assert!(refusal.text().contains("<C:valid-rid/>"), "{}", refusal.text());
        }
        // The first of them still stands in its instance, and only there.
        let query = format!("{OBJECT}?action=attachment-remove&managed-id={one}&rid=M");
        assert!(sales.send("POST", &query, &[], "").await.expect(403).text().contains("<C:valid-managed-id/>"));
        assert_eq!(text(&sales, OBJECT).await, before);
    }

    async fn d9_what_can_not_be_attached_changes_nothing(sandbox: Sandbox) {
        let sales = sandbox.http("sales");
        sales.put(OBJECT, &[], event("one", "")).await.expect(201);
        let etag = sales.get(OBJECT).await.header("etag").to_owned();
        for (query, condition) in [
            ("", "valid-action"),
            ("?action=attachment-burn", "valid-action"),
            ("?action=attachment-add&managed-id=x", "valid-managed-id"),
            ("?action=attachment-add&rid=20261130T090000Z", "valid-rid"),
            ("?action=attachment-update&managed-id=x", "valid-managed-id"),
            ("?action=attachment-update&managed-id=x&rid=M", "valid-rid"),
            ("?action=attachment-remove&managed-id=x", "valid-managed-id"),
            ("?action=attachment-remove", "valid-managed-id"),
        ] {
            let refusal = sales.send("POST", &format!("{OBJECT}{query}"), &[], "x").await.expect(403).text();
            assert!(refusal.contains(&format!("<C:{condition}/>")), "{query}: {refusal}");
        }
        let large = add(&sales, OBJECT, "", &"x".repeat(10 * 1024 * 1024 + 1)).await.expect(403).text();
        assert!(large.contains("<C:max-attachment-size/>"), "{large}");
        let headers = [("if-match", "\"other\"")];
        sales.send("POST", &format!("{OBJECT}?action=attachment-add"), &headers, "x").await.expect(412);
        let headers = [("if-schedule-tag-match", "\"other\"")];
        sales.send("POST", &format!("{OBJECT}?action=attachment-add"), &headers, "x").await.expect(412);
        add(&sales, "/dav/calendars/sales/work/none.ics", "", "x").await.expect(404);
        add(&sales, "/dav/addressbooks/sales/work/one.vcf", "", "x").await.expect(405);
        assert_eq!(sales.get(OBJECT).await.header("etag"), etag);
        let headers = [("if-match", etag.as_str())];
        sales.send("POST", &format!("{OBJECT}?action=attachment-add"), &headers, "").await.expect(201);
        for _ in 1..50 {
            add(&sales, OBJECT, "", "x").await.expect(201);
        }
        let many = add(&sales, OBJECT, "", "x").await.expect(403).text();
        assert!(many.contains("<C:max-attachments-per-resource/>"), "{many}");
        assert_eq!(paths(&text(&sales, OBJECT).await).len(), 50);
    }

    async fn d9_a_put_keeps_and_drops_attachments_and_invents_none(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put(OBJECT, &[], event("one", "")).await.expect(201);
        let id = add(&sales, OBJECT, "", "x").await.expect(201).header("cal-managed-id").to_owned();
        let with = sales.get(OBJECT).await.text();
        let path = paths(&text(&sales, OBJECT).await).remove(0);
        // Kept as it is: the same bytes come back.
        sales.put(OBJECT, &[], with.replace("SUMMARY:one", "SUMMARY:two")).await.expect(204);
        assert_eq!(sales.get(OBJECT).await.text(), with.replace("SUMMARY:one", "SUMMARY:two"));
        // Altered: the server's own line stays, and there is no ETag, so that the client looks.
        let wrong = event("one", &format!("ATTACH;MANAGED-ID={id};FILENAME=other.exe;X-MINE=1:https://evil.test/other.exe\r\n"));
        let put = sales.put(OBJECT, &[], wrong).await.expect(204);
        assert_eq!(put.header("etag"), "");
        let right = text(&sales, OBJECT).await;
        assert!(right.contains("FILENAME=plan b.html;SIZE=1") && right.contains("X-MINE=1") && !right.contains("evil"), "{right}");
        // In another object of one's own it may stand too, and be copied and moved; it lives as long as one of them has it.
        let line = right.lines().find(|line| line.starts_with("ATTACH")).expect("a line").to_owned() + "\r\n";
        sales.put("/dav/calendars/sales/work/two.ics", &[], event("two", &line)).await.expect(201);
        sales.put(OBJECT, &[], event("one", "")).await.expect(204);
        sales.get(&path).await.expect(200);
        sales.send("MKCALENDAR", "/dav/calendars/sales/other/", &[], "").await.expect(201);
        let to = [("destination", "/dav/calendars/sales/other/two.ics")];
        sales.send("COPY", "/dav/calendars/sales/work/two.ics", &to, "").await.expect(201);
        // The move goes over what has the same UID.
        sales.send("MOVE", "/dav/calendars/sales/work/two.ics", &to, "").await.expect(204);
        sales.get(&path).await.expect(200);
        let back = [("destination", "/dav/calendars/sales/work/back.ics")];
        sales.send("MOVE", "/dav/calendars/sales/other/two.ics", &back, "").await.expect(201);
        sales.get(&path).await.expect(200);
        // Who may not read it may not have it either, nor what there is not.
        for line in [line.clone(), "ATTACH;MANAGED-ID=invented:https://evil.test/\r\n".to_owned()] {
            let refusal = neighbour.put("/dav/calendars/neighbour/work/a.ics", &[], event("a", &line)).await.expect(403).text();
            assert!(refusal.contains("<C:valid-managed-id-parameter/>"), "{refusal}");
        }
        neighbour.get("/dav/calendars/neighbour/work/a.ics").await.expect(404);
        let to = [("destination", "/dav/calendars/sales/other/last.ics")];
        sales.send("COPY", "/dav/calendars/sales/work/back.ics", &to, "").await.expect(201);
        sales.send("DELETE", "/dav/calendars/sales/work/back.ics", &[], "").await.expect(204);
        sales.get(&path).await.expect(200);
        sales.send("DELETE", "/dav/calendars/sales/other/", &[], "").await.expect(204);
        sales.get(&path).await.expect(404);
    }

    async fn d9_who_reads_the_object_reads_the_attachment(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put(OBJECT, &[], event("one", "")).await.expect(201);
        add(&sales, OBJECT, "", "x").await.expect(201);
        let path = paths(&text(&sales, OBJECT).await).remove(0);
        neighbour.get(&path).await.expect(404);
        Http::new(&sandbox.address()).get(&path).await.expect(401);
        add(&neighbour, "/dav/calendars/neighbour/sales~work/one.ics", "", "x").await.expect(404);
        share(&sandbox, "users/neighbour", false).await;
        neighbour.get(&path).await.expect(200);
        let refusal = add(&neighbour, "/dav/calendars/neighbour/sales~work/one.ics", "", "x").await.expect(403).text();
        assert!(refusal.contains("need-privileges"), "{refusal}");
        share(&sandbox, "users/neighbour", true).await;
        add(&neighbour, "/dav/calendars/neighbour/sales~work/one.ics", "", "y").await.expect(201);
        assert_eq!(paths(&text(&sales, OBJECT).await).len(), 2);
        unshare(&sandbox, "users/neighbour").await;
        neighbour.get(&path).await.expect(404);
    }

    async fn c7_an_organizers_attachments_reach_the_guests(sandbox: Sandbox) {
        with_addresses(&sandbox).await;
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put(OBJECT, &[], meeting("one", "neighbour", "")).await.expect(201);
        let made = add(&sales, OBJECT, "", "agenda").await.expect(201);
        assert!(!made.header("schedule-tag").is_empty());
        let path = paths(&text(&sales, OBJECT).await).remove(0);
        let (copy, with) = only(&neighbour, "/dav/calendars/neighbour/work/").await;
        assert_eq!(paths(&with), [path.as_str()]);
        assert_eq!(neighbour.get(&path).await.expect(200).text(), "agenda");
        sandbox.http("colleague").get(&path).await.expect(404);
        // A guest keeps it with an answer, but can't attach to the organizer's meeting.
        let accepted = neighbour.get(&copy).await.text().replace("NEEDS-ACTION", "ACCEPTED");
        neighbour.put(&copy, &[], accepted).await.expect(204);
        assert_eq!(paths(&text(&neighbour, &copy).await), [path.as_str()]);
        let refusal = add(&neighbour, &copy, "", "mine").await.expect(403).text();
        assert!(refusal.contains("<C:allowed-attendee-scheduling-object-change/>"), "{refusal}");
        // Another one in its place, for the guest too.
        let id = made.header("cal-managed-id");
        sales.send("POST", &format!("{OBJECT}?action=attachment-update&managed-id={id}"), &[], "new").await.expect(204);
        let new = paths(&text(&sales, OBJECT).await).remove(0);
        assert_eq!(paths(&text(&neighbour, &copy).await), [new.as_str()]);
        neighbour.get(&path).await.expect(404);
        assert_eq!(neighbour.get(&new).await.expect(200).text(), "new");
        // The organizer's is deleted; the guest's cancelled copy keeps what it has until it goes too.
        sales.send("DELETE", OBJECT, &[], "").await.expect(204);
        sales.get(&new).await.expect(404);
        for href in hrefs(&neighbour, "/dav/calendars/neighbour/work/").await {
            neighbour.send("DELETE", &href, &[], "").await.expect(204);
        }
        neighbour.get(&new).await.expect(404);
    }

    async fn d9_attachments_over_grpc_are_the_same(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.grpc("sales"), sandbox.grpc("neighbour"));
        sandbox.http("sales").put(OBJECT, &[], event("one", "")).await.expect(201);
        let request = ListEventsRequest { parent: "calendars/default".into(), ..Default::default() };
        let found = sales.events().list_events(request).await.expect("events").into_inner().events;
        let parent = found[0].name.clone();
        let new = NewAttachment {
            filename: "plan.pdf".into(),
            media_type: "application/pdf".into(),
            data: "%PDF".into(),
            base_uri: "https://kontor.test".into(),
        };
        let request = AddAttachmentRequest {
            parent: parent.clone(),
            attachment: Some(new.clone()),
            request_id: "once".into(),
            ..Default::default()
        };
        refused(neighbour.attachments().add_attachment(request.clone()).await, Code::NotFound, "");
        let made = sales.attachments().add_attachment(request.clone()).await.expect("attached").into_inner();
        // A repeat has one effect and the first answer.
        assert_eq!(sales.attachments().add_attachment(request.clone()).await.expect("again").into_inner(), made);
        let file = made.attachment.expect("a file");
        assert_eq!((file.size, file.filename.as_str()), (4, "plan.pdf"));
        let list = ListAttachmentsRequest { parent: parent.clone() };
        let all = sales.attachments().list_attachments(list.clone()).await.expect("a list").into_inner().attachments;
        assert_eq!(all, std::slice::from_ref(&file));
        refused(neighbour.attachments().list_attachments(list).await, Code::NotFound, "");
        let read = ReadAttachmentRequest { name: file.name.clone() };
        assert_eq!(sales.attachments().read_attachment(read.clone()).await.expect("bytes").into_inner().data, "%PDF");
        refused(neighbour.attachments().read_attachment(read).await, Code::NotFound, "");
        let get = GetAttachmentRequest { name: file.name.clone() };
        refused(neighbour.attachments().get_attachment(get.clone()).await, Code::NotFound, "");
        let path = file.uri.strip_prefix("https://kontor.test").expect("a path");
        assert_eq!(sandbox.http("sales").get(path).await.expect(200).text(), "%PDF");
        let bad = |change: fn(&mut NewAttachment)| {
            let mut new = new.clone();
            change(&mut new);
            AddAttachmentRequest { attachment: Some(new), request_id: String::new(), ..request.clone() }
        };
        for request in [
            bad(|new| new.filename = "a\r\nb".into()),
            bad(|new| new.media_type = "text/html\r\nx: y".into()),
            bad(|new| new.base_uri = "javascript:alert(1)".into()),
        ] {
            refused(sales.attachments().add_attachment(request).await, Code::InvalidArgument, "");
        }
        let id = file.name.rsplit('/').next().expect("an id").to_owned();
        let request = RemoveAttachmentRequest { parent, managed_id: id, etag: "other".into(), ..Default::default() };
        refused(sales.attachments().remove_attachment(request.clone()).await, Code::Aborted, "");
        let request = RemoveAttachmentRequest { etag: made.etag, ..request };
        sales.attachments().remove_attachment(request).await.expect("removed");
        refused(sales.attachments().get_attachment(get).await, Code::NotFound, "");
    }
}
