"""Processes that tick and are killed: `python -m tests.providers.mortal_ticks POOL_TYPE DEATHS SEED [LEFT]`, from the root.

A nursery imports what is slow to import and then forks; it keeps two tickers alive at a time and ends each with SIGKILL after
a random while, until so many have died; where all is over before, the mortal ones wait for their end. The next are let live,
until every run has ended and nothing lingers; with LEFT they are killed too, as soon as no more than so many runs have not
ended. The settings are the environment's. Prints the number of deaths.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from dispatcher.environment.events import LOGGER
from dispatcher.environment.settings import Settings
from dispatcher.models import TERMINAL_STATES, RunState
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers import registry

AT_ONCE = 2
LIFETIME = (0.1, 1.5)
"""Seconds; the shortest end before the first call, the longest after some ticks."""
PAUSE = 0.05


def is_over(store: Store, left: int = 0) -> bool:
    unended = RunFilter(states=frozenset(RunState) - TERMINAL_STATES)
    if left:
        return len(store.runs(unended, limit=left + 1)) <= left
    return not store.runs(unended, limit=1) and not any(store.lingering(pool.name, limit=1) for pool in store.pools())


def live(settings: Settings, left: int) -> None:
    """Tick until all is over, or until killed."""
    wiring = wire(settings)
    while not is_over(wiring.store, left):
        tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=settings.tick_seconds))
        time.sleep(PAUSE)


def live_until_killed(settings: Settings, left: int) -> None:
    """Tick until all is over, and wait for the end."""
    live(settings, left)
    while True:
        time.sleep(PAUSE)


def load(pool_type: str) -> None:
    """Import what is slow to import, before the first call's time runs."""
    kind = registry.provider_type(pool_type)
    for module in (kind.factory.partition(":")[0], kind.sdk):
        importlib.import_module(str(module))


def born(life: Callable[[Settings, int], None], settings: Settings, left: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        life(settings, left)
        code = 0
    finally:
        os._exit(code)


def main(pool_type: str, deaths: int, seed: int, left: int = 0) -> None:
    LOGGER.setLevel(logging.CRITICAL)
    settings = Settings.from_environment(os.environ)
    load(pool_type)
    chance, died = random.Random(seed), 0
    ends: dict[int, float] = {}
    while True:
        while len(ends) < AT_ONCE:
            mortal = died + len(ends) < deaths
            child = born(live_until_killed if mortal else live, settings, left)
            ends[child] = time.monotonic() + (chance.uniform(*LIFETIME) if mortal else 1e9)
        time.sleep(0.01)
        for child in [child for child, end in ends.items() if time.monotonic() >= end]:
            os.kill(child, signal.SIGKILL)
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            continue
        del ends[child]
        if os.WIFSIGNALED(status):
            died += 1
        elif died >= deaths or os.WEXITSTATUS(status):
            break
    for child in ends:
        os.kill(child, signal.SIGKILL)
    assert os.WEXITSTATUS(status) == 0, "a ticker failed"
    sys.stdout.write(str(died))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
