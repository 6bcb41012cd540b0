-- The seals of events, the checkpoints over them, and up to where retention has deleted. See docs/adr/0008.
ALTER TABLE events ADD COLUMN seal BLOB;
ALTER TABLE counters ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN forgotten_seal BLOB;

CREATE TABLE checkpoints (
    sequence INTEGER PRIMARY KEY,
    after INTEGER NOT NULL,
    through INTEGER NOT NULL,
    total INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    previous BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT;
