//! The members that are written for each segment beside those that SQL by hand finds in the facts; and the facts beside the directory.
//! Called by main.rs.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kontor_proto::segmentation::v1::ListMembersRequest;
use kontor_tests::Grpc;
use roaring::RoaringBitmap;
use rusqlite::{Connection, named_params};
use sha2::{Digest, Sha256};

use crate::rules::Rule;
use crate::{line, reader, seconds};

/// Looks at a segment again when it is otherwise: a rule with `now` may have struck in that moment.
const AGAIN: usize = 4;
/// Segments whose members are listed over gRPC too.
const LISTED: usize = 10;

/// Panics when one differs.
pub async fn compare(data: &Path, admin: &Grpc, rules: &[Rule]) {
    let begun = Instant::now();
    let names = names(&reader(data));
    let (next, found, again) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let conn = reader(data);
                while let Some(rule) = rules.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut tries = 0;
                    let (members, hash) = loop {
                        let (members, by_hand) = (stored(&conn, &rule.id), by_hand(&conn, rule));
                        let hashes = (hash(&members, &names), hash(&by_hand, &names));
                        if hashes.0 == hashes.1 {
                            break (members, hashes.0);
                        }
                        tries += 1;
                        again.fetch_add(1, Ordering::Relaxed);
                        assert!(
                            tries < AGAIN,
                            "{} has {} members and should have {}: {}",
                            rule.id,
                            members.len(),
                            by_hand.len(),
                            rule.text
                        );
                        std::thread::sleep(std::time::Duration::from_millis(300));
                    };
                    found.lock().expect("whole").push((members.len(), rule.id.clone(), hash));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("whole");
    found.sort();
    let memberships: u64 = found.iter().map(|(size, ..)| size).sum();
    line(
        "segments whose members are byte by byte those of the SQL",
        format!("{} of {}", found.len(), rules.len()),
    );
    line(
        "  memberships / looked at twice / time",
        format!("{memberships} / {} / {}", again.into_inner(), seconds(begun)),
    );
    let conn = reader(data);
    for (_, id, _) in found.iter().filter(|(size, ..)| *size > 0).take(LISTED) {
        let mut tries = 0;
        // Time has passed since it was compared, and some rules speak of it.
        while hash(&stored(&conn, id), &names) != hash_of(listed(admin, id).await.iter().map(String::as_str))
        {
            tries += 1;
            assert!(tries < AGAIN, "{id} is listed otherwise");
        }
    }
    let differ = differ(data);
    assert_eq!(differ, 0, "facts that are not those of the directory");
}

/// Names by number.
fn names(conn: &Connection) -> Vec<String> {
    let mut statement =
        conn.prepare("SELECT ord, partner FROM partner_ord ORDER BY ord").expect("a statement");
    let mut rows = statement.query(()).expect("rows");
    let mut names = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        names.resize(row.get::<_, u32>(0).expect("a number") as usize, String::new());
        names.push(row.get(1).expect("a name"));
    }
    names
}

fn stored(conn: &Connection, segment: &str) -> RoaringBitmap {
    let mut members = RoaringBitmap::new();
    let tx = conn.unchecked_transaction().expect("one moment");
    let mut statement =
        tx.prepare_cached("SELECT bits FROM member_chunk WHERE segment = ?1").expect("a statement");
    let mut rows = statement.query([segment]).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        let bytes: Vec<u8> = row.get(0).expect("bytes");
        if !bytes.is_empty() {
            members |= RoaringBitmap::deserialize_from(&bytes[..]).expect("a bitmap");
        }
    }
    let mut statement =
        tx.prepare_cached("SELECT ord, joined FROM member_delta WHERE segment = ?1").expect("a statement");
    let mut rows = statement.query([segment]).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        let ord: u32 = row.get(0).expect("a number");
        if row.get::<_, bool>(1).expect("a flag") {
            members.insert(ord)
        } else {
            members.remove(ord)
        };
    }
    members
}

fn by_hand(conn: &Connection, rule: &Rule) -> RoaringBitmap {
    let sql = format!("SELECT p.ord FROM fact_partner p WHERE ({}) ORDER BY p.ord", rule.sql);
    let mut statement = conn.prepare(&sql).unwrap_or_else(|cause| panic!("{cause}: {sql}"));
    let now = jiff::Timestamp::now().as_microsecond();
    let place = statement.parameter_index(":now").expect("a statement");
    let mut rows = match place {
        Some(_) => statement.query(named_params! { ":now": now }),
        None => statement.query(()),
    }
    .expect("rows");
    let mut members = RoaringBitmap::new();
    while let Some(row) = rows.next().expect("a row") {
        members.insert(row.get(0).expect("a number"));
    }
    members
}

/// Of the names in order.
fn hash(members: &RoaringBitmap, names: &[String]) -> [u8; 32] {
    hash_of(members.iter().map(|ord| names[ord as usize].as_str()))
}

fn hash_of<'n>(names: impl Iterator<Item = &'n str>) -> [u8; 32] {
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    let mut digest = Sha256::new();
    for name in sorted {
        digest.update(name);
        digest.update("\n");
    }
    digest.finalize().into()
}

async fn listed(admin: &Grpc, id: &str) -> Vec<String> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMembersRequest { parent: format!("segments/{id}"), page_size: 10_000, page_token };
        let page = admin.segments().list_members(request).await.expect("members").into_inner();
        all.extend(page.partners);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

/// Partners whose facts are not as the directory has them.
fn differ(data: &Path) -> i64 {
    let conn = reader(data);
    let file = data.join("directory.db").display().to_string();
    conn.execute("ATTACH ?1 AS directory", [file]).expect("the directory");
    let sql = "SELECT COUNT(*) FROM directory.card c LEFT JOIN partner_ord o ON o.partner = 'partners/' || c.id LEFT JOIN fact_partner p ON p.ord = o.ord
         WHERE c.partner = 1 AND (p.display_name IS NOT c.display_name OR p.organization IS NOT c.organization OR p.title IS NOT c.title
             OR p.create_time IS NOT c.create_time)";
    conn.query_row(sql, (), |row| row.get(0)).expect("a count")
}
