//! The default deployment: memory over a SQLite record.

use std::{sync::Arc, time::Duration};
use vestibule_core::durable::Durable;
use vestibule_memory::MemoryState;
use vestibule_sql::{SqliteOptions, SqliteRecord};
use vestibule_testkit::{conformance::Harness, model::Walk};

/// Far above what a busy machine needs: what is tested here is not the deadline.
const DEADLINE: Duration = Duration::from_secs(60);

async fn over(state: MemoryState) -> Harness {
    let folder = tempfile::tempdir().expect("a folder for the record");
    let record = Arc::new(SqliteRecord::open(folder.path(), SqliteOptions::default()).expect("an empty folder opens"));
    let store = Durable::new(record.clone(), Arc::new(state), DEADLINE);
    let bus = store.bus();
    Harness::joined(Arc::new(store), record).telling(bus).keeping(folder)
}

async fn make() -> Harness {
    over(MemoryState::new(64 * 1024 * 1024)).await
}

/// A state that holds next to nothing: every lookup of another user is a load from the record.
async fn make_forgetful() -> Harness {
    over(MemoryState::new(1)).await
}

mod held {
    use super::make;

    vestibule_testkit::session_conformance!(make);
    vestibule_testkit::bus_conformance!(make);
}

mod forgetful {
    use super::make_forgetful;

    vestibule_testkit::session_conformance!(make_forgetful);
}

/// Uses reach the record in batches, in which the later one of a session stands for those before it.
fn walk() -> Walk {
    Walk { counts_uses: false, ..Walk::from_env() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_agrees_with_the_model() {
    walk().compare(make().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_agrees_with_the_model_whatever_its_state_forgets() {
    walk().compare(make_forgetful().await).await;
}
