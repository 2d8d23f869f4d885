-- Families, users, clients: the order in which statements of running nodes lock them.

-- The browser's session that a family belongs to, and whether it outlives that.
ALTER TABLE families ADD COLUMN session_id BYTEA;
ALTER TABLE families ADD COLUMN offline BIGINT NOT NULL DEFAULT 0;
ALTER TABLE families ADD COLUMN claims TEXT NOT NULL DEFAULT '';

-- The person's claims (OpenID Connect Core §5.1), as JSON.
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';

-- What a client is registered for at the authorization endpoint and as a relying party. Lists have spaces
-- between their items; response types, which have spaces themselves, commas.
ALTER TABLE clients ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN response_types TEXT NOT NULL DEFAULT 'code';
ALTER TABLE clients ADD COLUMN response_modes TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN pkce TEXT NOT NULL DEFAULT 'required';
ALTER TABLE clients ADD COLUMN plain_challenge BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN repeat_redirect_uri BIGINT NOT NULL DEFAULT 1;
ALTER TABLE clients ADD COLUMN first_party BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN refresh_tokens TEXT NOT NULL DEFAULT 'always';
ALTER TABLE clients ADD COLUMN default_max_age BIGINT;
ALTER TABLE clients ADD COLUMN id_token_alg TEXT;
ALTER TABLE clients ADD COLUMN pairwise_sector TEXT;
ALTER TABLE clients ADD COLUMN jwt_access_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT;
ALTER TABLE clients ADD COLUMN frontchannel_logout_uri TEXT;
ALTER TABLE clients ADD COLUMN web_origins TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN client_uri TEXT;
ALTER TABLE clients ADD COLUMN policy_uri TEXT;
ALTER TABLE clients ADD COLUMN tos_uri TEXT;

-- Who has signed in at which browser. The cookie has the secret, the store its hash.
CREATE TABLE browser_sessions (
  id          BYTEA NOT NULL PRIMARY KEY,
  user_id     BYTEA NOT NULL,
  created_at  BIGINT NOT NULL,
  secret_hash BYTEA NOT NULL,
  auth_time   BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  amr         TEXT NOT NULL,
  user_agent  TEXT NOT NULL,
  source      TEXT NOT NULL,
  -- change in place
  seen_at     BIGINT NOT NULL,
  ended_at    BIGINT
) WITH (fillfactor = 75);
CREATE INDEX browser_sessions_user_id ON browser_sessions (user_id);
CREATE INDEX browser_sessions_expires_at ON browser_sessions (expires_at);

-- What people allowed to clients. The key is made of both, so that there is one row for each pair.
CREATE TABLE consents (
  id        BYTEA NOT NULL PRIMARY KEY,
  user_id   BYTEA NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  scope     TEXT NOT NULL,
  resources TEXT NOT NULL,
  given_at  BIGINT NOT NULL
);
CREATE INDEX consents_user_id ON consents (user_id);
CREATE INDEX consents_client_id ON consents (client_id, id);
