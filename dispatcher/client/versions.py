"""Changes that are made only to the version that their author has seen (`If-Match` of the HTTP API)."""

from __future__ import annotations

from dispatcher.errors import Conflict
from dispatcher.models import Automation, Deployment, WorkPool


class VersionChanged(Conflict):
    """Somebody else changed the pool, deployment or automation since its author read it."""


def check_version(noun: WorkPool | Deployment | Automation, version: int | None) -> None:
    """Raise `VersionChanged` for another version than this one; None: any version will do."""
    if version is not None and noun.version != version:
        kind = {WorkPool: "work pool", Deployment: "deployment", Automation: "automation"}[type(noun)]
        words = f"{kind} {noun.name!r} has the version {noun.version} by now, not {version}: read it again"
        raise VersionChanged(words)
