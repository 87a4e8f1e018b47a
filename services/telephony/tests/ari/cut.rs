//! The line drops, or was never good: what is missed is found by asking, and what is wrong is said in words.
//! Against the Asterisk of server.rs.

use std::time::Duration;

use kontor_telephony::connectors::ari::config::{Config, Timing};
use kontor_telephony::connectors::ari::event::Event;
use kontor_telephony::connectors::ari::session::{Handle, Phase, Resume, Session, Status, channel_sink};
use kontor_telephony::domain::call::{Call, Direction, Outcome, State};
use kontor_telephony::domain::fact::{CallFact, Micros};
use tokio::sync::mpsc;

use crate::agree::{calls, recorded, rules};
use crate::server::{Ari, PASSWORD, Part};

struct Running {
    facts: mpsc::Receiver<Vec<CallFact>>,
    handle: Handle,
    ari: Ari,
}

/// The middle of the talk in "answered": a second and a half before its end.
fn midst() -> Micros {
    let (_, after) = until("answered", "ChannelHangupRequest");
    let event = Event::read(after.lines().next().expect("a line")).expect("an event").expect("a wanted one");
    event.time().expect("a time").plus(-1_500_000)
}

async fn run(parts: Vec<Part>, password: &str, resume: Resume) -> Running {
    let ari = Ari::play(parts).await;
    let mut config = Config::new("office", "127.0.0.1", "kontor", password, rules());
    config.port = ari.port;
    let pause = Duration::from_millis(1);
    config.timing = Timing { first_pause: pause, longest_pause: pause, ..Timing::default() };
    let (session, handle) = Session::new(config, resume);
    let session = session.with(midst);
    // a small channel, so that the session is held up now and then
    let (sender, facts) = mpsc::channel(1);
    tokio::spawn(session.run(channel_sink(sender), std::future::pending()));
    Running { facts, handle, ari }
}

impl Running {
    /// The only call, once it has ended.
    async fn ended(&mut self) -> Call {
        let mut all = Vec::new();
        let heard = async {
            loop {
                all.extend(self.facts.recv().await.expect("the session runs"));
                let found = calls(&all);
                if !found.is_empty() && found.iter().all(|call| call.state == State::Ended) {
                    assert_eq!(found.len(), 1, "{found:#?}");
                    return found.into_iter().next().expect("one");
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.expect("the call ends")
    }

    async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(Duration::from_secs(10), status.wait_for(wanted)).await;
        found.expect("it comes to that").expect("the session runs").clone()
    }
}

fn until(scene: &str, kind: &str) -> (String, String) {
    let text = recorded(&format!("{scene}.ari"));
    let at =
        text.lines().position(|line| line.contains(&format!(r#""type":"{kind}""#))).expect("it is there");
    let lines: Vec<&str> = text.lines().collect();
    (lines[..at].join("\n"), lines[at..].join("\n"))
}

#[tokio::test]
async fn t2_ari_end_of_a_call_in_a_gap_is_noticed_and_marked_as_a_guess() {
    let (before, _) = until("answered", "ChannelHangupRequest");
    let parts = vec![Part { stays: false, ..Part::of(&before) }, Part::of("")];
    let mut running = run(parts, PASSWORD, Resume::default()).await;
    let call = running.ended().await;
    assert_eq!((call.outcome, call.end_estimated), (Some(Outcome::Answered), true), "{call:#?}");
}

#[tokio::test]
async fn t2_ari_call_that_began_in_a_gap_is_found_with_its_talk() {
    let (_, after) = until("answered", "ChannelHangupRequest");
    let lists = Part {
        channels: recorded("answered.channels.json"),
        bridges: recorded("answered.bridges.json"),
        ..Part::of(&after)
    };
    let mut running = run(vec![lists], PASSWORD, Resume::default()).await;
    let call = running.ended().await;
    assert_eq!(
        (call.direction, call.outcome),
        (Some(Direction::Inbound), Some(Outcome::Answered)),
        "{call:#?}"
    );
    assert!(!call.end_estimated && call.talk_time_seconds() > 1.0, "{call:#?}");
}

#[tokio::test]
async fn t2_ari_restart_of_asterisk_closes_what_was_open() {
    let (before, _) = until("answered", "ChannelHangupRequest");
    let again = Part { started: "2026-11-30T06:00:00.000+0000", ..Part::of("") };
    let mut running =
        run(vec![Part { stays: false, ..Part::of(&before) }, again], PASSWORD, Resume::default()).await;
    assert!(running.ended().await.end_estimated);
    let status = running.status(|status| status.phase == Phase::Connected && status.connections == 2).await;
    assert_eq!(status.startup.as_deref(), Some("2026-11-30T06:00:00.000+0000"));
}

#[tokio::test]
async fn t2_ari_call_left_open_by_an_earlier_run_of_kontor_is_closed() {
    let open = vec![("1796017000.1".to_owned(), "1796017000.2".to_owned())];
    let mut running = run(vec![Part::of("")], PASSWORD, Resume { open, startup: None }).await;
    let call = running.ended().await;
    assert_eq!((call.outcome, call.end_estimated), (Some(Outcome::Unknown), true));
}

#[tokio::test]
async fn t2_ari_only_wanted_events_are_asked_for_and_odd_ones_do_no_harm() {
    let odd = "{\"type\":\"Dial\",\"peer\":7}\nno json\n{\"type\":\"ChannelVarset\"}\n";
    let mut running =
        run(vec![Part::of(&(odd.to_owned() + &recorded("missed.ari")))], PASSWORD, Resume::default()).await;
    assert_eq!(running.ended().await.outcome, Some(Outcome::Missed));
    let filter = running.ari.filter();
    assert!(filter.contains(r#"{"type":"ChannelDestroyed"}"#) && !filter.contains("Varset"), "{filter}");
    let status = running.status(|status| status.phase == Phase::Connected).await;
    assert_eq!((status.connections, status.advice), (1, None));
}

#[tokio::test]
async fn t2_ari_what_is_wrong_is_said_in_words_without_the_password() {
    let running = run(vec![], "wrong-password", Resume::default()).await;
    let status = running.status(|status| status.last_error.is_some()).await;
    let words = status.last_error.unwrap();
    assert_eq!(words, "the telephone system refused the log-in: check user and password in ari.conf (401)");
    assert!(!format!("{:?}", running.handle).contains("wrong-password"));

    let taken = r#"{"type":"ApplicationReplaced","application":"kontor-office"}"#;
    let running = run(vec![Part::of(taken)], PASSWORD, Resume::default()).await;
    let status = running.status(|status| status.last_error.is_some()).await;
    let words = status.last_error.unwrap();
    assert!(words.contains("another program has taken the name \"kontor-office\" over"), "{words}");

    let huge = format!(r#"{{"type":"Dial","x":"{}"}}"#, "x".repeat(300 * 1024));
    let running = run(vec![Part::of(&huge)], PASSWORD, Resume::default()).await;
    let status = running.status(|status| status.last_error.is_some()).await;
    assert!(status.last_error.clone().unwrap().contains("WebSocket"), "{status:?}");

    let unlinked = recorded("missed.ari").replace("CHANNEL(linkedid)", "X");
    let mut running = run(vec![Part::of(&unlinked)], PASSWORD, Resume::default()).await;
    running.facts.recv().await;
    let status = running.status(|status| status.advice.is_some()).await;
    assert!(status.advice.unwrap().contains("set channelvars = CHANNEL(linkedid)"));
}
