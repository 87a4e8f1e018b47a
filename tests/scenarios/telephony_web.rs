//! Telephony over plain HTTP: posts that a vendor's SDK signed, pops as server-sent events, the OpenAPI document, and `kontor connector`.
//! Rows T2, T5.

use std::time::{Duration, Instant};

use kontor_proto::directory::v1::{
    CreateAppPasswordRequest, DeleteAppPasswordRequest, Team, UpdateTeamRequest, UpdateUserRequest, User,
};
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{
    Connector, CreateConnectorRequest, GrpcSettings, ListCallsRequest, TwilioSettings,
};
use kontor_tests::process::run;
use kontor_tests::{Backend, Grpc, Http, Process, Sandbox};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::add_partner;

/// Runs a scenario on both databases, at the public address that the vectors were signed for.
macro_rules! at_public_address {
    ($(async fn $name:ident($sandbox:ident: Sandbox) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn scenario($sandbox: Sandbox) $body

            const MORE: [(&str, &str); 1] = [("public.address", "https://crm.example.com")];

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scenario(Sandbox::start_with(Backend::Sqlite, &MORE).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                scenario(Sandbox::start_with(Backend::Postgres, &MORE).await).await;
            }
        }
    )*};
}

/// A post of the vectors by its name: query, headers, body.
fn vector(name: &str) -> (String, Vec<(String, String)>, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../services/telephony/tests/vectors/twilio.json");
    let file: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors")).expect("JSON");
    let posts = file["posts"].as_array().expect("posts").iter();
    let post = posts.into_iter().find(|post| post["name"] == name).expect("a post of that name");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let headers = post["headers"].as_object().expect("headers").iter();
    (
        text(&post["query"]),
        headers.map(|(name, value)| (name.clone(), text(value))).collect(),
        text(&post["body"]),
    )
}

async fn send(sandbox: &Sandbox, name: &str) -> kontor_tests::Answer {
    let (query, headers, body) = vector(name);
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = format!("/telephony/twilio/events{query}");
    Http::new(&sandbox.address()).send("POST", &path, &headers, body).await
}

async fn connect(grpc: &Grpc, id: &str, kind: Kind) {
    let connector = Connector { kind: Some(kind), region: "BE".into(), ..Default::default() };
    let request =
        CreateConnectorRequest { connector: Some(connector), connector_id: id.into(), ..Default::default() };
    grpc.connectors().create_connector(request).await.expect("a connector");
}

async fn connect_twilio(sandbox: &Sandbox) {
    let settings =
        TwilioSettings { auth_token: "12345678901234567890123456789012".into(), public_url: String::new() };
    connect(&sandbox.grpc("admin"), "twilio", Kind::Twilio(settings)).await;
}

async fn give_extension(sandbox: &Sandbox, user: &str, extension: &str) {
    let user = User { name: format!("users/{user}"), extension: extension.into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["extension".into()] });
    let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    sandbox.grpc("admin").users().update_user(request).await.expect("an extension");
}

/// An open stream of server-sent events over HTTP/1.1.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    async fn open(sandbox: &Sandbox, token: &str, query: &str, more: &str) -> Events {
        let mut stream = TcpStream::connect(sandbox.address()).await.expect("a connection");
        let request = format!(
            "GET /telephony/pops{query} HTTP/1.1\r\nHost: kontor\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n{more}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it is open");
        Events { stream, text: String::new() }
    }

    /// Reads on until the text is there; answers with all that came, or what came before the end.
    async fn until(&mut self, wanted: &str, limit: Duration) -> Result<String, String> {
        let begin = Instant::now();
        while !self.text.contains(wanted) {
            let left = limit.saturating_sub(begin.elapsed());
            let mut piece = [0; 4_096];
            match tokio::time::timeout(left, self.stream.read(&mut piece)).await {
                Ok(Ok(read)) if read > 0 => self.text.push_str(&String::from_utf8_lossy(&piece[..read])),
                _ => return Err(self.text.clone()),
            }
        }
        Ok(self.text.clone())
    }
}

/// An app password: its name and its secret.
async fn app_password(grpc: &Grpc, user: &str) -> (String, String) {
    let request = CreateAppPasswordRequest {
        parent: format!("users/{user}"),
        display_name: "Browser".into(),
        ..Default::default()
    };
    let made = grpc.users().create_app_password(request).await.expect("an app password").into_inner();
    (made.app_password.expect("it").name, made.secret)
}

at_public_address! {
    async fn t2_posts_signed_by_a_vendors_sdk_come_in_through_the_gateway(sandbox: Sandbox) {
        connect_twilio(&sandbox).await;
        for name in ["call ringing", "leg ringing", "leg answered", "leg completed", "call completed", "query", "json", "signed with the port"] {
            send(&sandbox, name).await.expect(200);
        }
        for name in ["changed body", "changed query", "changed json", "another token", "another address", "unsigned"] {
            let answer = send(&sandbox, name).await.expect(401);
            assert!(answer.text().contains("signature") || answer.text().contains("bodySHA256"), "{}", answer.text());
        }
        let calls = sandbox.grpc("sales").calls().list_calls(ListCallsRequest::default()).await.expect("calls").into_inner().calls;
        assert_eq!(calls.len(), 3, "{calls:?}");
        let document = Http::new(&sandbox.address()).get("/telephony/openapi.json").await.expect(200);
        assert_eq!(document.header("content-type"), "application/json");
        let document: Value = serde_json::from_str(&document.text()).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        Http::new(&sandbox.address()).send("POST", "/telephony/openapi.json", &[], "").await.expect(405);
    }

    async fn t5_pops_come_as_server_sent_events_until_the_sign_in_ends(sandbox: Sandbox) {
        connect_twilio(&sandbox).await;
        give_extension(&sandbox, "sales", "101").await;
        let grpc = sandbox.grpc("sales");
        let partner = add_partner(&grpc, "Anna \"Nan\" Peeters", "+32475123456", "").await;
        let (name, secret) = app_password(&grpc, "sales").await;
        let wait = Duration::from_secs(20);
        let mut events = Events::open(&sandbox, &secret, "", "").await;
        // a browser that connects again
        let mut again = Events::open(&sandbox, &secret, "?user=users%2Fsales", "Last-Event-ID: calls/nothing\r\n").await;
        let (_, other) = app_password(&sandbox.grpc("neighbour"), "neighbour").await;
        let mut others = Events::open(&sandbox, &other, "", "").await;
        for events in [&mut events, &mut again, &mut others] {
            let head = events.until("retry: 3000\n\n", wait).await.expect("it begins");
            assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("content-type: text/event-stream"), "{head}");
        }
        let mut refused = Events::open(&sandbox, &other, "?user=users/sales", "").await;
        refused.until("HTTP/1.1 403", wait).await.expect("another's telephone");
        let http = Http::new(&sandbox.address());
        http.get("/telephony/pops").await.expect(401);
        sandbox.http("sales").send("POST", "/telephony/pops", &[], "").await.expect(405);
        sandbox.http("sales").get("/telephony/pops?user=nonsense").await.expect(400);
        send(&sandbox, "call ringing").await.expect(200);
        send(&sandbox, "leg ringing").await.expect(200);
        for events in [&mut events, &mut again] {
            let text = events.until("open_opportunities", wait).await.expect("a pop");
            assert!(text.contains("event: pop\n") && text.contains("id: calls/"), "{text}");
            let data = text.split("data: ").nth(1).expect("data").lines().next().expect("a line");
            let pop: Value = serde_json::from_str(data).expect("JSON");
            assert_eq!(pop["partner_display_name"], "Anna \"Nan\" Peeters");
            assert_eq!(pop["call"]["partner"], partner.name.as_str());
            assert_eq!((&pop["call"]["state"], &pop["call"]["direction"]), (&Value::from("RINGING"), &Value::from("INBOUND")));
            assert_eq!(pop["call"]["caller"]["e164"], "+32475123456");
        }
        // while nothing rings there are comments
        events.until("\n:\n\n", wait).await.expect("a comment");
        assert!(!others.text.contains("event: pop"), "nobody else gets it");
        grpc.users().delete_app_password(DeleteAppPasswordRequest { name, ..Default::default() }).await.expect("revoked");
        let text = events.until("event: end\n", Duration::from_secs(30)).await.expect("the end");
        assert!(text.contains("the sign-in has ended"), "{text}");
        assert!(events.until("something more", wait).await.is_err(), "the stream is over");
        // Who was taken out of a team may not go on with what that team may see.
        let team = Team { name: "teams/support".to_owned(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["members".to_owned()] });
        let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
        sandbox.grpc("admin").teams().update_team(request).await.expect("an empty team");
        let text = others.until("event: end\n", Duration::from_secs(30)).await.expect("the end");
        assert!(text.contains("no longer see"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_connectors_are_added_and_watched_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (data, token, secret) = (path("data"), path("token"), path("secret"));
    let process = Process::start(folder.path().join("data").as_path(), &[]).await;
    let add_user = ["user", "add", "boss", "--admin", "--password-stdin", "--data", &data];
    let (good, _, errors) = run(&add_user, "a long password\n").await;
    assert!(good, "{errors}");
    let (good, text, errors) = run(&["token", "add", "boss", "--name", "shell", "--data", &data], "").await;
    assert!(good, "{errors}");
    std::fs::write(&token, text).expect("written");
    let server = format!("http://{}", process.address);
    let connector = async |arguments: &[&str], input: &str| {
        let fixed = ["--server", &server, "--token-file", &token];
        run(&[&["connector"], arguments, &fixed].concat(), input).await
    };
    let (good, output, _) = connector(&["status"], "").await;
    assert!(good && output.contains("no connectors"), "{output}");
    let (good, output, errors) = connector(&["add", "webhook", "pbx"], "").await;
    let made = output.lines().last().expect("a secret");
    assert!(good && made.len() == 64 && output.starts_with("added connectors/pbx\n"), "{output}{errors}");
    let (good, _, errors) = connector(&["add", "twilio", "twilio"], "").await;
    assert!(!good && errors.contains("--secret-file"), "{errors}");
    std::fs::write(&secret, "12345678901234567890123456789012\n").expect("written");
    let (good, output, errors) = connector(&["add", "twilio", "twilio", "--secret-file", &secret], "").await;
    assert!(good && !output.contains("123456"), "{output}{errors}");
    let (good, output, errors) =
        connector(&["add", "vonage", "vonage", "--secret-file", "-"], "a-signature-secret\n").await;
    assert!(good && !output.contains("a-signature-secret"), "{output}{errors}");
    let (good, output, _) = connector(&["list"], "").await;
    let rows: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert!(good);
    assert_eq!(
        rows[1..],
        [["pbx", "webhook", "ok"], ["twilio", "twilio", "WRONG"], ["vonage", "vonage", "ok"]]
    );
    let (good, output, _) = connector(&["status", "pbx"], "").await;
    assert!(good && output.starts_with("connectors/pbx (webhook): ok, ready to take posts\n"), "{output}");
    let (good, output, _) = connector(&["status"], "").await;
    assert!(!good && output.contains("set public_url"), "{output}");
    Http::new(&process.address).send("POST", "/telephony/pbx/events", &[], "{}").await.expect(401);
    let (good, output, _) = connector(&["status", "pbx"], "").await;
    assert!(
        !good && output.contains("1 post was refused") && output.contains("x-kontor-timestamp"),
        "{output}"
    );
    let (good, _, errors) = connector(&["status", "nobody"], "").await;
    assert!(!good && errors.contains("connectors/nobody"), "{errors}");
    let kind = Kind::Grpc(GrpcSettings::default());
    connect(&Grpc::new(&process.address, "boss", "a long password"), "switch", kind).await;
    let (good, output, _) = connector(&["status", "switch"], "").await;
    assert!(good && output.contains("last event: never"), "{output}");
    assert!(process.stop().await);
}
