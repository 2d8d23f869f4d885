-- The keys that sign JWTs. The private half is sealed under a root key, which is in the key files and
-- never here, so that whoever has the database alone signs nothing. Of one algorithm each key has a
-- generation; the highest whose time has come signs.
CREATE TABLE signing_keys (
  kid             TEXT NOT NULL PRIMARY KEY,
  alg             TEXT NOT NULL,
  generation      INTEGER NOT NULL,
  jwk             TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  root_kid        INTEGER NOT NULL,
  sealed          BLOB NOT NULL,
  sealed_at       INTEGER NOT NULL,
  signs_from      INTEGER NOT NULL,
  published_until INTEGER
) WITHOUT ROWID;

-- Two nodes that make the next key at once make one.
CREATE UNIQUE INDEX signing_keys_generation ON signing_keys (alg, generation);
