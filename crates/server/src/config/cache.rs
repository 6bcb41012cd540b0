//! `[cache.types.NAME]`: what is cached, and for how long.

use super::{reader::Reader, value::Value};
use std::{collections::BTreeMap, time::Duration};

/// One type of cached values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "read by the cache capability")]
pub(crate) struct CacheType {
    /// How long a value is served at most.
    pub(crate) ttl: Duration,
    /// After which it is loaded anew while it is still served. Default none: not before `ttl`.
    pub(crate) soft_ttl: Option<Duration>,
    /// How long the absence of a value is believed. Default none: not at all.
    pub(crate) negative_ttl: Option<Duration>,
    /// Where a missing value is fetched from; `{key}` stands for its key. Default none: callers put values.
    pub(crate) loader: Option<String>,
}

/// Reads all types.
pub(super) fn read(reader: &mut Reader) -> BTreeMap<String, CacheType> {
    reader.section("cache");
    let mut types = BTreeMap::new();
    for name in reader.names("cache.types") {
        let path = format!("cache.types.{name}");
        reader.section(&path);
        if let Some(cached) = read_type(reader, &path) {
            types.insert(name, cached);
        }
    }
    if !types.is_empty() {
        reader.warn("cache.types: there is no cache yet; nothing is cached".to_owned());
    }
    types
}

fn read_type(reader: &mut Reader, path: &str) -> Option<CacheType> {
    let key = |name: &str| format!("{path}.{name}");
    let ttl: Option<Duration> = reader.optional(&key("ttl"));
    if ttl.is_none() && !reader.is_given(&key("ttl")) {
        reader.problem(path, "ttl is missing");
    }
    let soft_ttl: Option<Duration> = reader.optional(&key("soft_ttl"));
    if let (Some(soft), Some(hard)) = (soft_ttl, ttl)
        && soft >= hard
    {
        reader.problem(&key("soft_ttl"), format!("{} is not shorter than ttl ({})", soft.show(), hard.show()));
    }
    let negative_ttl = reader.optional(&key("negative_ttl"));
    let loader: Option<String> = reader.optional(&key("loader"));
    let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if loader.as_ref().is_some_and(|loader| !is_url(loader) || !loader.contains("{key}")) {
        reader.problem(&key("loader"), "expected a URL with {key} in it, such as http://127.0.0.1:9000/profiles/{key}");
    }
    Some(CacheType { ttl: ttl?, soft_ttl, negative_ttl, loader })
}
