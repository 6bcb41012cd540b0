//! Random commands on the authoritative memory store, compared with the model.

use std::{sync::Arc, time::Duration};
use vestibule_memory::{MemoryOptions, MemoryStore};
use vestibule_testkit::{conformance::Harness, model::Walk};

#[tokio::test]
async fn the_memory_store_agrees_with_the_model() {
    // A walk lasts months; the model forgets nothing.
    let history_retention = Duration::from_secs(10 * 365 * 86_400);
    let store = MemoryStore::new(MemoryOptions { history_retention, ..MemoryOptions::default() });
    Walk::from_env().compare(Harness::of(Arc::new(store))).await;
}
