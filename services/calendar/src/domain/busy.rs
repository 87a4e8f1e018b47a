//! What takes somebody's time, how strongly, and what is left of it: merged intervals and free slots.
//! Called by free_busy.rs and, when an event is stored, by index.rs.

use kontor_vobject::ical::Item;
use kontor_vobject::tree::Component;

use super::event::Status;

/// How busy somebody is (FBTYPE, RFC 5545 section 3.2.9). The number is kept in rows and is that of BusyKind in
/// free_busy.proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Busy {
    /// BUSY
    Busy = 1,
    /// BUSY-TENTATIVE
    Tentative = 2,
    /// BUSY-UNAVAILABLE
    Unavailable = 3,
}

/// A busy time, the end exclusive; microseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Start.
    pub from: i64,
    /// End; after the start.
    pub to: i64,
    /// How busy.
    pub kind: Busy,
}

impl Busy {
    /// The strongest first: where several meet, it is what is told. A meeting says more than an absence.
    const BY_STRENGTH: [Busy; 3] = [Busy::Busy, Busy::Unavailable, Busy::Tentative];

    /// The kind of a kept number.
    pub fn of_number(number: i64) -> Option<Busy> {
        Self::BY_STRENGTH.into_iter().find(|kind| *kind as i64 == number)
    }

    /// What an event makes of its time; none when it leaves it free (RFC 4791 section 7.10). Outlook tells in a line of
    /// its own that somebody is away.
    pub fn of(item: &Item, component: &Component<'_>) -> Option<Busy> {
        let status = Status::of(item);
        if item.transparent || status == Status::Cancelled {
            return None;
        }
        let outlook = component.property("X-MICROSOFT-CDO-BUSYSTATUS");
        let outlook = outlook.map(|property| property.value().trim().to_ascii_uppercase());
        match outlook.as_deref() {
            Some("OOF") => Some(Busy::Unavailable),
            Some("TENTATIVE") => Some(Busy::Tentative),
            _ if status == Status::Tentative => Some(Busy::Tentative),
            _ => Some(Busy::Busy),
        }
    }

    /// The same for somebody who answered the invitation so; an empty answer is that of who was not invited.
    pub fn answered(self, partstat: &str) -> Option<Busy> {
        match partstat {
            "DECLINED" | "DELEGATED" => None,
            "TENTATIVE" | "NEEDS-ACTION" if self == Busy::Busy => Some(Busy::Tentative),
            _ => Some(self),
        }
    }
}

/// The intervals cut to the range, in order, without overlaps; of those that meet, the strongest kind is told. Those of one
/// kind that touch are one.
pub fn merge(intervals: &[Interval], from: i64, to: i64) -> Vec<Interval> {
    let mut points: Vec<(i64, usize, i32)> = Vec::with_capacity(intervals.len() * 2);
    for interval in intervals {
        let (start, end) = (interval.from.max(from), interval.to.min(to));
        if start < end {
            let rank = Busy::BY_STRENGTH.iter().position(|kind| *kind == interval.kind).unwrap_or(0);
            points.extend([(start, rank, 1), (end, rank, -1)]);
        }
    }
    points.sort_unstable_by_key(|(at, _, _)| *at);
    let (mut open, mut merged) = ([0_i32; 3], Vec::<Interval>::new());
    let mut index = 0;
    while index < points.len() {
        let at = points[index].0;
        while let Some((_, rank, change)) = points.get(index).filter(|point| point.0 == at) {
            open[*rank] += change;
            index += 1;
        }
        let (Some(next), Some(rank)) = (points.get(index), open.iter().position(|count| *count > 0)) else {
            continue;
        };
        let kind = Busy::BY_STRENGTH[rank];
        match merged.last_mut() {
            Some(last) if last.to == at && last.kind == kind => last.to = next.0,
            _ => merged.push(Interval { from: at, to: next.0, kind }),
        }
    }
    merged
}

/// The first times of this length within the range that meet none of the intervals, each at a multiple of `step` and
/// without overlaps among them. All in microseconds; `busy` in any order.
pub fn slots(
    busy: &[Interval],
    (from, to): (i64, i64),
    length: i64,
    step: i64,
    count: usize,
) -> Vec<(i64, i64)> {
    let mut taken: Vec<(i64, i64)> = busy.iter().map(|interval| (interval.from, interval.to)).collect();
    taken.push((to, i64::MAX));
    taken.sort_unstable();
    let (mut found, mut at) = (Vec::new(), from);
    for (start, end) in taken {
        while found.len() < count {
            let begin = at.saturating_add(step - 1).div_euclid(step) * step;
            if begin.saturating_add(length) > start {
                break;
            }
            found.push((begin, begin + length));
            at = begin + length;
        }
        at = at.max(end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from: i64, to: i64, kind: Busy) -> Interval {
        Interval { from, to, kind }
    }

    fn shown(merged: &[Interval]) -> Vec<(i64, i64, i64)> {
        merged.iter().map(|one| (one.from, one.to, one.kind as i64)).collect()
    }

    #[test]
    fn adjacent_and_overlapping_times_are_one() {
        let given = [(20, 30), (0, 10), (10, 15), (12, 18), (25, 26), (30, 31), (40, 41)];
        let given = given.map(|(from, to)| interval(from, to, Busy::Busy));
        assert_eq!(shown(&merge(&given, 5, 40)), [(5, 18, 1), (20, 31, 1)]);
        assert_eq!(merge(&[], 0, 10), []);
    }

    #[test]
    fn the_strongest_kind_is_told_where_several_meet() {
        let given = [
            interval(0, 100, Busy::Tentative),
            interval(20, 60, Busy::Unavailable),
            interval(30, 40, Busy::Busy),
            interval(60, 70, Busy::Tentative),
        ];
        let wanted = [(0, 20, 2), (20, 30, 3), (30, 40, 1), (40, 60, 3), (60, 100, 2)];
        assert_eq!(shown(&merge(&given, 0, 200)), wanted);
    }

    #[test]
    fn merged_times_say_of_each_moment_the_same_as_all_of_them() {
        // Every set of three intervals on a short line, compared moment by moment.
        let kinds = [Busy::Busy, Busy::Tentative, Busy::Unavailable];
        let all: Vec<Interval> = (0..5)
            .flat_map(|from| {
                (from + 1..6).flat_map(move |to| kinds.map(move |kind| interval(from, to, kind)))
            })
            .collect();
        for (a, one) in all.iter().enumerate() {
            for (b, two) in all.iter().enumerate().skip(a) {
                for three in all.iter().skip(b) {
                    let given = [*one, *two, *three];
                    let merged = merge(&given, 0, 6);
                    for at in 0..6 {
                        let holds = |one: &&Interval| one.from <= at && at < one.to;
                        let strongest = Busy::BY_STRENGTH
                            .into_iter()
                            .find(|kind| given.iter().filter(holds).any(|one| one.kind == *kind));
                        let told: Vec<Busy> = merged.iter().filter(holds).map(|one| one.kind).collect();
                        assert_eq!(told, strongest.into_iter().collect::<Vec<_>>(), "{given:?} at {at}");
                    }
                    let apart = |pair: &[Interval]| pair[0].to < pair[1].from || pair[0].kind != pair[1].kind;
                    assert!(merged.windows(2).all(apart), "{merged:?}");
                }
            }
        }
    }

    #[test]
    fn slots_are_the_first_that_fit_between_busy_times() {
        let busy = [interval(0, 9, Busy::Busy), interval(20, 31, Busy::Tentative)];
        assert_eq!(slots(&busy, (0, 60), 10, 5, 10), [(10, 20), (35, 45), (45, 55)]);
        assert_eq!(slots(&busy, (0, 60), 10, 5, 2), [(10, 20), (35, 45)]);
        assert_eq!(slots(&busy, (0, 30), 11, 5, 2), []);
        assert_eq!(slots(&[], (3, 14), 10, 1, 2), [(3, 13)]);
    }

    #[test]
    fn an_answer_weakens_a_meeting_or_takes_it_away() {
        assert_eq!(Busy::Busy.answered(""), Some(Busy::Busy));
        assert_eq!(Busy::Busy.answered("ACCEPTED"), Some(Busy::Busy));
        assert_eq!(Busy::Busy.answered("NEEDS-ACTION"), Some(Busy::Tentative));
        assert_eq!(Busy::Unavailable.answered("TENTATIVE"), Some(Busy::Unavailable));
        assert_eq!(Busy::Busy.answered("DECLINED"), None);
    }
}
