//! What a row becomes in an import of leads.
//! Called by rpc/import.

use kontor_kit::{Error, Result};

use super::{
    Columns, Defaults, Kind, Made, Row, Target, full_name, more_tags, set_attribute, tags, with_tags,
};
use crate::domain::csv::Record;
use crate::domain::lead::{Details, State};
use crate::domain::text;

impl Made for Details {
    const KIND: Kind = Kind::Leads;

    fn read(record: &Record, columns: &Columns, defaults: &Defaults) -> Result<Details> {
        let mut made = Details {
            source: defaults.source.clone(),
            region: defaults.region.clone(),
            assignee: defaults.assignee.clone(),
            team: defaults.team.clone(),
            state: State::Open,
            ..Details::default()
        };
        for (target, text) in columns.targets().zip(&record.fields) {
            let text = text.trim();
            let or = |default: &String| if text.is_empty() { default.clone() } else { text.to_owned() };
            match target {
                Target::Title => made.title = text.to_owned(),
                Target::ContactName => made.contact_name = text.to_owned(),
                Target::CompanyName => made.company_name = text.to_owned(),
                Target::Email => made.email = text.to_owned(),
                Target::Phone if text::says_nothing(text) => {}
                Target::Phone => made.phone = text.to_owned(),
                Target::Region => made.region = or(&defaults.region),
                Target::Source => made.source = or(&defaults.source),
                // A file may be saved anew with other ends of lines; that changes nothing.
                Target::Description => made.description = text.replace("\r\n", "\n"),
                Target::Assignee => made.assignee = or(&defaults.assignee),
                Target::Team => made.team = or(&defaults.team),
                Target::Tags => made.tags = tags(text),
                Target::Attribute(_) if text.is_empty() => {}
                Target::Attribute(key) => drop(made.attributes.insert(key.clone(), text.to_owned())),
                // The fields of an opportunity are no columns of a file of leads.
                _ => {}
            }
        }
        made.assignee = full_name("users", &made.assignee);
        made.team = full_name("teams", &made.team);
        if !columns.has(&Target::Title) {
            let title = made.partner_name().map(str::to_owned);
            made.title = title.ok_or_else(|| {
                Error::invalid(
                    "lead.title",
                    "the file has no such column, and nothing in this row can stand for it",
                )
            })?;
        }
        made.tags = with_tags(made.tags, defaults);
        made.checked_new()
    }

    fn people(&mut self) -> (&mut String, &mut String) {
        (&mut self.assignee, &mut self.team)
    }
}

impl Row<Details> {
    /// A lead that came of an earlier version of this row, with what the file's columns say now. Tags are added, never taken away; an empty
    /// assignee or team says nothing.
    pub fn merged(&self, old: &Details, columns: &Columns) -> Details {
        let (mut merged, new) = (old.clone(), &self.made);
        for target in columns.targets() {
            match target {
                Target::Title => merged.title.clone_from(&new.title),
                Target::ContactName => merged.contact_name.clone_from(&new.contact_name),
                Target::CompanyName => merged.company_name.clone_from(&new.company_name),
                Target::Email => merged.email.clone_from(&new.email),
                Target::Phone => merged.phone.clone_from(&new.phone),
                Target::Region => merged.region.clone_from(&new.region),
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
