//! Filters of RFC 4791 9.7 and RFC 6352 10.5: checked at the door, then asked of each candidate that SQL could not decide.
//! Called by `rpc` and `store::query`.

mod card;
mod component;
mod text;

use jiff::Timestamp;
use kontor_kit::{Error, Result, clock};
use kontor_proto::collection::v1 as proto;
use kontor_vobject::recur::Budget;
use kontor_vobject::zone::Zone;
use kontor_vobject::{Document, Limits};

use crate::model::Kind;

pub(crate) use card::{Needle, Part, needles};

/// Component filters in component filters at most.
const DEPTH: usize = 4;
/// Tests in one filter at most.
const TESTS: usize = 200;
/// Longest text of a test, in bytes.
const TEXT: usize = 1_000;
/// Steps that the expansions of one query may cost, and those of one object. Behind them an object counts as matching.
const STEPS: u64 = 4_000_000;
const OBJECT_STEPS: u64 = 100_000;

/// A range of time in microseconds UTC, end exclusive. Open ends are the smallest and greatest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Start.
    pub from: i64,
    /// End.
    pub to: i64,
}

impl Range {
    fn read(range: &proto::TimeRange) -> Result<Range> {
        let from = range.start_time.as_ref().map_or(i64::MIN, clock::from_proto);
        let to = range.end_time.as_ref().map_or(i64::MAX, clock::from_proto);
        if from < to { Ok(Range { from, to }) } else { Err(invalid("a time range ends before it starts")) }
    }

    /// Whether a moment is in it.
    fn holds(self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// As instants, held inside the years that can be.
    pub(crate) fn instants(self) -> (Timestamp, Timestamp) {
        let at = |micros: i64| {
            let limit = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
            Timestamp::from_microsecond(micros).unwrap_or(limit)
        };
        (at(self.from), at(self.to))
    }
}

/// A query that was checked.
pub struct Question {
    filter: Filter,
    /// The component that all hits have, when the filter says so.
    pub(crate) component: Option<String>,
    /// The range that all hits overlap, when the filter says so.
    pub(crate) range: Option<Range>,
    /// Whether bodies must be read to know.
    pub(crate) residual: bool,
    /// Whether nothing can match.
    pub(crate) nothing: bool,
    /// Zone of floating times and days.
    pub(crate) zone: Zone,
    asked_zone: String,
    steps: u64,
}

enum Filter {
    Calendar(proto::ComponentFilter),
    Card(proto::CardFilter),
    All,
}

impl Question {
    /// Checks a request. Without a filter all objects match.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason VALID_FILTER, or SUPPORTED_FILTER for what no query here can answer.
    pub fn of(request: &proto::QueryObjectsRequest, kind: Kind) -> Result<Question> {
        let mut question = Question {
            filter: Filter::All,
            component: None,
            range: None,
            residual: false,
            nothing: false,
            zone: Zone::UTC,
            asked_zone: request.time_zone.clone(),
            steps: STEPS,
        };
        match (kind, &request.component_filter, &request.card_filter) {
            (Kind::Calendar, Some(filter), None) => question.read_calendar(filter)?,
            (Kind::AddressBook, None, Some(filter)) => question.read_card(filter)?,
            (_, None, None) => {}
            _ => return Err(invalid("the filter is for collections of another kind")),
        }
        Ok(question)
    }

    /// Asks only for a component, which may be empty for any, and a range.
    pub(crate) fn in_range(component: &str, range: Range, zone: &Zone) -> Question {
        Question {
            filter: Filter::All,
            component: (!component.is_empty()).then(|| component.to_owned()),
            range: Some(range),
            residual: false,
            nothing: false,
            zone: zone.clone(),
            asked_zone: String::new(),
            steps: STEPS,
        }
    }

    /// The question with the zone that it names, else with the collection's.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with reason VALID_DATA for a time zone that can't be read; those of `collections`.
    pub fn in_zone(mut self, collections: impl FnOnce() -> Result<Zone>) -> Result<Question> {
        self.zone = if self.asked_zone.trim().is_empty() {
            collections()?
        } else {
            let unread =
                || Error::new(tonic::Code::InvalidArgument, "VALID_DATA", "the time zone can't be read");
            zone(&self.asked_zone).ok_or_else(unread)?
        };
        Ok(self)
    }

    fn read_calendar(&mut self, filter: &proto::ComponentFilter) -> Result<()> {
        component::check(filter)?;
        if !filter.name.eq_ignore_ascii_case("VCALENDAR") {
            self.nothing = !filter.is_not_defined;
            return Ok(());
        }
        self.nothing = filter.is_not_defined;
        match filter.components.as_slice() {
            [only] if !only.is_not_defined => {
                self.component = Some(only.name.to_ascii_uppercase());
                self.range = only.time_range.as_ref().map(Range::read).transpose()?;
                self.residual = !only.properties.is_empty() || !only.components.is_empty();
            }
            [] => {}
            _ => self.residual = true,
        }
        self.residual |= !filter.properties.is_empty() || filter.time_range.is_some();
        self.filter = Filter::Calendar(filter.clone());
        Ok(())
    }

    fn read_card(&mut self, filter: &proto::CardFilter) -> Result<()> {
        let mut tests = 0;
        check_properties(&filter.properties, &mut tests)?;
        self.residual = !filter.properties.is_empty();
        self.filter = Filter::Card(filter.clone());
        Ok(())
    }

    /// The card filter, if it is one.
    pub(crate) fn card(&self) -> Option<&proto::CardFilter> {
        match &self.filter {
            Filter::Card(filter) => Some(filter),
            _ => None,
        }
    }

    /// Whether an object's bytes match. What was stored can be read; should it not, it matches nothing.
    pub(crate) fn matches(&mut self, data: &[u8]) -> bool {
        let Ok(document) = Document::parse(data, &Limits::default()) else { return false };
        match &self.filter {
            Filter::All => true,
            Filter::Card(filter) => card::matches(&document, filter),
            Filter::Calendar(filter) => {
                let mut budget = Budget::new(self.steps.min(OBJECT_STEPS));
                let before = budget.left();
                let outcome = component::matches(&document, filter, &self.zone, &mut budget);
                self.steps -= before - budget.left();
                outcome
            }
        }
    }

    /// Whether anything of an object overlaps the range, for those that the index does not tell.
    pub(crate) fn overlaps(&mut self, data: &[u8], range: Range) -> bool {
        let Ok(document) = Document::parse(data, &Limits::default()) else { return false };
        let mut budget = Budget::new(self.steps.min(OBJECT_STEPS));
        let before = budget.left();
        let outcome = component::overlaps(&document, range, &self.zone, &mut budget);
        self.steps -= before - budget.left();
        outcome
    }
}

/// A zone from an IANA name or from the text of a VTIMEZONE, bare or in its VCALENDAR. None for every other text.
pub fn zone(text: &str) -> Option<Zone> {
    Zone::of_text(text)
}

fn check_properties(properties: &[proto::PropertyFilter], tests: &mut usize) -> Result<()> {
    for property in properties {
        *tests += 1 + property.text_matches.len() + property.parameters.len();
        if *tests > TESTS {
            return Err(invalid(format!("a filter has at most {TESTS} tests")));
        }
        if let Some(range) = &property.time_range {
            Range::read(range)?;
        }
        let of_parameters = property.parameters.iter().filter_map(|parameter| parameter.text_match.as_ref());
        if property.text_matches.iter().chain(of_parameters).any(|test| test.text.len() > TEXT) {
            return Err(invalid(format!("a text to look for has at most {TEXT} bytes")));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(tonic::Code::InvalidArgument, "VALID_FILTER", message)
}
