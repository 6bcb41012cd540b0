-- The record on Postgres, version 1. The same tables as on SQLite, specified in docs/record.md; a change of it is a new file.

CREATE TABLE vestibule_meta (
    id smallint PRIMARY KEY CHECK (id = 1),
    -- Added to transaction numbers where the change log counts by them; raised after a restore into another cluster.
    base bigint NOT NULL,
    salt bytea,
    fingerprint bytea
);

INSERT INTO vestibule_meta VALUES (1, 0, NULL, NULL);

-- Figures are sums over slots, so that nodes do not queue for one row.
CREATE TABLE vestibule_counters (
    slot smallint PRIMARY KEY,
    sessions bigint NOT NULL,
    users bigint NOT NULL,
    created_total bigint NOT NULL,
    revoked_total bigint NOT NULL,
    expired_total bigint NOT NULL
) WITH (fillfactor = 50);

INSERT INTO vestibule_counters SELECT slot, 0, 0, 0, 0, 0 FROM generate_series(0, 15) AS slot;

CREATE TABLE vestibule_users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tag bytea NOT NULL UNIQUE,
    user_id text,
    revision bigint NOT NULL DEFAULT 0,
    disabled boolean NOT NULL DEFAULT false,
    created_total bigint NOT NULL DEFAULT 0,
    ended_total bigint NOT NULL DEFAULT 0,
    last_login_at bigint NOT NULL DEFAULT 0,
    handoffs bytea,
    epoch bigint NOT NULL DEFAULT 1,
    erased bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

CREATE TABLE vestibule_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_row bigint NOT NULL,
    epoch bigint NOT NULL,
    serial bytea NOT NULL,
    deadline bigint NOT NULL,
    ended_at bigint,
    body bytea NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX vestibule_sessions_live ON vestibule_sessions (user_row, epoch) WHERE ended_at IS NULL;
CREATE INDEX vestibule_sessions_due ON vestibule_sessions (deadline) WHERE ended_at IS NULL;
CREATE INDEX vestibule_sessions_ended ON vestibule_sessions (user_row, ended_at, serial) WHERE ended_at IS NOT NULL;
CREATE INDEX vestibule_sessions_old ON vestibule_sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE vestibule_marks (
    user_row bigint NOT NULL,
    epoch bigint NOT NULL,
    at bigint NOT NULL,
    reason smallint NOT NULL,
    PRIMARY KEY (user_row, epoch)
);

CREATE TABLE vestibule_change_log (
    sequence bigint PRIMARY KEY,
    tag bytea NOT NULL,
    revision bigint NOT NULL,
    at bigint NOT NULL,
    ended_all boolean NOT NULL,
    ended bytea
);

-- Ids begin with the time, so the primary key serves questions by time.
CREATE TABLE vestibule_events (
    id bytea PRIMARY KEY,
    tag bytea,
    time bigint NOT NULL,
    kind text NOT NULL,
    actor text,
    subject text,
    session bytea,
    ip text,
    user_agent text,
    request_id text,
    reason text,
    count bigint
);

CREATE INDEX vestibule_events_user ON vestibule_events (tag, id) WHERE tag IS NOT NULL;

CREATE TABLE vestibule_accounts (
    user_row bigint PRIMARY KEY,
    email text NOT NULL UNIQUE,
    user_id text NOT NULL,
    name text,
    password_hash text NOT NULL,
    created_at bigint NOT NULL,
    password_changed_at bigint NOT NULL
);

CREATE TABLE vestibule_keys (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    scopes text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    digest bytea NOT NULL
);
