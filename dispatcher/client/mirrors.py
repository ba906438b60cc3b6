"""Mirrored pools are read-only here: their source changes them, and says what runs in them."""

from __future__ import annotations

from dispatcher.errors import Conflict
from dispatcher.models import WorkPool

CONFIGURED = "change it there, and the next tick takes the change over"
DEPLOYED = "deploy there; schedules and retries are set there too"
RUN = "create, cancel and retry runs there"


def check_own(pool: WorkPool | None, fix: str) -> None:
    """Raise `Conflict` for a pool that mirrors a source."""
    if pool is not None and pool.mirror is not None:
        raise Conflict(why_not(pool, fix))


def why_not(pool: WorkPool, fix: str) -> str:
    """Why a mirrored pool cannot be changed or used here, and where it can."""
    source = pool.mirror.source.capitalize() if pool.mirror else ""
    return f"work pool {pool.name!r} mirrors one of {source}: {fix}"
