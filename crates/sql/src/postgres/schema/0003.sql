-- What a user has besides sessions, packed by the core; null if nothing.
ALTER TABLE vestibule_users ADD COLUMN extras bytea;

-- Access tokens that must not be believed any more, until they are over by themselves.
CREATE TABLE vestibule_denials (
    body bytea PRIMARY KEY NOT NULL,
    until bigint NOT NULL
);

CREATE INDEX vestibule_denials_old ON vestibule_denials (until);

-- What a change denied.
ALTER TABLE vestibule_change_log ADD COLUMN denied bytea;
