-- Schedules of deployments, retry policies, the ended attempts of a run, and hooks that are notified of runs.

ALTER TABLE work_pools ADD COLUMN hooks TEXT NOT NULL DEFAULT '[]';

ALTER TABLE deployments ADD COLUMN schedules TEXT NOT NULL DEFAULT '[]';
ALTER TABLE deployments ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN retry TEXT;
ALTER TABLE deployments ADD COLUMN hooks TEXT NOT NULL DEFAULT '[]';
ALTER TABLE deployments ADD COLUMN windows_until TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN windows_at INTEGER;

-- Deployments whose next window is to be made a run, by when it comes near.
CREATE INDEX deployments_scheduled ON deployments (pool, windows_at, name) WHERE windows_at IS NOT NULL;

-- Written anew, because what a move writes has to stand before the long texts: short reads stay on the row's first page.
CREATE TABLE runs_with_attempts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pool TEXT NOT NULL REFERENCES work_pools (name),
    queue TEXT NOT NULL,
    deployment TEXT,
    created_at INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    schedule TEXT,
    retry TEXT,
    notify_ends TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    not_before INTEGER,
    claimed_at INTEGER,
    lease_until INTEGER,
    start_within REAL,
    submission TEXT,
    ending TEXT,
    lingers INTEGER NOT NULL,
    submitted_at INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    exit_code INTEGER,
    notify_at INTEGER,
    notify_tries INTEGER NOT NULL,
    past TEXT NOT NULL,
    tags TEXT NOT NULL,
    job_variables TEXT NOT NULL,
    job TEXT
) STRICT;

INSERT INTO runs_with_attempts (
    id, name, pool, queue, deployment, created_at, scheduled_at, schedule, retry, notify_ends, due_at, state, reason, attempt, fence,
    ends, refusals, not_before, claimed_at, lease_until, start_within, submission, ending, lingers, submitted_at,
    started_at, ended_at, exit_code, notify_at, notify_tries, past, tags, job_variables, job
)
SELECT
    id, name, pool, queue, deployment, created_at, scheduled_at, NULL, NULL, '[]', due_at, state, reason, attempt, fence,
    ends, refusals, not_before, claimed_at, lease_until, start_within, submission, ending, lingers, submitted_at,
    started_at, ended_at, exit_code, NULL, 0, '[]', tags, job_variables, job
FROM runs;

DROP TABLE runs;

ALTER TABLE runs_with_attempts RENAME TO runs;

-- The order of a queue. `not_before` stands in the index, so that a run that is held back is passed over without reading it.
-- `state` stands in this index and the next, so that SQLite can answer from them alone.
CREATE INDEX runs_waiting ON runs (pool, queue, due_at, id, not_before, state) WHERE state = 'SCHEDULED';

-- Slots in use are counted in this index alone; it is as long as there are live jobs.
CREATE INDEX runs_holding ON runs (pool, queue, state) WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING');

CREATE INDEX runs_live ON runs (pool, id) WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL;

-- Claims without an outcome, by the end of their lease.
CREATE INDEX runs_unsubmitted ON runs (pool, lease_until, id) WHERE state IN ('PENDING', 'CANCELLING') AND submission IS NULL;

CREATE INDEX runs_lingering ON runs (pool, ended_at, id)
    WHERE lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED');

-- Pages of runs, newest first.
CREATE INDEX runs_listed ON runs (created_at DESC, id);
CREATE INDEX runs_listed_by_pool ON runs (pool, created_at DESC, id);

-- Runs that schedules made and that no tick has claimed yet: at most an hour of them.
CREATE INDEX runs_of_schedules ON runs (deployment, schedule, scheduled_at) WHERE state = 'SCHEDULED' AND schedule IS NOT NULL;

-- History, oldest first.
CREATE INDEX runs_ended ON runs (pool, ended_at, id) WHERE NOT lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED');

-- Runs with a notification to deliver, by its time.
CREATE INDEX runs_to_notify ON runs (pool, notify_at, id) WHERE notify_at IS NOT NULL;
