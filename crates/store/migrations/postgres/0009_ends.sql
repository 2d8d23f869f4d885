-- Families, users, clients: the order in which statements of running nodes lock them.

-- Ends are counted, not timed. Whatever ends sessions raises `ends` and writes the number; what begins keeps
-- the number that it saw. Rows from before have 0 and are judged by time, until the first end that is counted.

-- When it was authorized, and when its user proved who they are.
ALTER TABLE families ADD COLUMN born BIGINT NOT NULL DEFAULT 0;
ALTER TABLE families ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE browser_sessions ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
ALTER TABLE consents ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;

INSERT INTO meta (name, value)
  SELECT 'ends', CASE WHEN value > 0 THEN value << 32 ELSE 1 END FROM meta WHERE name = 'epoch';
-- 1 within a transaction that brings rows from another store, whose numbers are to stay as they are.
INSERT INTO meta (name, value) VALUES ('copying', 0);
UPDATE consents SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE not_before > 0;

-- What a failover or a restored backup lost gives no number a second time.
CREATE FUNCTION remint_raise_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE meta SET value = NEW.value << 32 WHERE name = 'ends' AND value < NEW.value << 32;
  RETURN NULL;
END
$$;
CREATE TRIGGER ends_of_epoch AFTER UPDATE ON meta FOR EACH ROW
  WHEN (NEW.name = 'epoch' AND NEW.value > OLD.value) EXECUTE FUNCTION remint_raise_ends();

-- Servers and commands of the version before write times alone. Their ends are counted for them.
CREATE FUNCTION remint_count_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'ends' RETURNING value INTO NEW.ended;
  RETURN NEW;
END
$$;
CREATE TRIGGER users_ended BEFORE UPDATE OF not_before ON users FOR EACH ROW
  WHEN (NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended)
  EXECUTE FUNCTION remint_count_end();
CREATE TRIGGER clients_ended BEFORE UPDATE OF not_before ON clients FOR EACH ROW
  WHEN (NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended)
  EXECUTE FUNCTION remint_count_end();
CREATE TRIGGER consents_ended BEFORE UPDATE OF not_before ON consents FOR EACH ROW
  WHEN (NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended)
  EXECUTE FUNCTION remint_count_end();
CREATE TRIGGER consents_begun_ended BEFORE INSERT ON consents FOR EACH ROW
  WHEN (NEW.not_before > 0 AND NEW.ended = 0)
  EXECUTE FUNCTION remint_count_end();

-- Their sign-ins were judged by them as the row was written. A session that was authorized at a browser is
-- as old as the sign-in there: when it was authorized, they do not tell.
CREATE FUNCTION remint_count_sign_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT value FROM meta WHERE name = 'copying') = 0 THEN
    SELECT value INTO NEW.proven FROM meta WHERE name = 'ends';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER browser_sessions_begun BEFORE INSERT ON browser_sessions FOR EACH ROW
  WHEN (NEW.proven = 0) EXECUTE FUNCTION remint_count_sign_in();
CREATE TRIGGER browser_sessions_renewed BEFORE UPDATE OF secret_hash ON browser_sessions FOR EACH ROW
  WHEN (NEW.secret_hash <> OLD.secret_hash AND NEW.proven = OLD.proven)
  EXECUTE FUNCTION remint_count_sign_in();

CREATE FUNCTION remint_count_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT value FROM meta WHERE name = 'copying') = 0 THEN
    IF NEW.session_id IS NULL THEN
      SELECT value INTO NEW.proven FROM meta WHERE name = 'ends';
    ELSE
      SELECT coalesce(max(proven), 0) INTO NEW.proven FROM browser_sessions WHERE id = NEW.session_id;
    END IF;
    NEW.born := NEW.proven;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER families_begun BEFORE INSERT ON families FOR EACH ROW
  WHEN (NEW.born = 0) EXECUTE FUNCTION remint_count_family();
