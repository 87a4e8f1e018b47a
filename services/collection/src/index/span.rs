//! One occurrence as the table has it: a class by length and a half-open range that answers RFC 4791 9.9 by comparison alone.
//! Made by `index::calendar`; the classes are read by `store::query`.

const DAY: i64 = 86_400 * 1_000_000;

/// Length up to which an occurrence is in class 0, 1 and 2 (microseconds). A query looks back by it from its start.
pub(crate) const REACH: [i64; 3] = [DAY + 2, 31 * DAY + 2, i64::MAX];

/// Classes of floating times begin here.
const FLOATING: i64 = 3;

/// An occurrence from `start` to `end`, microseconds UTC (floating: as if the wall were UTC). It overlaps `[from, to)` when
/// `start < to` and `end > from`; whoever makes it moves an end by a microsecond where the RFC counts touching as overlapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// 0, 1, 2 by length; plus 3 for floating times.
    pub class: i64,
    /// Start.
    pub start: i64,
    /// End; after the start.
    pub end: i64,
}

impl Span {
    pub(crate) fn new(start: i64, end: i64, floating: bool) -> Span {
        let length = end.saturating_sub(start);
        let class = if length <= REACH[0] {
            0
        } else if length <= REACH[1] {
            1
        } else {
            2
        };
        Span { class: class + if floating { FLOATING } else { 0 }, start, end }
    }
}
