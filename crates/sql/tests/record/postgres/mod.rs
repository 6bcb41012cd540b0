//! A record in a database of its own, reached by several nodes.

mod lock;
mod node;
mod outage;
mod tail;

use std::sync::Arc;
use vestibule_core::{
    id::UserTag,
    record::{Decided, Record, Request, UserSnapshot},
    time::Timestamp,
    user::command::{Command, Outcome},
};
use vestibule_sql::{PostgresOptions, PostgresRecord};
use vestibule_testkit::{bounds::START, process::Postgres};

use crate::scene::request;

/// A database and how to reach it. The server is shared with other tests, or this test's own.
struct Database {
    server: Arc<Postgres>,
    url: String,
}

impl Database {
    /// On the server that the tests share.
    async fn new() -> Self {
        Self::on(Postgres::shared).await
    }

    /// On a server of its own, which may be killed.
    async fn alone() -> Self {
        Self::on(|| Arc::new(Postgres::start())).await
    }

    async fn on(server: impl FnOnce() -> Arc<Postgres> + Send + 'static) -> Self {
        let start = move || {
            let server = server();
            let url = server.database();
            Self { server, url }
        };
        tokio::task::spawn_blocking(start).await.expect("the fixture does not panic")
    }

    fn name(&self) -> &str {
        self.url.rsplit('/').next().expect("an address has a path")
    }

    fn sql(&self, statement: &str) -> String {
        self.server.sql(self.name(), statement)
    }

    /// A node of its own.
    async fn node(&self) -> Node {
        // A busy machine may hold a read up. What is tested is not the deadline, unless a test sets it.
        self.node_with(PostgresOptions { read_timeout: START, ..PostgresOptions::default() }).await
    }

    async fn node_with(&self, options: PostgresOptions) -> Node {
        Node(Arc::new(PostgresRecord::open(&self.url, options).await.expect("the database opens")))
    }
}

/// One of the processes that share a record.
#[derive(Clone)]
struct Node(Arc<PostgresRecord>);

impl Node {
    async fn decide(&self, requests: Vec<Request>) -> Vec<Decided> {
        self.0.decide(requests).await.expect("the record decides")
    }

    async fn outcome(&self, at: Timestamp, command: impl Into<Command>) -> Outcome {
        self.decide(vec![request(at, command)]).await.remove(0).outcome
    }

    async fn load(&self, tag: UserTag) -> UserSnapshot {
        self.0.load_user(tag).await.expect("the record reads")
    }
}
