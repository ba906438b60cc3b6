"""How things are measured: in turns, so that whatever else the machine does meets both sides of a ratio alike."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for."""

    runs: int
    """Rounds of each benchmark; each gives one sample."""
    quick: bool
    """Smaller sizes, to see that everything works."""
    size: int | None = None
    """Ended runs in place of the benchmark's own size, where it has a history."""


def in_turns(rounds: int, sides: Mapping[str, Callable[[], float]]) -> dict[str, tuple[float, ...]]:
    """Measure every side once in each round, forwards and backwards in turn, after one round that is not counted."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in list(sides) if turn % 2 else reversed(sides):
            value = sides[name]()
            if turn:
                samples[name].append(value)
    return {name: tuple(values) for name, values in samples.items()}


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Round by round, so that a noisy round spoils one ratio and not the median."""
    return tuple(top / bottom for top, bottom in zip(above, below, strict=True))


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """The seconds of wall time from the beginning to the end of the block, or to now."""
    begin = time.perf_counter()
    ended: list[float] = []
    yield lambda: (ended[0] if ended else time.perf_counter()) - begin
    ended.append(time.perf_counter())


@contextmanager
def collecting_as_functions() -> Iterator[None]:
    """Within, Python looks for reference cycles as seldom as in a function of the product."""
    before = gc.get_threshold()
    from dispatcher.functions import OBJECTS_BETWEEN_COLLECTIONS  # noqa: PLC0415 - importing it sets the threshold

    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def logging_like_lambda() -> Iterator[None]:
    """Every decision is a line, as in a function; nobody reads them here."""
    logger = logging.getLogger("dispatcher")
    with Path(os.devnull).open("w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        yield
        logger.removeHandler(handler)


@dataclass(frozen=True, kw_only=True)
class ColdRun:
    """One process, from its start to its end."""

    started_at: float
    """Seconds since the epoch, before the process was made."""
    wall: float
    cpu: float
    """Seconds of user and system time: what a noisy machine changes least."""
    report: Mapping[str, Any]
    """What it printed as JSON; empty when it printed nothing."""


def cold(arguments: Sequence[str], environment: Mapping[str, str | None] | None = None, directory: Path = ROOT) -> ColdRun:
    """Run a Python process in a directory; nothing warms it but the bytecode and the file cache that earlier rounds left.

    A variable that is None is not there.
    """
    started_at = time.time()
    with stopwatch() as wall:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env=_clean({name: value for name, value in {**os.environ, **(environment or {})}.items() if value is not None}),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return ColdRun(
        started_at=started_at,
        wall=wall(),
        cpu=usage.ru_utime + usage.ru_stime,
        report=json.loads(output) if output.strip() else {},
    )


@contextmanager
def workspace() -> Iterator[Path]:
    """A directory of its own, gone at the end."""
    with TemporaryDirectory(prefix="push-dispatcher-benchmarks-") as directory:
        yield Path(directory)


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Bytecode may be written and read: a function's package ships with it."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
