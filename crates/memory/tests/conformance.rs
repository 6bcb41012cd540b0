//! The conformance suite on the authoritative memory store.

use std::sync::Arc;
use vestibule_memory::MemoryStore;
use vestibule_testkit::conformance::Harness;

async fn make() -> Harness {
    Harness::of(Arc::new(MemoryStore::default()))
}

vestibule_testkit::session_conformance!(make);
