"""Past runs for `simulate` from the output of `run ls --json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.cli.input.values import read_json
from dispatcher.client.simulations import MOST, Past, seconds_between
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Run
from dispatcher.models.lanes import lane_for


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
        yield run, seconds_between(run.started_at, run.ended_at)


def _run(shape: Mapping[str, Any]) -> Run:
    due = datetime.fromisoformat(shape["due_at"])
    return Run(
        id=UUID(shape["id"]),
        name=shape["name"],
        pool=shape["pool"],
        queue=shape["queue"],
        deployment=shape.get("deployment"),
        lane=lane_for(None, int(shape.get("priority", 0))),
        created_at=due,
        scheduled_at=due,
        due_at=due,
        started_at=datetime.fromisoformat(shape["started_at"]),
        ended_at=datetime.fromisoformat(shape["ended_at"]),
    )
