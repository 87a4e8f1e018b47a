//! Values that go into SQL and rows that come out, the same for both databases.
//! Called by every store.

use crate::{Error, Result};

/// An argument of a statement. A null keeps its type, which PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// BIGINT
    Int(Option<i64>),
    /// DOUBLE PRECISION
    Real(Option<f64>),
    /// TEXT
    Text(Option<String>),
    /// BYTEA or BLOB
    Bytes(Option<Vec<u8>>),
}

macro_rules! from {
    ($($source:ty => $variant:ident, $map:expr;)*) => {$(
        impl From<$source> for Value {
            fn from(value: $source) -> Self {
                Value::$variant(Some(($map)(value)))
            }
        }
        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                Value::$variant(value.map($map))
            }
        }
    )*};
}

from! {
    i64 => Int, |value| value;
    i32 => Int, i64::from;
    u32 => Int, i64::from;
    bool => Int, i64::from;
    f64 => Real, |value| value;
    String => Text, |value| value;
    &str => Text, str::to_owned;
    &String => Text, |value: &String| value.clone();
    Vec<u8> => Bytes, |value| value;
    &[u8] => Bytes, <[u8]>::to_vec;
    bytes::Bytes => Bytes, |value: bytes::Bytes| value.to_vec();
    &bytes::Bytes => Bytes, |value: &bytes::Bytes| value.to_vec();
}

/// Makes the arguments of a statement: `args![id, sequence, name]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::db::Value::from($value)),*] as &[$crate::db::Value]
    };
}

/// One row of an answer, alive while it is looked at.
pub enum Row<'a> {
    /// From SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// From PostgreSQL.
    Postgres(&'a sqlx::postgres::PgRow),
}

impl Row<'_> {
    /// A number.
    ///
    /// # Errors
    /// INTERNAL when the column is no number or null.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// A number or null.
    ///
    /// # Errors
    /// INTERNAL when the column is no number.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Row::Sqlite(row) => Ok(row.get(column)?),
            // A bare literal such as `SELECT 1` is an INTEGER there, not a BIGINT.
            Row::Postgres(row) => match sqlx::Row::try_get::<Option<i64>, _>(*row, column) {
                Ok(value) => Ok(value),
                Err(_) => Ok(sqlx::Row::try_get::<Option<i32>, _>(*row, column)?.map(i64::from)),
            },
        }
    }

    /// A truth value, kept as 0 or 1.
    ///
    /// # Errors
    /// INTERNAL when the column is no number or null.
    pub fn bool(&self, column: usize) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    /// A floating number or null.
    ///
    /// # Errors
    /// INTERNAL when the column is no number.
    pub fn opt_real(&self, column: usize) -> Result<Option<f64>> {
        match self {
            Row::Sqlite(row) => Ok(row.get(column)?),
            Row::Postgres(row) => Ok(sqlx::Row::try_get(*row, column)?),
        }
    }

    /// A text, borrowed.
    ///
    /// # Errors
    /// INTERNAL when the column is no text or null.
    pub fn text(&self, column: usize) -> Result<&str> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// A text as the database has it: without a look at whether it is UTF-8, for those who copy many and check later.
    ///
    /// # Errors
    /// INTERNAL when the column is no text or null.
    pub fn text_bytes(&self, column: usize) -> Result<&[u8]> {
        match self {
            Row::Sqlite(row) => row.get_ref(column)?.as_bytes().map_err(Error::internal),
            Row::Postgres(row) => Ok(sqlx::Row::try_get::<&str, usize>(*row, column)?.as_bytes()),
        }
    }

    /// A text or null, borrowed.
    ///
    /// # Errors
    /// INTERNAL when the column is no text.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>> {
        match self {
            Row::Sqlite(row) => match row.get_ref(column)? {
                rusqlite::types::ValueRef::Null => Ok(None),
                value => value.as_str().map(Some).map_err(Error::internal),
            },
            Row::Postgres(row) => Ok(sqlx::Row::try_get(*row, column)?),
        }
    }

    /// A text, owned.
    ///
    /// # Errors
    /// INTERNAL when the column is no text or null.
    pub fn string(&self, column: usize) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    /// Bytes, borrowed.
    ///
    /// # Errors
    /// INTERNAL when the column holds no bytes or is null.
    pub fn bytes(&self, column: usize) -> Result<&[u8]> {
        self.opt_bytes(column)?.ok_or_else(|| null(column))
    }

    /// Bytes or null, borrowed.
    ///
    /// # Errors
    /// INTERNAL when the column holds no bytes.
    pub fn opt_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        match self {
            Row::Sqlite(row) => match row.get_ref(column)? {
                rusqlite::types::ValueRef::Null => Ok(None),
                value => value.as_bytes().map(Some).map_err(Error::internal),
            },
            Row::Postgres(row) => Ok(sqlx::Row::try_get(*row, column)?),
        }
    }
}

fn null(column: usize) -> Error {
    Error::internal(format!("column {column} is null"))
}
