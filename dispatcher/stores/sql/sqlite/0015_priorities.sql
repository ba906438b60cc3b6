-- Priorities of runs in their queue: a deployment states one for its runs. A run has its own in the name of its lane (`etl%-5`), which
-- needs no column. Only an addition with a default: code that does not know of it still works, and starts such runs by due time.

ALTER TABLE deployments ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
