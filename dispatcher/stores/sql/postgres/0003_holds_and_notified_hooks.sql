-- Which runs of a pool wait because the provider refused: several holds at a time, in place of `held_until` and `held_reason`,
-- which only older code still writes. Only an addition with a default: code that does not know of it goes on.

ALTER TABLE work_pools ADD COLUMN holds TEXT NOT NULL DEFAULT '[]';

-- The hooks that have confirmed a notification: they do not get it again while others fail.
ALTER TABLE runs ADD COLUMN notified_hooks TEXT NOT NULL DEFAULT '[]';

INSERT INTO dispatcher_schema (version, oldest_code) VALUES (3, 1);
