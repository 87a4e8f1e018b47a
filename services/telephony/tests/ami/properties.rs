//! Any facts, any order, any doubling: the fold gives one state. Any bytes: the parser holds its limits.
//! Uses proptest; the facts are made small, so that they meet each other and the limits.

use kontor_telephony::connectors::ami::replay::replay;
use kontor_telephony::connectors::ami::wire::Decoder;
use kontor_telephony::domain::call::{Direction, Outcome, TransferKind};
use kontor_telephony::domain::fact::{
    CallFact, CallKey, DialStatus, FactKind, LegRef, Micros, OriginateFailure, Side,
};
use kontor_telephony::domain::fold::CallState;
use kontor_telephony::domain::number::Party;
use proptest::prelude::*;

use crate::recordings::{LATER, messages, rules, text};

fn key() -> CallKey {
    CallKey { connector: "office".into(), call: "leg-0".into() }
}

/// Few legs in most facts, so that they meet; many in some, so that the limits are met.
fn leg() -> impl Strategy<Value = LegRef> {
    let number = prop_oneof![4 => 0_u32..4, 1 => 0_u32..200];
    let side = prop_oneof![Just(Side::Trunk), Just(Side::Phone), Just(Side::Relay), Just(Side::Helper)];
    (number, side).prop_map(|(number, side)| LegRef {
        id: format!("leg-{number}"),
        channel: format!("PJSIP/{number}"),
        side,
    })
}

fn party() -> impl Strategy<Value = Option<Party>> {
    prop_oneof![
        Just(None),
        "[0-9]{3}".prop_map(|text| rules().numbers.caller(&text)),
        "\\PC{1,200}".prop_map(|text| Some(Party::Unknown(text)))
    ]
}

fn kind() -> impl Strategy<Value = FactKind> {
    use FactKind as K;
    let by = || prop_oneof![Just(None), Just(Some("leg-0".to_owned()))];
    let status = prop_oneof![
        Just(DialStatus::Answered),
        Just(DialStatus::NoAnswer),
        Just(DialStatus::Failed),
        Just(DialStatus::Busy),
        Just(DialStatus::Cancelled)
    ];
    let name = || prop_oneof![3 => "q[0-2]", 1 => "[a-z]{1,3}"];
    let direction = prop_oneof![Just(None), Just(Some(Direction::Inbound)), Just(Some(Direction::Outbound))];
    let outcome = prop_oneof![Just(None), Just(Some(Outcome::Busy)), Just(Some(Outcome::Missed))];
    prop_oneof![
        (leg(), any::<bool>(), any::<bool>(), party(), party()).prop_map(
            |(leg, arriving, found, party, dialled)| K::LegStarted { leg, arriving, found, party, dialled }
        ),
        leg().prop_map(|leg| K::LegRinging { leg }),
        leg().prop_map(|leg| K::LegUp { leg }),
        (leg(), by(), party(), party(), any::<bool>())
            .prop_map(|(leg, by, party, target, found)| K::Dialled { leg, by, party, target, found }),
        (leg(), by(), status).prop_map(|(leg, by, status)| K::DialEnded { leg, by, status }),
        (leg(), name()).prop_map(|(leg, bridge)| K::BridgeEntered { leg, bridge }),
        (leg(), name()).prop_map(|(leg, bridge)| K::BridgeLeft { leg, bridge }),
        (leg(), any::<Option<u16>>()).prop_map(|(leg, cause)| K::LegEnded { leg, cause }),
        leg().prop_map(|leg| K::LegLost { leg: leg.id }),
        leg().prop_map(|leg| K::LegMoved { leg: leg.id, to: "other".into() }),
        (name(), any::<bool>()).prop_map(|(queue, found)| K::QueueEntered { queue, found }),
        name().prop_map(|queue| K::QueueLeft { queue }),
        name().prop_map(|queue| K::QueueAbandoned { queue }),
        (name(), leg()).prop_map(|(queue, agent)| K::AgentConnected { queue, agent }),
        (name(), party()).prop_map(|(by, to)| K::Transferred { kind: TransferKind::Blind, by, to }),
        (name(), party()).prop_map(|(action, target)| K::Originated { action, target }),
        (name(), party()).prop_map(|(action, target)| K::OriginateFailed {
            action,
            target,
            reason: OriginateFailure::Busy
        }),
        (direction, party(), party()).prop_map(|(direction, from, to)| K::Offered { direction, from, to }),
        Just(K::Ringing),
        Just(K::Answered),
        outcome.prop_map(|outcome| K::HungUp { outcome }),
        Just(K::Over),
        Just(K::Lost),
    ]
}

fn facts(most: usize) -> impl Strategy<Value = Vec<CallFact>> {
    let fact = (0_i64..50, kind()).prop_map(|(time, kind)| CallFact { key: key(), time: Micros(time), kind });
    prop::collection::vec(fact, 0..most)
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a CallFact>) -> CallState {
    let mut state = CallState::new(key());
    for fact in facts {
        let before = state.clone();
        let changed = state.apply(fact);
        assert!(changed || before == state, "a change must be told: {fact:?}");
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fold_forgets_order_and_doubling(
        (facts, shuffled) in facts(400).prop_flat_map(|facts| {
            let doubled: Vec<_> = facts.iter().chain(&facts).cloned().collect();
            (Just(facts), Just(doubled).prop_shuffle())
        })
    ) {
        let state = fold(&facts);
        let other = fold(&shuffled);
        prop_assert_eq!(&state, &other);
        for now in [Micros(0), Micros(25), LATER] {
            prop_assert_eq!(state.summary(now, 5), other.summary(now, 5));
        }
    }

    #[test]
    fn fact_that_is_known_changes_nothing(facts in facts(60)) {
        let mut state = fold(&facts);
        for fact in &facts {
            let before = state.clone();
            prop_assert!(!state.apply(fact) , "{:?}", fact);
            prop_assert_eq!(&before, &state);
        }
    }

    #[test]
    fn state_stays_small_and_can_be_stored(facts in facts(1_200)) {
        let state = fold(&facts);
        let json = serde_json::to_string(&state).expect("a state can be stored");
        prop_assert!(json.len() < 128 * 1024, "{} bytes", json.len());
        let read: CallState = serde_json::from_str(&json).expect("a stored state can be read");
        prop_assert_eq!(read, state);
    }

    #[test]
    fn times_of_a_call_fit_together(facts in facts(40)) {
        let call = fold(&facts).summary(LATER, 5);
        prop_assert!(call.answer_time.is_none() || call.outcome.is_some_and(Outcome::is_answered));
        prop_assert!(call.settled <= call.end_time.is_some());
    }

    #[test]
    fn chunks_do_not_matter(bytes in wire_bytes(), chunk in 1_usize..40) {
        let whole = replay(Decoder::after_banner(), &rules(), &bytes, usize::MAX, LATER);
        let cut = replay(Decoder::after_banner(), &rules(), &bytes, chunk, LATER);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn garbage_gives_an_error_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let facts = replay(Decoder::new(), &rules(), &bytes, 7, LATER);
        prop_assert!(facts.is_err() || facts.is_ok_and(|facts| facts.is_empty()));
    }
}

/// Recorded messages with single bytes changed.
fn wire_bytes() -> impl Strategy<Value = Vec<u8>> {
    let messages: Vec<String> = messages("16", "xfer");
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let some = prop::sample::subsequence(messages, 0..12);
    (some, prop::collection::vec(change, 0..4)).prop_map(|(messages, changes)| {
        let mut bytes = messages.join("\n").into_bytes();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

#[test]
fn recordings_begin_with_a_banner_that_the_parser_needs() {
    let wire = text("16", "wire");
    assert!(replay(Decoder::new(), &rules(), wire.as_bytes(), 100, LATER).is_err());
}
