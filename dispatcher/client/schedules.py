"""Single schedules of a deployment, and pausing all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from dispatcher.client.arguments import missing, text
from dispatcher.client.deployments import Deployments
from dispatcher.core.schedules import windows_due
from dispatcher.core.windows import LOOKED_AHEAD
from dispatcher.errors import AlreadyExists, Conflict, Fault, InvalidInput, NotFound, ScheduleError
from dispatcher.models import Deployment, Schedule

REPEATS = 5
"""How often a change is repeated after somebody else changed the deployment first."""

MAX_WINDOWS = 1000

_KINDS = ("cron", "interval", "rrule")


class Schedules(Deployments):
    """What people do with a deployment's schedules. Ticks make each window one run, ahead of its time."""

    # Schedules

    def pause_deployment(self, name: str) -> Deployment:
        """Pause all schedules of a deployment and delete their future runs. Raises `NotFound`."""
        return self._repeatedly(name, lambda deployment: replace(deployment, paused=True))

    def resume_deployment(self, name: str) -> Deployment:
        """Resume a deployment's schedules from now on. Raises `NotFound`, or `InvalidInput` where variables are missing."""
        return self._repeatedly(name, lambda deployment: replace(deployment, paused=False))

    def schedule(self, deployment: str, slug: str) -> Schedule:
        """One schedule of a deployment. Raises `NotFound`."""
        return _schedule(self.deployment(deployment), slug)

    def add_schedule(self, deployment: str, schedule: Schedule) -> Deployment:
        """Add a schedule to a deployment. Raises `NotFound`, `AlreadyExists` (the slug) or `InvalidInput`."""

        def added(owner: Deployment) -> Deployment:
            if any(schedule.slug == other.slug for other in owner.schedules):
                words = f"slug: schedule {schedule.slug!r} of deployment {deployment!r} already exists; choose another"
                raise AlreadyExists(words)
            return replace(owner, schedules=(*owner.schedules, schedule))

        _check_kind(schedule)
        return self._repeatedly(deployment, added)

    def update_schedule(self, deployment: str, slug: str, /, **changes: Any) -> Deployment:
        """Change fields of a schedule. Another kind replaces the present one: `cron=` makes an interval a cron schedule.

        When its windows change, its future runs are created again. Raises `NotFound`, `InvalidInput`, or `Conflict` when
        somebody else changed the deployment meanwhile.
        """
        owner = self.deployment(deployment)
        return self._save_deployment(_with(owner, slug, changes), owner)

    def pause_schedule(self, deployment: str, slug: str) -> Deployment:
        """Pause a schedule and delete its future runs. Raises `NotFound`."""
        return self._repeatedly(deployment, lambda owner: _with(owner, slug, {"active": False}))

    def resume_schedule(self, deployment: str, slug: str) -> Deployment:
        """Resume a schedule from now on. Raises `NotFound`, or `InvalidInput` where variables are missing."""
        return self._repeatedly(deployment, lambda owner: _with(owner, slug, {"active": True}))

    def remove_schedule(self, deployment: str, slug: str) -> Deployment:
        """Remove a schedule and delete its future runs. Raises `NotFound`."""

        def less(owner: Deployment) -> Deployment:
            gone = _schedule(owner, slug)
            return replace(owner, schedules=tuple(schedule for schedule in owner.schedules if schedule is not gone))

        return self._repeatedly(deployment, less)

    def clear_schedules(self, deployment: str) -> Deployment:
        """Remove all schedules of a deployment and delete their future runs. Raises `NotFound`."""
        return self._repeatedly(deployment, lambda owner: replace(owner, schedules=()))

    def next_windows(self, schedule: Schedule, *, count: int = 3) -> Sequence[datetime]:
        """The next windows of a schedule, in UTC, as if it were active. Fewer where no more come within years.

        Raises `ScheduleError` for one that validation would refuse.
        """
        if not 1 <= count <= MAX_WINDOWS:
            raise InvalidInput("schedule", [Fault("count", f"must be from 1 to {MAX_WINDOWS}, not {count}")])
        now = self.clock.now()
        try:
            return list(islice(windows_due(schedule, now, now + LOOKED_AHEAD), count))
        except ScheduleError as problem:
            raise ScheduleError(f"schedule {schedule.slug!r}: {problem}; replace it, or delete it") from None

    def _repeatedly(self, name: str, change: Callable[[Deployment], Deployment]) -> Deployment:
        """Save a change that does not depend on other changes. After a conflict the deployment is read again."""
        left = REPEATS
        while True:
            deployment = self.deployment(name)
            changed = change(deployment)
            try:
                return deployment if changed == deployment else self._save_deployment(changed, deployment)
            except Conflict:
                left -= 1
                if not left:
                    raise


def _schedule(deployment: Deployment, slug: str) -> Schedule:
    schedule = next((schedule for schedule in deployment.schedules if schedule.slug == text(slug, "slug")), None)
    if schedule is None:
        raise NotFound(missing("schedule", slug, [schedule.slug for schedule in deployment.schedules], of=deployment.name))
    return schedule


def _with(deployment: Deployment, slug: str, changes: Mapping[str, Any]) -> Deployment:
    """The deployment with fields of one schedule changed. Raises `NotFound`, or `InvalidInput` for an unknown field."""
    before = _schedule(deployment, slug)
    unknown = [name for name in changes if name not in Schedule.__dataclass_fields__ or name == "slug"]
    if unknown:
        raise InvalidInput(f"schedule {slug!r}", [Fault(name, "is not a field that can be changed") for name in unknown])
    others = dict.fromkeys(_KINDS) if any(changes.get(kind) is not None for kind in _KINDS) else {}
    after = replace(before, **{**others, **changes})
    return replace(deployment, schedules=tuple(after if schedule is before else schedule for schedule in deployment.schedules))


def _check_kind(schedule: Any) -> None:
    if not isinstance(schedule, Schedule):
        raise InvalidInput("schedule", [Fault("schedule", f"must be a Schedule, not {schedule!r}")])
