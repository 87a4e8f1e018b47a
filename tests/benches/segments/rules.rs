//! The segments: each rule as a sales person writes it, and the same by hand as SQL over the tables of facts, which is the oracle.
//! Called by main.rs; the SQL by oracle.rs.

use crate::data::{COUNTRIES, TITLES};

/// A segment and its oracle.
pub struct Rule {
    /// Its id.
    pub id: String,
    /// The rule as text.
    pub text: String,
    /// The segment that it builds on, for parents.
    pub parent: Option<usize>,
    /// The domain that its exclusion list has.
    pub excluded: Option<String>,
    /// When a row `p` of fact_partner is a member; `:now` is the moment in microseconds.
    pub sql: String,
}

/// The name of a segment.
pub fn name(number: usize) -> String {
    format!("segments/s{number}")
}

/// So many segments.
pub fn all(count: usize) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::with_capacity(count);
    for number in 0..count {
        let (text, mut sql) = one(number, &rules);
        let parent = (number % 25 == 24).then(|| number - 1);
        if let Some(parent) = parent {
            sql = format!("({sql}) AND ({})", rules[parent].sql);
        }
        let excluded = (number % 50 == 7).then(|| format!("domain-{:05}.example", number));
        if let Some(domain) = &excluded {
            sql = format!(
                "({sql}) AND NOT EXISTS (SELECT 1 FROM fact_text t WHERE t.ord = p.ord AND t.field = 'emails' AND t.value LIKE '%@{domain}')"
            );
        }
        rules.push(Rule { id: format!("s{number}"), text, parent, excluded, sql });
    }
    rules
}

fn one(number: usize, before: &[Rule]) -> (String, String) {
    let turn = number / 10;
    let country = COUNTRIES[turn % COUNTRIES.len()];
    let title = TITLES[turn / COUNTRIES.len() % TITLES.len()];
    let days = 5 + turn % 40 * 5;
    let since = format!(":now - {days} * 86400000000");
    match number % 10 {
        0 => (
            format!("country == \"{country}\" && title == \"{title}\" && !do_not_call"),
            format!("p.country = '{country}' AND p.title = '{title}' AND p.do_not_call = 0"),
        ),
        1 => (
            format!(
                "!calls.exists(c, c.start_time > now - duration(\"{days}d\")) && country == \"{country}\""
            ),
            format!(
                "p.country = '{country}' AND NOT EXISTS (SELECT 1 FROM fact_call c WHERE c.ord = p.ord AND c.start_time > {since})"
            ),
        ),
        2 => {
            let least = if turn < 10 { 100 + turn * 1_000 } else { 20_000 + turn * 15_000 };
            (
                format!("purchases.total(\"EUR\", duration(\"{days}d\")) > {least}.00"),
                format!(
                    "(SELECT COALESCE(SUM(CASE b.kind WHEN 'SALE' THEN b.amount ELSE -b.amount END), 0) FROM fact_purchase b
                     WHERE b.ord = p.ord AND b.posted = 1 AND b.currency = 'EUR' AND b.time > {since} AND b.time <= :now) > {least}0000"
                ),
            )
        }
        3 => {
            let (monetary, recency, frequency) = (2 + turn % 4, 1 + turn / 4 % 4, 1 + turn / 16 % 5);
            (
                format!(
                    "rfm.monetary >= {monetary} && rfm.recency >= {recency} && rfm.frequency >= {frequency}"
                ),
                format!(
                    "p.rfm_monetary >= {monetary} AND p.rfm_recency >= {recency} AND p.rfm_frequency >= {frequency}"
                ),
            )
        }
        4 => {
            let least = turn * 17;
            (
                format!("opportunities.exists(o, o.state == \"OPEN\" && o.amount >= {least}.00)"),
                format!(
                    "EXISTS (SELECT 1 FROM fact_opportunity o WHERE o.ord = p.ord AND o.state = 'OPEN' AND o.amount >= {least}0000)"
                ),
            )
        }
        5 => {
            let (question, choice) = (turn % 10, turn / 10 % 5);
            (
                format!("\"c{choice}\" in answers[\"questions/q{question}\"]"),
                format!(
                    "EXISTS (SELECT 1 FROM fact_answer a WHERE a.ord = p.ord AND a.question = 'questions/q{question}' AND a.choice = 'c{choice}')"
                ),
            )
        }
        6 => {
            let least = 1 + turn % 2;
            (
                format!(
                    "size(calls.filter(c, c.result == \"MISSED\")) >= {least} && country == \"{country}\""
                ),
                format!(
                    "p.country = '{country}' AND (SELECT COUNT(*) FROM fact_call c WHERE c.ord = p.ord AND c.result = 'MISSED') >= {least}"
                ),
            )
        }
        7 => (
            format!("\"tag{turn}\" in tags || city.startsWith(\"City {:02}\")", turn % 50),
            format!(
                "EXISTS (SELECT 1 FROM fact_text t WHERE t.ord = p.ord AND t.field = 'tags' AND t.value = 'tag{turn}') OR p.city GLOB 'City {:02}*'",
                turn % 50
            ),
        ),
        8 => (
            format!(
                "mails.exists(m, m.kind == \"OPENED\" && m.time > now - duration(\"{days}d\")) && language == \"fr\""
            ),
            format!(
                "p.language = 'fr' AND EXISTS (SELECT 1 FROM fact_mail m WHERE m.ord = p.ord AND m.kind = 'OPENED' AND m.time > {since})"
            ),
        ),
        _ => {
            let other = (number * 7 + 3) % number;
            (
                format!("in_segment(\"{}\") && create_time < now - duration(\"{days}d\")", name(other)),
                format!("({}) AND p.create_time < {since}", before[other].sql),
            )
        }
    }
}
