//! What a call, and an entry of a call list, loses when its partner is erased, and what stays of it.
//! Called by erase.rs.

use super::entry::Entry;
use super::list_entry::ListEntry;
use super::record::End;

/// Whether there is nothing more to be said of the call: only then it can lose its record, from which it is folded.
pub fn is_over(call: &Entry) -> bool {
    call.is_ended() && call.due.is_none()
}

/// Takes from the call who it was with. A number that the partner shares with somebody else, who is erased not, stays with that one.
pub fn erase(call: &mut Entry, partners: &[String], phones: &[String]) {
    let is_theirs = partners.contains(&call.partner);
    let ends = [&call.e164, &call.caller.e164, &call.callee.e164, &call.linked_e164];
    if !is_theirs && !ends.into_iter().any(|number| phones.contains(number)) {
        call.candidates.retain(|name| !partners.contains(name));
        call.transfers.iter_mut().for_each(|transfer| blank(&mut transfer.to, phones));
        return;
    }
    let outside = [call.number.clone(), call.e164.clone()];
    let both = !matches!(call.direction, 1 | 2);
    for (end, is_outside) in
        [(&mut call.caller, call.direction == 1), (&mut call.callee, call.direction == 2)]
    {
        let same =
            |number: &String| !number.is_empty() && (outside.contains(number) || phones.contains(number));
        if both || is_outside || same(&end.number) || same(&end.e164) {
            *end = End::default();
        }
    }
    for transfer in &mut call.transfers {
        blank(&mut transfer.to, phones);
        blank(&mut transfer.to, &outside);
    }
    for text in [&mut call.number, &mut call.e164, &mut call.partner, &mut call.note, &mut call.linked_e164] {
        text.clear();
    }
    call.candidates.clear();
    call.partner_by_hand = false;
    call.link_time = None;
    call.link_tries = 0;
    // The fold has every number that was ever told.
    call.record = None;
}

/// Empties an entry of a call list that is not called any more. How often and when it was called stays.
pub fn erase_list_entry(entry: &mut ListEntry) {
    for text in [
        &mut entry.number,
        &mut entry.e164,
        &mut entry.extension,
        &mut entry.partner,
        &mut entry.display_name,
        &mut entry.note,
    ] {
        text.clear();
    }
}

fn blank(number: &mut String, numbers: &[String]) {
    if numbers.contains(number) {
        number.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Handover;
    use super::*;

    fn call(partner: &str, candidates: &[&str]) -> Entry {
        let end = |number: &str, name: &str| End {
            number: number.to_owned(),
            e164: number.to_owned(),
            name: name.to_owned(),
        };
        let transfer = Handover { time: 1, to: "+3225550000".to_owned(), blind: true };
        Entry {
            direction: 1,
            state: 3,
            caller: end("+3225550000", "Anna"),
            callee: end("+3220000000", ""),
            number: "+3225550000".to_owned(),
            e164: "+3225550000".to_owned(),
            partner: partner.to_owned(),
            candidates: candidates.iter().map(|name| (*name).to_owned()).collect(),
            note: "wants a roof".to_owned(),
            talk: Some(7),
            transfers: vec![transfer],
            ..Entry::new("1".to_owned(), "", "", None)
        }
    }

    #[test]
    fn a_call_keeps_how_long_it_was_and_our_own_side() {
        let mut erased = call("partners/1", &[]);
        erase(&mut erased, &["partners/1".to_owned()], &["+3225550000".to_owned()]);
        assert!(!format!("{erased:?}").contains("+3225550000"), "{erased:?}");
        assert!(erased.partner.is_empty() && erased.note.is_empty() && erased.caller == End::default());
        assert_eq!((erased.talk, erased.callee.number.as_str()), (Some(7), "+3220000000"));
        assert!(!erased.wants_link());
    }

    #[test]
    fn a_shared_number_stays_with_the_other_one() {
        let mut shared = call("", &["partners/1", "partners/2"]);
        erase(&mut shared, &["partners/1".to_owned()], &[]);
        assert_eq!((shared.candidates.len(), shared.number.as_str()), (1, "+3225550000"));
    }
}
