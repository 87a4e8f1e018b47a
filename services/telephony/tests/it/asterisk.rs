//! An Asterisk played from a recording over TCP: log-in, catch-up lists and events, one part for each connection.
//! Used by sessions.rs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The messages of a recording.
pub fn messages(version: &str, name: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/asterisk");
    let path = folder.join(version).join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let events = text.split("\n\n").filter(|message| message.starts_with("Event: "));
    events.filter(|it| !it.starts_with("Event: FullyBooted")).map(|it| it.trim_end().to_owned()).collect()
}

/// A running Asterisk.
pub struct Asterisk {
    pub port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asterisk {
    /// Plays `messages`; the line drops before each of `cuts`, and the last one stays open.
    pub async fn play(messages: Vec<String>, cuts: &[usize]) -> Asterisk {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends: Vec<usize> = cuts.iter().copied().chain([messages.len()]).collect();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            let mut from = 0;
            for (number, to) in ends.iter().copied().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let last = number + 1 == ends.len();
                serve(stream, &messages[..from], &messages[from..to], last).await;
                from = to;
            }
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                serve(stream, &messages, &[], true).await;
            }
        });
        Asterisk { port, connections, task }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, before: &[String], events: &[String], last: bool) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"Asterisk Call Manager/5.0.4\r\n").await.unwrap();
    let mut action = BTreeMap::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((key, value)) = line.split_once(": ") {
            action.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let asked = std::mem::take(&mut action);
        let answer = answer(&asked, before);
        if write.write_all(answer.replace('\n', "\r\n").as_bytes()).await.is_err() {
            return;
        }
        if asked.get("Action").is_some_and(|name| name == "QueueStatus") {
            let text: String = events.iter().map(|event| format!("{event}\n\n")).collect();
            if write.write_all(text.replace('\n', "\r\n").as_bytes()).await.is_err() || !last {
                return;
            }
        }
    }
}

/// What it says to an action after these messages.
pub fn answer(action: &BTreeMap<String, String>, before: &[String]) -> String {
    let get = |key: &str| action.get(key).map(String::as_str).unwrap_or_default();
    let id = get("ActionID");
    let success = format!("Response: Success\nActionID: {id}\n");
    match get("Action") {
        "Challenge" => format!("{success}Challenge: 840415273\n\n"),
        "Login" if !right_key(get("Key")) => {
            format!("Response: Error\nActionID: {id}\nMessage: Authentication failed\n\n")
        }
        "Ping" => format!("{success}Ping: Pong\nTimestamp: {}\n\n", last_time(before)),
        "CoreStatus" => {
            format!("{success}CoreStartupDate: 2026-11-23\nCoreStartupTime: 09:58:24\n\n")
        }
        "CoreShowChannels" => {
            format!(
                "{success}EventList: start\n\n{}Event: CoreShowChannelsComplete\nActionID: {id}\n\n",
                channels(before, id)
            )
        }
        "QueueStatus" => {
            format!("{success}EventList: start\n\nEvent: QueueStatusComplete\nActionID: {id}\n\n")
        }
        _ => format!("{success}Message: done\n\n"),
    }
}

fn right_key(key: &str) -> bool {
    use md5::{Digest, Md5};
    let digest = Md5::new().chain_update("840415273").chain_update("s3cret").finalize();
    key == digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
}

fn headers(message: &str) -> BTreeMap<&str, &str> {
    message.lines().filter_map(|line| line.split_once(": ")).collect()
}

fn last_time(before: &[String]) -> &str {
    let times = before.iter().rev().filter_map(|message| headers(message).get("Timestamp").copied());
    times.into_iter().next().unwrap_or("1795420000.000000")
}

/// The channels that are open after these messages.
fn channels(before: &[String], id: &str) -> String {
    let mut open: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for message in before {
        let told = headers(message);
        let (event, leg) = (told.get("Event").copied(), told.get("Uniqueid").copied().unwrap_or_default());
        if event == Some("Hangup") {
            open.remove(leg);
        } else if event == Some("Newchannel") || open.contains_key(leg) {
            let channel = open.entry(leg).or_default();
            if event == Some("BridgeEnter") {
                channel.insert("BridgeId", told.get("BridgeUniqueid").copied().unwrap_or_default());
            } else if event == Some("BridgeLeave") {
                channel.remove("BridgeId");
            }
            channel.extend(told.into_iter().filter(|(key, _)| !key.starts_with("Bridge")));
        }
    }
    let keys = [
        "Channel",
        "ChannelState",
        "CallerIDNum",
        "Context",
        "Exten",
        "Uniqueid",
        "Linkedid",
        "Application",
        "BridgeId",
    ];
    let lines = open.values().map(|channel| {
        let lines =
            keys.iter().map(|key| format!("{key}: {}\n", channel.get(key).copied().unwrap_or_default()));
        format!("Event: CoreShowChannel\nActionID: {id}\n{}Duration: 00:00:01\n\n", lines.collect::<String>())
    });
    lines.collect()
}
