//! Sessions in a table of a SQLite file, which is only read.

use super::{
    super::failure::Failure,
    bounds,
    source::{Rows, Take, failed},
};
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::{Map, Value};

pub(super) fn each(path: &str, rows: &Rows, take: &mut Take<'_>) -> Result<(), Failure> {
    let fault = |error: rusqlite::Error| failed("the database to read from", &error);
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
    connection.busy_timeout(bounds::ANSWER).map_err(fault)?;
    let name = rows.table.replace('"', "\"\"");
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{name}\"")).map_err(fault)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([]).map_err(fault)?;
    while let Some(row) = found.next().map_err(fault)? {
        let mut members = Map::new();
        for (index, column) in columns.iter().enumerate() {
            members.insert(column.clone(), json(row.get_ref(index).map_err(fault)?));
        }
        take(rows.document(members))?;
    }
    Ok(())
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => match std::str::from_utf8(text) {
            Ok(text) if text.len() <= bounds::VALUE_BYTES => text.into(),
            _ => Value::Null,
        },
    }
}
