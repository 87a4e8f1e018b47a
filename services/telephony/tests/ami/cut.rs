//! The line drops in the middle of a recording; after the reconnect the rest follows.
//! A TCP server plays the Asterisk; checked against the table in `expected.rs`.

use std::time::Duration;

use kontor_telephony::connectors::ami::action::Originate;
use kontor_telephony::connectors::ami::config::{Config, Login, Timing};
use kontor_telephony::connectors::ami::message::is_wanted;
use kontor_telephony::connectors::ami::session::{Phase, Resume, Session, channel_sink};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::expected::of;
use crate::recordings::{SCENARIOS, VERSIONS, calls, fold, messages, rules};
use crate::server::{Part, SECRET, play};

const STARTUP: &str = "09:58:24";

fn parts(cuts: &[usize], end: usize) -> Vec<Part> {
    let ends = cuts.iter().copied().chain([end]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    starts.zip(ends).map(|(from, to)| Part { from, to, startup: STARTUP }).collect()
}

#[tokio::test]
async fn recording_over_tcp_gives_its_call() {
    for login in [Login::Plain, Login::Md5] {
        let messages = messages("16", "wire");
        let whole = parts(&[], messages.len());
        let (facts, status) = play(messages, whole, login, Resume::default()).await;
        assert_eq!(calls(&fold(&facts)).len(), SCENARIOS.len());
        assert_eq!((status.phase, status.version.as_deref()), (Phase::Connected, Some("5.0.4")));
        assert_eq!(status.startup.as_deref(), Some("2026-11-23 09:58:24"));
        assert!(status.connected_since.is_some() && status.last_error.is_none());
    }
}

/// A cut before each message that matters.
async fn cut_everywhere(version: &str, scenario: &str) {
    let messages = messages(version, scenario);
    let wanted = (1..messages.len()).filter(|at| is_wanted(messages[*at].as_bytes()));
    for cut in wanted {
        let parts = parts(&[cut], messages.len());
        let (facts, status) = play(messages.clone(), parts, Login::Md5, Resume::default()).await;
        let found = calls(&fold(&facts));
        assert_eq!(found.len(), 1, "{version} {scenario} cut at {cut}: {found:#?}");
        of(version, scenario).check(&found[0], &format!("cut at {cut}"));
        assert!(status.last_error.is_some_and(|error| error.contains("closed the connection")));
    }
}

#[tokio::test]
async fn cut_anywhere_with_asterisk_16_gives_the_same_call() {
    for scenario in SCENARIOS {
        cut_everywhere("16", scenario).await;
    }
}

#[tokio::test]
async fn cut_anywhere_with_asterisk_22_gives_the_same_call() {
    for scenario in SCENARIOS {
        cut_everywhere("22", scenario).await;
    }
}

#[tokio::test]
async fn many_cuts_in_the_whole_connection_give_all_eight_calls() {
    for version in VERSIONS {
        let messages = messages(version, "wire");
        let cuts: Vec<_> = (1..messages.len() / 40).map(|number| number * 40).collect();
        let parts = parts(&cuts, messages.len());
        let (facts, _) = play(messages, parts, Login::Plain, Resume::default()).await;
        let found = calls(&fold(&facts));
        assert_eq!(found.len(), SCENARIOS.len(), "{version}: {found:#?}");
        for (call, scenario) in found.iter().zip(SCENARIOS) {
            of(version, scenario).check(call, "in a connection with many cuts");
        }
    }
}

fn quick(port: u16) -> Config {
    let mut config = Config::new("office", "127.0.0.1", "kontor", SECRET, rules());
    config.port = port;
    let short = Duration::from_millis(50);
    config.timing =
        Timing { answer: short, ping: short, dead: short, first_pause: short, longest_pause: short };
    config
}

/// Runs a session against a server that says `greeting`, and gives its first complaint.
async fn complaint(greeting: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let config = quick(listener.local_addr().expect("an address").port());
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(greeting).await.expect("the client is there");
            open.push(stream);
        }
    });
    let (session, handle) = Session::new(config, Resume::default());
    let (sender, _receiver) = mpsc::channel(1);
    let running = tokio::spawn(session.run(channel_sink(sender), std::future::pending()));
    let mut status = handle.status();
    let waiting = status.wait_for(|status| status.phase == Phase::Waiting);
    let waiting = tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it gives up");
    let words = waiting.expect("the session lives").last_error.clone().unwrap_or_default();
    running.abort();
    server.abort();
    words
}

#[tokio::test]
async fn other_server_and_silent_server_are_told_in_words() {
    assert!(complaint(b"220 mail ESMTP\r\n").await.contains("220 mail ESMTP"));
    assert!(complaint(b"").await.contains("said nothing for"));
    let refusal = b"Asterisk Call Manager/5.0.4\r\nResponse: Error\r\nActionID: kontor-session-1\r\nMessage: Authentication failed\r\n\r\n";
    assert!(complaint(refusal).await.contains("Authentication failed"));
}

#[tokio::test]
async fn action_is_refused_in_words_while_not_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let (session, handle) = Session::new(quick(port), Resume::default());
    let (sender, _receiver) = mpsc::channel(1);
    let running = tokio::spawn(session.run(channel_sink(sender), std::future::pending()));
    let answer = tokio::time::timeout(Duration::from_mins(1), handle.hang_up("PJSIP/alice-00000001")).await;
    assert_eq!(answer, Ok(Err("the telephone system is not connected".to_owned())));
    running.abort();
}

#[tokio::test]
async fn click_to_call_is_taken_and_a_smuggled_line_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let config = quick(listener.local_addr().expect("an address").port());
    let server = tokio::spawn(crate::server::serve_idle(listener));
    let (session, handle) = Session::new(config, Resume::default());
    let (sender, _receiver) = mpsc::channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(session.run(channel_sink(sender), async {
        let _ = stopped.await;
    }));
    let mut originate = Originate {
        id: "kontor-1".into(),
        channel: "PJSIP/alice".into(),
        context: "internal".into(),
        exten: "90145559876".into(),
        caller_id: None,
        ring: Duration::from_secs(20),
    };
    let mut status = handle.status();
    status.wait_for(|status| status.phase == Phase::Connected).await.expect("the session lives");
    assert_eq!(handle.originate(&originate).await, Ok(()));
    // longer than ping and dead together: answered pings keep the line
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(handle.status().borrow().last_error, None);
    originate.exten = "100\r\nAction: Command\r\nCommand: core stop now".into();
    assert!(handle.originate(&originate).await.is_err_and(|words| words.contains("Exten")));
    stop.send(()).expect("the session lives");
    running.await.expect("the session stops");
    assert_eq!(handle.originate(&originate).await, Err("the telephone connector has stopped".to_owned()));
    server.abort();
}
