-- How far the delivery of events to somebody outside has come, by the name of the webhook.
CREATE TABLE deliveries (
    name TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;
