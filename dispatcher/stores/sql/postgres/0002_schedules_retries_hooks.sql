-- Schedules of deployments, retry policies, the ended attempts of a run, and hooks that are notified of runs.
-- Only additions with a default: code that does not know of them still works.

ALTER TABLE work_pools ADD COLUMN hooks TEXT NOT NULL DEFAULT '[]';

ALTER TABLE deployments
    ADD COLUMN schedules TEXT NOT NULL DEFAULT '[]',
    ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN retry TEXT,
    ADD COLUMN hooks TEXT NOT NULL DEFAULT '[]',
    ADD COLUMN windows_until TEXT NOT NULL DEFAULT '{}',
    ADD COLUMN windows_at BIGINT;

-- Deployments whose next window is to be made a run, by when it comes near.
CREATE INDEX deployments_scheduled ON deployments (pool, windows_at, name) WHERE windows_at IS NOT NULL;

ALTER TABLE runs
    ADD COLUMN schedule TEXT COLLATE "C",
    ADD COLUMN retry TEXT,
    ADD COLUMN notify_ends TEXT NOT NULL DEFAULT '[]',
    ADD COLUMN notify_at BIGINT,
    ADD COLUMN notify_tries BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN past TEXT NOT NULL DEFAULT '[]';

-- Runs that schedules made and that no tick has claimed yet: at most an hour of them.
CREATE INDEX runs_of_schedules ON runs (deployment, schedule, scheduled_at) WHERE state = 'SCHEDULED' AND schedule IS NOT NULL;

-- History, oldest first.
CREATE INDEX runs_ended ON runs (pool, ended_at, id) WHERE NOT lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED');

-- Runs with a notification to deliver, by its time.
CREATE INDEX runs_to_notify ON runs (pool, notify_at, id) WHERE notify_at IS NOT NULL;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (2, 1);
