"""What the unmodified SDK of OpenTelemetry makes of a tick's events."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dispatcher.models import submission_name
from dispatcher.telemetry.measurements import METRICS, MetricKind
from dispatcher.telemetry.open_telemetry import OpenTelemetry
from dispatcher.telemetry.spans import EPOCH, MAX_CALLS
from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER
from tests.builders import MINUTE, NOW, SECOND, a_pool, a_queue
from tests.telemetry.stage import Watched

QUEUES = [a_queue("critical", 1, 1), a_queue("default", 2)]


class Sdk:
    """A stage with the SDK behind it, whose readers keep what they get."""

    def __init__(self, *pools):
        self.reader, self.exporter = InMemoryMetricReader(), InMemorySpanExporter()
        self.stage = Watched(*pools, opentelemetry=self._consumer)

    def _consumer(self, say):
        processor = SimpleSpanProcessor(self.exporter)
        return OpenTelemetry(say, resource=Resource({}), reader=self.reader, processor=processor)

    def tick(self, **limits):
        self.exporter.clear()
        return self.stage.tick(**limits)

    @property
    def metrics(self):
        """By name, each metric as the reader collects it."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    @property
    def points(self):
        """By metric, each point's value (of a histogram: how many and their sum) by the attributes' values."""
        return {
            name: {tuple(point.attributes.values()): _value(point) for point in metric.data.data_points}
            for name, metric in self.metrics.items()
        }

    @property
    def spans(self):
        return {span.name: span for span in self.exporter.get_finished_spans()}


def _value(point):
    return point.value if hasattr(point, "value") else (point.count, point.sum)


@pytest.fixture
def sdk():
    made = []

    def make(*pools):
        made.append(Sdk(*pools))
        return made[-1]

    yield make
    for reader in made:
        reader.stage.telemetry.close()


def test_a_tick_gives_slots_limits_waits_answers_and_durations_by_pool_and_queue(sdk):
    one = sdk(a_pool(limit=2, queues=QUEUES))
    one.stage.submissions_take(2)
    one.stage.add(2, queue="critical", due_at=NOW - 3 * MINUTE)
    one.stage.add(2, due_at=NOW - MINUTE)
    one.tick()
    critical, default = ("pool", "critical"), ("pool", "default")
    assert one.points == {
        "dispatcher.tick.duration": {("pool",): (1, 4.0)},
        "dispatcher.pool.slot.usage": {("pool",): 2},
        "dispatcher.pool.slot.limit": {("pool",): 2},
        "dispatcher.queue.slot.usage": {critical: 1, default: 1},
        "dispatcher.queue.slot.limit": {critical: 1},
        "dispatcher.queue.oldest_wait": {critical: 184.0, default: 64.0},
        "dispatcher.queue.stops": {(*critical, "POOL_FULL"): 1, (*default, "POOL_FULL"): 1},
        "dispatcher.run.admissions": {critical: 1, default: 1},
        "dispatcher.run.wait_time": {critical: (1, 180.0), default: (1, 60.0)},
        "dispatcher.run.submission_time": {critical: (1, 2.0), default: (1, 4.0)},
        "dispatcher.call.duration": {("pool", "Accepted"): (2, 4.0)},
        "dispatcher.run.answers": {(*critical, "Accepted"): 1, (*default, "Accepted"): 1},
    }


def test_outcomes_and_ends_are_counted_by_kind_and_add_up_over_ticks(sdk):
    one = sdk()
    one.stage.add(4)
    one.stage.provider.script("submit", Rejected(reason="no"), LOST_ANSWER, Throttled(reason="busy", hold=None))
    one.tick()
    lane = ("pool", "default")
    kinds = ("Rejected", "Unknown", "Throttled", "Accepted")
    assert one.points["dispatcher.run.answers"] == {(*lane, kind): 1 for kind in kinds}
    [accepted] = [run for run in one.stage.store.live("pool", limit=4) if run.submission]
    one.stage.provider.finish(submission_name(accepted.id, 1))
    one.stage.let_the_lease_end()
    one.tick()
    points = one.points
    assert points["dispatcher.run.ended"] == {(*lane, "CRASHED"): 1, (*lane, "COMPLETED"): 1}
    assert points["dispatcher.run.takeovers"] == {lane: 1}
    assert points["dispatcher.run.answers"][(*lane, "Accepted")] == 3
    assert points["dispatcher.tick.duration"][("pool",)][0] == 2


def test_a_run_that_cannot_be_rendered_is_an_answer_and_an_end(sdk):
    one = sdk()
    one.stage.add(deployment="gone")
    one.tick()
    assert one.points["dispatcher.run.answers"] == {("pool", "default", "RenderError"): 1}
    assert one.points["dispatcher.run.ended"] == {("pool", "default", "CRASHED"): 1}


def test_every_metric_has_the_unit_the_kind_and_the_attributes_of_the_table(sdk):
    one = sdk(a_pool(limit=2, queues=QUEUES))
    one.stage.add(3)
    one.stage.provider.script("submit", LOST_ANSWER)
    one.tick()
    one.stage.let_the_lease_end()
    one.stage.provider.script("observe", LOST_ANSWER)
    one.tick()
    for run in one.stage.store.live("pool", limit=3):
        one.stage.provider.finish(submission_name(run.id, 1))
    one.tick()
    one.stage.add(2, queue="critical")
    one.tick()
    kinds = {"Sum": MetricKind.COUNTER, "Gauge": MetricKind.GAUGE, "Histogram": MetricKind.HISTOGRAM}
    collected = one.metrics
    assert set(collected) == {metric.name for metric in METRICS}
    for metric in METRICS:
        collected_metric = collected[metric.name]
        assert (collected_metric.unit, collected_metric.description, kinds[type(collected_metric.data).__name__]) == (
            metric.unit,
            metric.description,
            metric.kind,
        )
        for point in collected_metric.data.data_points:
            assert tuple(point.attributes) == metric.attributes
            if metric.kind is MetricKind.HISTOGRAM:
                assert tuple(point.explicit_bounds) == metric.boundaries


def test_a_tick_is_a_trace_whose_steps_and_calls_are_where_they_were_in_time(sdk):
    one = sdk()
    one.stage.submissions_take(2)
    [run] = one.stage.add()
    one.tick()
    spans = one.spans
    tick, submit, call = (spans[f"dispatcher.{name}"] for name in ("tick", "submit", "call"))
    names = ("observe", "settle", "stop", "materialise", "claim", "expire", "submit", "call", "tidy", "tick")
    assert set(spans) == {f"dispatcher.{name}" for name in names}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert tick.parent is None
    assert call.parent.span_id == submit.context.span_id
    assert {span.parent.span_id for span in spans.values() if span not in (tick, call)} == {tick.context.span_id}
    begin, end = (at / 1e9 for at in (call.start_time, call.end_time))
    assert (begin, end) == ((NOW - EPOCH).total_seconds(), (NOW + 2 * SECOND - EPOCH).total_seconds())
    assert (tick.start_time, tick.end_time) == (call.start_time, call.end_time)
    assert tick.attributes == {
        "dispatcher.pool.name": "pool",
        "dispatcher.tick.claimed": 1,
        "dispatcher.tick.submitted": 1,
        "dispatcher.tick.calls_without_span": 0,
    }
    assert call.kind is SpanKind.CLIENT
    assert call.attributes == {
        "dispatcher.pool.name": "pool",
        "dispatcher.queue.name": "default",
        "dispatcher.answer": "Accepted",
        "dispatcher.run.id": str(run.id),
        "dispatcher.run.attempt": 1,
    }


def test_a_refusal_and_a_problem_are_errors_of_their_spans(sdk):
    one = sdk()
    one.stage.add(2)
    one.stage.provider.script("submit", Rejected(reason="no such image"))
    one.tick()
    refused = next(span for span in one.exporter.get_finished_spans() if span.attributes.get("error.type"))
    assert (refused.name, refused.attributes["error.type"]) == ("dispatcher.call", "Rejected")
    assert (refused.status.status_code, refused.status.description) == (StatusCode.ERROR, "no such image")
    assert one.spans["dispatcher.tick"].status.status_code is StatusCode.UNSET
    one.stage.provider.script("observe", LOST_ANSWER)
    one.tick()
    assert one.spans["dispatcher.tick"].status.status_code is StatusCode.ERROR


def test_the_spans_of_one_tick_are_bounded_and_the_rest_is_counted(sdk):
    one = sdk()
    one.stage.add(MAX_CALLS + 5)
    one.tick()
    calls = [span for span in one.exporter.get_finished_spans() if span.name == "dispatcher.call"]
    assert len(calls) == MAX_CALLS
    assert one.spans["dispatcher.tick"].attributes["dispatcher.tick.calls_without_span"] == 5
    one.tick()
    assert one.spans["dispatcher.tick"].attributes["dispatcher.tick.calls_without_span"] == 0


def test_an_instance_that_no_longer_ticks_a_pool_stops_reporting_its_last_values(sdk):
    one = sdk(a_pool("one"), a_pool("two"))
    one.tick()
    assert one.points["dispatcher.pool.slot.usage"] == {("one",): 0, ("two",): 0}
    one.tick(pools=["two"])
    points = one.points
    assert points["dispatcher.pool.slot.usage"] == {("two",): 0}
    assert points["dispatcher.tick.duration"] == {("one",): (1, 0.0), ("two",): (2, 0.0)}
    assert "dispatcher.pool.slot.usage" not in one.points
