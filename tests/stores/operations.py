"""Random operations on a store, drawn so that most make sense and some do not.

An operation is drawn once, from a seed and from what the oracle holds, and then applied to every store with the same arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from dispatcher.core.holds import added, freed
from dispatcher.core.transitions import ALLOWED_MOVES
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.models import (
    TERMINAL_STATES,
    Attempt,
    CatchUp,
    Cause,
    Deployment,
    LogEntry,
    Progress,
    RetryPolicy,
    Run,
    RunLate,
    RunState,
    Schedule,
    SeenEnd,
    When,
)
from dispatcher.records import (
    Automated,
    Decide,
    Decision,
    FiringNotified,
    Grant,
    LogFilter,
    Move,
    Reconfiguration,
    Requeue,
    RunFilter,
    Snapshot,
)
from dispatcher.store import Store
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_firing, a_hold, a_pool, a_queue, a_run, an_automation
from tests.stores.steps import JOB, LEASE, SUBMISSION

POOLS = ("a", "b", "c")
QUEUES = ("default", "high", "low")
NAMES = ("one", "two", "three")

SCHEDULES: Mapping[str, Sequence[Schedule]] = {
    "two": [Schedule(slug="two", cron=cron, catch_up=CatchUp.LAST) for cron in ("*/2 * * * *", "*/2 * * * *", "*/4 * * * *")],
    "three": [
        Schedule(slug="three", interval=3 * MINUTE, anchor=NOW + SECOND, active=active, catch_up=CatchUp.ALL, catch_up_limit=2)
        for active in (True, True, False)
    ],
    "daily": [Schedule(slug="daily", rrule="FREQ=DAILY", timezone="Europe/Paris")],
}
"""By slug: what its schedule may be like."""
LIMITS = WindowLimits(ahead=5 * MINUTE, most=2, grace=MINUTE)
RETRIES = (None, None, RetryPolicy(attempts=3, delay=90 * SECOND, backoff=1.5, states=frozenset({RunState.FAILED})))
PAST = (Attempt(number=1, state=RunState.FAILED, reason="exit code 1", ended_at=NOW, submission=SUBMISSION, lingers=True),)

Call = Callable[[Store], Any]


class World:
    """What the next operation is drawn from."""

    def __init__(self, seed: int, oracle: Store) -> None:
        self.random = Random(seed)
        self.oracle = oracle
        self.now = NOW
        self.remembered: list[Run] = []
        """Runs as they once were: what a slow invocation still believes."""
        self.deployments_once: list[Deployment] = []
        """Likewise deployments."""
        self.entries: list[LogEntry] = []
        """The last entries of the log that were drawn."""

    def time(self) -> datetime:
        """A time around now; often one that others have too."""
        return self.now + self.random.randrange(-3, 4) * MINUTE + self.random.choice([0, 0, 1]) * SECOND / 1_000_000

    def an_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128))

    def an_entry(self) -> LogEntry | None:
        """An entry of the log for the next change; sometimes one that is there already, sometimes none."""
        if self.random.random() < 0.4:
            return None
        name = self.random.choice([*POOLS, *NAMES])
        fields = ({"action": "change", "path": "env.Ä", "before": None, "after": [1, "x"]},) * self.random.randrange(2)
        who = {"actor": self.random.choice(["ada", "bob"]), "via": "cli", "verb": "change", "noun": "work pool"}
        fresh = LogEntry(id=self.an_id(), changed_at=self.now, name=name, fields=fields, **who)
        self.entries = [*self.entries[-4:], fresh]
        return self.random.choice(self.entries) if self.random.random() < 0.2 else fresh

    def variables(self) -> dict[str, Any]:
        return self.random.choice([{}, {"env": {"B": "{{ x }}", "A": None}}, {"n": [1, 2.5, True, "ü"]}])

    def runs(self) -> list[Run]:
        """All runs, in an order that hangs on nothing but the seed."""
        return list(self.oracle.runs(RunFilter(), limit=10_000))

    def some_runs(self, most: int) -> list[Run]:
        """A few runs: as they are (mostly such that have not ended), as they once were, or unknown."""
        runs = self.runs() or [a_run("a", id=self.an_id())]
        if self.random.random() < 0.8:
            runs = [run for run in runs if not run.state.is_terminal] or runs
        pick = [self.random.choice(runs) for _ in range(self.random.randint(1, most))]
        if self.remembered and self.random.random() < 0.3:
            pick.append(self.random.choice(self.remembered))
        if self.random.random() < 0.1:
            pick.append(a_run("a", id=self.an_id()))
        self.remembered = (self.remembered + pick)[-50:]
        return pick

    def schedules(self) -> tuple[Schedule, ...]:
        slugs = self.random.sample(sorted(SCHEDULES), self.random.randrange(3))
        return tuple(self.random.choice(SCHEDULES[slug]) for slug in slugs)

    def a_deployment_of(self, name: str, pool: str) -> Deployment:
        """A deployment as it may be saved: anew, or mostly as it is stored with a few things changed."""
        fields = {
            "pool": pool,
            "queue": self.queue(),
            "job_variables": self.variables(),
            "parameters": self.variables(),
            "parameter_openapi_schema": {"properties": self.variables()},
            "tags": tuple(self.random.sample("xyz", 2)),
            "schedules": self.schedules(),
            "paused": self.random.random() < 0.1,
            "retry": self.random.choice(RETRIES),
        }
        stored = self.oracle.deployment(name)
        if stored is None or self.random.random() < 0.3:
            return a_deployment(name, id=self.an_id(), **fields)
        changed = self.random.sample(sorted(fields), self.random.randrange(3))
        return replace(stored, **{field: fields[field] for field in changed})

    def pool(self) -> str:
        return self.random.choice(POOLS)

    def queue(self) -> str:
        return self.random.choice(QUEUES)

    def version_of(self, noun: Any) -> int | None:
        """Mostly the version that is stored; sometimes an older one, or none."""
        return self.random.choice([None, 1, *[noun.version if noun else None] * 4])


def save_pool(world: World) -> Call:
    name, random = world.pool(), world.random
    kept = ["default"] + [queue for queue in QUEUES[1:] if random.random() < 0.8]
    random.shuffle(kept)
    queues = [
        a_queue(queue, place, random.choice([None, 0, 2]), paused=random.random() < 0.2) for place, queue in enumerate(kept, 1)
    ]
    pool = a_pool(name, random.choice([None, 0, 3]), queues, id=world.an_id(), paused=random.random() < 0.2, holds=(a_hold(),))
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


def pool_names(_world: World) -> Call:
    return lambda store: store.pool_names()


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


def add_runs(world: World) -> Call:
    random = world.random
    name, deployed = world.pool(), random.choice([None, *NAMES])
    stored = world.oracle.pool(name)
    queues = [queue.name for queue in stored.queues] * 10 + ["none"] if stored else ["default"]
    added = [
        a_run(
            name,
            random.choice(queues),
            id=world.an_id(),
            due_at=world.time(),
            created_at=world.time(),
            job_variables=world.variables(),
            parameters=world.variables(),
            deployment=deployed,
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
        return [*store.runs(where, limit=limit, offset=offset), *filter(None, counts)]

    return listed


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


def ahead(world: World) -> Call:
    run, now = world.some_runs(1)[-1], world.time()
    return lambda store: store.ahead(run, now)


def scheduled(world: World) -> Call:
    name, now, limit = world.pool(), world.time(), world.random.choice([1, 100, 100])
    return lambda store: store.scheduled(name, now, limit=limit)


def materialise(world: World) -> Call:
    """A step of a deployment as it is, or as it once was."""
    random, deployments = world.random, world.oracle.deployments() or [a_deployment("one", "a", id=world.an_id())]
    world.deployments_once = [*world.deployments_once[-4:], random.choice(deployments)]
    read = random.choice(world.deployments_once) if random.random() < 0.3 else world.deployments_once[-1]
    step = materialisation(read, world.now, LIMITS)
    return lambda store: store.materialise(step)


def live(world: World) -> Call:
    name, limit, start = world.pool(), world.random.choice([1, 3, 100]), world.random.choice([None, world.an_id()])
    return lambda store: store.live(name, limit=limit, start=start)


def move(world: World) -> Call:
    moves = [_move(world, run) for run in world.some_runs(3)]
    entry = world.an_entry()
    return lambda store: store.move(moves, entry=entry)


def requeue(world: World) -> Call:
    """Moves within a pool; sometimes into a queue that is not there."""
    changes = [_requeue(world, run) for run in world.some_runs(3)]
    entry = world.an_entry()
    return lambda store: store.requeue(changes, entry=entry)


def hold(world: World) -> Call:
    """A new hold, in a place and of a size or not; or the end of those that the end of a job ends."""
    name, until, random = world.pool(), world.time(), world.random
    if random.random() < 0.3:
        return lambda store: store.hold(name, freed)
    place, size = random.choice([(), ("eu",)]), random.choice([{}, {"gpu": 1.0}])
    passed = random.choice([{}, {"default": (world.time(), world.an_id())}])
    new = a_hold(until, f"until {until}", place=place, size=size, passed=passed, freed_by_end=random.random() < 0.5)
    return lambda store: store.hold(name, lambda holds: added(holds, new))


def heartbeat(world: World) -> Call:
    name, now = world.pool(), world.time()
    return lambda store: store.heartbeat(name, now)


def pools_with_work(world: World) -> Call:
    now = world.random.choice([world.now, world.time()])
    return lambda store: store.pools_with_work(now)


def heartbeats(world: World) -> Call:
    names, now = [world.pool() for _ in range(3)], world.time()
    return lambda store: store.heartbeats(names, now)


def claim(world: World) -> Call:
    name, now, takeovers = world.pool(), world.now, world.random.choice([0, 1, 10])
    seed, stale = world.random.getrandbits(64), world.some_runs(2)

    def call(store: Store) -> Any:
        seen: list[Any] = []
        answer = store.claim(name, now, lease=LEASE, takeovers=takeovers, decide=_deciding(Random(seed), stale, seen))
        return [*answer.claims, *answer.crashed], seen

    return call


def lingering(world: World) -> Call:
    name, limit = world.pool(), world.random.choice([1, 100])
    return lambda store: store.lingering(name, limit=limit)


def discarded(world: World) -> Call:
    ids = [run.id for run in world.some_runs(3)]
    return lambda store: store.discarded(ids)


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


def save_automation(world: World) -> Call:
    name, random = random_name(world), world.random
    version = world.version_of(world.oracle.automation(name))
    if random.random() < 0.2:
        automation = an_automation(name, id=world.an_id(), when=When(late=RunLate(by=MINUTE, pool=random.choice([None, "a"]))))
    else:
        ended = {"pool": random.choice([None, *POOLS]), "deployment": random.choice([None, None, *NAMES])}
        states = frozenset(random.sample(sorted(TERMINAL_STATES), 2))
        paused = random.random() < 0.1
        automation = an_automation(name, id=world.an_id(), paused=paused, states=states, count=random.choice([1, 2]), **ended)
    return lambda store: store.save_automation(automation, expected_version=version)


def random_name(world: World) -> str:
    return world.random.choice(NAMES)


def delete_automation(world: World) -> Call:
    name = random_name(world)
    return lambda store: store.delete_automation(name)


def automation(world: World) -> Call:
    name = random_name(world)
    return lambda store: store.automation(name)


def automate(world: World) -> Call:
    """What automations make of an end that is owed, or of a look; sometimes of an old reading."""
    random, oracle = world.random, world.oracle
    owing = oracle.to_automate(world.pool(), world.time(), limit=3)
    run = random.choice([None, *owing]) if random.random() < 0.8 else world.some_runs(1)[-1]
    automations, pools, deployments = oracle.automations(), oracle.pools(), oracle.deployments()
    end = SeenEnd(ended_at=world.now, run=world.an_id(), counts=True)
    progressed = [replace(one, progress=Progress(ends=(end,))) for one in automations if random.random() < 0.5]
    saved_pool = [replace(random.choice(pools), paused=random.random() < 0.2)] if pools and random.random() < 0.3 else []
    fitting = [one for one in deployments if not saved_pool or saved_pool[0].queue(one.queue) or one.pool != saved_pool[0].name]
    saved = [replace(random.choice(fitting), paused=random.random() < 0.2)] if fitting and random.random() < 0.3 else []
    new = [a_run(world.pool(), "default", id=world.an_id(), due_at=world.now, cause=Cause(automation="one"))]
    hooks = random.choice([(), ("ops", "pager")])
    firing = a_firing(
        random_name(world),
        world.pool(),
        id=world.an_id(),
        fired_at=world.now,
        hooks=hooks,
        notify_at=world.now if hooks else None,
    )
    old = [random.choice(firings)] if (firings := oracle.firings(None, limit=5)) and random.random() < 0.1 else []
    automated = Automated(
        run=run,
        progressed=tuple(progressed),
        firings=(firing, *old),
        runs=tuple(new if random.random() < 0.3 else ()),
        moves=tuple(_move(world, other) for other in world.some_runs(1) if run is None or other.id != run.id),
        pools=tuple(saved_pool),
        deployments=tuple(saved),
        now=world.now,
    )
    return lambda store: store.automate(automated)


def to_automate(world: World) -> Call:
    name, now, limit = world.pool(), world.time(), world.random.choice([1, 100])
    return lambda store: store.to_automate(name, now, limit=limit)


def due_count(world: World) -> Call:
    name, queue, now, limit = world.pool(), world.queue(), world.time(), world.random.choice([1, 100])
    return lambda store: store.due_count(name, queue, now, limit=limit)


def firings_to_notify(world: World) -> Call:
    name, now, limit = world.pool(), world.time(), world.random.choice([1, 100])
    return lambda store: store.firings_to_notify(name, now, limit=limit)


def firing_notified(world: World) -> Call:
    """A firing as it is, or as it was before somebody else noted a result."""
    random = world.random
    firing = random.choice([*world.oracle.firings(None, limit=10), a_firing(id=world.an_id(), notify_at=world.now)])
    if random.random() < 0.2:
        firing = replace(firing, notify_at=world.time())
    again_at, hooks = random.choice([None, world.time()]), frozenset(random.sample(["ops", "pager"], random.randrange(3)))
    return lambda store: store.firing_notified([FiringNotified(firing=firing, again_at=again_at, hooks=hooks)])


READS = (
    every_run,
    pool,
    pools,
    pool_names,
    deployment,
    deployments,
    get,
    runs,
    ended,
    log,
    counts,
    ahead,
    scheduled,
    live,
    lingering,
    pools_with_work,
    automation,
    to_automate,
    due_count,
    firings_to_notify,
)
WRITES = (
    save_pool,
    delete_pool,
    save_deployment,
    delete_deployment,
    reconfigure,
    add_runs,
    materialise,
    move,
    requeue,
    hold,
    heartbeat,
    heartbeats,
    claim,
    discarded,
    restore,
    save_automation,
    delete_automation,
    automate,
    firing_notified,
)
WEIGHTS: Mapping[Callable[[World], Call], int] = {
    **dict.fromkeys(READS, 1),
    **dict.fromkeys(WRITES, 2),
    add_runs: 6,
    move: 12,
    requeue: 6,
    claim: 6,
    save_pool: 4,
    save_deployment: 4,
    materialise: 6,
    scheduled: 3,
    pools: 3,
    restore: 3,
    delete_pool: 1,
    ahead: 3,
    live: 3,
    lingering: 3,
    pools_with_work: 6,
    save_automation: 3,
    delete_automation: 1,
    automate: 6,
    to_automate: 4,
    due_count: 3,
    ended: 6,
    runs: 3,
    pool_names: 3,
    firings_to_notify: 3,
    firing_notified: 4,
}
"""Every verb of the protocol but `close` and `prune`, which stores need not do, and how often it is drawn."""


def _move(world: World, run: Run) -> Move:
    random = world.random
    allowed = sorted(ALLOWED_MOVES[run.state]) or [RunState.FAILED]
    allowed += [state for state in allowed if state.holds_slot] * 3
    to = random.choice(allowed) if random.random() < 0.99 else random.choice(list(RunState))
    values: Mapping[str, Any] = {
        "reason": random.choice(["", "stopped"]),
        "due_at": max(run.scheduled_at, world.time()),
        "attempt": run.attempt + 1,
        "not_before": random.choice([None, world.time()]),
        "lease_until": random.choice([None, world.time()]),
        "submission": random.choice([None, SUBMISSION]),
        "ending": random.choice([None, RunState.CRASHED]),
        "lingers": random.random() < 0.5,
        "ended_at": random.choice([None, world.time()]),
        "exit_code": random.choice([None, 0, 137]),
        "past": random.choice([(), PAST]),
        "queue": "moved",
    }
    fields = [name for name in values if random.random() < (0.005 if name == "queue" else 0.4)]
    return Move.of(run, to, **{name: values[name] for name in fields})


def _requeue(world: World, run: Run) -> Requeue:
    random = world.random
    stored = world.oracle.pool(run.pool)
    queues = [queue.name for queue in stored.queues] * 10 + ["none"] if stored else ["default"]
    values = {"due_at": world.time(), "not_before": random.choice([None, world.time()]), "notify_at": None, "reason": "by hand"}
    changes = {name: value for name, value in values.items() if random.random() < 0.4}
    return Requeue(run_id=run.id, pool=run.pool, fence=run.fence, queue=random.choice(queues), changes=changes)


def _deciding(random: Random, stale: Sequence[Run], seen: list[Any]) -> Decide:
    """A decision that grants some of what is due and, now and then, what has moved on; and notes what it saw."""

    def decide(snapshot: Snapshot) -> Decision:
        due = {queue.name: list(snapshot.due(queue.name, random.randrange(4))) for queue in snapshot.pool.queues}
        behind = [(runs[-1].due_at, runs[-1].id) for runs in due.values() if runs and random.random() < 0.5]
        seen.append([snapshot.due(name, 2, after) for name in due for after in behind])
        held = {queue: count for queue, count in snapshot.in_use.items() if count}
        seen.append((snapshot.pool, held, due, snapshot.deployment(random.choice(NAMES))))
        if random.random() < 0.1:
            raise KeyError("image")
        candidates = [run for runs in due.values() for run in runs] + [run for run in stale if random.random() < 0.2]
        doomed = [run for run in candidates if random.random() < 0.2]
        granted = [run for run in candidates if run not in doomed or random.random() < 0.1]
        grants = tuple(Grant(run=run, job=JOB, start_within=random.choice([None, 60.0])) for run in granted)
        return Decision(grants=grants, crashes=tuple((run, "no image") for run in doomed))

    return decide
