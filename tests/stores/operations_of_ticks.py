"""Random operations of ticks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from dispatcher.core.holds import added, freed
from dispatcher.core.transitions import ALLOWED_MOVES
from dispatcher.core.windows import materialisation
from dispatcher.models import (
    Cause,
    Progress,
    Run,
    RunState,
    SeenEnd,
)
from dispatcher.models.records import (
    Automated,
    Decide,
    Decision,
    FiringNotified,
    Grant,
    Move,
    Snapshot,
)
from dispatcher.protocols import Store
from tests.builders import a_deployment, a_firing, a_hold, a_run
from tests.stores.steps import JOB, LEASE, SUBMISSION
from tests.stores.world import LIMITS, NAMES, PAST, Call, World


def pool_names(_world: World) -> Call:
    return lambda store: store.pool_names()


def pools_with_work(world: World) -> Call:
    now = world.random.choice([world.now, world.time()])
    return lambda store: store.pools_with_work(now)


def heartbeat(world: World) -> Call:
    name, now = world.pool(), world.time()
    return lambda store: store.heartbeat(name, now)


def heartbeats(world: World) -> Call:
    names, now = [world.pool() for _ in range(3)], world.time()
    return lambda store: store.heartbeats(names, now)


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


def claim(world: World) -> Call:
    name, now, takeovers = world.pool(), world.now, world.random.choice([0, 1, 10])
    seed, stale = world.random.getrandbits(64), world.some_runs(2)

    def call(store: Store) -> Any:
        seen: list[Any] = []
        answer = store.claim(name, now, lease=LEASE, takeovers=takeovers, decide=_deciding(Random(seed), stale, seen))
        return [*answer.claims, *answer.crashed], seen

    return call


def _deciding(random: Random, stale: Sequence[Run], seen: list[Any]) -> Decide:
    """A decision that grants some of what is due and, now and then, what has moved on; and notes what it saw."""

    def decide(snapshot: Snapshot) -> Decision:
        due = {queue.name: list(snapshot.due(queue.name, random.randrange(4))) for queue in snapshot.pool.queues}
        lanes = {queue: list(snapshot.lanes(queue)) for queue in due}
        shares = {queue: {name: held for name, held in snapshot.held(queue).items() if held} for queue in due}
        seen.append((lanes, {name: snapshot.live(name) for name in NAMES}, shares))
        for queue, names in lanes.items():
            heads = [run for lane in names for run in snapshot.due(queue, 3, None, lane)]
            seen.append([snapshot.due(queue, 2, (run.due_at, run.id), run.lane) for run in heads[:3]])
            due[queue] += heads
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


def live(world: World) -> Call:
    name, limit, start = world.pool(), world.random.choice([1, 3, 100]), world.random.choice([None, world.an_id()])
    return lambda store: store.live(name, limit=limit, start=start)


def move(world: World) -> Call:
    moves = [_move(world, run) for run in world.some_runs(3)]
    entry = world.an_entry()
    return lambda store: store.move(moves, entry=entry)


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


def hold(world: World) -> Call:
    """A new hold, in a place and of a size or not; or the end of those that the end of a job ends."""
    name, until, random = world.pool(), world.time(), world.random
    if random.random() < 0.3:
        return lambda store: store.hold(name, freed)
    place, size = random.choice([(), ("eu",)]), random.choice([{}, {"gpu": 1.0}])
    passed = random.choice([{}, {"default": (world.time(), world.an_id())}])
    new = a_hold(until, f"until {until}", place=place, size=size, passed=passed, freed_by_end=random.random() < 0.5)
    return lambda store: store.hold(name, lambda holds: added(holds, new))


def lingering(world: World) -> Call:
    name, limit = world.pool(), world.random.choice([1, 100])
    return lambda store: store.lingering(name, limit=limit)


def discarded(world: World) -> Call:
    ids = [run.id for run in world.some_runs(3)]
    return lambda store: store.discarded(ids)


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
        world.name(),
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
        entries=world.entries_aside(),
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
