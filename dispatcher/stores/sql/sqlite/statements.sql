-- The statements that only SQLite has, in addition to `sql/statements.sql`: they change or read many runs at once. `{rows}` stands
-- for one row of parameters per run.

-- name: free_pages
PRAGMA freelist_count

-- name: give_back
-- Gives back one free page; none in a file that was created without `auto_vacuum`.
PRAGMA incremental_vacuum(1)

-- name: due_heads
-- The heads of many queues: `:rooms` says in JSON, in order of priority, how long each may be, `:total` how many to read in all. In each
-- queue they come in the order of their ids.
SELECT NULL, {run}
FROM (SELECT key, value FROM json_each(:rooms)) AS room
CROSS JOIN runs ON runs.id IN (
    SELECT head.id FROM (
        SELECT waiting.id, row_number() OVER (ORDER BY waiting.due_at, waiting.id) AS number
        FROM runs AS waiting
        WHERE waiting.pool = :pool AND waiting.queue = room.key AND waiting.state = 'SCHEDULED' AND waiting.lane IS NULL
            AND waiting.due_at <= :now AND (waiting.not_before IS NULL OR waiting.not_before <= :now)
            AND (waiting.start_by IS NULL OR waiting.start_by > :now)
        ORDER BY waiting.due_at, waiting.id LIMIT :limit
    ) AS head
    WHERE head.number <= room.value
)
LIMIT :total

-- name: deployments_named
SELECT {deployment} FROM deployments WHERE name IN (SELECT value FROM json_each(:names))

-- name: runs_as_expected
-- The runs that `change_run` would change, as one text of ids. The join goes from the parameters to the runs, never along all runs,
-- and finds runs by the id alone: the other conditions are expressions, which have no index.
WITH target (expected_id, expected_pool, expected_state, expected_fence, expected_ending) AS (VALUES {rows})
SELECT group_concat(id, ' ') FROM target CROSS JOIN runs
WHERE id = expected_id AND +pool = expected_pool AND +state = expected_state AND fence = expected_fence
    AND COALESCE(ending, '') = expected_ending

-- name: change_runs
-- `{columns}` get the values beside each id. The plus sign keeps the planner from looking up each run in `target`.
WITH target (target_id, {columns}) AS (VALUES {rows})
UPDATE runs SET {changes} FROM target WHERE runs.id = +target.target_id
