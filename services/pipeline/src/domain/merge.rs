//! What a record gets from others that go into it, and how that is taken away again, in any order.
//! Called by rpc/merge_leads.rs and rpc/merge_deals.rs.
//!
//! A record is looked at as its columns of text. Each column, each tag and each attribute is a cell of its own. A merge remembers every cell before and after. To take a
//! merge back, each cell goes along the merges that came later, as if this one had never been: what those gave is reckoned anew. Where somebody changed the
//! cell in between, the change stands.

use std::collections::{BTreeMap, BTreeSet};

use kontor_kit::{Error, Result};

/// Columns of a record and their text.
pub type Texts = BTreeMap<String, String>;

/// Characters of a description at most.
const DESCRIPTION: usize = 100_000;
/// Tags, and attributes, at most.
const LINES: usize = 50;

/// How columns are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// These go together, and come from the first one that has the first of them.
    Fill(&'static [&'static str]),
    /// Texts that are not in it yet are put behind it.
    Append(&'static str),
    /// Lines, each once.
    Union(&'static str),
    /// Lines "key=value": keys that are missing come from the first one that has them.
    Map(&'static str),
}

/// A merge that came to be: the survivor before and after, and what went into it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The survivor before.
    pub before: Texts,
    /// And after.
    pub after: Texts,
    /// What went into it.
    pub others: Vec<Texts>,
}

/// A rule's place and, for lines, the tag or key.
type Place = (usize, String);
/// Empty when a line is not there.
type Cell = Vec<String>;

/// The survivor with what it lacked.
///
/// # Errors
/// FAILED_PRECONDITION with reason TOO_MUCH.
pub fn merge(rules: &[Rule], survivor: &Texts, others: &[Texts]) -> Result<Texts> {
    let own = cells(rules, survivor);
    let theirs: Vec<_> = others.iter().map(|other| cells(rules, other)).collect();
    let places: BTreeSet<&Place> = own.keys().chain(theirs.iter().flat_map(BTreeMap::keys)).collect();
    let mut merged = BTreeMap::new();
    for place in places {
        merged.insert(place.clone(), filled(rules, place, at(&own, place), &theirs));
    }
    let after = texts(rules, survivor, others, &merged);
    check(rules, &after)?;
    Ok(after)
}

/// The survivor without what a merge gave it; `later` are the survivor's merges that came after, in order: they are changed as if that one had never been.
pub fn unmerge(rules: &[Rule], present: &Texts, merge: &Past, later: &mut [Past]) -> Texts {
    let (before, after) = (cells(rules, &merge.before), cells(rules, &merge.after));
    let mut now = cells(rules, present);
    let mut befores: Vec<_> = later.iter().map(|past| cells(rules, &past.before)).collect();
    let mut afters: Vec<_> = later.iter().map(|past| cells(rules, &past.after)).collect();
    let theirs: Vec<Vec<_>> =
        later.iter().map(|past| past.others.iter().map(|other| cells(rules, other)).collect()).collect();
    let places: BTreeSet<&Place> = before.keys().chain(after.keys()).collect();
    for place in places {
        let (mut old, mut new) = (at(&after, place).clone(), at(&before, place).clone());
        let mut is_followed = true;
        for step in 0..befores.len() {
            if *at(&befores[step], place) != old {
                is_followed = false;
                break;
            }
            let was = at(&afters[step], place).clone();
            befores[step].insert(place.clone(), new.clone());
            new = filled(rules, place, &new, &theirs[step]);
            afters[step].insert(place.clone(), new.clone());
            old = was;
        }
        if is_followed && *at(&now, place) == old {
            now.insert(place.clone(), new);
        }
    }
    for (past, (before, after)) in later.iter_mut().zip(befores.into_iter().zip(afters)) {
        past.before = texts(rules, &past.before, &past.others, &before);
        past.after = texts(rules, &past.after, &past.others, &after);
    }
    texts(rules, present, &[], &now)
}

/// Names of the columns that differ.
pub fn changed(first: &Texts, second: &Texts) -> Vec<String> {
    let columns: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    columns.into_iter().filter(|column| first.get(*column) != second.get(*column)).cloned().collect()
}

fn filled(rules: &[Rule], place: &Place, own: &Cell, theirs: &[BTreeMap<Place, Cell>]) -> Cell {
    let has = |cell: &Cell| cell.first().is_some_and(|first| !first.is_empty());
    let mut others = theirs.iter().map(|cells| at(cells, place));
    match rules[place.0] {
        Rule::Fill(_) if has(own) => own.clone(),
        Rule::Fill(_) => others.find(|cell| has(cell)).unwrap_or(own).clone(),
        Rule::Append(_) => {
            let mut text = own.concat();
            for other in others.map(|cell| cell.concat()) {
                if text.is_empty() {
                    text = other;
                } else if !text.contains(&other) {
                    text = format!("{text}\n\n{other}");
                }
            }
            vec![text]
        }
        Rule::Union(_) | Rule::Map(_) if !own.is_empty() => own.clone(),
        Rule::Union(_) | Rule::Map(_) => others.find(|cell| !cell.is_empty()).unwrap_or(own).clone(),
    }
}

fn at<'a>(cells: &'a BTreeMap<Place, Cell>, place: &Place) -> &'a Cell {
    static NONE: Cell = Vec::new();
    cells.get(place).unwrap_or(&NONE)
}

fn cells(rules: &[Rule], texts: &Texts) -> BTreeMap<Place, Cell> {
    let text = |column: &str| texts.get(column).cloned().unwrap_or_default();
    let mut cells = BTreeMap::new();
    for (number, rule) in rules.iter().enumerate() {
        let whole = (number, String::new());
        match rule {
            Rule::Fill(columns) => {
                cells.insert(whole, columns.iter().map(|column| text(column)).collect());
            }
            Rule::Append(column) => {
                cells.insert(whole, vec![text(column)]);
            }
            Rule::Union(column) => {
                cells.extend(text(column).lines().map(|tag| ((number, tag.to_owned()), vec![String::new()])));
            }
            Rule::Map(column) => {
                let pairs = text(column);
                let pairs = pairs.lines().filter_map(|line| line.split_once('='));
                cells.extend(pairs.map(|(key, value)| ((number, key.to_owned()), vec![value.to_owned()])));
            }
        }
    }
    cells
}

/// The cells as columns again. Lines keep the order that they have in `base`, and then in `others`.
fn texts(rules: &[Rule], base: &Texts, others: &[Texts], cells: &BTreeMap<Place, Cell>) -> Texts {
    let mut texts = base.clone();
    for (number, rule) in rules.iter().enumerate() {
        let whole = at(cells, &(number, String::new()));
        match rule {
            Rule::Fill(columns) => {
                for (column, text) in columns.iter().zip(whole) {
                    texts.insert((*column).to_owned(), text.clone());
                }
            }
            Rule::Append(column) => {
                texts.insert((*column).to_owned(), whole.concat());
            }
            Rule::Union(column) => {
                let mut lines: Vec<&str> = Vec::new();
                let known = std::iter::once(base).chain(others).filter_map(|texts| texts.get(*column));
                for line in known.flat_map(|text| text.lines()) {
                    if !lines.contains(&line) && !at(cells, &(number, line.to_owned())).is_empty() {
                        lines.push(line);
                    }
                }
                texts.insert((*column).to_owned(), lines.join("\n"));
            }
            Rule::Map(column) => {
                let of_rule = cells.iter().filter(|((rule, _), cell)| *rule == number && !cell.is_empty());
                let lines: Vec<String> =
                    of_rule.map(|((_, key), cell)| format!("{key}={}", cell.concat())).collect();
                texts.insert((*column).to_owned(), lines.join("\n"));
            }
        }
    }
    texts
}

fn check(rules: &[Rule], after: &Texts) -> Result<()> {
    let fits = rules.iter().all(|rule| match rule {
        Rule::Append(column) => after.get(*column).is_none_or(|text| text.chars().count() <= DESCRIPTION),
        Rule::Union(column) | Rule::Map(column) => {
            after.get(*column).is_none_or(|text| text.lines().count() <= LINES)
        }
        Rule::Fill(_) => true,
    });
    if fits {
        return Ok(());
    }
    let message =
        "together they have more than one holds: 50 tags, 50 attributes, 100,000 characters of description";
    Err(Error::precondition("TOO_MUCH", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rule; 5] = [
        Rule::Fill(&["email"]),
        Rule::Fill(&["phone", "region"]),
        Rule::Append("description"),
        Rule::Union("tags"),
        Rule::Map("attributes"),
    ];

    fn record(
        email: &str,
        phone: &str,
        region: &str,
        description: &str,
        tags: &str,
        attributes: &str,
    ) -> Texts {
        let columns = ["email", "phone", "region", "description", "tags", "attributes"];
        let values = [email, phone, region, description, tags, attributes];
        columns.into_iter().zip(values).map(|(column, text)| (column.to_owned(), text.to_owned())).collect()
    }

    fn done(survivor: &Texts, others: &[Texts]) -> Past {
        let after = merge(&RULES, survivor, others).unwrap();
        Past { before: survivor.clone(), after, others: others.to_vec() }
    }

    #[test]
    fn what_is_missing_comes_from_the_first_that_has_it() {
        let survivor = record("", "", "BE", "one", "b\na", "k=1");
        let others = [
            record("", "", "FR", "one", "c\na", "k=2\nl=3"),
            record("a@x.com", "01 45", "FR", "two", "d", "l=4"),
            record("b@x.com", "02 45", "DE", "two", "", ""),
        ];
        let after = merge(&RULES, &survivor, &others).unwrap();
        assert_eq!(after, record("a@x.com", "01 45", "FR", "one\n\ntwo", "b\na\nc\nd", "k=1\nl=3"));
    }

    #[test]
    fn too_many_tags_are_refused() {
        let many = |from: usize| (from..from + 40).map(|tag| tag.to_string()).collect::<Vec<_>>().join("\n");
        let refused =
            merge(&RULES, &record("", "", "", "", &many(0), ""), &[record("", "", "", "", &many(30), "")]);
        assert_eq!(refused.unwrap_err().reason(), "TOO_MUCH");
        let long = "x".repeat(60_000);
        let refused = merge(
            &RULES,
            &record("", "", "", &long, "", ""),
            &[record("", "", "", &"y".repeat(60_000), "", "")],
        );
        assert_eq!(refused.unwrap_err().reason(), "TOO_MUCH");
    }

    #[test]
    fn merges_taken_back_in_any_order_lead_to_the_start() {
        let start = record("", "", "BE", "", "own", "");
        let others = [
            record("a@x.com", "", "", "one", "t", "k=1"),
            record("a@x.com", "02", "FR", "one", "t\nown", "k=2\nl=1"),
            record("b@x.com", "03", "", "two", "u", "k=1"),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut present = start.clone();
            let mut pasts = Vec::new();
            for (number, other) in others.iter().enumerate() {
                let past = done(&present, std::slice::from_ref(other));
                present = past.after.clone();
                pasts.push((number, past));
            }
            for number in order {
                let at = pasts.iter().position(|(known, _)| *known == number).unwrap();
                let (_, merge) = pasts.remove(at);
                let mut later: Vec<Past> = pasts[at..].iter().map(|(_, past)| past.clone()).collect();
                let after = unmerge(&RULES, &present, &merge, &mut later);
                for ((_, past), changed) in pasts[at..].iter_mut().zip(later) {
                    *past = changed;
                }
                present = after;
                // It is as if that one had never been.
                let mut anew = start.clone();
                for (_, past) in &pasts {
                    anew = super::merge(&RULES, &anew, &past.others).unwrap();
                }
                assert_eq!(present, anew, "{order:?} after {number}");
            }
            assert_eq!(present, start);
        }
    }

    #[test]
    fn what_was_changed_since_stays() {
        let start = record("", "", "", "", "own", "");
        let first = done(&start, &[record("a@x.com", "02", "FR", "one", "t\nu", "k=1")]);
        let mut present = first.after.clone();
        for (column, text) in [("email", "new@x.com"), ("tags", "own\nu\nmine")] {
            present.insert(column.to_owned(), text.to_owned());
        }
        let second = done(&present, &[record("c@x.com", "", "", "two", "t", "k=2")]);
        let mut later = [second.clone()];
        let after = unmerge(&RULES, &second.after, &first, &mut later);
        assert_eq!(after, record("new@x.com", "", "", "two", "own\nmine\nt", "k=2"));
        let after = unmerge(&RULES, &after, &later[0], &mut []);
        assert_eq!(
            (after["email"].as_str(), after["tags"].as_str(), after["description"].as_str()),
            ("new@x.com", "own\nmine", "")
        );
    }
}
