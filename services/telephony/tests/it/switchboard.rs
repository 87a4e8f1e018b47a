//! An Asterisk that is told to make calls: it answers as the script says, and plays recordings under the ids that it was given.
//! Used by start_call.rs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::asterisk::{answer, messages};

/// What it does with an Originate.
#[derive(Clone, Debug)]
pub enum Script {
    /// Plays the recording.
    Play(&'static str),
    /// Takes it and says nothing more.
    Swallow,
    /// Says no with these words.
    Refuse(&'static str),
    /// Drops the line before it answers; of the recording so many messages have happened then, and the rest after the next log-in.
    Drop(&'static str, usize),
}

#[derive(Default)]
struct Desk {
    script: Option<Script>,
    orders: Vec<BTreeMap<String, String>>,
    before: Vec<String>,
    after: Vec<String>,
}

/// A running Asterisk.
pub struct Switchboard {
    pub port: u16,
    desk: Arc<Mutex<Desk>>,
    task: JoinHandle<()>,
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Switchboard {
    pub async fn start(script: Script) -> Switchboard {
        Switchboard::at(0, script).await
    }

    /// At this port.
    pub async fn at(port: u16, script: Script) -> Switchboard {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Arc::new(Mutex::new(Desk { script: Some(script), ..Desk::default() }));
        let shared = desk.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &shared).await;
            }
        });
        Switchboard { port, desk, task }
    }

    /// All Originates so far.
    pub fn orders(&self) -> Vec<BTreeMap<String, String>> {
        self.desk.lock().unwrap().orders.clone()
    }

    /// Waits for the first Originate.
    pub async fn order(&self) -> BTreeMap<String, String> {
        for () in kontor_testbed::patience() {
            if let Some(order) = self.orders().first() {
                return order.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was ordered");
    }

    pub fn set(&self, script: Script) {
        self.desk.lock().unwrap().script = Some(script);
    }
}

/// A free port at which nobody listens.
pub async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn say(write: &mut OwnedWriteHalf, text: &str) -> bool {
    write.write_all(text.replace('\n', "\r\n").as_bytes()).await.is_ok()
}

fn joined(messages: &[String]) -> String {
    messages.iter().map(|message| format!("{message}\n\n")).collect()
}

async fn serve(stream: TcpStream, desk: &Mutex<Desk>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    say(&mut write, "Asterisk Call Manager/5.0.4\n").await;
    let mut action = BTreeMap::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((key, value)) = line.split_once(": ") {
            action.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let asked = std::mem::take(&mut action);
        let name = asked.get("Action").cloned().unwrap_or_default();
        let told = if name == "Originate" {
            let Some(told) = originate(&asked, desk) else { return };
            told
        } else {
            let mut desk = desk.lock().unwrap();
            let mut told = answer(&asked, &desk.before);
            if name == "QueueStatus" {
                let after = std::mem::take(&mut desk.after);
                told.push_str(&joined(&after));
                desk.before.extend(after);
            }
            told
        };
        if !say(&mut write, &told).await {
            return;
        }
    }
}

/// What is said to an Originate; none when the line drops.
fn originate(asked: &BTreeMap<String, String>, desk: &Mutex<Desk>) -> Option<String> {
    let mut desk = desk.lock().unwrap();
    desk.orders.push(asked.clone());
    let id = &asked["ActionID"];
    let taken = format!("Response: Success\nActionID: {id}\nMessage: Originate successfully queued\n\n");
    match desk.script.clone().unwrap() {
        Script::Swallow => Some(taken),
        Script::Refuse(words) => Some(format!("Response: Error\nActionID: {id}\nMessage: {words}\n\n")),
        Script::Play(name) => Some(taken + &joined(&recorded(name, asked))),
        Script::Drop(name, happened) => {
            let mut told = recorded(name, asked);
            desk.after = told.split_off(happened);
            desk.before = told;
            None
        }
    }
}

/// A recorded click to call as this one: ours has the id that was given.
pub fn recorded(name: &str, asked: &BTreeMap<String, String>) -> Vec<String> {
    if name.is_empty() {
        return Vec::new();
    }
    let ids = [("crm-click-42", "ActionID"), ("crm-click-43", "ActionID")];
    let ids = ids.into_iter().chain([("crm-call-42-a", "ChannelId"), ("1795427952.126", "ChannelId")]);
    let ids: Vec<_> = ids.collect();
    let played = if name == "no_leg" { last(messages("16", "orig_fail")) } else { messages("16", name) };
    let played = played.into_iter();
    played
        .map(|message| ids.iter().fold(message, |text, (old, key)| text.replace(old, &asked[*key])))
        .collect()
}

/// Only that it failed, as for a device that is not there.
fn last(messages: Vec<String>) -> Vec<String> {
    messages.into_iter().filter(|message| message.starts_with("Event: OriginateResponse")).collect()
}
