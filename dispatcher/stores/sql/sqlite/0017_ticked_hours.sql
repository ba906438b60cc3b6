-- The minutes in which a pool was ticked (`core.ticks`). Only an addition with a default: code that does not know of it still works, and notes
-- no minutes.

ALTER TABLE work_pools ADD COLUMN ticked_hours TEXT NOT NULL DEFAULT '';
