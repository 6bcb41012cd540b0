//! The conformance suite on the authoritative memory store.

use std::sync::Arc;
use vestibule_memory::MemoryStore;
use vestibule_testkit::conformance::Harness;

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
