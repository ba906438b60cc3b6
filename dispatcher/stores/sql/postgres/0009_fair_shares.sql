-- Pools whose queues share their slots by weight. Only additions with defaults: code that does not know of them still works, by priority.

ALTER TABLE work_pools ADD COLUMN share TEXT NOT NULL DEFAULT 'strict';
ALTER TABLE work_queues ADD COLUMN weight INTEGER NOT NULL DEFAULT 1;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (9, 1);
