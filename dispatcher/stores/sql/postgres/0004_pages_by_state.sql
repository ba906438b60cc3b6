-- Pages of runs, newest first, by each filter of a list: a page is read from the heads of the states that it may show, so
-- that a rare state or deployment is found among a million ended runs as fast as a frequent one. In place of the two indices
-- without a state. Older code lists runs without an index, and ticks as before.

CREATE INDEX runs_by_state ON runs (state, created_at DESC, id);
CREATE INDEX runs_by_pool ON runs (pool, state, created_at DESC, id);
CREATE INDEX runs_by_queue ON runs ((pool || '/' || queue), state, created_at DESC, id);
CREATE INDEX runs_by_deployment ON runs (deployment, state, created_at DESC, id) WHERE deployment IS NOT NULL;

DROP INDEX IF EXISTS runs_listed;
DROP INDEX IF EXISTS runs_listed_by_pool;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (4, 1);
