//! The line drops in the middle of a scene; after the reconnect the rest follows, or what was missed is found out.
//! A TCP server plays the FreeSWITCH.

use std::time::Duration;

use kontor_telephony::connectors::freeswitch::config::{Config, Timing};
use kontor_telephony::connectors::freeswitch::session::{
    Handle, Phase, Resume, Session, Status, channel_sink,
};
use kontor_telephony::domain::call::{Outcome, State};
use kontor_telephony::domain::dial::Originate;
use kontor_telephony::domain::fact::CallFact;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::scenes::{TABLE, bytes, calls, fold, frames, of, rules};
use crate::server::{CORE, PASSWORD, Play, Server, event};

fn config(port: u16, patience: Duration) -> Config {
    let mut config = Config::new("pbx", "127.0.0.1", PASSWORD, rules());
    config.port = port;
    let pause = Duration::from_millis(1);
    config.timing =
        Timing { answer: patience, ping: patience, dead: patience, first_pause: pause, longest_pause: pause };
    config
}

struct Running {
    handle: Handle,
    receiver: mpsc::Receiver<Vec<CallFact>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn run(config: Config, resume: Resume) -> Running {
    let (session, handle) = Session::new(config, resume);
    // a small channel, so that the session is held up now and then
    let (sender, receiver) = mpsc::channel(1);
    let task = tokio::spawn(session.run(channel_sink(sender), std::future::pending()));
    Running { handle, receiver, task }
}

impl Running {
    async fn connected(&self, connections: u64) -> Status {
        let mut status = self.handle.status();
        let wanted = status.wait_for(|it| it.phase == Phase::Connected && it.connections >= connections);
        tokio::time::timeout(Duration::from_secs(10), wanted)
            .await
            .expect("in time")
            .expect("it lives")
            .clone()
    }
}

/// All facts of a play until `done`.
async fn played(play: Play, resume: Resume, done: impl Fn(&[CallFact]) -> bool) -> (Vec<CallFact>, Status) {
    let connections = play.cuts.len() as u64 + 1;
    let server = Server::start(play).await;
    let mut running = run(config(server.port, Duration::from_secs(5)), resume);
    let mut facts = Vec::new();
    let all = async {
        while !done(&facts) {
            facts.extend(running.receiver.recv().await.expect("the session lives"));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all)
        .await
        .unwrap_or_else(|_| panic!("it stops: {facts:#?}"));
    let status = running.handle.status().borrow().clone();
    assert!(server.connections() as u64 >= connections);
    (facts, status)
}

fn all_ended(facts: &[CallFact]) -> bool {
    let found = calls(&fold(facts));
    !found.is_empty() && found.iter().all(|call| call.state == State::Ended)
}

#[tokio::test]
async fn scene_over_tcp_is_its_call() {
    for row in TABLE.iter().filter(|row| !row.scene.starts_with("queue_")) {
        let play = Play { frames: frames(&bytes(row.scene)), ..Play::default() };
        let (facts, _) = played(play, Resume::default(), all_ended).await;
        row.check(&calls(&fold(&facts))[0], "over TCP");
    }
}

#[tokio::test]
async fn cut_anywhere_is_the_same_call() {
    for scene in ["answered", "missed", "noanswer", "busy", "click"] {
        let frames = frames(&bytes(scene));
        for cut in 1..frames.len() {
            let play = Play { frames: frames.clone(), cuts: vec![cut], ..Play::default() };
            let whole = |facts: &[CallFact]| all_ended(facts) && last_leg_ended(facts, &frames);
            let (facts, status) = played(play, Resume::default(), whole).await;
            let found = calls(&fold(&facts));
            assert_eq!(found.len(), 1, "{scene} cut at {cut}: {found:#?}");
            let wanted = calls(&fold(&whole_facts(scene)))[0].clone();
            assert_eq!(
                (found[0].direction, found[0].outcome, found[0].remote.clone()),
                (wanted.direction, wanted.outcome, wanted.remote),
                "{scene} cut at {cut}: {:#?}",
                found[0]
            );
            assert!(status.last_error.is_some_and(|error| error.contains("closed the connection")));
        }
    }
}

fn whole_facts(scene: &str) -> Vec<CallFact> {
    let later = crate::scenes::LATER;
    kontor_telephony::connectors::freeswitch::replay::replay(&rules(), &bytes(scene), usize::MAX, later)
        .expect("facts")
}

/// Whether the end of the last leg of the scene was told.
fn last_leg_ended(facts: &[CallFact], frames: &[Vec<u8>]) -> bool {
    let mut hangups =
        frames.iter().map(|frame| event(frame)).filter(|event| event["Event-Name"] == "CHANNEL_HANGUP");
    let last =
        hangups.next_back().and_then(|event| event["Unique-ID"].as_str().map(str::to_owned)).expect("an end");
    facts.iter().any(|fact| {
        format!("{:?}", fact.kind).starts_with("LegEnded") && format!("{:?}", fact.kind).contains(&last)
    })
}

#[tokio::test]
async fn end_in_the_gap_is_noticed_and_marked_as_a_guess() {
    let frames = frames(&bytes("answered"));
    let cut = 7;
    let play =
        Play { lost: Some((cut, frames.len())), cuts: vec![cut], frames: frames.clone(), ..Play::default() };
    let (facts, _) = played(play, Resume::default(), all_ended).await;
    let found = calls(&fold(&facts));
    assert_eq!((found[0].outcome, found[0].end_estimated), (Some(Outcome::Answered), true), "{found:#?}");
}

#[tokio::test]
async fn restart_of_the_freeswitch_closes_what_was_open() {
    let frames = frames(&bytes("missed"));
    let cut = 4;
    let play = Play {
        lost: Some((cut, frames.len())),
        cuts: vec![cut],
        frames,
        cores: vec![CORE, "core-2"],
        ..Play::default()
    };
    let (facts, status) = played(play, Resume::default(), all_ended).await;
    let found = calls(&fold(&facts));
    assert_eq!((found[0].outcome, found[0].end_estimated), (Some(Outcome::Unknown), true), "{found:#?}");
    assert_eq!(status.startup.as_deref(), Some("core-2"));
    assert!(status.version.is_some_and(|version| version.contains("1.10.9")));
}

#[tokio::test]
async fn call_left_open_by_an_earlier_run_is_closed() {
    let resume = Resume { open: vec![("a".into(), "a".into()), ("a".into(), "b".into())], startup: None };
    let (facts, _) = played(Play::default(), resume, all_ended).await;
    let found = calls(&fold(&facts));
    assert_eq!((found.len(), found[0].key.call.as_str(), found[0].outcome), (1, "a", Some(Outcome::Unknown)));
}

#[tokio::test]
async fn a_lost_event_is_made_good_by_the_next_survey() {
    let frames = frames(&bytes("answered"));
    // the ends are never told, though the line stays
    let play = Play { frames: frames[..7].to_vec(), ..Play::default() };
    let server = Server::start(play).await;
    let mut settings = config(server.port, Duration::from_secs(5));
    settings.survey = Duration::from_millis(100);
    let mut running = run(settings, Resume::default());
    let mut facts = Vec::new();
    let all = async {
        while !all_ended(&facts) {
            facts.extend(running.receiver.recv().await.expect("the session lives"));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("the survey finds no channel");
    assert!(calls(&fold(&facts))[0].end_estimated);
}

#[tokio::test]
async fn click_to_call_is_ordered_under_our_id() {
    let id = "00000061-aaaa-4aaa-8aaa-000000000061";
    let click = Some((frames(&bytes("click")), id.to_owned()));
    let server = Server::start(Play { click, ..Play::default() }).await;
    let mut running = run(config(server.port, Duration::from_secs(5)), Resume::default());
    running.connected(1).await;
    let order = Originate {
        id: "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000".into(),
        channel: "user/101".into(),
        context: "default".into(),
        exten: "90145559876".into(),
        caller_id: None,
        ring: Duration::from_secs(30),
    };
    assert_eq!(running.handle.originate(&order).await, Ok(()));
    let mut facts = Vec::new();
    while !all_ended(&facts) {
        facts.extend(running.receiver.recv().await.expect("the session lives"));
    }
    let found = calls(&fold(&facts));
    assert_eq!((found.len(), &found[0].key.call), (1, &order.id));
    of("click").check(&found[0], "ordered");
    let odd = Originate { exten: "1 &park()".into(), ..order };
    assert!(running.handle.originate(&odd).await.is_err_and(|words| words.contains("1 &park()")));
    assert_eq!(server.orders().len(), 1);
}

/// The first complaint about a server that says only this.
async fn complaint(greeting: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.write_all(greeting).await;
            open.push(stream);
        }
    });
    let running = run(config(port, Duration::from_millis(100)), Resume::default());
    let mut status = running.handle.status();
    let waiting = status.wait_for(|status| status.last_error.is_some());
    let waiting = tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it gives up");
    let words = waiting.expect("the session lives").last_error.clone().unwrap_or_default();
    server.abort();
    words
}

#[tokio::test]
async fn other_and_silent_servers_are_told_in_words() {
    assert!(complaint(b"220 mail ESMTP\r\n\r\n").await.contains("220 mail ESMTP"));
    assert!(complaint(b"").await.contains("said nothing for"));
    let rude = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    assert!(complaint(rude).await.contains("Access Denied"));
    let wrong = b"Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: -ERR invalid\n\n";
    assert!(complaint(wrong).await.contains("refused the log-in: -ERR invalid"));
}
