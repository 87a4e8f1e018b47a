//! A call-back whose event was moved in its operator's calendar.
//! Called by call_backs.rs.

use super::call_list::{CallList, SECOND};
use super::list_entry::{Happened, ListEntry};
use super::zones;

/// Whether an entry is a call-back of this user ("users/{user}") still: only then its event in the user's calendar says anything.
pub fn is_of(entry: &ListEntry, user: &str) -> bool {
    !user.is_empty() && entry.owner() == user && !entry.is_closed()
}

/// Moves an entry that waits to the time of its event, or to the next calling hours from then on. `fallback` is the zone of numbers of no country.
/// What happened is empty when it is called then already; else its news make the event what the entry is. One that is being called stays as it is, and so
/// does one for which there is no such time.
pub fn follow_event(
    entry: &mut ListEntry,
    list: &CallList,
    fallback: &str,
    wanted: i64,
    now: i64,
) -> Vec<Happened> {
    // Calendars know whole seconds.
    let is_wanted =
        |due: Option<i64>| due.map(|due| due.div_euclid(SECOND)) == Some(wanted.div_euclid(SECOND));
    if is_wanted(entry.due) {
        return Vec::new();
    }
    let as_it_is = vec![Happened::CallBackMoved];
    if entry.is_leased() {
        return as_it_is;
    }
    let zones = zones::read(zones::of_number(&entry.e164, fallback));
    let next = list.hours.next(&zones, wanted.max(now));
    match next.map(|next| entry.move_to(list, fallback, next, now)) {
        Some(Ok(happened)) if !happened.is_empty() => happened,
        _ => as_it_is,
    }
}

#[cfg(test)]
mod tests {
    use super::super::list_entry::{CallBack, State};
    use super::*;

    const HOUR: i64 = 3_600 * SECOND;
    /// 2026-11-23T09:00:00Z, a Monday, 10:00 in Brussels.
    const NOW: i64 = 1_795_424_400 * SECOND;
    const DUE: i64 = NOW + 2 * HOUR;

    fn list() -> CallList {
        CallList::new("fair".to_owned(), "teams/sales".to_owned(), NOW)
    }

    fn entry() -> ListEntry {
        ListEntry {
            id: "e1".to_owned(),
            version: 1,
            list: "fair".to_owned(),
            number: "0475 12 34 56".to_owned(),
            e164: "+32475123456".to_owned(),
            extension: String::new(),
            partner: String::new(),
            display_name: "Jo".to_owned(),
            priority: 0,
            state: State::Open,
            queued: false,
            ready: Some(DUE),
            due: Some(DUE),
            tries: 0,
            reason: None,
            outcome_time: None,
            cancel: None,
            call_back: Some(CallBack { operator: "users/sales".to_owned(), personal: true }),
            operator: String::new(),
            secret: String::new(),
            dial_time: None,
            opportunity: String::new(),
            call: String::new(),
            note: String::new(),
            zone_key: 0,
            create_time: NOW,
            update_time: NOW,
        }
    }

    /// When the entry is due after the move, in hours from now, and whether the calendar is told.
    fn after(entry: &mut ListEntry, list: &CallList, wanted: i64) -> (i64, bool) {
        let happened = follow_event(entry, list, "UTC", wanted, NOW);
        assert!(happened.iter().all(|what| *what == Happened::CallBackMoved), "{happened:?}");
        ((entry.due.expect("a time") - NOW) / HOUR, !happened.is_empty())
    }

    #[test]
    fn only_its_owner_has_an_event_of_it_and_only_while_it_is_one() {
        assert!(is_of(&entry(), "users/sales"));
        for other in ["users/operator", "users/", "sales", ""] {
            assert!(!is_of(&entry(), other), "{other}");
        }
        let open = CallBack { operator: "users/sales".to_owned(), personal: false };
        assert!(!is_of(&ListEntry { call_back: Some(open), ..entry() }, "users/sales"));
        assert!(!is_of(&ListEntry { call_back: None, ..entry() }, ""));
        assert!(!is_of(&ListEntry { state: State::Cancelled, ..entry() }, "users/sales"));
    }

    #[test]
    fn a_moved_event_moves_the_call_back() {
        assert_eq!(after(&mut entry(), &list(), NOW + 5 * HOUR), (5, true));
        assert_eq!(after(&mut entry(), &list(), DUE), (2, false));
        assert_eq!(after(&mut ListEntry { due: Some(DUE + 7), ..entry() }, &list(), DUE), (2, false));
    }

    #[test]
    fn outside_of_calling_hours_it_is_the_next_ones_and_the_calendar_is_told() {
        // From 20:00, which is 10 hours from now, to 08:00.
        assert_eq!(after(&mut entry(), &list(), NOW + 10 * HOUR), (22, true));
        let mut at_eight = ListEntry { due: Some(NOW + 22 * HOUR), ..entry() };
        assert_eq!(after(&mut at_eight, &list(), NOW + 15 * HOUR), (22, true), "it was due then before");
        assert_eq!(after(&mut entry(), &list(), NOW - 5 * HOUR), (0, true), "past is now");
    }

    #[test]
    fn what_is_being_called_and_what_can_never_be_stays_and_the_calendar_is_told() {
        for state in [State::Leased, State::Dialling] {
            let mut leased = ListEntry { state, secret: "s".to_owned(), ..entry() };
            assert_eq!(after(&mut leased, &list(), NOW + 5 * HOUR), (2, true));
            assert_eq!((leased.state, leased.secret.as_str()), (state, "s"));
        }
        assert_eq!(after(&mut entry(), &list(), NOW + 400 * 24 * HOUR), (2, true));
        assert_eq!(after(&mut entry(), &list(), i64::MAX), (2, true));
        let mut never = list();
        never.hours = super::super::hours::Hours::none();
        assert_eq!(after(&mut entry(), &never, NOW + 5 * HOUR), (2, true));
    }
}
