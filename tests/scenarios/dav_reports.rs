//! Reports on principals, expand-property, access control as properties, and cards in the version asked for.
//! Rows D6 and D17.

use kontor_tests::{Http, both};

use crate::support::texts;

const SPACES: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\" \
                      xmlns:S=\"http://calendarserver.org/ns/\"";

async fn set_email(sandbox: &kontor_tests::Sandbox, user: &str, email: &str, display_name: &str) {
    use kontor_proto::directory::v1::{UpdateUserRequest, User};
    let user = User {
        name: format!("users/{user}"),
        email: email.into(),
        display_name: display_name.into(),
        ..Default::default()
    };
    let request = UpdateUserRequest { user: Some(user), ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("a changed user");
}

/// Hrefs of the principals that a search finds.
async fn search(http: &Http, path: &str, attributes: &str, inside: &str) -> Vec<String> {
    let body = format!(
        "<D:principal-property-search {SPACES} {attributes}>{inside}<D:prop><D:displayname/></D:prop></D:principal-property-search>"
    );
    texts(&http.report(path, "0", body).await.expect(207).text(), "href")
}

fn by(property: &str, how: &str, text: &str) -> String {
    format!(
        "<D:property-search><D:prop><{property}/></D:prop><D:match{how}>{text}</D:match></D:property-search>"
    )
}

both! {
    async fn d6_users_and_teams_are_found_by_name_and_address(sandbox: Sandbox) {
        set_email(&sandbox, "sales", "anna@example.com", "Anna Peeters").await;
        set_email(&sandbox, "neighbour", "bert@example.org", "Bert Annaert").await;
        let http = sandbox.http("colleague");
        let (anna, bert) = ("/dav/principals/users/sales/", "/dav/principals/users/neighbour/");
        for (path, attributes, inside, found) in [
            ("/dav/principals/users/", "", by("D:displayname", "", "ANNA"), vec![bert, anna]),
            ("/dav/principals/", "", by("D:displayname", " match-type=\"starts-with\"", "anna"), vec![anna]),
            ("/dav/principals/", "", by("D:displayname", " match-type=\"ends-with\"", "annaert"), vec![bert]),
            ("/dav/principals/", "", by("D:displayname", " match-type=\"equals\"", "anna"), vec![]),
            ("/dav/principals/", "", by("C:calendar-user-address-set", "", "mailto:anna@"), vec![anna]),
            ("/dav/principals/", "", by("S:email-address-set", " match-type=\"ends-with\"", ".org"), vec![bert]),
            ("/dav/principals/", "", by("D:displayname", "", "anna") + &by("S:email-address-set", "", "bert"), vec![bert]),
            ("/dav/principals/", "test=\"anyof\"", by("D:displayname", "", "peeters") + &by("S:email-address-set", "", "bert"), vec![bert, anna]),
            ("/dav/principals/", "test=\"anyof\"", by("S:first-name", "", "anna") + &by("D:displayname", "", "peeters"), vec![anna]),
            ("/dav/principals/", "", by("S:first-name", "", "anna"), vec![]),
            ("/dav/principals/", "", by("C:calendar-user-type", " match-type=\"equals\"", "individual") + &by("D:displayname", "", "anna"), vec![bert, anna]),
            ("/dav/principals/", "", by("C:calendar-user-type", "", "group") + &by("D:displayname", "", "anna"), vec![]),
            ("/dav/principals/teams/", "", by("D:displayname", "", "sales"), vec!["/dav/principals/teams/sales/"]),
            ("/dav/principals/teams/", "", by("D:displayname", "", "anna"), vec![]),
            ("/dav/calendars/colleague/", "", by("D:displayname", "", "anna"), vec![]),
            ("/dav/calendars/colleague/", "", by("D:displayname", "", "peeters") + "<D:apply-to-principal-collection-set/>", vec![anna]),
        ] {
            assert_eq!(search(&http, path, attributes, &inside).await, found, "{path} {attributes} {inside}");
        }
        let fields = http.report("/dav/principals/", "0", format!("<D:principal-search-property-set {SPACES}/>")).await.expect(200).text();
        for field in ["<D:displayname/>", "<C:calendar-user-address-set/>", "<CS:email-address-set/>", "<C:calendar-user-type/>"] {
            assert!(fields.contains(field), "{fields}");
        }
        // python-caldav sends no condition when it wants all.
        for attributes in ["", "test=\"anyof\""] {
            let all = search(&http, "/dav/principals/users/", attributes, "").await;
            assert_eq!(all.len(), 5, "{all:?}");
            assert!(all.contains(&anna.to_owned()) && all.contains(&bert.to_owned()));
        }
        Http::new(&sandbox.address()).report("/dav/principals/", "0", "").await.expect(401);
    }

    async fn d6_a_disabled_user_is_not_found(sandbox: Sandbox) {
        use kontor_proto::directory::v1::{UpdateUserRequest, User};
        let http = sandbox.http("sales");
        let wanted = by("D:displayname", "", "neighbour");
        assert_eq!(search(&http, "/dav/principals/", "", &wanted).await.len(), 1);
        let user = User { name: "users/neighbour".into(), disabled: true, ..Default::default() };
        let request = UpdateUserRequest { user: Some(user), ..Default::default() };
        sandbox.grpc("admin").users().update_user(request).await.expect("a changed user");
        assert!(search(&http, "/dav/principals/", "", &wanted).await.is_empty());
    }

    async fn d6_a_team_is_a_principal_with_members_and_members_know_their_teams(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let team = http.propfind("/dav/principals/teams/sales/", "0", "<D:group-member-set/><D:resourcetype/><C:calendar-user-type/><D:principal-URL/>").await.expect(207).text();
        for user in ["manager", "sales", "colleague"] {
            assert!(team.contains(&format!("<D:href>/dav/principals/users/{user}/</D:href>")), "{team}");
        }
        assert!(!team.contains("neighbour") && team.contains("<D:principal/>") && team.contains("GROUP"), "{team}");
        let user = http.propfind("/dav/principals/users/sales/", "0", "<D:group-membership/><D:alternate-URI-set/><D:group-member-set/>").await.expect(207).text();
        assert!(user.contains("<D:group-membership><D:href>/dav/principals/teams/sales/</D:href></D:group-membership>"), "{user}");
        assert!(user.contains("<D:alternate-URI-set></D:alternate-URI-set>") && user.contains("404"), "{user}");
        let teams = http.propfind("/dav/principals/teams/", "1", "<D:displayname/>").await.expect(207).text();
        assert!(texts(&teams, "href").contains(&"/dav/principals/teams/support/".to_owned()), "{teams}");
        http.propfind("/dav/principals/teams/none/", "0", "<D:displayname/>").await.expect(404);
    }

    async fn d6_the_caller_is_matched_directly_and_through_teams(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let ask = |path: &'static str, by: &str| {
            let (http, body) = (http.clone(), format!("<D:principal-match {SPACES}>{by}<D:prop><D:displayname/></D:prop></D:principal-match>"));
            async move { texts(&http.report(path, "0", body).await.expect(207).text(), "href") }
        };
        let (own, team) = ("/dav/principals/users/sales/", "/dav/principals/teams/sales/");
        assert_eq!(ask("/dav/principals/", "<D:self/>").await, [own, team]);
        assert_eq!(ask("/dav/principals/teams/", "<D:self/>").await, [team]);
        let in_a_group = ask("/dav/principals/", "<D:principal-property><D:group-member-set/></D:principal-property>").await;
        assert_eq!(in_a_group, [team]);
        let owned = ask("/dav/calendars/sales/", "<D:principal-property><D:owner/></D:principal-property>").await;
        assert!(owned.contains(&"/dav/calendars/sales/work/".to_owned()), "{owned:?}");
        let books = ask("/dav/addressbooks/sales/", "<D:principal-property><D:owner/></D:principal-property>").await;
        assert_eq!(books, ["/dav/addressbooks/sales/contacts/"], "nobody owns the company's");
        let everyone = ask("/dav/calendars/sales/", "<D:self/>").await;
        assert!(everyone.is_empty(), "{everyone:?}");
    }

    async fn d6_expand_property_answers_with_what_the_hrefs_name(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let body = format!(
            "<D:expand-property {SPACES}><D:property name=\"displayname\"/><D:property name=\"owner\"><D:property name=\"displayname\"/>\
             <D:property name=\"calendar-home-set\" namespace=\"urn:ietf:params:xml:ns:caldav\"><D:property name=\"resourcetype\"/></D:property>\
             <D:property name=\"group-membership\"><D:property name=\"group-member-set\"/></D:property></D:property>\
             <D:property name=\"odd\" namespace=\"urn:odd\"/></D:expand-property>"
        );
        let answer = http.report("/dav/calendars/sales/work/", "0", body).await.expect(207).text();
        let flat: String = answer.split('\n').collect();
        for part in [
            "<D:owner><D:response><D:href>/dav/principals/users/sales/</D:href>",
            "<C:calendar-home-set><D:response><D:href>/dav/calendars/sales/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>",
            "<D:group-membership><D:response><D:href>/dav/principals/teams/sales/</D:href>",
            "<D:group-member-set><D:href>/dav/principals/users/colleague/</D:href>",
            "<x:odd xmlns:x=\"urn:odd\"/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>",
        ] {
            assert!(flat.contains(part), "{part} is not in {flat}");
        }
        let deep = "<D:property name=\"owner\">".repeat(6) + &"</D:property>".repeat(6);
        http.report("/dav/calendars/sales/work/", "0", format!("<D:expand-property {SPACES}>{deep}</D:expand-property>")).await.expect(400);
        let bad = format!("<D:expand-property {SPACES}><D:property name=\"a&gt;b\"/></D:expand-property>");
        http.report("/dav/calendars/sales/work/", "0", bad).await.expect(400);
        // Of what the caller may not see, not even its properties.
        let theirs = format!("<D:expand-property {SPACES}><D:property name=\"displayname\"/></D:expand-property>");
        http.report("/dav/calendars/neighbour/work/", "0", theirs).await.expect(404);
    }

    async fn d6_access_is_shown_on_everything_and_its_principals_are_listed(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put("/dav/addressbooks/sales/contacts/a.vcf", &[], "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:A\r\nN:A;;;;\r\nEND:VCARD\r\n").await.expect(201);
        let properties = "<D:acl/><D:supported-privilege-set/><D:acl-restrictions/><D:inherited-acl-set/><D:owner/><D:principal-collection-set/><D:supported-report-set/>";
        for path in [
            "/dav/", "/dav/principals/", "/dav/principals/users/sales/", "/dav/principals/teams/sales/", "/dav/calendars/", "/dav/calendars/sales/",
            "/dav/calendars/sales/work/", "/dav/addressbooks/sales/company/", "/dav/addressbooks/sales/contacts/a.vcf",
        ] {
            let answer = http.propfind(path, "0", properties).await.expect(207).text();
            assert!(!answer.contains("404"), "{path}: {answer}");
            for part in ["<D:ace><D:principal>", "<D:protected/>", "<D:grant-only/>", "<D:all/></D:privilege><D:abstract/>", "<D:expand-property/>"] {
                assert!(answer.contains(part), "{part} of {path} is not in {answer}");
            }
            for report in ["D:expand-property", "D:principal-search-property-set"] {
                assert!(answer.contains(report));
                http.report(path, "0", format!("<{report} {SPACES}/>")).await;
            }
        }
        let object = http.propfind("/dav/addressbooks/sales/contacts/a.vcf", "0", properties).await.expect(207).text();
        assert!(object.contains("<D:inherited><D:href>/dav/addressbooks/sales/contacts/</D:href></D:inherited>"), "{object}");
        let ask = format!("<D:acl-principal-prop-set {SPACES}><D:prop><D:displayname/></D:prop></D:acl-principal-prop-set>");
        for (path, found) in [("/dav/calendars/sales/work/", vec!["/dav/principals/users/sales/"]), ("/dav/addressbooks/sales/company/", vec![]),
            ("/dav/addressbooks/sales/contacts/a.vcf", vec!["/dav/principals/users/sales/"])] {
            assert_eq!(texts(&http.report(path, "0", ask.clone()).await.expect(207).text(), "href"), found);
        }
    }

    async fn d17_a_card_comes_in_the_version_asked_for_and_else_as_it_was_written(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let book = "/dav/addressbooks/sales/contacts/";
        let three = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:three\r\nFN:Team\r\nN:Team;;;;\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:four\r\n\
                     PHOTO;ENCODING=b;TYPE=JPEG:QUJD\r\nX-ODD;p=1:as it was\r\nEND:VCARD\r\n";
        let four = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:four\r\nFN:Ann\r\nTEL;VALUE=uri;PREF=1;TYPE=cell:tel:+32471112233\r\nBDAY:--0415\r\n\
                    PHOTO:data:image/png;base64,QUJD\r\nX-ODD;p=1:as it was\r\nEND:VCARD\r\n";
        http.put(&format!("{book}three.vcf"), &[], three).await.expect(201);
        http.put(&format!("{book}four.vcf"), &[], four).await.expect(201);
        let data = |attributes: &str| format!("<D:prop><D:getetag/><R:address-data {attributes}/></D:prop>");
        let reports = |attributes: &str| {
            let data = data(attributes);
            [
                format!("<R:addressbook-multiget {SPACES}>{data}<D:href>{book}three.vcf</D:href><D:href>{book}four.vcf</D:href></R:addressbook-multiget>"),
                format!("<R:addressbook-query {SPACES}>{data}<R:filter/></R:addressbook-query>"),
                format!("<D:sync-collection {SPACES}><D:sync-token/><D:sync-level>1</D:sync-level>{data}</D:sync-collection>"),
            ]
        };
        for (attributes, has, has_not) in [
            ("", vec![three, four], vec![]),
            ("content-type=\"text/vcard\" version=\"3.0\"", vec![three, "TEL;TYPE=cell,pref:+32471112233", "BDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:1604-04-15", "PHOTO;ENCODING=b;TYPE=PNG:QUJD", "N:Ann;;;;"], vec!["VERSION:4.0"]),
            ("content-type=\"text/vcard\" version=\"4.0\"", vec![four, "KIND:group", "MEMBER:urn:uuid:four", "PHOTO:data:image/jpeg;base64,QUJD"], vec!["VERSION:3.0", "X-ADDRESSBOOKSERVER"]),
        ] {
            for report in reports(attributes) {
                let answer = http.report(book, "1", report).await.expect(207).text();
                for part in &has {
                    assert!(answer.contains(part), "{part} is not in {answer}");
                }
                assert!(has_not.iter().all(|part| !answer.contains(part)), "{answer}");
                assert_eq!(answer.matches("X-ODD;p=1:as it was").count(), 2, "unknown properties survive");
            }
        }
        let refused = http.report(book, "1", format!("<R:addressbook-query {SPACES}>{}</R:addressbook-query>", data("version=\"5.0\""))).await.expect(403);
        assert!(refused.text().contains("supported-address-data"), "{}", refused.text());

        // macOS Contacts names no version and gives up a book that has a card of 4.0.
        let apple = [("user-agent", "macOS/15.5 (24F74) AddressBookCore/2695"), ("depth", "1")];
        let answer = http.send("REPORT", book, &apple, reports("")[0].clone()).await.expect(207).text();
        assert!(!answer.contains("VERSION:4.0") && answer.contains("PHOTO;ENCODING=b;TYPE=PNG:QUJD"), "{answer}");

        let path = format!("{book}four.vcf");
        let plain = http.get(&path).await.expect(200);
        assert_eq!((plain.text().as_str(), plain.header("content-type")), (four, "text/vcard; charset=utf-8"));
        let old = http.send("GET", &path, &[("accept", "text/vcard; version=3.0")], "").await.expect(200);
        assert!(old.text().contains("VERSION:3.0") && old.header("content-type").contains("version=3.0"), "{}", old.text());
        assert_eq!((old.header("etag"), old.header("vary")), (plain.header("etag"), "Accept"));
        let new = http.send("GET", &path, &[("accept", "text/vcard; version=4.0, text/vcard; version=3.0; q=0.5")], "").await.expect(200);
        assert_eq!(new.text(), four);
        // What a client read in its version, it writes back over the same ETag.
        http.put(&path, &[("if-match", old.header("etag"))], old.text()).await.expect(204);
        assert_eq!(http.get(&path).await.expect(200).text(), old.text());
    }
}
