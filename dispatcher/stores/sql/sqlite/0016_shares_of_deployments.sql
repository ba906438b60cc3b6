-- Queues whose deployments share their slots by weight. Only additions with defaults: code that does not know of them still works, and starts
-- the runs of such a queue by priority and due time.

ALTER TABLE work_queues ADD COLUMN share TEXT NOT NULL DEFAULT 'strict';
ALTER TABLE deployments ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;
