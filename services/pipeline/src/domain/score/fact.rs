//! What is known of an opportunity, as variables and values.
//! Called by store/score.rs and rpc/score.rs.

use crate::domain::opportunity::Opportunity;

/// A variable with its value: "source=web".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    key: String,
    variable: usize,
}

/// Variable of the stage.
pub const STAGE: &str = "stage";

impl Fact {
    /// A variable (no "=" in it) with a value.
    pub fn new(variable: &str, value: &str) -> Fact {
        Fact { key: format!("{variable}={value}"), variable: variable.len() }
    }

    /// From a kept key.
    pub fn from_key(key: &str) -> Option<Fact> {
        Some(Fact { key: key.to_owned(), variable: key.find('=')? })
    }

    /// "source=web": where the value's counts are.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// "source": where the counts of all its values are.
    pub fn variable(&self) -> &str {
        &self.key[..self.variable]
    }

    /// "web"
    pub fn value(&self) -> &str {
        &self.key[self.variable + 1..]
    }
}

/// What is known of an opportunity. What is not known is left out, and so adds nothing.
pub fn of(deal: &Opportunity) -> Vec<Fact> {
    let mut facts = Vec::new();
    each(deal, |key, variable| facts.push(Fact { key: key.to_owned(), variable }));
    facts
}

/// The same, each as its key and the length of its variable's name, without a fact of its own: a list scores a thousand at once.
pub fn each(deal: &Opportunity, mut take: impl FnMut(&str, usize)) {
    let details = &deal.details;
    let amount =
        details.amount.as_ref().map(|amount| band(&amount.currency, &amount.amount)).unwrap_or_default();
    let mut key = String::with_capacity(80);
    let mut say = |prefix: &str, variable: &str, value: &str| {
        if value.is_empty() {
            return;
        }
        key.clear();
        key.extend([prefix, variable, "=", value]);
        take(&key, prefix.len() + variable.len());
    };
    say("", STAGE, &deal.stage);
    say("", "source", &details.source);
    say("", "amount", &amount);
    say("", "contact", &deal.contact);
    for (variable, value) in &details.attributes {
        say("attributes.", variable, value);
    }
}

/// The same when it closes: of a won one all stages of its pipeline are counted, of a lost one those that it reached. So a stage's
/// rate is that of all who came so far, by the stage's name and not by its place.
pub fn of_closed(deal: &Opportunity, stages: &[String], won: bool) -> Vec<Fact> {
    let reached = stages.iter().position(|stage| *stage == deal.stage);
    let reached = match reached {
        _ if won => stages,
        Some(place) => &stages[..=place],
        None => std::slice::from_ref(&deal.stage),
    };
    let reached = reached.iter().map(|stage| Fact::new(STAGE, stage));
    reached.chain(of(deal).into_iter().filter(|fact| fact.variable() != STAGE)).collect()
}

/// How a lead could be reached, for its opportunity.
pub fn contact(email: &str, phone: &str) -> &'static str {
    match (email.is_empty(), phone.is_empty()) {
        (false, false) => "email and phone",
        (false, true) => "email",
        (true, false) => "phone",
        (true, true) => "none",
    }
}

/// An amount's band, two for each power of ten: "EUR 1000 to 3000". From the decimal text, for amounts are never floating numbers.
fn band(currency: &str, amount: &str) -> String {
    let whole = amount.split('.').next().unwrap_or(amount).trim_start_matches('0');
    let zeros = "0".repeat(whole.len().saturating_sub(1));
    match whole.as_bytes().first() {
        None => format!("{currency} below 1"),
        Some(b'1' | b'2') => format!("{currency} 1{zeros} to 3{zeros}"),
        Some(_) => format!("{currency} 3{zeros} to 10{zeros}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_fall_into_bands_of_their_currency() {
        for (amount, expected) in [
            ("0.99", "EUR below 1"),
            ("1", "EUR 1 to 3"),
            ("2999.99", "EUR 1000 to 3000"),
            ("3000", "EUR 3000 to 10000"),
            ("999999999999999.9999", "EUR 300000000000000 to 1000000000000000"),
        ] {
            assert_eq!(band("EUR", amount), expected);
        }
    }

    #[test]
    fn a_value_may_hold_the_sign_between() {
        let fact = Fact::new("attributes.rule", "a=b");
        assert_eq!((fact.variable(), fact.value()), ("attributes.rule", "a=b"));
        assert_eq!(Fact::from_key(fact.key()), Some(fact));
        assert_eq!(Fact::from_key("nothing"), None);
    }
}
