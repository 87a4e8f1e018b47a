//! PostgreSQL behind `Conn`: a session is one sqlx connection with its own small runtime on a database thread.
//! Called by `db/conn.rs` and the threads in `db/threads.rs`.

use std::str::FromStr;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::Value;
use crate::{Error, Result, error};

pub(super) struct Session {
    runtime: tokio::runtime::Runtime,
    options: PgConnectOptions,
    conn: Option<PgConnection>,
    /// A statement has failed since the last BEGIN, SAVEPOINT or ROLLBACK: the transaction can't be committed.
    failed: bool,
}

impl Session {
    /// A session that connects at its first use, with the schema as the only one in sight.
    pub(super) fn new(url: &str, schema: &str) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let options = PgConnectOptions::from_str(url)
            .map_err(|cause| Error::invalid("database.url", cause))?
            .statement_cache_capacity(500)
            .options([("search_path", schema)])
            .disable_statement_logging();
        Ok(Session { runtime, options, conn: None, failed: false })
    }

    /// Connects and makes the schema when it is new.
    pub(super) fn open(url: &str, schema: &str) -> Result<Self> {
        let mut session = Session::new(url, schema)?;
        session.ready()?;
        let exists = session.fetch("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema.into()])?;
        if exists.is_empty() {
            let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
            let conn = session.conn.as_mut().ok_or_else(lost)?;
            match session.runtime.block_on(sqlx::raw_sql(AssertSqlSafe(create)).execute(conn)) {
                // Another process made it at the same moment, which IF NOT EXISTS does not catch.
                Err(sqlx::Error::Database(failure)) if failure.is_unique_violation() => {}
                outcome => {
                    outcome?;
                }
            }
        }
        Ok(session)
    }

    /// Connects when it has no connection, or lost it.
    pub(super) fn ready(&mut self) -> Result<()> {
        if self.conn.is_none() {
            self.conn = Some(self.runtime.block_on(self.options.connect())?);
            self.failed = false;
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64> {
        let args = arguments(args)?;
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let answer = self.runtime.block_on(sqlx::query_with(AssertSqlSafe(sql), args).execute(conn));
        self.keep_or_drop(answer).map(|done| done.rows_affected())
    }

    pub(super) fn fetch(&mut self, sql: &str, args: &[Value]) -> Result<Vec<PgRow>> {
        let args = arguments(args)?;
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let answer = self.runtime.block_on(sqlx::query_with(AssertSqlSafe(sql), args).fetch_all(conn));
        self.keep_or_drop(answer)
    }

    /// Calls `look` with each row as it comes, so that memory does not grow with their number.
    pub(super) fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        mut look: impl FnMut(&PgRow) -> Result<()>,
    ) -> Result<()> {
        let args = arguments(args)?;
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let answer = self.runtime.block_on(async {
            let mut rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch(conn);
            while let Some(row) = rows.try_next().await? {
                if let Err(refused) = look(&row) {
                    return Ok(Err(refused));
                }
            }
            Ok(Ok(()))
        });
        self.keep_or_drop(answer)?
    }

    pub(super) fn script(&mut self, sql: &str) -> Result<()> {
        let conn = self.conn.as_mut().ok_or_else(lost)?;
        let answer = self.runtime.block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn));
        self.keep_or_drop(answer)?;
        self.failed = false;
        Ok(())
    }

    /// Whether a statement of the running transaction has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.conn.is_none()
    }

    /// Forgets the connection after an error of the line, so that the next use connects anew.
    fn keep_or_drop<T>(&mut self, answer: sqlx::Result<T>) -> Result<T> {
        if let Err(cause) = &answer {
            self.failed = true;
            if is_line_error(cause) {
                self.conn = None;
            }
        }
        answer.map_err(Error::from)
    }

    pub(super) fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            let _ = self.runtime.block_on(conn.close());
        }
    }
}

fn is_line_error(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(failure) => failure.code().is_some_and(|code| error::is_shutdown(&code)),
        _ => false,
    }
}

fn lost() -> Error {
    Error::unavailable("the connection to PostgreSQL was lost: try again")
}

fn arguments(args: &[Value]) -> Result<PgArguments> {
    let mut bound = PgArguments::default();
    for arg in args {
        match arg {
            Value::Int(value) => bound.add(value),
            Value::Real(value) => bound.add(value),
            Value::Text(value) => bound.add(value.as_deref()),
            Value::Bytes(value) => bound.add(value.as_deref()),
        }
        .map_err(Error::internal)?;
    }
    Ok(bound)
}
