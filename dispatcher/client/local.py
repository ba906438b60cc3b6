"""Functions served on this machine: the pool of processes that one process ticks, until a signal ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.events import log_event
from dispatcher.environment.settings import Settings
from providers import registry

if TYPE_CHECKING:
    from dispatcher.ticking import Dispatch

PROCESS = "process"
"""The type of the pools in which functions are served."""

RUNNER = ("-m", "dispatcher.job")
"""What makes Python the runner of functions."""


def tick_until_stopped(store: Any, pool: str, every: float) -> None:
    """Tick one pool of processes until a signal comes. What goes wrong is said once."""
    from dispatcher.serving.signals import stopped_by_signals  # noqa: PLC0415 - likewise
    from dispatcher.serving.turns import Turns, stoppable  # noqa: PLC0415 - only where something is served
    from dispatcher.ticking import tick  # noqa: PLC0415 - likewise

    settings, turns = Settings.from_environment(os.environ), Turns(every)
    dispatch, printed = stoppable(_dispatch(store, settings), turns), set[str]()
    with stopped_by_signals(turns.stop):
        for _ in turns:
            report = tick(dispatch, dispatch.clock.now() + timedelta(seconds=settings.tick_seconds), pools=[pool])
            for problem in report.problems:
                if problem not in printed:
                    print(f"problem: {problem}", file=sys.stderr, flush=True)
            printed = {*report.problems}


def _dispatch(store: Any, settings: Settings) -> Dispatch:
    """A dispatch of processes on this machine. `dispatcher.wiring` has the other kinds."""
    from dispatcher.delivery import Deliveries  # noqa: PLC0415 - only where something is served
    from dispatcher.ticking import Dispatch, TickLimits  # noqa: PLC0415 - likewise

    provider = registry.create(PROCESS, options={"directory": Path(settings.process_directory)})
    deliver = Deliveries(settings.hooks, os.environ)
    return Dispatch(
        store=store,
        providers=lambda _type: provider,
        clock=SystemClock(),
        events=log_event,
        deliver=deliver,
        limits=TickLimits.of(settings),
    )


def command_here(target: str) -> Mapping[str, Any]:
    """Job variables of a process with this interpreter, directory and places of modules."""
    places = [os.path.abspath(sys.path[0] if sys.path else ""), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "command": [sys.executable, *RUNNER, target],
        "working_dir": str(Path.cwd()),
        "env": {"PYTHONPATH": os.pathsep.join(places)},
    }
