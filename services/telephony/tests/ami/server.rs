//! An Asterisk played from a recording over TCP: log-in, catch-up lists and events, one part for each connection.
//! Called by the tests of cuts and gaps.

use std::collections::BTreeMap;
use std::time::Duration;

use kontor_telephony::connectors::ami::config::{Config, Login, Timing};
use kontor_telephony::connectors::ami::session::{Handle, Resume, Session, Status, channel_sink};
use kontor_telephony::domain::fact::CallFact;
use md5::{Digest, Md5};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::recordings::rules;

pub const SECRET: &str = "s3cret";
/// The last thing that a play says, so that the test knows that all was heard.
const MARK: &str = "9999999999.9";

/// One connection: it begins where the recording stands at `from` and tells everything up to `to`.
#[derive(Debug, Clone)]
pub struct Part {
    pub from: usize,
    pub to: usize,
    pub startup: &'static str,
}

/// Plays the parts and gives the facts that a session made of them, and its last status.
pub async fn play(
    messages: Vec<String>,
    parts: Vec<Part>,
    login: Login,
    resume: Resume,
) -> (Vec<CallFact>, Status) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut config = Config::new("office", "127.0.0.1", "kontor", SECRET, rules());
    config.port = listener.local_addr().expect("an address").port();
    config.login = login;
    let pause = Duration::from_millis(1);
    config.timing = Timing { first_pause: pause, longest_pause: pause, ..Timing::default() };
    let server = tokio::spawn(async move {
        for (number, part) in parts.iter().enumerate() {
            let (stream, _) = listener.accept().await.expect("a connection");
            let last = number + 1 == parts.len();
            serve(stream, &messages, part, last).await;
        }
    });
    let (session, handle) = Session::new(config, resume);
    // a small channel, so that the session is held up now and then
    let (sender, receiver) = mpsc::channel(1);
    let running = tokio::spawn(session.run(channel_sink(sender), std::future::pending()));
    let heard = tokio::time::timeout(Duration::from_secs(20), hear(receiver, &handle)).await;
    let heard = heard.expect("the play comes to its end");
    running.abort();
    server.abort();
    heard
}

async fn hear(mut receiver: mpsc::Receiver<Vec<CallFact>>, handle: &Handle) -> (Vec<CallFact>, Status) {
    let mut facts = Vec::new();
    while let Some(batch) = receiver.recv().await {
        assert!(!batch.is_empty());
        facts.extend(batch);
        if facts.iter().any(|fact| fact.key.call == MARK) {
            break;
        }
    }
    facts.retain(|fact| fact.key.call != MARK);
    (facts, handle.status().borrow().clone())
}

async fn serve(stream: TcpStream, messages: &[String], part: &Part, last: bool) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"Asterisk Call Manager/5.0.4\r\n").await.expect("the client is there");
    let seen = Seen::of(&messages[..part.from]);
    let mut headers = BTreeMap::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((key, value)) = line.split_once(": ") {
            headers.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let action = std::mem::take(&mut headers);
        let queues = action.get("Action").is_some_and(|name| name == "QueueStatus");
        write.write_all(crlf(&seen.answer(&action, part)).as_bytes()).await.expect("the client is there");
        if queues {
            let events = messages[part.from..part.to].join("\n");
            write.write_all(crlf(&format!("{events}\n")).as_bytes()).await.expect("the client is there");
            if !last {
                return;
            }
            let mark =
                format!("Event: Newchannel\nChannel: PJSIP/mark-1\nUniqueid: {MARK}\nLinkedid: {MARK}\n\n");
            write.write_all(crlf(&mark).as_bytes()).await.expect("the client is there");
        }
    }
}

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// What an Asterisk knows after a number of messages.
#[derive(Default)]
struct Seen {
    channels: BTreeMap<String, BTreeMap<String, String>>,
    queues: BTreeMap<String, (String, String)>,
    time: String,
}

impl Seen {
    fn of(messages: &[String]) -> Seen {
        let mut seen = Seen { time: "1795420000.000000".into(), ..Seen::default() };
        messages.iter().for_each(|message| seen.learn(message));
        seen
    }

    fn learn(&mut self, message: &str) {
        let headers: BTreeMap<String, String> = message
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let get = |key: &str| headers.get(key).cloned().unwrap_or_default();
        if headers.contains_key("Timestamp") {
            self.time = get("Timestamp");
        }
        let (event, leg) = (get("Event"), get("Uniqueid"));
        if event == "Hangup" {
            self.channels.remove(&leg);
        } else if event == "Newchannel" || self.channels.contains_key(&leg) {
            let channel = self.channels.entry(leg.clone()).or_default();
            channel.extend(headers.clone().into_iter().filter(|(key, _)| !key.starts_with("Bridge")));
            match event.as_str() {
                "BridgeEnter" => channel.insert("BridgeId".into(), get("BridgeUniqueid")),
                "BridgeLeave" => channel.remove("BridgeId"),
                _ => None,
            };
        }
        match event.as_str() {
            "QueueCallerJoin" => {
                self.queues.insert(leg, (get("Queue"), get("Timestamp")));
            }
            "QueueCallerLeave" => {
                self.queues.remove(&leg);
            }
            _ => {}
        }
    }

    fn answer(&self, action: &BTreeMap<String, String>, part: &Part) -> String {
        let get = |key: &str| action.get(key).map(String::as_str).unwrap_or_default();
        let id = get("ActionID");
        let success = format!("Response: Success\nActionID: {id}\n");
        match get("Action") {
            "Challenge" => format!("{success}Challenge: 840415273\n\n"),
            "Login" if !knows_secret(action) => {
                format!("Response: Error\nActionID: {id}\nMessage: Authentication failed\n\n")
            }
            "Ping" => format!("{success}Ping: Pong\nTimestamp: {}\n\n", self.time),
            "CoreStatus" => {
                format!("{success}CoreStartupDate: 2026-11-23\nCoreStartupTime: {}\n\n", part.startup)
            }
            "CoreShowChannels" => {
                let channels: String = self.channels.values().map(|it| self.channel(it, id)).collect();
                let count = self.channels.len();
                format!(
                    "{success}EventList: start\n\n{channels}Event: CoreShowChannelsComplete\nActionID: {id}\nListItems: {count}\n\n"
                )
            }
            "QueueStatus" => {
                let entries: String = self.queues.iter().map(|(leg, it)| self.entry(leg, it, id)).collect();
                format!(
                    "{success}EventList: start\n\n{entries}Event: QueueStatusComplete\nActionID: {id}\n\n"
                )
            }
            "Login" | "Events" | "Originate" | "Hangup" => format!("{success}Message: done\n\n"),
            other => format!("Response: Error\nActionID: {id}\nMessage: Invalid/unknown command {other}\n\n"),
        }
    }

    fn channel(&self, channel: &BTreeMap<String, String>, id: &str) -> String {
        let mut text = format!("Event: CoreShowChannel\nActionID: {id}\n");
        let keys = ["Channel", "ChannelState", "CallerIDNum", "Context", "Exten", "Uniqueid", "Linkedid"];
        for key in keys.into_iter().chain(["Application", "BridgeId"]) {
            let value = channel.get(key).map(String::as_str).unwrap_or_default();
            text.push_str(&format!("{key}: {value}\n"));
        }
        let began = channel.get("Uniqueid").and_then(|id| id.split('.').next()?.parse().ok());
        let age = began.map_or(0, |began: i64| (self.seconds() - began).max(0));
        text.push_str(&format!("Duration: {:02}:{:02}:{:02}\n\n", age / 3600, age / 60 % 60, age % 60));
        text
    }

    fn entry(&self, leg: &str, (queue, since): &(String, String), id: &str) -> String {
        let since: f64 = since.parse().expect("a time");
        let wait = self.seconds() - since.ceil() as i64;
        format!(
            "Event: QueueEntry\nActionID: {id}\nQueue: {queue}\nPosition: 1\nUniqueid: {leg}\nWait: {}\n\n",
            wait.max(0)
        )
    }

    fn seconds(&self) -> i64 {
        self.time.split('.').next().and_then(|text| text.parse().ok()).expect("a time")
    }
}

fn knows_secret(action: &BTreeMap<String, String>) -> bool {
    let digest = Md5::new().chain_update("840415273").chain_update(SECRET).finalize();
    let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    action.get("Secret").is_some_and(|secret| secret == SECRET) || action.get("Key") == Some(&key)
}

/// An Asterisk on which nothing happens.
pub async fn serve_idle(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        serve(stream, &[], &Part { from: 0, to: 0, startup: "00:00:00" }, true).await;
    }
}
