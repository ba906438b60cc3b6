"""`dispatcher serve`: tick, note how that went, go on. Any number of such processes may run side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dispatcher.serving.health import Health
from dispatcher.serving.systemd import ALIVE, STOPPING
from dispatcher.serving.turns import Turn, Turns
from dispatcher.ticking import Dispatch, tick
from dispatcher.ticking.seam import attempted, words


@dataclass(frozen=True, kw_only=True)
class TickLoop:
    """The ticks of one process."""

    dispatch: Dispatch
    """Made stoppable by `turns`."""
    turns: Turns
    health: Health
    tick_seconds: float
    """The longest a tick may go on submitting."""
    pools: Sequence[str] | None = None
    """The only pools that are ticked."""
    notify: Callable[[str], None] = lambda _state: None
    """Notifies whoever has started the process."""
    after_tick: Callable[[], None] = lambda: None

    def run(self) -> int:
        """Tick until the turns are stopped; returns the number of ticks."""
        ticks = 0
        for turn in self.turns:
            self._tick(self._chosen(turn))
            self.notify(ALIVE)
            self.after_tick()
            ticks += 1
        self.notify(STOPPING)
        return ticks

    def _chosen(self, turn: Turn) -> Turn:
        if turn is None or self.pools is None:
            return self.pools if turn is None else turn
        return [pool for pool in turn if pool in self.pools]

    def _tick(self, pools: Turn) -> None:
        """One tick. A store that is not there is a problem of this tick alone."""
        self.health.began()
        deadline = self.dispatch.clock.now() + timedelta(seconds=self.tick_seconds)
        problem = attempted(lambda: tick(self.dispatch, deadline, pools=pools) and "", words)
        if problem:
            self.health.failed(problem)
            self.dispatch.events("serve.tick_failed", problem=problem)
        else:
            self.health.succeeded()
