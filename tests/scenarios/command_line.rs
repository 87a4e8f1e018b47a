//! The `kontor` command as its users call it: accounts and app passwords while the server runs, settings, the sample company.
//! Row D15 from the command line.

use std::time::{Duration, Instant};

use kontor_proto::calendar::v1::{EventKind, ListOccurrencesRequest};
use kontor_proto::directory::v1::ListPartnersRequest;
use kontor_proto::pipeline::v1::ListOpportunitiesRequest;
use kontor_proto::telephony::v1::ListCallsRequest;
use kontor_tests::process::run;
use kontor_tests::{Grpc, Http, Process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
        assert!(process.stop().await);
    }
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
    assert!(!good && errors.contains("calendar"), "{errors}");
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
