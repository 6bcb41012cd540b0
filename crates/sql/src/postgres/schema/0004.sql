-- The keys behind access tokens: one document, its private parts sealed.
CREATE TABLE vestibule_signing_keys (
    id integer PRIMARY KEY CHECK (id = 1),
    version bigint NOT NULL,
    document bytea NOT NULL
);
