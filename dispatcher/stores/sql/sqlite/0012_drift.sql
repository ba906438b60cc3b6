-- The values last applied to a pool or deployment, as digests. Only additions with defaults: code that does not know of them still works.

ALTER TABLE work_pools ADD COLUMN applied TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN applied TEXT NOT NULL DEFAULT '{}';
