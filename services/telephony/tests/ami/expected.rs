//! What each recording must give, read from the recordings by hand, and the plain check.
//! The table is used by the tests of order, doubling and cuts too.

use kontor_telephony::domain::call::{Call, Direction, Outcome, State, TransferKind};
use kontor_telephony::domain::fact::Micros;

use crate::recordings::{SCENARIOS, VERSIONS, calls, facts, fold, messages, rules};

/// One call as read by hand. Times are microseconds; `start`, `answer` and `end` count from 1795420000.
pub struct Expected {
    pub version: &'static str,
    pub scenario: &'static str,
    call: &'static str,
    direction: Direction,
    remote: (&'static str, &'static str),
    dialled: &'static str,
    /// Extension, device and whether it took part.
    locals: &'static [(&'static str, &'static str, bool)],
    pub outcome: Outcome,
    start: i64,
    answer: Option<i64>,
    end: i64,
    ring: u64,
    talk: u64,
    /// Name, wait, connected, abandoned.
    queue: Option<(&'static str, u64, bool, bool)>,
    transfer_to: Option<&'static str>,
    /// ActionID and the first leg's id.
    originate: Option<(&'static str, &'static str)>,
}

const IN: Direction = Direction::Inbound;
const OUT: Direction = Direction::Outbound;
const CALLER: (&str, &str) = ("+33145551234", "+33145551234");
const PARTNER: (&str, &str) = ("90145559876", "+33145559876");
const ALICE: (&str, &str, bool) = ("101", "PJSIP/alice", true);
const ALICE_RANG: (&str, &str, bool) = ("101", "PJSIP/alice", false);
const BOB: (&str, &str, bool) = ("102", "PJSIP/bob", true);
const BOB_AWAY: (&str, &str, bool) = ("102", "PJSIP/bob", false);

#[rustfmt::skip]
pub const TABLE: [Expected; 16] = [
    Expected { version: "16", scenario: "answered", call: "1795427910.0", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE], outcome: Outcome::Answered, start: 7_910_595_083, answer: Some(7_911_605_943), end: 7_913_656_418, ring: 1_008_137, talk: 2_045_281, queue: None, transfer_to: None, originate: None },
    Expected { version: "16", scenario: "missed", call: "1795427915.19", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE_RANG], outcome: Outcome::Missed, start: 7_915_301_963, answer: None, end: 7_917_313_008, ring: 2_005_237, talk: 0, queue: None, transfer_to: None, originate: None },
    Expected { version: "16", scenario: "noanswer", call: "1795427918.32", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE_RANG], outcome: Outcome::NoAnswer, start: 7_919_007_664, answer: None, end: 7_927_018_799, ring: 8_005_665, talk: 0, queue: None, transfer_to: None, originate: None },
    Expected { version: "16", scenario: "queue_ok", call: "1795427928.47", direction: IN, remote: CALLER, dialled: "300", locals: &[ALICE], outcome: Outcome::Answered, start: 7_928_712_586, answer: Some(7_930_219_192), end: 7_933_721_416, ring: 1_002_784, talk: 3_500_851, queue: Some(("support", 1_005_481, true, false)), transfer_to: None, originate: None },
    Expected { version: "16", scenario: "queue_abandon", call: "1795427935.66", direction: IN, remote: CALLER, dialled: "301", locals: &[], outcome: Outcome::Abandoned, start: 7_935_141_969, answer: None, end: 7_937_667_890, ring: 0, talk: 0, queue: Some(("noagents", 2_021_321, false, true)), transfer_to: None, originate: None },
    Expected { version: "16", scenario: "click", call: "crm-call-42-a", direction: OUT, remote: PARTNER, dialled: "90145559876", locals: &[ALICE], outcome: Outcome::Answered, start: 7_939_170_208, answer: Some(7_941_187_918), end: 7_942_691_834, ring: 1_005_282, talk: 1_502_028, queue: None, transfer_to: None, originate: Some(("crm-click-42", "crm-call-42-a")) },
    Expected { version: "16", scenario: "xfer", call: "1795427944.95", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE, BOB], outcome: Outcome::Transferred, start: 7_944_336_586, answer: Some(7_945_347_340), end: 7_951_353_748, ring: 1_006_863, talk: 4_993_814, queue: None, transfer_to: Some("102"), originate: None },
    Expected { version: "16", scenario: "orig_fail", call: "1795427952.126", direction: OUT, remote: PARTNER, dialled: "90145559876", locals: &[BOB_AWAY], outcome: Outcome::Failed, start: 7_952_569_391, answer: None, end: 7_955_585_676, ring: 0, talk: 0, queue: None, transfer_to: None, originate: Some(("crm-click-43", "1795427952.126")) },
    Expected { version: "22", scenario: "answered", call: "1795428145.0", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE], outcome: Outcome::Answered, start: 8_145_670_422, answer: Some(8_146_692_296), end: 8_148_701_554, ring: 1_016_809, talk: 1_991_234, queue: None, transfer_to: None, originate: None },
    Expected { version: "22", scenario: "missed", call: "1795428150.3", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE_RANG], outcome: Outcome::Missed, start: 8_150_412_909, answer: None, end: 8_152_424_173, ring: 2_003_375, talk: 0, queue: None, transfer_to: None, originate: None },
    Expected { version: "22", scenario: "noanswer", call: "1795428154.6", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE_RANG], outcome: Outcome::NoAnswer, start: 8_154_144_516, answer: None, end: 8_162_160_261, ring: 8_007_346, talk: 0, queue: None, transfer_to: None, originate: None },
    Expected { version: "22", scenario: "queue_ok", call: "1795428163.10", direction: IN, remote: CALLER, dialled: "300", locals: &[ALICE], outcome: Outcome::Answered, start: 8_163_817_482, answer: Some(8_165_362_841), end: 8_168_826_177, ring: 1_018_866, talk: 3_458_683, queue: Some(("support", 1_041_598, true, false)), transfer_to: None, originate: None },
    Expected { version: "22", scenario: "queue_abandon", call: "1795428170.13", direction: IN, remote: CALLER, dialled: "301", locals: &[], outcome: Outcome::Abandoned, start: 8_170_190_956, answer: None, end: 8_172_705_080, ring: 0, talk: 0, queue: Some(("noagents", 2_011_927, false, true)), transfer_to: None, originate: None },
    Expected { version: "22", scenario: "click", call: "crm-call-42-a", direction: OUT, remote: PARTNER, dialled: "90145559876", locals: &[ALICE], outcome: Outcome::Answered, start: 8_174_218_929, answer: Some(8_176_240_509), end: 8_177_748_129, ring: 1_005_111, talk: 1_503_785, queue: None, transfer_to: None, originate: Some(("crm-click-42", "crm-call-42-a")) },
    Expected { version: "22", scenario: "xfer", call: "1795428179.18", direction: IN, remote: CALLER, dialled: "100", locals: &[ALICE, BOB], outcome: Outcome::Transferred, start: 8_179_425_124, answer: Some(8_180_436_100), end: 8_186_441_980, ring: 1_005_884, talk: 4_994_106, queue: None, transfer_to: Some("102"), originate: None },
    Expected { version: "22", scenario: "orig_fail", call: "1795428187.23", direction: OUT, remote: PARTNER, dialled: "90145559876", locals: &[BOB_AWAY], outcome: Outcome::Failed, start: 8_187_652_257, answer: None, end: 8_190_656_399, ring: 0, talk: 0, queue: None, transfer_to: None, originate: Some(("crm-click-43", "1795428187.23")) },
];

/// How far a time may be from the recorded one.
const NEAR_MICROS: u64 = 50_000;

pub fn of(version: &str, scenario: &str) -> &'static Expected {
    let found = TABLE.iter().find(|row| row.version == version && row.scenario == scenario);
    found.unwrap_or_else(|| panic!("no row for {version} {scenario}"))
}

impl Expected {
    /// Checks a call against this row, with `what` in front of each complaint.
    pub fn check(&self, call: &Call, what: &str) {
        let what = format!("{} {} {what}", self.version, self.scenario);
        assert_eq!(call.key.call, self.call, "{what}");
        assert_eq!(call.direction, Some(self.direction), "{what}");
        let remote = call.remote.as_ref().map(|party| (party.raw(), party.e164()));
        assert_eq!(remote, Some((self.remote.0, Some(self.remote.1))), "{what}");
        assert_eq!(call.dialled.as_ref().map(|party| party.raw()), Some(self.dialled), "{what}");
        let locals: Vec<_> = call
            .locals
            .iter()
            .map(|it| (it.extension.as_deref().unwrap_or("none"), it.device(), it.answered))
            .collect();
        assert_eq!(locals, self.locals, "{what}");
        assert_eq!((call.state, call.outcome), (State::Ended, Some(self.outcome)), "{what}");
        assert!(call.settled && !call.end_estimated && !call.truncated, "{what}");
        self.check_times(call, &what);
        let to: Vec<_> =
            call.transfers.iter().map(|it| (it.kind, it.to.as_ref().map(|to| to.raw()))).collect();
        let expected: Vec<_> = self.transfer_to.iter().map(|to| (TransferKind::Blind, Some(*to))).collect();
        assert_eq!(to, expected, "{what}");
        let originate = call.originate.as_ref().map(|it| (&*it.action, it.channel.as_deref()));
        assert_eq!(originate, self.originate.map(|(action, id)| (action, Some(id))), "{what}");
    }

    fn check_times(&self, call: &Call, what: &str) {
        let at = |micros: i64| Micros(1_795_420_000_000_000 + micros);
        let near = |found: u64, wanted: u64| found.abs_diff(wanted) <= NEAR_MICROS;
        let near_at = |found: Micros, wanted: i64| found.0.abs_diff(at(wanted).0) <= NEAR_MICROS;
        assert!(near_at(call.start_time, self.start), "{what}: start {:?}", call.start_time);
        assert!(call.end_time.is_some_and(|end| near_at(end, self.end)), "{what}: end {:?}", call.end_time);
        match (call.answer_time, self.answer) {
            (Some(found), Some(wanted)) => assert!(near_at(found, wanted), "{what}: answer {found:?}"),
            (found, wanted) => assert_eq!(found.is_some(), wanted.is_some(), "{what}: answer {found:?}"),
        }
        assert!(near(call.ring_micros, self.ring), "{what}: ring {}", call.ring_micros);
        assert!(near(call.talk_micros, self.talk), "{what}: talk {}", call.talk_micros);
        let queue = call.queue.as_ref();
        let flags = queue.map(|it| (&*it.name, it.connected, it.abandoned));
        assert_eq!(flags, self.queue.map(|(name, _, taken, left)| (name, taken, left)), "{what}");
        if let (Some(found), Some((_, wait, ..))) = (queue, self.queue) {
            assert!(near(found.wait_micros, wait), "{what}: wait {}", found.wait_micros);
        }
    }
}

#[test]
fn each_recording_gives_exactly_its_call() {
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let found = calls(&fold(&facts(&messages(version, scenario), rules())));
            assert_eq!(found.len(), 1, "{version} {scenario}: {found:#?}");
            of(version, scenario).check(&found[0], "");
        }
    }
}

#[test]
fn whole_connection_gives_all_eight_calls() {
    for version in VERSIONS {
        let found = calls(&fold(&facts(&messages(version, "wire"), rules())));
        assert_eq!(found.len(), SCENARIOS.len(), "{version}: {found:#?}");
        for (call, scenario) in found.iter().zip(SCENARIOS) {
            of(version, scenario).check(call, "in the whole connection");
        }
    }
}

#[test]
fn trunks_are_known_by_their_context_too() {
    let mut by_context = rules();
    by_context.trunks.channel_prefixes.clear();
    by_context.trunks.contexts.push("from-trunk".into());
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let found = calls(&fold(&facts(&messages(version, scenario), by_context.clone())));
            assert_eq!(found.len(), 1, "{version} {scenario}");
            of(version, scenario).check(&found[0], "by context");
        }
    }
}
