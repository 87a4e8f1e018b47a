//! A next step of an opportunity as a task (VTODO): the text that the server makes, and what a user changed in it.
//! Called by next_steps.rs.

use jiff::civil::Date;
use kontor_kit::mask::Mask;
use kontor_kit::{Error, Result};
use kontor_vobject::ContentLine;
use kontor_vobject::ical::{Item, ItemKind};
use kontor_vobject::recur::day;
use kontor_vobject::value::DateValue;
use kontor_vobject::zone::{Zone, Zones};

use super::task::{self, Task};
use super::{text, time};

const END: &str = "\r\n";

/// What a step and its task have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// SUMMARY.
    pub title: String,
    /// DESCRIPTION.
    pub note: String,
    /// DUE.
    pub due: Due,
    /// Whether it is done.
    pub done: bool,
}

/// By when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// In the course of a day.
    Day(Date),
    /// At an instant: seconds UTC.
    At(i64),
}

impl Due {
    fn value(self) -> DateValue {
        match self {
            Due::Day(day) => DateValue::Date(day),
            Due::At(at) => DateValue::Utc(day::date_time(at)),
        }
    }
}

/// What a user changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The new title.
    pub title: Option<String>,
    /// The new note.
    pub note: Option<String>,
    /// The new due.
    pub due: Option<Due>,
    /// Whether it is done now.
    pub done: bool,
}

impl Changes {
    /// Whether the step stays as it is.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

/// The text of a new task. `stamped` is when the pipeline said so, in microseconds UTC.
pub fn create(opportunity: &str, uid: &str, step: &Step, stamped: i64) -> String {
    let stamp = DateValue::Utc(time::stamp(stamped));
    let mut lines = vec![
        ContentLine::new("BEGIN", "VCALENDAR"),
        ContentLine::new("VERSION", "2.0"),
        ContentLine::new("PRODID", kontor_vobject::write::PRODUCT),
        ContentLine::new("BEGIN", "VTODO"),
        ContentLine::text("UID", uid),
        ContentLine::date("DTSTAMP", &stamp),
        ContentLine::date("CREATED", &stamp),
        ContentLine::text("SUMMARY", &step.title),
    ];
    if !step.note.is_empty() {
        lines.push(ContentLine::text("DESCRIPTION", &step.note));
    }
    lines.push(ContentLine::date("DUE", &step.due.value()));
    if step.done {
        lines.push(ContentLine::new("STATUS", "COMPLETED"));
        lines.push(ContentLine::date("COMPLETED", &stamp));
        lines.push(ContentLine::new("PERCENT-COMPLETE", "100"));
    } else {
        lines.push(ContentLine::new("STATUS", "NEEDS-ACTION"));
    }
    lines.push(ContentLine::new("X-KONTOR-OPPORTUNITY", opportunity));
    lines.push(ContentLine::new("END", "VTODO"));
    lines.push(ContentLine::new("END", "VCALENDAR"));
    lines.iter().map(|line| line.write(END)).collect()
}

/// The text with the step as it is now, in the lines that differ; the same bytes when nothing does.
///
/// # Errors
/// INVALID_ARGUMENT when the lines of the user can't be kept, for example a start of another kind than the new due.
pub fn update(bytes: &[u8], step: &Step, zone: &Zone, now: i64) -> Result<Vec<u8>> {
    let present = read_loosely(bytes, zone)?;
    let mut fields = Vec::new();
    for (field, differs) in [
        ("summary", present.title != step.title),
        ("description", present.note != step.note),
        ("due", present.due != Some(step.due)),
        ("complete_time", present.done != step.done),
    ] {
        if differs {
            fields.push(field.to_owned());
        }
    }
    if fields.is_empty() {
        return Ok(bytes.to_vec());
    }
    let task = Task {
        summary: step.title.clone(),
        description: step.note.clone(),
        due: Some(step.due.value()),
        completed: step.done.then_some(now),
        ..Task::default()
    };
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    task::update(bytes, &task, &Mask::read(None, &task::FIELDS, &fields)?, zone, now)
}

/// What a user changed from one text to the other.
///
/// # Errors
/// PERMISSION_DENIED for what a step can't be.
pub fn changes(before: &[u8], after: &[u8], zone: &Zone) -> Result<Changes> {
    let (old, new) = (read_loosely(before, zone)?, read_loosely(after, zone)?);
    if new.recurs {
        return Err(refused("a next step happens once: take the repetition away"));
    }
    if new.cancelled && !old.cancelled {
        return Err(refused(
            "a next step is given up at its opportunity: complete it here, or drop it there",
        ));
    }
    if old.done {
        // Alarms and the like may change; the step is closed.
        return if new.done {
            Ok(Changes::default())
        } else {
            Err(refused("a next step that is done stays done"))
        };
    }
    let good = (1..=500).contains(&new.title.chars().count()) && !new.title.chars().any(char::is_control);
    if !good {
        return Err(refused("a next step has a title of at most 500 characters on one line"));
    }
    if new.note.chars().count() > 100_000 || new.note.contains('\0') {
        return Err(refused("the text of a next step has at most 100000 characters"));
    }
    let Some(due) = new.due else {
        return Err(refused("a next step is due at some time between 1971 and 9998"));
    };
    Ok(Changes {
        title: (old.title != new.title).then_some(new.title),
        note: (old.note != new.note).then_some(new.note),
        due: (old.due != Some(due)).then_some(due),
        done: new.done,
    })
}

fn refused(message: &str) -> Error {
    Error::denied(message)
}

/// A task as it was written.
struct Loose {
    title: String,
    note: String,
    /// None when it is missing or far away.
    due: Option<Due>,
    done: bool,
    cancelled: bool,
    recurs: bool,
}

fn read_loosely(bytes: &[u8], zone: &Zone) -> Result<Loose> {
    let (document, object) = text::stored(bytes)?;
    let mut zones = Zones::of(&document, zone.clone());
    let item: &Item = object.first();
    let is_task = item.kind == ItemKind::Todo;
    let near = |value: &&DateValue| is_task && (1971..=9998).contains(&value.civil().year());
    let due = item.due.as_ref().filter(near).map(|value| match value {
        DateValue::Date(day) => Due::Day(*day),
        value => Due::At(time::seconds(value, &mut zones)),
    });
    Ok(Loose {
        title: item.summary.as_deref().unwrap_or_default().trim().to_owned(),
        note: item.description.clone().unwrap_or_default(),
        due,
        done: item.completed.is_some() || item.status.as_deref() == Some("COMPLETED"),
        cancelled: item.status.as_deref() == Some("CANCELLED"),
        recurs: !item.rules.is_empty() || !item.dates.is_empty() || item.recurrence_id.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        Step {
            title: "Call, and \"ask\"".to_owned(),
            note: "two\nlines".to_owned(),
            due: Due::Day(Date::constant(2026, 11, 30)),
            done: false,
        }
    }

    fn made(step: &Step) -> String {
        create("opportunities/7", "9", step, 1_700_000_000_000_000)
    }

    #[test]
    fn a_made_task_says_what_the_step_is() {
        let text = made(&step());
        for line in [
            "UID:9\r\n",
            "SUMMARY:Call\\, and \"ask\"\r\n",
            "DESCRIPTION:two\\nlines\r\n",
            "DUE;VALUE=DATE:20261130\r\n",
            "STATUS:NEEDS-ACTION\r\n",
            "X-KONTOR-OPPORTUNITY:opportunities/7\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(update(text.as_bytes(), &step(), &Zone::UTC, 0).expect("a text"), text.as_bytes());
        let none = changes(text.as_bytes(), text.as_bytes(), &Zone::UTC).expect("no change");
        assert!(none.is_empty());
    }

    #[test]
    fn an_update_changes_its_lines_and_keeps_those_of_the_user() {
        let text = made(&step()).replace("END:VTODO", "X-OWN:kept\r\nPRIORITY:1\r\nEND:VTODO");
        let later = Step { title: "Write".to_owned(), due: Due::At(1_800_000_000), done: true, ..step() };
        let changed = update(text.as_bytes(), &later, &Zone::UTC, 1_790_000_000_000_000).expect("a text");
        let changed = String::from_utf8(changed).expect("a text");
        for line in [
            "SUMMARY:Write\r\n",
            "DUE:20270115T080000Z\r\n",
            "STATUS:COMPLETED\r\n",
            "X-OWN:kept\r\n",
            "PRIORITY:1\r\n",
        ] {
            assert!(changed.contains(line), "{line} in {changed}");
        }
        let found = changes(text.as_bytes(), changed.as_bytes(), &Zone::UTC).expect("changes");
        let expected = Changes {
            title: Some("Write".to_owned()),
            note: None,
            due: Some(Due::At(1_800_000_000)),
            done: true,
        };
        assert_eq!(found, expected);
        assert_eq!(update(changed.as_bytes(), &later, &Zone::UTC, 0).expect("a text"), changed.as_bytes());
    }

    #[test]
    fn what_a_step_cannot_be_is_refused() {
        let text = made(&step());
        let done = made(&Step { done: true, ..step() });
        let without =
            |line: &str| text.lines().filter(|it| !it.starts_with(line)).collect::<Vec<_>>().join("\r\n");
        for (before, after) in [
            (
                &text,
                text.replace("END:VTODO", "DTSTART;VALUE=DATE:20261120\r\nRRULE:FREQ=DAILY\r\nEND:VTODO"),
            ),
            (&text, without("SUMMARY")),
            (&text, without("DUE")),
            (&text, text.replace("DATE:20261130", "DATE:00261130")),
            (&text, text.replace("NEEDS-ACTION", "CANCELLED")),
            (&done, text.clone()),
        ] {
            let refused = changes(before.as_bytes(), after.as_bytes(), &Zone::UTC).expect_err("refused");
            assert_eq!(refused.reason(), "PERMISSION_DENIED", "{after}");
        }
    }
}
