-- The token for a forgotten password that was given out last, until it is used.
ALTER TABLE accounts ADD COLUMN reset_digest BLOB;
ALTER TABLE accounts ADD COLUMN reset_expires_at INTEGER;
