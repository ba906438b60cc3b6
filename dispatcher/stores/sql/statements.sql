-- The statements of every SQL store. Parameters are `:name`; `{pool}`, `{queue}`, `{deployment}`, `{run}` and `{small_run}` stand
-- for the columns of that noun, in the order of `dispatcher.stores.rows`. A condition on the state repeats the text of its partial
-- index, so that the planner finds that index.

-- name: pools
-- The columns of a pool are followed by whether an automation looks at it.
SELECT {pool}, EXISTS (
    SELECT 1 FROM automations AS a
    WHERE CASE WHEN a.elsewhere THEN a.on_pool <> p.name ELSE a.on_pool IS NULL OR a.on_pool = p.name END)
FROM work_pools AS p ORDER BY name

-- name: pool_names
SELECT name FROM work_pools ORDER BY name

-- name: pool
SELECT {pool}, EXISTS (
    SELECT 1 FROM automations AS a
    WHERE CASE WHEN a.elsewhere THEN a.on_pool <> p.name ELSE a.on_pool IS NULL OR a.on_pool = p.name END)
FROM work_pools AS p WHERE name = :name

-- name: pool_version
SELECT version FROM work_pools WHERE name = :name

-- name: queues
SELECT pool, {queue} FROM work_queues ORDER BY pool, priority

-- name: queues_of_pool
SELECT pool, {queue} FROM work_queues WHERE pool = :pool ORDER BY priority

-- name: keep_pool
-- Keeps the pool's queues unchanged until the end of the transaction. A database with row locks locks the pool's row.
SELECT 1 FROM work_pools WHERE name = :pool

-- name: keep_configuration
-- Keeps all pools and deployments unchanged until the end of the transaction. A database with row locks locks all of them, and
-- prevents additions.
SELECT 1

-- name: pool_versions
SELECT name, version FROM work_pools

-- name: deployment_versions
SELECT name, version FROM deployments

-- name: queue_exists
SELECT 1 FROM work_queues WHERE pool = :pool AND name = :queue

-- name: add_pool
-- `held_reason` is a column of older code that may not be NULL.
INSERT INTO work_pools ({pool}, held_reason) VALUES ({pool_values}, '') ON CONFLICT (name) DO NOTHING

-- name: replace_pool
-- Everything except the name and the columns that ticks write.
UPDATE work_pools
SET id = :id, type = :type, concurrency_limit = :concurrency_limit, paused = :paused, description = :description,
    hooks = :hooks, created_at = :created_at, version = :version, mirror = :mirror, share = :share,
    owner = :owner, applied = :applied, paused_at = :paused_at, resumed_at = :resumed_at,
    base_job_template = :base_job_template
WHERE name = :name

-- name: delete_pool
-- Its queues and deployments are deleted with it.
DELETE FROM work_pools WHERE name = :pool

-- name: delete_queue
DELETE FROM work_queues WHERE pool = :pool AND name = :name

-- name: free_priorities
-- Two queues may swap their priorities, and no two have the same at any moment.
UPDATE work_queues SET priority = -priority WHERE pool = :pool

-- name: save_queue
-- Columns that only newer code knows are left alone.
INSERT INTO work_queues (pool, {queue}) VALUES (:pool, {queue_values})
ON CONFLICT (pool, name) DO UPDATE SET {queue_replaced}

-- name: pool_is_busy
SELECT EXISTS (SELECT 1 FROM runs WHERE pool = :pool AND state = 'SCHEDULED')
    OR EXISTS (SELECT 1 FROM runs WHERE pool = :pool AND state IN ('PENDING', 'RUNNING', 'CANCELLING'))

-- name: queue_is_busy
SELECT EXISTS (SELECT 1 FROM runs WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED')
    OR EXISTS (SELECT 1 FROM runs WHERE pool = :pool AND queue = :queue AND state IN ('PENDING', 'RUNNING', 'CANCELLING'))

-- name: delete_runs
DELETE FROM runs WHERE pool = :pool

-- name: deployments
SELECT {deployment} FROM deployments ORDER BY name

-- name: deployments_of_pool
SELECT {deployment} FROM deployments WHERE pool = :pool ORDER BY name

-- name: deployment
SELECT {deployment} FROM deployments WHERE name = :name

-- name: deployment_version
SELECT version FROM deployments WHERE name = :name

-- name: add_deployment
INSERT INTO deployments ({deployment}) VALUES ({deployment_values}) ON CONFLICT (name) DO NOTHING

-- name: replace_deployment
UPDATE deployments
SET id = :id, pool = :pool, queue = :queue, job_variables = :job_variables, parameters = :parameters,
    parameter_openapi_schema = :parameter_openapi_schema, tags = :tags, description = :description,
    schedules = :schedules, paused = :paused, retry = :retry, hooks = :hooks, created_at = :created_at, version = :version,
    concurrency_limit = :concurrency_limit, on_collision = :on_collision, max_waiting = :max_waiting,
    expires_after = :expires_after, priority = :priority, weight = :weight, owner = :owner, applied = :applied,
    windows_until = :windows_until, windows_at = :windows_at,
    windows_left_out = :windows_left_out
WHERE name = :name

-- name: delete_deployment
DELETE FROM deployments WHERE name = :name

-- name: withdraw
-- Future runs of a schedule that no tick ever claimed.
DELETE FROM runs
WHERE deployment = :deployment AND schedule = :schedule AND state = 'SCHEDULED' AND fence = 0 AND scheduled_at > :after

-- name: withdraw_all
-- Every run that schedules of a deployment made, whichever it had when, and that no tick ever claimed.
DELETE FROM runs WHERE deployment = :deployment AND schedule IS NOT NULL AND state = 'SCHEDULED' AND fence = 0

-- name: scheduled
-- Deployments whose next window is near, the earliest first.
SELECT {deployment} FROM deployments WHERE pool = :pool AND windows_at <= :now ORDER BY windows_at, name LIMIT :limit

-- name: reach
UPDATE deployments
SET windows_until = :windows_until, windows_at = :windows_at, windows_left_out = :windows_left_out
WHERE name = :name

-- name: add_run
INSERT INTO runs ({run}) VALUES ({run_values}) ON CONFLICT (id) DO NOTHING

-- name: run
SELECT {run} FROM runs WHERE id = :id

-- name: runs_from
SELECT {run} FROM runs WHERE id >= :start ORDER BY id LIMIT :limit

-- name: runs_after
SELECT {run} FROM runs WHERE id > :start ORDER BY id LIMIT :limit

-- name: runs
-- A page, in any order: `{ids}` gives its ids.
SELECT {run} FROM runs WHERE id IN ({ids})

-- name: newest_end
-- The first, in the order of a list of runs, of the positions that `{ids}` gives.
SELECT created_at, id FROM ({ids}) AS ends ORDER BY created_at DESC, id LIMIT 1

-- name: named
-- How many runs have a name between two names: counted in the index, up to `:few`.
SELECT COUNT(*) FROM (SELECT 1 FROM runs WHERE name >= :name AND name < :name_end ORDER BY name LIMIT :few) AS named

-- name: ended
-- The latest ends first. Runs whose job is gone and runs whose job lingers each have their own index.
SELECT {ended_run} FROM runs
WHERE pool = :pool AND NOT lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED') AND ended_at >= :since
ORDER BY ended_at DESC, id DESC LIMIT :limit

-- name: ended_lingering
SELECT {ended_run} FROM runs
WHERE pool = :pool AND lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED') AND ended_at >= :since
ORDER BY ended_at DESC NULLS LAST, id DESC LIMIT :limit

-- name: waiting
-- How many runs wait in each queue: due ones and later ones. Reads all waiting runs.
SELECT queue, SUM(CASE WHEN due_at <= :now THEN 1 ELSE 0 END), SUM(CASE WHEN due_at <= :now THEN 0 ELSE 1 END)
FROM runs WHERE pool = :pool AND state = 'SCHEDULED' GROUP BY queue

-- name: ahead
-- The waiting runs of the queue itself (not of its lanes) before a position.
SELECT COUNT(*) FROM runs
WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED' AND lane IS NULL AND due_at <= :now AND (due_at, id) < (:due_at, :id)

-- name: ahead_in_lane
SELECT COUNT(*) FROM runs
WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED' AND lane = :lane AND due_at <= :now AND (due_at, id) < (:due_at, :id)

-- name: heartbeat
-- The first statement of a claim. In a database with row locks, it locks the pool until the end of the transaction.
UPDATE work_pools SET last_tick_at = :now,
    ticked_hours = substr(ticked_hours || :never, 1, 5 * :minute) || :hour || substr(ticked_hours || :never, 5 * :minute + 6, 295 - 5 * :minute)
WHERE name = :pool

-- name: pools_with_work
-- For each pool the first row of each statement with which a tick begins, until one has a row. A subquery with LIMIT is looked up
-- for each pool; the planner might turn an EXISTS into a list of all waiting runs.
SELECT name FROM work_pools AS p
WHERE COALESCE(
    (SELECT 1 FROM runs
     WHERE pool = p.name AND state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL
     LIMIT 1),
    (SELECT 1 FROM work_queues AS q
     WHERE q.pool = p.name AND (
         SELECT 1 FROM runs
         WHERE pool = p.name AND queue = q.name AND state = 'SCHEDULED' AND due_at <= :now
             AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
         ORDER BY due_at, id LIMIT 1) IS NOT NULL
     LIMIT 1),
    (SELECT 1 FROM runs WHERE pool = p.name AND state = 'SCHEDULED' AND start_by <= :now ORDER BY start_by, id LIMIT 1),
    (SELECT 1 FROM runs
     WHERE pool = p.name AND state IN ('PENDING', 'CANCELLING') AND submission IS NULL AND lease_until <= :now
     ORDER BY lease_until, id LIMIT 1),
    (SELECT 1 FROM deployments WHERE pool = p.name AND windows_at <= :now ORDER BY windows_at, name LIMIT 1),
    (SELECT 1 FROM runs
     WHERE pool = p.name AND lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
     ORDER BY ended_at NULLS FIRST, id LIMIT 1),
    (SELECT 1 FROM runs WHERE pool = p.name AND notify_at <= :now ORDER BY notify_at, id LIMIT 1),
    (SELECT 1 FROM runs
     WHERE pool = p.name AND NOT lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
         AND ended_at < :ended_before
     ORDER BY ended_at, id LIMIT 1),
    (SELECT 1 FROM automations AS a
     WHERE CASE WHEN a.elsewhere THEN a.on_pool <> p.name ELSE a.on_pool IS NULL OR a.on_pool = p.name END
         AND (a.looks
             OR (SELECT 1 FROM runs WHERE pool = p.name AND automate_at <= :now ORDER BY automate_at, id LIMIT 1) IS NOT NULL
             OR (SELECT 1 FROM automation_firings
                 WHERE pool = p.name AND notify_at <= :now
                 ORDER BY notify_at, id LIMIT 1) IS NOT NULL)
     LIMIT 1)
) IS NOT NULL
ORDER BY name

-- name: heartbeats
-- `:pools` is a list of names in JSON.
UPDATE work_pools SET last_tick_at = :now,
    ticked_hours = substr(ticked_hours || :never, 1, 5 * :minute) || :hour || substr(ticked_hours || :never, 5 * :minute + 6, 295 - 5 * :minute)
WHERE name IN (SELECT value FROM json_each(:pools))

-- name: abandoned
-- Claims whose lease has ended without a submission, oldest first.
SELECT {run} FROM runs
WHERE pool = :pool AND state IN ('PENDING', 'CANCELLING') AND submission IS NULL AND lease_until <= :now
ORDER BY lease_until, id LIMIT :limit

-- name: in_use
-- Slots held by each queue, counted from the runs that hold them.
SELECT queue, COUNT(*) FROM runs WHERE pool = :pool AND state IN ('PENDING', 'RUNNING', 'CANCELLING') GROUP BY queue

-- name: lanes
-- The queues and lanes in which runs are due, from lane to lane along the index, with the lane's deployment and how many of its runs
-- hold a slot. A lane is a text that is not NULL: its deployment may be deleted. To find a greater pair of columns, SQLite would read
-- the whole lane.
WITH RECURSIVE head (id) AS (
    SELECT * FROM (
        SELECT id FROM runs WHERE pool = :pool AND state = 'SCHEDULED' AND lane IS NOT NULL
        ORDER BY queue, lane, due_at, id LIMIT 1
    ) AS foremost
    UNION ALL
    SELECT COALESCE(
        (SELECT next.id FROM runs AS next
         WHERE next.pool = :pool AND next.queue = here.queue AND next.lane > here.lane AND next.state = 'SCHEDULED'
         ORDER BY next.lane, next.due_at, next.id LIMIT 1),
        (SELECT next.id FROM runs AS next
         WHERE next.pool = :pool AND next.queue > here.queue AND next.state = 'SCHEDULED' AND next.lane IS NOT NULL
         ORDER BY next.queue, next.lane, next.due_at, next.id LIMIT 1)
    )
    FROM head JOIN runs AS here ON here.id = head.id
)
SELECT here.queue, here.lane, (
    SELECT COUNT(*) FROM runs AS live
    WHERE live.pool = :pool AND live.deployment = here.lane AND live.state IN ('PENDING', 'RUNNING', 'CANCELLING')
)
FROM head JOIN runs AS here ON here.id = head.id
WHERE here.due_at <= :now

-- name: held_in_queue
-- Slots of a queue, by the deployment of the runs that hold them; runs without a deployment are one group.
SELECT COALESCE(deployment, ''), COUNT(*) FROM runs
WHERE pool = :pool AND queue = :queue AND state IN ('PENDING', 'RUNNING', 'CANCELLING')
GROUP BY deployment

-- name: live_of_deployment
SELECT COUNT(*) FROM runs
WHERE pool = :pool AND deployment = :deployment AND state IN ('PENDING', 'RUNNING', 'CANCELLING')

-- name: due_in_lane
-- The head of a lane, like `due`.
SELECT {run} FROM runs
WHERE pool = :pool AND queue = :queue AND lane = :lane AND state = 'SCHEDULED' AND due_at <= :now
    AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
ORDER BY due_at, id LIMIT :limit

-- name: due_in_lane_after
SELECT {run} FROM runs
WHERE pool = :pool AND queue = :queue AND lane = :lane AND state = 'SCHEDULED' AND due_at <= :now
    AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
    AND (due_at, id) > (:due_at, :id)
ORDER BY due_at, id LIMIT :limit

-- name: waiting_in_lanes
-- How many runs wait in the lanes of a deployment in all queues of a pool, counted queue by queue along the index: in the lane without
-- a priority, and in the lanes with one, whose names lie between `:first` and `:last`.
SELECT
    (SELECT COUNT(*)
     FROM work_queues AS q
     CROSS JOIN runs
     WHERE q.pool = :pool AND runs.pool = q.pool AND runs.queue = q.name AND runs.lane = :deployment AND runs.state = 'SCHEDULED'
         AND runs.due_at <= :now)
    + (SELECT COUNT(*)
       FROM work_queues AS q
       CROSS JOIN runs
       WHERE q.pool = :pool AND runs.pool = q.pool AND runs.queue = q.name AND runs.lane > :first AND runs.lane < :last
           AND runs.state = 'SCHEDULED' AND runs.due_at <= :now)

-- name: expired
SELECT {small_run} FROM runs
WHERE pool = :pool AND state = 'SCHEDULED' AND start_by <= :now
ORDER BY start_by, id LIMIT :limit

-- name: due
-- The head of one queue.
SELECT {run} FROM runs
WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED' AND lane IS NULL AND due_at <= :now
    AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
ORDER BY due_at, id LIMIT :limit

-- name: due_after
-- The same, after a position in the queue.
SELECT {run} FROM runs
WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED' AND lane IS NULL AND due_at <= :now
    AND (not_before IS NULL OR not_before <= :now) AND (start_by IS NULL OR start_by > :now)
    AND (due_at, id) > (:due_at, :id)
ORDER BY due_at, id LIMIT :limit

-- name: change_run
-- Every change of a run: `{changes}` are assignments; state, fence and ending are the values that the run must have before.
UPDATE runs SET {changes}
WHERE id = :expected_id AND pool = :expected_pool AND state = :expected_state AND fence = :expected_fence
    AND COALESCE(ending, '') = :expected_ending

-- name: holds
-- Read in order to change it. A database with row locks locks the pool's row.
SELECT holds FROM work_pools WHERE name = :pool

-- name: hold
UPDATE work_pools SET holds = :holds WHERE name = :pool

-- name: live
SELECT {small_run} FROM runs
WHERE pool = :pool AND state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL AND id >= :start
ORDER BY id LIMIT :limit

-- name: live_before
-- The second half of the round.
SELECT {small_run} FROM runs
WHERE pool = :pool AND state IN ('PENDING', 'RUNNING', 'CANCELLING') AND submission IS NOT NULL AND id < :start
ORDER BY id LIMIT :limit

-- name: lingering
SELECT {small_run} FROM runs
WHERE pool = :pool AND lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
ORDER BY ended_at NULLS FIRST, id LIMIT :limit

-- name: discarded
UPDATE runs SET lingers = FALSE WHERE id = :id AND lingers

-- name: to_notify
SELECT {small_run} FROM runs WHERE pool = :pool AND notify_at <= :now ORDER BY notify_at, id LIMIT :limit

-- name: notified
UPDATE runs SET notify_at = :again_at, notify_tries = notify_tries + 1, notified_hooks = :notified_hooks WHERE id = :id AND notify_at = :notify_at

-- name: prune
DELETE FROM runs WHERE id IN (
    SELECT id FROM runs
    WHERE pool = :pool AND NOT lingers AND state IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED') AND ended_at < :before
    ORDER BY ended_at, id LIMIT :limit
)

-- name: number_of_runs
-- How many runs match: `{ids}` gives their ids, up to a limit.
SELECT count(*) FROM ({ids}) AS matching

-- name: log
-- A page of the log of changes, in any order: `{ids}` gives its ids.
SELECT {log_entry} FROM change_log WHERE id IN ({ids})

-- name: note
-- An entry of the log; an existing entry only counts more runs.
INSERT INTO change_log ({log_entry}) VALUES ({log_entry_values})
ON CONFLICT (id) DO UPDATE SET runs = change_log.runs + excluded.runs

-- name: add_entry
INSERT INTO change_log ({log_entry}) VALUES ({log_entry_values}) ON CONFLICT (id) DO NOTHING

-- name: forget
-- Some entries that need no longer be kept.
DELETE FROM change_log WHERE id IN (SELECT id FROM change_log WHERE kept_until < :now ORDER BY kept_until, id LIMIT :limit)

-- name: automations
SELECT {automation} FROM automations ORDER BY name

-- name: automation
SELECT {automation} FROM automations WHERE name = :name

-- name: automation_version
-- Read in order to replace it. A database with row locks locks the automation's row.
SELECT version FROM automations WHERE name = :name

-- name: automation_versions
SELECT name, version FROM automations

-- name: add_automation
INSERT INTO automations ({automation}, on_pool, elsewhere, on_deployment, end_states, looks)
VALUES ({automation_values}, :on_pool, :elsewhere, :on_deployment, :end_states, :looks) ON CONFLICT (name) DO NOTHING

-- name: replace_automation
UPDATE automations
SET id = :id, waits_for = :waits_for, does = :does, paused = :paused, description = :description, created_at = :created_at,
    owner = :owner, applied = :applied, version = :version, revision = :revision, progress = :progress, on_pool = :on_pool, elsewhere = :elsewhere,
    on_deployment = :on_deployment, end_states = :end_states, looks = :looks
WHERE name = :name

-- name: delete_automation
DELETE FROM automations WHERE name = :name

-- name: progress
UPDATE automations SET progress = :progress, revision = :revision + 1
WHERE name = :name AND version = :version AND revision = :revision

-- name: to_automate
SELECT {run} FROM runs WHERE pool = :pool AND automate_at <= :now ORDER BY automate_at, id LIMIT :limit

-- name: take_back
-- Clears the mark of a run whose end automations had to look at.
UPDATE runs SET automate_at = NULL WHERE id = :id AND automate_at = :automate_at

-- name: due_count
SELECT COUNT(*) FROM (
    SELECT 1 FROM runs
    WHERE pool = :pool AND queue = :queue AND state = 'SCHEDULED' AND due_at <= :now ORDER BY due_at, id LIMIT :limit
) AS due

-- name: add_firing
INSERT INTO automation_firings ({firing}) VALUES ({firing_values}) ON CONFLICT (id) DO NOTHING

-- name: firings
SELECT {firing} FROM automation_firings ORDER BY fired_at DESC, id LIMIT :limit

-- name: firings_of_automation
SELECT {firing} FROM automation_firings WHERE automation = :automation ORDER BY fired_at DESC, id LIMIT :limit

-- name: firings_to_notify
SELECT {firing} FROM automation_firings WHERE pool = :pool AND notify_at <= :now ORDER BY notify_at, id LIMIT :limit

-- name: firing_notified
UPDATE automation_firings
SET notify_at = :again_at, notify_tries = notify_tries + 1, notified_hooks = :notified_hooks
WHERE id = :id AND notify_at = :notify_at

-- name: prune_firings
DELETE FROM automation_firings WHERE id IN (
    SELECT id FROM automation_firings WHERE fired_at < :before ORDER BY fired_at, id DESC LIMIT :limit
)
