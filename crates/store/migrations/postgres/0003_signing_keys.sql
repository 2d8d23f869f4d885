-- The keys that sign JWTs. The private half is sealed under a root key, which is in the key files and
-- never here, so that whoever has the database alone signs nothing. Of one algorithm each key has a
-- generation; the highest whose time has come signs.
CREATE TABLE signing_keys (
  kid             TEXT NOT NULL PRIMARY KEY,
  alg             TEXT NOT NULL,
  generation      BIGINT NOT NULL,
  jwk             TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  root_kid        BIGINT NOT NULL,
  sealed          BYTEA NOT NULL,
  sealed_at       BIGINT NOT NULL,
  signs_from      BIGINT NOT NULL,
  published_until BIGINT
);

-- Two nodes that make the next key at once make one.
CREATE UNIQUE INDEX signing_keys_generation ON signing_keys (alg, generation);
