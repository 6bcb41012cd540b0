//! A record in a folder of its own, and commands to send to it.

use rusqlite::Connection;
use std::{path::Path, sync::Arc};
use vestibule_core::{
    account::{Account, Email, command::Register},
    event::Origin,
    id::{SessionId, UserId, UserTag},
    record::{Decided, Record, Request, UserSnapshot},
    session::{
        CapPolicy, EndReason, PackedSession, Session,
        command::{Cap, CreateOutcome, CreateSession, EndSessions, Selection, Touch},
    },
    time::Timestamp,
    user::{Context, command::Command, command::Outcome},
};
use vestibule_sql::{SqliteOptions, SqliteRecord};
use vestibule_testkit::sample;

/// The time at which everything begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(crate) use vestibule_testkit::sample::{IDLE, LIFETIME};

/// A record in a folder that goes with it.
pub(crate) struct Scene {
    record: Option<Arc<SqliteRecord>>,
    options: SqliteOptions,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(SqliteOptions::default())
    }

    pub(crate) fn with(options: SqliteOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let record = SqliteRecord::open(folder.path(), options.clone()).expect("an empty folder opens");
        Self { record: Some(Arc::new(record)), options, folder }
    }

    pub(crate) fn record(&self) -> Arc<SqliteRecord> {
        self.record.clone().expect("it is open")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Closes the record. Nothing else may hold it.
    pub(crate) fn close(&mut self) {
        let record = self.record.take().expect("it is open");
        drop(Arc::into_inner(record).expect("nobody else holds it"));
    }

    pub(crate) fn open(&mut self) {
        self.record = Some(Arc::new(SqliteRecord::open(self.folder.path(), self.options.clone()).expect("it opens again")));
    }

    pub(crate) fn reopen(&mut self) {
        self.close();
        self.open();
    }

    /// Opens again with other options.
    pub(crate) fn reopen_with(&mut self, options: SqliteOptions) {
        self.options = options;
        self.reopen();
    }

    /// A look at the file from outside.
    pub(crate) fn file(&self) -> Connection {
        Connection::open(self.folder.path().join("vestibule.db")).expect("the file opens")
    }

    pub(crate) fn count(&self, sql: &str) -> u64 {
        let count: i64 = self.file().query_row(sql, [], |row| row.get(0)).expect("a count");
        count.cast_unsigned()
    }

    pub(crate) async fn decide(&self, requests: Vec<Request>) -> Vec<Decided> {
        self.record().decide(requests).await.expect("the record decides")
    }

    pub(crate) async fn outcome(&self, at: Timestamp, command: impl Into<Command>) -> Outcome {
        self.decide(vec![request(at, command)]).await.remove(0).outcome
    }

    pub(crate) async fn load(&self, tag: UserTag) -> UserSnapshot {
        self.record().load_user(tag).await.expect("the record reads")
    }

    /// Logs a user in `count` times, in one batch, a millisecond apart.
    pub(crate) async fn logins(&self, tag: UserTag, count: u64) -> Vec<PackedSession> {
        let creates = (0..count).map(|step| create(START.plus_ms(step), tag)).collect();
        self.decide(creates).await.into_iter().map(created).collect()
    }

    /// As [`Self::logins`], for thousands: one login, and copies of its row under other serials and digests.
    pub(crate) async fn crowd(&mut self, tag: UserTag, count: u64) -> Vec<PackedSession> {
        self.logins(tag, 1).await;
        self.close();
        let sql = format!(
            "WITH RECURSIVE step (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n + 1 < {count}),
             fresh AS MATERIALIZED (SELECT n, randomblob(12) AS serial, randomblob(32) AS digest FROM step)
             INSERT INTO sessions (id, user, epoch, serial, deadline, ended_at, body)
             SELECT id + n, user, epoch, fresh.serial, deadline, NULL,
                    CAST(substr(body, 1, 28) || fresh.serial || digest || substr(body, 73) AS BLOB) FROM fresh, sessions;
             UPDATE users SET created_total = {count};
             UPDATE counters SET last_session = {count}, sessions = {count}, created_total = {count};"
        );
        self.file().execute_batch(&sql).expect("copied");
        self.open();
        let sessions = self.load(tag).await.user.live;
        assert_eq!(sessions.len() as u64, count);
        sessions.into_vec()
    }

    pub(crate) async fn history(&self, tag: UserTag) -> Vec<PackedSession> {
        self.record().history(tag, None, 100_000).await.expect("the record reads")
    }
}

pub(crate) fn request(at: Timestamp, command: impl Into<Command>) -> Request {
    Request { cx: Context { now: at, origin: Origin::default() }, touches: Vec::new(), command: command.into() }
}

pub(crate) fn tag(user: u8) -> UserTag {
    UserTag::from_bytes([user; 12])
}

pub(crate) fn user_id(tag: UserTag) -> UserId {
    UserId::new(format!("user-{}", tag.as_bytes()[0])).expect("valid")
}

pub(crate) fn session(at: Timestamp, tag: UserTag) -> Session {
    Session { user_id: Some(user_id(tag)), ..sample::session(at, tag) }
}

pub(crate) fn create(at: Timestamp, tag: UserTag) -> Request {
    let cap = Cap { limit: 10_000, policy: CapPolicy::EvictOldest };
    request(at, CreateSession { session: session(at, tag), cap, login: false, device: None, is_new_browser: false })
}

pub(crate) fn created(decided: Decided) -> PackedSession {
    match decided.outcome {
        Outcome::CreateSession(CreateOutcome::Created { session, .. }) => session,
        other => panic!("expected a session, not {other:?}"),
    }
}

pub(crate) fn end_all(tag: UserTag, except: &[SessionId]) -> EndSessions {
    EndSessions { tag, selection: Selection::All { except: except.to_vec() }, reason: EndReason::Revoked }
}

pub(crate) fn end_one(id: SessionId) -> EndSessions {
    EndSessions { tag: id.tag(), selection: Selection::One(id), reason: EndReason::Logout }
}

pub(crate) fn touch(id: SessionId, at: Timestamp) -> Touch {
    Touch { id, at, idle_timeout_ms: IDLE, activity: None }
}

pub(crate) fn register(tag: UserTag, email: &str) -> Register {
    let account = Account {
        user_id: user_id(tag),
        email: Email::new(email).expect("valid"),
        name: Some("Ada".into()),
        password_hash: "$argon2id$test".into(),
        created_at: START,
        password_changed_at: START,
        reset: None,
    };
    Register { tag, account }
}
