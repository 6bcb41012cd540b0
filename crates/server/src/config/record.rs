//! `[record]`: the durable history, and who keeps it.

use super::{reader::Reader, secret::SecretText, store::Store};

/// The record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A SQLite file in the data folder. Default with the state in memory.
    Sqlite,
    /// Postgres, at this URL.
    Postgres(SecretText),
    /// None: nothing outlives the state. Default with the state on Redis.
    None,
}

impl Record {
    pub(super) fn read(reader: &mut Reader, store: &Store) -> Self {
        reader.section("record");
        let url = reader.text_or_file("record.url");
        let record = match &url {
            None if store.uses_redis() => Some(Self::None),
            None => Some(Self::Sqlite),
            Some(url) => Self::from_url(url),
        };
        let shown = match &record {
            Some(Self::Sqlite) => "sqlite",
            Some(Self::Postgres(_)) => "postgres://...",
            Some(Self::None) => "none",
            None => "(invalid)",
        };
        reader.note("record.url", shown.to_owned());
        if record.is_none() {
            reader.problem(
                "record.url",
                "expected none, sqlite (the file is in data_dir), or a URL such as postgres://host/database",
            );
        }
        if record == Some(Self::Sqlite) && store.uses_redis() {
            reader.problem(
                "record.url",
                "a SQLite record belongs to one process, but state on Redis is shared by many; take Postgres, or no record",
            );
        }
        record.unwrap_or(Self::None)
    }

    fn from_url(url: &SecretText) -> Option<Self> {
        match url.expose() {
            "none" => Some(Self::None),
            "sqlite" | "sqlite:" | "sqlite://" => Some(Self::Sqlite),
            text if text.starts_with("postgres://") || text.starts_with("postgresql://") => Some(Self::Postgres(url.clone())),
            _ => None,
        }
    }
}
