-- Pools that mirror a source of runs, and what the source calls each run. Only additions: code that does not know of them still works.

ALTER TABLE work_pools ADD COLUMN mirror TEXT;
ALTER TABLE runs ADD COLUMN source_id TEXT;

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (5, 1);
