//! Sync: only what changed, tombstones, tokens, and truncated answers that lose nothing.

use std::collections::BTreeMap;

use crate::bed::{Bed, NOW, event, reason};

kontor_testbed::on_both! { Bed;
    three_changes_of_a_thousand_give_three,
    a_deleted_and_remade_name_is_told_once,
    unknown_numbers_are_refused,
    truncated_answers_resume_without_loss,
    old_tombstones_are_forgotten_with_their_numbers,
    a_first_sync_in_parts_ends_whatever_is_forgotten,
}

async fn fill(bed: &Bed, count: usize) {
    let puts = (0..count).map(|number| async move {
        bed.put(&format!("{number:04}.ics"), event(&format!("u{number}"), "20261123")).await.unwrap();
    });
    futures_util::future::join_all(puts).await;
}

async fn three_changes_of_a_thousand_give_three(bed: Bed) {
    fill(&bed, 1_000).await;
    let (all, token, truncated) = bed.sync(-1, 0).await.unwrap();
    assert!((all.len(), truncated) == (1_000, false));
    assert!(all.is_sorted_by_key(|object| object.sequence));
    bed.put("0007.ics", event("u7", "20261201")).await.unwrap();
    bed.put("new.ics", event("new", "20261201")).await.unwrap();
    bed.delete("0500.ics").await.unwrap();
    let (changes, reached, _) = bed.sync(token, 0).await.unwrap();
    let told: Vec<(&str, bool)> =
        changes.iter().map(|object| (object.name.as_str(), object.missing)).collect();
    assert_eq!(told, [("0007.ics", false), ("new.ics", false), ("0500.ics", true)]);
    assert_eq!(bed.sync(reached, 0).await.unwrap().0.len(), 0);
    assert_eq!(bed.list(false).await.len(), 1_000);
}

async fn a_deleted_and_remade_name_is_told_once(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let (_, token, _) = bed.sync(-1, 0).await.unwrap();
    bed.delete("a.ics").await.unwrap();
    bed.put("a.ics", event("a", "20261124")).await.unwrap();
    let (changes, _, _) = bed.sync(token, 0).await.unwrap();
    assert!(changes.len() == 1 && !changes[0].missing);
    // Made and deleted behind the token: the client is told, for it may have seen it elsewhere.
    bed.put("b.ics", event("b", "20261124")).await.unwrap();
    bed.delete("b.ics").await.unwrap();
    let (changes, _, _) = bed.sync(token, 0).await.unwrap();
    assert_eq!(changes.len(), 2);
    // A first sync speaks of no deletions.
    assert_eq!(bed.sync(-1, 0).await.unwrap().0.len(), 1);
}

async fn unknown_numbers_are_refused(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    let (_, token, _) = bed.sync(-1, 0).await.unwrap();
    assert_eq!(reason(bed.sync(token + 1, 0).await), "VALID_SYNC_TOKEN");
    assert_eq!(reason(bed.sync_with(token, 0, "another").await), "VALID_SYNC_TOKEN");
    assert_eq!(reason(bed.sync_with(token, 0, "").await), "VALID_SYNC_TOKEN");
    assert_eq!(reason(bed.sync(-2, 0).await), "VALID_SYNC_TOKEN");
}

async fn truncated_answers_resume_without_loss(bed: Bed) {
    fill(&bed, 1_203).await;
    for number in (0..300).step_by(3) {
        bed.delete(&format!("{number:04}.ics")).await.unwrap();
    }
    for limit in [1_000, 501, 500, 499, 97] {
        let mut held = BTreeMap::new();
        let mut token = (-1, 0);
        let mut round = 0;
        loop {
            let id = if token.0 < 0 { String::new() } else { bed.collection().await.id };
            let (changes, last) = bed.sync_on(token, limit, &id).await.unwrap();
            assert!(changes.len() as i64 <= limit);
            for object in changes {
                match object.missing {
                    true => held.remove(&object.name),
                    false => held.insert(object.name, object.etag),
                };
            }
            assert!(last.sequence > token.0);
            token = (last.sequence, last.first_until);
            if !last.truncated {
                break;
            }
            // Changes between the parts, of what was told and of what was not.
            round += 1;
            bed.put(
                &format!("{:04}.ics", round * 7 % 1_203),
                event(&format!("u{}", round * 7 % 1_203), &format!("2026120{}", round % 9 + 1)),
            )
            .await
            .unwrap();
            let _ = bed.delete(&format!("{:04}.ics", round * 11 % 1_203)).await;
        }
        let present: BTreeMap<String, String> =
            bed.list(false).await.into_iter().map(|object| (object.name, object.etag)).collect();
        assert_eq!(held, present, "limit {limit}");
    }
}

async fn old_tombstones_are_forgotten_with_their_numbers(bed: Bed) {
    bed.put("a.ics", event("a", "20261123")).await.unwrap();
    bed.put("b.ics", event("b", "20261123")).await.unwrap();
    let (_, early, _) = bed.sync(-1, 0).await.unwrap();
    bed.delete("a.ics").await.unwrap();
    let (_, late, _) = bed.sync(-1, 0).await.unwrap();
    kontor_collection::tasks::run(&bed.db).await.unwrap();
    assert_eq!(bed.sync(early, 0).await.unwrap().0.len(), 1, "a young tombstone stays");
    bed.place.set_clock(NOW + 400 * 86_400_000_000);
    kontor_collection::tasks::run(&bed.db).await.unwrap();
    assert_eq!(reason(bed.sync(early, 0).await), "VALID_SYNC_TOKEN");
    assert_eq!(bed.sync(late, 0).await.unwrap().0.len(), 0);
    assert_eq!(bed.collection().await.floor_sequence, late);
}

async fn a_first_sync_in_parts_ends_whatever_is_forgotten(bed: Bed) {
    fill(&bed, 30).await;
    // What was removed before a first sync is nothing to it, even when it is forgotten.
    for number in 20..25 {
        bed.delete(&format!("{number:04}.ics")).await.unwrap();
    }
    bed.place.set_clock(NOW + 400 * 86_400_000_000);
    kontor_collection::tasks::run(&bed.db).await.unwrap();
    let id = bed.collection().await.id;
    let (part, first) = bed.sync_on((-1, 0), 10, "").await.unwrap();
    assert!(part.len() == 10 && first.truncated);
    assert!(first.sequence < bed.collection().await.floor_sequence, "its number is older than what is kept");
    assert_eq!(reason(bed.sync_on((first.sequence, 0), 10, &id).await), "VALID_SYNC_TOKEN");
    bed.delete("0003.ics").await.unwrap();
    let mut held: BTreeMap<String, String> = part.into_iter().map(|it| (it.name, it.etag)).collect();
    let mut token = (first.sequence, first.first_until);
    loop {
        let (part, last) = bed.sync_on(token, 10, &id).await.unwrap();
        for object in part {
            match object.missing {
                true => assert!(held.remove(&object.name).is_some(), "only what the client has seen is gone"),
                false => assert!(held.insert(object.name, object.etag).is_none()),
            }
        }
        token = (last.sequence, last.first_until);
        if !last.truncated {
            break;
        }
    }
    assert_eq!((held.len(), token), (24, (bed.collection().await.sequence, 0)));

    // What the client has seen and was removed since it began must be told, or it starts over.
    let (_, first) = bed.sync_on((-1, 0), 10, "").await.unwrap();
    bed.delete("0005.ics").await.unwrap();
    bed.place.set_clock(NOW + 800 * 86_400_000_000);
    kontor_collection::tasks::run(&bed.db).await.unwrap();
    let late = bed.sync_on((first.sequence, first.first_until), 10, &id).await;
    assert_eq!(reason(late), "VALID_SYNC_TOKEN");
}
