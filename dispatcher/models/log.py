"""The log of changes: who changed what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who changes something, and by which way."""

    name: str
    """A person or a program: a user of the operating system, the name that a proxy has checked, a function's name."""
    via: str
    """`cli`, `page`, `api`, `python`, `function` or `automation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One change of a pool, a deployment or a run, or one piece of work on many runs."""

    id: UUID
    changed_at: datetime
    """When the change began; for work on many runs, before its first step."""
    actor: str
    via: str
    verb: str
    """`create`, `change`, `delete`; for runs also `cancel`, `retry`, and others."""
    noun: str
    """`work pool`, `deployment`, `run`; `runs` for all that match a filter."""
    name: str
    """The name of the pool or deployment, the id of the run, or the filter in words."""
    fields: tuple[Mapping[str, Any], ...] = ()
    """The fields that changed, as a plan shows them: `action`, `path`, `before`, `after`. Secrets are hidden, and long values
    are cut.
    """
    note: str = ""
    """A note by whoever made the change, or what the change belongs to (`apply` with the hash of the configuration)."""
    runs: int = 0
    """How many runs have changed. A store counts them in the transactions that change them."""
    kept_until: datetime | None = None
    """When the entry may be deleted; None: never."""
