-- Whose a pool or deployment is. Only additions with defaults: code that does not know of owners goes on without.

ALTER TABLE work_pools ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN owner TEXT NOT NULL DEFAULT '';
