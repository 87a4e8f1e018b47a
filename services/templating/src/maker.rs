//! What a letter is made with: the data of one recipient, put together and checked, and the template of a document.
//! Called by the preview and the merges.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kontor_kit::context::Company;
use kontor_kit::{Error, Result};
use kontor_proto::templating::v1 as proto;

use crate::domain::{Fields, Locale, Record, Template, Value, data, declared};

/// All that is the same for the letters of a preview or a merge, or for the messages of a call.
pub struct Maker<T = Arc<Template>> {
    /// The compiled template.
    pub template: T,
    /// What it declares.
    declared: Fields,
    /// Values for all letters.
    shared: Record,
    sender: Record,
    company: Record,
    company_locale: Locale,
    /// Tag of all letters, or none.
    locale: Option<Locale>,
    /// What letters show as now.
    pub now: DateTime,
}

/// One recipient's data.
pub struct Data {
    /// For the engine.
    pub record: Record,
    /// Its locale.
    pub locale: Locale,
}

/// Reads the tag of a locale; empty is none.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn locale(field: &str, tag: &str) -> Result<Option<Locale>> {
    if tag.is_empty() {
        return Ok(None);
    }
    Locale::parse(tag).map(Some).ok_or_else(|| {
        let known: Vec<_> = Locale::all().collect();
        Error::invalid(
            field,
            format!("{tag:?} is no language that letters are written in: {}", known.join(", ")),
        )
    })
}

/// Whether letters of a template show the partner's photo, which costs to look up.
///
/// # Errors
/// Those of damaged declarations.
pub fn shows_photo(template: &Template, declared: &declared::Declared) -> Result<bool> {
    Ok(!template.check(&declared.with_standard(false)?).is_empty())
}

impl<T> Maker<T> {
    /// For the letters of a template.
    ///
    /// # Errors
    /// Those of values that are damaged.
    pub fn new(
        template: T,
        declared: Fields,
        (shared, sender): (&proto::Fields, &proto::Fields),
        locale: Option<Locale>,
        (company, zone): (&Company, &TimeZone),
        now: i64,
    ) -> Result<Maker<T>> {
        let company_locale = Locale::parse(&company.locale).unwrap_or_else(Locale::english);
        let record = Record::new()
            .with("name", company.name.as_str())
            .with("currency", company.currency.as_str())
            .with("language", company_locale.tag())
            .with("region", company.region.as_str())
            .with("time_zone", company.time_zone.as_str());
        let now = Timestamp::from_microsecond(now).map_err(Error::internal)?;
        Ok(Maker {
            template,
            declared,
            shared: data::record(shared, "fields")?,
            sender: data::record(sender, "user")?,
            company: record,
            company_locale,
            locale,
            now: zone.to_datetime(now),
        })
    }

    /// Puts a letter's data together.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field below `field` that is missing or of another kind than the template declares.
    pub fn data(
        &self,
        partner: Option<&proto::Fields>,
        own: &proto::Fields,
        locale: Option<Locale>,
        field: &str,
    ) -> Result<Data> {
        let mut record = data::over(&self.shared, &data::record(own, field)?);
        declared::fit(&self.declared, &record, "").map_err(|(path, message)| {
            let path = if field.is_empty() { path } else { format!("{field}.{path}") };
            Error::invalid(path, message)
        })?;
        let partner = match partner {
            Some(fields) => data::record(fields, "partner")?,
            None => declared::nobody(),
        };
        let language = match partner.get("language") {
            Some(Value::Text(tag)) => Locale::parse(tag),
            _ => None,
        };
        let locale = locale.or(self.locale).or(language).unwrap_or(self.company_locale);
        record.set("partner", partner);
        record.set("user", self.sender.clone());
        record.set("company", self.company.clone());
        Ok(Data { record, locale })
    }
}
