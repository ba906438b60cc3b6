-- Automations, their firings, and the ended runs that they have yet to see. A trigger notes these, so that the ends that older code
-- writes are owed too; a store without automations looks into an empty table at each end. It has the rights of the tables' owner.

CREATE TABLE automations (
    name TEXT COLLATE "C" PRIMARY KEY,
    id TEXT NOT NULL,
    waits_for TEXT NOT NULL,
    does TEXT NOT NULL,
    paused BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    owner TEXT NOT NULL,
    applied TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    progress TEXT NOT NULL,
    on_pool TEXT COLLATE "C",
    elsewhere BOOLEAN NOT NULL,
    on_deployment TEXT COLLATE "C",
    end_states TEXT NOT NULL,
    looks BOOLEAN NOT NULL
);

CREATE TABLE automation_firings (
    id TEXT COLLATE "C" PRIMARY KEY,
    automation TEXT COLLATE "C" NOT NULL,
    pool TEXT COLLATE "C" NOT NULL,
    fired_at BIGINT NOT NULL,
    because TEXT NOT NULL,
    run TEXT,
    did TEXT NOT NULL,
    problems TEXT NOT NULL,
    paused TEXT NOT NULL,
    hooks TEXT NOT NULL,
    notified_hooks TEXT NOT NULL,
    notify_at BIGINT,
    notify_tries BIGINT NOT NULL
);

CREATE INDEX firings_listed ON automation_firings (fired_at DESC, id);
CREATE INDEX firings_by_automation ON automation_firings (automation, fired_at DESC, id);
CREATE INDEX firings_to_notify ON automation_firings (pool, notify_at, id) WHERE notify_at IS NOT NULL;

-- The automation that made a run, and since when the run owes its end to automations.
ALTER TABLE runs ADD COLUMN cause TEXT;
ALTER TABLE runs ADD COLUMN automate_at BIGINT;

CREATE INDEX runs_to_automate ON runs (pool, automate_at, id) WHERE automate_at IS NOT NULL;

CREATE FUNCTION runs_owing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM automations
        WHERE (on_pool IS NULL OR on_pool = NEW.pool) AND (on_deployment IS NULL OR on_deployment = NEW.deployment)
            AND strpos(end_states, '"' || NEW.state || '"') > 0)
    THEN
        NEW.automate_at := NEW.ended_at;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER runs_owing BEFORE UPDATE OF state ON runs FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')) EXECUTE FUNCTION runs_owing();

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (13, 1);
