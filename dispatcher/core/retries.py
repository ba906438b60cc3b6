"""What becomes of a run that people ask for again. Pure."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from dispatcher.models import Run

_LONGEST = 200


def retry_id(run: Run) -> UUID:
    """The id of the run that follows an ended one: the same however often it is asked for."""
    return uuid5(run.id, "retry")


def name_of_retry(run: Run) -> str:
    """`etl` is followed by `etl-retry`, that by `etl-retry-2`."""
    counted = re.fullmatch(r"(.*)-retry(?:-([1-9][0-9]{0,5}))?", run.name)
    if counted is None:
        return _cut(run.name, "-retry")
    return _cut(counted[1], f"-retry-{int(counted[2] or 1) + 1}")


def _cut(name: str, end: str) -> str:
    return name[: _LONGEST - len(end)].rstrip() + end
