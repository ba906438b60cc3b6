"""From the chosen extras to exactly the wheels that they need on the target.

Versions are the lock's. The needs of a wheel are read from the wheel itself, and their markers are evaluated for the target.
Even for another platform, pip would evaluate markers for the machine that it runs on.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dispatcher.errors import PackagingError
from dispatcher.packaging.lock import Lock
from dispatcher.packaging.targets import BuildTarget
from dispatcher.packaging.wheels import Wheel, WheelSource, download

DISTRIBUTION = "push-dispatcher"
VALIDATION = frozenset({"jsonschema", "pydantic", "regex"})
"""The extra that checks input. No tick needs it; creating a run in the function does."""
CHECKS = "prefect"
"""The extra whose ticks check input: pools of a Prefect server are checked when they have changed there."""
EXTRAS = ("aws", "azure", "docker", "gcp", "kubernetes", "modal", "postgres", "prefect", "schedules", "telemetry", "vertex")
"""The extras that a function may use: providers, stores, telemetry, and the reader of schedules."""

API = "ui"
"""The extra that the HTTP API needs. It checks input."""
OF_PAGES = frozenset({"jinja2", "uvicorn"})
"""The part of that extra that only pages and servers need."""

Wanted = frozenset[tuple[str, str]]
"""Normalised names, each with a requested extra; an empty extra is the distribution itself."""


def roots(extras: Iterable[str], target: BuildTarget, *, validation: bool, api: bool = False) -> Wanted:
    """The requirements of a function with these extras, of its platform's host, and (with `api`) of the HTTP API.

    Raises `PackagingError` for an extra that no function can use.
    """
    chosen = tuple(dict.fromkeys(extras))
    unknown = [extra for extra in chosen if extra not in EXTRAS]
    if unknown:
        raise PackagingError(f"extras: {', '.join(unknown)} is not an extra for functions; these are {', '.join(EXTRAS)}")
    requirements = [Requirement(line) for line in distribution(DISTRIBUTION).requires or ()]
    host = [target.platform.host] if target.platform.host else []
    needed = [_needed(requirements, extra, target) for extra in ("", *chosen, *host)]
    if api:
        needed.append(frozenset(pair for pair in _needed(requirements, API, target) if pair[0] not in OF_PAGES))
    validation = validation or api or CHECKS in chosen
    return frozenset(pair for some in needed for pair in some if validation or pair[0] not in VALIDATION)


def resolve(
    needed: Wanted, lock: Lock, target: BuildTarget, source: WheelSource, *, without: frozenset[str]
) -> tuple[Wheel, ...]:
    """Fetch the requested wheels and their dependencies, except the names in `without`; sorted by name.

    Works level by level, because a wheel must be fetched before its needs can be read. Raises `PackagingError`.
    """
    wheels: dict[str, Wheel] = {}
    seen: Wanted = frozenset()
    while needed - seen:
        fresh, seen = needed - seen, seen | needed
        missing = sorted({name for name, _ in fresh} - wheels.keys() - without)
        entries = [lock.find(name, target.markers) for name in missing]
        wheels |= {wheel.name: wheel for wheel in download(entries, target, source)}
        reached = [(wheels[name], extra) for name, extra in fresh if name in wheels]
        needed = frozenset(pair for wheel, extra in reached for pair in _needed(wheel.requirements, extra, target))
    return tuple(wheels[name] for name in sorted(wheels))


def _needed(requirements: Iterable[Requirement], extra: str, target: BuildTarget) -> Wanted:
    environment = {**target.markers, "extra": extra}
    needed = [
        requirement for requirement in requirements if requirement.marker is None or requirement.marker.evaluate(environment)
    ]
    return frozenset(
        (canonicalize_name(requirement.name), extra) for requirement in needed for extra in ("", *requirement.extras)
    )
