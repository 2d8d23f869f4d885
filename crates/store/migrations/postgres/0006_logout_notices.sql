-- Which clients are still to be told that a browser's session is over (OpenID Connect Back-Channel Logout).
-- A row is written with what ended the session, and goes when the client was told or is given up.
CREATE TABLE logout_notices (
  client_id  TEXT COLLATE "C" NOT NULL,
  session_id BYTEA NOT NULL,
  user_id    BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  -- change in place
  attempts   BIGINT NOT NULL,
  due_at     BIGINT NOT NULL,
  PRIMARY KEY (client_id, session_id)
);
CREATE INDEX logout_notices_due_at ON logout_notices (due_at);
