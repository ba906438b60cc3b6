-- Which runs of a pool wait because the provider refused: several holds at a time, in place of `held_until` and `held_reason`,
-- which only older code still writes.

ALTER TABLE work_pools ADD COLUMN holds TEXT NOT NULL DEFAULT '[]';
