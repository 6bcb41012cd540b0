-- The token for a forgotten password that was given out last, until it is used.
ALTER TABLE vestibule_accounts ADD COLUMN reset_digest bytea;
ALTER TABLE vestibule_accounts ADD COLUMN reset_expires_at bigint;
