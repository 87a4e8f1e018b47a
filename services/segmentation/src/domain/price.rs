//! Price lists: their form, and which of several prices counts and why.
//! Called by rpc/price_list.rs.

use std::cmp::Reverse;

use kontor_kit::{Error, Result, currency};

use super::money;
use super::segment::check_name;

/// Items of a list at most.
const ITEMS: usize = 2_000;

/// A price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// Id of the segment; empty for everybody.
    pub segment: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The highest counts.
    pub priority: i32,
    /// Valid from here on.
    pub start_time: Option<i64>,
    /// Valid before here.
    pub end_time: Option<i64>,
    /// Prices.
    pub items: Vec<Item>,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
}

/// The price of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The product.
    pub product: String,
    /// Ten-thousandths.
    pub price: i64,
    /// From so many on.
    pub min_quantity: i32,
    /// Valid from here on.
    pub start_time: Option<i64>,
    /// Valid before here.
    pub end_time: Option<i64>,
}

impl PriceList {
    /// Checks all of it but that its segment is there.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        check_name("price_list.display_name", &self.display_name)?;
        currency::check("price_list.currency_code", &self.currency)?;
        if !(-1_000..=1_000).contains(&self.priority) {
            return Err(Error::invalid("price_list.priority", "use -1,000 to 1,000"));
        }
        check_span("price_list.end_time", self.start_time, self.end_time)?;
        if self.items.len() > ITEMS {
            return Err(Error::invalid("price_list.items", format!("at most {ITEMS} items")));
        }
        for (place, item) in self.items.iter().enumerate() {
            item.check(&format!("price_list.items[{place}]"))?;
        }
        self.check_overlaps()
    }

    /// Two prices of one product for the same quantity at the same time would leave it to chance.
    fn check_overlaps(&self) -> Result<()> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        let key = |place: &usize| {
            let item = &self.items[*place];
            (&item.product, item.min_quantity, item.start_time.unwrap_or(i64::MIN))
        };
        order.sort_by(|one, other| key(one).cmp(&key(other)));
        for pair in order.windows(2) {
            let (one, other) = (&self.items[pair[0]], &self.items[pair[1]]);
            let same = one.product == other.product && one.min_quantity == other.min_quantity;
            if same && one.end_time.unwrap_or(i64::MAX) > other.start_time.unwrap_or(i64::MIN) {
                let (first, second) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
                let message =
                    format!("{:?} has two prices at the same time, here and in items[{first}]", one.product);
                return Err(Error::invalid(format!("price_list.items[{second}]"), message));
            }
        }
        Ok(())
    }
}

impl Item {
    fn check(&self, field: &str) -> Result<()> {
        let product = &self.product;
        let length = product.chars().count();
        if !(1..=200).contains(&length) || product.trim().is_empty() || product.chars().any(char::is_control)
        {
            let message = "write 1 to 200 characters on one line";
            return Err(Error::invalid(format!("{field}.product"), message));
        }
        if self.min_quantity < 1 {
            return Err(Error::invalid(format!("{field}.min_quantity"), "it can't be negative"));
        }
        check_span(&format!("{field}.end_time"), self.start_time, self.end_time)
    }
}

fn check_span(field: &str, start: Option<i64>, end: Option<i64>) -> Result<()> {
    match (start, end) {
        (Some(start), Some(end)) if end <= start => {
            Err(Error::invalid(field, "it must be behind start_time"))
        }
        _ => Ok(()),
    }
}

/// A price that might count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Id of the list.
    pub list: String,
    /// Its name for people.
    pub display_name: String,
    /// Id of its segment; empty for everybody.
    pub segment: String,
    /// Its priority.
    pub priority: i32,
    /// Ten-thousandths.
    pub price: i64,
}

/// Puts the candidates in order, the one that counts first, and says of each why it stands where it stands.
pub fn choose(mut candidates: Vec<Candidate>, code: &str) -> Vec<(Candidate, String)> {
    candidates.sort_by(|one, other| {
        let key = |it: &Candidate| (Reverse(it.priority), it.price);
        key(one).cmp(&key(other)).then_with(|| one.list.cmp(&other.list))
    });
    let Some(first) = candidates.first().cloned() else { return Vec::new() };
    let second = candidates.get(1).cloned();
    let reasons: Vec<String> = candidates
        .iter()
        .enumerate()
        .map(|(place, it)| if place == 0 { won(it, second.as_ref(), code) } else { lost(it, &first, code) })
        .collect();
    candidates.into_iter().zip(reasons).collect()
}

fn won(it: &Candidate, second: Option<&Candidate>, code: &str) -> String {
    let name = &it.display_name;
    match second {
        None => format!("{name} is the only list with a price"),
        Some(second) if second.priority < it.priority => {
            format!(
                "{name} has priority {}, higher than {} with {}",
                it.priority, second.display_name, second.priority
            )
        }
        Some(second) if second.price > it.price => format!(
            "{name} has the lowest price of those with priority {}: {} before {} of {}",
            it.priority,
            money::text(it.price.into(), code),
            money::text(second.price.into(), code),
            second.display_name
        ),
        Some(second) => {
            format!(
                "{name} has the same priority and price as {}, and its name comes first",
                second.display_name
            )
        }
    }
}

fn lost(it: &Candidate, first: &Candidate, code: &str) -> String {
    if it.priority < first.priority {
        format!("priority {} is lower than {} of {}", it.priority, first.priority, first.display_name)
    } else if it.price > first.price {
        let (own, better) = (money::text(it.price.into(), code), money::text(first.price.into(), code));
        format!("same priority, and {own} is more than {better} of {}", first.display_name)
    } else {
        format!("same priority and price as {}, whose name comes first", first.display_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(list: &str, priority: i32, price: i64) -> Candidate {
        Candidate { list: list.into(), display_name: list.into(), segment: String::new(), priority, price }
    }

    #[test]
    fn priority_then_price_then_name_and_each_says_why() {
        let all = vec![
            candidate("c", 1, 90_000),
            candidate("b", 2, 120_000),
            candidate("a", 2, 120_000),
            candidate("d", 2, 130_000),
        ];
        let chosen = choose(all, "EUR");
        let order: Vec<&str> = chosen.iter().map(|(it, _)| it.list.as_str()).collect();
        assert_eq!(order, ["a", "b", "d", "c"]);
        assert_eq!(chosen[0].1, "a has the same priority and price as b, and its name comes first");
        assert_eq!(chosen[2].1, "same priority, and 13.00 is more than 12.00 of a");
        assert_eq!(chosen[3].1, "priority 1 is lower than 2 of a");
        assert_eq!(choose(Vec::new(), "EUR"), []);
    }
}
