-- The statements that SQLite has beside those of `sql/statements.sql`: one for many runs at once. `{rows}` stands for a row of
-- parameters for each.

-- name: runs_as_expected
-- Those that `change_run` would change, as one text of ids. The join goes from what is asked for to the runs, never along them,
-- and finds them by nothing but the id: an expression has no index.
WITH wanted (expected_id, expected_pool, expected_state, expected_fence, expected_ending) AS (VALUES {rows})
SELECT group_concat(id, ' ') FROM wanted CROSS JOIN runs
WHERE id = expected_id AND +pool = expected_pool AND +state = expected_state AND fence = expected_fence
    AND COALESCE(ending, '') = expected_ending

-- name: change_runs
-- `{columns}` get the values that stand beside each id. The plus sign keeps the planner from looking for each run in `wanted`.
WITH wanted (wanted_id, {columns}) AS (VALUES {rows})
UPDATE runs SET {changes} FROM wanted WHERE runs.id = +wanted.wanted_id
