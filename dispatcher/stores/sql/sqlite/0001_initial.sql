-- Times are microseconds since the epoch, ids 32 hex digits (so that text order is id order), JSON is text.
-- `application_id` marks the file as ours: the bytes of "push".

PRAGMA application_id = 1886745448;

CREATE TABLE work_pools (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    concurrency_limit INTEGER,
    paused INTEGER NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    held_until INTEGER,
    held_reason TEXT NOT NULL,
    last_tick_at INTEGER,
    base_job_template TEXT NOT NULL
) STRICT;

CREATE TABLE work_queues (
    pool TEXT NOT NULL REFERENCES work_pools (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    priority INTEGER NOT NULL,
    concurrency_limit INTEGER,
    paused INTEGER NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (pool, name),
    UNIQUE (pool, priority)
) STRICT;

CREATE TABLE deployments (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    pool TEXT NOT NULL REFERENCES work_pools (name) ON DELETE CASCADE,
    queue TEXT NOT NULL,
    job_variables TEXT NOT NULL,
    tags TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE INDEX deployments_of_pool ON deployments (pool, name);

-- What a move writes stands before the long texts, so that short reads stay on the row's first page.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pool TEXT NOT NULL REFERENCES work_pools (name),
    queue TEXT NOT NULL,
    deployment TEXT,
    created_at INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
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
    tags TEXT NOT NULL,
    job_variables TEXT NOT NULL,
    job TEXT
) STRICT;

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
