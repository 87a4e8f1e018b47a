//! The engine with cards: big bodies, and what filters of cards find.
//! Run by main.rs.

use kontor_collection::GRAMS;
use kontor_kit::args;
use kontor_proto::collection::v1 as proto;

use crate::bed::{Bed, Cards, sales, work};
use crate::query::property;
use crate::transfer;

kontor_testbed::on_both! { Cards;
    big_bodies_stream_in_small_chunks,
    cards_are_found_by_their_values,
    the_parts_of_values_stay_true_through_changes,
}

async fn big_bodies_stream_in_small_chunks(bed: Bed) {
    let card = |number: usize| {
        let photo = "A".repeat(1_000_000);
        format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{number}\r\nFN:N {number}\r\nPHOTO:{photo}\r\nEND:VCARD\r\n"
        )
    };
    for number in 0..12 {
        bed.put(&format!("{number:02}.vcf"), card(number)).await.unwrap();
    }
    let request = proto::ListObjectsRequest { path: work(), with_data: true, ..Default::default() };
    let mut stream = bed.client().list_objects(sales().request(request)).await.unwrap().into_inner();
    let mut seen = 0;
    while let Some(chunk) = stream.message().await.unwrap() {
        assert!(chunk.objects.len() <= 3, "a chunk has about two megabytes");
        for object in chunk.objects {
            assert_eq!(object.data, card(seen).as_bytes());
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
    let names: Vec<String> = (0..12).rev().map(|number| format!("{number:02}.vcf")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = bed.get(&names).await;
    assert_eq!(found.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), names);
    assert!(found.iter().all(|object| object.data.len() as i64 == object.size));
    // A sync with bodies, cut by bytes and by the limit, loses nothing.
    let (objects, _, truncated) = bed.sync(-1, 5).await.unwrap();
    assert!((objects.len(), truncated) == (5, true));
}

async fn cards_are_found_by_their_values(bed: Bed) {
    use proto::MatchType::{Contains, EndsWith, Equals, StartsWith};
    let card =
        |uid: &str, lines: &str| format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\n{lines}END:VCARD\r\n");
    bed.put("a.vcf", card("a", "FN:Élodie Martin\r\nEMAIL;TYPE=WORK:Elodie@Acme.be\r\n")).await.unwrap();
    bed.put("b.vcf", card("b", "FN:Bob 100%\r\nitem1.TEL:+32 471 12\r\nNOTE:ÄRGER\r\n")).await.unwrap();
    let many: String = (0..300).map(|number| format!("EMAIL:e{number}@x.be\r\n")).collect();
    bed.put("c.vcf", card("c", &format!("FN:Many\r\n{many}"))).await.unwrap();
    let ask = async |all_of: bool, properties: Vec<proto::PropertyFilter>| {
        let filter = proto::CardFilter { properties, all_of };
        let request = proto::QueryObjectsRequest { card_filter: Some(filter), ..Default::default() };
        bed.query(request).await.unwrap()
    };
    assert_eq!(ask(false, vec![property("FN", "élodie", Contains, false)]).await, ["a.vcf"]);
    assert_eq!(ask(false, vec![property("FN", "E\u{301}LODIE", StartsWith, false)]).await, ["a.vcf"]);
    assert_eq!(ask(false, vec![property("EMAIL", "@ACME.be", EndsWith, false)]).await, ["a.vcf"]);
    assert_eq!(ask(false, vec![property("EMAIL", "e299@x.be", Equals, false)]).await, ["c.vcf"]);
    assert_eq!(ask(false, vec![property("FN", "0%", Contains, false)]).await, ["b.vcf"]);
    assert_eq!(ask(false, vec![property("FN", "_", Contains, false)]).await, [""; 0]);
    assert_eq!(ask(false, vec![property("item1.TEL", "471", Contains, false)]).await, ["b.vcf"]);
    assert_eq!(ask(false, vec![property("item2.TEL", "471", Contains, false)]).await, [""; 0]);
    assert_eq!(ask(false, vec![property("NOTE", "ärger", Contains, false)]).await, ["b.vcf"]);
    assert_eq!(ask(false, vec![property("FN", "bob", Contains, true)]).await, ["a.vcf", "c.vcf"]);
    let two = || vec![property("FN", "bob", Contains, false), property("EMAIL", "acme", Contains, false)];
    assert_eq!(ask(false, two()).await, ["a.vcf", "b.vcf"]);
    assert_eq!(ask(true, two()).await, [""; 0]);
    let none = proto::PropertyFilter { name: "EMAIL".to_owned(), is_not_defined: true, ..Default::default() };
    assert_eq!(ask(true, vec![none]).await, ["b.vcf"]);
    assert_eq!(ask(false, Vec::new()).await.len(), 3);
}

/// All rows by which parts of values are found; with `anew`, as the migration would make them from the values.
async fn grams(bed: &Bed, anew: bool) -> Vec<(i64, i64, i64)> {
    let read = bed.db.write(move |tx| {
        if anew {
            tx.execute("DELETE FROM gram", args![])?;
            let script = if tx.is_postgres() { GRAMS.postgres } else { GRAMS.sqlite };
            tx.execute(&script[script.find("INSERT").unwrap()..], args![])?;
        }
        let sql = "SELECT coll, gram, object FROM gram ORDER BY coll, gram, object";
        tx.all(sql, args![], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))
    });
    read.await.unwrap()
}

async fn the_parts_of_values_stay_true_through_changes(bed: Bed) {
    use proto::MatchType::{Contains, EndsWith, Equals, StartsWith};
    let syllables = ["an", "né", "ß", "to", "1 2", "%", "_", "\u{1d11e}", "ma", "x"];
    // A small generator, so that the names are the same at each run.
    let mut state = 7_u64;
    let mut below = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut named = |length: usize| -> String { (0..length).map(|_| syllables[below(10)]).collect() };
    transfer::make(&bed, "private", &[]).await;
    let mut names = std::collections::BTreeMap::new();
    for round in 0..120 {
        let name = format!("{}.vcf", round % 40);
        let text = named(1 + round % 7);
        let card = format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{text}\r\nNICKNAME:{text}x\r\nEND:VCARD\r\n"
        );
        bed.put(&name, card).await.unwrap();
        names.insert(name, text);
    }
    for gone in ["3.vcf", "4.vcf"] {
        bed.delete(gone).await.unwrap();
        names.remove(gone);
    }
    for moved in ["5.vcf", "6.vcf"] {
        transfer::run(&bed, transfer::wish(moved, "private", moved)).await.unwrap();
        names.remove(moved);
    }
    let kept = grams(&bed, false).await;
    assert!(kept.len() > 200, "{}", kept.len());
    assert_eq!(kept, grams(&bed, true).await, "as the migration makes them");
    for round in 0..60 {
        let text = named(1 + round % 3);
        let folded = |text: &str| text.to_lowercase().replace('é', "e\u{301}");
        let wanted = folded(&text);
        for (part, holds) in [
            (Contains, (|value, wanted| value.contains(wanted)) as fn(&str, &str) -> bool),
            (StartsWith, |value, wanted| value.starts_with(wanted)),
            (EndsWith, |value, wanted| value.ends_with(wanted)),
            (Equals, |value, wanted| value == wanted),
        ] {
            let filter =
                proto::CardFilter { properties: vec![property("FN", &text, part, false)], all_of: true };
            let request = proto::QueryObjectsRequest { card_filter: Some(filter), ..Default::default() };
            let mut found = bed.query(request).await.unwrap();
            found.sort();
            let mut expected: Vec<String> = names
                .iter()
                .filter(|(_, value)| holds(&folded(value), &wanted))
                .map(|(name, _)| name.clone())
                .collect();
            expected.sort();
            assert_eq!(found, expected, "{part:?} {text}");
        }
    }
}
