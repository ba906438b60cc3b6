"""Steps that bring a store to where a test begins, in the verbs of the protocol alone."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from dispatcher.core.holds import added
from dispatcher.models import PinnedJob, Run, RunState
from dispatcher.models.records import Claims, Decide, Decision, Grant, Move, RunFilter, Snapshot
from dispatcher.protocols import Store
from providers.base import Submission
from tests.builders import MINUTE, NOW, a_hold, a_run

LEASE = 5 * MINUTE
JOB = PinnedJob(configuration={"command": "true"}, environment={"Z": "1", "A": "2"})
SUBMISSION = Submission(name="r0-1", handle={"id": "task-1"}, url="https://console/task-1")


def nothing(_snapshot: Snapshot) -> Decision:
    """Grant nothing."""
    return Decision()


def everything(snapshot: Snapshot) -> Decision:
    """Grant all that is due, queue by queue."""
    due = [run for queue in snapshot.pool.queues for run in snapshot.due(queue.name, 1000)]
    return granting(*due)(snapshot)


def granting(*runs: Run) -> Decide:
    """Grant these, wherever they stand."""
    grants = tuple(Grant(run=run, job=JOB, start_within=60.5) for run in runs)
    return lambda _snapshot: Decision(grants=grants)


def claim(store: Store, now: datetime = NOW, *, pool: str = "pool", takeovers: int = 0, decide: Decide = everything) -> Claims:
    """One claim with the usual lease."""
    return store.claim(pool, now, lease=LEASE, takeovers=takeovers, decide=decide)


def hold(store: Store, until: datetime = NOW + MINUTE, reason: str = "no capacity", pool: str = "pool", **fields: Any) -> None:
    """Hold a pool, as a tick does."""
    store.hold(pool, lambda holds: added(holds, a_hold(until, reason, **fields)))


def snapshot_of(store: Store, now: datetime = NOW, *, pool: str = "pool", queue: str = "default", limit: int = 100) -> "Seen":
    """What a claim shows, without claiming anything."""
    seen: list[Seen] = []

    def look(snapshot: Snapshot) -> Decision:
        seen.append(Seen(snapshot, [run.id for run in snapshot.due(queue, limit)]))
        return Decision()

    claim(store, now, pool=pool, decide=look)
    return seen[0]


class Seen:
    """The parts of a snapshot that outlive its transaction."""

    def __init__(self, snapshot: Snapshot, due: list[Any]) -> None:
        self.pool = snapshot.pool
        self.in_use = dict(snapshot.in_use)
        self.due = due


def a_stored_run(store: Store, pool: str = "pool", queue: str = "default", **fields: Any) -> Run:
    """A run that waits in the store."""
    run = a_run(pool, queue, **fields)
    store.add_runs([run])
    return run


def a_claimed_run(store: Store, pool: str = "pool", queue: str = "default", *, now: datetime = NOW, **fields: Any) -> Run:
    """A PENDING run whose submission is not known."""
    run = a_stored_run(store, pool, queue, **fields)
    return claim(store, now, pool=pool, decide=granting(run)).claims[0].run


def moved(store: Store, run: Run, to: RunState, **changes: Any) -> Run:
    """The run after a move that has to succeed."""
    assert store.move([Move.of(run, to, **changes)]) == {run.id}
    after = store.get(run.id)
    assert after is not None
    return after


def a_running_run(store: Store, pool: str = "pool", queue: str = "default", **fields: Any) -> Run:
    """A RUNNING run with its submission."""
    return moved(store, a_claimed_run(store, pool, queue, **fields), RunState.RUNNING, submission=SUBMISSION, started_at=NOW)


def a_run_in(store: Store, state: RunState, pool: str = "pool", queue: str = "default", **fields: Any) -> Run:
    """A run in any state."""
    if state is RunState.SCHEDULED:
        return a_stored_run(store, pool, queue, **fields)
    return moved(store, a_claimed_run(store, pool, queue, **fields), state)


def a_whole_life(store: Store) -> None:
    """What a tick does to a run, from its creation to its end."""
    run = a_running_run(store)
    assert [run_there.id for run_there in store.live("pool", limit=10)] == [run.id]
    moved(store, run, RunState.COMPLETED, ended_at=NOW, lingers=True)
    assert [run_there.id for run_there in store.lingering("pool", limit=10)] == [run.id]
    store.discarded([run.id])


def tallied(store: Store, where: RunFilter, *, most: int) -> int:
    """What a count comes to that goes on, step by step, until the list has ended."""
    total, position = 0, where.after
    for _ in range(200):
        number, position = store.tally(replace(where, after=position), most=most)
        total += number
        if position is None:
            return total
    raise AssertionError(f"a count of {where} does not end")


def walked(store: Store, where: RunFilter, *, limit: int, most: int) -> list[Run]:
    """What a search finds that goes on, page by page, until the list has ended."""
    runs, position = list[Run](), where.after
    for _ in range(200):
        page, until = store.search(replace(where, after=position), limit=limit, most=most)
        assert len(page) <= limit
        assert until is None or len(page) < limit
        runs += page
        position = until or ((page[-1].created_at, page[-1].id) if len(page) == limit else None)
        if position is None:
            return runs
    raise AssertionError(f"a search of {where} does not end")
