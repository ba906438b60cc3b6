"""What CloudWatch reads in the log."""

from __future__ import annotations

import json
import random

import pytest
from jsonschema import ValidationError

from dispatcher.core.admission import Barrier
from dispatcher.environment.settings import Settings
from dispatcher.models import submission_name
from dispatcher.telemetry.cloudwatch import MAX_QUEUES, MAX_VALUES, CloudWatch, spread
from dispatcher.wiring import Providers
from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER
from tests.builders import MINUTE, NOW, SECOND, a_pool, a_queue
from tests.telemetry.emf import check
from tests.telemetry.stage import Watched


class Log:
    """A stage whose ticks write lines."""

    def __init__(self, *pools):
        self.lines = []
        self.stage = Watched(*pools, cloudwatch=lambda _: CloudWatch("function", self, self.lines.append))

    def now(self):
        return self.stage.clock.now()

    def tick(self, **limits):
        """The one document that a tick of one pool writes."""
        self.lines.clear()
        self.stage.tick(**limits)
        [line] = self.lines
        return check(line)


def metrics(document):
    """By name, each metric's value and unit."""
    [directive] = document["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: (document[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]}


def test_a_tick_of_a_pool_is_reported_in_one_line_with_its_metrics_by_function_and_pool():
    log = Log(a_pool(limit=2, queues=[a_queue("critical", 1, 1), a_queue("default", 2)]))
    log.stage.submissions_take(2)
    log.stage.add(2, queue="critical", due_at=NOW - 3 * MINUTE)
    log.stage.add(2, due_at=NOW - MINUTE)
    document = log.tick()
    assert (document["FunctionName"], document["Pool"]) == ("function", "pool")
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("PushDispatcher", [["FunctionName", "Pool"]])
    assert document["_aws"]["Timestamp"] == (NOW + 4 * SECOND).timestamp() * 1000
    assert metrics(document) == {
        "Admitted": (2, "Count"),
        "WaitTime": ([180.0, 60.0], "Seconds"),
        "Accepted": (2, "Count"),
        "CallDuration": ([2.0, 2.0], "Seconds"),
        "SubmissionTime": ([2.0, 4.0], "Seconds"),
        "TickDuration": (4.0, "Seconds"),
        "SlotsInUse": (2, "Count"),
        "SlotLimit": (2, "Count"),
        "OldestWait": (184.0, "Seconds"),
        "WaitingPoolFull": (2, "Count"),
    }
    assert document["Queues"]["critical"] == {
        "in_use": 1,
        "limit": 1,
        "waiting": True,
        "oldest_wait": 184.0,
        "barrier": "POOL_FULL",
    }


def test_an_idle_pool_without_a_limit_reports_its_slots_and_that_nothing_waits():
    assert metrics(Log().tick()) == {
        "TickDuration": (0.0, "Seconds"),
        "SlotsInUse": (0, "Count"),
        "OldestWait": (0.0, "Seconds"),
    }


def test_outcomes_of_runs_are_counted_by_kind_and_ends_by_state():
    log = Log()
    log.stage.add(5)
    log.stage.provider.script("submit", Rejected(reason="no"), LOST_ANSWER, Throttled(reason="busy", hold=None))
    counts = metrics(log.tick())
    kinds = {"Accepted": 2, "Rejected": 1, "Unknown": 1, "Throttled": 1, "Crashed": 1, "Admitted": 5}
    assert {kind: counts[kind] for kind in kinds} == {kind: (number, "Count") for kind, number in kinds.items()}
    accepted = [run for run in log.stage.store.live("pool", limit=5) if run.submission]
    for run, code in zip(accepted, (0, 1), strict=True):
        log.stage.provider.finish(submission_name(run.id, 1), exit_code=code)
    counts = metrics(log.tick())
    assert (counts["Completed"], counts["Failed"]) == ((1, "Count"), (1, "Count"))
    assert "Crashed" not in counts


def test_a_problem_is_counted_and_no_metric_filter_counts_its_line_again():
    log = Log()
    log.stage.add()
    log.stage.tick()
    log.stage.provider.script("observe", LOST_ANSWER)
    assert metrics(log.tick())["Problems"] == (1, "Count")
    assert "pool.problem" in {event for event, _ in log.stage.events}
    assert "pool.problem" not in log.lines[0]


def test_a_pool_that_cannot_be_ticked_at_all_still_writes_its_line():
    log = Log(a_pool(type="ecs:psh"))
    log.stage.providers = Providers(Settings(store="memory://"))
    document = log.tick()
    assert set(metrics(document)) == {"Problems", "TickDuration"}


def test_each_pool_has_its_own_line_and_numbers():
    log = Log(a_pool("one"), a_pool("two"))
    log.stage.add(3, pool="two")
    log.stage.tick()
    documents = {document["Pool"]: document for document in map(check, log.lines)}
    assert (documents["two"]["Admitted"], "Admitted" in documents["one"]) == (3, False)


def test_names_that_cloudwatch_takes_in_no_dimension_are_written_in_ascii():
    log = Log(a_pool("nächtlich"))
    assert log.tick()["Pool"] == "n\\xe4chtlich"
    assert len(Log(a_pool("🌙" * 200)).tick()["Pool"]) == 1024


def test_many_runs_and_queues_stay_within_the_formats_limits():
    log = Log(a_pool(limit=120, queues=[*(f"queue-{number}" for number in range(300)), "default"]))
    log.stage.add(121, due_at=NOW - MINUTE)
    document = log.tick()
    assert (document["Admitted"], len(document["WaitTime"]), len(document["Queues"])) == (120, MAX_VALUES, MAX_QUEUES)


def test_many_values_are_reported_by_a_sample_with_the_same_distribution():
    values = [float(number) for number in range(1, 1001)]
    random.Random(1).shuffle(values)
    spread_values = spread(values)
    assert (len(spread_values), spread_values[0], spread_values[-1]) == (MAX_VALUES, 1.0, 1000.0)
    assert abs(spread_values[MAX_VALUES // 2] - 500) < 10
    assert spread([3.0, 1.0]) == [3.0, 1.0]


@pytest.mark.parametrize("barrier", Barrier)
def test_every_reason_to_wait_is_a_metric_of_its_own(barrier):
    lines, measured = [], {"in_use": 0, "limit": None, "waiting": True, "oldest_wait": 1.0}
    tick = {
        "pool": "pool",
        "seconds": 0.1,
        "limit": None,
        "queues": {"default": measured},
        "barriers": {"default": str(barrier)},
    }
    CloudWatch("function", Watched().clock, lines.append)("tick.pool", tick)
    [waiting] = [metric for metric in metrics(check(lines[0])) if metric.startswith("Waiting")]
    assert waiting.removeprefix("Waiting").upper() == barrier.replace("_", "")


def a_document(**changed):
    directive = {"Namespace": "n", "Dimensions": [["D"]], "Metrics": [{"Name": "M", "Unit": "Count"}]} | changed
    return {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "D": "d", "M": 1}


SPOILT = {
    "no metadata": {"M": 1},
    "a time that is text": a_document() | {"_aws": {"Timestamp": "now", "CloudWatchMetrics": []}},
    "a metric that is text": a_document() | {"M": "text"},
    "101 values": a_document() | {"M": [1] * 101},
    "a dimension that is a number": a_document() | {"D": 1},
    "a dimension that is not ASCII": a_document() | {"D": "\xe4"},
    "31 dimensions": a_document(Dimensions=[["D"] * 31]),
    "101 metrics": a_document(Metrics=[{"Name": "M"}] * 101),
    "an unknown unit": a_document(Metrics=[{"Name": "M", "Unit": "Hours"}]),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_the_check_refuses_what_breaks_a_rule(spoilt):
    check(json.dumps(a_document()))
    with pytest.raises(ValidationError):
        check(json.dumps(SPOILT[spoilt]))
