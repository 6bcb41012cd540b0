-- Where an event stands in the order in which events became visible: the number of its transaction and its place in it, as in
-- the change log. Null for those from before.
ALTER TABLE vestibule_events ADD COLUMN position bigint;
CREATE INDEX vestibule_events_position ON vestibule_events (position) WHERE position IS NOT NULL;
