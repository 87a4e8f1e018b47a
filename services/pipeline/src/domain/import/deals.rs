//! What a row becomes in an import of opportunities.
//! Called by rpc/import.

use std::str::FromStr;

use kontor_kit::{Error, Result};

use super::{
    Columns, Defaults, Kind, Made, Row, Target, full_name, more_tags, set_attribute, tags, with_tags,
};
use crate::domain::csv::Record;
use crate::domain::money::Money;
use crate::domain::opportunity::Details;

/// An opportunity as a row wants it. Its partner is a name, an id or an address, and pipeline and stage are called by name, id or display name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its fields.
    pub details: Details,
    /// As the row calls it, else the run; empty for the default one.
    pub pipeline: String,
    /// Whether the row itself says the pipeline.
    pub own_pipeline: bool,
    /// As the row calls it; empty for the first one.
    pub stage: String,
}

impl Made for Wanted {
    const KIND: Kind = Kind::Opportunities;

    fn read(record: &Record, columns: &Columns, defaults: &Defaults) -> Result<Wanted> {
        let mut wanted = Wanted { pipeline: defaults.pipeline.clone(), ..Wanted::default() };
        let mut made = Details {
            source: defaults.source.clone(),
            assignee: defaults.assignee.clone(),
            team: defaults.team.clone(),
            ..Details::default()
        };
        let (mut amount, mut recurring, mut currency) = ("", "", "");
        for (target, text) in columns.targets().zip(&record.fields) {
            let text = text.trim();
            let or = |default: &String| if text.is_empty() { default.clone() } else { text.to_owned() };
            match target {
                Target::Title => made.title = text.to_owned(),
                // An address is kept as it is, and looked up later.
                Target::Partner if text.contains('@') => made.partner = text.to_owned(),
                Target::Partner => made.partner = full_name("partners", text),
                Target::Pipeline if !text.is_empty() => {
                    (wanted.pipeline, wanted.own_pipeline) = (text.to_owned(), true);
                }
                Target::Stage => wanted.stage = text.to_owned(),
                Target::Amount => amount = text,
                Target::RecurringAmount => recurring = text,
                Target::RecurringMonths => {
                    made.recurring_months = number("recurring_months", text)?.unwrap_or(0)
                }
                Target::Currency => currency = text,
                Target::Probability => made.probability = number("probability", text)?,
                Target::ExpectedCloseDate => made.expected_close_date = text.to_owned(),
                Target::Source => made.source = or(&defaults.source),
                // A file may be saved anew with other ends of lines; that changes nothing.
                Target::Description => made.description = text.replace("\r\n", "\n"),
                Target::Assignee => made.assignee = or(&defaults.assignee),
                Target::Team => made.team = or(&defaults.team),
                Target::Tags => made.tags = tags(text),
                Target::Attribute(key) if !text.is_empty() => {
                    made.attributes.insert(key.clone(), text.to_owned());
                }
                // The fields of a lead are no columns of a file of opportunities.
                _ => {}
            }
        }
        let currency =
            if currency.is_empty() { defaults.currency.clone() } else { currency.to_ascii_uppercase() };
        made.amount = money("amount", amount, &currency)?;
        made.recurring_amount = money("recurring_amount", recurring, &currency)?;
        made.assignee = full_name("users", &made.assignee);
        made.team = full_name("teams", &made.team);
        made.tags = with_tags(made.tags, defaults);
        wanted.details = made.checked()?;
        Ok(wanted)
    }

    fn people(&mut self) -> (&mut String, &mut String) {
        (&mut self.details.assignee, &mut self.details.team)
    }

    fn partner(&mut self) -> Option<&mut String> {
        Some(&mut self.details.partner).filter(|partner| !partner.is_empty())
    }
}

impl Row<Wanted> {
    /// An opportunity that came of an earlier version of this row, with what the file's columns say now. Tags are added, never taken away; an empty
    /// assignee or team says nothing. Its stage is another matter.
    pub fn merged(&self, old: &Details, columns: &Columns) -> Details {
        let (mut merged, new) = (old.clone(), &self.made.details);
        for target in columns.targets() {
            match target {
                Target::Title => merged.title.clone_from(&new.title),
                Target::Partner => merged.partner.clone_from(&new.partner),
                Target::Amount => merged.amount.clone_from(&new.amount),
                Target::RecurringAmount => merged.recurring_amount.clone_from(&new.recurring_amount),
                Target::RecurringMonths => merged.recurring_months = new.recurring_months,
                Target::Probability => merged.probability = new.probability,
                Target::ExpectedCloseDate => {
                    merged.expected_close_date.clone_from(&new.expected_close_date);
                }
                Target::Source => merged.source.clone_from(&new.source),
                Target::Description => merged.description.clone_from(&new.description),
                Target::Assignee if self.own_assignee => merged.assignee.clone_from(&new.assignee),
                Target::Team if self.own_team => merged.team.clone_from(&new.team),
                Target::Tags => merged.tags = more_tags(&old.tags, &new.tags),
                Target::Attribute(key) => {
                    set_attribute(&mut merged.attributes, key, new.attributes.get(key));
                }
                _ => {}
            }
        }
        merged
    }
}

fn money(field: &str, text: &str, currency: &str) -> Result<Option<Money>> {
    if text.is_empty() {
        return Ok(None);
    }
    if currency.is_empty() {
        let message = format!(
            "it is missing, and {field} is {text:?}: name it in the row, or for the whole file (settings.currency_code; `--currency`)"
        );
        return Err(Error::invalid(format!("opportunity.{field}.currency_code"), message));
    }
    Money::parse(&format!("opportunity.{field}"), currency, text).map(Some)
}

fn number<T: FromStr>(field: &str, text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    let shown: String = text.chars().take(40).collect();
    let wrong = |_| Error::invalid(format!("opportunity.{field}"), format!("{shown:?} is no whole number"));
    text.parse().map(Some).map_err(wrong)
}
