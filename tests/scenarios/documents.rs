//! Documents over WebDAV: what PROPFIND says of them, whatever a client's XML looks like. Row D14; litmus and LibreOffice stand in suites.rs.

use kontor_proto::templating::v1::{ListTemplatesRequest, Template};
use kontor_tests::{Http, both};

const XML: (&str, &str) = ("content-type", "application/xml");
const FOLDER: &str = "/dav/files/templates/";
const NOTE: &str = "/dav/files/templates/Caf%C3%A9%20%26%20note.txt";

async fn find(http: &Http, path: &str, depth: &str, body: &str) -> String {
    http.send("PROPFIND", path, &[XML, ("depth", depth)], body.to_owned()).await.expect(207).text()
}

both! {
    async fn d14_properties_of_documents_have_one_prefix_and_a_404_for_what_is_not_there(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let etag = http.put(NOTE, &[("content-type", "text/plain")], "Hello {{ partner.name }}").await.expect(201).header("etag").to_owned();
        assert!(etag.starts_with('"'), "{etag}");
        // LibreOffice writes the default namespace and reads none.
        let wanted = "<propfind xmlns=\"DAV:\" xmlns:x=\"urn:x\"><prop><resourcetype/><getetag/><getcontentlength/><owner/><x:colour/></prop></propfind>";
        let found = find(&http, NOTE, "0", wanted).await;
        for part in [
            "<D:href>/dav/files/templates/Caf%C3%A9%20%26%20note.txt</D:href>",
            "<D:resourcetype></D:resourcetype>",
            &format!("<D:getetag>{}</D:getetag>", etag.replace('"', "&quot;")),
            "<D:getcontentlength>24</D:getcontentlength>",
            "<D:owner/>",
            "HTTP/1.1 404 Not Found",
        ] {
            assert!(found.contains(part), "{part} in {found}");
        }
        let folder = find(&http, "/dav/files/templates", "0", wanted).await;
        assert!(folder.contains(&format!("<D:href>{FOLDER}</D:href>")), "{folder}");
        assert!(folder.contains("<D:resourcetype><D:collection/></D:resourcetype>"), "{folder}");
        let all = find(&http, FOLDER, "1", "").await;
        assert_eq!(all.matches("<D:response>").count(), 2, "{all}");
        // What asks for nothing but what is not there gets a status too.
        let none = find(&http, NOTE, "0", "<D:propfind xmlns:D=\"DAV:\"><D:prop><n:n xmlns:n=\"urn:n\"/></D:prop></D:propfind>").await;
        assert!(none.contains("404 Not Found") && !none.contains("200 OK"), "{none}");
    }

    async fn d14_own_properties_and_locks_of_documents_are_shown(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        http.put(NOTE, &[], "Hello").await.expect(201);
        let set = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:x=\"urn:x\"><D:set><D:prop><x:colour><x:b k=\"1\">r&amp;d</x:b></x:colour>\
                   <D:displayname>The note</D:displayname></D:prop></D:set></D:propertyupdate>";
        http.send("PROPPATCH", NOTE, &[XML], set.to_owned()).await.expect(207);
        let lock = "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner><href>mailto:a@b.c</href></owner></lockinfo>";
        let token = http.send("LOCK", NOTE, &[XML, ("timeout", "Second-300")], lock.to_owned()).await.expect(200).header("lock-token").to_owned();
        let all = find(&http, NOTE, "0", "").await;
        assert!(all.contains("r&amp;d</") && all.contains("k=\"1\"") && all.contains("The note"), "{all}");
        let names = find(&http, NOTE, "0", "<D:propfind xmlns:D=\"DAV:\"><D:propname/></D:propfind>").await;
        assert!(names.contains("<D:displayname/>") && names.contains("lockdiscovery/>") && !names.contains("The note"), "{names}");
        let locks = find(&http, NOTE, "0", "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:lockdiscovery/><D:supportedlock/></D:prop></D:propfind>").await;
        let token = token.trim_matches(['<', '>']);
        for part in [token, "<D:owner><D:href>mailto:a@b.c</D:href></D:owner>", "<D:lockroot><D:href>/dav/files/templates/Caf%C3%A9%20%26%20note.txt</D:href>"] {
            assert!(locks.contains(part), "{part} in {locks}");
        }
        // What goes deep is refused before anything climbs down it.
        let deep = format!("<a xmlns=\"DAV:\">{}", "<a>".repeat(20_000));
        for method in ["LOCK", "PROPPATCH", "PROPFIND"] {
            http.send(method, NOTE, &[XML, ("depth", "0")], deep.clone()).await.expect(400);
        }
        // A neighbour sees none of it.
        let other = sandbox.http("neighbour").send("PROPFIND", NOTE, &[XML, ("depth", "0")], "").await;
        assert_eq!(other.status.as_u16(), 404);
    }

    /// Programs that save beside a file and then put that in its place, as Word does on a drive and rclone everywhere.
    async fn d14_what_is_moved_or_copied_over_a_template_is_its_next_revision(sandbox: Sandbox) {
        let (http, grpc) = (sandbox.http("sales"), sandbox.grpc("sales"));
        http.put(NOTE, &[], "Hello {{ partner.name }}").await.expect(201);
        let only = async || {
            let found = grpc.templates().list_templates(ListTemplatesRequest::default()).await.expect("templates").into_inner().templates;
            let [template] = found.as_slice() else { panic!("{found:?}") };
            template.clone()
        };
        let number = |template: &Template| template.revision.rsplit('/').next().and_then(|it| it.parse::<i32>().ok()).expect("a number");
        let first = only().await;
        let to = |path: &str| vec![("destination".to_owned(), path.to_owned())];
        let send = async |method: &str, from: &str, headers: &[(String, String)]| {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            http.send(method, from, &headers, "").await
        };
        let beside = format!("{FOLDER}~save-1.tmp");
        http.put(&beside, &[], "Dear {{ partner.name }}").await.expect(201);
        // Only where it may be overwritten.
        let not_over = [to(NOTE), vec![("overwrite".to_owned(), "F".to_owned())]].concat();
        send("MOVE", &beside, &not_over).await.expect(412);
        send("MOVE", &beside, &to(NOTE)).await.expect(204);
        let second = only().await;
        assert_eq!((&second.name, number(&second)), (&first.name, number(&first) + 1));
        assert_eq!(http.get(NOTE).await.expect(200).text(), "Dear {{ partner.name }}");
        http.get(&beside).await.expect(404);
        // A copy, and what stands there is left when the new document can't be read.
        http.put(&beside, &[], "Hi {{ partner.name }}").await.expect(201);
        send("COPY", &beside, &to(NOTE)).await.expect(204);
        assert_eq!(http.get(NOTE).await.expect(200).text(), "Hi {{ partner.name }}");
        http.put(&beside, &[], vec![0xff_u8, 0xfe, 0xff]).await.expect(204);
        for method in ["MOVE", "COPY"] {
            assert!(send(method, &beside, &to(NOTE)).await.status.is_client_error(), "{method}");
        }
        let third = only().await;
        assert_eq!((&third.name, number(&third)), (&first.name, number(&first) + 2));
        assert_eq!(http.get(NOTE).await.expect(200).text(), "Hi {{ partner.name }}");
        assert_eq!(http.get(&beside).await.expect(200).body.as_ref(), [0xff, 0xfe, 0xff]);
        // Own files take each other's place.
        let other = format!("{FOLDER}other.tmp");
        http.put(&other, &[], "other").await.expect(201);
        send("MOVE", &other, &to(&beside)).await.expect(204);
        assert_eq!(http.get(&beside).await.expect(200).text(), "other");
        http.get(&other).await.expect(404);
        assert_eq!(only().await.name, first.name);
    }
}
