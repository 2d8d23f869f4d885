-- What the installation must keep for longer than any root key lives, sealed under one: the salt of
-- pairwise subjects. A running server seals it anew when another root key is activated.
CREATE TABLE secrets (
  name       TEXT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  root_kid   BIGINT NOT NULL,
  sealed     BYTEA NOT NULL,
  sealed_at  BIGINT NOT NULL
);
