"""The whole story: 200 waiting runs, from the start of a cold process to the last RunTask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from dispatcher.stores.sqlite import SqliteStore
from tests.benchmarks.emulated import EmulatedCloud, emulated_ecs
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import ColdRun, Options, cold, in_turns, ratios, workspace
from tests.benchmarks.worlds import add_ecs_pool, add_waiting, settings_environment

THREADS = 16


def measure(options: Options) -> Result:
    """Each process is one scheduled invocation of the handler. The emulator is there before, and empty each time."""
    runs = 50 if options.quick else 200
    with workspace() as directory, emulated_ecs() as ecs:
        stories = _Stories(directory, ecs, runs)
        stories.ours()  # so that there is a request for the bare loop to send
        in_turns(options.runs, {"bare": partial(stories.tell, stories.bare), "ours": partial(stories.tell, stories.ours)})
    ours, bare = stories.by_side["ours"][1:], stories.by_side["bare"][1:]
    last = tuple(story.last for story in ours)
    return Result(
        "story",
        f"{runs} waiting runs, from the start of a cold process to the last RunTask",
        [
            Figure("to the first RunTask", "s", tuple(story.first for story in ours)),
            Figure("to the last RunTask", "s", last, Target("<=", 4)),
            Figure("CPU of the process", "s", tuple(story.run.cpu for story in ours)),
            Figure("peak memory", "MiB", tuple(story.run.report["peak_mib"] for story in ours), Target("<=", 55)),
            Figure("RunTask calls per run", "", tuple(story.calls.get("RunTask", 0) / runs for story in ours), Target("<=", 1)),
            Figure("all other AWS calls, per process", "", tuple(float(story.others) for story in ours)),
            Figure("bare boto3 loop: to the last RunTask", "s", tuple(story.last for story in bare)),
            Figure("bare boto3 loop: peak memory", "MiB", tuple(story.run.report["peak_mib"] for story in bare)),
            Figure("bare boto3 loop: CPU of the process", "s", tuple(story.run.cpu for story in bare)),
            Figure("ours to bare: CPU", "times", ratios([story.run.cpu for story in ours], [story.run.cpu for story in bare])),
            Figure("ours to bare: last RunTask", "times", ratios(last, [story.last for story in bare]), Target("<=", 1.0)),
        ],
        [
            "`launches_per_second` is raised to 1,000: by default AWS itself gives 100 launches at once and then 20 a second",
            "the other calls find the task definition and the default VPC's subnets, which a warm function knows already",
            "a RunTask is timed by the emulator, when it has started the task",
        ],
    )


@dataclass(frozen=True, kw_only=True)
class _Story:
    """One process and what the emulator saw of it; times are seconds since the process was started."""

    run: ColdRun
    first: float
    last: float
    calls: Mapping[str, int]

    @property
    def others(self) -> int:
        return sum(self.calls.values()) - self.calls.get("RunTask", 0)


class _Stories:
    """Tells both, each time to an emulator that knows nothing."""

    def __init__(self, directory: Path, ecs: EmulatedCloud, runs: int) -> None:
        self._directory, self._ecs, self._runs = directory, ecs, runs
        self._numbers = count()
        self._request = directory / "request.json"
        self.by_side: dict[str, list[_Story]] = {"ours": [], "bare": []}

    def tell(self, side: Any) -> float:
        story: _Story = side()
        self.by_side[side.__name__].append(story)
        return story.last

    def ours(self) -> _Story:
        path = self._directory / f"{next(self._numbers)}.db"
        with closing(SqliteStore(path)) as store:
            add_ecs_pool(store)
            add_waiting(store, self._runs)
        self._ecs.reset()
        run = cold(["-m", "tests.benchmarks.programs.scheduled_tick"], settings_environment(path))
        assert (run.report["submitted"], run.report["problem"]) == (self._runs, ""), run.report
        return self._story(run)

    def bare(self) -> _Story:
        """The last request of `ours`, again and again: its task definition and subnets are there."""
        self._request.write_text(json.dumps(self._ecs.remote.get("calls", operation="RunTask")["requests"][-1]))
        before = len(self._ecs.remote.get("jobs")["jobs"])
        program = ["-m", "tests.benchmarks.programs.bare_loop", str(self._request), str(self._runs), str(THREADS)]
        return self._story(cold(program), skip=before)

    def _story(self, run: ColdRun, skip: int = 0) -> _Story:
        starts = [job["started_at"] - run.started_at for job in self._ecs.remote.get("jobs")["jobs"][skip:]]
        assert len(starts) == self._runs, len(starts)
        return _Story(run=run, first=min(starts), last=max(starts), calls=self._ecs.calls)
