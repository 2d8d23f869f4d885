-- The root keys that every node must know. What seals is in the key files, never here; a fingerprint
-- only tells whether two files mean the same key. The one that was activated last seals.
CREATE TABLE keys (
  kid          INTEGER NOT NULL PRIMARY KEY,
  fingerprint  BLOB NOT NULL,
  added_at     INTEGER NOT NULL,
  activated_at INTEGER,
  retired_at   INTEGER
) WITHOUT ROWID;

-- The servers that run on this store, and which keys each of them has.
CREATE TABLE nodes (
  id         BLOB NOT NULL PRIMARY KEY,
  name       TEXT NOT NULL,
  version    TEXT NOT NULL,
  kids       TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL
) WITHOUT ROWID;
