-- The owner of a pool or deployment. Only additions with defaults: code that does not know of owners works without them.

ALTER TABLE work_pools ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN owner TEXT NOT NULL DEFAULT '';

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (11, 1);
