//! The conformance suite.

use super::support::store_on;
use vestibule_testkit::{conformance::Harness, process::Redis};

async fn make() -> Harness {
    let server = Redis::start();
    Harness::of(store_on(&server)).keeping(server)
}

vestibule_testkit::session_conformance!(make);
