//! What a rule may name besides fields: segments, questions with their choices, currencies. Asked when a rule is written, not when a saved one is loaded.
//! Called by the checker; made by the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use kontor_kit::currency;

use super::error::nearest;

/// Tells whether what a rule names is there; when it is not, what is near, nearest first.
pub trait Catalogue {
    /// "segments/{segment}"
    fn segment(&self, name: &str) -> Result<(), Vec<String>>;
    /// "questions/{question}"
    fn question(&self, name: &str) -> Result<(), Vec<String>>;
    /// A choice of a question that is there.
    fn choice(&self, question: &str, choice: &str) -> Result<(), Vec<String>>;
    /// An ISO 4217 code.
    fn currency(&self, code: &str) -> Result<(), Vec<String>>;
}

/// Has everything: a saved rule stays one when what it names is gone.
#[derive(Debug)]
pub struct Everything;

impl Catalogue for Everything {
    fn segment(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn question(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn choice(&self, _: &str, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn currency(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// Has everything, and keeps which choices of a question a rule names.
#[derive(Debug)]
pub struct Naming<'a> {
    /// "questions/{question}"
    pub question: &'a str,
    /// The choices so far.
    pub choices: RefCell<BTreeSet<String>>,
}

impl Catalogue for Naming<'_> {
    fn segment(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn question(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }

    fn choice(&self, question: &str, choice: &str) -> Result<(), Vec<String>> {
        if question == self.question {
            self.choices.borrow_mut().insert(choice.to_owned());
        }
        Ok(())
    }

    fn currency(&self, _: &str) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// What is there for the author of a rule, and all current currencies.
#[derive(Debug, Default)]
pub struct Known {
    /// Names of the segments that the author may see.
    pub segments: BTreeSet<String>,
    /// Names of the questions, with the ids of their choices in order.
    pub questions: BTreeMap<String, Vec<String>>,
}

impl Catalogue for Known {
    fn segment(&self, name: &str) -> Result<(), Vec<String>> {
        if self.segments.contains(name) { Ok(()) } else { Err(near(name, self.segments.iter())) }
    }

    fn question(&self, name: &str) -> Result<(), Vec<String>> {
        if self.questions.contains_key(name) { Ok(()) } else { Err(near(name, self.questions.keys())) }
    }

    fn choice(&self, question: &str, choice: &str) -> Result<(), Vec<String>> {
        let Some(offered) = self.questions.get(question) else { return Ok(()) };
        if offered.iter().any(|it| it == choice) {
            return Ok(());
        }
        let mut fits = nearest(choice, offered.iter().cloned());
        let rest = offered.iter().filter(|it| !fits.contains(it)).cloned().collect::<Vec<_>>();
        fits.extend(rest);
        Err(fits)
    }

    fn currency(&self, code: &str) -> Result<(), Vec<String>> {
        match currency::scale(code) {
            Some(_) => Ok(()),
            None => Err(currency::nearest(code).into_iter().map(str::to_owned).collect()),
        }
    }
}

/// The nearest names of a collection, by their ids: what all names begin with makes none of them alike.
fn near<'a>(name: &str, all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let start = name.split_once('/').map_or("", |(start, _)| start);
    let id = |name: &str| name.split_once('/').map_or_else(|| name.to_owned(), |(_, id)| id.to_owned());
    nearest(&id(name), all.map(|name| id(name))).into_iter().map(|id| format!("{start}/{id}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_by_their_ids() {
        let known = Known {
            segments: ["segments/customers", "segments/dealers"].map(str::to_owned).into(),
            questions: [("questions/colour".to_owned(), vec!["red".to_owned(), "blue".to_owned()])].into(),
        };
        assert_eq!(known.segment("segments/custmers"), Err(vec!["segments/customers".to_owned()]));
        assert_eq!(known.segment("segments/xyz"), Err(Vec::new()));
        assert_eq!(known.question("questions/color"), Err(vec!["questions/colour".to_owned()]));
        let fits = ["blue", "red"].map(str::to_owned);
        assert_eq!(known.choice("questions/colour", "bleu"), Err(fits.to_vec()));
        assert_eq!(known.currency("EUX"), Err(vec!["EUR".to_owned()]));
        assert_eq!(known.currency("EUR"), Ok(()));
    }
}
