//! Documents over WebDAV: what PROPFIND says of them, whatever a client's XML looks like. Row D14; litmus and LibreOffice stand in suites.rs.

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
}
