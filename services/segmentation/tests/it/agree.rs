//! The three evaluators agree, text and tree are the same, explanations and instants are true: random rules over random partners.
//! Run by cargo.

use kontor_segmentation::domain::facts::{Columns, Facts};
use kontor_segmentation::domain::rule::scan::scan;
use kontor_segmentation::domain::rule::sql::Members;
use kontor_segmentation::domain::rule::{Expr, Rule};
use roaring::RoaringBitmap;

use crate::database::Database;
use crate::dice::{DAY, Dice, Maker, NOW};

const PARTNERS: u32 = 40;
const RULES: u64 = 400;

fn partners(dice: &mut Dice) -> Vec<Facts> {
    (0..PARTNERS).map(|_| dice.facts()).collect()
}

fn random_tree(dice: &mut Dice, segments: &[&str]) -> Expr {
    Maker { dice, segments, scope: Vec::new() }.test(3)
}

#[test]
fn random_rules_read_back_as_they_were_printed() {
    for seed in 0..1_000 {
        let tree = random_tree(&mut Dice(seed), &["segments/a"]);
        let text = tree.to_string();
        let rule = Rule::parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}: {text}"));
        assert_eq!(*rule.tree(), tree, "seed {seed}: {text}");
        assert_eq!(rule.to_string(), text, "seed {seed}");
        assert_eq!(Rule::from_tree(&tree).map(|rule| rule.to_string()), Ok(text), "seed {seed}");
    }
}

#[test]
fn the_three_evaluators_agree_on_random_rules() {
    let mut dice = Dice(1);
    let partners = partners(&mut dice);
    let database = Database::new();
    let mut columns = Columns::default();
    // gaps between the numbers, as erased partners leave them
    for (ord, facts) in (0..).map(|at| at * 3).zip(&partners) {
        database.put(ord, facts);
        columns.put(ord, facts);
    }
    let some: RoaringBitmap = (0..PARTNERS * 3).step_by(5).collect();
    let mut fitting = 0;
    for seed in 0..RULES {
        let rule = Rule::from_tree(&random_tree(&mut Dice(seed), &["segments/a"])).expect("a rule");
        let now = NOW + (seed % 5) as i64 * DAY;
        let one: Vec<u32> = (0..PARTNERS)
            .filter(|at| rule.holds(&partners[*at as usize], now, &|_| some.contains(at * 3)))
            .map(|at| at * 3)
            .collect();
        let scanned: Vec<u32> = scan(&columns, &rule, now, &|_| Some(&some)).iter().collect();
        let by_sql = database.fitting(&rule, now, &|_| Members::These(some.iter().collect()));
        assert_eq!(one, by_sql, "seed {seed}: one and SQL: {rule}");
        assert_eq!(one, scanned, "seed {seed}: one and scan: {rule}");
        fitting += one.len();
    }
    // neither nobody nor everybody, or the test says little
    let share = fitting as f64 / (RULES as f64 * f64::from(PARTNERS));
    assert!((0.2..0.8).contains(&share), "{share} of the partners fit");
}

#[test]
fn the_answer_changes_at_the_next_flip_and_not_before() {
    let mut dice = Dice(2);
    let partners = partners(&mut dice);
    let (mut flips, mut none) = (0, 0);
    let rules = (0..10 * RULES).map(|seed| (seed, random_tree(&mut Dice(seed), &[])));
    let rules = rules.map(|(seed, tree)| (seed, Rule::from_tree(&tree).expect("a rule")));
    for (seed, rule) in rules.filter(|(_, rule)| rule.watches_clock()).take(150) {
        for facts in partners.iter().take(10) {
            let member = |_: &str| false;
            let today = rule.holds(facts, NOW, &member);
            let next = rule.next_flip(facts, NOW, &member);
            let end = next.unwrap_or(NOW + 100 * DAY);
            // all facts lie a day and at most a microsecond apart, and so do all instants that could matter
            let days = (0..=30).flat_map(|day| [-3, -2, -1, 0, 1, 2, 3].map(|step| NOW + day * DAY + step));
            for instant in days.filter(|instant| *instant > NOW && *instant < end) {
                assert_eq!(rule.holds(facts, instant, &member), today, "seed {seed}: before {end}: {rule}");
            }
            match next {
                Some(next) => {
                    assert_ne!(rule.holds(facts, next, &member), today, "seed {seed}: at {next}: {rule}");
                    flips += 1;
                }
                None => none += 1,
            }
        }
    }
    assert!(flips > 100 && none > 100, "{flips} flips, {none} without");
}

#[test]
fn s11_an_explanation_has_the_answer_at_its_root_and_follows_from_its_parts() {
    fn check(term: &kontor_segmentation::domain::rule::Term, tree: &Expr) {
        use kontor_segmentation::domain::rule::Node;
        assert_eq!(term.text, tree.to_string());
        match &tree.node {
            Node::And(parts) => {
                assert_eq!(term.holds, term.parts.iter().all(|part| part.holds));
                term.parts.iter().zip(parts).for_each(|(term, tree)| check(term, tree));
            }
            Node::Or(parts) => {
                assert_eq!(term.holds, term.parts.iter().any(|part| part.holds));
                term.parts.iter().zip(parts).for_each(|(term, tree)| check(term, tree));
            }
            Node::Not(inner) => {
                assert_eq!(term.holds, !term.parts[0].holds);
                check(&term.parts[0], inner);
            }
            Node::Bool(_) => {}
            _ => assert!(!term.found.is_empty() || term.text.contains("in "), "{}", term.text),
        }
    }
    let mut dice = Dice(3);
    let partners = partners(&mut dice);
    for seed in 0..RULES {
        let rule = Rule::from_tree(&random_tree(&mut Dice(seed), &["segments/a"])).expect("a rule");
        let facts = &partners[(seed % u64::from(PARTNERS)) as usize];
        let term = rule.explain(facts, NOW, &|_| true);
        assert_eq!(term.holds, rule.holds(facts, NOW, &|_| true), "seed {seed}: {rule}");
        check(&term, rule.tree());
    }
}
