//! Who may see and change what, and whose word on the caller is taken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kontor_kit::args;
use kontor_kit::auth::{Account, Caller, ClusterKey, Guard};
use kontor_testbed::caller;
use tonic::Code;

use crate::support::Place;

kontor_testbed::on_both! { Place;
    the_rule_in_sql_is_the_rule_in_rust,
}

fn guards() -> Vec<(&'static str, Guard)> {
    vec![
        ("anna's in north", Guard::new("users/anna", "teams/north")),
        ("anna's own", Guard::new("users/anna", "")),
        ("north's", Guard::new("", "teams/north")),
        ("the company's", Guard::company()),
    ]
}

fn callers() -> Vec<Caller> {
    vec![
        caller("stranger", &["south"], &["south"]),
        caller("neighbour", &["north"], &[]),
        caller("leader", &[], &["north"]),
        caller("anna", &["north"], &[]),
        caller("", &[], &[]),
        Caller::from(Account { admin: true, ..caller("admin", &[], &[]).into() }),
    ]
}

#[test]
fn each_caller_may_read_and_write_what_the_rule_says() {
    // For each guard: who reads, who writes.
    let wanted = [
        ("anna's in north", "neighbour leader anna admin", "leader anna admin"),
        ("anna's own", "anna admin", "anna admin"),
        ("north's", "neighbour leader anna admin", "neighbour leader anna admin"),
        ("the company's", "stranger neighbour leader anna  admin", "stranger neighbour leader anna  admin"),
    ];
    for ((name, guard), (_, readers, writers)) in guards().into_iter().zip(wanted) {
        for caller in callers() {
            let has = |list: &str| list.split(' ').any(|user| user == caller.user);
            assert_eq!(caller.may_read(&guard), has(readers), "{:?} reads {name}", caller.user);
            assert_eq!(caller.may_write(&guard), has(writers), "{:?} writes {name}", caller.user);
            let code = caller.must_write(&guard, "x/1").map_err(|cause| cause.code());
            let wanted = match (has(readers), has(writers)) {
                (false, _) => Err(Code::NotFound),
                (true, false) => Err(Code::PermissionDenied),
                (true, true) => Ok(()),
            };
            assert_eq!(code, wanted, "{:?} on {name}: what may not be seen does not exist", caller.user);
        }
    }
}

async fn the_rule_in_sql_is_the_rule_in_rust(place: Place) {
    let db = place.open().await;
    db.write(|tx| {
        tx.execute("CREATE TABLE guarded (name TEXT, owner TEXT NOT NULL, team TEXT NOT NULL)", &[])?;
        for (name, guard) in guards() {
            tx.execute("INSERT INTO guarded VALUES ($1, $2, $3)", args![name, &guard.owner, &guard.team])?;
        }
        Ok(())
    })
    .await
    .expect("written");
    for caller in callers() {
        let mut args = Vec::new();
        let sql = format!("SELECT name FROM guarded WHERE {}", caller.scope("owner", "team", &mut args));
        let mut found = db.read(move |conn| conn.all(&sql, &args, |row| row.string(0))).await.expect("read");
        let mut wanted: Vec<_> = guards()
            .into_iter()
            .filter(|(_, guard)| caller.may_read(guard))
            .map(|(name, _)| name.to_owned())
            .collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "for {:?}", caller.user);
    }
}

const NOW: i64 = 1_800_000_000_000_000;
const MINUTE: i64 = 60_000_000;

fn key(text: &str) -> ClusterKey {
    ClusterKey::new(text.as_bytes()).expect("long enough")
}

#[test]
fn a_signed_caller_is_taken_for_a_minute() {
    let (key, anna) = (key("0123456789abcdef"), caller("anna", &["north"], &["north"]));
    let header = key.sign(&anna, NOW).expect("signed");
    assert_eq!(key.verify(&header, NOW), Some(anna.clone()));
    assert_eq!(key.verify(&header, NOW + MINUTE - 1), Some(anna));
    assert_eq!(key.verify(&header, NOW + MINUTE), None, "it is too old");
}

#[test]
fn a_forged_caller_is_not_taken() {
    let good = key("0123456789abcdef");
    let header = good.sign(&caller("anna", &[], &[]), NOW).expect("signed");
    assert_eq!(key("fedcba9876543210").verify(&header, NOW), None, "another key");
    let (body, mac) = header.split_once('.').expect("two parts");
    let forged = serde_json::to_vec(&(NOW + MINUTE, Caller::system())).expect("JSON");
    let forged = URL_SAFE_NO_PAD.encode(forged);
    for text in [
        format!("{forged}.{mac}"),
        format!("{body}."),
        format!("{body}.AAAA"),
        body.to_owned(),
        ".".to_owned(),
        String::new(),
    ] {
        assert_eq!(good.verify(&text, NOW), None, "{text}");
    }
    assert!(ClusterKey::new(b"too short").is_err());
}
