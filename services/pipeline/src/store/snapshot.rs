//! A row as bytes, with the names of its columns, so that it can be put back as it was, also when the table has more columns by then.
//! Called by store/merge.rs and the other files about merges.

use kontor_kit::db::{Tx, Value};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result};
use prost::Message;

use crate::domain::merge::Texts;

/// Columns and their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot(Vec<(String, Value)>);

#[derive(Clone, PartialEq, Message)]
struct Packed {
    #[prost(message, repeated, tag = "1")]
    cells: Vec<Cell>,
}

/// One of the four is set, and none for a null of the kind.
#[derive(Clone, PartialEq, Message)]
struct Cell {
    #[prost(string, tag = "1")]
    column: String,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(sint64, optional, tag = "3")]
    int: Option<i64>,
    #[prost(double, optional, tag = "4")]
    real: Option<f64>,
    #[prost(string, optional, tag = "5")]
    text: Option<String>,
    #[prost(bytes = "vec", optional, tag = "6")]
    bytes: Option<Vec<u8>>,
}

impl Snapshot {
    /// A row as it is.
    pub fn of<T: Stored>(row: &T) -> Snapshot {
        let columns = T::COLUMNS.iter().map(|column| (*column).to_owned());
        Snapshot(columns.zip(row.values()).collect())
    }

    /// As bytes.
    pub fn pack(&self) -> Vec<u8> {
        let cell = |(column, value): &(String, Value)| {
            let empty = Cell { column: column.clone(), ..Cell::default() };
            match value.clone() {
                Value::Int(int) => Cell { int, ..empty },
                Value::Real(real) => Cell { kind: 1, real, ..empty },
                Value::Text(text) => Cell { kind: 2, text, ..empty },
                Value::Bytes(bytes) => Cell { kind: 3, bytes, ..empty },
            }
        };
        Packed { cells: self.0.iter().map(cell).collect() }.encode_to_vec()
    }

    /// From bytes.
    ///
    /// # Errors
    /// INTERNAL when they are damaged.
    pub fn unpack(data: &[u8]) -> Result<Snapshot> {
        let packed = Packed::decode(data).map_err(Error::internal)?;
        let value = |cell: Cell| {
            let value = match cell.kind {
                0 => Value::Int(cell.int),
                1 => Value::Real(cell.real),
                2 => Value::Text(cell.text),
                _ => Value::Bytes(cell.bytes),
            };
            (cell.column, value)
        };
        Ok(Snapshot(packed.cells.into_iter().map(value).collect()))
    }

    /// A text, empty when it is not there.
    pub fn text(&self, column: &str) -> &str {
        match self.value(column) {
            Some(Value::Text(Some(text))) => text,
            _ => "",
        }
    }

    /// A number, 0 when it is not there.
    pub fn int(&self, column: &str) -> i64 {
        match self.value(column) {
            Some(Value::Int(Some(int))) => *int,
            _ => 0,
        }
    }

    /// These columns of it as texts; numbers are written out, and what is not there is left out.
    pub fn texts<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Texts {
        let text = |column: &'a str| match self.value(column)? {
            Value::Text(text) => Some((column.to_owned(), text.clone().unwrap_or_default())),
            Value::Int(int) => Some((column.to_owned(), int.unwrap_or_default().to_string())),
            _ => None,
        };
        columns.into_iter().filter_map(text).collect()
    }

    /// Gives a column another value.
    pub fn set(&mut self, column: &str, new: impl Into<Value>) {
        let new = new.into();
        match self.0.iter_mut().find(|(name, _)| name == column) {
            Some((_, value)) => *value = new,
            None => self.0.push((column.to_owned(), new)),
        }
    }

    /// Puts the row back and reads it. Columns that came later have what the table gives them.
    ///
    /// # Errors
    /// ALREADY_EXISTS.
    pub fn insert<T: Stored>(&self, tx: &mut Tx<'_>) -> Result<T> {
        let columns: Vec<&str> = self.0.iter().map(|(column, _)| column.as_str()).collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", T::TABLE, columns.join(", "), places.join(", "));
        let values: Vec<Value> = self.0.iter().map(|(_, value)| value.clone()).collect();
        tx.execute(&sql, &values)?;
        let back = resource::get(tx, self.text(T::COLUMNS[0]))?;
        resource::note(tx, None, Some(&back));
        Ok(back)
    }

    fn value(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

/// Texts as bytes.
pub fn pack_texts(texts: &Texts) -> Vec<u8> {
    Snapshot(texts.iter().map(|(column, text)| (column.clone(), text.into())).collect()).pack()
}

/// Texts from bytes.
///
/// # Errors
/// INTERNAL when they are damaged.
pub fn unpack_texts(data: &[u8]) -> Result<Texts> {
    let snapshot = Snapshot::unpack(data)?;
    Ok(snapshot.texts(snapshot.0.iter().map(|(column, _)| column.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_with_its_nulls() {
        let values = [
            Value::Int(Some(-7)),
            Value::Int(None),
            Value::Real(Some(0.5)),
            Value::Real(None),
            Value::Text(Some(String::new())),
            Value::Text(None),
            Value::Bytes(Some(vec![0, 255])),
            Value::Bytes(None),
        ];
        let named = values.into_iter().enumerate().map(|(place, value)| (format!("c{place}"), value));
        let snapshot = Snapshot(named.collect());
        assert_eq!(Snapshot::unpack(&snapshot.pack()).unwrap(), snapshot);
        assert!(Snapshot::unpack(&[255; 9]).is_err());
    }
}
