//! Memberships kept change by change are those of a rebuild, and each joined and left comes once.
//! Run by cargo.

use std::collections::{BTreeMap, BTreeSet};

use kontor_segmentation::domain::facts::{Change, Facts, Micros, Texts};
use kontor_segmentation::domain::membership::sets::{Overlap, overlap, venn};
use kontor_segmentation::domain::membership::{ContactList, Definition, Engine, Error, Flip, Flips, chunk};
use kontor_segmentation::domain::rule::Rule;
use roaring::RoaringBitmap;

use crate::dice::{DAY, Dice, Maker, NOW};

const PARTNERS: usize = 25;
const SEGMENTS: [&str; 6] =
    ["segments/a", "segments/b", "segments/c", "segments/d", "segments/e", "segments/f"];
const LISTS: [&str; 2] = ["lists/x", "lists/y"];

fn rule(text: &str) -> Option<Rule> {
    Some(Rule::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn ruled(text: &str) -> Definition {
    Definition { rule: rule(text), ..Definition::default() }
}

/// What a listener to joined and left knows.
#[derive(Default)]
struct Ledger(BTreeSet<(String, u32)>);

impl Ledger {
    fn flip(&mut self, segment: &str, partner: u32, joined: bool) {
        let key = (segment.to_owned(), partner);
        let news = if joined { self.0.insert(key) } else { self.0.remove(&key) };
        assert!(news, "{partner} joined {joined} {segment} a second time");
    }

    fn flips(&mut self, flips: Vec<Flip>) {
        flips.iter().for_each(|flip| self.flip(&flip.segment, flip.partner, flip.joined));
    }

    fn many(&mut self, all: Vec<Flips>) {
        for Flips { segment, joined, left } in all {
            joined.iter().for_each(|partner| self.flip(&segment, partner, true));
            left.iter().for_each(|partner| self.flip(&segment, partner, false));
        }
    }

    fn of(&self, segment: &str) -> Vec<u32> {
        self.0.iter().filter(|(own, _)| own == segment).map(|(_, partner)| *partner).collect()
    }
}

/// The engine under test and what it was told.
struct Told {
    engine: Engine,
    ledger: Ledger,
    facts: BTreeMap<u32, Facts>,
    segments: BTreeMap<String, Definition>,
    lists: BTreeMap<String, ContactList>,
    now: Micros,
}

impl Told {
    fn new(dice: &mut Dice) -> Told {
        let mut told = Told {
            engine: Engine::default(),
            ledger: Ledger::default(),
            facts: BTreeMap::new(),
            segments: BTreeMap::new(),
            lists: BTreeMap::new(),
            now: NOW,
        };
        for list in LISTS {
            told.save_list(dice, list);
        }
        told
    }

    fn save_list(&mut self, dice: &mut Dice, name: &str) {
        let mut list = ContactList::default();
        list.partners.extend((0..3).map(|_| dice.roll(PARTNERS) as u32));
        if dice.coin() {
            list.domains.insert("acme.be".into());
            list.numbers.insert("BE".into());
        }
        self.ledger.many(self.engine.save_list(name, list.clone(), self.now));
        self.lists.insert(name.into(), list);
    }

    fn save_segment(&mut self, dice: &mut Dice) {
        let name = dice.one(&SEGMENTS);
        let known: Vec<&str> = self.segments.keys().map(String::as_str).collect();
        let tree = Maker { dice, segments: &known, scope: Vec::new() }.test(2);
        let parents = known.iter().filter(|_| dice.roll(5) == 0).map(|parent| (*parent).to_owned()).collect();
        let mut lists =
            || LISTS.iter().filter(|_| dice.roll(4) == 0).map(|list| (*list).to_owned()).collect();
        let rule = Some(Rule::from_tree(&tree).expect("a rule"));
        let definition = Definition { rule, parents, include: lists(), exclude: lists() };
        match self.engine.save_segment(name, definition.clone(), self.now) {
            Ok(flips) => {
                self.ledger.many(flips);
                self.segments.insert(name.into(), definition);
            }
            Err(Error::Cycle(path)) => assert_eq!((path.first(), path.len() > 1), (path.last(), true)),
            Err(other) => panic!("{other}"),
        }
    }

    fn change(&mut self, dice: &mut Dice) {
        let partner = dice.roll(PARTNERS) as u32;
        if dice.roll(10) == 0 {
            self.facts.remove(&partner);
            return self.ledger.flips(self.engine.remove(partner, self.now));
        }
        let new = dice.facts();
        let facts = self.facts.entry(partner).or_default();
        let change = match dice.roll(6) {
            0 => Change::Partner(new.partner.clone()),
            1 => Change::Calls(new.calls.clone()),
            2 => Change::Purchases(new.purchases.clone()),
            3 => Change::Texts(Texts::Emails, new.emails.clone()),
            4 => Change::Answers(new.answers.clone()),
            _ => {
                *facts = new;
                return self.ledger.flips(self.engine.put(partner, facts, self.now));
            }
        };
        match &change {
            Change::Partner(partner) => facts.partner = partner.clone(),
            Change::Calls(calls) => facts.calls = calls.clone(),
            Change::Purchases(purchases) => facts.purchases = purchases.clone(),
            Change::Texts(_, emails) => facts.emails = emails.clone(),
            Change::Answers(answers) => facts.answers = answers.clone(),
            _ => unreachable!("only those above are made"),
        }
        self.ledger.flips(self.engine.change(partner, &[change], self.now));
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.roll(20) {
            0 | 1 => self.save_segment(dice),
            2 => {
                let name = dice.one(&LISTS);
                self.save_list(dice, name);
            }
            3 => {
                let name = dice.one(&SEGMENTS);
                if let Ok(flips) = self.engine.delete_segment(name, self.now) {
                    self.ledger.many(flips);
                    self.segments.remove(name);
                }
            }
            4..=6 => {
                self.now += dice.roll(3 * DAY as usize) as i64;
                self.ledger.flips(self.engine.tick(self.now, dice.roll(5)).0);
            }
            _ => self.change(dice),
        }
    }

    /// Compares with an engine that is told the end only.
    fn check(&mut self, seed: u64) {
        let (flips, more) = self.engine.tick(self.now, usize::MAX);
        assert!(!more);
        self.ledger.flips(flips);
        let mut fresh = Engine::default();
        self.facts.iter().for_each(|(partner, facts)| fresh.load(*partner, facts));
        let segments = self.segments.clone().into_iter().collect();
        fresh.load_definitions(self.lists.clone().into_iter().collect(), segments).expect("definitions");
        fresh.rebuild(self.now, 2);
        for (name, definition) in &self.segments {
            let members: Vec<u32> = self.engine.members(name).expect("a segment").iter().collect();
            let rebuilt: Vec<u32> = fresh.members(name).expect("a segment").iter().collect();
            assert_eq!(members, rebuilt, "seed {seed}: {name}: {definition:?}");
            assert_eq!(members, self.ledger.of(name), "seed {seed}: {name}");
            for partner in [0, 7, 24] {
                let explained = self.engine.explain(name, partner, self.now).expect("a segment");
                assert_eq!(explained.member, members.contains(&partner), "seed {seed}: {name}, {partner}");
            }
        }
        // it may wake up too often, for a rule that went, never too late
        if let Some(due) = fresh.next_due() {
            assert!(self.engine.next_due().is_some_and(|own| own <= due), "seed {seed}");
        }
        assert!(self.engine.rebuild(self.now, 1).is_empty(), "seed {seed}");
    }
}

#[test]
fn s4_any_sequence_of_changes_ends_as_a_rebuild_and_each_flip_comes_once() {
    let mut members = 0;
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut told = Told::new(&mut dice);
        for _ in 0..4 {
            for _ in 0..25 {
                told.step(&mut dice);
            }
            told.check(seed);
        }
        members += told.ledger.0.len();
    }
    assert!(members > 1_000, "{members} memberships at the ends");
}

#[test]
fn s3_a_circle_is_refused_and_names_its_way() {
    let mut engine = Engine::default();
    engine.save_segment("segments/a", ruled("country == \"BE\""), NOW).expect("saved");
    engine.save_segment("segments/b", ruled("in_segment(\"segments/a\")"), NOW).expect("saved");
    let child = Definition { parents: vec!["segments/b".into()], ..ruled("true") };
    engine.save_segment("segments/c", child, NOW).expect("saved");
    let circle = engine.save_segment("segments/a", ruled("!in_segment(\"segments/c\")"), NOW);
    let path = ["segments/a", "segments/c", "segments/b", "segments/a"].map(str::to_owned).to_vec();
    assert_eq!(circle, Err(Error::Cycle(path)));
    let own = engine.save_segment("segments/n", ruled("in_segment(\"segments/n\")"), NOW);
    assert_eq!(own, Err(Error::Cycle(vec!["segments/n".into(), "segments/n".into()])));
    let unknown = engine.save_segment("segments/n", ruled("in_segment(\"segments/z\")"), NOW);
    assert_eq!(unknown, Err(Error::Unknown("segments/z".into())));
    assert_eq!(engine.delete_segment("segments/b", NOW), Err(Error::Needed(vec!["segments/c".into()])));
}

#[test]
fn s4_a_rule_of_time_lets_a_partner_go_at_its_instant() {
    let mut engine = Engine::default();
    let quiet = ruled("!calls.exists(c, c.start_time > now - duration(\"30d\"))");
    engine.save_segment("segments/quiet", quiet, NOW).expect("saved");
    engine
        .save_segment("segments/christmas", ruled("now >= timestamp(\"2026-12-25T00:00:00Z\")"), NOW)
        .expect("saved");
    let mut dice = Dice(1);
    let mut call = dice.call();
    call.start_time = Some(NOW - DAY);
    let facts = Facts { calls: vec![call], ..Facts::default() };
    assert_eq!(engine.put(3, &facts, NOW), Vec::new());
    let christmas = NOW + 25 * DAY;
    assert_eq!(engine.next_due(), Some(christmas));
    assert_eq!(engine.tick(christmas - 1, 100), (Vec::new(), false));
    let flip = |segment: &str| Flip { segment: segment.into(), partner: 3, joined: true };
    assert_eq!(engine.tick(christmas, 100), (vec![flip("segments/christmas")], false));
    assert_eq!(engine.next_due(), Some(NOW + 29 * DAY));
    assert_eq!(engine.tick(NOW + 29 * DAY - 1, 100), (Vec::new(), false));
    assert_eq!(engine.tick(NOW + 29 * DAY, 100), (vec![flip("segments/quiet")], false));
    assert_eq!(engine.next_due(), None);
}

#[test]
fn s4_instants_of_weeks_come_each_in_its_turn() {
    let mut engine = Engine::default();
    let quiet = ruled("!calls.exists(c, c.start_time > now - duration(\"30d\"))");
    engine.save_segment("segments/quiet", quiet, NOW).expect("saved");
    let mut dice = Dice(7);
    // Called between now and a month ago; some of them in the same hour.
    let mut due = BTreeSet::new();
    for partner in 0..200_u32 {
        let called = NOW - dice.roll(30 * 24) as i64 * (DAY / 24) - i64::from(partner);
        let mut call = dice.call();
        call.start_time = Some(called);
        engine.put(partner, &Facts { calls: vec![call], ..Facts::default() }, NOW);
        due.insert((called + 30 * DAY, partner));
    }
    // One is called again meanwhile, by somebody who looks at the clock only once a week.
    let (_, again) = *due.iter().nth(100).expect("one");
    let mut now = NOW;
    while now < NOW + 14 * DAY {
        now += 7 * DAY;
        let (flips, is_more) = engine.tick(now, 1_000);
        let came: Vec<u32> = due.iter().filter(|(at, _)| *at <= now).map(|(_, partner)| *partner).collect();
        assert_eq!(flips.iter().map(|flip| flip.partner).collect::<Vec<_>>(), came);
        assert!(!is_more);
        due.retain(|(at, _)| *at > now);
    }
    let mut call = dice.call();
    call.start_time = Some(now);
    engine.change(again, &[Change::Calls(vec![call])], now);
    due.retain(|(_, partner)| *partner != again);
    due.insert((now + 30 * DAY, again));
    for (at, partner) in due {
        assert_eq!(engine.next_due(), Some(at));
        assert_eq!(engine.tick(at - 1, 100), (Vec::new(), false));
        let flip = Flip { segment: "segments/quiet".into(), partner, joined: true };
        assert_eq!(engine.tick(at, 100), (vec![flip], false));
    }
    assert_eq!(engine.next_due(), None);
}

#[test]
fn s5_an_address_number_or_domain_keeps_a_partner_out_also_when_it_comes_later() {
    let mut engine = Engine::default();
    let list = ContactList {
        addresses: ["ann@acme.be".to_owned()].into(),
        numbers: ["+3225550100".to_owned()].into(),
        domains: ["example.org".to_owned()].into(),
        partners: RoaringBitmap::from_iter([9]),
    };
    engine.save_list("lists/stop", list, NOW);
    let all = Definition { exclude: vec!["lists/stop".into()], ..ruled("true") };
    engine.save_segment("segments/all", all, NOW).expect("saved");
    let mail = |address: &str| Facts { emails: [address.to_owned()].into(), ..Facts::default() };
    let phone = |number: &str| Facts { phones: [number.to_owned()].into(), ..Facts::default() };
    let expected = [
        (1, mail("ann@acme.be"), false),
        (2, mail("bob@acme.be"), true),
        (3, mail("x@mail.example.org"), false),
        (4, mail("x@notexample.org"), true),
        (5, phone("+3225550100"), false),
        (6, phone("+32255501000"), true),
        (9, Facts::default(), false),
    ];
    for (partner, facts, member) in &expected {
        engine.put(*partner, facts, NOW);
        assert_eq!(
            engine.members("segments/all").is_some_and(|m| m.contains(*partner)),
            *member,
            "{partner}"
        );
    }
    let left = engine.change(2, &[Change::Texts(Texts::Emails, ["bob@example.org".to_owned()].into())], NOW);
    assert_eq!(left, vec![Flip { segment: "segments/all".into(), partner: 2, joined: false }]);
    let explained = engine.explain("segments/all", 2, NOW).expect("a segment");
    assert_eq!((explained.member, explained.excluded_by), (false, vec!["lists/stop".to_owned()]));
}

#[test]
fn s7_overlaps_and_venn_counts_are_those_of_plain_sets() {
    let mut dice = Dice(5);
    for _ in 0..30 {
        let sets: Vec<BTreeSet<u32>> =
            (0..5).map(|_| (0..dice.roll(60)).map(|_| dice.roll(80) as u32 * 1_000).collect()).collect();
        let bitmaps: Vec<RoaringBitmap> = sets.iter().map(|set| set.iter().collect()).collect();
        let counts = venn(&bitmaps.iter().collect::<Vec<_>>()).expect("five");
        for (place, count) in counts.iter().enumerate().skip(1) {
            let exactly = |partner: &u32| {
                sets.iter().enumerate().all(|(at, set)| set.contains(partner) == (place >> at & 1 == 1))
            };
            let all: BTreeSet<u32> = sets.iter().flatten().copied().collect();
            assert_eq!(*count, all.iter().filter(|partner| exactly(partner)).count() as u64, "{place:05b}");
        }
        let both = sets[0].intersection(&sets[1]).count() as u64;
        let (first, second) = (sets[0].len() as u64 - both, sets[1].len() as u64 - both);
        assert_eq!(
            overlap(&bitmaps[0], &bitmaps[1]),
            Overlap { both, only_first: first, only_second: second }
        );
    }
}

#[test]
fn a_bitmap_comes_back_from_its_chunks() {
    let mut dice = Dice(6);
    let members: RoaringBitmap = (0..5_000).map(|_| dice.roll(1_000_000) as u32).collect();
    let mut back = RoaringBitmap::new();
    for key in chunk::keys(&members) {
        let bytes = chunk::write(&members, key);
        assert!(bytes.len() <= 9_000);
        chunk::read(key, &bytes, &mut back).expect("a chunk");
    }
    assert_eq!(back, members);
    assert!(chunk::read(1, &chunk::write(&members, 2), &mut back).is_err());
    assert!(chunk::read(1, b"no chunk", &mut back).is_err());
}
