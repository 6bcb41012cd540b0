-- What a user has besides sessions, packed by the core; null if nothing.
ALTER TABLE users ADD COLUMN extras BLOB;

-- Access tokens that must not be believed any more, until they are over by themselves.
CREATE TABLE denials (
    body BLOB PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX denials_old ON denials (until);

-- What a change denied.
ALTER TABLE change_log ADD COLUMN denied BLOB;
