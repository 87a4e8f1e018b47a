//! Push messages (WebDAV-Push): a real little push server takes what Kontor sends, and the client's key opens it.
//! Row D16.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kontor_proto::calendar::v1::{
    CreateEventRequest, Event, EventTime, ListCalendarsRequest, ShareCalendarRequest, UnshareCalendarRequest,
    event_time,
};
use kontor_tests::{Backend, Grpc, Http, Process, Sandbox, both};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use web_push_native::p256::SecretKey;
use web_push_native::p256::ecdsa::signature::Verifier;
use web_push_native::p256::ecdsa::{Signature, VerifyingKey};
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;

use crate::support::{add_partner, eventually, texts};

const CALENDAR: &str = "/dav/calendars/sales/work/";
const AUTH: [u8; 16] = [9; 16];

/// One message as it came.
#[derive(Clone)]
struct Message {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A push service: it keeps what is posted, and answers with what it is told to.
struct PushServer {
    address: String,
    got: Arc<Mutex<Vec<Message>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl PushServer {
    async fn start() -> PushServer {
        PushServer::start_with(None).await
    }

    /// By TLS, as push services on the Internet are. The second is the certificate, in PEM, that its clients have to trust.
    async fn start_secured() -> (PushServer, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
        let made = tokio::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .await
            .expect("openssl is there: tests/install sees to it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let provider = rustls::crypto::ring::default_provider().into();
        let builder =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let settings = builder.expect("versions").with_no_client_auth().with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")],
            PrivateKeyDer::from_pem_file(&key).expect("a key"),
        );
        let tls = TlsAcceptor::from(Arc::new(settings.expect("a certificate with its key")));
        let mut server = PushServer::start_with(Some(tls)).await;
        server.address = server.address.replace("127.0.0.1", "localhost");
        (server, std::fs::read_to_string(&certificate).expect("a certificate"))
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> PushServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (got, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (kept, told) = (got.clone(), answers.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, told) = (kept.clone(), told.clone());
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (kept, told) = (kept.clone(), told.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.expect("a body").to_bytes();
                        kept.lock().expect("no panic").push(Message {
                            path: parts.uri.path().to_owned(),
                            headers: parts.headers,
                            body,
                        });
                        let status = told.lock().expect("no panic").pop().unwrap_or(201);
                        let answer = Response::builder()
                            .status(status)
                            .header("retry-after", "1")
                            .header("location", "/elsewhere");
                        Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).expect("an answer"))
                    }
                });
                let tls = tls.clone();
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // Who does not trust the certificate ends here.
                    let _ = match tls {
                        None => http.serve_connection(TokioIo::new(stream), service).await.ok(),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await.ok(),
                            Err(_) => None,
                        },
                    };
                });
            }
        });
        PushServer { address, got, answers }
    }

    /// What the next message is answered with.
    fn answer_next(&self, status: u16) {
        self.answers.lock().expect("no panic").push(status);
    }

    fn count(&self) -> usize {
        self.got.lock().expect("no panic").len()
    }

    /// Waits for the message behind the first so many.
    async fn message(&self, number: usize) -> Message {
        eventually("a push message", async || self.got.lock().expect("no panic").get(number).cloned()).await
    }

    async fn stays_silent(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(self.count(), count, "nothing was to be told");
    }
}

/// A phone with its keys.
struct Phone {
    key: SecretKey,
    resource: String,
}

impl Phone {
    fn new(server: &PushServer, name: &str) -> Phone {
        let mut secret = [3; 32];
        secret[31] = name.bytes().fold(1, u8::wrapping_add).max(1);
        let key = SecretKey::from_slice(&secret).expect("a key");
        Phone { key, resource: format!("http://{}/{name}", server.address) }
    }

    fn body(&self, trigger: &str) -> String {
        let public = URL_SAFE_NO_PAD.encode(self.key.public_key().to_encoded_point(false).as_bytes());
        let auth = URL_SAFE_NO_PAD.encode(AUTH);
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><push-register xmlns=\"https://bitfire.at/webdav-push\" xmlns:D=\"DAV:\"><subscription><web-push-subscription>\
             <push-resource>{}</push-resource><content-encoding>aes128gcm</content-encoding><subscription-public-key type=\"p256dh\">{public}</subscription-public-key>\
             <auth-secret>{auth}</auth-secret></web-push-subscription></subscription>{trigger}</push-register>",
            self.resource
        )
    }

    async fn register(&self, http: &Http, collection: &str, trigger: &str) -> kontor_tests::Answer {
        let headers = [("content-type", "application/xml; charset=utf-8"), ("x-forwarded-proto", "http")];
        http.send("POST", collection, &headers, self.body(trigger)).await
    }

    fn open(&self, message: &Message) -> String {
        assert_eq!(message.headers["content-encoding"], "aes128gcm");
        let plain =
            web_push_native::decrypt(message.body.to_vec(), &self.key, &web_push_native::Auth::from(AUTH));
        String::from_utf8(plain.expect("the client's key opens it")).expect("it is text")
    }
}

const CONTENT: &str = "<trigger><content-update><D:depth>1</D:depth></content-update></trigger>";

async fn push_properties(http: &Http, collection: &str) -> String {
    let ask = "<D:propfind xmlns:D=\"DAV:\" xmlns:P=\"https://bitfire.at/webdav-push\"><D:prop><P:transports/><P:topic/><P:supported-triggers/><D:sync-token/></D:prop></D:propfind>";
    http.send("PROPFIND", collection, &[("depth", "0")], ask).await.expect(207).text()
}

fn one(xml: &str, element: &str) -> String {
    texts(xml, element).first().cloned().unwrap_or_else(|| panic!("no {element} in {xml}"))
}

async fn add_event(grpc: &Grpc, summary: &str) {
    let at = |text: &str| EventTime {
        kind: Some(event_time::Kind::Local(text.into())),
        time_zone: "Europe/Brussels".into(),
    };
    let event = Event {
        summary: summary.into(),
        start: Some(at("2026-12-01T09:00:00")),
        end: Some(at("2026-12-01T10:00:00")),
        ..Default::default()
    };
    let request =
        CreateEventRequest { parent: "calendars/default".into(), event: Some(event), ..Default::default() };
    grpc.events().create_event(request).await.expect("an event");
}

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261130T090000Z\r\nDTEND:20261130T100000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// The header that a push service checks before it takes a message (RFC 8292).
fn check_vapid(message: &Message, public: &str, origin: &str) {
    let header = message.headers["authorization"].to_str().expect("text");
    let (token, key) =
        header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("vapid");
    assert_eq!(key, public, "the key that the client saw");
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let signature =
        Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).expect("base64")).expect("a signature");
    let key = VerifyingKey::from_sec1_bytes(&URL_SAFE_NO_PAD.decode(key).expect("base64")).expect("a key");
    key.verify(signed.as_bytes(), &signature).expect("it is signed by that key");
    let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').expect("claims").1).expect("base64");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["aud"], origin);
    let now = jiff::Timestamp::now().as_second();
    assert!((now..now + 86_400).contains(&claims["exp"].as_i64().expect("a time")));
}

/// Runs a scenario on both databases, with a push server in the own network allowed.
macro_rules! with_push {
    ($(async fn $name:ident($sandbox:ident: Sandbox, $server:ident: PushServer) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn scenario($sandbox: Sandbox, $server: PushServer) $body

            const MORE: [(&str, &str); 2] = [("push.private_addresses", "true"), ("push.contact", "mailto:it@kontor.test")];

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scenario(Sandbox::start_with(Backend::Sqlite, &MORE).await, PushServer::start().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                scenario(Sandbox::start_with(Backend::Postgres, &MORE).await, PushServer::start().await).await;
            }
        }
    )*};
}

with_push! {
    async fn d16_a_change_over_grpc_is_on_the_phone_within_seconds(sandbox: Sandbox, server: PushServer) {
        let (http, grpc) = (sandbox.http("sales"), sandbox.grpc("sales"));
        let options = http.send("OPTIONS", CALENDAR, &[], "").await.expect(200);
        assert!(options.header("dav").split(',').any(|option| option.trim() == "webdav-push"));
        let found = push_properties(&http, CALENDAR).await;
        let public = one(&found, "vapid-public-key");
        assert!(found.contains("type=\"p256ecdsa\"") && found.contains("web-push") && found.contains("content-update") && !found.contains("404"), "{found}");
        let home = http.send("PROPFIND", "/dav/calendars/sales/", &[("depth", "1")], "<D:propfind xmlns:D=\"DAV:\"><D:prop><P:transports xmlns:P=\"https://bitfire.at/webdav-push\"/></D:prop></D:propfind>").await.expect(207).text();
        assert!(home.contains(&public), "{home}");
        let phone = Phone::new(&server, "phone");
        let made = phone.register(&http, CALENDAR, CONTENT).await.expect(201);
        let registration = made.header("location").to_owned();
        assert!(registration.starts_with("http://") && registration.contains("/dav/push/calendars/"), "{registration}");
        assert!(made.header("expires").ends_with(" GMT"));
        // The same phone again renews it, at the same address.
        let again = phone.register(&http, CALENDAR, CONTENT).await.expect(204);
        assert_eq!(again.header("location"), registration);
        server.stays_silent(0).await;
        let started = Instant::now();
        add_event(&grpc, "Secret title").await;
        let message = server.message(0).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(message.path, "/phone");
        assert!(message.headers.contains_key("ttl") && message.headers.contains_key("topic"));
        check_vapid(&message, &public, &format!("http://{}", server.address));
        let text = phone.open(&message);
        let now = push_properties(&http, CALENDAR).await;
        assert_eq!(one(&text, "topic"), one(&now, "topic"));
        assert_eq!(one(&text, "sync-token"), one(&now, "sync-token"));
        assert!(!text.contains("property-update") && !text.contains("Secret"), "{text}");
        // Many changes in a short while are few messages, and the last one knows all.
        for number in 0..12 {
            add_event(&grpc, &format!("Burst {number}")).await;
        }
        let token = one(&push_properties(&http, CALENDAR).await, "sync-token");
        eventually("the last token", async || {
            let last = server.got.lock().expect("no panic").last().cloned()?;
            (one(&phone.open(&last), "sync-token") == token).then_some(())
        }).await;
        assert!(server.count() <= 3, "{} messages for a burst", server.count());
        let count = server.count();
        // What the client did itself is not told to it.
        let silent = format!("\"{registration}\"");
        http.put(&format!("{CALENDAR}own.ics"), &[("push-dont-notify", &silent)], event("own")).await.expect(201);
        http.send("DELETE", &format!("{CALENDAR}own.ics"), &[("push-dont-notify", "*")], "").await.expect(204);
        tokio::time::sleep(Duration::from_secs(4)).await;
        server.stays_silent(count).await;
        http.put(&format!("{CALENDAR}other.ics"), &[], event("other")).await.expect(201);
        server.message(count).await;
        // Nobody else ends it; then it ends.
        let path = registration[registration.find("/dav/").expect("a path")..].to_owned();
        sandbox.http("neighbour").send("DELETE", &path, &[], "").await.expect(404);
        http.send("GET", &path, &[], "").await.expect(405);
        http.send("DELETE", &path, &[], "").await.expect(204);
        http.send("DELETE", &path, &[], "").await.expect(404);
        let count = server.count();
        add_event(&grpc, "Unheard").await;
        server.stays_silent(count).await;
    }

    async fn d16_properties_and_books_are_told_too_and_a_restart_loses_nothing(sandbox: Sandbox, server: PushServer) {
        let mut sandbox = sandbox;
        let http = sandbox.http("sales");
        let (calendar, book) = (Phone::new(&server, "calendar"), Phone::new(&server, "book"));
        calendar.register(&http, CALENDAR, "").await.expect(201);
        book.register(&http, "/dav/addressbooks/sales/company/", "").await.expect(201);
        let key = one(&push_properties(&http, CALENDAR).await, "vapid-public-key");
        let name = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>Mine</D:displayname></D:prop></D:set></D:propertyupdate>";
        http.send("PROPPATCH", CALENDAR, &[], name).await.expect(207);
        let message = server.message(0).await;
        let text = calendar.open(&message);
        assert!(text.contains("<property-update/>") && !text.contains("sync-token"), "{text}");
        let partner = add_partner(&sandbox.grpc("manager"), "Anna", "+32 471 11 22 33", "anna@example.com").await;
        let message = server.message(1).await;
        assert_eq!(message.path, "/book");
        let now = push_properties(&http, "/dav/addressbooks/sales/company/").await;
        assert_eq!(one(&book.open(&message), "sync-token"), one(&now, "sync-token"));
        assert!(!partner.name.is_empty());
        // The push service is away while the process is restarted: the message goes out afterwards, by the same key.
        server.answer_next(503);
        http.put(&format!("{CALENDAR}one.ics"), &[], event("one")).await.expect(201);
        server.message(2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        sandbox.restart().await;
        let http = sandbox.http("sales");
        let message = server.message(3).await;
        let now = push_properties(&http, CALENDAR).await;
        assert_eq!(one(&calendar.open(&message), "sync-token"), one(&now, "sync-token"));
        check_vapid(&message, &key, &format!("http://{}", server.address));
    }

    async fn d16_what_is_gone_or_no_longer_shared_is_not_told(sandbox: Sandbox, server: PushServer) {
        let (sales, neighbour) = (sandbox.grpc("sales"), sandbox.http("neighbour"));
        // A stranger to the calendar does not even see it.
        let theirs = Phone::new(&server, "theirs");
        theirs.register(&neighbour, CALENDAR, CONTENT).await.expect(404);
        let calendars = sales.calendars().list_calendars(ListCalendarsRequest::default()).await.expect("calendars").into_inner().calendars;
        let name = calendars.into_iter().find(|calendar| calendar.owner == "users/sales").expect("a calendar").name;
        let share = ShareCalendarRequest { name: name.clone(), grantee: "users/neighbour".into(), ..Default::default() };
        sales.calendars().share_calendar(share).await.expect("a share");
        let shared = "/dav/calendars/neighbour/sales~work/";
        let path = |answer: &kontor_tests::Answer| {
            let location = answer.header("location");
            location[location.find("/dav/").expect("a path")..].to_owned()
        };
        let registration = path(&theirs.register(&neighbour, shared, CONTENT).await.expect(201));
        add_event(&sales, "Shared").await;
        theirs.open(&server.message(0).await);
        sales.calendars().unshare_calendar(UnshareCalendarRequest { name, grantee: "users/neighbour".into(), ..Default::default() }).await.expect("no share");
        tokio::time::sleep(Duration::from_secs(4)).await;
        add_event(&sales, "Alone").await;
        server.stays_silent(1).await;
        eventually("the end of the registration", async || {
            (neighbour.send("DELETE", &registration, &[], "").await.status == 404).then_some(())
        }).await;
        // A push service that does not know it any more ends it; a redirect is not followed.
        let http = sandbox.http("sales");
        let phone = Phone::new(&server, "lost");
        let registration = path(&phone.register(&http, CALENDAR, CONTENT).await.expect(201));
        server.answer_next(410);
        add_event(&sales, "Lost").await;
        server.message(1).await;
        eventually("the end of the registration", async || {
            (http.send("DELETE", &registration, &[], "").await.status == 404).then_some(())
        }).await;
        let phone = Phone::new(&server, "moved");
        phone.register(&http, CALENDAR, CONTENT).await.expect(201);
        server.answer_next(307);
        add_event(&sales, "Moved").await;
        server.message(2).await;
        // Tried again at the same address, after the pause that it asked for.
        assert_eq!(server.message(3).await.path, "/moved");
    }

    async fn d16_rubbish_is_refused(sandbox: Sandbox, server: PushServer) {
        let http = sandbox.http("sales");
        let phone = Phone::new(&server, "phone");
        let good = phone.body(CONTENT);
        let post = async |body: String| http.send("POST", CALENDAR, &[("content-type", "application/xml")], body).await;
        for address in ["ftp://push.example.net/", "/abc", "http://a@push.example.net/", ""] {
            let refused = post(good.replace(&phone.resource, address)).await.expect(403);
            assert!(refused.text().contains("invalid-subscription"), "{address}: {}", refused.text());
        }
        for (part, instead) in [("<auth-secret>", "<auth-secret>AAAA"), ("p256dh\">B", "p256dh\">A"), ("aes128gcm", "aesgcm")] {
            let refused = post(good.replace(part, instead)).await.expect(403);
            assert!(refused.text().contains("invalid-subscription"), "{part}: {}", refused.text());
        }
        let other = post(good.replace("content-update", "other-update")).await.expect(403);
        assert!(other.text().contains("no-supported-trigger"), "{}", other.text());
        let inbox = http.send("POST", "/dav/calendars/sales/inbox/", &[("content-type", "application/xml")], good.clone()).await.expect(403);
        assert!(inbox.text().contains("push-not-available"), "{}", inbox.text());
        post("<push-register/>".to_owned()).await.expect(400);
        post("rubbish".to_owned()).await.expect(400);
        http.send("POST", "/dav/calendars/sales/work/a.ics", &[("content-type", "application/xml")], good.clone()).await.expect(403);
        let made = post(good).await.expect(201);
        assert!(made.header("location").starts_with("/dav/push/calendars/"), "without X-Forwarded-Proto it is a path");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d16_push_is_not_announced_where_it_is_switched_off() {
    let sandbox = Sandbox::start_with(Backend::Sqlite, &[("push.enabled", "false")]).await;
    let http = sandbox.http("sales");
    assert!(!http.send("OPTIONS", CALENDAR, &[], "").await.header("dav").contains("webdav-push"));
    let found = push_properties(&http, CALENDAR).await;
    assert!(!found.contains("web-push") && found.contains("404"), "{found}");
    let phone = Phone::new(&PushServer::start().await, "phone");
    let refused = phone.register(&http, CALENDAR, CONTENT).await.expect(403);
    assert!(refused.text().contains("push-not-available"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d16_push_services_are_reached_by_tls_if_the_system_trusts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((trusted, root), (stranger, _)) =
        (PushServer::start_secured().await, PushServer::start_secured().await);
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, root).expect("the system's roots");
    let data = folder.path().join("data").display().to_string();
    let variables = [
        ("SSL_CERT_FILE".to_owned(), roots.display().to_string()),
        ("KONTOR_PUSH_PRIVATE_ADDRESSES".to_owned(), "true".to_owned()),
    ];
    let process =
        Process::start_as(&["--listen", "127.0.0.1:0", "--data", &data, "--demo"], &variables).await;
    let http = Http::new(&process.address).sign_in("sales", "demo");
    for server in [&stranger, &trusted] {
        let mut phone = Phone::new(server, "phone");
        phone.resource = phone.resource.replace("http:", "https:");
        phone.register(&http, CALENDAR, CONTENT).await.expect(201);
    }
    http.put(&format!("{CALENDAR}tls.ics"), &[], event("tls")).await.expect(201);
    let message = trusted.message(0).await;
    let opened = Phone::new(&trusted, "phone").open(&message);
    assert!(opened.contains("push-message"), "{opened}");
    check_vapid(
        &message,
        &one(&push_properties(&http, CALENDAR).await, "vapid-public-key"),
        &format!("https://{}", trusted.address),
    );
    assert_eq!(stranger.count(), 0, "nobody trusts it");
    assert!(process.stop().await);
}

both! {
    async fn d16_messages_never_go_into_the_own_network(sandbox: Sandbox) {
        let http = sandbox.http("sales");
        let phone = Phone::new(&PushServer::start().await, "phone");
        let good = phone.body(CONTENT).replace(&phone.resource, "https://push.example.net/abc");
        let post = async |body: String| http.send("POST", CALENDAR, &[("content-type", "application/xml")], body).await;
        for address in ["http://push.example.net/abc", phone.resource.as_str(), "https://127.0.0.1/abc", "https://[::1]/abc", "https://169.254.169.254/latest"] {
            let refused = post(good.replace("https://push.example.net/abc", address)).await.expect(403);
            assert!(refused.text().contains("invalid-subscription"), "{address}: {}", refused.text());
        }
        post(good).await.expect(201);
    }
}
