-- What was authorized up to then is over. A row whose consent was taken back stays for that alone: its scope
-- is empty and it was given at 0, so that nodes of the version before see a consent to nothing.
ALTER TABLE consents ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;

-- Whatever begins with a person holds their row by an update that changes nothing: room for it in the page.
ALTER TABLE users SET (fillfactor = 75);
