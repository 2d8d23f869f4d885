-- Counters that every node watches: `revision` rises with each change of a client, `epoch` when the
-- store may have lost its last commits.
CREATE TABLE meta (
  name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('revision', 0), ('epoch', 0);

-- Who changes a counter tells all who listen.
CREATE FUNCTION remint_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('remint', NEW.name);
  RETURN NULL;
END
$$;
CREATE TRIGGER meta_changed AFTER UPDATE ON meta FOR EACH ROW EXECUTE FUNCTION remint_tell();

CREATE TABLE clients (
  id                             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  name                           TEXT NOT NULL,
  auth_methods                   TEXT NOT NULL,
  secret_kid                     BIGINT,
  secret_hash                    BYTEA,
  previous_secret_kid            BIGINT,
  previous_secret_hash           BYTEA,
  previous_secret_expires_at     BIGINT,
  grants                         TEXT NOT NULL,
  scope                          TEXT NOT NULL,
  resources                      TEXT NOT NULL,
  serves                         TEXT NOT NULL,
  access_token_lifetime          BIGINT,
  refresh_token_lifetime         BIGINT,
  renew_refresh_token            BIGINT,
  extend_on_renewal              BIGINT,
  refresh_token_max_lifetime     BIGINT, -- -1: endless
  grace_period                   BIGINT,
  on_reuse                       TEXT,
  revoke_access_token_on_refresh BIGINT,
  disabled_at                    BIGINT,
  not_before                     BIGINT NOT NULL,
  created_at                     BIGINT NOT NULL,
  updated_at                     BIGINT NOT NULL
);

CREATE TABLE users (
  id            BYTEA NOT NULL PRIMARY KEY,
  username      TEXT COLLATE "C" NOT NULL,
  password_hash TEXT NOT NULL,
  disabled_at   BIGINT,
  not_before    BIGINT NOT NULL,
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_username ON users (username);

-- One row per session. No index on a column that changes, and room in each page for the next version
-- of a row: a refresh then updates within the page (HOT), and the table does not grow.
CREATE TABLE families (
  id             BYTEA NOT NULL PRIMARY KEY,
  secret_hash    BYTEA NOT NULL,
  client_id      TEXT NOT NULL,
  user_id        BYTEA NOT NULL,
  scope          TEXT NOT NULL,
  resources      TEXT NOT NULL,
  auth_time      BIGINT NOT NULL,
  acr            TEXT NOT NULL,
  amr            TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  max_expires_at BIGINT NOT NULL,
  -- change in place
  generation     BIGINT NOT NULL,
  grace_floor    BIGINT NOT NULL,
  epoch          BIGINT NOT NULL,
  kid            BIGINT NOT NULL,
  rotated_at     BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL,
  confirmed      BIGINT NOT NULL,
  revoked_at     BIGINT,
  revoke_reason  BIGINT
) WITH (fillfactor = 75);
CREATE INDEX families_user_id ON families (user_id);
CREATE INDEX families_client_id ON families (client_id);

-- Access tokens that were revoked one by one, until they would have expired.
CREATE TABLE revoked_access_tokens (
  jti        BYTEA NOT NULL PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_access_tokens_expires_at ON revoked_access_tokens (expires_at);

-- Wrong guesses of passwords and client secrets.
CREATE TABLE guesses (
  bucket        BYTEA NOT NULL PRIMARY KEY,
  failures      BIGINT NOT NULL,
  last_at       BIGINT NOT NULL,
  trusted_until BIGINT NOT NULL
);
