"""The id and the name of the run that runs an ended one again. Pure."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from dispatcher.core.names import with_end
from dispatcher.models import Run


def retry_id(run: Run) -> UUID:
    """The id of the run that repeats an ended one: the same for every request."""
    return uuid5(run.id, "retry")


def name_of_retry(run: Run) -> str:
    """The name of the run that repeats an ended one: `etl`, `etl-retry`, `etl-retry-2`."""
    counted = re.fullmatch(r"(.*)-retry(?:-([1-9][0-9]{0,5}))?", run.name)
    if counted is None:
        return with_end(run.name, "-retry")
    return with_end(counted[1], f"-retry-{int(counted[2] or 1) + 1}")
