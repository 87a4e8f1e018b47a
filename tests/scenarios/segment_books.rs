//! Segments as live read-only address books over CardDAV.
//! Row D10.

use kontor_proto::directory::v1::{
    ListAddressBooksRequest, LookupPartnersRequest, MergePartnersRequest, UnmergePartnersRequest,
};
use kontor_proto::segmentation::v1::{
    CreateSegmentRequest, DeleteSegmentRequest, Segment, UpdateSegmentRequest,
};
use kontor_tests::{Http, Sandbox, both};

use crate::support::{eventually, texts};

const COMPANY: &str = "/dav/addressbooks/sales/company/";
const BOOK: &str = "/dav/addressbooks/sales/~segment-be/";

fn card(name: &str, country: &str, note: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name} Smith\r\nN:Smith;{name};;;\r\nADR;TYPE=WORK:;;Street 1;Town;;1000;{country}\r\n\
         EMAIL:{name}@example.org\r\nNOTE:{note}\r\nEND:VCARD\r\n"
    )
}

async fn put(http: &Http, name: &str, country: &str, note: &str) {
    let answer = http.put(&format!("{COMPANY}{name}.vcf"), &[], card(name, country, note)).await;
    assert!(matches!(answer.status.as_u16(), 201 | 204), "{}", answer.text());
}

/// Makes the segment "be" of everybody in Belgium.
async fn segment(sandbox: &Sandbox, user: &str, team: &str) {
    let segment = Segment {
        display_name: "Belgium".into(),
        description: "All of Belgium".into(),
        rule: "country == \"BE\"".into(),
        team: team.into(),
        ..Default::default()
    };
    let request =
        CreateSegmentRequest { segment: Some(segment), segment_id: "be".into(), ..Default::default() };
    sandbox.grpc(user).segments().create_segment(request).await.expect("a segment");
}

/// The answer of a sync from a token on, when it has something to tell.
async fn news(http: &Http, token: &str) -> String {
    eventually("news of the book", async || {
        let text = sync(http, token, "").await;
        text.contains("<D:response>").then_some(text)
    })
    .await
}

async fn sync(http: &Http, token: &str, limit: &str) -> String {
    let body = format!(
        "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    http.report(BOOK, "0", body).await.expect(207).text()
}

fn token_of(xml: &str) -> String {
    texts(xml, "sync-token").into_iter().next().expect("a sync token")
}

/// Href and what is told of it: its ETag, or its status.
fn told(xml: &str) -> Vec<(String, String)> {
    let responses = xml.split("<D:response>").skip(1);
    let one = |response: &str| {
        let etag = texts(response, "getetag").into_iter().next();
        let status = texts(response, "status").into_iter().next().unwrap_or_default();
        (texts(response, "href").remove(0), etag.unwrap_or(status))
    };
    responses.map(one).collect()
}

/// Waits until the book has so many cards. Gives their hrefs.
async fn cards(http: &Http, count: usize) -> Vec<String> {
    eventually("the book's cards", async || {
        let answer = http.propfind(BOOK, "1", "<D:getetag/>").await;
        let hrefs: Vec<String> =
            texts(&answer.text(), "href").into_iter().filter(|it| it.ends_with(".vcf")).collect();
        (answer.status == 207 && hrefs.len() == count).then_some(hrefs)
    })
    .await
}

both! {
    async fn d10_a_segment_is_a_book_and_who_leaves_disappears_by_sync_token(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        put(&http, "anna", "BE", "").await;
        put(&http, "ben", "DE", "").await;
        segment(&sandbox, "manager", "teams/sales").await;
        let hrefs = cards(&http, 1).await;
        // The same bytes and the same ETag as in the company's book.
        let own = http.get(&format!("{COMPANY}anna.vcf")).await.expect(200);
        let shown = http.get(&hrefs[0]).await.expect(200);
        assert_eq!((shown.text(), shown.header("etag")), (own.text(), own.header("etag")));
        let home = http.propfind("/dav/addressbooks/sales/", "1", "<D:displayname/>").await.expect(207).text();
        assert!(texts(&home, "href").contains(&BOOK.to_owned()), "{home}");
        let seen = "<D:displayname/><D:resourcetype/><D:current-user-privilege-set/><D:owner/><D:acl/>\
                    <C:addressbook-description xmlns:C=\"urn:ietf:params:xml:ns:carddav\"/>";
        let seen = http.propfind(BOOK, "0", seen).await.expect(207).text();
        assert!(seen.contains("Belgium") && seen.contains("All of Belgium") && seen.contains("addressbook/>"), "{seen}");
        assert!(seen.contains("<D:read/>") && !seen.contains("write") && !seen.contains("shared"), "{seen}");
        // A first sync, then only what changed.
        let first = sync(&http, "", "").await;
        assert_eq!(told(&first), [(hrefs[0].clone(), own.header("etag").to_owned())]);
        assert_eq!(told(&sync(&http, &token_of(&first), "").await), []);
        put(&http, "ben", "BE", "").await;
        let joined = news(&http, &token_of(&first)).await;
        let ben = told(&joined).remove(0).0;
        assert_eq!(told(&joined).len(), 1);
        put(&http, "ben", "BE", "called").await;
        let changed = news(&http, &token_of(&joined)).await;
        let etag = http.get(&format!("{COMPANY}ben.vcf")).await.expect(200).header("etag").to_owned();
        assert_eq!(told(&changed), [(ben.clone(), etag)]);
        put(&http, "anna", "DE", "").await;
        // The card changed at once; that it left comes a moment later.
        let left = eventually("that she left", async || {
            let left = sync(&http, &token_of(&changed), "").await;
            told(&left).iter().any(|(_, told)| told.contains("404")).then_some(left)
        })
        .await;
        assert_eq!(told(&left), [(hrefs[0].clone(), "HTTP/1.1 404 Not Found".to_owned())]);
        http.get(&hrefs[0]).await.expect(404);
        // A partner that is deleted is gone at once.
        http.send("DELETE", &format!("{COMPANY}ben.vcf"), &[], "").await.expect(204);
        let gone = sync(&http, &token_of(&left), "").await;
        assert_eq!(told(&gone), [(ben.clone(), "HTTP/1.1 404 Not Found".to_owned())]);
        // Whoever is back is new again, also for a program that begins anew.
        put(&http, "anna", "BE", "").await;
        assert_eq!(told(&news(&http, &token_of(&gone)).await)[0].0, hrefs[0]);
        assert_eq!(told(&sync(&http, "", "").await).len(), 1);
    }

    async fn d10_a_book_of_a_segment_is_only_read_and_by_its_team_alone(sandbox: Sandbox) {
        let (http, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        put(&http, "anna", "BE", "").await;
        put(&http, "ben", "BE", "").await;
        segment(&sandbox, "manager", "teams/sales").await;
        let hrefs = cards(&http, 2).await;
        // A stranger sees nothing of it, under no path.
        for path in [BOOK, "/dav/addressbooks/neighbour/~segment-be/", &hrefs[0]] {
            neighbour.propfind(path, "0", "<D:displayname/>").await.expect(404);
        }
        neighbour.get(&hrefs[0]).await.expect(404);
        let home = neighbour.propfind("/dav/addressbooks/neighbour/", "1", "<D:displayname/>").await.expect(207).text();
        assert!(!home.contains("segment-be"), "{home}");
        // Nobody writes to it, administrators neither.
        for writer in [&http, &sandbox.http("manager"), &sandbox.http("admin")] {
            let refused = writer.put(&hrefs[0], &[], card("anna", "BE", "changed")).await.expect(403);
            assert!(refused.text().contains("need-privileges"), "{}", refused.text());
            writer.put(&format!("{BOOK}new.vcf"), &[], card("new", "BE", "")).await.expect(403);
            let refused = writer.send("DELETE", &hrefs[0], &[], "").await.expect(403);
            assert!(refused.text().contains("need-privileges"), "{}", refused.text());
            writer.send("DELETE", BOOK, &[], "").await.expect(403);
        }
        let privileges = http.propfind(&hrefs[0], "0", "<D:current-user-privilege-set/><D:owner/><D:acl/>").await.expect(207).text();
        assert!(privileges.contains("<D:read/>") && !privileges.contains("write"), "{privileges}");
        let rename = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>Mine</D:displayname></D:prop></D:set></D:propertyupdate>";
        let refused = http.send("PROPPATCH", BOOK, &[], rename).await;
        assert!(refused.status == 403 || refused.text().contains("403"), "{}", refused.text());
        let own = "/dav/addressbooks/sales/contacts/anna.vcf";
        http.send("MOVE", &hrefs[0], &[("destination", own)], "").await.expect(403);
        http.send("COPY", &hrefs[0], &[("destination", own)], "").await.expect(201);
        http.send("MOVE", own, &[("destination", &format!("{BOOK}moved.vcf"))], "").await.expect(403);
        // Asked by value, by name, and in parts.
        let ask = |text: &str| format!(
            "<C:addressbook-query xmlns:C=\"urn:ietf:params:xml:ns:carddav\" xmlns:D=\"DAV:\"><D:prop><D:getetag/></D:prop>\
             <C:filter><C:prop-filter name=\"EMAIL\"><C:text-match>{text}</C:text-match></C:prop-filter></C:filter></C:addressbook-query>"
        );
        let found = http.report(BOOK, "1", ask("anna@")).await.expect(207).text();
        assert_eq!(told(&found).len(), 1, "{found}");
        put(&http, "nadia", "DE", "").await;
        let found = http.report(BOOK, "1", ask("nadia@")).await.expect(207).text();
        assert_eq!(told(&found).len(), 0, "only members are found: {found}");
        let multiget = format!(
            "<C:addressbook-multiget xmlns:C=\"urn:ietf:params:xml:ns:carddav\" xmlns:D=\"DAV:\"><D:prop><D:getetag/><C:address-data/></D:prop>\
             <D:href>{}</D:href><D:href>{}</D:href><D:href>{BOOK}nobody.vcf</D:href></C:addressbook-multiget>",
            hrefs[0], hrefs[1]
        );
        let found = http.report(BOOK, "1", multiget).await.expect(207).text();
        assert_eq!(found.matches("BEGIN:VCARD").count(), 2, "{found}");
        let limit = "<D:limit><D:nresults>1</D:nresults></D:limit>";
        let cut = sync(&http, "", limit).await;
        assert!(cut.contains("507"), "{cut}");
        let rest = sync(&http, &token_of(&cut), limit).await;
        assert!(!rest.contains("507") && told(&rest).len() == 1, "{rest}");
        // Over gRPC the directory has no such book: who is in a segment is told by segmentation.
        let books = sandbox.grpc("sales").contacts().list_address_books(ListAddressBooksRequest::default()).await.expect("books").into_inner();
        assert!(books.address_books.iter().all(|book| book.display_name != "Belgium"));
    }

    async fn d10_a_merge_that_is_taken_back_at_once_leaves_the_partner_in_the_book(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        put(&http, "anna", "BE", "").await;
        put(&http, "bert", "NL", "").await;
        segment(&sandbox, "manager", "teams/sales").await;
        let before = cards(&http, 1).await;
        let grpc = sandbox.grpc("sales");
        let find = async |email: &str| {
            let request = LookupPartnersRequest { email: email.into(), ..Default::default() };
            grpc.partners().lookup_partners(request).await.expect("an answer").into_inner().partners.remove(0).name
        };
        let (anna, bert) = (find("anna@example.org").await, find("bert@example.org").await);
        // Whether the worker looks in between is chance: both ways lead to the same book.
        for _ in 0..3 {
            let request = MergePartnersRequest { name: bert.clone(), others: vec![anna.clone()], ..Default::default() };
            let merge = grpc.merges().merge_partners(request).await.expect("merged").into_inner().merge.expect("a merge");
            let request = UnmergePartnersRequest { name: merge.name, ..Default::default() };
            grpc.merges().unmerge_partners(request).await.expect("taken back");
            assert_eq!(cards(&http, 1).await, before);
        }
    }

    async fn d10_a_book_follows_its_segment(sandbox: Sandbox) {
        let neighbour = sandbox.http("neighbour");
        put(&sandbox.http("sales"), "anna", "BE", "").await;
        // Of the whole company: everyone sees it.
        segment(&sandbox, "admin", "").await;
        cards(&sandbox.http("sales"), 1).await;
        let book = "/dav/addressbooks/neighbour/~segment-be/";
        let home = neighbour.propfind("/dav/addressbooks/neighbour/", "1", "<D:displayname/>").await.expect(207).text();
        assert!(texts(&home, "href").contains(&book.to_owned()), "{home}");
        let renamed = Segment { name: "segments/be".into(), display_name: "Flanders".into(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".into()] });
        let request = UpdateSegmentRequest { segment: Some(renamed), update_mask, ..Default::default() };
        sandbox.grpc("admin").segments().update_segment(request).await.expect("another name");
        eventually("the new name", async || {
            let seen = neighbour.propfind(book, "0", "<D:displayname/>").await.expect(207).text();
            seen.contains("Flanders").then_some(())
        })
        .await;
        let request = DeleteSegmentRequest { name: "segments/be".into(), ..Default::default() };
        sandbox.grpc("admin").segments().delete_segment(request).await.expect("gone");
        eventually("that it is gone", async || {
            (neighbour.propfind(book, "0", "<D:displayname/>").await.status == 404).then_some(())
        })
        .await;
    }
}
