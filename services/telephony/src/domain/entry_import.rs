//! Rows of an import as entries of a list, or why they are none.
//! Called by rpc/entry_import.rs.

use super::call_list::MAX_PRIORITY;
use super::list_entry::{ListEntry, State};
use super::number::{Error as NumberError, PhoneNumber, Region};
use super::zones;

/// Longest name, in characters.
pub const NAME: usize = 200;
/// Longest note, in characters.
pub const NOTE: usize = 10_000;

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Field of the row.
    pub field: &'static str,
    /// For programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Fault {
    fn field(field: &'static str, message: impl Into<String>) -> Fault {
        Fault { field, reason: "INVALID_FIELD", message: message.into() }
    }

    /// Of a text that is no number.
    pub fn number(cause: &NumberError) -> Fault {
        let reason = match cause {
            NumberError::Empty => "EMPTY",
            NumberError::TooLong(_) => "TOO_LONG",
            NumberError::NotANumber { .. } | NumberError::UnknownRegion(_) => "NOT_A_NUMBER",
            NumberError::WrongLength(_) => "WRONG_LENGTH",
        };
        Fault { field: "number", reason, message: cause.to_string() }
    }

    /// Of a number that is not to be called.
    pub fn do_not_call(e164: &str) -> Fault {
        Fault { field: "number", reason: "DO_NOT_CALL", message: format!("{e164} is not to be called") }
    }
}

/// A row as it came.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The number.
    pub number: String,
    /// Name for people.
    pub display_name: String,
    /// "partners/{id}", or empty.
    pub partner: String,
    /// 0 to 9.
    pub priority: i32,
    /// Not before.
    pub due: Option<i64>,
    /// Free text.
    pub note: String,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Id of the list.
    pub list: &'a str,
    /// Of national numbers.
    pub region: Region,
    /// Time zone of numbers of no country.
    pub fallback: &'a str,
    /// Microseconds since 1970 UTC.
    pub now: i64,
}

impl Row {
    /// The entry that the row makes, under this id.
    ///
    /// # Errors
    /// Why it makes none.
    pub fn entry(self, id: String, into: &Target<'_>) -> Result<ListEntry, Fault> {
        let number = PhoneNumber::parse(&self.number, into.region).map_err(|cause| Fault::number(&cause))?;
        check_text("display_name", &self.display_name, NAME)?;
        check_note(&self.note)?;
        if !(0..=MAX_PRIORITY).contains(&self.priority) {
            return Err(Fault::field(
                "priority",
                format!("{} is not between 0 and {MAX_PRIORITY}", self.priority),
            ));
        }
        if !self.partner.is_empty() && kontor_kit::id::parse("partners", &self.partner, "partner").is_err() {
            return Err(Fault::field(
                "partner",
                format!("{:?} is not a name like partners/{{id}}", self.partner),
            ));
        }
        let due = self.due.unwrap_or(into.now).max(into.now);
        let zone_key = zones::key(zones::of_number(number.e164(), into.fallback));
        Ok(ListEntry {
            id,
            version: 1,
            list: into.list.to_owned(),
            number: number.raw().to_owned(),
            e164: number.e164().to_owned(),
            extension: number.extension().unwrap_or_default().to_owned(),
            partner: self.partner,
            display_name: self.display_name.trim().to_owned(),
            priority: self.priority,
            state: State::Open,
            queued: due <= into.now,
            ready: Some(due),
            due: Some(due),
            tries: 0,
            reason: None,
            outcome_time: None,
            cancel: None,
            call_back: None,
            operator: String::new(),
            secret: String::new(),
            dial_time: None,
            opportunity: String::new(),
            call: String::new(),
            note: self.note,
            zone_key,
            create_time: into.now,
            update_time: into.now,
        })
    }
}

fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), Fault> {
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(Fault::field(field, format!("use at most {most} characters on one line")));
    }
    Ok(())
}

/// Checks a note.
///
/// # Errors
/// The fault.
pub fn check_note(note: &str) -> Result<(), Fault> {
    if note.chars().count() > NOTE || note.contains('\0') {
        return Err(Fault::field("note", format!("use at most {NOTE} characters")));
    }
    Ok(())
}

/// Checks a name for people.
///
/// # Errors
/// The fault.
pub fn check_name(name: &str) -> Result<(), Fault> {
    check_text("display_name", name, NAME)
}

/// Fills in what an entry lacks from a double of it: names and partner when they are empty; the higher priority stays. False when that changes nothing.
pub fn merge(entry: &mut ListEntry, double: &ListEntry) -> bool {
    let mut changed = false;
    let texts = [
        (&mut entry.display_name, &double.display_name),
        (&mut entry.partner, &double.partner),
        (&mut entry.extension, &double.extension),
        (&mut entry.note, &double.note),
    ];
    for (own, other) in texts {
        if own.is_empty() && !other.is_empty() {
            own.clone_from(other);
            changed = true;
        }
    }
    if !entry.is_closed() && double.priority > entry.priority {
        entry.priority = double.priority;
        changed = true;
    }
    changed
}
