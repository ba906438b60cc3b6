"""Past runs for `simulate`: from the store, or from the output of `run ls --json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatcher.cli.input.values import read_json
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Run
from dispatcher.store import PeopleStore

MOST = 100_000
"""The most runs in one simulation; those that ended last are taken."""

Past = tuple[Run, float]
"""A run, and the seconds for which it held its slot."""


def of_store(store: PeopleStore, pool: str, since: datetime) -> list[Past]:
    """The pool's runs that were due at `since` or later and have ended: they ended later still."""
    ended = store.ended(pool, since, limit=MOST)
    return [(run, held) for run in ended if run.due_at >= since and (held := _held(run)) is not None]


def of_file(source: str, pool: str) -> list[Past]:
    """The runs of a file, or of standard input for `-`. Raises `InvalidInput` that names the entry."""
    shapes = read_json(source, "from")
    if not isinstance(shapes, list):
        raise InvalidInput("history", [Fault("from", "must be a list, as `dispatcher run ls --json` prints it")])
    return list(_of_shapes(shapes[:MOST], pool))


def _of_shapes(shapes: list[Any], pool: str) -> Iterator[Past]:
    for number, shape in enumerate(shapes):
        try:
            if shape["pool"] != pool or not shape["started_at"] or not shape["ended_at"]:
                continue
            run = _run(shape)
        except (KeyError, TypeError, ValueError) as problem:
            words = f"{type(problem).__name__} {problem}: each entry is a run as `dispatcher run ls --json` prints it"
            raise InvalidInput("history", [Fault(f"from[{number}]", words)]) from None
        yield run, _seconds(run.started_at, run.ended_at)


def _run(shape: Mapping[str, Any]) -> Run:
    due = datetime.fromisoformat(shape["due_at"])
    return Run(
        id=UUID(shape["id"]),
        name=shape["name"],
        pool=shape["pool"],
        queue=shape["queue"],
        created_at=due,
        scheduled_at=due,
        due_at=due,
        started_at=datetime.fromisoformat(shape["started_at"]),
        ended_at=datetime.fromisoformat(shape["ended_at"]),
    )


def _held(run: Run) -> float | None:
    """The seconds in a slot; None for a run that never started."""
    begun = run.submitted_at or run.started_at
    return _seconds(begun, run.ended_at) if begun and run.ended_at else None


def _seconds(begun: datetime | None, ended: datetime | None) -> float:
    held = ended - begun if begun and ended else timedelta()
    return max(0.0, held.total_seconds())
