//! Shares that are set up in a client, and how clients see shares: Apple's CS:share and its properties, and access control.
//! Row D8.

use kontor_proto::directory::v1::{Team, UpdateTeamRequest, UpdateUserRequest, User};
use kontor_tests::{Answer, Http, Sandbox, both};

use crate::support::texts;

const WORK: &str = "/dav/calendars/sales/work/";
const SHARED: &str = "/dav/calendars/neighbour/sales~work/";
const BOOK: &str = "/dav/addressbooks/sales/contacts/";
const XML: (&str, &str) = ("content-type", "application/xml; charset=\"utf-8\"");

async fn give_address(sandbox: &Sandbox, user: &str, email: &str) {
    let update_mask = Some(prost_types::FieldMask { paths: vec!["email".into()] });
    let user = User { name: format!("users/{user}"), email: email.into(), ..Default::default() };
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("an address");
}

/// A POST as Apple's programs send it.
async fn share(http: &Http, path: &str, steps: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><B:share xmlns:B=\"http://calendarserver.org/ns/\" xmlns:A=\"DAV:\">{steps}</B:share>"
    );
    http.send("POST", path, &[XML], body).await
}

fn set(href: &str, access: &str) -> String {
    format!(
        "<B:set><A:href>{href}</A:href><B:common-name>Somebody</B:common-name><B:summary>Work</B:summary><B:{access}/></B:set>"
    )
}

fn remove(href: &str) -> String {
    format!("<B:remove><A:href>{href}</A:href></B:remove>")
}

const SHARING: &str = "<D:resourcetype/><S:invite/><S:allowed-sharing-modes/><S:shared-url/>";

both! {
    async fn d8_an_owner_shares_a_calendar_from_a_mac_and_takes_it_back(sandbox: Sandbox) {
        give_address(&sandbox, "neighbour", "Neighbour@Example.com").await;
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        let before = sales.propfind(WORK, "0", SHARING).await.expect(207).text();
        assert!(before.contains("<CS:allowed-sharing-modes><CS:can-be-shared/></CS:allowed-sharing-modes>"), "{before}");
        assert!(!before.contains("shared-owner") && !before.contains("can-be-published"), "{before}");
        assert!(!before.contains("CS:user"), "{before}");

        let done = share(&sales, WORK, &set("mailto:neighbour@example.COM", "read-write")).await.expect(200);
        assert!(done.body.is_empty());
        let after = sales.propfind(WORK, "0", SHARING).await.expect(207).text();
        assert!(after.contains("<CS:shared-owner/>"), "{after}");
        assert!(after.contains("<CS:organizer><D:href>/dav/principals/users/sales/</D:href></CS:organizer>"), "{after}");
        assert!(
            after.contains(
                "<CS:user><D:href>/dav/principals/users/neighbour/</D:href><CS:common-name>neighbour</CS:common-name>\
                 <CS:invite-accepted/><CS:access><CS:read-write/></CS:access></CS:user>"
            ),
            "{after}"
        );
        // It stands in the other's home at once; of other sharees nothing is told.
        share(&sales, WORK, &set("/dav/principals/users/colleague/", "read")).await.expect(200);
        let home = neighbour.propfind("/dav/calendars/neighbour/", "1", SHARING).await.expect(207).text();
        let its = home.split("<D:response>").find(|one| one.contains(SHARED)).expect("the shared calendar");
        assert!(its.contains("<CS:shared/>") && its.contains("<CS:read-write/>"), "{its}");
        assert!(its.contains(&format!("<CS:shared-url><D:href>{WORK}</D:href></CS:shared-url>")), "{its}");
        assert!(its.contains("/dav/principals/users/sales/") && !its.contains("colleague"), "{its}");
        assert!(!its.contains("can-be-shared"), "{its}");
        neighbour.put(&format!("{SHARED}a.ics"), &[], event("a")).await.expect(201);

        // For reading only, and the other one not at all, in one request.
        let steps = format!("{}{}", set("mailto:neighbour@example.com", "read"), remove("/dav/principals/users/colleague/"));
        share(&sales, WORK, &steps).await.expect(200);
        neighbour.put(&format!("{SHARED}b.ics"), &[], event("b")).await.expect(403);
        neighbour.get(&format!("{SHARED}a.ics")).await.expect(200);
        sandbox.http("colleague").get("/dav/calendars/colleague/sales~work/a.ics").await.expect(404);
        share(&sales, WORK, &remove("mailto:neighbour@example.com")).await.expect(200);
        neighbour.get(&format!("{SHARED}a.ics")).await.expect(404);
        let last = sales.propfind(WORK, "0", SHARING).await.expect(207).text();
        assert!(!last.contains("shared-owner") && !last.contains("CS:user"), "{last}");
        // Taken back twice is taken back.
        share(&sales, WORK, &remove("mailto:neighbour@example.com")).await.expect(200);
    }

    async fn d8_a_book_is_shared_from_a_client_with_a_team_until_it_is_left(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        share(&sales, BOOK, &set("/dav/principals/teams/support/", "read-write")).await.expect(200);
        let theirs = "/dav/addressbooks/neighbour/sales~contacts/";
        let seen = neighbour.propfind(theirs, "0", SHARING).await.expect(207).text();
        assert!(seen.contains("<CS:shared/>") && seen.contains("<CS:read-write/>"), "{seen}");
        let owner = sales.propfind(BOOK, "0", SHARING).await.expect(207).text();
        assert!(owner.contains("<CS:shared-owner/>") && owner.contains("/dav/principals/teams/support/"), "{owner}");
        let team = Team { name: "teams/support".into(), members: vec!["users/colleague".into()], ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["members".into()] });
        let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
        sandbox.grpc("admin").teams().update_team(request).await.expect("another member");
        neighbour.propfind(theirs, "0", SHARING).await.expect(404);
        // The company's book is everyone's already.
        let company = "/dav/addressbooks/sales/company/";
        share(&sales, company, &set("/dav/principals/users/neighbour/", "read")).await.expect(403);
        let (admin, theirs) = (sandbox.http("admin"), "/dav/addressbooks/admin/company/");
        let refused = share(&admin, theirs, &set("/dav/principals/users/neighbour/", "read")).await.expect(403);
        assert!(refused.text().contains("<D:allowed-principal/>"), "{}", refused.text());
        let all = sales.propfind(company, "0", SHARING).await.expect(207).text();
        assert!(!all.contains("can-be-shared") && !all.contains("CS:shared/"), "{all}");
    }

    async fn d8_a_stranger_and_a_sharee_share_nothing_and_a_wrong_request_changes_nothing(sandbox: Sandbox) {
        give_address(&sandbox, "colleague", "office@example.com").await;
        give_address(&sandbox, "manager", "Office@example.com").await;
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        let all = set("/dav/principals/users/colleague/", "read");
        share(&Http::new(&sandbox.address()), WORK, &all).await.expect(401);
        share(&neighbour, WORK, &all).await.expect(404);
        share(&neighbour, SHARED, &all).await.expect(404);
        share(&sales, WORK, &set("/dav/principals/users/neighbour/", "read-write")).await.expect(200);
        for path in [WORK, SHARED] {
            let refused = share(&neighbour, path, &all).await.expect(403).text();
            assert!(refused.contains("need-privileges"), "{refused}");
        }
        // All or nothing: one who is not known, whose address two have, or who owns it.
        for (href, condition) in [
            ("mailto:nobody@example.com", "recognized-principal"),
            ("/dav/principals/users/nobody/", "recognized-principal"),
            ("/dav/principals/teams/nobody/", "recognized-principal"),
            ("mailto:office@example.com", "recognized-principal"),
            ("urn:uuid:1", "recognized-principal"),
            ("/dav/principals/users/sales/", "allowed-principal"),
            ("/dav/principals/users/me/", "allowed-principal"),
        ] {
            let refused = share(&sales, WORK, &format!("{all}{}", set(href, "read"))).await.expect(403).text();
            assert!(refused.contains(condition), "{href}: {refused}");
        }
        share(&sales, WORK, "").await.expect(400);
        sales.send("POST", WORK, &[XML], "<A:share xmlns:A=\"DAV:\"/>").await.expect(400);
        sales.send("POST", WORK, &[("content-type", "text/plain")], "hello").await.expect(405);
        sales.send("POST", "/dav/calendars/sales/", &[XML], "<A:share xmlns:A=\"DAV:\"/>").await.expect(405);
        let shares = sales.propfind(WORK, "0", "<S:invite/>").await.expect(207).text();
        assert_eq!(texts(&shares, "access").len(), 1, "{shares}");
        assert!(!shares.contains("colleague"), "{shares}");
        // Nothing is announced that is not there: shares need no accepting, so there are no notifications.
        let options = sales.send("OPTIONS", WORK, &[], "").await.expect(200);
        assert!(!options.header("dav").contains("calendarserver-sharing"));
        sales.send("POST", "/dav/calendars/sales/inbox/", &[XML], "<B:share xmlns:B=\"http://calendarserver.org/ns/\"/>").await.expect(400);
        share(&sales, "/dav/calendars/sales/inbox/", &all).await.expect(403);
    }

    async fn d8_the_owner_reads_shares_in_acl_and_others_do_not(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put(&format!("{WORK}a.ics"), &[], event("a")).await.expect(201);
        let steps = format!("{}{}", set("/dav/principals/users/neighbour/", "read"), set("/dav/principals/teams/sales/", "read-write"));
        share(&sales, WORK, &steps).await.expect(200);
        let entries = |text: &str| -> Vec<String> { text.split("<D:ace>").skip(1).map(str::to_owned).collect() };
        let acl = sales.propfind(WORK, "0", "<D:acl/>").await.expect(207).text();
        let all = entries(&acl);
        assert_eq!(all.len(), 3, "{acl}");
        assert!(all[0].contains("/users/sales/") && all[0].contains("<D:all/>"), "{acl}");
        assert!(all[1].contains("/dav/principals/teams/sales/") && all[1].contains("<D:write-content/>") && all[1].contains("<D:bind/>"), "{acl}");
        assert!(all[2].contains("/dav/principals/users/neighbour/") && all[2].contains("<D:read/>") && !all[2].contains("write"), "{acl}");
        // Of an object too, inherited; alone, in a listing and in a report.
        let sync = "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:acl/></D:prop></D:sync-collection>";
        for answer in [
            sales.propfind(&format!("{WORK}a.ics"), "0", "<D:acl/>").await,
            sales.report(WORK, "1", sync).await,
        ] {
            let text = answer.expect(207).text();
            let all = entries(&text);
            assert_eq!(all.len(), 3, "{text}");
            assert!(all[2].contains(&format!("<D:inherited><D:href>{WORK}</D:href></D:inherited>")), "{text}");
        }
        // With whom it is shared does not read with whom else.
        for path in [SHARED.to_owned(), format!("{SHARED}a.ics")] {
            let text = neighbour.propfind(&path, "0", "<D:acl/><D:current-user-privilege-set/>").await.expect(207).text();
            assert!(text.contains("403 Forbidden") && !text.contains("<D:ace>") && !text.contains("read-acl"), "{text}");
        }
        let who = "<D:acl-principal-prop-set xmlns:D=\"DAV:\"><D:prop><D:displayname/></D:prop></D:acl-principal-prop-set>";
        let text = sales.report(WORK, "0", who).await.expect(207).text();
        assert_eq!(texts(&text, "href").len(), 3, "{text}");
        let text = neighbour.report(SHARED, "0", who).await.expect(207).text();
        assert!(texts(&text, "href").is_empty(), "{text}");
    }
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}
