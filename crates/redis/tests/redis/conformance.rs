//! The conformance suite.

use super::support::store_on;
use vestibule_testkit::{conformance::Harness, process::Redis};

async fn make() -> Harness {
    let server = Redis::start();
    Harness::of(store_on(&server)).keeping(server)
}

vestibule_testkit::session_conformance!(make);

async fn make_telling() -> Harness {
    let server = Redis::start();
    let store = store_on(&server);
    let bus = store.bus();
    Harness::of(store).telling(bus).keeping(server)
}

vestibule_testkit::bus_conformance!(make_telling);
