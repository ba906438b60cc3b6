"""The dispatcher's own values: what a job can know about its run.

Every job gets them as environment variables (`DISPATCHER_SCHEDULED_AT`). A base job template may name them as placeholders
(`{{ dispatcher.scheduled_at }}`), but only in its job configuration and in the defaults of its variables: placeholders in the
values of a deployment or a run are not filled. A claim pins them, like everything that it renders.

Beside them stand the parameters of the run (`{{ parameters.day }}`): see `dispatcher.core.parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dispatcher.core.placeholders import MISSING, lookup, plain_copy
from dispatcher.errors import RenderError
from dispatcher.models import Run

OWN = "dispatcher"
"""The prefix of their placeholders; no variable may have this name."""

PARAMETERS = "parameters"
"""The prefix of the placeholders of parameters; likewise."""

Reserved: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The values of a run that no variable can override, by the prefix of their placeholders."""

_VALUES: Mapping[str, Callable[[Run], Any]] = {
    "run_id": lambda run: str(run.id),
    "run_name": lambda run: run.name,
    "deployment": lambda run: run.deployment,
    "scheduled_at": lambda run: run.scheduled_at.isoformat(),
    "attempt": lambda run: run.attempt,
    "work_pool": lambda run: run.pool,
    "work_queue": lambda run: run.queue,
}

NAMES = tuple(_VALUES)
"""The names of all values."""

SAMPLES: Mapping[str, Any] = {
    "run_id": "00000000-0000-0000-0000-000000000000",
    "run_name": "run",
    "deployment": "deployment",
    "scheduled_at": "2026-01-31T08:00:00+00:00",
    "attempt": 1,
    "work_pool": "pool",
    "work_queue": "default",
}
"""Sample values, for checking a template before there is a run."""

_UNLABELLED = frozenset({"scheduled_at"})
"""Values that do not become labels: providers allow few characters in labels, and nobody searches by a time."""

_PLACEHOLDER = re.compile(r"\{\{\s*+((dispatcher(?=\.)|parameters)(?:\.[\w.\-\[\]$]++)?)\s*+\}\}")


def own_values(run: Run) -> dict[str, Any]:
    """The values of one run, by name. Values that it does not have (such as a deployment) are left out."""
    return {name: value for name, of in _VALUES.items() if (value := of(run)) is not None}


def own_environment(own: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that identify a job's run; no job variable can override them."""
    return {f"{OWN}_{name}".upper(): str(value) for name, value in own.items()}


def own_labels(own: Mapping[str, Any]) -> dict[str, str]:
    """The labels by which the infrastructure is found."""
    return {f"push-dispatcher/{name}": str(value) for name, value in own.items() if name not in _UNLABELLED}


def names_own(value: Any) -> bool:
    """Whether a default contains a placeholder for one of these values."""
    if isinstance(value, str):
        return "{{" in value and bool(_PLACEHOLDER.search(value))
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(names_own, children))


def with_own(value: Any, own: Reserved) -> Any:
    """A default with only these placeholders filled; `MISSING` if nothing is left.

    As in a job configuration, a placeholder that is the whole text keeps the value's type, and a key or item without a value is
    dropped.
    """
    if isinstance(value, str):
        return _text(value, own)
    if isinstance(value, Mapping):
        filled = {key: with_own(child, own) for key, child in value.items()}
        return {key: child for key, child in filled.items() if child is not MISSING}
    if isinstance(value, list):
        return [child for child in (with_own(item, own) for item in value) if child is not MISSING]
    return value


def _text(text: str, own: Reserved) -> Any:
    if (whole := _PLACEHOLDER.fullmatch(text)) and whole[2] in own:
        return plain_copy(lookup(whole[1], own))
    return _PLACEHOLDER.sub(lambda match: _inside(match, own) if match[2] in own else match[0], text)


def _inside(match: re.Match[str], own: Reserved) -> str:
    value = lookup(match[1], own)
    if isinstance(value, Mapping | list):
        kind = "an object" if isinstance(value, Mapping) else "a list"
        raise RenderError(f"{{{{ {match[1]} }}}} is {kind} and cannot stand inside the text of a default; let it stand alone")
    return "" if value is MISSING or value is None else str(value)
