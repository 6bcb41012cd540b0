//! `[record]`: the durable history, and who keeps it.

use super::{reader::Reader, secret::SecretText, store::Store};
use std::path::Path;

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
    pub(super) fn read(reader: &mut Reader, store: &Store, data_dir: &Path) -> Self {
        reader.section("record");
        let url = reader.text_or_file("record.url");
        let record = match &url {
            None if store.uses_redis() => Some(Self::None),
            None => Some(Self::Sqlite),
            Some(url) => Self::from_url(url, data_dir),
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
                "expected none, sqlite (the file is vestibule.db in data_dir, and no other), or a URL such as postgres://host/database",
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

    /// Host and database of a server, without what may be secret in its URL.
    pub(crate) fn place(&self) -> Option<String> {
        let Self::Postgres(url) = self else { return None };
        let (_, rest) = url.expose().split_once("://")?;
        let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        Some(format!("postgres://{}", rest.split('?').next().unwrap_or_default()))
    }

    fn from_url(url: &SecretText, data_dir: &Path) -> Option<Self> {
        match url.expose() {
            "none" => Some(Self::None),
            "sqlite" => Some(Self::Sqlite),
            text if text.strip_prefix("sqlite:").is_some_and(|path| is_our_file(path, data_dir)) => Some(Self::Sqlite),
            text if text.starts_with("postgres://") || text.starts_with("postgresql://") => Some(Self::Postgres(url.clone())),
            _ => None,
        }
    }
}

/// Whether what follows `sqlite:` is nothing, or the file that the record has anyway. Some write a relative path behind three
/// slashes.
fn is_our_file(path: &str, data_dir: &Path) -> bool {
    let path = path.strip_prefix("//").unwrap_or(path);
    let ours = std::path::absolute(vestibule::sql::SqliteRecord::file(data_dir));
    let is_ours = |path: &str| ours.as_ref().is_ok_and(|ours| std::path::absolute(path).is_ok_and(|path| path == *ours));
    path.is_empty() || is_ours(path) || path.strip_prefix('/').is_some_and(is_ours)
}
