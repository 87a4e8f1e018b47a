//! An event socket that plays frames over TCP: log-in, the questions of the catch-up, events, and clicks to call.
//! Used by cut.rs, and by the tests through gRPC.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const PASSWORD: &str = "ClueCon";
/// The Core-UUID in the scenes.
pub const CORE: &str = "6f1c1a5e-0f3a-4c57-9a51-2f0d6a1b7c01";

/// What is played. Each connection plays its part of the frames after the channel list; the last one stays open.
#[derive(Clone, Debug, Default)]
pub struct Play {
    pub frames: Vec<Vec<u8>>,
    /// The line drops before each of these frames.
    pub cuts: Vec<usize>,
    /// Frames that are never told though they happened: from, up to.
    pub lost: Option<(usize, usize)>,
    /// The Core-UUID of each connection; the last one goes on.
    pub cores: Vec<&'static str>,
    /// The frames of a click to call, under this id.
    pub click: Option<(Vec<Vec<u8>>, String)>,
    /// What is said to `bgapi` instead.
    pub refusal: Option<&'static str>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    orders: Vec<String>,
}

/// A running FreeSWITCH.
pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(play: Play) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            let mut from = 0;
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let number = shared.lock().expect("a lock").connections;
                shared.lock().expect("a lock").connections += 1;
                let to = play.cuts.get(number).copied().unwrap_or(play.frames.len());
                serve(stream, &play, (from, to), number, &shared).await;
                from = match play.lost {
                    Some((lost, again)) if lost == to => again,
                    _ => to,
                };
            }
        });
        Server { port, seen, task }
    }

    /// Clicks to call so far, as they were written.
    pub fn orders(&self) -> Vec<String> {
        self.seen.lock().expect("a lock").orders.clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().expect("a lock").connections
    }
}

fn framed(kind: &str, body: &str) -> Vec<u8> {
    format!("Content-Type: {kind}\nContent-Length: {}\n\n{body}", body.len()).into_bytes()
}

fn reply(text: &str) -> Vec<u8> {
    format!("Content-Type: command/reply\nReply-Text: {text}\n\n").into_bytes()
}

async fn serve(
    stream: TcpStream,
    play: &Play,
    (from, to): (usize, usize),
    number: usize,
    seen: &Mutex<Seen>,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut said = b"Content-Type: auth/request\n\n".to_vec();
    let core = play.cores.get(number).or(play.cores.last()).copied().unwrap_or(CORE);
    let (mut command, mut headers) = (String::new(), BTreeMap::new());
    loop {
        if write.write_all(&said).await.is_err() {
            return;
        }
        said.clear();
        let Ok(Some(line)) = lines.next_line().await else { return };
        if !line.is_empty() {
            match line.split_once(": ").filter(|_| !command.is_empty()) {
                Some((key, value)) => drop(headers.insert(key.to_owned(), value.to_owned())),
                None => command = line,
            }
            continue;
        }
        let asked = std::mem::take(&mut command);
        let headers = std::mem::take(&mut headers);
        said = match asked.split(' ').next().unwrap_or_default() {
            "auth" if asked == format!("auth {PASSWORD}") => reply("+OK accepted"),
            "auth" => reply("-ERR invalid"),
            "event" => reply("+OK event listener enabled json"),
            "bgapi" => bgapi(&asked, &headers, play, seen),
            _ if asked == "api global_getvar core_uuid" => framed("api/response", core),
            _ if asked == "api version" => {
                framed("api/response", "FreeSWITCH Version 1.10.9-release 64bit\n")
            }
            _ if asked == "api show channels as json" => {
                let mut answer = framed("api/response", &channels(&play.frames[..from]));
                answer.extend(play.frames[from..to].concat());
                answer
            }
            _ => framed("api/response", "kontor"),
        };
        if asked == "api show channels as json" && to < play.frames.len() {
            let _ = write.write_all(&said).await;
            return;
        }
    }
}

fn bgapi(asked: &str, headers: &BTreeMap<String, String>, play: &Play, seen: &Mutex<Seen>) -> Vec<u8> {
    seen.lock().expect("a lock").orders.push(asked.to_owned());
    if let Some(words) = play.refusal {
        return reply(words);
    }
    let job = headers.get("Job-UUID").cloned().unwrap_or_default();
    let mut said = reply(&format!("+OK Job-UUID: {job}"));
    if let Some((frames, id)) = &play.click {
        assert_eq!(id.len(), job.len(), "the lengths of the frames stay");
        let text = String::from_utf8(frames.concat()).expect("a text").replace(id.as_str(), &job);
        said.extend(text.into_bytes());
    }
    said
}

/// The event in a frame.
pub fn event(frame: &[u8]) -> Map<String, Value> {
    let body = frame.windows(2).position(|pair| pair == b"\n\n").map(|at| &frame[at + 2..]);
    serde_json::from_slice(body.unwrap_or_default()).unwrap_or_default()
}

/// The answer to `show channels as json` after these frames.
fn channels(frames: &[Vec<u8>]) -> String {
    let mut open: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for event in frames.iter().map(|frame| event(frame)) {
        let get = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, leg) = (get("Event-Name"), get("Unique-ID"));
        if name == "CHANNEL_HANGUP" {
            open.remove(&leg);
            continue;
        }
        if name == "CHANNEL_CREATE" {
            let call =
                if get("Other-Leg-Unique-ID").is_empty() { leg.clone() } else { get("Other-Leg-Unique-ID") };
            let seconds = get("Event-Date-Timestamp").parse::<i64>().unwrap_or(0) / 1_000_000;
            let columns = [
                ("uuid", leg.clone()),
                ("direction", get("Call-Direction")),
                ("created_epoch", seconds.to_string()),
                ("name", get("Channel-Name")),
                ("cid_num", get("Caller-Caller-ID-Number")),
                ("dest", get("Caller-Destination-Number")),
                ("context", get("Caller-Context")),
                ("callstate", "DOWN".to_owned()),
                ("call_uuid", call),
            ];
            let row = columns.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value)));
            open.insert(leg.clone(), row.collect());
        }
        let state = match name.as_str() {
            "CHANNEL_PROGRESS" => "RINGING",
            "CHANNEL_PROGRESS_MEDIA" => "EARLY",
            "CHANNEL_ANSWER" => "ACTIVE",
            _ => continue,
        };
        if let Some(row) = open.get_mut(&leg) {
            row.insert("callstate".to_owned(), Value::from(state));
        }
    }
    let rows: Vec<Value> = open.into_values().map(Value::Object).collect();
    if rows.is_empty() {
        return r#"{"row_count":0}"#.to_owned();
    }
    serde_json::json!({ "row_count": rows.len(), "rows": rows }).to_string()
}
