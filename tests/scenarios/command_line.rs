//! The `kontor` command as its users call it: accounts and app passwords while the server runs, settings, the sample company.
//! Row D15 from the command line.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kontor_proto::calendar::v1::{EventKind, ListOccurrencesRequest};
use kontor_proto::directory::v1::ListPartnersRequest;
use kontor_proto::pipeline::v1::ListOpportunitiesRequest;
use kontor_proto::telephony::v1::connector::Kind;
use kontor_proto::telephony::v1::{
    CallDirection, CallEvent, CallEventKind, Connector, CreateConnectorRequest, GrpcSettings,
    ListCallsRequest, PushCallEventsRequest, WatchCallPopsRequest,
};
use kontor_tests::process::{program, run};
use kontor_tests::{Grpc, Http, Process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_company_is_there_at_once_and_a_second_start_keeps_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for start in 0..2 {
        let started = Instant::now();
        let process = Process::start(folder.path(), &["--demo"]).await;
        eprintln!("start {start}: ready after {:?}", started.elapsed());
        let grpc = Grpc::new(&process.address, "manager", "demo");
        let admin = Grpc::new(&process.address, "admin", "demo");
        let partners = grpc
            .partners()
            .list_partners(ListPartnersRequest { page_size: 1_000, ..Default::default() })
            .await;
        assert_eq!(partners.expect("partners").into_inner().partners.len(), 30);
        let deals = admin
            .opportunities()
            .list_opportunities(ListOpportunitiesRequest { page_size: 1_000, ..Default::default() })
            .await;
        assert_eq!(deals.expect("opportunities").into_inner().opportunities.len(), 25);
        let calls =
            admin.calls().list_calls(ListCallsRequest { page_size: 1_000, ..Default::default() }).await;
        assert_eq!(calls.expect("calls").into_inner().calls.len(), 200);
        let now = jiff::Timestamp::now().as_second();
        let at = |days: i64| Some(prost_types::Timestamp { seconds: now + days * 86_400, nanos: 0 });
        let request = ListOccurrencesRequest {
            parent: "calendars/-".into(),
            start_time: at(-45),
            end_time: at(45),
            page_size: 1_000,
            ..Default::default()
        };
        let meetings =
            admin.events().list_occurrences(request).await.expect("meetings").into_inner().occurrences;
        assert!(meetings.len() > 60, "{}", meetings.len());
        for user in ["manager", "sales", "operator", "admin"] {
            let http = Http::new(&process.address).sign_in(user, "demo");
            http.propfind(&format!("/dav/calendars/{user}/"), "1", "<D:displayname/>").await.expect(207);
        }
        let request = ListOccurrencesRequest {
            parent: "calendars/-".into(),
            start_time: at(-1),
            end_time: at(60),
            page_size: 1_000,
            ..Default::default()
        };
        eventually("the deadlines of the opportunities in the calendar", async || {
            let answer =
                admin.events().list_occurrences(request.clone()).await.expect("the calendar").into_inner();
            answer.occurrences.iter().any(|it| it.kind() == EventKind::Deadline).then_some(())
        })
        .await;
        if start == 1 {
            a_call_pops_up(&process).await;
        }
        assert!(process.stop().await);
    }
}

/// The README's call rings at the extension that the demo gave to sales, who sees whose it is.
async fn a_call_pops_up(process: &Process) {
    let sales = Grpc::new(&process.address, "sales", "demo");
    let admin = Grpc::new(&process.address, "admin", "demo");
    let kind = Some(Kind::Grpc(GrpcSettings::default()));
    let connector = Connector { display_name: "Our telephones".into(), kind, ..Default::default() };
    let request = CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "pbx".into(),
        ..Default::default()
    };
    admin.connectors().create_connector(request).await.expect("a connector");
    let mut pops =
        sales.calls().watch_call_pops(WatchCallPopsRequest::default()).await.expect("a stream").into_inner();
    let event = CallEvent {
        call_id: "1".into(),
        kind: CallEventKind::Ringing.into(),
        event_time: Some(kontor_kit::clock::to_proto(jiff::Timestamp::now().as_microsecond())),
        direction: CallDirection::Inbound.into(),
        from: "+32 471 11 34 40".into(),
        to: "101".into(),
        ..Default::default()
    };
    let push = PushCallEventsRequest { connector: "connectors/pbx".into(), sequence: 1, event: Some(event) };
    let taken = admin.ingest().push_call_events(futures_util::stream::iter([push])).await.expect("taken");
    assert_eq!(taken.into_inner().message().await.expect("no error").expect("an answer").error, "");
    let pop = tokio::time::timeout(Duration::from_secs(60), pops.message()).await.expect("a pop");
    let pop = pop.expect("no error").expect("a pop");
    assert_eq!(pop.partner_display_name, "Anna Peeters");
}

/// It starts itself anew, in its own place, so that the C library has the settings; unless somebody has set one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_has_the_settings_by_which_memory_is_given_back() {
    for (own, expected) in [(None, "MALLOC_MMAP_THRESHOLD_=262144"), (Some("4"), "MALLOC_ARENA_MAX=4")] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let own = own.map(|value: &str| ("MALLOC_ARENA_MAX".to_owned(), value.to_owned()));
        let is_own = own.is_some();
        let variables: Vec<(String, String)> = own.into_iter().collect();
        let process = Process::start_as(&["--listen", "127.0.0.1:0", "--data", &data], &variables).await;
        let environment = std::fs::read(format!("/proc/{}/environ", process.id())).expect("its environment");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(environment.split('\0').any(|line| line == expected), "{environment}");
        assert_eq!(environment.contains("MALLOC_TRIM_THRESHOLD_"), !is_own, "{environment}");
        assert!(process.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_folder_has_one_server_and_is_migrated_without_any() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a plain path");
    let migrate = ["migrate", "--data", data];
    let (good, said, errors) = run(&migrate, "").await;
    assert!(good && said.contains("pipeline is up to date"), "{said} {errors}");
    let process = Process::start(folder.path(), &[]).await;
    for second in [&migrate[..], &["serve", "--data", data, "--listen", "127.0.0.1:0"]] {
        let (good, _, errors) = run(second, "").await;
        assert!(!good && errors.contains("another kontor serves directory from"), "{second:?}: {errors}");
    }
    process.kill().await;
    let (good, _, errors) = run(&migrate, "").await;
    assert!(good, "a killed server holds nothing: {errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d15_accounts_and_app_passwords_are_added_while_the_server_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a plain path");
    let process = Process::start(folder.path(), &[]).await;
    let (good, _, errors) = run(
        &["user", "add", "anna", "--team", "sales", "--password-stdin", "--data", data],
        "a long password\n",
    )
    .await;
    assert!(good, "{errors}");
    let (good, secret, errors) = run(&["token", "add", "anna", "--name", "Phone", "--data", data], "").await;
    assert!(good, "{errors}");
    for password in ["a long password", secret.trim()] {
        let http = Http::new(&process.address).sign_in("anna", password);
        crate::support::eventually("anna's calendar", async || {
            let answer = http.propfind("/dav/calendars/anna/", "1", "<D:resourcetype/>").await;
            (answer.status == 207 && crate::support::texts(&answer.text(), "href").len() > 1).then_some(())
        })
        .await;
    }
    let (good, _, errors) =
        run(&["user", "add", "anna", "--password-stdin", "--data", data], "another password\n").await;
    assert!(!good && errors.contains("already exists"), "{errors}");
    let (good, _, errors) = run(&["token", "add", "nobody", "--name", "x", "--data", data], "").await;
    assert!(!good && errors.contains("users/nobody"), "{errors}");
    let elsewhere = folder.path().join("mistyped");
    let wrong = elsewhere.to_str().expect("a plain path");
    let new_user = ["user", "add", "eva", "--password-stdin", "--data", wrong];
    for command in [&["token", "add", "anna", "--name", "x", "--data", wrong][..], &new_user] {
        let (good, _, errors) = run(command, "a long password\n").await;
        assert!(!good && errors.contains("no installation") && errors.contains("mistyped"), "{errors}");
        assert!(!elsewhere.exists(), "nothing is made there");
    }
    assert!(process.stop().await);
}

#[tokio::test]
async fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kontor.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n").expect("written");
    let (good, _, errors) = run(&["config", "--config", file.to_str().expect("a plain path")], "").await;
    assert!(!good && errors.contains("lisen") && errors.contains("listen"), "{errors}");
    std::fs::write(&file, "[company]\nregion = \"FR\"\n").expect("written");
    let (good, output, _) = run(&["config", "--config", file.to_str().expect("a plain path")], "").await;
    assert!(good && output.contains("company.region = \"FR\"") && output.contains("(file)"), "{output}");
    let (good, _, errors) = run(&["serve", "--services", "calender"], "").await;
    assert!(!good && errors.contains("did you mean calendar?"), "{errors}");
    let (good, _, errors) = run(&["serve", "--services", "bla"], "").await;
    assert!(
        !good
            && errors.contains("telephony, templating, mail, segmentation")
            && !errors.contains("did you mean"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_devices_than_the_usual_limit_of_open_files_stay_connected() {
    const DEVICES: usize = 1_200;
    rlimit::increase_nofile_limit(8_192).expect("this test opens many connections itself");
    let folder = tempfile::tempdir().expect("a folder");
    // What a shell or a service manager gives: 1,024 for now, more if the program asks for it.
    let process = Process::start_limited(folder.path(), "ulimit -Sn 1024").await;
    let mut open = Vec::new();
    for _ in 0..DEVICES {
        let mut device = TcpStream::connect(&process.address).await.expect("a connection");
        device.write_all(b"OPTIONS /dav/ HTTP/1.1\r\nHost: kontor\r\n\r\n").await.expect("it is open");
        let mut first = [0; 12];
        let answer = tokio::time::timeout(Duration::from_secs(30), device.read_exact(&mut first)).await;
        answer.unwrap_or_else(|_| panic!("no answer on connection {}", open.len())).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        open.push(device);
    }
    assert!(process.stop().await);
}

/// A running server with anna of the team sales, and a file with her app password.
async fn with_anna(folder: &Path) -> Process {
    let data = folder.join("data");
    let process = Process::start(&data, &[]).await;
    let data = data.to_str().expect("a plain path");
    let user = ["user", "add", "anna", "--team", "sales", "--password-stdin", "--data", data];
    let (good, _, errors) = run(&user, "a long password\n").await;
    assert!(good, "{errors}");
    let (good, secret, errors) = run(&["token", "add", "anna", "--name", "import", "--data", data], "").await;
    assert!(good, "{errors}");
    std::fs::write(folder.join("token"), secret).expect("written");
    process
}

fn rows(from: usize, to: usize) -> String {
    (from..to).map(|row| format!("Lead {row};lead{row}@x.com\r\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_a_file_is_imported_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (file, token, kept) = (path("leads.csv"), path("token"), path("errors.csv"));
    let process = with_anna(folder.path()).await;
    let server = format!("http://{}", process.address);
    let import = async |more: &[&str]| {
        let fixed = ["import", "leads", &file, "--source", "fair-2026", "--server", &server];
        run(&[&fixed, more].concat(), "").await
    };
    let bad = "Gate;nobody\r\n;a@x.com\r\nDoor;a@x.com;more\r\n";
    std::fs::write(&file, format!("\u{FEFF}title;email\r\n{}{bad}{}", rows(0, 500), rows(500, 997)))
        .expect("written");
    let (good, output, errors) = import(&["--token-file", &token, "--check"]).await;
    assert!(
        !good && output.starts_with("1000 rows: nothing was written; it would be 997 created,"),
        "{output}{errors}"
    );
    let progress: Vec<&str> = errors.lines().filter(|line| line.contains(" created")).collect();
    assert!(
        !progress.is_empty() && progress.iter().all(|line| line.contains("rows: it would be ")),
        "the progress does not say that something was created: {errors}"
    );
    let (good, output, errors) = import(&["--token-file", &token, "--errors", &kept]).await;
    assert!(!good, "rows failed");
    assert!(
        output.starts_with("1000 rows: 997 created, 0 updated, 0 unchanged, 3 failed\n"),
        "{output}{errors}"
    );
    let table: Vec<Vec<&str>> =
        output.lines().skip(1).map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(table[1], ["502", "email", "INVALID_FIELD"], "{output}");
    assert_eq!(table[2], ["503", "title", "INVALID_FIELD"]);
    assert_eq!(table[3][..2], ["504", "COLUMNS"]);
    let lines = std::fs::read_to_string(&kept).expect("the errors");
    assert_eq!(lines.lines().count(), 4);
    assert!(
        lines.contains("502,2,\"email\",\"INVALID_FIELD\",\"\"\"nobody\"\" is no e-mail address\""),
        "{lines}"
    );
    assert!(errors.lines().count() >= 2 && errors.contains("1000 of 1000 rows"), "the progress: {errors}");
    let (_, output, _) = import(&["--token-file", &token]).await;
    assert!(output.starts_with("1000 rows: 0 created, 0 updated, 997 unchanged, 3 failed\n"), "{output}");
    // A file without faults ends well, and one of a broken form does nothing and says where.
    std::fs::write(&file, format!("title;E-Mail\n{}", rows(990, 1_010))).expect("written");
    let (good, output, errors) = import(&["--token-file", &token, "--column", "E-Mail=email"]).await;
    assert!(
        good && output.starts_with("20 rows: 13 created, 0 updated, 7 unchanged, 0 failed\n"),
        "{output}{errors}"
    );
    std::fs::write(&file, format!("title;email\n{}Last;\"x\n", rows(2_000, 3_000))).expect("written");
    let (good, output, errors) = import(&["--token-file", &token]).await;
    assert!(
        !good && output.is_empty() && errors.contains("line 1002, column 2 (\"email\")"),
        "{output}{errors}"
    );
    // What is missing or wrong around it.
    let (good, _, errors) = import(&[]).await;
    assert!(!good && errors.contains("KONTOR_TOKEN"), "{errors}");
    std::fs::write(&kept, "no secret\n").expect("written");
    let (good, _, errors) = import(&["--token-file", &kept]).await;
    assert!(!good && errors.contains("app password"), "{errors}");
    let nowhere =
        ["import", "leads", &file, "--source", "x", "--server", "http://127.0.0.1:1", "--token-file", &token];
    let (good, _, errors) = run(&nowhere, "").await;
    assert!(!good && errors.contains("can't be reached"), "{errors}");
    assert!(process.stop().await);
}

/// A proxy that speaks TLS, as those in front of Kontor do. The second is the certificate, in PEM, that its clients have to trust.
async fn secured(folder: &Path, behind: String) -> (String, String) {
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let made = Command::new("openssl")
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
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let settings = builder.expect("versions").with_no_client_auth().with_single_cert(
        vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")],
        PrivateKeyDer::from_pem_file(&key).expect("a key"),
    );
    let mut settings = settings.expect("a certificate with its key");
    settings.alpn_protocols = vec![b"h2".to_vec()];
    let tls = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(settings));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, behind) = (tls.clone(), behind.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate ends here.
                let Ok(mut stream) = tls.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.expect("Kontor is there");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (format!("https://localhost:{port}"), certificate.to_str().expect("a plain path").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_opportunities_are_imported_over_https_and_past_imports_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (file, token) = (path("deals.csv"), path("token"));
    let process = with_anna(folder.path()).await;
    let (server, certificate) = secured(folder.path(), process.address.clone()).await;
    std::fs::write(&file, "title;stage;amount\nRoof;Qualified;1250.00\nGate;;1.250,00\nWall;moon;\n")
        .expect("written");
    let import = async |more: &[&str]| {
        let fixed = ["import", "opportunities", &file, "--source", "crm", "--token-file", &token];
        run(&[&fixed, more].concat(), "").await
    };
    let trusted = ["--server", &server, "--ca-file", &certificate, "--currency", "EUR"];
    let (good, output, errors) = import(&trusted).await;
    assert!(
        !good && output.starts_with("3 rows: 1 created, 0 updated, 0 unchanged, 2 failed\n"),
        "{output}{errors}"
    );
    let table: Vec<Vec<&str>> =
        output.lines().skip(1).map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(table[1], ["3", "amount", "INVALID_FIELD"], "{output}");
    assert_eq!(table[2], ["4", "stage", "INVALID_FIELD"], "{output}");
    let (_, output, _) = import(&trusted).await;
    assert!(output.starts_with("3 rows: 0 created, 0 updated, 1 unchanged, 2 failed\n"), "{output}");
    // Nobody else's certificate is taken, and no other way to speak.
    let (good, _, errors) = import(&["--server", &server]).await;
    assert!(!good && errors.contains("can't be reached") && errors.contains("certificate"), "{errors}");
    let (good, _, errors) = import(&["--server", &server, "--ca-file", &file]).await;
    assert!(!good && errors.contains("no certificates in PEM"), "{errors}");
    let (good, _, errors) = import(&["--server", "ftp://localhost"]).await;
    assert!(!good && errors.contains("https://"), "{errors}");
    let list = ["import", "list", "--token-file", &token, "--server", &server, "--ca-file", &certificate];
    let (good, output, errors) = run(&list, "").await;
    assert!(good, "{errors}");
    let lines: Vec<Vec<&str>> =
        output.lines().map(|line| line.split_whitespace().skip(3).collect()).collect();
    assert_eq!(lines[1], ["opportunities", "crm", "anna", "done", "3", "0", "0", "1", "2"], "{output}");
    assert_eq!(lines[2], ["opportunities", "crm", "anna", "done", "3", "1", "0", "0", "2"], "{output}");
    assert!(process.stop().await);
}

/// A running import that has begun to write.
async fn writing(arguments: &[&str]) -> (Child, tokio::io::Lines<BufReader<tokio::process::ChildStderr>>) {
    let mut command = Command::new(program());
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("kontor starts");
    let mut lines = BufReader::new(child.stderr.take().expect("its errors")).lines();
    while let Some(line) = lines.next_line().await.expect("text") {
        if line.contains(" of ") {
            return (child, lines);
        }
    }
    panic!("it ended before it wrote anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p15_an_import_goes_on_after_ctrl_c_and_after_a_kill_of_the_server() {
    const ROWS: usize = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (file, token) = (path("leads.csv"), path("token"));
    std::fs::write(&file, format!("title;email\n{}", rows(0, ROWS))).expect("written");
    let mut process = with_anna(folder.path()).await;
    for ending in ["ctrl-c", "kill"] {
        let server = format!("http://{}", process.address);
        let arguments =
            ["import", "leads", &file, "--source", "fair", "--server", &server, "--token-file", &token];
        let (mut child, mut lines) = writing(&arguments).await;
        if ending == "kill" {
            process.kill().await;
            process = Process::start(&folder.path().join("data"), &[]).await;
        } else {
            let id = child.id().expect("it runs").to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs").success());
        }
        let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
        let status = status.expect("it ends").expect("it can be waited for");
        assert_eq!(status.code(), Some(if ending == "kill" { 1 } else { 130 }));
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.expect("text") {
            last = line;
        }
        assert!(ending == "kill" || last.contains("Run the same command again"), "{last}");
    }
    let server = format!("http://{}", process.address);
    let arguments =
        ["import", "leads", &file, "--source", "fair", "--server", &server, "--token-file", &token];
    let (good, output, errors) = run(&arguments, "").await;
    assert!(good, "{output}{errors}");
    let counts: Vec<usize> =
        output.split(|letter: char| !letter.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect();
    let [all, created, updated, unchanged, failed] = counts[..] else { panic!("{output}") };
    assert_eq!((all, created + unchanged, updated, failed), (ROWS, ROWS, 0, 0));
    assert!(unchanged >= 500, "what was written before stayed: {output}");
    assert!(process.stop().await);
}
