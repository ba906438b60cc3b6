"""How many runs of a deployment may wait, where people create them (`Deployment.max_waiting`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from dispatcher.errors import Conflict
from dispatcher.models import Deployment, Run
from dispatcher.models.lanes import limited_by

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore


def check_waiting(store: PeopleStore, runs: Iterable[Run], deployment: Callable[[str], Deployment], now: datetime) -> None:
    """Raise `Conflict` if more runs of a deployment would be due and wait than its `max_waiting` allows.

    Runs that exist already, of a repeated call, need no place. Calls that come at the same time do not see each other's runs.
    """
    due = sorted(
        (run for run in runs if limited_by(run.lane) is not None and run.due_at <= now), key=lambda run: str(run.deployment)
    )
    for name, group in groupby(due, key=lambda run: str(run.deployment)):
        _check(store, deployment(name), list({run.id: run for run in group}.values()), now)


def _check(store: PeopleStore, deployment: Deployment, due: Sequence[Run], now: datetime) -> None:
    most = deployment.max_waiting
    if most is None:
        return
    waiting = store.waiting_in_lanes(deployment.pool, deployment.name, now)
    if waiting + len(due) <= most:
        return
    new = sum(store.get(run.id) is None for run in due)
    if new and waiting + new > most:
        raised = f"dispatcher deployment update {deployment.name} --max-waiting N"
        problem = f"deployment {deployment.name!r}: {waiting} of its runs are due and wait, and its max_waiting is {most}"
        raise Conflict(f"{problem}: no run was created. Wait until some have started, or raise the number: {raised}")
