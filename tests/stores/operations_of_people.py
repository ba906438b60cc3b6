"""Random operations of people: on pools, deployments, automations and runs, and on whole stores that move."""

from dataclasses import replace
from datetime import timedelta

from dispatcher.core.ticks import noted
from dispatcher.models import (
    TERMINAL_STATES,
    Run,
    RunLate,
    RunState,
    When,
)
from dispatcher.models.lanes import lane_for, limited_by
from dispatcher.models.records import (
    LogFilter,
    Reconfiguration,
    Requeue,
    RunFilter,
)
from dispatcher.protocols import Store
from tests.builders import MINUTE, a_deployment, a_hold, a_pool, a_queue, a_run, an_automation
from tests.stores.steps import tallied
from tests.stores.world import NAMES, POOLS, QUEUES, RETRIES, Call, World


def save_pool(world: World) -> Call:
    name, random = world.pool(), world.random
    kept = ["default"] + [queue for queue in QUEUES[1:] if random.random() < 0.8]
    random.shuffle(kept)
    queues = [
        a_queue(queue, place, random.choice([None, 0, 2]), paused=random.random() < 0.2, share=world.share())
        for place, queue in enumerate(kept, 1)
    ]
    limit, identity = random.choice([None, 0, 3]), world.an_id()
    fields = {"paused": random.random() < 0.2, "holds": (a_hold(),), **world.ownership()}
    pool = a_pool(name, limit, queues, id=identity, **fields)
    version = world.version_of(world.oracle.pool(name))
    entry = world.an_entry()
    return lambda store: store.save_pool(pool, expected_version=version, entry=entry)


def delete_pool(world: World) -> Call:
    name = world.pool()
    version = world.version_of(world.oracle.pool(name)) or 1
    entry = world.an_entry()
    return lambda store: store.delete_pool(name, expected_version=version, entry=entry)


def pool(world: World) -> Call:
    name = world.pool()
    return lambda store: store.pool(name)


def pools(_world: World) -> Call:
    return lambda store: store.pools()


def save_deployment(world: World) -> Call:
    name, now = world.random.choice(NAMES), world.time()
    deployment, version = world.a_deployment_of(name, world.pool()), world.version_of(world.oracle.deployment(name))
    entry = world.an_entry()
    return lambda store: store.save_deployment(deployment, expected_version=version, now=now, entry=entry)


def delete_deployment(world: World) -> Call:
    name, entry = world.random.choice(NAMES), world.an_entry()
    return lambda store: store.delete_deployment(name, entry=entry)


def deployment(world: World) -> Call:
    name = world.random.choice(NAMES)
    return lambda store: store.deployment(name)


def deployments(world: World) -> Call:
    name = world.random.choice([None, *POOLS])
    return lambda store: store.deployments(name)


def reconfigure(world: World) -> Call:
    """A pool that is made or changed, deployments into it, and others that go; sometimes from an old reading."""
    random, oracle = world.random, world.oracle
    name, pools = world.pool(), {pool.name: pool for pool in oracle.pools()}
    deployments = {deployment.name: deployment for deployment in oracle.deployments()}
    saved_pool = a_pool(name, random.choice([None, 3]), QUEUES[: random.choice([1, 3, 3, 3])], id=world.an_id())
    into = [
        replace(world.a_deployment_of(deployment_name, name), pool=name)
        for deployment_name in random.sample(NAMES, random.randrange(3))
    ]
    left = [deployment_name for deployment_name in deployments if deployment_name not in {saved.name for saved in into}]
    others = [other for other in pools if other != name]
    change = Reconfiguration(
        pools_read={pool_name: pool.version - (random.random() < 0.05) for pool_name, pool in pools.items()},
        now=world.time(),
        deployments_read={
            deployment_name: stored.version for deployment_name, stored in deployments.items() if random.random() < 0.95
        },
        pools=(saved_pool,) if random.random() < 0.8 or name not in pools else (),
        deployments=tuple(into),
        deployments_gone=tuple(random.sample(left, random.randrange(len(left) + 1))),
        pools_gone=tuple(others[:1] if random.random() < 0.2 else ()),
    )
    return lambda store: store.reconfigure(change)


def save_automation(world: World) -> Call:
    name, random = world.name(), world.random
    version = world.version_of(world.oracle.automation(name))
    if random.random() < 0.2:
        automation = an_automation(name, id=world.an_id(), when=When(late=RunLate(by=MINUTE, pool=random.choice([None, "a"]))))
    else:
        ended = {"pool": random.choice([None, *POOLS]), "deployment": random.choice([None, None, *NAMES])}
        states = frozenset(random.sample(sorted(TERMINAL_STATES), 2))
        paused = random.random() < 0.1
        automation = an_automation(name, id=world.an_id(), paused=paused, states=states, count=random.choice([1, 2]), **ended)
    owned = replace(automation, **world.ownership())
    return lambda store: store.save_automation(owned, expected_version=version)


def delete_automation(world: World) -> Call:
    name = world.name()
    return lambda store: store.delete_automation(name)


def automation(world: World) -> Call:
    name = world.name()
    return lambda store: store.automation(name)


def add_runs(world: World) -> Call:
    random = world.random
    name, deployed = world.pool(), random.choice([None, *NAMES])
    stored = world.oracle.pool(name)
    queues = [queue.name for queue in stored.queues] * 10 + ["none"] if stored else ["default"]
    added = [
        a_run(
            name,
            queue := random.choice(queues),
            id=world.an_id(),
            due_at=world.time(),
            created_at=world.time(),
            job_variables=world.variables(),
            parameters=world.variables(),
            deployment=deployed,
            lane=world.lane(deployed, stored, queue),
            retry=random.choice(RETRIES),
            tags=("x",) * random.randrange(2),
        )
        for _ in range(random.randrange(5))
    ]
    again = [replace(run, name="again") for run in (world.runs() or added)[:2] if random.random() < 0.2]
    entry = world.an_entry()
    return lambda store: store.add_runs([*added, *again], entry=entry)


def get(world: World) -> Call:
    run = world.some_runs(1)[-1]
    return lambda store: store.get(run.id)


def runs(world: World) -> Call:
    random = world.random
    where = RunFilter(
        pool=random.choice([None, *POOLS]),
        queue=random.choice([None, *QUEUES]),
        deployment=random.choice([None, None, None, *NAMES]),
        states=random.choice([None, TERMINAL_STATES, frozenset(random.sample(list(RunState), 3))]),
        tag=random.choice([None, None, "x"]),
        name=random.choice([None, None, None, "ag", "again", "r"]),
        since=random.choice([None, None, world.time()]),
        until=random.choice([None, None, world.time()]),
        after=random.choice([None, *((run.created_at, run.id) for run in world.some_runs(1))]),
    )
    limit, offset = random.choice([1, 3, 100]), random.choice([0, 0, 2])

    loose = RunFilter(pool=where.pool, states=where.states)

    def listed(store: Store) -> object:
        """Empty where none matches and none is counted."""
        counts = (store.count(where, limit=limit + 2), store.count(loose, limit=limit))
        listed = store.runs(where, limit=limit, offset=offset)
        assert store.search(where, limit=offset + limit, most=1000).runs[offset:] == listed
        assert min(tallied(store, where, most=7), limit + 2) == counts[0]
        return [*listed, *filter(None, counts)]

    return listed


def requeue(world: World) -> Call:
    """Moves within a pool; sometimes into a queue that is not there."""
    changes = [_requeue(world, run) for run in world.some_runs(3)]
    entry = world.an_entry()
    return lambda store: store.requeue(changes, entry=entry)


def _requeue(world: World, run: Run) -> Requeue:
    random = world.random
    stored = world.oracle.pool(run.pool)
    queues = [queue.name for queue in stored.queues] * 10 + ["none"] if stored else ["default"]
    values = {"due_at": world.time(), "not_before": random.choice([None, world.time()]), "notify_at": None, "reason": "by hand"}
    changes = {name: value for name, value in values.items() if random.random() < 0.4}
    if world.lanes and world.lots.random() < 0.4:
        changes["lane"] = lane_for(limited_by(run.lane), world.priority())
    return Requeue(run_id=run.id, pool=run.pool, fence=run.fence, queue=random.choice(queues), changes=changes)


def ended(world: World) -> Call:
    name, since, limit = world.pool(), world.time() - timedelta(days=1), world.random.randrange(4)
    return lambda store: store.ended(name, since, limit=limit)


def log(world: World) -> Call:
    random = world.random
    where = LogFilter(
        actor=random.choice([None, None, "ada"]),
        noun=random.choice([None, None, "work pool"]),
        name=random.choice([None, None, *POOLS]),
        since=random.choice([None, None, world.time()]),
        until=random.choice([None, None, world.time()]),
        after=random.choice([None, *((entry.changed_at, entry.id) for entry in world.entries)]),
    )
    limit = random.choice([1, 3, 100])
    return lambda store: store.log(where, limit=limit)


def counts(world: World) -> Call:
    name, now = world.pool(), world.time()
    return lambda store: store.counts(name, now)


def waiting_in_lanes(world: World) -> Call:
    name, deployment, now = world.pool(), world.name(), world.time()
    return lambda store: store.waiting_in_lanes(name, deployment, now)


def ahead(world: World) -> Call:
    run, now = world.some_runs(1)[-1], world.time()
    return lambda store: store.ahead(run, now)


def every_run(_world: World) -> Call:
    return lambda store: sorted((run for page in store.every_run() for run in page), key=lambda run: run.id)


def restore(world: World) -> Call:
    """A pool of another store with what belongs to it; sometimes one that is there, sometimes without the pool."""
    random, name = world.random, world.pool()
    there = world.oracle.pool(name)
    pool = a_pool(
        name,
        2,
        QUEUES,
        id=world.an_id(),
        version=random.randrange(1, 5),
        holds=random.choice([(), (a_hold(world.time(), "elsewhere"),)]),
        last_tick_at=random.choice([None, world.time()]),
        ticked_hours=random.choice([(), noted((), world.time())]),
    )
    restored = [pool] if random.random() < 0.7 else []
    queue = random.choice([queue.name for queue in (there or pool).queues])
    schedules = world.schedules()
    kept = a_deployment(
        random.choice(NAMES),
        name,
        queue,
        id=world.an_id(),
        version=random.randrange(1, 5),
        schedules=schedules,
        windows_until={schedule.slug: world.time() for schedule in schedules if schedule.active},
        windows_at=world.time() if schedules else None,
    )
    source = [run for run in world.runs() if run.pool == name and run.queue != "moved"][:3]
    fresh = [replace(run, id=world.an_id(), queue=queue, schedule=None) for run in source]
    given_runs = [*(fresh or [a_run(name, queue, id=world.an_id())]), *source[:1]]
    return lambda store: store.restore(pools=restored, deployments=[kept], runs=given_runs)
