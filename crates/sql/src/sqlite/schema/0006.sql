-- Where an event stands in the order in which events became visible; null for those from before. Streams and webhooks read by it.
ALTER TABLE events ADD COLUMN position INTEGER;
CREATE INDEX events_position ON events (position) WHERE position IS NOT NULL;
ALTER TABLE counters ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
