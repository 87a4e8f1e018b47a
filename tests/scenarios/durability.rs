//! Nothing acknowledged is ever lost: kill -9 in the middle of writes, again and again, and an orderly stop.
//! Goes through the real program in its own process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kontor_proto::pipeline::v1::{CreateLeadRequest, GetLeadRequest, Lead};
use kontor_tests::{Grpc, Http, Process};

const KILLS: usize = 50;
const WRITERS: usize = 6;

fn event(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20261101T080000Z\r\n\
         DTSTART:20261123T090000Z\r\nSUMMARY:{uid}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// Writes over DAV until told to stop; returns what was acknowledged: path and ETag.
async fn put_until(
    http: Http,
    calendar: String,
    prefix: String,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, String> {
    let mut acknowledged = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let uid = format!("{prefix}-{number}");
        let path = format!("{calendar}{uid}.ics");
        match http.try_send("PUT", &path, &[("content-type", "text/calendar")], event(&uid)).await {
            Ok(answer) if answer.status == 201 => {
                acknowledged.insert(path, answer.header("etag").to_owned());
            }
            Ok(answer) => panic!("{} {}", answer.status, answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

/// Writes over gRPC until told to stop; returns the names acknowledged.
async fn create_until(grpc: Grpc, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let lead = Lead { title: "Under load".into(), email: "x@example.com".into(), ..Default::default() };
        match grpc.leads().create_lead(CreateLeadRequest { lead: Some(lead), ..Default::default() }).await {
            Ok(answer) => acknowledged.push(answer.into_inner().name),
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_fifty_times_under_a_load_of_writes_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut leads: Vec<String> = Vec::new();
    for round in 0..=KILLS {
        let process = Process::start(folder.path(), &["--demo"]).await;
        let http = Http::new(&process.address).sign_in("sales", "demo");
        let grpc = Grpc::new(&process.address, "sales", "demo");
        check(&http, &grpc, &known, &leads).await;
        if round == KILLS {
            assert!(process.stop().await);
            break;
        }
        known.clear();
        leads.clear();
        let stop = Arc::new(AtomicBool::new(false));
        let puts: Vec<_> = (0..WRITERS)
            .map(|writer| {
                tokio::spawn(put_until(
                    http.clone(),
                    "/dav/calendars/sales/work/".into(),
                    format!("r{round}w{writer}"),
                    stop.clone(),
                ))
            })
            .collect();
        let creates: Vec<_> =
            (0..2).map(|_| tokio::spawn(create_until(grpc.clone(), stop.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(60 + 17 * (round as u64 % 10))).await;
        process.kill().await;
        stop.store(true, Ordering::SeqCst);
        for task in puts {
            known.extend(task.await.expect("the writer ends"));
        }
        for task in creates {
            leads.extend(task.await.expect("the writer ends"));
        }
    }
}

/// Everything acknowledged is there, with its ETag, and shows in the listing too.
async fn check(http: &Http, grpc: &Grpc, known: &BTreeMap<String, String>, leads: &[String]) {
    if known.is_empty() && leads.is_empty() {
        return;
    }
    let listing = http.propfind("/dav/calendars/sales/work/", "1", "<D:getetag/>").await.expect(207).text();
    for (path, etag) in known {
        let etag = etag.trim_matches('"');
        assert!(
            listing.contains(path.as_str()) && listing.contains(etag),
            "{path} was acknowledged and is lost"
        );
    }
    for (path, etag) in known.iter().take(5) {
        let read = http.get(path).await.expect(200);
        assert_eq!(read.header("etag"), etag);
    }
    for name in leads {
        grpc.leads()
            .get_lead(GetLeadRequest { name: name.clone() })
            .await
            .expect("an acknowledged lead is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_answers_open_requests_and_a_second_start_keeps_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::start(folder.path(), &["--demo"]).await;
    let http = Http::new(&process.address).sign_in("sales", "demo");
    let stop = Arc::new(AtomicBool::new(false));
    let writer =
        tokio::spawn(put_until(http.clone(), "/dav/calendars/sales/work/".into(), "s".into(), stop.clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(process.stop().await, "it ends well");
    stop.store(true, Ordering::SeqCst);
    let known = writer.await.expect("the writer ends");
    assert!(!known.is_empty());
    let process = Process::start(folder.path(), &["--demo"]).await;
    let http = Http::new(&process.address).sign_in("sales", "demo");
    check(&http, &Grpc::new(&process.address, "sales", "demo"), &known, &[]).await;
    assert!(process.stop().await);
}
