-- The statements that differ on PostgreSQL from `sql/statements.sql`: those that lock a row, and those for which its planner
-- could choose a bad plan.
--
-- Transactions that write are READ COMMITTED: each statement sees what was committed before it began, and a statement that had to
-- wait for a row continues with the row's new values. So the lock comes first, and what is read after it is true until the commit:
--
--     claim, hold, heartbeat         UPDATE of the pool's row     wait for one another, and for a change of the pool
--     save_pool, delete_pool         FOR UPDATE                   wait for all of them, and for those that add runs
--     add_runs, requeue,             FOR KEY SHARE                wait for a change of the pool alone, never for a claim
--     save_deployment
--     automate                       what it saves, as above, then automations, then runs
--     reconfigure                    their tables, EXCLUSIVE      waits for all of the above; reading goes on
--     materialise                    FOR KEY SHARE, and the deployment's row FOR UPDATE
--     move                           the run's row                needs no more: it can only free slots, and names its fence

-- name: pool_version
SELECT version FROM work_pools WHERE name = :name FOR UPDATE

-- name: keep_pool
SELECT 1 FROM work_pools WHERE name = :pool FOR KEY SHARE

-- name: holds
SELECT holds FROM work_pools WHERE name = :pool FOR NO KEY UPDATE

-- name: keep_configuration
-- Every transaction that writes locks the pools first, this one too, so that no two wait for each other.
LOCK TABLE work_pools, deployments, automations IN EXCLUSIVE MODE

-- name: deployment_version
SELECT version FROM deployments WHERE name = :name FOR UPDATE

-- name: automation_version
SELECT version FROM automations WHERE name = :name FOR UPDATE

-- name: change_run
-- Without fresh statistics the planner would take an index of the pool or the state, and walk along all waiting runs. It must search
-- by the id alone, so all other conditions are expressions, for which no index exists.
UPDATE runs SET {changes}
WHERE id = :expected_id AND pool || '' = :expected_pool AND state || '' = :expected_state AND fence = :expected_fence
    AND COALESCE(ending, '') = :expected_ending

-- name: change_runs
-- Many runs at once, each with the values beside its id. The planner always finds them by `:ids`.
UPDATE runs SET {changes}
FROM json_to_recordset(CAST(:expected AS json)) AS expected
    (expected_id text, expected_pool text, expected_state text, expected_fence bigint, expected_ending text)
    JOIN json_populate_recordset(CAST(NULL AS runs), CAST(:rows AS json)) AS target ON target.id = expected_id
WHERE runs.id = ANY(:ids) AND runs.id = expected_id AND runs.pool || '' = expected_pool AND runs.state || '' = expected_state
    AND runs.fence = expected_fence AND COALESCE(runs.ending, '') = expected_ending
RETURNING runs.id

-- name: due_heads
-- The heads of many queues: `:rooms` says in JSON, in order of priority, how long each may be, `:total` how many to read in all. Before
-- the columns of a run comes its number in its queue.
SELECT head.*
FROM json_each_text(CAST(:rooms AS json)) AS room (queue_name, size)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT row_number() OVER (ORDER BY due_at, id) AS number, {run}
        FROM runs
        WHERE pool = :pool AND queue = room.queue_name AND state = 'SCHEDULED' AND lane IS NULL AND due_at <= :now
            AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
        ORDER BY due_at, id LIMIT :limit
    ) AS numbered
    WHERE number <= CAST(room.size AS bigint)
) AS head
LIMIT :total

-- name: deployments_of_heads
-- The deployments of the same runs.
SELECT {deployment} FROM deployments
WHERE name = ANY (ARRAY (
    SELECT head.deployment
    FROM json_each_text(CAST(:rooms AS json)) AS room (queue_name, size)
    CROSS JOIN LATERAL (
        SELECT deployment FROM (
            SELECT row_number() OVER (ORDER BY due_at, id) AS number, deployment
            FROM runs
            WHERE pool = :pool AND queue = room.queue_name AND state = 'SCHEDULED' AND lane IS NULL AND due_at <= :now
                AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
            ORDER BY due_at, id LIMIT :limit
        ) AS numbered
        WHERE number <= CAST(room.size AS bigint)
    ) AS head
    LIMIT :total
))

-- name: runs
-- The ids are computed before any run is read.
SELECT {run} FROM runs WHERE id = ANY (ARRAY ({ids}))

-- name: heartbeats
-- Does not wait for locks: a pool whose row is locked is being claimed (which is a heartbeat too) or changed.
UPDATE work_pools SET last_tick_at = :now,
    ticked_hours = substr(ticked_hours || :never, 1, 5 * :minute) || :hour || substr(ticked_hours || :never, 5 * :minute + 6, 295 - 5 * :minute)
WHERE name IN (
    SELECT name FROM work_pools WHERE name IN (SELECT json_array_elements_text(:pools::json)) ORDER BY name
    FOR NO KEY UPDATE SKIP LOCKED
)

-- name: live
-- By pool and id, with the pool as a range and not as a constant: only `runs_live` has that order. With statistics from a time
-- when most runs were live, the planner would otherwise walk along all ids.
SELECT {small_run} FROM runs
WHERE (pool, id) >= (:pool, :start) AND pool <= :pool AND state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL
ORDER BY pool, id LIMIT :limit

-- name: live_before
SELECT {small_run} FROM runs
WHERE pool >= :pool AND (pool, id) < (:pool, :start) AND state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL
ORDER BY pool, id LIMIT :limit

-- name: log
SELECT {log_entry} FROM change_log WHERE id = ANY (ARRAY ({ids}))

-- name: forget
-- Skips rows that another transaction is deleting, so that no two wait for each other.
DELETE FROM change_log WHERE id = ANY (ARRAY (
    SELECT id FROM change_log WHERE kept_until < :now ORDER BY kept_until, id LIMIT :limit FOR UPDATE SKIP LOCKED
))
