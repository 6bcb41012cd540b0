//! Memory over a Postgres record.

use std::{sync::Arc, time::Duration};
use vestibule_core::durable::Durable;
use vestibule_memory::MemoryState;
use vestibule_sql::{PostgresOptions, PostgresRecord};
use vestibule_testkit::{conformance::Harness, model::Walk, process::Postgres};

/// Far above what a busy machine needs: what is tested here is not the deadline.
const DEADLINE: Duration = Duration::from_secs(60);

/// This process hears of every use, so none is on its way from elsewhere.
fn options() -> PostgresOptions {
    PostgresOptions { idle_slack: Duration::ZERO, readers: 2, read_timeout: DEADLINE, ..PostgresOptions::default() }
}

async fn over(state: MemoryState) -> Harness {
    let (postgres, url) = tokio::task::spawn_blocking(|| {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (postgres, url)
    })
    .await
    .expect("the fixture does not panic");
    let record = Arc::new(PostgresRecord::open(&url, options()).await.expect("an empty database opens"));
    let store = Durable::new(record.clone(), Arc::new(state), DEADLINE);
    Harness::joined(Arc::new(store), record).keeping(postgres)
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
