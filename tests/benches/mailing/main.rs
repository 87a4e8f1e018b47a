//! How fast a mailing goes out, as a ratio to what `smtp-source` reaches against the same `smtp-sink` in the same run.
//! Run: `cargo build --release && cargo bench -p kontor-tests --bench mailing`. `KONTOR_TEST_OBJECTS` sets the number of recipients (20,000). On SQLite, and with
//! `KONTOR_TEST_POSTGRES` on fresh databases there too. `KONTOR_TEST_ONLY` takes one of `plain`, `ed25519`, `rsa`: how messages are signed.
//!
//! The floor sends our own message, byte for byte, over as many connections. It has two rows: `smtp-source -d` keeps its connections as Kontor does, so it is like with
//! like; without `-d` it opens one for each message, as it does when nothing else is said. It makes no messages and writes nothing down. The sink throws all away.

mod floor;

use kontor_proto::mail::v1 as mail;
use kontor_proto::templating::v1 as templating;
use kontor_testbed::Database;
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};

use floor::{Sink, Tools};

const PASSWORD: &str = "a bench password";
/// Connections to the sink, and the floor's sessions; `KONTOR_TEST_CONNECTIONS` sets another number.
fn connections() -> usize {
    kontor_tests::bench::number("KONTOR_TEST_CONNECTIONS", 8)
}
/// Domains of the recipients.
const DOMAINS: usize = 25;

fn main() {
    let runtime = kontor_tests::bench::runtime();
    runtime.block_on(bench());
}

/// How messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    Not,
    Ed25519,
    Rsa,
}

impl Signing {
    fn name(self) -> &'static str {
        match self {
            Signing::Not => "plain",
            Signing::Ed25519 => "ed25519",
            Signing::Rsa => "rsa",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Signing::Not => "not signed",
            Signing::Ed25519 => "DKIM Ed25519",
            Signing::Rsa => "DKIM RSA 2048",
        }
    }
}

async fn bench() {
    let tools = Tools::find();
    let count = kontor_tests::bench::number("KONTOR_TEST_OBJECTS", 20_000);
    let only = std::env::var("KONTOR_TEST_ONLY").unwrap_or_default();
    let all = [Signing::Not, Signing::Ed25519, Signing::Rsa];
    let wanted: Vec<Signing> = all.into_iter().filter(|it| only.is_empty() || only == it.name()).collect();
    let databases: &[bool] =
        if std::env::var_os("KONTOR_TEST_POSTGRES").is_some() { &[false, true] } else { &[false] };
    let connections = connections();
    println!(
        "\n{count} bare addresses in {DOMAINS} domains, {connections} connections. Of the floor: of `smtp-source -d`, which keeps its connections; in brackets: of \
         `smtp-source`, which opens one for each message\n\n| what | bytes | messages/s | of the floor | (connection a message) | CPU of Kontor, us a message | CPU of the sink, us a message | memory of Kontor before it has recipients / with them / at most while it sends, MiB |\n|---|---|---|---|---|---|---|---|"
    );
    for on_postgres in databases {
        for signing in &wanted {
            row(&tools, *on_postgres, *signing, count).await;
        }
    }
}

/// One line of the table: the floor and Kontor against one sink, the floor before and after.
async fn row(tools: &Tools, on_postgres: bool, signing: Signing, count: usize) {
    let sink = Sink::start(tools).await;
    let bed = Bed::start(&sink, on_postgres, signing).await;
    let empty = bed.process.memory_mib();
    let mailing = bed.draft(count).await;
    let filled = bed.process.memory_mib();
    let message = bed.message(&mailing).await;
    let file = bed.folder.path().join("message");
    std::fs::write(&file, message.replace("\r\n", "\n")).expect("a file");
    let mut kept = sink.flood(tools, &file, count, true).await;
    let mut single = sink.flood(tools, &file, count, false).await;
    let sent = bed.send(&mailing, count, &sink).await;
    // The machine's noise only ever slows down, so the best of each counts.
    kept = kept.max(sink.flood(tools, &file, count, true).await);
    single = single.max(sink.flood(tools, &file, count, false).await);
    let database = if on_postgres { "PostgreSQL" } else { "SQLite" };
    let bytes = message.len();
    println!(
        "| smtp-source -d | {bytes} | {kept:.0} | 100 % | | | | |\n| smtp-source | {bytes} | {single:.0} | {:.0} % | 100 % | | | |",
        100.0 * single / kept
    );
    println!(
        "| **Kontor on {database}, {}** | {bytes} | {:.0} | {:.0} % | {:.0} % | {:.0} | {:.0} | {empty:.0} / {filled:.0} / {:.0} |",
        signing.words(),
        sent.rate,
        100.0 * sent.rate / kept,
        100.0 * sent.rate / single,
        sent.cpu,
        sent.sink_cpu,
        sent.memory
    );
    assert!(bed.process.stop().await);
}

/// What sending took.
struct Sent {
    /// Messages a second, from the first to the last one.
    rate: f64,
    /// CPU of the server for each, in microseconds.
    cpu: f64,
    /// CPU of the sink for each, in microseconds.
    sink_cpu: f64,
    /// What was resident at most, in MiB.
    memory: f64,
}

/// A Kontor that sends to the sink.
struct Bed {
    process: Process,
    admin: Grpc,
    folder: tempfile::TempDir,
    _database: Option<Database>,
}

impl Bed {
    async fn start(sink: &Sink, on_postgres: bool, signing: Signing) -> Bed {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("kontor").display().to_string();
        let database = if on_postgres { Database::postgres().await } else { None };
        let connections = connections();
        let mut settings = format!(
            "[mail]\nrelay = \"smtp://{}\"\nfrom = \"Kontor Ltd <news@kontor.example>\"\nreturn_path = \"bounces@kontor.example\"\nconnections = {connections}\n\
             domain_rate = 0\ndomain_connections = 1000\n[public]\naddress = \"https://crm.kontor.example\"\n",
            sink.address
        );
        if signing != Signing::Not {
            let key = folder.path().join("dkim.pem");
            make_key(signing, &key);
            settings += &format!(
                "[mail.dkim]\ndomain = \"kontor.example\"\nselector = \"k1\"\nkey_file = {:?}\n",
                key.display().to_string()
            );
        }
        if let Some(kontor_kit::db::Storage::Postgres(url)) = database.as_ref().map(|it| &it.storage) {
            settings += &format!("[database]\nurl = \"{url}\"\n");
        }
        let config = folder.path().join("kontor.toml");
        std::fs::write(&config, settings).expect("a settings file");
        let config = config.display().to_string();
        let arguments = ["--listen", "127.0.0.1:0", "--data", &data, "--config", &config];
        let process = Process::start_as(&arguments, &[("KONTOR_LOG_LEVEL".into(), "warn".into())]).await;
        let add =
            ["user", "add", "bench", "--admin", "--password-stdin", "--data", &data, "--config", &config];
        let (good, _, errors) = run(&add, &format!("{PASSWORD}\n")).await;
        assert!(good, "{errors}");
        let admin = Grpc::new(&process.address, "bench", PASSWORD);
        Bed { process, admin, folder, _database: database }
    }

    /// A draft with its recipients. Gives its name.
    async fn draft(&self, count: usize) -> String {
        let template = templating::Template {
            display_name: "News".to_owned(),
            content: page().into_bytes().into(),
            format: templating::TemplateFormat::Html.into(),
            ..Default::default()
        };
        let request = templating::CreateTemplateRequest { template: Some(template), ..Default::default() };
        let template =
            self.admin.templates().create_template(request).await.expect("a template").into_inner();
        let mailing = mail::Mailing {
            display_name: "News".to_owned(),
            template: template.name,
            subject: "News of {{ company.name }}".to_owned(),
            basis: mail::MailingBasis::NotWithdrawn.into(),
            ..Default::default()
        };
        let request = mail::CreateMailingRequest { mailing: Some(mailing), ..Default::default() };
        let name = self.admin.mailings().create_mailing(request).await.expect("a mailing").into_inner().name;
        let all: Vec<mail::NewRecipient> = (0..count)
            .map(|at| mail::NewRecipient {
                address: format!("someone{at}@d{}.example", at % DOMAINS),
                ..Default::default()
            })
            .collect();
        for part in all.chunks(1_000) {
            let request = mail::AddRecipientsRequest {
                parent: name.clone(),
                recipients: part.to_vec(),
                ..Default::default()
            };
            let added =
                self.admin.mailings().add_recipients(request).await.expect("they are added").into_inner();
            assert_eq!(added.added, part.len() as i64);
        }
        name
    }

    /// The message as it is sent.
    async fn message(&self, mailing: &str) -> String {
        let request = mail::PreviewMessageRequest { name: mailing.to_owned(), ..Default::default() };
        let made = self.admin.mailings().preview_message(request).await.expect("a message").into_inner();
        String::from_utf8(made.message.to_vec()).expect("text")
    }

    /// Starts a mailing and follows it to its end.
    async fn send(&self, mailing: &str, count: usize, sink: &Sink) -> Sent {
        let (cpu, sink_cpu) = (self.process.cpu_seconds(), sink.cpu_seconds());
        let request = mail::StartMailingRequest {
            name: mailing.to_owned(),
            expected_recipients: count as i64,
            ..Default::default()
        };
        self.admin.mailings().start_mailing(request).await.expect("it starts");
        let mut best = (0, std::time::Instant::now());
        let mut memory = 0.0_f64;
        let report = loop {
            // Rarely, for counting takes the server's time too.
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            memory = memory.max(self.process.memory_mib());
            let request = mail::GetMailingReportRequest { name: mailing.to_owned() };
            let report =
                self.admin.mailings().get_mailing_report(request).await.expect("a report").into_inner();
            let sent = report
                .states
                .iter()
                .find(|it| it.state() == mail::RecipientState::Sent)
                .map_or(0, |it| it.count);
            if sent == count as i64 {
                break report;
            }
            if sent > best.0 {
                best = (sent, std::time::Instant::now());
            }
            assert!(best.1.elapsed().as_secs() < 60, "it stands still: {:?}", report.states);
        };
        let took = report.duration.expect("a span");
        let seconds = took.seconds as f64 + f64::from(took.nanos) / 1e9;
        let each = 1e6 / count as f64;
        Sent {
            rate: count as f64 / seconds,
            cpu: (self.process.cpu_seconds() - cpu) * each,
            sink_cpu: (sink.cpu_seconds() - sink_cpu) * each,
            memory,
        }
    }
}

/// A newsletter of some kilobytes with fields, from which the plain text is made too.
fn page() -> String {
    let article = |number: usize| {
        format!(
            "<tr><td style=\"padding:12px\"><h2>Article {number}</h2><p>What we did in the last weeks, what comes next, and what it means for you. Prices stay as they \
             are until the end of the year; who orders before gets the old ones.</p><p><a href=\"https://kontor.example/news/{number}\">Read on</a></p></td></tr>\n"
        )
    };
    let articles: String = (1..=8).map(article).collect();
    format!(
        "<!DOCTYPE html><html><head><title>News</title></head><body><table width=\"600\">\n<tr><td><p>Dear {{% if partner.name %}}{{{{ partner.name }}}}{{% else %}}reader{{% endif %}},</p></td></tr>\n\
         {articles}</table><p>{{{{ company.name }}}}</p><p><a href=\"{{{{ message.unsubscribe_url }}}}\">Unsubscribe</a></p></body></html>"
    )
}

fn make_key(signing: Signing, file: &std::path::Path) {
    let mut command = std::process::Command::new("openssl");
    match signing {
        Signing::Rsa => {
            command.args(["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        }
        _ => command.args(["genpkey", "-algorithm", "ed25519", "-out"]),
    };
    let made = command.arg(file).stderr(std::process::Stdio::null()).status().expect("openssl");
    assert!(made.success(), "openssl makes a key");
}
