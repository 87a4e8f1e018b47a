//! An Asterisk played over TCP: log-in, lists, orders, and events by WebSocket, one part for each connection.
//! Called by the tests of cuts here and by tests/it/ari.rs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const PASSWORD: &str = "s3cret-of-ari";
const STARTED: &str = "2026-11-30T05:42:40.363+0000";

/// One connection.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is told, once the lists were asked for.
    pub events: Vec<String>,
    /// What GET /ari/channels answers.
    pub channels: String,
    /// What GET /ari/bridges answers.
    pub bridges: String,
    /// When this Asterisk was started.
    pub started: &'static str,
    /// Whether the line stays when all was told.
    pub stays: bool,
}

impl Part {
    /// Tells these events, and the line stays.
    pub fn of(events: &str) -> Part {
        let events = events.lines().map(str::to_owned).collect();
        Part { events, channels: "[]".into(), bridges: "[]".into(), started: STARTED, stays: true }
    }
}

/// What it does with an order.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Takes it and tells these events, in which `kontor-4` stands for the order's id.
    Play(String),
    /// This status and body.
    Say(u16, &'static str),
    /// Drops the connection without an answer.
    Drop,
}

struct Desk {
    parts: VecDeque<Part>,
    now: Part,
    answer: Answer,
    orders: Vec<String>,
    filter: String,
    more: Option<mpsc::UnboundedSender<String>>,
}

/// A running one.
pub struct Ari {
    pub port: u16,
    desk: Arc<Mutex<Desk>>,
    task: JoinHandle<()>,
}

impl Drop for Ari {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ari {
    pub async fn play(parts: Vec<Part>) -> Ari {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Desk {
            parts: parts.into(),
            now: Part::of(""),
            answer: Answer::Say(500, ""),
            orders: Vec::new(),
            filter: String::new(),
            more: None,
        };
        let (desk, listed) = (Arc::new(Mutex::new(desk)), Arc::new(Notify::new()));
        let shared = desk.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, shared.clone(), listed.clone()));
            }
        });
        Ari { port, desk, task }
    }

    pub fn set(&self, answer: Answer) {
        self.desk.lock().unwrap().answer = answer;
    }

    /// Methods, paths and queries of the orders so far.
    pub fn orders(&self) -> Vec<String> {
        self.desk.lock().unwrap().orders.clone()
    }

    /// Which events were asked for.
    pub fn filter(&self) -> String {
        self.desk.lock().unwrap().filter.clone()
    }
}

async fn serve(mut stream: TcpStream, desk: Arc<Mutex<Desk>>, listed: Arc<Notify>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|it| it == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    assert!(!head.lines().next().unwrap().contains(PASSWORD), "addresses are logged: {head}");
    if header("authorization") != Some(format!("Basic {}", STANDARD.encode(format!("kontor:{PASSWORD}")))) {
        return say(stream, 401, r#"{"error":"Authentication required"}"#).await;
    }
    let mut body = bytes[end..].to_vec();
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        stream.read_buf(&mut body).await.unwrap();
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let part = desk.lock().unwrap().now.clone();
    match (method, path.split('?').next().unwrap()) {
        ("GET", "/ari/events") => {
            assert!(path.contains("subscribeAll=true") && path.contains("app=kontor-office"), "{path}");
            tell(stream, &header("sec-websocket-key").unwrap(), &desk, &listed).await;
        }
        ("GET", "/ari/channels") => say(stream, 200, &part.channels).await,
        ("GET", "/ari/bridges") => {
            say(stream, 200, &part.bridges).await;
            listed.notify_one();
        }
        ("GET", "/ari/asterisk/info") => {
            let started = part.started;
            let info =
                format!(r#"{{"system":{{"version":"16.28"}},"status":{{"startup_time":"{started}"}}}}"#);
            say(stream, 200, &info).await;
        }
        ("PUT", "/ari/applications/kontor-office/eventFilter") => {
            desk.lock().unwrap().filter = String::from_utf8(body).unwrap();
            say(stream, 200, "{}").await;
        }
        ("POST" | "DELETE", _) => ordered(stream, method, path, &desk).await,
        _ => say(stream, 404, r#"{"message":"Resource not found"}"#).await,
    }
}

async fn ordered(stream: TcpStream, method: &str, path: &str, desk: &Mutex<Desk>) {
    let answer = {
        let mut desk = desk.lock().unwrap();
        desk.orders.push(format!("{method} {path}"));
        desk.answer.clone()
    };
    match answer {
        Answer::Drop => {}
        Answer::Say(status, body) => say(stream, status, body).await,
        Answer::Play(events) => {
            say(stream, 200, "{}").await;
            let id = path.split("channelId=").nth(1).unwrap().split('&').next().unwrap();
            let more = desk.lock().unwrap().more.clone().unwrap();
            events.lines().for_each(|event| more.send(event.replace("kontor-4", id)).unwrap());
        }
    }
}

async fn say(mut stream: TcpStream, status: u16, body: &str) {
    let text = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The events of the next part.
async fn tell(mut stream: TcpStream, key: &str, desk: &Mutex<Desk>, listed: &Notify) {
    let (sender, mut more) = mpsc::unbounded_channel();
    let part = {
        let mut desk = desk.lock().unwrap();
        let Some(part) = desk.parts.pop_front() else { return };
        desk.now = part.clone();
        desk.more = Some(sender);
        part
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    listed.notified().await;
    for event in part.events {
        if socket.send(Message::Text(event.into())).await.is_err() {
            return;
        }
    }
    if !part.stays {
        // what was told is read first
        tokio::time::sleep(Duration::from_millis(20)).await;
        return;
    }
    loop {
        tokio::select! {
            Some(event) = more.recv() => socket.send(Message::Text(event.into())).await.unwrap(),
            heard = socket.next() => match heard {
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}
