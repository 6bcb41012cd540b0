//! Sessions in a table of a Postgres database.

use super::{
    super::failure::Failure,
    bounds,
    source::{Rows, Take, failed},
};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub(super) fn each(url: &str, rows: &Rows, take: &mut Take<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(walk(url, rows, take))
}

async fn walk(url: &str, rows: &Rows, take: &mut Take<'_>) -> Result<(), Failure> {
    let fault = |error: sqlx::Error| failed("the database to read from", &error);
    let connecting = tokio::time::timeout(bounds::ANSWER, PgConnection::connect(url));
    let connected = connecting.await.map_err(|_| failed("the database to read from", &"it does not answer"))?;
    let mut connection = connected.map_err(|error| match error {
        // Its text may repeat the address, and with it a password.
        sqlx::Error::Configuration(_) => Failure::usage("--from: this is no address of a Postgres database"),
        error => fault(error),
    })?;
    // The database tells names and types of all columns by itself. The name is quoted, and the rest is ours.
    let statement = format!("SELECT to_jsonb(found)::text FROM {} AS found", quoted(&rows.table));
    let mut found = sqlx::query_scalar::<_, String>(AssertSqlSafe(statement)).fetch(&mut connection);
    while let Some(row) = found.try_next().await.map_err(fault)? {
        take(match serde_json::from_str(&row) {
            Ok(Value::Object(columns)) => rows.document(columns),
            _ => Err("unreadable"),
        })?;
    }
    Ok(())
}

/// `schema.table` or `table`.
fn quoted(table: &str) -> String {
    table.split('.').map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect::<Vec<_>>().join(".")
}
