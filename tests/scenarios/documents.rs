//! Documents over WebDAV: what PROPFIND says of them, whatever a client's XML looks like. Row D14; litmus and LibreOffice stand in suites.rs.

use kontor_proto::templating::v1::{ListTemplatesRequest, Template, UpdateTemplateRequest};
use kontor_tests::{Grpc, Http, both};

use crate::letters::docx;

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
        // Nor anything that is larger than a document may be.
        http.put(NOTE, &[], vec![b'x'; 33 << 20]).await.expect(413);
        assert_eq!(http.get(NOTE).await.expect(200).text(), "Hello");
        // A neighbour sees none of it.
        let other = sandbox.http("neighbour").send("PROPFIND", NOTE, &[XML, ("depth", "0")], "").await;
        assert_eq!(other.status.as_u16(), 404);
    }

    /// Programs that save beside a file and then put that in its place, as Word does on a drive and rclone everywhere.
    async fn d14_what_is_moved_or_copied_over_a_template_is_its_next_revision(sandbox: Sandbox) {
        let (http, grpc) = (sandbox.http("sales"), sandbox.grpc("sales"));
        http.put(NOTE, &[], "Hello {{ partner.name }}").await.expect(201);
        let first = only(&grpc).await;
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
        let second = only(&grpc).await;
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
        let third = only(&grpc).await;
        assert_eq!((&third.name, number(&third)), (&first.name, number(&first) + 2));
        assert_eq!(http.get(NOTE).await.expect(200).text(), "Hi {{ partner.name }}");
        assert_eq!(http.get(&beside).await.expect(200).body.as_ref(), [0xff, 0xfe, 0xff]);
        // Own files take each other's place.
        let other = format!("{FOLDER}other.tmp");
        http.put(&other, &[], "other").await.expect(201);
        send("MOVE", &other, &to(&beside)).await.expect(204);
        assert_eq!(http.get(&beside).await.expect(200).text(), "other");
        http.get(&other).await.expect(404);
        assert_eq!(only(&grpc).await.name, first.name);
    }

    /// What Windows' WebClient sends when Word saves on a mapped drive: the document is written beside, the old one moved away, the new one put in its place.
    async fn d14_word_saves_a_template_on_a_mapped_drive(sandbox: Sandbox) {
        let (http, grpc, leader) = (sandbox.http("sales"), sandbox.grpc("sales"), sandbox.http("manager"));
        let (letter, written, away) = (format!("{FOLDER}letter.docx"), format!("{FOLDER}~WRD0000.tmp"), format!("{FOLDER}~WRL0001.tmp"));
        http.put(&letter, &[], docx("Hello {{ partner.name }}")).await.expect(201);
        let first = only(&grpc).await;
        let to_team = Template { name: first.name.clone(), team: "teams/sales".to_owned(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["team".to_owned()] });
        let request = UpdateTemplateRequest { template: Some(to_team), update_mask, ..Default::default() };
        grpc.templates().update_template(request).await.expect("a team");
        let move_to = async |http: &Http, from: &str, to: &str, more: &[(&str, &str)]| {
            // Windows writes the whole address.
            let to = format!("http://{}{to}", sandbox.address());
            let headers = [&[("destination", &*to), ("overwrite", "F")], more].concat();
            http.send("MOVE", from, &headers, "").await
        };
        // Windows locks what is open, whoever of the two lets go of it first.
        for (round, is_locked) in [(2, false), (3, true)] {
            let text = docx(&format!("Dear {{{{ partner.name }}}} {round}"));
            let held = lock(&http, &letter).await;
            save_beside(&http, &written, &text).await;
            let if_held = format!("({held})");
            let condition = if is_locked {
                vec![("if", &*if_held)]
            } else {
                http.send("UNLOCK", &letter, &[("lock-token", &held)], "").await.expect(204);
                vec![]
            };
            let (old, before) = (http.get(&letter).await.expect(200), only(&grpc).await);
            move_to(&http, &letter, &away, &condition).await.expect(201);
            // It is away for who moved it, and for nobody else; nothing happened to the template.
            http.get(&letter).await.expect(404);
            http.send("PROPFIND", &letter, &[XML, ("depth", "0")], "").await.expect(404);
            let listed = find(&http, FOLDER, "1", "").await;
            assert!(!listed.contains("letter.docx") && listed.contains("~WRL0001.tmp") && listed.contains("~WRD0000.tmp"), "{listed}");
            assert_eq!(http.get(&away).await.expect(200).body, old.body);
            assert_eq!(leader.get(&letter).await.expect(200).body, old.body);
            assert!(!find(&leader, FOLDER, "1", "").await.contains("~WR"), "files of another one");
            leader.send("LOCK", &letter, &[XML, ("depth", "0")], LOCK).await.expect(423);
            leader.put(&letter, &[], docx("mine")).await.expect(423);
            assert_eq!(only(&grpc).await, before);
            move_to(&http, &written, &letter, &condition).await.expect(201);
            let now = only(&grpc).await;
            assert_eq!((&*now.name, &*now.team, number(&now)), (&*first.name, "teams/sales", round));
            http.send("DELETE", &away, &[], "").await.expect(204);
            assert_eq!(http.get(&letter).await.expect(200).body.as_ref(), text);
            let listed = find(&http, FOLDER, "1", "").await;
            assert!(listed.contains("letter.docx") && !listed.contains("~WR"), "{listed}");
            // It is open again, and closed.
            let held = lock(&http, &letter).await;
            http.send("UNLOCK", &letter, &[("lock-token", &held)], "").await.expect(204);
        }
        // A save that fails: the old one comes back, and is no revision.
        save_beside(&http, &written, b"no document").await;
        move_to(&http, &letter, &away, &[]).await.expect(201);
        move_to(&http, &written, &letter, &[]).await.expect(403);
        http.get(&letter).await.expect(404);
        move_to(&http, &away, &letter, &[]).await.expect(201);
        assert_eq!(number(&only(&grpc).await), 3);
        http.get(&away).await.expect(404);
        http.get(&letter).await.expect(200);
        // What is written to its name is its next revision too, empty at first as Windows does it.
        move_to(&http, &letter, &away, &[]).await.expect(201);
        save_beside(&http, &letter, &docx("Good day")).await;
        assert_eq!((only(&grpc).await.name, number(&only(&grpc).await)), (first.name.clone(), 4));
        http.send("DELETE", &away, &[], "").await.expect(204);
        assert_eq!(http.get(&letter).await.expect(200).body.as_ref(), docx("Good day"));
        // A lock takes the name too: it is the template, as it was.
        move_to(&http, &letter, &away, &[]).await.expect(201);
        let held = lock(&http, &letter).await;
        assert_eq!(http.get(&letter).await.expect(200).body.as_ref(), docx("Good day"));
        http.send("UNLOCK", &letter, &[("lock-token", &held)], "").await.expect(204);
        http.send("DELETE", &away, &[], "").await.expect(204);
        assert_eq!(number(&only(&grpc).await), 4);
        // Who has it open keeps others from it; who may not save it can't move it away.
        let held = lock(&leader, &letter).await;
        move_to(&http, &letter, &away, &[]).await.expect(423);
        move_to(&http, &letter, &away, &[("if", &format!("({held})"))]).await.expect(423);
        move_to(&sandbox.http("colleague"), &letter, &away, &[]).await.expect(423);
        leader.send("UNLOCK", &letter, &[("lock-token", &held)], "").await.expect(204);
        move_to(&sandbox.http("colleague"), &letter, &away, &[]).await.expect(403);
        move_to(&sandbox.http("neighbour"), &letter, &away, &[]).await.expect(404);
        // To all other names it is refused as before.
        move_to(&http, &letter, &format!("{FOLDER}letter.bak"), &[]).await.expect(403);
        http.send("MKCOL", &format!("{FOLDER}drafts"), &[], "").await.expect(201);
        move_to(&http, &letter, &format!("{FOLDER}drafts/~WRL0001.tmp"), &[]).await.expect(403);
        http.get(&letter).await.expect(200);
    }
}

/// The only template.
async fn only(grpc: &Grpc) -> Template {
    let found = grpc.templates().list_templates(ListTemplatesRequest::default()).await.expect("templates");
    let found = found.into_inner().templates;
    let [template] = found.as_slice() else { panic!("{found:?}") };
    template.clone()
}

/// The number of its revision.
fn number(template: &Template) -> i32 {
    template.revision.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a number")
}

const LOCK: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
                    <D:owner><D:href>PC\\sales</D:href></D:owner></D:lockinfo>";

/// A lock as Windows takes it. Gives its token in angle brackets.
async fn lock(http: &Http, path: &str) -> String {
    let headers = [XML, ("depth", "0"), ("timeout", "Second-3600"), ("translate", "f")];
    let answer = http.send("LOCK", path, &headers, LOCK).await;
    assert!(matches!(answer.status.as_u16(), 200 | 201), "{}", answer.text());
    answer.header("lock-token").to_owned()
}

/// A file as Windows writes it: empty, then locked, filled, given its times, and let go.
async fn save_beside(http: &Http, path: &str, data: &[u8]) {
    http.send("PROPFIND", path, &[XML, ("depth", "0")], "").await.expect(404);
    http.put(path, &[], "").await.expect(201);
    let held = lock(http, path).await;
    let condition = format!("({held})");
    http.send("HEAD", path, &[("translate", "f")], "").await.expect(200);
    http.put(path, &[("if", &condition)], data.to_vec()).await.expect(204);
    let times = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:Z=\"urn:schemas-microsoft-com:\"><D:set><D:prop><Z:Win32LastModifiedTime>Mon, 30 Nov 2026 09:00:00 GMT\
                 </Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>";
    http.send("PROPPATCH", path, &[XML, ("if", &condition)], times).await.expect(207);
    http.send("UNLOCK", path, &[("lock-token", &held)], "").await.expect(204);
}
