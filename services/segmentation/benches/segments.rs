//! A million partners in 500 segments: previews, overlaps, a rebuild from nothing, changes one by one, memory.
//!
//! Run: `cargo bench -p kontor-segmentation --bench segments`, or with other numbers of partners and segments behind `--`.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use kontor_segmentation::domain::facts::{
    Call, Change, Decimal, Facts, Mail, Micros, Opportunity, Partner, Purchase, Visit,
};
use kontor_segmentation::domain::membership::sets::{overlap, venn};
use kontor_segmentation::domain::membership::{ContactList, Definition, Engine};
use kontor_segmentation::domain::rule::Rule;
use roaring::RoaringBitmap;

const NOW: Micros = 1_795_996_800_000_000;
const HOUR: i64 = 3_600_000_000;
const COUNTRIES: [&str; 8] = ["BE", "FR", "DE", "NL", "LU", "AT", "CH", "IT"];

/// Random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one(&mut self, of: &[&str]) -> String {
        of[self.roll(of.len() as u64) as usize].to_owned()
    }

    fn ago(&mut self, days: u64) -> Option<Micros> {
        Some(NOW - self.roll(days * 24 * 60) as i64 * HOUR / 60)
    }

    fn many<T>(&mut self, most: u64, one: impl Fn(&mut Dice) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| one(self)).collect()
    }

    fn call(&mut self) -> Call {
        Call {
            direction: self.one(&["INBOUND", "OUTBOUND"]),
            result: self.one(&["ANSWERED", "ANSWERED", "MISSED", "NO_ANSWER"]),
            taken_by: format!("users/{}", self.roll(200)),
            talk_seconds: Some(self.roll(900) as i64),
            start_time: self.ago(700),
        }
    }

    fn purchase(&mut self) -> Purchase {
        Purchase {
            kind: self.one(&["SALE", "SALE", "SALE", "SALE", "REFUND"]),
            posted: self.roll(20) > 0,
            currency: self.one(&["EUR", "EUR", "EUR", "USD"]),
            amount: Some(Decimal(self.roll(2_000_000) as i64 * 100)),
            time: self.ago(700),
        }
    }

    fn opportunity(&mut self) -> Opportunity {
        let state = self.one(&["OPEN", "WON", "LOST"]);
        Opportunity {
            stage: format!("pipelines/sales/stages/{}", self.roll(7)),
            pipeline: "pipelines/sales".into(),
            team: format!("teams/{}", self.roll(20)),
            assignee: format!("users/{}", self.roll(200)),
            source: self.one(&["web", "fair", "phone", ""]),
            lost_reason: if state == "LOST" { self.one(&["price", "time", "other"]) } else { String::new() },
            amount: Some(Decimal(self.roll(10_000_000) as i64 * 100)),
            create_time: self.ago(700),
            close_time: if state == "OPEN" { None } else { self.ago(300) },
            state,
        }
    }

    fn partner(&mut self, number: u64) -> Partner {
        let rfm = self.roll(3) > 0;
        let mut quantile = || rfm.then(|| 1 + self.roll(5) as i64);
        let (rfm_recency, rfm_frequency, rfm_monetary) = (quantile(), quantile(), quantile());
        Partner {
            kind: self.one(&["PERSON", "PERSON", "COMPANY"]),
            display_name: format!("Partner {number} of Somewhere"),
            organization: format!("Company {}", self.roll(100_000)),
            title: self.one(&["CEO", "Buyer", "Engineer", ""]),
            company: String::new(),
            country: self.one(&COUNTRIES),
            region: format!("Region {}", self.roll(100)),
            city: format!("City {}", self.roll(5_000)),
            postal_code: format!("{:05}", self.roll(20_000)),
            language: self.one(&["fr", "nl", "de", "en"]),
            do_not_call: self.roll(20) == 0,
            create_time: self.ago(2_000),
            rfm_recency,
            rfm_frequency,
            rfm_monetary,
        }
    }

    fn facts(&mut self, number: u64) -> Facts {
        let question = format!("questions/q{}", self.roll(10));
        let choices: BTreeSet<String> = [format!("choices/{}", self.roll(5))].into();
        Facts {
            partner: self.partner(number),
            tags: self.many(2, |dice| format!("tag{}", dice.roll(50))).into_iter().collect(),
            emails: [format!("person{number}@domain{}.example", number % 50_000)].into(),
            phones: [format!("+3247{number:07}")].into(),
            opportunities: self.many(1, Dice::opportunity),
            calls: self.many(3, Dice::call),
            purchases: self.many(2, Dice::purchase),
            mails: self
                .many(2, |dice| Mail { kind: dice.one(&["SENT", "OPENED", "CLICKED"]), time: dice.ago(300) }),
            visits: self
                .many(1, |dice| Visit { page: format!("/page/{}", dice.roll(500)), time: dice.ago(100) }),
            answers: if self.roll(2) == 0 { BTreeMap::from([(question, choices)]) } else { BTreeMap::new() },
        }
    }

    /// One of ten shapes of rules, as sales people write them.
    fn rule(&mut self, number: u64) -> String {
        let country = self.one(&COUNTRIES);
        let days = 5 + self.roll(40) * 5;
        let other = self.roll(number.max(1));
        match number % 10 {
            0 => format!("country == \"{country}\" && kind == \"COMPANY\" && !do_not_call"),
            1 => format!(
                "!calls.exists(c, c.start_time > now - duration(\"{days}d\")) && country == \"{country}\""
            ),
            2 => format!("purchases.total(\"EUR\", duration(\"{days}d\")) > {}", 50 + self.roll(200)),
            3 => format!("rfm.monetary >= {} && rfm.recency >= 3", 2 + self.roll(4)),
            4 => format!("opportunities.exists(o, o.state == \"OPEN\" && o.amount >= {}.00)", self.roll(900)),
            5 => format!("\"choices/{}\" in answers[\"questions/q{}\"]", self.roll(5), self.roll(10)),
            6 => format!("size(calls.filter(c, c.result == \"MISSED\")) >= {}", 1 + self.roll(2)),
            7 => format!("\"tag{}\" in tags || city.startsWith(\"City {}\")", self.roll(50), self.roll(90)),
            8 => format!(
                "mails.exists(m, m.kind == \"OPENED\" && m.time > now - duration(\"{days}d\")) && language == \"fr\""
            ),
            _ => format!("in_segment(\"segments/{other}\") && create_time < now - duration(\"{days}d\")"),
        }
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (partners, segments) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(500));
    let mut engine = Engine::default();
    let mut dice = Dice(1);
    let begin = Instant::now();
    for number in 0..partners {
        engine.load(number as u32, &dice.facts(number));
    }
    line("facts made and loaded", begin.elapsed(), "");
    let definitions =
        (0..segments).map(|number| (format!("segments/{number}"), definition(&mut dice, number)));
    let stop = ContactList {
        domains: (0..500).map(|at| format!("domain{at}.example")).collect(),
        ..ContactList::default()
    };
    engine.load_definitions(vec![("lists/stop".into(), stop)], definitions.collect()).expect("definitions");
    let begin = Instant::now();
    let flips = engine.rebuild(NOW, 2);
    line("rebuild of all from nothing, 2 threads", begin.elapsed(), "aim 15 s");
    let members: u64 = flips.iter().map(|flips| flips.joined.len()).sum();
    drop(flips);
    println!("{:54} {:8} MiB  aim 400", "facts, memberships and due instants", engine.bytes() >> 20);
    println!("{:54} {:8} MiB", "  of that facts", engine.columns().bytes() >> 20);
    println!("{:54} {:8} MiB", "  of that memberships", engine.members_bytes() >> 20);
    println!("{:54} {:8} MiB", "resident now", resident() >> 20);
    println!("{:54} {members:8}", "memberships");
    previews(&engine);
    sets(&engine, segments);
    changes(&mut engine, &mut dice, partners);
    time_passes(&mut engine);
    let begin = Instant::now();
    let late = engine.rebuild(NOW + 2 * HOUR, 2);
    line("rebuild again", begin.elapsed(), "");
    assert!(late.is_empty(), "memberships kept change by change are not those of a rebuild");
}

fn definition(dice: &mut Dice, number: u64) -> Definition {
    let rule = Some(Rule::parse(&dice.rule(number)).expect("a rule"));
    let exclude = if number.is_multiple_of(7) { vec!["lists/stop".to_owned()] } else { Vec::new() };
    let parents = if number % 25 == 24 { vec![format!("segments/{}", number - 1)] } else { Vec::new() };
    Definition { rule, parents, include: Vec::new(), exclude }
}

fn previews(engine: &Engine) {
    let texts = [
        "country == \"BE\" && kind == \"COMPANY\" && !do_not_call && create_time > now - duration(\"365d\")",
        "country in [\"BE\", \"FR\"] && calls.exists(c, c.result == \"MISSED\" && c.start_time > now - duration(\"30d\"))",
        "purchases.total(\"EUR\", duration(\"180d\")) > 150 && rfm.recency >= 4",
        "opportunities.exists(o, o.state == \"OPEN\" && o.amount > 500) && !calls.exists(c, c.start_time > now - duration(\"30d\"))",
        "emails.exists(e, e.endsWith(\"@domain77.example\"))",
        "display_name.contains(\"77\")",
        "display_name.matches(\"(?i)partner .*77 of\")",
        "opportunities.exists(o, calls.exists(c, c.start_time > o.create_time))",
    ];
    for text in texts {
        let rule = Some(Rule::parse(text).expect("a rule"));
        let definition = Definition { rule, ..Definition::default() };
        let mut best = Duration::MAX;
        let mut found = 0;
        for _ in 0..3 {
            let begin = Instant::now();
            found = engine.preview(&definition, NOW).expect("a preview").len();
            best = best.min(begin.elapsed());
        }
        line(&format!("preview, {found} found"), best, "aim 50 ms");
        println!("    {text}");
    }
}

fn sets(engine: &Engine, segments: u64) {
    let all: Vec<&RoaringBitmap> =
        (0..segments).filter_map(|number| engine.members(&format!("segments/{number}"))).collect();
    let begin = Instant::now();
    let mut worst = Duration::ZERO;
    for pair in all.windows(2) {
        let begin = Instant::now();
        black_box(overlap(pair[0], pair[1]));
        worst = worst.max(begin.elapsed());
    }
    line("overlap of two, mean", begin.elapsed() / all.len().max(1) as u32, "aim 1 ms");
    line("overlap of two, worst", worst, "aim 1 ms");
    let mut largest = all.clone();
    largest.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let begin = Instant::now();
    black_box(venn(&largest[..5.min(largest.len())]));
    line("Venn counts of the five largest", begin.elapsed(), "");
}

/// Changes one partner after another: a new call, a purchase, a move to another town.
fn changes(engine: &mut Engine, dice: &mut Dice, partners: u64) {
    const CHANGES: usize = 20_000;
    let mut times = Vec::with_capacity(CHANGES);
    let mut flips = 0;
    for at in 0..CHANGES {
        let partner = dice.roll(partners);
        let change = match at % 3 {
            0 => Change::Calls(dice.many(3, Dice::call)),
            1 => Change::Purchases(dice.many(3, Dice::purchase)),
            _ => Change::Partner(dice.partner(partner)),
        };
        let begin = Instant::now();
        flips += engine.change(partner as u32, &[change], NOW).len();
        times.push(begin.elapsed());
    }
    times.sort();
    let all: Duration = times.iter().sum();
    println!(
        "{:54} {:8.0} a second, {flips} flips",
        "changes of one partner",
        CHANGES as f64 / all.as_secs_f64()
    );
    line("  p99", times[CHANGES * 99 / 100], "aim 1 s at 500 a second");
    line("  worst", times[CHANGES - 1], "");
}

fn time_passes(engine: &mut Engine) {
    let begin = Instant::now();
    let (mut flips, mut more) = (0, true);
    while more {
        let (found, rest) = engine.tick(NOW + 2 * HOUR, 10_000);
        flips += found.len();
        more = rest;
    }
    line(&format!("two hours pass, {flips} flips"), begin.elapsed(), "");
}

fn line(what: &str, took: Duration, aim: &str) {
    println!("{what:54} {:12.3} ms  {aim}", took.as_secs_f64() * 1e3);
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}
