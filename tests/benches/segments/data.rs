//! Partners with facts: one company and one person made through the interface, then copied by SQL with other values while no server runs, and the facts
//! that the events would have brought put beside them. The directory's index for searches is not filled: nothing here searches.
//! Called by main.rs.

use std::path::Path;
use std::time::Duration;

use kontor_proto::directory::v1::{CreatePartnerRequest, ListPartnersRequest, Partner, PartnerKind};
use kontor_proto::segmentation::v1::PreviewRuleRequest;
use kontor_proto::r#type::v1::{Email, Phone, PostalAddress};
use kontor_tests::process::run;
use kontor_tests::{Grpc, Process};
use rusqlite::Connection;

use crate::PASSWORD;

/// Countries of the partners.
pub const COUNTRIES: [&str; 8] = ["BE", "FR", "DE", "NL", "LU", "AT", "CH", "IT"];
/// Titles of the partners.
pub const TITLES: [&str; 4] = ["CEO", "Buyer", "Engineer", "Clerk"];
/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// The name of a partner; names stand in the order of the numbers, and so do the numbers of segmentation.
pub fn partner(number: usize) -> String {
    format!("partners/{}", id(number))
}

/// The id of a partner.
pub fn id(number: usize) -> String {
    format!("{number:08x}-0000-7000-8000-000000000000")
}

const ID: &str = "printf('%08x-0000-7000-8000-000000000000', n)";

/// Whether one of the partner's numbers is not called: nothing of its country and title puts it anywhere.
pub fn is_not_called(number: usize) -> bool {
    number.is_multiple_of(20)
}

/// Which title a partner has at the beginning: its place.
pub fn title(number: usize) -> usize {
    number % TITLES.len()
}

/// A number from 0 to `sides` less one that `of`, an expression, and the purpose decide.
fn roll(of: &str, purpose: u64, sides: u64) -> String {
    let mut seed = (purpose + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // A prime below 2^32: a product with fewer than 2^31 numbers fits a BIGINT.
    format!("((({of}) * {} % 4294967291) / 64 % {sides})", 1_000_003 + (seed ^ (seed >> 31)) % 2_000_000_000)
}

fn one_of(words: &[&str], place: &str) -> String {
    let cases: String =
        words.iter().enumerate().map(|(at, word)| format!(" WHEN {at} THEN '{word}'")).collect();
    format!("CASE {place}{cases} END")
}

fn country() -> String {
    one_of(&COUNTRIES, &roll("n", 1, 8))
}

fn city() -> String {
    format!("'City ' || printf('%04d', {})", roll("n", 2, 5_000))
}

fn region() -> String {
    format!("'Region ' || printf('%02d', {})", roll("n", 3, 100))
}

fn postal_code() -> String {
    format!("printf('%05d', {})", roll("n", 4, 20_000))
}

fn organization() -> String {
    format!("'Company ' || {}", roll("n", 5, 100_000))
}

const EMAIL: &str = "'person-' || printf('%07d', n) || '@domain-' || printf('%05d', n % 50000) || '.example'";
const PHONE: &str = "'+3247' || printf('%07d', n)";
const NAME: &str = "'Partner ' || printf('%07d', n)";

/// Adds the administrator, and the partners that the others are copies of; then copies.
pub async fn fill(data: &Path, size: usize) {
    let process = Process::start(data, &[]).await;
    let folder = data.to_str().expect("a plain path");
    let arguments = ["user", "add", "bench", "--admin", "--password-stdin", "--data", folder];
    let (good, _, errors) = run(&arguments, &format!("{PASSWORD}\n")).await;
    assert!(good, "{errors}");
    let grpc = Grpc::new(&process.address, "bench", PASSWORD);
    let first = template(&grpc, PartnerKind::Person).await;
    template(&grpc, PartnerKind::Company).await;
    // All that the two events of them wake is over when segmentation knows both and the log stands still.
    for () in kontor_testbed::patience() {
        let request = PreviewRuleRequest { rule: "create_time < now".into(), ..Default::default() };
        let found = grpc.segments().preview_rule(request).await;
        if found.is_ok_and(|found| found.get_ref().count == 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = grpc.partners().list_partners(ListPartnersRequest::default()).await.expect("partners");
    assert!(all.get_ref().partners.len() == 2 && all.get_ref().partners.iter().any(|it| it.name == first));
    assert!(process.stop().await);
    cards(&data.join("directory.db"), size);
    facts(&data.join("segmentation.db"), size);
}

async fn template(grpc: &Grpc, kind: PartnerKind) -> String {
    let partner = Partner {
        kind: kind.into(),
        display_name: "Partner xxxxxxx".into(),
        organization: "Company xxxxx".into(),
        title: "Titlexxxxx".into(),
        phones: vec![Phone {
            number: if kind == PartnerKind::Person { "+32479999999" } else { "+32479999998" }.into(),
            ..Default::default()
        }],
        emails: vec![Email { address: "person-xxxxxxx@domain-xxxxx.example".into(), ..Default::default() }],
        addresses: vec![PostalAddress {
            locality: "City xxxx".into(),
            region: "Region xx".into(),
            postal_code: "xxxxx".into(),
            country: "XX".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    grpc.partners().create_partner(request).await.expect("a partner").into_inner().name
}

/// A text of the template with the copy's values; those within a message have the same length.
fn replaced(column: &str, is_message: bool) -> String {
    let person =
        format!("replace(replace(CAST({column} AS TEXT), '+32479999999', {PHONE}), '+32479999998', {PHONE})");
    let mut sql = format!("replace({person}, 'person-xxxxxxx@domain-xxxxx.example', {EMAIL})");
    for (word, value) in
        [("City xxxx", city()), ("Region xx", region()), ("XX", country()), ("xxxxx", postal_code())]
    {
        if word == "xxxxx" {
            // Last of all: the others have it in them.
            if !is_message {
                sql = format!("replace({sql}, 'Partner xxxxxxx', {NAME})");
                sql = format!("replace({sql}, 'Company xxxxx', {})", organization());
                sql = format!("replace({sql}, 'Titlexxxxx', {})", one_of(&TITLES, "n % 4"));
            }
        }
        sql = format!("replace({sql}, '{word}', {value})");
    }
    format!("CAST({sql} AS BLOB)")
}

fn open(file: &Path) -> Connection {
    let conn = Connection::open(file).expect("the database");
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -800000; BEGIN").expect("begun");
    conn
}

fn done(conn: &Connection) {
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
}

/// SELECT of the numbers of the copies, as `n`.
fn numbers(size: usize) -> String {
    format!(
        "(WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {size}) SELECT n FROM number)"
    )
}

fn cards(file: &Path, size: usize) {
    let conn = open(file);
    let time = create_time();
    let template = "(SELECT num FROM object WHERE id = (SELECT id FROM card WHERE kind = 1 + (n % 3 = 2) AND partner = 1 ORDER BY create_time LIMIT 1))";
    let sql = format!("CREATE TEMP TABLE copy AS SELECT n, {template} AS template FROM {}", numbers(size));
    conn.execute_batch(&sql).expect("numbers");
    let last: i64 = conn.query_row("SELECT MAX(num) FROM body", (), |row| row.get(0)).expect("a number");
    let num = format!("({last} + n)");
    copy(&conn, "body", "num", size, &[("num", &num), ("data", &replaced("data", false))]);
    let etag = "printf('%032x', n)";
    let uid = format!("'copy-' || {ID}");
    copy(
        &conn,
        "object",
        "num",
        size,
        &[
            ("name", &format!("{ID} || '.vcf'")),
            ("num", &num),
            ("id", ID),
            ("uid", &uid),
            ("etag", etag),
            ("seq", "(1000 + n)"),
            ("size", &format!("(SELECT length(data) FROM body WHERE body.num = {num})")),
            ("create_time", &time),
            ("update_time", &time),
        ],
    );
    // The UID in a body is as long as another one.
    let sql = format!(
        "UPDATE body SET data = CAST(replace(CAST(data AS TEXT), (SELECT uid FROM object WHERE object.num = template), 'copy-' || {ID}) AS BLOB)
         FROM copy WHERE body.num = {last} + copy.n"
    );
    conn.execute_batch(&sql).expect("UIDs");
    let sql = format!(
        "UPDATE object SET size = (SELECT length(data) FROM body WHERE body.num = object.num) WHERE num > {last}"
    );
    conn.execute_batch(&sql).expect("sizes");
    copy(
        &conn,
        "card",
        "(SELECT num FROM object WHERE object.id = card.id)",
        size,
        &[
            ("id", ID),
            ("uid", &uid),
            ("display_name", NAME),
            ("sort_name", &format!("lower({NAME})")),
            ("organization", &organization()),
            ("title", &one_of(&TITLES, "n % 4")),
            ("details", &replaced("details", true)),
            ("etag", etag),
            ("create_time", &time),
            ("update_time", &time),
        ],
    );
    conn.execute_batch(&format!(
        "INSERT INTO card_phone (e164, card) SELECT {PHONE}, {ID} FROM copy;
         INSERT INTO card_email (address, card) SELECT {EMAIL}, {ID} FROM copy;
         UPDATE collection SET seq = seq + {size} + 1000, object_count = object_count + {size} WHERE num = (SELECT coll FROM object WHERE num = {last} + 1);
         DROP TABLE copy"
    ))
    .expect("what finds them");
    done(&conn);
}

/// Copies the row of the template so many times; `other` says how columns differ.
fn copy(conn: &Connection, table: &str, key: &str, size: usize, other: &[(&str, &str)]) {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    let mut statement = conn.prepare(&sql).expect("a statement");
    let names = statement.query_map((), |row| row.get::<_, String>(0)).expect("columns");
    let columns: Vec<String> = names.collect::<Result<_, _>>().expect("columns");
    let value = |column: &String| match other.iter().find(|(name, _)| name == column) {
        Some((_, sql)) => (*sql).to_owned(),
        None => format!("old.{column}"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM copy JOIN (SELECT *, {key} AS at FROM {table}) AS old ON old.at = copy.template",
        columns.join(", "),
        values.join(", ")
    );
    assert_eq!(conn.execute(&sql, ()).expect("copied"), size);
}

/// When a partner was made: within 2,000 days, in whole minutes.
fn create_time() -> String {
    // The directory and segmentation are filled one after the other: both count from the same moment.
    format!("({} - {} * {MINUTE})", BEGIN, roll("n", 6, 2_000 * 24 * 60))
}

/// From when facts are counted back: 2026-11-30 00:00 UTC.
const BEGIN: i64 = 1_795_996_800_000_000;

fn ago(of: &str, purpose: u64, days: u64) -> String {
    format!("{BEGIN} - {} * {MINUTE}", roll(of, purpose, days * 24 * 60))
}

fn facts(file: &Path, size: usize) {
    let conn = open(file);
    let all = numbers(size);
    let first: i64 = conn.query_row("SELECT next_ord FROM engine", (), |row| row.get(0)).expect("a number");
    // The two that were made through the interface have the numbers before.
    let ord = format!("({first} + n - 1)");
    let each = |most: usize| {
        let places: Vec<String> = (1..=most).map(|place| format!("SELECT {place} AS j")).collect();
        format!("{all} CROSS JOIN ({})", places.join(" UNION ALL "))
    };
    let item = "(n * 4 + j)";
    let statements = [
        format!("INSERT INTO partner_ord (partner, ord, survivor) SELECT 'partners/' || {ID}, {ord}, '' FROM {all}"),
        format!(
            "INSERT INTO fact_partner (ord, kind, display_name, organization, title, company, country, region, city, postal_code, language, do_not_call, create_time)
             SELECT {ord}, CASE WHEN n % 3 = 2 THEN 'COMPANY' ELSE 'PERSON' END, {NAME}, {}, {}, '', {}, {}, {}, {}, {}, n % 20 = 0, {} FROM {all}",
            organization(),
            one_of(&TITLES, "n % 4"),
            country(),
            region(),
            city(),
            postal_code(),
            one_of(&["fr", "nl", "de", "en"], &roll("n", 7, 4)),
            create_time()
        ),
        format!("INSERT INTO fact_text (ord, field, value) SELECT {ord}, 'emails', {EMAIL} FROM {all}"),
        format!("INSERT INTO fact_text (ord, field, value) SELECT {ord}, 'phones', {PHONE} FROM {all}"),
        format!(
            "INSERT OR IGNORE INTO fact_text (ord, field, value) SELECT {ord}, 'tags', 'tag' || {} FROM {} WHERE j <= {}",
            roll(item, 8, 50),
            each(2),
            roll("n", 9, 3)
        ),
        "INSERT INTO partner_trait (owner, tags, language) SELECT ord, COALESCE((SELECT group_concat(value, char(10)) FROM fact_text t
             WHERE t.ord = p.ord AND t.field = 'tags'), ''), language FROM fact_partner p"
            .to_owned(),
        format!("INSERT INTO do_not_call (e164) SELECT {PHONE} FROM {all} WHERE n % 20 = 0"),
        format!(
            "INSERT INTO fact_answer (ord, question, choice) SELECT {ord}, 'questions/q' || {}, 'c' || {} FROM {all} WHERE {} = 0",
            roll("n", 10, 10),
            roll("n", 11, 5),
            roll("n", 12, 2)
        ),
        "INSERT INTO answer (owner, question, choices, time) SELECT ord, question, choice, 0 FROM fact_answer".to_owned(),
        format!(
            "INSERT INTO fact_opportunity (ord, id, state, stage, pipeline, team, assignee, source, lost_reason, amount, create_time, close_time, owner)
             SELECT {ord}, 'opportunities/' || {ID}, {}, 'pipelines/sales/stages/' || {}, 'pipelines/sales', 'teams/' || {}, 'users/' || {}, {}, '', {} * 100, {}, NULL, {ord}
             FROM {all} WHERE {} = 0",
            one_of(&["OPEN", "WON", "LOST"], &roll("n", 13, 3)),
            roll("n", 14, 7),
            roll("n", 15, 20),
            roll("n", 16, 200),
            one_of(&["web", "fair", "phone", ""], &roll("n", 17, 4)),
            roll("n", 18, 100_000),
            ago("n", 19, 700),
            roll("n", 20, 2)
        ),
        format!(
            "INSERT INTO fact_call (ord, id, direction, result, taken_by, talk_seconds, start_time, owner)
             SELECT {ord}, 'calls/' || n || '-' || j, {}, {}, 'users/' || {}, {}, {}, {ord} FROM {} WHERE j <= {}",
            one_of(&["INBOUND", "OUTBOUND"], &roll(item, 21, 2)),
            one_of(&["ANSWERED", "ANSWERED", "MISSED", "NO_ANSWER"], &roll(item, 22, 4)),
            roll(item, 23, 200),
            roll(item, 24, 900),
            ago(item, 25, 700),
            each(3),
            roll("n", 26, 4)
        ),
        format!(
            "INSERT INTO fact_purchase (ord, id, kind, posted, currency, amount, time, owner)
             SELECT {ord}, 'old-' || n || '-' || j, CASE WHEN {} = 0 THEN 'REFUND' ELSE 'SALE' END, {} > 0, {}, {} * 100, {}, {ord} FROM {} WHERE j <= {}",
            roll(item, 27, 5),
            roll(item, 28, 20),
            one_of(&["EUR", "EUR", "EUR", "USD"], &roll(item, 29, 4)),
            roll(item, 30, 2_000_000),
            ago(item, 31, 700),
            each(2),
            roll("n", 32, 3)
        ),
        format!(
            "INSERT INTO fact_mail (ord, id, kind, time, owner) SELECT {ord}, 'old-' || n || '-' || j, {}, {}, {ord} FROM {} WHERE j <= {}",
            one_of(&["SENT", "OPENED", "CLICKED"], &roll(item, 33, 3)),
            ago(item, 34, 300),
            each(2),
            roll("n", 35, 3)
        ),
        format!(
            "INSERT INTO fact_visit (ord, id, page, time, owner) SELECT {ord}, 'old-' || n, '/page/' || {}, {}, {ord} FROM {all} WHERE {} = 0",
            roll("n", 36, 500),
            ago("n", 37, 100),
            roll("n", 38, 2)
        ),
        format!("UPDATE engine SET next_ord = next_ord + {size}"),
        // The scores are computed by the service itself.
        "UPDATE rfm_state SET dirty = dirty + 1".to_owned(),
    ];
    for sql in statements {
        conn.execute(&sql, ()).unwrap_or_else(|cause| panic!("{cause}: {sql}"));
    }
    done(&conn);
}
