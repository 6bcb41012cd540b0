-- Where the tokens of another system lead. The session is in its own table, with the same digest.
CREATE TABLE aliases (
    digest BLOB PRIMARY KEY NOT NULL,
    tag BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_old ON aliases (expires_at);
