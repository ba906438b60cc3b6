-- When pools and queues were last paused and resumed. Only additions without values: code that does not know of them still works, and
-- after a pause that it has made or ended all runs start.

ALTER TABLE work_pools ADD COLUMN paused_at INTEGER;
ALTER TABLE work_pools ADD COLUMN resumed_at INTEGER;
ALTER TABLE work_queues ADD COLUMN paused_at INTEGER;
ALTER TABLE work_queues ADD COLUMN resumed_at INTEGER;
