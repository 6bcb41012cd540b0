//! The durable record.

use super::{Check, clock};
use crate::config::{Config, Record};
use vestibule::sql::{Examined, PostgresOptions, PostgresRecord};

/// Where the address of the database stands.
const SETTING: &str = "record.url (DATABASE_URL)";

/// Asks the database about itself, if there is one. Changes nothing: the schema is brought up to date by a start.
pub(super) async fn look(config: &Config) -> Vec<Check> {
    let url = match &config.record {
        Record::Postgres(url) => url,
        Record::Sqlite => return vec![Check::ok("record", format!("SQLite in {}", config.data_dir.display()))],
        Record::None => return vec![Check::ok("record", "none: what the store loses is lost")],
    };
    match PostgresRecord::examine(url.expose(), &PostgresOptions::default()).await {
        Ok(examined) => vec![describe(&examined), clock::compare("Postgres", &examined.inspection.clock)],
        Err(fault) => vec![Check::faulty("record", &fault, SETTING)],
    }
}

fn describe(Examined { inspection, schema, newest_schema }: &Examined) -> Check {
    let version = &inspection.version;
    let schema = match schema {
        0 => "no schema yet; the first start makes it".to_owned(),
        schema if schema < newest_schema => format!("schema {schema}; a start brings it to {newest_schema}"),
        schema => format!("schema {schema}"),
    };
    Check::ok("record", format!("{version}, {schema}"))
}
