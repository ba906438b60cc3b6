"""A process that dispatches until its standard input ends: `python -m tests.functions.racer PLATFORM`.

`lambda` gives scheduled events to the Lambda handler, `tick` calls the tick itself. Each decision is a line of JSON on standard
output, as it is made; whoever reads them can kill the process at any step of a tick.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

from dispatcher.environment.settings import Settings
from dispatcher.errors import StoreUnavailable
from dispatcher.functions.aws_lambda import handler
from dispatcher.ticking import tick
from dispatcher.wiring import wire

SECONDS = 60


class Context:
    """As much of Lambda's as is used."""

    def get_remaining_time_in_millis(self) -> int:
        return 1000 * SECONDS


def scheduled() -> None:
    handler({"detail-type": "Scheduled Event", "source": "aws.events"}, Context())


def ticking() -> Callable[[], None]:
    wired = wire(Settings.from_environment(os.environ))
    logging.getLogger("dispatcher").setLevel(logging.INFO)

    def once() -> None:
        seconds = wired.settings.tick_seconds
        report = tick(wired.dispatch, wired.dispatch.clock.now() + timedelta(seconds=seconds))
        assert not report.problems, report.problems

    return once


def main(platform: str) -> None:
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    once = {"lambda": lambda: scheduled, "tick": ticking}[platform]()
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.is_set():
        try:
            once()
        except StoreUnavailable as problem:  # the next invocation comes by itself
            logging.getLogger(__name__).warning('{"event": "unavailable", "problem": "%s"}', problem)
        over.wait(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
