//! Mailings through the whole of Kontor: unsubscribing at the gateway, kill -9 in the middle, again and again, and an orderly stop. Row L7.
//! The mail server is a real one (aiosmtpd) that keeps what it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kontor_proto::directory::v1::{ConsentState, GetPartnerRequest, SetConsentRequest};
use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::{MailingBasis, MailingState};
use kontor_proto::templating::v1 as templating;
use kontor_testbed::SmtpServer;
use kontor_tests::database::Place;
use kontor_tests::{Backend, Grpc, Http, Process, Sandbox};
use tonic::Code;

use crate::support::{add_partner, eventually, refused};

/// Connections to the relay in these tests: as many messages are on their way at most.
const CONNECTIONS: usize = 4;

const PAGE: &str = "<!DOCTYPE html><html><body><p>Dear {{ partner.name }}</p>\
    <p><a href=\"{{ message.unsubscribe_url }}\">Unsubscribe</a></p></body></html>";

/// Settings that send to this server.
pub fn settings(smtp: &SmtpServer) -> Vec<(&'static str, String)> {
    vec![
        ("mail.relay", smtp.relay()),
        ("mail.from", "Kontor Ltd <news@kontor.example>".to_owned()),
        ("mail.return_path", "bounces@kontor.example".to_owned()),
        ("mail.connections", CONNECTIONS.to_string()),
        ("mail.domain_rate", "0".to_owned()),
        ("public.address", "https://crm.kontor.example".to_owned()),
    ]
}

/// A whole Kontor that sends to a real server.
pub async fn sandbox(backend: Backend, smtp: &SmtpServer) -> Sandbox {
    let settings = settings(smtp);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Sandbox::start_with(backend, &settings).await
}

/// A draft of this user. Gives its name.
pub async fn draft(grpc: &Grpc, id: &str, more: mail::Mailing) -> String {
    let template = templating::Template {
        display_name: format!("Template {id}"),
        content: PAGE.as_bytes().to_vec().into(),
        format: templating::TemplateFormat::Html.into(),
        team: more.team.clone(),
        ..Default::default()
    };
    let request = templating::CreateTemplateRequest {
        template: Some(template),
        template_id: id.to_owned(),
        ..Default::default()
    };
    let template = grpc.templates().create_template(request).await.expect("a template").into_inner();
    let mailing = mail::Mailing {
        display_name: "News".to_owned(),
        template: template.name,
        subject: "News for {{ partner.name }}".to_owned(),
        ..more
    };
    let request = mail::CreateMailingRequest { mailing: Some(mailing), ..Default::default() };
    grpc.mailings().create_mailing(request).await.expect("a mailing").into_inner().name
}

async fn add(grpc: &Grpc, mailing: &str, recipients: Vec<mail::NewRecipient>) {
    for part in recipients.chunks(1_000) {
        let request = mail::AddRecipientsRequest {
            parent: mailing.to_owned(),
            recipients: part.to_vec(),
            ..Default::default()
        };
        let added = grpc.mailings().add_recipients(request).await.expect("they are added").into_inner();
        assert_eq!(added.added, part.len() as i64);
    }
}

fn bare(address: String) -> mail::NewRecipient {
    mail::NewRecipient { address, ..Default::default() }
}

async fn get(grpc: &Grpc, mailing: &str) -> mail::Mailing {
    let request = mail::GetMailingRequest { name: mailing.to_owned() };
    grpc.mailings().get_mailing(request).await.expect("it is there").into_inner()
}

async fn start(grpc: &Grpc, mailing: &str, expected_recipients: i64) {
    let request =
        mail::StartMailingRequest { name: mailing.to_owned(), expected_recipients, ..Default::default() };
    grpc.mailings().start_mailing(request).await.expect("it starts");
}

async fn until_completed(grpc: &Grpc, mailing: &str) -> mail::Mailing {
    eventually("the end of the mailing", async || {
        Some(get(grpc, mailing).await).filter(|it| it.state() == MailingState::Completed)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_one_click_at_the_gateway_on_sqlite() {
    one_click(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_one_click_at_the_gateway_on_postgres() {
    one_click(Backend::Postgres).await;
}

/// A GET, a HEAD and a body that says something else change nothing; the POST of RFC 8058 unsubscribes, without a sign-in, once.
async fn one_click(backend: Backend) {
    let smtp = SmtpServer::start();
    let sandbox = sandbox(backend, &smtp).await;
    let grpc = sandbox.grpc("sales");
    let anna = add_partner(&grpc, "Anna", "", "anna@one.example").await.name;
    let consent = SetConsentRequest {
        partner: anna.clone(),
        purpose: "mailings".to_owned(),
        state: ConsentState::Granted.into(),
        source: "a form".to_owned(),
        ..Default::default()
    };
    grpc.consents().set_consent(consent).await.expect("a consent");
    let mailing = draft(&grpc, "news", mail::Mailing::default()).await;
    let http = Http::new(&sandbox.address());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    // A test says that it is one, and is used without harm.
    let addresses = vec!["anna@one.example".to_owned()];
    let test = mail::SendTestMessageRequest { name: mailing.clone(), addresses, partner: anna.clone() };
    grpc.mailings().send_test_message(test).await.expect("a test");
    let message = smtp.taken().remove(0);
    let path = message.header("List-Unsubscribe");
    let path = path.trim_matches(['<', '>']).strip_prefix("https://crm.kontor.example").expect("our address");
    for (method, words) in [("GET", "<form method=\"post\">"), ("POST", "nobody was unsubscribed")] {
        let page = http.send(method, path, &form, "List-Unsubscribe=One-Click").await.expect(200).text();
        assert!(page.contains(words) && page.contains("was a test"), "{page}");
    }
    add(&grpc, &mailing, vec![mail::NewRecipient { partner: anna.clone(), ..Default::default() }]).await;
    let missing = mail::StartMailingRequest { name: mailing.clone(), ..Default::default() };
    refused(grpc.mailings().start_mailing(missing).await, Code::FailedPrecondition, "expected_recipients 1");
    start(&grpc, &mailing, 1).await;
    until_completed(&grpc, &mailing).await;
    let message = smtp.taken().remove(1);
    let path = message.header("List-Unsubscribe");
    let path = path.trim_matches(['<', '>']).strip_prefix("https://crm.kontor.example").expect("our address");
    let unsubscribed = async || get(&grpc, &mailing).await.counts.unwrap_or_default().unsubscribed;
    let page = http.send("GET", path, &[], "").await.expect(200);
    assert!(
        page.text().contains("<form method=\"post\">") && page.header("referrer-policy") == "no-referrer"
    );
    http.send("HEAD", path, &[], "").await.expect(200);
    http.send("POST", path, &form, "List-Unsubscribe=No").await.expect(400);
    http.send("POST", path, &[("content-type", "text/plain")], "List-Unsubscribe=One-Click")
        .await
        .expect(400);
    http.send("POST", path, &form, vec![b'a'; 5_000]).await.expect(413);
    http.send("PUT", path, &form, "List-Unsubscribe=One-Click").await.expect(405);
    for wrong in
        ["/unsubscribe/", "/unsubscribe/x", &format!("/unsubscribe/{}", "0".repeat(32)), &format!("{path}/x")]
    {
        http.send("POST", wrong, &form, "List-Unsubscribe=One-Click").await.expect(404);
    }
    assert_eq!(unsubscribed().await, 0);
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    http.send("POST", path, &[("content-type", "multipart/form-data; boundary=b")], multipart)
        .await
        .expect(200);
    http.send("POST", path, &form, "List-Unsubscribe=One-Click").await.expect(200);
    assert_eq!(unsubscribed().await, 1);
    eventually("the consent's withdrawal", async || {
        let request = GetPartnerRequest { name: anna.clone() };
        let partner = grpc.partners().get_partner(request).await.expect("she is there").into_inner();
        partner.consents.iter().find(|it| it.state() == ConsentState::Withdrawn).cloned()
    })
    .await;
    let find = mail::FindSuppressionRequest { address: "anna@one.example".to_owned() };
    let found = grpc.suppressions().find_suppression(find).await.expect("it is suppressed").into_inner();
    assert_eq!(found.cause(), mail::SuppressionCause::Unsubscribed);
    // What is counted stands among the metrics; no secret does.
    let metrics = http.send("GET", "/metrics", &[], "").await.expect(200).text();
    assert!(metrics.contains("kontor_mail_total{result=\"sent\"}"), "{metrics}");
    assert!(!metrics.contains(path));
}

/// A real Kontor of its own, to be killed.
async fn process(place: &Place, smtp: &SmtpServer) -> Process {
    let data = place.folder.path().display().to_string();
    let mut variables: Vec<(String, String)> = settings(smtp)
        .into_iter()
        .map(|(key, value)| (format!("KONTOR_{}", key.replace('.', "_").to_uppercase()), value))
        .collect();
    variables.extend(place.url.clone().map(|url| ("KONTOR_DATABASE_URL".to_owned(), url)));
    variables.push(("KONTOR_LOG_LEVEL".to_owned(), "warn".to_owned()));
    Process::start_as(&["--listen", "127.0.0.1:0", "--data", &data, "--demo"], &variables).await
}

/// Waits until the server's log stands still: what a killed process had handed over is in it then.
async fn settled(smtp: &SmtpServer) -> usize {
    let mut before = smtp.count();
    loop {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let now = smtp.count();
        if now == before {
            return now;
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_kill_nine_loses_nobody_and_doubles_only_what_was_on_its_way_on_sqlite() {
    kills(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_kill_nine_loses_nobody_and_doubles_only_what_was_on_its_way_on_postgres() {
    kills(Backend::Postgres).await;
}

/// Kills at random points of a mailing: 6 of 400, or as many as KONTOR_TEST_KILLS says of 400 each.
async fn kills(backend: Backend) {
    let kills: usize = std::env::var("KONTOR_TEST_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(6);
    let count = if kills == 6 { 400 } else { kills * 400 };
    let smtp = SmtpServer::start();
    let place = Place::new(backend).await;
    let mut running = process(&place, &smtp).await;
    let mut grpc = Grpc::new(&running.address, "sales", "demo");
    let basis = MailingBasis::NotWithdrawn.into();
    let mailing = draft(&grpc, "news", mail::Mailing { basis, ..Default::default() }).await;
    let addresses: Vec<String> = (0..count).map(|at| format!("a{at}@d{}.example", at % 23)).collect();
    add(&grpc, &mailing, addresses.iter().cloned().map(bare).collect()).await;
    let begun = std::time::Instant::now();
    start(&grpc, &mailing, count as i64).await;
    // Points in order, other ones in each run.
    let mut points: Vec<usize> =
        (0..kills).map(|_| usize::from_le_bytes(kontor_kit::secret::random()) % (count * 9 / 10)).collect();
    points.sort_unstable();
    let mut killed_at = Vec::new();
    for point in points {
        // One that starts again sends at least something before it is killed.
        let wanted = point.max(smtp.count() + 1);
        until_taken(&smtp, wanted.min(count - 1)).await;
        running.kill().await;
        killed_at.push(settled(&smtp).await);
        running = process(&place, &smtp).await;
        grpc = Grpc::new(&running.address, "sales", "demo");
    }
    let done = async {
        loop {
            let now = get(&grpc, &mailing).await;
            if now.state() == MailingState::Completed {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(600), done).await.expect("it comes to its end");
    let took = begun.elapsed();
    assert_eq!(done.counts.expect("counts").sent, count as i64);
    let taken = smtp.taken();
    let mut copies: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, message) in taken.iter().enumerate() {
        copies.entry(&message.to).or_default().push(at);
    }
    let lost: Vec<_> = addresses.iter().filter(|it| !copies.contains_key(it.as_str())).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(copies.len(), count);
    // Of what is doubled, each copy but the last one was the last message of a connection that a kill cut off: the process had no time to note it. And no process
    // sent one twice: between two copies lies a kill.
    let last_of: BTreeMap<u64, usize> =
        taken.iter().enumerate().map(|(at, message)| (message.connection, at)).collect();
    let ended = smtp.ends();
    let life = |at: usize| killed_at.iter().filter(|end| **end <= at).count();
    let mut by_kill: BTreeMap<usize, usize> = BTreeMap::new();
    for doubled in copies.values().filter(|copies| copies.len() > 1) {
        let ids: Vec<&str> = doubled.iter().map(|at| taken[*at].id.as_str()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "the same message: {ids:?}");
        for pair in doubled.windows(2) {
            let connection = taken[pair[0]].connection;
            assert_eq!(last_of[&connection], pair[0], "it was noted before the next one went out");
            assert!(!ended.contains(&connection), "it was noted before the connection ended");
            assert!(life(pair[0]) < life(pair[1]), "nothing is doubled without a kill");
            *by_kill.entry(life(pair[0])).or_default() += 1;
        }
    }
    let doubled: usize = by_kill.values().sum();
    assert!(by_kill.values().all(|count| *count <= CONNECTIONS), "doubled by kill: {by_kill:?}");
    println!(
        "{count} recipients, {kills} kills on {backend:?}: 0 lost, {doubled} doubled ({by_kill:?}), {took:?}"
    );
    assert!(running.stop().await);
}

async fn until_taken(smtp: &SmtpServer, count: usize) {
    let mut best = (smtp.count(), std::time::Instant::now());
    while smtp.count() < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if smtp.count() > best.0 {
            best = (smtp.count(), std::time::Instant::now());
        }
        assert!(best.1.elapsed() < Duration::from_secs(90), "it stands still at {} of {count}", best.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_a_stop_finishes_what_is_on_its_way_and_the_next_start_the_rest() {
    let smtp = SmtpServer::start();
    let place = Place::new(Backend::Sqlite).await;
    let running = process(&place, &smtp).await;
    let grpc = Grpc::new(&running.address, "sales", "demo");
    let basis = MailingBasis::NotWithdrawn.into();
    let mailing = draft(&grpc, "news", mail::Mailing { basis, ..Default::default() }).await;
    let addresses: Vec<String> = (0..60).map(|at| format!("a{at}@d{}.example", at % 7)).collect();
    add(&grpc, &mailing, addresses.iter().cloned().map(bare).collect()).await;
    smtp.set_rules(&["{\"stage\": \"data\", \"match\": \".\", \"delay\": 0.3}"]);
    start(&grpc, &mailing, 60).await;
    until_taken(&smtp, 6).await;
    assert!(running.stop().await, "it ends well");
    let stopped = smtp.count();
    assert!(stopped < 60);
    let running = process(&place, &smtp).await;
    let grpc = Grpc::new(&running.address, "sales", "demo");
    let sent = get(&grpc, &mailing).await.counts.expect("counts").sent;
    assert!(sent as usize >= stopped, "all that was taken is noted");
    smtp.set_rules(&[]);
    until_completed(&grpc, &mailing).await;
    let mut taken: Vec<String> = smtp.taken().into_iter().map(|it| it.to).collect();
    taken.sort();
    let mut addresses = addresses;
    addresses.sort();
    assert_eq!(taken, addresses, "each once");
    assert!(running.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_the_relays_secret_stands_in_no_output() {
    let smtp = SmtpServer::start();
    let place = Place::new(Backend::Sqlite).await;
    let config = place.folder.path().join("kontor.toml");
    let relay = format!("smtp://anna:geh%20eim@{}", smtp.address());
    std::fs::write(&config, format!("mail.relay = {relay:?}\n")).expect("a file");
    let shown = kontor_tests::process::run(&["config", "--config", &path(&config)], "").await;
    assert!(shown.0 && shown.1.contains("mail.relay = \"(set)\""), "{shown:?}");
    assert!(!format!("{shown:?}").contains("eim@"));
    std::fs::write(&config, "mail.relay = \"smtp://anna:topsecret@far.example:25\"\n").expect("a file");
    let refused = kontor_tests::process::run(&["config", "--config", &path(&config)], "").await;
    assert!(
        !refused.0 && refused.2.contains("mail.relay") && !format!("{refused:?}").contains("topsecret"),
        "{refused:?}"
    );
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
