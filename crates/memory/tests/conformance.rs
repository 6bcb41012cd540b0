//! The conformance suite on the authoritative memory store.

use std::sync::Arc;
use vestibule_memory::{MemoryLimits, MemoryStore};
use vestibule_testkit::conformance::{Harness, LimitScene};

async fn make() -> Harness {
    Harness::of(Arc::new(MemoryStore::default()))
}

vestibule_testkit::session_conformance!(make);

async fn make_telling() -> Harness {
    let store = Arc::new(MemoryStore::default());
    let bus = store.bus();
    Harness::of(store).telling(bus)
}

vestibule_testkit::bus_conformance!(make_telling);

async fn make_limits() -> LimitScene {
    LimitScene::of(Arc::new(MemoryLimits::default()))
}

vestibule_testkit::limit_conformance!(make_limits);
