//! 64 operators take the next call of one list as fast as they can: how many a second, and that none is handed out twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::import_call_list_entries_request::Part;
use kontor_tests::process::cpu_seconds_of;

use crate::{Bed, number};

const OPERATORS: usize = 64;
const LIST: &str = "callLists/bench";
/// How long they take, in seconds, unless the list is empty before.
const SECONDS: usize = 10;

/// Fills a list and empties it.
pub async fn figures(bed: &Bed) {
    let rows = number("KONTOR_TEST_OBJECTS", 100_000);
    let time = Duration::from_secs(number("KONTOR_TEST_SECONDS", SECONDS) as u64);
    let list = proto::CallList {
        display_name: "Bench".into(),
        team: "teams/sales".into(),
        any_hour: true,
        // none may expire while the list is emptied: it would be handed out again, and rightly so
        lease_duration: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        region: "BE".into(),
        ..Default::default()
    };
    let request = proto::CreateCallListRequest {
        call_list: Some(list),
        call_list_id: "bench".into(),
        ..Default::default()
    };
    bed.admin.call_lists().create_call_list(request).await.expect("a list");
    let begin = Instant::now();
    fill(bed, rows).await;
    println!(
        "\n{rows} rows imported into a call list: {:.0} a second",
        rows as f64 / begin.elapsed().as_secs_f64()
    );
    let over = Arc::new(AtomicBool::new(false));
    let (cpu, begin) = (cpu_seconds_of(bed.process.id()), Instant::now());
    let operators = (0..OPERATORS).map(|_| {
        let (mut client, over) = (bed.admin.dispatch(), over.clone());
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let request = proto::TakeNextCallRequest { parent: LIST.into(), ..Default::default() };
                let answer = client.take_next_call(request).await.expect("an answer").into_inner();
                let Some(entry) = answer.entry else { break };
                taken.push(entry.name);
            }
            taken
        })
    });
    let operators: Vec<_> = operators.collect();
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = until_empty(&operators) => {}
    }
    over.store(true, Ordering::Relaxed);
    let taken: Vec<String> =
        join_all(operators).await.into_iter().flat_map(|done| done.expect("an operator")).collect();
    // the last answers belong to the time: at most one for each operator
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds_of(bed.process.id()) - cpu);
    let once: HashSet<&String> = taken.iter().collect();
    assert_eq!(once.len(), taken.len(), "a call was handed out twice");
    println!(
        "{OPERATORS} operators: {:.0} next calls a second (aim: 5,000 on SQLite, 3,000 on PostgreSQL), {:.3} ms of the server's CPU each, {} taken, none twice",
        taken.len() as f64 / wall,
        1_000.0 * cpu / taken.len() as f64,
        taken.len()
    );
}

async fn until_empty<T>(operators: &[tokio::task::JoinHandle<T>]) {
    while !operators.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn fill(bed: &Bed, rows: usize) {
    let settings = proto::CallListImport { parent: LIST.into(), ..Default::default() };
    let first = proto::ImportCallListEntriesRequest { part: Some(Part::Settings(settings)) };
    let row = |number: usize| proto::CallListRow {
        number: format!("+3247{:07}", 1_000_000 + number),
        display_name: format!("Someone {number}"),
        ..Default::default()
    };
    let numbers: Vec<usize> = (0..rows).collect();
    let messages: Vec<_> = numbers
        .chunks(1_000)
        .map(|part| proto::CallListRows { rows: part.iter().map(|number| row(*number)).collect() })
        .map(|rows| proto::ImportCallListEntriesRequest { part: Some(Part::Rows(rows)) })
        .collect();
    let stream = tokio_stream::iter(std::iter::once(first).chain(messages));
    let mut answers =
        bed.admin.call_lists().import_call_list_entries(stream).await.expect("a stream").into_inner();
    let mut last = None;
    while let Some(answer) = answers.message().await.expect("progress") {
        last = Some(answer);
    }
    let last = last.expect("an end");
    assert!(last.done && last.created_rows == i64::try_from(rows).unwrap_or(0), "{last:?}");
}
