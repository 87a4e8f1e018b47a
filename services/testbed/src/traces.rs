//! Where a word stands in the data of all services: every column of every table, and on SQLite the bytes of the files too.
//! Called by tests of erasures. Words are in lower case and have no character that LIKE knows.

use std::path::Path;

use kontor_kit::db::Storage;
use rusqlite::Connection;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The tables that have one of the words, as "service.table: word".
///
/// # Panics
/// When the data can't be read.
pub async fn traces(storage: &Storage, words: &[&str]) -> Vec<String> {
    match storage {
        Storage::Sqlite(folder) => of_folder(folder, words),
        Storage::Postgres(url) => of_server(url, words).await,
    }
}

fn of_folder(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in databases(folder) {
        let service = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let conn = Connection::open(&path).expect("a database");
        for table in texts(&conn, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
            let columns = texts(&conn, &format!("SELECT name FROM pragma_table_info('{table}')"));
            for word in words {
                let has = |column: &String| {
                    format!(
                        "instr(lower(CAST(\"{column}\" AS TEXT)), '{word}') > 0 OR instr(CAST(\"{column}\" AS BLOB), CAST('{word}' AS BLOB)) > 0"
                    )
                };
                let any: Vec<String> = columns.iter().map(has).collect();
                let sql = format!("SELECT COUNT(*) FROM \"{table}\" WHERE {}", any.join(" OR "));
                let count: i64 = conn.query_row(&sql, [], |row| row.get(0)).expect("a count");
                if count > 0 {
                    found.push(format!("{service}.{table}: {word}"));
                }
            }
        }
    }
    found
}

/// The database files that have one of the words anywhere, also where nothing stands any more, as "file: word". What the log still has is
/// brought into the file before.
///
/// # Panics
/// When a file can't be read.
pub fn bytes(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in databases(folder) {
        let conn = Connection::open(&path).expect("a database");
        conn.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
        let busy: i64 =
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("a checkpoint");
        assert_eq!(busy, 0, "somebody reads {}", path.display());
        let data = std::fs::read(&path).expect("its bytes").to_ascii_lowercase();
        for word in words {
            if data.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(format!("{}: {word}", path.display()));
            }
        }
    }
    found
}

fn databases(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let mut found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "db")).collect();
    found.sort();
    found
}

fn texts(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}

async fn of_server(url: &str, words: &[&str]) -> Vec<String> {
    let mut conn = PgConnection::connect(url).await.expect("a connection");
    let sql = "SELECT table_schema::text, table_name::text FROM information_schema.tables
               WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE' ORDER BY 1, 2";
    let tables: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut conn).await.expect("tables");
    let mut found = Vec::new();
    for (schema, table) in tables {
        for word in words {
            let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
            let sql = format!(
                "SELECT COUNT(*) FROM \"{schema}\".\"{table}\" t WHERE lower(t::text) LIKE '%{word}%' OR t::text LIKE '%{hex}%'"
            );
            let count: i64 =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await.expect("a count");
            if count > 0 {
                found.push(format!("{schema}.{table}: {word}"));
            }
        }
    }
    found
}
