-- Which runs of a pool wait because the provider refused: several holds at a time, in place of `held_until` and `held_reason`,
-- which only older code still writes.

ALTER TABLE work_pools ADD COLUMN holds TEXT NOT NULL DEFAULT '[]';

-- The hooks that have confirmed a notification: they do not get it again while others fail.
ALTER TABLE runs ADD COLUMN notified_hooks TEXT NOT NULL DEFAULT '[]';
