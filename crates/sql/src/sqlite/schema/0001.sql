-- The record, version 1. Specified in docs/record.md; a change of it is a new file.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    salt BLOB NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT;

CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    last_user INTEGER NOT NULL,
    last_session INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    users INTEGER NOT NULL,
    created_total INTEGER NOT NULL,
    revoked_total INTEGER NOT NULL,
    expired_total INTEGER NOT NULL
) STRICT;

INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    tag BLOB NOT NULL UNIQUE,
    user_id TEXT,
    revision INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    created_total INTEGER NOT NULL,
    ended_total INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    handoffs BLOB,
    epoch INTEGER NOT NULL,
    erased INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    user INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    serial BLOB NOT NULL,
    deadline INTEGER NOT NULL,
    ended_at INTEGER,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX sessions_live ON sessions (user, epoch) WHERE ended_at IS NULL;
CREATE INDEX sessions_due ON sessions (deadline) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (user, ended_at, serial) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_old ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE marks (
    user INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (user, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_log (
    sequence INTEGER PRIMARY KEY,
    tag BLOB NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    ended_all INTEGER NOT NULL,
    ended BLOB
) STRICT;

-- Ids begin with the time, so rows arrive almost in order and the table needs no second index for it.
CREATE TABLE events (
    id BLOB PRIMARY KEY NOT NULL,
    user INTEGER,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT,
    subject TEXT,
    session BLOB,
    ip BLOB,
    user_agent TEXT,
    request_id TEXT,
    reason TEXT,
    count INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX events_user ON events (user, id) WHERE user IS NOT NULL;

CREATE TABLE accounts (
    user INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    name TEXT,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    digest BLOB NOT NULL
) STRICT;
