"""The summary of a demo, from its ended runs and the infrastructure's own counts. The shape of `demo --json`.

stage, pool, limit, seconds, runs (a number), ends (state -> number), meant_to_fail (a number), queues, checks, ok,
next (command lines to try)
queue   name, priority, limit, runs, order (places among all runs), wait_seconds {median, longest}, ends
check   name, ok, found: one promise each
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any
from uuid import UUID

from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.models import Run, RunState, WorkPool, WorkQueue

Shape = dict[str, Any]


def summary(
    pool: WorkPool,
    runs: Sequence[Run],
    evidence: Evidence,
    *,
    highest: Mapping[str, int],
    seconds: float,
    failing: frozenset[str],
) -> Shape:
    """The summary; `highest` is the most slots seen in use, by queue, and under `` in the pool.

    `failing` are the names of the runs that are meant to fail.
    """
    places = _places(pool, runs)
    checks = [*_limits(pool, runs, evidence, highest), _once(runs, evidence), _ended(runs), _failures_as_planned(runs, failing)]
    return {
        "pool": pool.name,
        "limit": pool.concurrency_limit,
        "seconds": round(seconds, 1),
        "runs": len(runs),
        "ends": _ends(runs),
        "meant_to_fail": len(failing),
        "queues": [_queue(queue, _of(queue, runs), places) for queue in pool.queues],
        "checks": checks,
        "ok": all(check["ok"] for check in checks),
    }


def at_once(runs: Sequence[Run]) -> int:
    """The most jobs that were live at the same time, from their start and end times."""
    steps = [(run.started_at, 1) for run in runs if run.started_at] + [(run.ended_at, -1) for run in runs if run.started_at]
    alive = most = 0
    for _, step in sorted((moment, step) for moment, step in steps if moment):  # an end comes before a start of the same time
        alive += step
        most = max(most, alive)
    return most


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as people write them: 1-3, 7, 9-10."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)


def _of(queue: WorkQueue, runs: Iterable[Run]) -> Sequence[Run]:
    return [run for run in runs if run.queue == queue.name]


def _queue(queue: WorkQueue, runs: Sequence[Run], places: Mapping[UUID, int]) -> Shape:
    waits = [(run.started_at - run.due_at).total_seconds() for run in runs if run.started_at]
    return {
        "name": queue.name,
        "priority": queue.priority,
        "limit": queue.concurrency_limit,
        "runs": len(runs),
        "order": ranges(places[run.id] for run in runs if run.id in places),
        "wait_seconds": {"median": round(median(waits), 1), "longest": round(max(waits), 1)} if waits else None,
        "ends": _ends(runs),
    }


def _limits(pool: WorkPool, runs: Sequence[Run], evidence: Evidence, highest: Mapping[str, int]) -> Iterator[Shape]:
    """Each limit, with its highest observed use."""
    seen = [highest.get("", 0), at_once(runs), evidence.peak or 0]
    yield _limit("the pool", pool.concurrency_limit, max(seen))
    for queue in pool.queues:
        if queue.concurrency_limit is not None:
            used = max(highest.get(queue.name, 0), at_once(_of(queue, runs)))
            yield _limit(f"queue {queue.name}", queue.concurrency_limit, used)


def _limit(subject: str, limit: int | None, used: int) -> Shape:
    name = f"never over the limit of {subject}"
    return {"name": name, "ok": limit is None or used <= limit, "found": f"highest use seen: {used} of {limit}"}


def _once(runs: Sequence[Run], evidence: Evidence) -> Shape:
    counts = [evidence.starts.get(run.id, 0) for run in runs]
    exactly = len(counts) == sum(counts) and set(counts) <= {1} and len(evidence.starts) == len(runs)
    return {"name": "each run exactly one job", "ok": exactly, "found": f"{len(runs)} runs, {sum(counts)} jobs started"}


def _ended(runs: Sequence[Run]) -> Shape:
    ended = sum(run.state.is_terminal for run in runs)
    return {"name": "never lost, never stuck", "ok": ended == len(runs), "found": f"{ended} of {len(runs)} runs have ended"}


def _failures_as_planned(runs: Sequence[Run], failing: frozenset[str]) -> Shape:
    failed = {run.name for run in runs if run.state in (RunState.FAILED, RunState.CRASHED)}
    name = "the runs that are meant to fail did, and no others"
    return {"name": name, "ok": failed == failing, "found": f"{len(failed)} failed, {len(failing)} are meant to"}


def _ends(runs: Iterable[Run]) -> Mapping[str, int]:
    return dict(Counter(str(run.state) for run in runs))


def _places(pool: WorkPool, runs: Sequence[Run]) -> Mapping[UUID, int]:
    """The position of each admitted run in the order of admission: by claim time, then by the order within one claim."""
    priorities = {queue.name: queue.priority for queue in pool.queues}
    admitted = [(run.claimed_at, priorities[run.queue], run.due_at, run.id) for run in runs if run.claimed_at]
    return {key[-1]: place for place, key in enumerate(sorted(admitted), start=1)}
