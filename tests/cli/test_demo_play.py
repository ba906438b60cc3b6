"""The demo's play and its summary, on a stage without processes, files or waiting."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from dispatcher.cli.commands.demo.audience import Lines
from dispatcher.cli.commands.demo.command import perform
from dispatcher.cli.commands.demo.play import Play
from dispatcher.cli.commands.demo.scenario import scenario
from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.cli.commands.demo.summary import at_once, ranges, summary
from dispatcher.cli.commands.demo.views import demo_picture
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatcherError
from dispatcher.models import RunState, parse_submission_name
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, tick
from providers.base import ProviderLimits
from providers.testing import FakeProvider
from tests.builders import NOW, SECOND, a_pool, a_queue, a_run


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def new_id(self) -> UUID:
        return uuid4()


class FakeStage:
    """Jobs in memory that take as long as planned by the clock above."""

    title = "a fake provider"
    next_steps = ("dispatcher demo",)
    pool_type = "process"
    tick_seconds = 0.5

    def __init__(self) -> None:
        self.clock, self.planned = Clock(), {}
        self.provider = FakeProvider(clock=self.clock.now, limits=ProviderLimits(concurrency=1))
        store = MemoryStore()
        self.client = Dispatcher(store, clock=self.clock)
        self.dispatch = Dispatch(store=store, providers=lambda _: self.provider, clock=self.clock, events=lambda *_, **__: None)

    def variables(self, planned):
        return {"command": "date"}

    def expect(self, planned):
        self.planned |= planned

    def tick(self):
        for job in [job for job in self.provider.jobs if job.is_live]:
            plan = self.planned[parse_submission_name(job.job.name)[0]]
            if self.clock.now() - job.started_at >= timedelta(seconds=plan.seconds):
                self.provider.finish(job.job.name, plan.exit_code)
        tick(self.dispatch, self.clock.now() + SECOND)

    def wait(self, seconds):
        self.clock.sleep(seconds)
        return False

    def evidence(self):
        starts = {parse_submission_name(name)[0]: count for name, count in self.provider.starts.items()}
        return Evidence(starts=starts, peak=self.provider.peak_live)


@pytest.fixture
def stage():
    return FakeStage()


def test_the_scenario_is_the_pool_of_prefects_documentation_with_some_thirty_runs():
    planned = scenario()
    assert {(queue.name, queue.priority, queue.limit) for queue in planned.queues} == {
        ("low", 10, None),
        ("high", 5, 3),
        ("critical", 1, 1),
    }
    assert len(planned.runs) == 30
    assert len({run.name for run in planned.runs}) == 30
    assert Counter(run.exit_code != 0 for run in planned.runs)[True] == 3


def test_the_demo_ends_with_every_run_ended_and_every_promise_kept(stage):
    shape = perform(stage, speed=1, silent=True, clock=stage.clock)
    assert shape["ok"]
    assert shape["ends"] == {"COMPLETED": 27, "FAILED": 3}
    assert [check["found"] for check in shape["checks"]] == [
        "highest use seen: 5 of 5",
        "highest use seen: 1 of 1",
        "highest use seen: 3 of 3",
        "30 runs, 30 jobs started",
        "30 of 30 runs have ended",
        "3 failed, 3 are meant to",
    ]
    assert shape["seconds"] < 25


def test_higher_queues_wait_less(stage):
    queues = perform(stage, speed=1, silent=True, clock=stage.clock)["queues"]
    assert [queue["name"] for queue in queues] == ["critical", "default", "high", "low"]
    assert queues[0]["order"].startswith("1, ")
    assert queues[1]["order"] == "2-5"
    assert queues[2]["wait_seconds"]["median"] < queues[3]["wait_seconds"]["median"]


def test_pictures_show_the_waterfall_and_why_it_stops(stage):
    pictures = []
    Play(scenario=scenario(), stage=stage, clock=stage.clock, show=pictures.append).run()
    first = {queue.name: queue for queue in pictures[0].queues}
    assert (first["critical"].running, first["default"].running, first["high"].running, first["low"].running) == (1, 4, 0, 0)
    assert first["low"].why == "pool full"
    assert max(picture.in_use for picture in pictures) == 5
    assert max(queue.running for picture in pictures for queue in picture.queues if queue.name == "high") == 3
    assert any("high-3 FAILED: exit code 3" in line for picture in pictures for line in picture.lines)
    text = StringIO()
    Console(file=text, width=100).print(demo_picture("a stage", pictures[0]))
    assert "■■■■■  5 of 5" in text.getvalue()


def test_a_pipe_gets_a_line_a_second_and_the_last(stage, capsys):
    shape_seconds = perform(stage, speed=1, silent=False, clock=stage.clock)["seconds"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= shape_seconds + 3
    assert "critical 0/0/4" in lines[-1]
    assert "low 0/0/12" in lines[-1]


def test_a_demo_that_does_not_end_is_given_up(stage):
    stage.tick = lambda: None
    with pytest.raises(DispatcherError, match="did not end within"):
        Play(scenario=scenario(), stage=stage, clock=stage.clock, show=Lines()).run()


def _ended(queue, start, end, **fields):
    started, ended = NOW + start * SECOND, NOW + end * SECOND
    return a_run("pool", queue, state=RunState.COMPLETED, claimed_at=started, started_at=started, ended_at=ended, **fields)


def _summary(runs, evidence=None, limit=2, failing=frozenset()):
    pool = a_pool(limit=limit, queues=[a_queue("high", 1, limit=1), a_queue("default", 2)])
    counted = evidence or Evidence(starts={run.id: 1 for run in runs})
    shape = summary(pool, runs, counted, highest={}, seconds=1.0, failing=failing)
    return shape["ok"], [check["name"] for check in shape["checks"] if not check["ok"]]


def test_the_summary_finds_a_limit_that_was_broken():
    assert _summary([_ended("high", 0, 2), _ended("high", 2, 3), _ended("default", 0, 3)]) == (True, [])
    assert _summary([_ended("high", 0, 2), _ended("high", 1, 3)]) == (False, ["never over the limit of queue high"])
    assert _summary([_ended("default", 0, 2)] * 3) == (False, ["never over the limit of the pool", "each run exactly one job"])


def test_the_summary_finds_a_run_with_two_jobs_with_none_and_a_job_of_nobody():
    run = _ended("default", 0, 1)
    broken = (False, ["each run exactly one job"])
    assert _summary([run], Evidence(starts={run.id: 2})) == broken
    assert _summary([run], Evidence(starts={})) == broken
    assert _summary([run], Evidence(starts={run.id: 1, uuid4(): 1})) == broken


def test_the_summary_finds_what_the_infrastructure_counted_and_a_run_that_has_not_ended():
    run = _ended("default", 0, 1)
    assert _summary([run], Evidence(starts={run.id: 1}, peak=3)) == (False, ["never over the limit of the pool"])
    open_run = replace(run, state=RunState.RUNNING, ended_at=None)
    assert _summary([open_run]) == (False, ["never lost, never stuck"])


def test_job_numbers_are_shown_as_ranges():
    assert ranges([9, 1, 2, 3, 7, 10]) == "1-3, 7, 9-10"
    assert ranges([]) == ""
    assert at_once([]) == 0


def test_the_summary_finds_a_run_that_failed_against_the_plan_and_one_that_did_not():
    run = replace(_ended("default", 0, 1), name="high-3")
    failed = replace(run, state=RunState.FAILED)
    broken = (False, ["the runs that are meant to fail did, and no others"])
    assert _summary([failed], failing=frozenset({"high-3"})) == (True, [])
    assert _summary([failed]) == broken
    assert _summary([run], failing=frozenset({"high-3"})) == broken


def test_the_time_of_the_summary_is_that_of_the_last_picture(stage, capsys):
    shape = perform(stage, speed=1, silent=False, clock=stage.clock)
    assert shape["meant_to_fail"] == shape["ends"]["FAILED"] == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split()[0] == f"{shape['seconds']:.1f}"
