-- Where the tokens of another system lead. The session is in its own table, with the same digest.
CREATE TABLE vestibule_aliases (
    digest bytea PRIMARY KEY,
    tag bytea NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX vestibule_aliases_old ON vestibule_aliases (expires_at);
