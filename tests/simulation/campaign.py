"""Many seeds on many processes: the figures, and each broken promise with the line that repeats it."""

import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from time import monotonic
from typing import Any

from tests.simulation.life import STEPS, simulate
from tests.simulation.stores import STORES

SLICE = 25
"""Seeds that a process takes at a time."""


@dataclass(frozen=True)
class Failure:
    """A seed that broke a promise, or failed in another way."""

    seed: int
    store: str
    steps: int
    problem: str

    def __str__(self) -> str:
        steps = "" if self.steps == STEPS else f" --steps {self.steps}"
        again = f"python -m tests.simulation --seed {self.seed} --store {self.store}{steps}"
        return f"seed {self.seed} on {self.store}: {self.problem}\n    repeat it: {again}\n    its story: {again} --trace"


@dataclass
class Tally:
    """The result of some seeds."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Take in another tally."""
        self.seeds += other.seeds
        self.counts.update(other.counts)
        self.marks.update(other.marks)
        self.failures += other.failures
        self.seconds += other.seconds


def live_through(store: str, seeds: Iterable[int], steps: int = STEPS, write: Callable[[str], None] | None = None) -> Tally:
    """Simulate these seeds on one store, in this process."""
    tally, began = Tally(), monotonic()
    for seed in seeds:
        tally.seeds += 1
        with STORES[store]() as views:
            try:
                counts, marks = simulate(seed, views, steps=steps, write=write)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as problem:  # noqa: BLE001 - a violation is one, and whatever else happens has a seed too
                tally.failures.append(Failure(seed, store, steps, _line(problem)))
            else:
                tally.counts.update(counts)
                tally.marks.update(marks)
    tally.seconds = monotonic() - began
    return tally


def _line(problem: BaseException) -> str:
    where = "".join(traceback.format_tb(problem.__traceback__)[-1:]).strip().splitlines()
    return f"{type(problem).__name__}: {problem}" + (f" ({where[0]})" if where else "")


def slices(first: int, count: int, size: int = SLICE) -> Iterator[range]:
    """A range of seeds in parts."""
    for start in range(first, first + count, size):
        yield range(start, min(start + size, first + count))


def in_processes(tasks: Iterable[Callable[[], Any]], jobs: int, note: Callable[[Any], None]) -> None:
    """Carry out the tasks on `jobs` processes (1: on this one) and hand each answer to `note` as it comes."""
    if jobs == 1:
        for task in tasks:
            note(task())
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as executor:
        for answer in as_completed([executor.submit(task) for task in tasks]):
            note(answer.result())


def campaign(store: str, first: int, count: int, *, steps: int, jobs: int) -> Tally:
    """Simulate `count` seeds from `first` on, and report the progress."""
    total, began = Tally(), monotonic()

    def note(tally: Tally) -> None:
        total.add(tally)
        for failure in tally.failures:
            print(failure, flush=True)
        progress(f"{store}: {total.seeds} of {count} seeds, {len(total.failures)} violations, {monotonic() - began:.0f} s")

    in_processes((partial(live_through, store, seeds, steps) for seeds in slices(first, count)), jobs, note)
    progress()
    total.seconds = monotonic() - began
    return total


def progress(line: str = "") -> None:
    """Print the progress; on a terminal always in the same line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


FIGURES = {
    "ticks": ("ticks",),
    "crashes": ("crashes",),
    "lost answers": ("store_answer_lost", "call_answer_lost"),
    "lost requests": ("store_request_lost", "call_request_lost"),
    "late requests": ("late", "very_late"),
    "duplicated requests": ("duplicated",),
    "throttles": ("throttled",),
    "rejections": ("rejected",),
    "stale reads": ("stale_read",),
    "freezes": ("freezes",),
    "leaps of time": ("leaps",),
    "events": ("events",),
    "hints": ("hints",),
    "cancels": ("cancels",),
    "waiting runs moved": ("requeues",),
    "changes of a pool": ("changes",),
    "changes of a deployment": ("changes of a deployment",),
    "runs": ("runs",),
    "windows made runs": ("windows",),
    "attempts retried": ("retries",),
    "jobs started": ("jobs",),
}


def figures(tallies: dict[str, Tally]) -> str:
    """A table: one column for each store, and one for all."""
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    columns = tallies | ({"in all": total} if len(tallies) > 1 else {})
    rows = [["", *columns], ["seeds", *(f"{tally.seeds:,}" for tally in columns.values())]]
    for figure, names in FIGURES.items():
        rows.append([figure, *(f"{sum(tally.counts[name] for name in names):,}" for tally in columns.values())])
    rows.append(["seconds", *(f"{tally.seconds:.0f}" for tally in columns.values())])
    rows.append(["violations", *(f"{len(tally.failures):,}" for tally in columns.values())])
    return table(rows)


def table(rows: list[list[str]]) -> str:
    """Text in columns: the first to the left, the others to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
