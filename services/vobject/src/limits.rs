//! How much of everything a text may have before it is refused.
//! Handed to `Document::parse` by whoever takes bytes from outside.

/// Caps on one text. Each is checked while reading, before memory is spent on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the whole text in bytes.
    pub bytes: usize,
    /// Components inside one another; a VALARM in a VEVENT in a VCALENDAR is 3.
    pub depth: usize,
    /// Physical lines, counting every fold.
    pub lines: usize,
    /// Components in the whole text.
    pub components: usize,
    /// Properties of one component, without those of the components inside it.
    pub properties_per_component: usize,
    /// Parameters of one property.
    pub parameters_per_property: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 10 * 1024 * 1024,
            depth: 16,
            lines: 200_000,
            components: 50_000,
            properties_per_component: 20_000,
            parameters_per_property: 100,
        }
    }
}
