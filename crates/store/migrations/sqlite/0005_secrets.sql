-- What the installation must keep for longer than any root key lives, sealed under one: the salt of
-- pairwise subjects. A running server seals it anew when another root key is activated.
CREATE TABLE secrets (
  name       TEXT NOT NULL PRIMARY KEY,
  created_at INTEGER NOT NULL,
  root_kid   INTEGER NOT NULL,
  sealed     BLOB NOT NULL,
  sealed_at  INTEGER NOT NULL
) WITHOUT ROWID;
