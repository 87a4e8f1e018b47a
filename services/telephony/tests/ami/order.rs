//! The recordings shuffled, doubled, and cut into odd chunks.
//! Checked against the table in `expected.rs`.

use kontor_telephony::connectors::ami::replay::replay;
use kontor_telephony::connectors::ami::wire::Decoder;

use crate::expected::of;
use crate::recordings::{LATER, Random, SCENARIOS, VERSIONS, calls, facts, fold, messages, rules, text};

/// The messages in the order of their time and up to so many microseconds of delay.
fn shuffled(messages: &[String], random: &mut Random, delay: u64) -> Vec<String> {
    let time = |message: &String| {
        let line = message.lines().find_map(|line| line.strip_prefix("Timestamp: "));
        line.and_then(|text| text.replace('.', "").parse::<u64>().ok()).expect("each event has a time")
    };
    let mut late: Vec<_> = messages.iter().map(|it| (time(it) + random.below(delay), it.clone())).collect();
    late.sort();
    late.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn any_order_within_two_seconds_gives_the_same_call() {
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let messages = messages(version, scenario);
            for seed in 0..100 {
                let shuffled = shuffled(&messages, &mut Random::new(seed), 2_000_000);
                let found = calls(&fold(&facts(&shuffled, rules())));
                assert_eq!(found.len(), 1, "{version} {scenario} seed {seed}");
                of(version, scenario).check(&found[0], &format!("shuffled by {seed}"));
            }
        }
    }
}

#[test]
fn whole_connection_in_any_order_gives_all_eight_calls() {
    for version in VERSIONS {
        let messages = messages(version, "wire");
        for seed in 0..25 {
            // from two seconds to ten minutes: everything upside down
            let delay = if seed % 2 == 0 { 2_000_000 } else { 600_000_000 };
            let shuffled = shuffled(&messages, &mut Random::new(seed), delay);
            let found = calls(&fold(&facts(&shuffled, rules())));
            assert_eq!(found.len(), SCENARIOS.len(), "{version} seed {seed}");
            for (call, scenario) in found.iter().zip(SCENARIOS) {
                of(version, scenario).check(call, &format!("whole, shuffled by {seed}"));
            }
        }
    }
}

#[test]
fn doubled_and_shuffled_messages_give_the_same_call() {
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let messages = messages(version, scenario);
            let doubled: Vec<_> = messages.iter().chain(&messages).chain(&messages).cloned().collect();
            for seed in 0..30 {
                let shuffled = shuffled(&doubled, &mut Random::new(seed), 2_000_000);
                let found = calls(&fold(&facts(&shuffled, rules())));
                assert_eq!(found.len(), 1, "{version} {scenario} seed {seed}");
                of(version, scenario).check(&found[0], &format!("doubled, shuffled by {seed}"));
            }
        }
    }
}

#[test]
fn state_is_the_same_to_the_last_bit_in_any_order() {
    for version in VERSIONS {
        let facts = facts(&messages(version, "wire"), rules());
        let states = fold(&facts);
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut shuffled: Vec<_> =
                facts.iter().chain(&facts).map(|it| (random.below(1 << 30), it)).collect();
            shuffled.sort_by_key(|(key, _)| *key);
            assert_eq!(fold(shuffled.into_iter().map(|(_, fact)| fact)), states, "{version} seed {seed}");
        }
    }
}

#[test]
fn wire_gives_the_same_facts_however_it_is_cut() {
    for version in VERSIONS {
        let wire = text(version, "wire");
        let wire = wire.strip_prefix("# ").expect("the recorder put a mark before the banner");
        let whole = replay(Decoder::new(), &rules(), wire.as_bytes(), usize::MAX, LATER);
        assert_eq!(whole.as_ref().map(|facts| calls(&fold(facts)).len()), Ok(SCENARIOS.len()));
        let crlf = wire.replace('\n', "\r\n");
        let trap = wire.replace('\n', "\r\n").replace("\r\n\r\n", "\r\n\n");
        for text in [wire, &crlf, &trap] {
            for chunk in [1, 2, 3, 7, 64, 1_000, 65_536] {
                let facts = replay(Decoder::new(), &rules(), text.as_bytes(), chunk, LATER);
                assert_eq!(facts, whole, "{version} in chunks of {chunk}");
            }
        }
    }
}
