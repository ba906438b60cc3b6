"""One pool, queue, deployment or schedule in JSON's values, as a configuration file holds it, read for a single change.

The fields and their rules are those of the file (`dispatcher.client.configuration_schema`), so that whoever knows one knows the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from dispatcher.client.checks import read_configuration
from dispatcher.core.changes import Configuration
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE

_NAME = "entry"
"""Stands for the name, which is not part of an entry."""

_KEPT: Mapping[str, Any] = {"id": UUID(int=0), "created_at": datetime(2000, 1, 1, tzinfo=UTC)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NounKind:
    """Where a noun stands in a configuration."""

    subject: str
    written: Callable[[Mapping[str, Any]], dict[str, Any]]
    """The configuration around an entry."""
    path: str
    noun: Callable[[Configuration], Any]
    """Its noun in the configuration that was read."""


def _pool(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"pools": {_NAME: {"type": "process", **entry}}}


def _queue(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"pools": {_NAME: {"type": "process", "queues": {_NAME: dict(entry)}}}}


def _deployment(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"deployments": {_NAME: {"pool": _NAME, **entry}}}


def _schedule(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"deployments": {_NAME: {"pool": _NAME, "schedules": {_NAME: dict(entry)}}}}


def _automation(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"automations": {_NAME: {"when": {}, "then": [], **entry}}}


POOL = NounKind(subject="work pool", written=_pool, path=f"pools.{_NAME}", noun=lambda read: read.pools[0])
QUEUE = NounKind(
    subject="work queue",
    written=_queue,
    path=f"pools.{_NAME}.queues.{_NAME}",
    noun=lambda read: next(queue for queue in read.pools[0].queues if queue.name != DEFAULT_QUEUE),
)
DEPLOYMENT = NounKind(
    subject="deployment",
    written=_deployment,
    path=f"deployments.{_NAME}",
    noun=lambda read: read.deployments[0],
)
SCHEDULE = NounKind(
    subject="schedule",
    written=_schedule,
    path=f"deployments.{_NAME}.schedules.{_NAME}",
    noun=lambda read: read.deployments[0].schedules[0],
)
AUTOMATION = NounKind(
    subject="automation",
    written=_automation,
    path=f"automations.{_NAME}",
    noun=lambda read: read.automations[0],
)


def read_fields(kind: NounKind, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields that an entry names, as the client takes them.

    Raises `InvalidInput` with every unknown key and every value of a wrong type, with paths inside the entry.
    """
    try:
        read = read_configuration(
            kind.written(entry),
            Configuration(),
            kept=lambda: _KEPT,
            template=lambda _type: {"job_configuration": {}, "variables": {}},
        )
    except InvalidInput as problem:
        raise InvalidInput(kind.subject, [_inside(fault, kind.path) for fault in problem.faults]) from None
    noun = kind.noun(read)
    return {name: getattr(noun, name) for name in entry}


def _inside(fault: Fault, path: str) -> Fault:
    return Fault(fault.path.removeprefix(path).removeprefix("."), fault.message)
