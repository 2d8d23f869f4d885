-- The root keys that every node must know. What seals is in the key files, never here; a fingerprint
-- only tells whether two files mean the same key. The one that was activated last seals.
CREATE TABLE keys (
  kid          BIGINT NOT NULL PRIMARY KEY,
  fingerprint  BYTEA NOT NULL,
  added_at     BIGINT NOT NULL,
  activated_at BIGINT,
  retired_at   BIGINT
);

-- The servers that run on this store, and which keys each of them has.
CREATE TABLE nodes (
  id         BYTEA NOT NULL PRIMARY KEY,
  name       TEXT NOT NULL,
  version    TEXT NOT NULL,
  kids       TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL
);
