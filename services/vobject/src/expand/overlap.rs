//! When a component overlaps a range: the tables of RFC 4791 9.9.
//! Called by `expand` for each instance.

/// Which row of the tables holds for a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// VEVENT and VJOURNAL.
    Event,
    /// VTODO with DTSTART and DURATION.
    StartAndDuration,
    /// VTODO with DTSTART and DUE.
    StartAndDue,
    /// VTODO with DTSTART alone.
    StartOnly,
    /// VTODO with DUE alone; start and end are both DUE.
    DueOnly,
}

/// Whether an instance from `start` to `end` overlaps `[from, to)`; all in seconds UTC.
pub(super) fn overlaps(shape: Shape, start: i64, end: i64, from: i64, to: i64) -> bool {
    match shape {
        Shape::Event if start < end => from < end && to > start,
        Shape::Event | Shape::StartOnly => from <= start && to > start,
        Shape::StartAndDuration => from <= end && (to > start || to >= end),
        Shape::StartAndDue => (from < end || from <= start) && (to > start || to >= end),
        Shape::DueOnly => from < end && to >= end,
    }
}

/// A VTODO without DTSTART and DUE.
#[derive(Debug, Clone, Default)]
pub(super) struct Undated {
    /// Seconds UTC.
    pub completed: Option<i64>,
    /// Seconds UTC.
    pub created: Option<i64>,
}

impl Undated {
    pub(super) fn overlaps(&self, from: i64, to: i64) -> bool {
        match (self.completed, self.created) {
            (Some(completed), Some(created)) => {
                (from <= created || from <= completed) && (to >= created || to >= completed)
            }
            (Some(completed), None) => from <= completed && to >= completed,
            (None, Some(created)) => to > created,
            (None, None) => true,
        }
    }
}
