-- The device of the session that an event is about, as the application names it.
ALTER TABLE vestibule_events ADD COLUMN device text;
