//! The line drops and what happens meanwhile is never told: catching up must find it out.
//! A TCP server plays the Asterisk; what cannot be known must be called unknown.

use kontor_telephony::connectors::ami::config::Login;
use kontor_telephony::connectors::ami::session::Resume;
use kontor_telephony::domain::call::{Call, Direction, Outcome, State};
use kontor_telephony::domain::number::Party;

use crate::recordings::{VERSIONS, calls, fold, messages};
use crate::server::{Part, play};

/// Where the n-th event of that name is, for a leg whose channel holds `channel`.
fn at(messages: &[String], event: &str, channel: &str) -> usize {
    let found = messages
        .iter()
        .position(|message| message.starts_with(&format!("Event: {event}\n")) && message.contains(channel));
    found.unwrap_or_else(|| panic!("no {event} of {channel}"))
}

/// Plays a scenario of which everything from `lost.0` up to `lost.1` is never told.
async fn play_gap(messages: Vec<String>, lost: (usize, usize), restarted: bool) -> Call {
    let again = if restarted { "10:00:00" } else { "09:00:00" };
    let parts = vec![
        Part { from: 0, to: lost.0, startup: "09:00:00" },
        Part { from: lost.1, to: messages.len(), startup: again },
    ];
    let (facts, _) = play(messages, parts, Login::Plain, Resume::default()).await;
    let mut found = calls(&fold(&facts));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[tokio::test]
async fn end_in_the_gap_is_noticed_and_marked_as_a_guess() {
    for version in VERSIONS {
        let messages = messages(version, "answered");
        let lost = (at(&messages, "HangupRequest", "trunk"), messages.len());
        let call = play_gap(messages, lost, false).await;
        assert_eq!((call.state, call.outcome), (State::Ended, Some(Outcome::Answered)));
        assert!(call.end_estimated && call.settled);
        assert!(call.talk_time_seconds() > 1.5, "{version}: {}", call.talk_time_seconds());
    }
}

#[tokio::test]
async fn call_that_ended_unseen_while_it_rang_has_an_unknown_outcome() {
    for version in VERSIONS {
        let messages = messages(version, "missed");
        let lost = (at(&messages, "HangupRequest", "trunk"), messages.len());
        let call = play_gap(messages, lost, false).await;
        assert_eq!((call.state, call.outcome), (State::Ended, Some(Outcome::Unknown)));
        assert_eq!(call.direction, Some(Direction::Inbound));
    }
}

#[tokio::test]
async fn answer_in_the_gap_is_found_by_the_bridge() {
    for version in VERSIONS {
        let messages = messages(version, "answered");
        let lost = (at(&messages, "Newstate", "ChannelState: 6"), at(&messages, "HangupRequest", "trunk"));
        let call = play_gap(messages, lost, false).await;
        assert_eq!((call.state, call.outcome), (State::Ended, Some(Outcome::Answered)), "{version}");
        assert!(call.answer_time.is_some() && !call.end_estimated);
    }
}

#[tokio::test]
async fn call_that_began_in_the_gap_has_its_parties_direction_and_end() {
    for version in VERSIONS {
        let messages = messages(version, "xfer");
        let lost = (0, at(&messages, "HangupRequest", "trunk"));
        let call = play_gap(messages, lost, false).await;
        assert_eq!((call.direction, call.outcome), (Some(Direction::Inbound), Some(Outcome::Answered)));
        assert_eq!(call.remote.as_ref().and_then(Party::e164), Some("+33145551234"));
        let locals: Vec<_> = call.locals.iter().filter_map(|it| it.extension.as_deref()).collect();
        assert_eq!(locals, ["102"], "alice was gone before we looked");
    }
}

#[tokio::test]
async fn caller_who_joined_a_queue_in_the_gap_is_found_there() {
    for version in VERSIONS {
        let messages = messages(version, "queue_abandon");
        let lost = (0, at(&messages, "HangupRequest", "trunk"));
        let call = play_gap(messages, lost, false).await;
        assert_eq!(call.outcome, Some(Outcome::Abandoned), "{version}");
        let queue = call.queue.expect("a queue");
        assert_eq!(queue.name, "noagents");
        // Asterisk tells the wait in whole seconds, twice rounded here
        assert!((500_000..3_500_000).contains(&queue.wait_micros), "{}", queue.wait_micros);
    }
}

#[tokio::test]
async fn restart_of_asterisk_closes_what_was_open() {
    for version in VERSIONS {
        let messages = messages(version, "answered");
        let lost = (at(&messages, "HangupRequest", "trunk"), messages.len());
        let call = play_gap(messages, lost, true).await;
        assert_eq!((call.state, call.outcome), (State::Ended, Some(Outcome::Answered)));
        assert!(call.end_estimated);
    }
}

#[tokio::test]
async fn call_left_open_by_an_earlier_run_of_kontor_is_closed() {
    let (call, leg) = ("1795427000.1".to_owned(), "1795427000.2".to_owned());
    let resume = Resume { open: vec![(call, leg)], startup: None };
    let parts = vec![Part { from: 0, to: 0, startup: "09:00:00" }];
    let (facts, _) = play(Vec::new(), parts, Login::Plain, resume).await;
    let found = calls(&fold(&facts));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].state, found[0].outcome, found[0].end_estimated),
        (State::Ended, Some(Outcome::Unknown), true)
    );
}
