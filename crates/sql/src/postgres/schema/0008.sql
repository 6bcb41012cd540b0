-- How far the delivery of events to somebody outside has come, by the name of the webhook.
CREATE TABLE vestibule_deliveries (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    document bytea NOT NULL
);
