-- Pools that mirror a source of runs, and what the source calls each run.

ALTER TABLE work_pools ADD COLUMN mirror TEXT;
ALTER TABLE runs ADD COLUMN source_id TEXT;
