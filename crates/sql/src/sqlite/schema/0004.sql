-- The keys behind access tokens: one document, its private parts sealed.
CREATE TABLE signing_keys (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;
