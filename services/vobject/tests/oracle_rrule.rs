//! Our rules against the crate `rrule`, on rules where both follow RFC 5545.
//! Run by `cargo nextest run -p kontor-vobject`; the python oracle is in tests/oracle.

use jiff::civil::{DateTime, Time};
use kontor_vobject::recur::{Budget, Iter, Plan, Rule, day};
use rrule::RRuleSet;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len() as u64) as usize]
    }
}

fn draw(chance: &mut Chance) -> (String, DateTime) {
    let (frequency, days) = match chance.below(4) {
        0 => (
            "YEARLY",
            [
                "",
                ";BYMONTH=2,7",
                ";BYMONTH=3;BYDAY=-1SU",
                ";BYYEARDAY=1,60,-1",
                ";BYDAY=20MO",
                ";BYWEEKNO=20;BYDAY=WE",
            ],
        ),
        1 => (
            "MONTHLY",
            [
                "",
                ";BYMONTHDAY=13;BYDAY=FR",
                ";BYMONTHDAY=-1,1,15",
                ";BYDAY=1MO,-2FR",
                ";BYDAY=TU,TH;BYSETPOS=-1",
                ";BYMONTH=1,3",
            ],
        ),
        2 => (
            "WEEKLY",
            ["", ";BYDAY=MO,WE", ";BYDAY=SU,SA;WKST=SU", ";BYMONTH=5,6", ";BYDAY=TU,TH;WKST=WE", ";BYDAY=FR"],
        ),
        _ => (
            "DAILY",
            ["", ";BYDAY=SA,SU", ";BYMONTH=2", ";BYMONTHDAY=29,30", ";BYMONTHDAY=-1", ";BYMONTH=1;BYDAY=MO"],
        ),
    };
    let days = chance.pick(&days);
    let times = chance.pick(&["", "", ";BYHOUR=9,17", ";BYHOUR=8;BYMINUTE=0,30", ";BYSECOND=5,50"]);
    let rule = format!("FREQ={frequency};INTERVAL={}{days}{times}", 1 + chance.below(5));
    let date = day::date_time(day::DAY * (10_000 + chance.below(9_000) as i64)).date();
    let start = date.to_datetime(Time::constant(chance.below(24) as i8, 15, 0, 0));
    (rule, start)
}

#[test]
fn a_thousand_rules_agree_with_the_crate() {
    let mut chance = Chance(20_260_101);
    let mut compared = 0;
    for _ in 0..1_000 {
        let (text, start) = draw(&mut chance);
        let whole = format!("DTSTART:{}Z\nRRULE:{text}", start.strftime("%Y%m%dT%H%M%S"));
        let set: RRuleSet = whole.parse().expect(&whole);
        let theirs: Vec<i64> = set.into_iter().take(30).map(|at| at.timestamp()).collect();
        let rule = Rule::parse(&text).expect(&text);
        let plan = Plan::new(&rule, start, false).expect(&text);
        let mut budget = Budget::default();
        let mut instances = Iter::new(&plan, None, &budget);
        for their in theirs {
            let our = instances.next(&mut budget).expect("within the budget");
            assert_eq!(our.map(day::date_time), Some(day::date_time(their)), "{whole}");
            compared += 1;
        }
    }
    assert!(compared > 25_000, "only {compared} instances were compared");
}
