-- Counters that every node watches: `revision` rises with each change of a client, `epoch` when the
-- store may have lost its last commits.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('revision', 0), ('epoch', 0);

CREATE TABLE clients (
  id                             TEXT NOT NULL PRIMARY KEY,
  name                           TEXT NOT NULL,
  auth_methods                   TEXT NOT NULL,
  secret_kid                     INTEGER,
  secret_hash                    BLOB,
  previous_secret_kid            INTEGER,
  previous_secret_hash           BLOB,
  previous_secret_expires_at     INTEGER,
  grants                         TEXT NOT NULL,
  scope                          TEXT NOT NULL,
  resources                      TEXT NOT NULL,
  serves                         TEXT NOT NULL,
  access_token_lifetime          INTEGER,
  refresh_token_lifetime         INTEGER,
  renew_refresh_token            INTEGER,
  extend_on_renewal              INTEGER,
  refresh_token_max_lifetime     INTEGER, -- -1: endless
  grace_period                   INTEGER,
  on_reuse                       TEXT,
  revoke_access_token_on_refresh INTEGER,
  disabled_at                    INTEGER,
  not_before                     INTEGER NOT NULL,
  created_at                     INTEGER NOT NULL,
  updated_at                     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
  id            BLOB NOT NULL PRIMARY KEY,
  username      TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  disabled_at   INTEGER,
  not_before    INTEGER NOT NULL,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX users_username ON users (username);

-- One row per session. No index on a column that changes.
CREATE TABLE families (
  id             BLOB NOT NULL PRIMARY KEY,
  secret_hash    BLOB NOT NULL,
  client_id      TEXT NOT NULL,
  user_id        BLOB NOT NULL,
  scope          TEXT NOT NULL,
  resources      TEXT NOT NULL,
  auth_time      INTEGER NOT NULL,
  acr            TEXT NOT NULL,
  amr            TEXT NOT NULL,
  created_at     INTEGER NOT NULL,
  max_expires_at INTEGER NOT NULL,
  -- change in place
  generation     INTEGER NOT NULL,
  grace_floor    INTEGER NOT NULL,
  epoch          INTEGER NOT NULL,
  kid            INTEGER NOT NULL,
  rotated_at     INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL,
  confirmed      INTEGER NOT NULL,
  revoked_at     INTEGER,
  revoke_reason  INTEGER
) WITHOUT ROWID;
CREATE INDEX families_user_id ON families (user_id);
CREATE INDEX families_client_id ON families (client_id);

-- Access tokens that were revoked one by one, until they would have expired.
CREATE TABLE revoked_access_tokens (
  jti        BLOB NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_access_tokens_expires_at ON revoked_access_tokens (expires_at);

-- Wrong guesses of passwords and client secrets.
CREATE TABLE guesses (
  bucket        BLOB NOT NULL PRIMARY KEY,
  failures      INTEGER NOT NULL,
  last_at       INTEGER NOT NULL,
  trusted_until INTEGER NOT NULL
) WITHOUT ROWID;
