//! An Asterisk with a trunk that a dialler calls over: numbers ring, are busy or answer as they are told, and who answers is sent on to a telephone or hung up.
//! Its messages are made after the recordings: no telephone system was recorded that rings the far end first. Used by dialler.rs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kontor_kit::clock::Clock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::asterisk::answer;

/// What a number does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Rings until a test says more.
    Rings,
    Busy,
    NoAnswer,
    Answers,
    /// The telephone system takes the order, and the line drops before it says so.
    Cut,
}

struct Desk {
    clock: Clock,
    fate: Fate,
    /// Whether telephones inside are taken.
    taken: bool,
    /// Orders of this name, in order.
    actions: Vec<BTreeMap<String, String>>,
    /// The id of the call of each number.
    calls: HashMap<String, String>,
    line: Option<UnboundedSender<String>>,
}

/// A running Asterisk.
pub struct Carrier {
    pub port: u16,
    desk: Arc<Mutex<Desk>>,
    task: JoinHandle<()>,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Carrier {
    /// At this port, or a free one for 0; numbers do as `fate` says.
    pub async fn start(port: u16, clock: Clock, fate: Fate) -> Carrier {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Desk { clock, fate, taken: true, actions: Vec::new(), calls: HashMap::new(), line: None };
        let desk = Arc::new(Mutex::new(desk));
        let shared = desk.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &shared).await;
            }
        });
        Carrier { port, desk, task }
    }

    /// All orders of this name so far.
    pub fn actions(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.desk.lock().unwrap().actions.iter().filter(|action| action["Action"] == name).cloned().collect()
    }

    /// The numbers that were called, in order.
    pub fn called(&self) -> Vec<String> {
        self.actions("Originate").iter().map(|action| number(&action["Channel"])).collect()
    }

    /// Waits for so many orders of this name.
    pub async fn wait(&self, name: &str, count: usize) -> Vec<BTreeMap<String, String>> {
        for () in kontor_testbed::patience() {
            let found = self.actions(name);
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} times {name} were expected: {:?}", self.actions(name));
    }

    /// What numbers do from now on.
    pub fn fate(&self, fate: Fate) {
        self.desk.lock().unwrap().fate = fate;
    }

    /// The telephone that was to take the call of a number rang out, and the dial plan hangs up.
    pub fn rings_out(&self, number: &str) {
        let desk = self.desk.lock().unwrap();
        let id = &desk.calls[number];
        desk.say(
            &(desk.phone_ends(id, "NOANSWER") + &desk.gone(&format!("{id}-phone"), id) + &desk.gone(id, id)),
        );
    }

    /// Telephones inside only ring from now on.
    pub fn nobody_takes(&self) {
        self.desk.lock().unwrap().taken = false;
    }

    /// A number that rings does this now.
    pub fn does(&self, number: &str, fate: Fate) {
        let desk = self.desk.lock().unwrap();
        desk.say(&desk.end_of_ringing(&desk.calls[number], fate));
    }

    /// Both sides of the call of a number hang up.
    pub fn over(&self, number: &str) {
        let desk = self.desk.lock().unwrap();
        let id = &desk.calls[number];
        desk.say(&(desk.gone(&format!("{id}-phone"), id) + &desk.gone(id, id)));
    }
}

/// The number in "PJSIP/+32470000000@trunk".
fn number(channel: &str) -> String {
    channel.trim_start_matches("PJSIP/").split('@').next().unwrap().to_owned()
}

impl Desk {
    fn say(&self, text: &str) {
        self.line.as_ref().expect("Kontor is connected").send(text.to_owned()).unwrap();
    }

    fn event(&self, name: &str, headers: &[(&str, &str)]) -> String {
        let now = self.clock.now();
        let time = format!("Timestamp: {}.{:06}\n", now / 1_000_000, now % 1_000_000);
        let lines: String = headers.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        format!("Event: {name}\nPrivilege: call,all\n{time}{lines}\n")
    }

    fn channel(&self, leg: &str) -> String {
        let device = if leg.ends_with("-phone") { "phone" } else { "trunk" };
        format!("PJSIP/{device}-{:08x}", leg.len() + leg.bytes().map(usize::from).sum::<usize>())
    }

    fn about(&self, name: &str, leg: &str, call: &str, state: &str, number: &str) -> String {
        let channel = self.channel(leg);
        let headers = [
            ("Channel", &*channel),
            ("ChannelState", state),
            ("CallerIDNum", number),
            ("Context", "internal"),
            ("Exten", "s"),
            ("Uniqueid", leg),
            ("Linkedid", call),
        ];
        self.event(name, &headers)
    }

    /// The trunk is dialled and rings.
    fn rings(&self, id: &str, number: &str) -> String {
        let channel = self.channel(id);
        let dest = [
            ("DestChannel", &*channel),
            ("DestCallerIDNum", number),
            ("DestUniqueid", id),
            ("DestLinkedid", id),
            ("DialString", "trunk"),
        ];
        self.about("Newchannel", id, id, "0", number)
            + &self.event("DialBegin", &dest)
            + &self.about("Newstate", id, id, "5", number)
    }

    fn dial_end(&self, id: &str, status: &str) -> String {
        let channel = self.channel(id);
        let dest =
            [("DestChannel", &*channel), ("DestUniqueid", id), ("DestLinkedid", id), ("DialStatus", status)];
        self.event("DialEnd", &dest)
    }

    fn end_of_ringing(&self, id: &str, fate: Fate) -> String {
        let failed = |reason: &str| {
            let headers =
                [("ActionID", id), ("Response", "Failure"), ("Reason", reason), ("Uniqueid", "<unknown>")];
            self.event("OriginateResponse", &headers)
        };
        match fate {
            Fate::Rings | Fate::Cut => String::new(),
            Fate::Busy => self.dial_end(id, "BUSY") + &self.gone(id, id) + &failed("5"),
            Fate::NoAnswer => self.dial_end(id, "NOANSWER") + &self.gone(id, id) + &failed("3"),
            Fate::Answers => {
                let headers = [("ActionID", id), ("Response", "Success"), ("Reason", "4"), ("Uniqueid", id)];
                self.about("Newstate", id, id, "6", "")
                    + &self.dial_end(id, "ANSWER")
                    + &self.event("OriginateResponse", &headers)
            }
        }
    }

    /// About the telephone that the trunk's leg dials.
    fn of_phone(&self, name: &str, id: &str, more: &[(&str, &str)]) -> String {
        let phone = format!("{id}-phone");
        let (trunk, channel) = (self.channel(id), self.channel(&phone));
        let both = [
            ("Channel", &*trunk),
            ("Uniqueid", id),
            ("Linkedid", id),
            ("DestChannel", &*channel),
            ("DestUniqueid", &*phone),
            ("DestLinkedid", id),
        ];
        self.event(name, &[&both[..], more].concat())
    }

    fn phone_ends(&self, id: &str, status: &str) -> String {
        self.of_phone("DialEnd", id, &[("DialStatus", status)])
    }

    /// The telephone of an extension is dialled, and taken unless nobody is there.
    fn phone(&self, id: &str, exten: &str) -> String {
        let phone = format!("{id}-phone");
        let dialled = [("Exten", exten), ("DestCallerIDNum", exten), ("DialString", exten)];
        let rings = self.about("Newchannel", &phone, id, "0", exten)
            + &self.of_phone("DialBegin", id, &dialled)
            + &self.about("Newstate", &phone, id, "5", exten);
        if !self.taken {
            return rings;
        }
        let bridged = |leg: &str| {
            let channel = self.channel(leg);
            let headers =
                [("BridgeUniqueid", id), ("Channel", &*channel), ("Uniqueid", leg), ("Linkedid", id)];
            self.event("BridgeEnter", &headers)
        };
        rings
            + &self.about("Newstate", &phone, id, "6", exten)
            + &self.phone_ends(id, "ANSWER")
            + &bridged(id)
            + &bridged(&phone)
    }

    fn gone(&self, leg: &str, call: &str) -> String {
        self.about("Hangup", leg, call, "6", "").trim_end().to_owned() + "\nCause: 16\n\n"
    }

    /// What is said to an action; none when the line drops.
    fn answer(&mut self, asked: &BTreeMap<String, String>) -> Option<String> {
        let success = format!("Response: Success\nActionID: {}\nMessage: done\n\n", asked["ActionID"]);
        self.actions.push(asked.clone());
        match &*asked["Action"] {
            "Originate" => {
                let (id, number) = (asked["ChannelId"].clone(), number(&asked["Channel"]));
                self.calls.insert(number.clone(), id.clone());
                let fate = self.fate;
                let told = success + &self.rings(&id, &number) + &self.end_of_ringing(&id, fate);
                (fate != Fate::Cut).then_some(told)
            }
            "Redirect" => Some(success + &self.phone(&asked["Channel"], &asked["Exten"])),
            "Hangup" => Some(success + &self.gone(&asked["Channel"], &asked["Channel"])),
            _ => Some(answer(asked, &[])),
        }
    }
}

async fn serve(stream: TcpStream, desk: &Mutex<Desk>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (line, mut said) = tokio::sync::mpsc::unbounded_channel::<String>();
    line.send("Asterisk Call Manager/5.0.4\n".to_owned()).unwrap();
    desk.lock().unwrap().line = Some(line);
    let mut action = BTreeMap::new();
    loop {
        let heard = tokio::select! {
            Some(text) = said.recv() => {
                if write.write_all(text.replace('\n', "\r\n").as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            heard = lines.next_line() => heard,
        };
        let Ok(Some(text)) = heard else { return };
        if let Some((key, value)) = text.split_once(": ") {
            action.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let asked = std::mem::take(&mut action);
        let mut desk = desk.lock().unwrap();
        let Some(told) = desk.answer(&asked) else { return };
        desk.say(&told);
    }
}
