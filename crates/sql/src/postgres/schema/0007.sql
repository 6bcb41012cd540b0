-- The seals of events, how many there ever were, the checkpoints over them, and up to where retention has deleted.
ALTER TABLE vestibule_events ADD COLUMN seal bytea;
ALTER TABLE vestibule_counters ADD COLUMN events bigint NOT NULL DEFAULT 0;
ALTER TABLE vestibule_meta ADD COLUMN forgotten bigint NOT NULL DEFAULT 0;
ALTER TABLE vestibule_meta ADD COLUMN forgotten_seal bytea;
UPDATE vestibule_counters SET events = (SELECT count(*) FROM vestibule_events WHERE position IS NOT NULL) WHERE slot = 0;

CREATE TABLE vestibule_checkpoints (
    sequence bigint PRIMARY KEY,
    after bigint NOT NULL,
    through bigint NOT NULL,
    total bigint NOT NULL,
    count bigint NOT NULL,
    digest bytea NOT NULL,
    at bigint NOT NULL,
    previous bytea NOT NULL,
    seal bytea NOT NULL
);
