-- Concurrency limits of deployments, and runs that expire. Runs of a deployment with a limit wait in a lane of their own beside their
-- queue, so that a claim reads none of those that a full deployment keeps back. Older code reads queues along `runs_waiting`.

ALTER TABLE deployments ADD COLUMN concurrency_limit BIGINT;
ALTER TABLE deployments ADD COLUMN on_collision TEXT NOT NULL DEFAULT 'wait';
ALTER TABLE deployments ADD COLUMN max_waiting BIGINT;
ALTER TABLE deployments ADD COLUMN expires_after BIGINT;
ALTER TABLE deployments ADD COLUMN windows_left_out BIGINT NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN start_by BIGINT;
ALTER TABLE runs ADD COLUMN lane TEXT COLLATE "C";

-- The order of a queue without its lanes, and of each lane. The first is smaller than `runs_waiting`, so that it is preferred.
CREATE INDEX runs_queued ON runs (pool, queue, due_at, id) WHERE state = 'SCHEDULED' AND lane IS NULL;
CREATE INDEX runs_in_lanes ON runs (pool, queue, lane, due_at, id, not_before, start_by, state)
    WHERE state = 'SCHEDULED' AND lane IS NOT NULL;

-- Waiting runs that expire, first to expire first.
CREATE INDEX runs_expiring ON runs (pool, start_by, id) WHERE state = 'SCHEDULED' AND start_by IS NOT NULL;

-- Slots in use by deployment are counted in this index alone.
CREATE INDEX runs_holding_of_deployment ON runs (pool, deployment, state)
    WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING') AND deployment IS NOT NULL;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (8, 1);
