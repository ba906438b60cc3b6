-- Automations, their firings, and the ended runs that they have yet to see. A trigger notes these, so that the ends that older code
-- writes are owed too; a store without automations looks into an empty table at each end.

CREATE TABLE automations (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    waits_for TEXT NOT NULL,
    does TEXT NOT NULL,
    paused INTEGER NOT NULL,
    description TEXT NOT NULL,
    owner TEXT NOT NULL,
    applied TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    progress TEXT NOT NULL,
    on_pool TEXT,
    elsewhere INTEGER NOT NULL,
    on_deployment TEXT,
    end_states TEXT NOT NULL,
    looks INTEGER NOT NULL
) STRICT;

CREATE TABLE automation_firings (
    id TEXT PRIMARY KEY,
    automation TEXT NOT NULL,
    pool TEXT NOT NULL,
    fired_at INTEGER NOT NULL,
    because TEXT NOT NULL,
    run TEXT,
    did TEXT NOT NULL,
    problems TEXT NOT NULL,
    paused TEXT NOT NULL,
    hooks TEXT NOT NULL,
    notified_hooks TEXT NOT NULL,
    notify_at INTEGER,
    notify_tries INTEGER NOT NULL
) STRICT;

CREATE INDEX firings_listed ON automation_firings (fired_at DESC, id);
CREATE INDEX firings_by_automation ON automation_firings (automation, fired_at DESC, id);
CREATE INDEX firings_to_notify ON automation_firings (pool, notify_at, id) WHERE notify_at IS NOT NULL;

-- The automation that made a run, and since when the run owes its end to automations.
ALTER TABLE runs ADD COLUMN cause TEXT;
ALTER TABLE runs ADD COLUMN automate_at INTEGER;

CREATE INDEX runs_to_automate ON runs (pool, automate_at, id) WHERE automate_at IS NOT NULL;

CREATE TRIGGER runs_owing AFTER UPDATE OF state ON runs
WHEN NEW.state <> OLD.state AND NEW.state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED') AND EXISTS (
    SELECT 1 FROM automations
    WHERE (on_pool IS NULL OR on_pool = NEW.pool) AND (on_deployment IS NULL OR on_deployment = NEW.deployment)
        AND instr(end_states, '"' || NEW.state || '"') > 0)
BEGIN
    UPDATE runs SET automate_at = NEW.ended_at WHERE id = NEW.id;
END;
