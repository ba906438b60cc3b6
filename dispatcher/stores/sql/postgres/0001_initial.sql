-- Times are microseconds since the epoch, ids 32 hex digits (so that text order is id order), JSON is text, as in every SQL store.
-- Text is compared byte by byte, whatever the database's own collation says.

-- One row for each migration that was applied. `oldest_code` is the number of the oldest code that can use the schema from then
-- on; code has the number of the newest migration that it brings. `dispatcher.stores.postgres_schema` tells the rule.
CREATE TABLE dispatcher_schema (
    version BIGINT PRIMARY KEY,
    oldest_code BIGINT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE work_pools (
    name TEXT COLLATE "C" PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    type TEXT NOT NULL,
    concurrency_limit BIGINT,
    paused BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    held_until BIGINT,
    held_reason TEXT NOT NULL,
    last_tick_at BIGINT,
    base_job_template TEXT NOT NULL
);

CREATE TABLE work_queues (
    pool TEXT COLLATE "C" NOT NULL REFERENCES work_pools (name) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    concurrency_limit BIGINT,
    paused BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (pool, name),
    UNIQUE (pool, priority)
);

CREATE TABLE deployments (
    name TEXT COLLATE "C" PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    pool TEXT COLLATE "C" NOT NULL REFERENCES work_pools (name) ON DELETE CASCADE,
    queue TEXT COLLATE "C" NOT NULL,
    job_variables TEXT NOT NULL,
    tags TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE INDEX deployments_of_pool ON deployments (pool, name);

-- Every move leaves a dead row behind, and what is claimed stands at the head of its queue: so the dead are cleared away after
-- some thousand moves, and not after a share of all that waits.
CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    pool TEXT COLLATE "C" NOT NULL REFERENCES work_pools (name),
    queue TEXT COLLATE "C" NOT NULL,
    deployment TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    scheduled_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    refusals BIGINT NOT NULL,
    not_before BIGINT,
    claimed_at BIGINT,
    lease_until BIGINT,
    start_within DOUBLE PRECISION,
    submission TEXT,
    ending TEXT COLLATE "C",
    lingers BOOLEAN NOT NULL,
    submitted_at BIGINT,
    started_at BIGINT,
    ended_at BIGINT,
    exit_code BIGINT,
    tags TEXT NOT NULL,
    job_variables TEXT NOT NULL,
    job TEXT
) WITH (
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0,
    autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.02
);

-- The order of a queue.
CREATE INDEX runs_waiting ON runs (pool, queue, due_at, id, not_before) WHERE state = 'SCHEDULED';

-- Slots in use are counted in this index alone; it is as long as there are live jobs.
CREATE INDEX runs_holding ON runs (pool, queue) WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING');

CREATE INDEX runs_live ON runs (pool, id) WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL;

-- Claims without an outcome, by the end of their lease.
CREATE INDEX runs_unsubmitted ON runs (pool, lease_until, id) WHERE state IN ('PENDING', 'CANCELLING') AND submission IS NULL;

CREATE INDEX runs_lingering ON runs (pool, ended_at NULLS FIRST, id)
    WHERE lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED');

-- Pages of runs, newest first.
CREATE INDEX runs_listed ON runs (created_at DESC, id);
CREATE INDEX runs_listed_by_pool ON runs (pool, created_at DESC, id);

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (1, 1);
