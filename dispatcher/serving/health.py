"""Whether ticks succeed: what /healthz answers."""

from __future__ import annotations

import time
from collections.abc import Callable


class Health:
    """Ticks noted by the thread that ticks, and asked about by others.

    A tick has succeeded when the store was there for it. A problem of a pool or of its provider is not a fault of this process:
    the tick's report and the metrics have it.
    """

    def __init__(
        self, within: float, *, is_stopped: Callable[[], bool] = lambda: False, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`within`: seconds for which a tick that has succeeded counts."""
        self.within, self._is_stopped, self._now = within, is_stopped, now
        self._began: float | None = None
        self._succeeded: float | None = None
        self._problem = ""

    def began(self) -> None:
        """A tick begins."""
        self._began = self._now()

    def succeeded(self) -> None:
        """The tick has ended well."""
        self._began, self._succeeded, self._problem = None, self._now(), ""

    def failed(self, problem: str) -> None:
        """The tick could not be made."""
        self._began, self._problem = None, problem

    def fault(self) -> str:
        """Why this process is not healthy; empty when it is."""
        if self._is_stopped():
            return "it is about to end"
        now, succeeded = self._now(), self._succeeded
        if succeeded is not None and now - succeeded <= self.within:
            return ""
        since = "no tick has succeeded yet" if succeeded is None else f"no tick has succeeded for {now - succeeded:.0f} s"
        return f"{since}: {self._reason(now)}"

    def _reason(self, now: float) -> str:
        if self._problem:
            return self._problem
        return "the next one has not begun" if self._began is None else f"one is under way for {now - self._began:.0f} s"
