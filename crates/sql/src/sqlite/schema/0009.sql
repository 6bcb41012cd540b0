-- The device of the session that an event is about, as the application names it.
ALTER TABLE events ADD COLUMN device TEXT;
