//! Everything a store holds, as readable JSON.

use crate::embedded::database::{FORMAT, open_to_read};
use crate::embedded::error::StoreError;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value};
use std::path::Path;

const TABLES: [&str; 8] = [
    "meta", "groups", "sessions", "tickets", "timers", "nodes", "orders", "history",
];
/// Columns that hold JSON; a broken one is shown as the text it is.
const RECORDS: [&str; 7] = [
    "record", "identity", "ticket", "pause", "owed", "ordered", "entry",
];

/// Shows every row of every table. Opens for reading only, also beside a running daemon.
///
/// # Errors
/// When the file is missing, is no store, or cannot be read.
pub fn dump(path: &Path) -> Result<Value, StoreError> {
    let mut conn = open_to_read(path)?;
    all(&mut conn).map_err(|error| StoreError::sql(path, &error))
}

fn all(conn: &mut Connection) -> rusqlite::Result<Value> {
    let transaction = conn.transaction()?;
    let mut dump = Map::new();
    dump.insert("format".to_owned(), FORMAT.into());
    for table in TABLES {
        // A backup of an earlier version has no orders.
        if table != "orders" || transaction.table_exists(None, table)? {
            dump.insert(table.to_owned(), rows(&transaction, table)?);
        }
    }
    Ok(dump.into())
}

fn rows(conn: &Connection, table: &str) -> rusqlite::Result<Value> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {table}"))?;
    let columns: Vec<String> = statement.column_names().map(Into::into).collect();
    let mut rows = statement.query([])?;
    let mut shown = Vec::new();
    while let Some(row) = rows.next()? {
        let mut object = Map::new();
        for (at, column) in columns.iter().enumerate() {
            object.insert(column.clone(), value(column, row.get_ref(at)?));
        }
        shown.push(object.into());
    }
    Ok(Value::Array(shown))
}

fn value(column: &str, value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let record = RECORDS
                .contains(&column)
                .then(|| serde_json::from_str(&text).ok())
                .flatten();
            record.unwrap_or_else(|| text.into_owned().into())
        }
    }
}
