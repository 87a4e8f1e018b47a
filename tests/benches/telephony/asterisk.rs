//! An Asterisk that tells of one call after the other as fast as it is read: events a second, CPU an event, and memory over all calls.

use std::time::{Duration, Instant};

use kontor_proto::telephony::v1 as proto;
use kontor_tests::process::cpu_seconds_of;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::{Bed, number};

/// Events of one call: of 28 that a live Asterisk sends, 18 are variables.
const EVENTS: usize = 28;

/// Feeds the calls and waits until the last one has ended.
pub async fn figures(bed: &Bed) {
    let calls = number("KONTOR_TEST_CALLS", 5_000);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (told, begun) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("Kontor connects");
        serve(stream, calls, told).await;
    });
    let asterisk = proto::connector::Kind::Asterisk(proto::AsteriskSettings {
        host: "127.0.0.1".into(),
        port: i32::from(port),
        username: "kontor".into(),
        secret: "a-secret".into(),
        trunk_prefixes: vec!["PJSIP/trunk-".into()],
        ..Default::default()
    });
    let connector = proto::Connector {
        display_name: "Asterisk".into(),
        kind: Some(asterisk),
        region: "FR".into(),
        ..Default::default()
    };
    let request = proto::CreateConnectorRequest {
        connector: Some(connector),
        connector_id: "asterisk".into(),
        ..Default::default()
    };
    bed.admin.connectors().create_connector(request).await.expect("a connector");
    begun.await.expect("it logs in");
    let (id, memory) = (bed.process.id(), bed.process.memory_mib());
    let (cpu, begin) = (cpu_seconds_of(id), Instant::now());
    let last = name(calls - 1);
    // memory each five seconds: flat means that the second half is as the first
    let (mut samples, mut next) = (Vec::new(), Instant::now());
    loop {
        // the newest call is read by an index; a filter would walk through all of them, again and again
        let request = proto::ListCallsRequest { page_size: 1, ..Default::default() };
        let found = bed.admin.calls().list_calls(request).await.expect("calls").into_inner().calls;
        let is_last =
            |call: &proto::Call| call.external_id == last && call.state() == proto::CallState::Ended;
        if found.first().is_some_and(is_last) {
            break;
        }
        if Instant::now() >= next {
            samples.push(bed.process.memory_mib());
            next += Duration::from_secs(5);
        }
        let patience = Duration::from_secs(60 + calls as u64 / 20);
        assert!(begin.elapsed() < patience, "the last call did not end: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds_of(id) - cpu);
    samples.push(bed.process.memory_mib());
    let events = (calls * EVENTS) as f64;
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let (first, second) = samples.split_at(samples.len() / 2);
    println!(
        "\n{calls} calls of {EVENTS} AMI events: {:.0} events a second, {:.0} for each second of the server's CPU (aim: 2,000 on one core), {:.3} ms each; \
         memory {memory:.0} MiB before, at most {:.0} in the first half, {:.0} in the second",
        events / wall,
        events / cpu,
        1_000.0 * cpu / events,
        most(first),
        most(second)
    );
}

/// The id of a call: it never comes twice, and says the order.
fn name(call: usize) -> String {
    format!("{}.{}", 1_795_420_000 + call, 2 * call)
}

/// Now, in microseconds: a clock that runs away from ours would be measured all the time.
fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

async fn serve(stream: TcpStream, calls: usize, told: oneshot::Sender<()>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut told = Some(told);
    write.write_all(b"Asterisk Call Manager/5.0.4\r\n").await.expect("Kontor is there");
    let (mut action, mut id) = (String::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_once(": ") {
            Some(("Action", value)) => action = value.to_owned(),
            Some(("ActionID", value)) => id = value.to_owned(),
            Some(_) => {}
            None => {
                let more = match action.as_str() {
                    "Challenge" => "Challenge: 840415273\r\n\r\n".to_owned(),
                    "Ping" => "Ping: Pong\r\n\r\n".to_owned(),
                    "CoreStatus" => {
                        "CoreStartupDate: 2026-11-23\r\nCoreStartupTime: 08:00:00\r\n\r\n".to_owned()
                    }
                    "CoreShowChannels" | "QueueStatus" => {
                        let complete = if action == "QueueStatus" {
                            "QueueStatusComplete"
                        } else {
                            "CoreShowChannelsComplete"
                        };
                        format!(
                            "EventList: start\r\n\r\nEvent: {complete}\r\nActionID: {id}\r\nListItems: 0\r\n\r\n"
                        )
                    }
                    _ => "Message: done\r\n\r\n".to_owned(),
                };
                let answer = format!("Response: Success\r\nActionID: {id}\r\n{more}");
                write.write_all(answer.as_bytes()).await.expect("Kontor is there");
                if action == "QueueStatus"
                    && let Some(told) = told.take()
                {
                    let _ = told.send(());
                    for number in 0..calls {
                        write.write_all(call(number).as_bytes()).await.expect("Kontor reads");
                    }
                }
            }
        }
    }
}

/// Tells of an event with its headers.
type Tell<'a> = dyn FnMut(&str, &[(&str, &str)]) + 'a;

/// An inbound call that is answered and lasts half a second.
fn call(number: usize) -> String {
    let (first, second) = (name(number), format!("{}.{}", 1_795_420_000 + number, 2 * number + 1));
    let (trunk, phone) = (format!("PJSIP/trunk-{number:08x}"), format!("PJSIP/alice-{number:08x}"));
    let mut text = String::new();
    // it has just ended
    let mut at = now() - 20_000 * (EVENTS as i64 + 1);
    let mut tell = |event: &str, headers: &[(&str, &str)]| {
        at += 20_000;
        text.push_str(&format!(
            "Event: {event}\r\nPrivilege: call,all\r\nTimestamp: {}.{:06}\r\n",
            at / 1_000_000,
            at % 1_000_000
        ));
        headers.iter().for_each(|(key, value)| text.push_str(&format!("{key}: {value}\r\n")));
        text.push_str("\r\n");
    };
    let caller = [
        ("Channel", &*trunk),
        ("ChannelState", "4"),
        ("CallerIDNum", "+33145551234"),
        ("CallerIDName", "PSTN Caller"),
        ("Context", "from-trunk"),
        ("Exten", "100"),
        ("Uniqueid", &*first),
        ("Linkedid", &*first),
    ];
    let callee = [
        ("Channel", &*phone),
        ("ChannelState", "5"),
        ("CallerIDNum", "101"),
        ("Context", "from-internal"),
        ("Exten", "101"),
        ("Uniqueid", &*second),
        ("Linkedid", &*first),
    ];
    let variables = |tell: &mut Tell<'_>, count: usize| {
        for place in 0..count {
            let name = format!("VARIABLE_{place}");
            let more = [("Variable", name.as_str()), ("Value", "something that nobody asks for")];
            tell("VarSet", &[&caller[..], &more[..]].concat());
        }
    };
    tell("Newchannel", &caller);
    variables(&mut tell, 9);
    tell("Newchannel", &callee);
    let both = [
        ("Channel", &*trunk),
        ("CallerIDNum", "+33145551234"),
        ("CallerIDName", "PSTN Caller"),
        ("Exten", "100"),
        ("Uniqueid", &*first),
        ("Linkedid", &*first),
        ("DestChannel", &*phone),
        ("DestCallerIDNum", "101"),
        ("DestExten", "101"),
        ("DestUniqueid", &*second),
        ("DestLinkedid", &*first),
        ("DialString", "alice"),
    ];
    tell("DialBegin", &both);
    tell("Newstate", &callee);
    variables(&mut tell, 9);
    tell("DialEnd", &[&both[..], &[("DialStatus", "ANSWER")][..]].concat());
    let bridge = format!("bridge-{number}");
    let bridged = [("BridgeUniqueid", bridge.as_str()), ("BridgeNumChannels", "2")];
    tell("BridgeEnter", &[&bridged[..], &caller[..]].concat());
    tell("BridgeEnter", &[&bridged[..], &callee[..]].concat());
    tell("BridgeLeave", &[&bridged[..], &callee[..]].concat());
    let cause = [("Cause", "16"), ("Cause-txt", "Normal Clearing")];
    tell("Hangup", &[&callee[..], &cause[..]].concat());
    tell("Hangup", &[&caller[..], &cause[..]].concat());
    text
}
