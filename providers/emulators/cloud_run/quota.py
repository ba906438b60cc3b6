"""Calls a minute, per project and region, as Cloud Run counts them."""

from __future__ import annotations

from collections.abc import Callable

from providers.emulators.cloud_run.refusals import over_rate

MINUTE = 60.0


class Quota:
    """One metric in windows of a minute; `allowed` None means no limit. Use it under one lock."""

    def __init__(self, metric: str, limit: str, allowed: int | None, now: Callable[[], float]) -> None:
        self.metric, self.limit, self.allowed = metric, limit, allowed
        self._now = now
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def spend(self, project: str, region: str, *, tell_wait: bool) -> None:
        """Count one call. Raises `Refusal` if the minute's calls are used up; with `tell_wait` it includes the rest of the
        minute.
        """
        if self.allowed is None:
            return
        minute, into = divmod(self._now(), MINUTE)
        window, used = self._windows.get((project, region), (int(minute), 0))
        used = used if window == int(minute) else 0
        if used >= self.allowed:
            raise self.refusal(project, region, MINUTE - into if tell_wait else None)
        self._windows[project, region] = int(minute), used + 1

    def refusal(self, project: str, region: str, seconds: float | None) -> Exception:
        """The refusal for an exhausted quota."""
        allowed = self.allowed or 0
        return over_rate(metric=self.metric, limit=self.limit, region=region, project=project, allowed=allowed, seconds=seconds)

    def reset(self) -> None:
        """Forget the calls so far."""
        self._windows.clear()
