//! One process for one database where the state is in memory; and a change log that only goes forward.

use super::Database;
use crate::scene::{START, create, created, tag};
use vestibule_core::{fault::Fault, record::Record};
use vestibule_sql::{PostgresOptions, PostgresRecord};
use vestibule_testkit::bounds::{POLL, START as START_BOUND};

fn alone() -> PostgresOptions {
    PostgresOptions { exclusive: true, ..PostgresOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let database = Database::new().await;
    let first = database.node_with(alone()).await;
    let refused = PostgresRecord::open(&database.url, alone()).await.expect_err("one process only");
    assert!(matches!(&refused, Fault::Misconfigured(text) if text.contains("REDIS_URL")), "{refused:?}");
    drop(first);
    // The server notices the end of a connection a moment later.
    let opens = async {
        while PostgresRecord::open(&database.url, alone()).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(START_BOUND, opens).await.is_ok(), "the lock outlives its process");
}

/// A dump that is restored where fewer transactions were counted: the log goes on above what it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_change_log_goes_forward_after_a_restore() {
    let database = Database::new().await;
    let node = database.node().await;
    created(node.decide(vec![create(START, tag(1))]).await.remove(0));
    drop(node);
    database.sql("UPDATE vestibule_change_log SET sequence = sequence + (1::bigint << 50)");
    let node = database.node().await;
    let before = node.0.changes_since(0, 10).await.expect("the log reads").pop().expect("one change").sequence;
    let decided = node.decide(vec![create(START, tag(1))]).await.remove(0);
    assert!(decided.snapshot.expect("it changed").sequence > before);
    // Reads are dated before the oldest open transaction of the whole server, which may be another test's.
    let forward = async {
        while node.load(tag(1)).await.sequence <= before {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(START_BOUND, forward).await.is_ok(), "reads stay behind the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_is_the_operators_to_mend() {
    let database = Database::new().await;
    for (url, word) in [
        ("not an address".to_owned(), "address"),
        (database.url.replace("/test_", "/missing_"), "no database"),
        (database.url.replace("vestibule@", "nobody_else@"), "user"),
    ] {
        let fault = PostgresRecord::open(&url, PostgresOptions::default()).await.expect_err("it does not open");
        assert!(
            matches!(&fault, Fault::Misconfigured(text) if text.contains(word) && !text.contains("127.0.0.1")),
            "{fault:?}"
        );
    }
    let closed = format!("postgres://vestibule@127.0.0.1:{}/any", vestibule_testkit::process::free_port());
    let fault = PostgresRecord::open(&closed, PostgresOptions::default()).await.expect_err("nobody listens");
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused() {
    let database = Database::new().await;
    drop(database.node().await);
    database.sql("INSERT INTO vestibule_schema VALUES (999)");
    let fault = PostgresRecord::open(&database.url, PostgresOptions::default()).await.expect_err("it does not open");
    assert!(matches!(&fault, Fault::Misconfigured(text) if text.contains("999")), "{fault:?}");
}
