-- Ends are counted, not timed. Whatever ends sessions raises `ends` and writes the number; what begins keeps
-- the number that it saw. Rows from before have 0 and are judged by time, until the first end that is counted.
INSERT INTO meta (name, value)
  SELECT 'ends', CASE WHEN value > 0 THEN value << 32 ELSE 1 END FROM meta WHERE name = 'epoch';
-- 1 within a transaction that brings rows from another store, whose numbers are to stay as they are.
INSERT INTO meta (name, value) VALUES ('copying', 0);

-- When it was authorized, and when its user proved who they are.
ALTER TABLE families ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE families ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE browser_sessions ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
ALTER TABLE consents ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
UPDATE consents SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE not_before > 0;

-- What a failover or a restored backup lost gives no number a second time.
CREATE TRIGGER ends_of_epoch AFTER UPDATE ON meta WHEN NEW.name = 'epoch' AND NEW.value > OLD.value
BEGIN
  UPDATE meta SET value = NEW.value << 32 WHERE name = 'ends' AND value < NEW.value << 32;
END;

-- Servers and commands of the version before write times alone. Their ends are counted for them.
CREATE TRIGGER users_ended AFTER UPDATE OF not_before ON users
WHEN NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'ends';
  UPDATE users SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;
CREATE TRIGGER clients_ended AFTER UPDATE OF not_before ON clients
WHEN NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'ends';
  UPDATE clients SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;
CREATE TRIGGER consents_ended AFTER UPDATE OF not_before ON consents
WHEN NEW.not_before > OLD.not_before AND NEW.ended = OLD.ended
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'ends';
  UPDATE consents SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;
CREATE TRIGGER consents_begun_ended AFTER INSERT ON consents
WHEN NEW.not_before > 0 AND NEW.ended = 0
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'ends';
  UPDATE consents SET ended = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;

-- Their sign-ins were judged by them as the row was written. A session that was authorized at a browser is
-- as old as the sign-in there: when it was authorized, they do not tell.
CREATE TRIGGER browser_sessions_begun AFTER INSERT ON browser_sessions
WHEN NEW.proven = 0 AND (SELECT value FROM meta WHERE name = 'copying') = 0
BEGIN
  UPDATE browser_sessions SET proven = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;
CREATE TRIGGER browser_sessions_renewed AFTER UPDATE OF secret_hash ON browser_sessions
WHEN NEW.secret_hash <> OLD.secret_hash AND NEW.proven = OLD.proven
  AND (SELECT value FROM meta WHERE name = 'copying') = 0
BEGIN
  UPDATE browser_sessions SET proven = (SELECT value FROM meta WHERE name = 'ends') WHERE id = NEW.id;
END;
CREATE TRIGGER families_begun AFTER INSERT ON families
WHEN NEW.born = 0 AND (SELECT value FROM meta WHERE name = 'copying') = 0
BEGIN
  UPDATE families SET proven = CASE
    WHEN NEW.session_id IS NULL THEN (SELECT value FROM meta WHERE name = 'ends')
    ELSE coalesce((SELECT proven FROM browser_sessions WHERE id = NEW.session_id), 0) END
    WHERE id = NEW.id;
  UPDATE families SET born = proven WHERE id = NEW.id;
END;
