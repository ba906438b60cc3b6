"""Telemetry harms no tick: not by what it raises, and not by what it waits for."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import contextmanager
from threading import Event

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from dispatcher.telemetry import Telemetry
from dispatcher.wiring import wire
from tests.telemetry.collector import collecting
from tests.telemetry.stage import Watched

PATIENCE = 30.0
"""Seconds after which something has hung, however busy the machine."""


class Consumer:
    """Does with events what the test asks for."""

    def __init__(self, on_event=None, on_flush=None):
        self.on_event, self.on_flush = on_event, on_flush
        self.flushes = 0

    def __call__(self, event, fields):
        if self.on_event:
            raise self.on_event

    def flush(self):
        self.flushes += 1
        if self.on_flush:
            self.on_flush()

    def close(self):
        pass


def problems(stage):
    return [fields for event, fields in stage.logged("telemetry.problem")]


def test_an_error_of_a_consumer_is_reported_once_and_affects_no_tick_or_other_consumer():
    heard = []
    good = Consumer()
    good.on_flush = lambda: heard.append("flushed")
    stage = Watched(bad=lambda _: Consumer(on_event=KeyError("nonsense"), on_flush=lambda: 1 / 0), good=lambda _: good)
    stage.add(3)
    assert stage.tick_pool().submitted == 3
    stage.telemetry.flush(PATIENCE)
    assert problems(stage) == [{"consumer": "bad", "problem": "KeyError: 'nonsense'"}]
    assert heard == ["flushed"]


def test_a_consumer_may_say_what_is_wrong_by_itself_once():
    said = []
    Watched(one=lambda say: said.append(say) or Consumer())
    stage = Watched(one=lambda say: said.append(say) or Consumer())
    said[1]("no answer")
    said[1]("no answer again")
    assert problems(stage) == [{"consumer": "one", "problem": "no answer"}]


def test_a_flush_that_hangs_holds_up_one_invocation_for_its_bound_and_the_next_not_at_all():
    answered, done = Event(), Event()
    one = Consumer(on_flush=lambda: answered.wait(PATIENCE) and done.set())
    stage = Watched(one=lambda _: one)
    stage.telemetry.flush(0.01)
    assert problems(stage)[0]["problem"].startswith("not sent within 0.01 s")
    began = time.monotonic()
    stage.telemetry.flush(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2, "it was not waited for again"
    assert one.flushes == 1
    answered.set()
    assert done.wait(PATIENCE)
    while one.flushes < 2:  # the first thread may take a moment to end
        stage.telemetry.flush(PATIENCE)


@pytest.fixture
def collector():
    with collecting() as server:
        yield server


@contextmanager
def wired(monkeypatch, settings=None, **environment):
    """A wiring with OpenTelemetry, and what its log says."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    log = []
    values = {"telemetry": ("opentelemetry",), "telemetry_seconds": PATIENCE, **(settings or {})}
    made = wire(Settings(store="memory://", **values), events=lambda event, **fields: log.append((event, fields)))
    try:
        yield made, log
    finally:
        made.telemetry.close()


def a_tick(made):
    made.dispatch.events("run.admitted", run=made.dispatch.clock.new_id(), pool="pool", queue="default", waited=2.5)
    now = made.dispatch.clock.now().isoformat()
    queue = {"in_use": 1, "limit": None, "waiting": False, "oldest_wait": 0.0}
    report = {"began_at": now, "seconds": 0.5, "steps": [], "limit": None, "barriers": {}, "problem": ""}
    made.dispatch.events("tick.pool", pool="pool", queues={"default": queue}, **report)


def test_metrics_and_traces_go_over_the_wire_as_otel_variables_say(collector, monkeypatch):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-team=data",
        "OTEL_SERVICE_NAME": "nightly",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
    }
    with wired(monkeypatch, **environment) as (made, log):
        a_tick(made)
        made.rest(PATIENCE)
        assert [event for event, _ in log] == ["run.admitted", "tick.pool"]
    posts = {path: (headers, message) for path, headers, message in collector.posted}
    assert set(posts) == {"/v1/metrics", "/v1/traces"}
    headers, message = posts["/v1/metrics"]
    assert (headers["Content-Type"], headers["x-team"]) == ("application/x-protobuf", "data")
    [sent] = message.resource_metrics
    resource = {attribute.key: attribute.value.string_value for attribute in sent.resource.attributes}
    expected = {"service.name": "nightly", "deployment.environment": "test", "faas.name": "function"}
    assert resource.items() >= expected.items()
    assert resource["service.instance.id"]
    [waited] = collector.metrics["dispatcher.run.wait_time"].histogram.data_points
    assert (waited.count, waited.sum) == (1, 2.5)
    [usage] = collector.metrics["dispatcher.pool.slot.usage"].gauge.data_points
    assert (usage.as_int, usage.attributes[0].value.string_value) == (1, "pool")
    assert collector.spans == {"dispatcher.tick"}


def test_each_flush_sends_what_is_new(collector, monkeypatch):
    with wired(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as (made, _):
        for _ in range(2):
            a_tick(made)
            made.rest(PATIENCE)
        made.rest(PATIENCE)
    assert [path for path, _, _ in collector.posted].count("/v1/traces") == 2


@pytest.mark.parametrize(("signal", "path"), [("TRACES", "/v1/metrics"), ("METRICS", "/v1/traces")])
def test_either_signal_can_be_left_out(signal, path, collector, monkeypatch):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, f"OTEL_{signal}_EXPORTER": "none"}
    with wired(monkeypatch, **environment) as (made, _):
        a_tick(made)
        made.rest(PATIENCE)
    assert [posted for posted, _, _ in collector.posted] == [path]


def test_a_disabled_sdk_sends_nothing(collector, monkeypatch):
    with wired(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SDK_DISABLED="true") as (made, log):
        a_tick(made)
        made.rest(PATIENCE)
        assert [event for event, _ in log] == ["run.admitted", "tick.pool"]
    assert collector.posted == []


@pytest.fixture
def silent_server():
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_collector_that_never_answers_holds_an_invocation_no_longer_than_its_bound(silent_server, monkeypatch):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": silent_server, "OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    with wired(monkeypatch, {"telemetry_seconds": 0.2}, **environment) as (made, log):
        for _ in range(3):
            began = time.monotonic()
            a_tick(made)
            made.rest(seconds_left=PATIENCE)
            assert time.monotonic() - began < PATIENCE
        assert [fields["problem"][:21] for event, fields in log if event == "telemetry.problem"] == ["not sent within 0.2 s"]


def test_telemetry_waits_no_longer_than_the_platform_leaves():
    waited = []

    class Measuring(Telemetry):
        def flush(self, seconds):
            waited.append(seconds)

    made = wire(Settings(store="memory://", telemetry_seconds=3.0))
    made.telemetry = Measuring(made.dispatch.events, {})
    for left in (60.0, 2.5, 1.0, 0.0):
        made.rest(left)
    made.close()
    assert waited == [3.0, 1.5, 0.0, 0.0, 3.0]


def test_a_missing_collector_is_reported_once_and_in_no_other_log(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": nobody, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with wired(monkeypatch, **environment) as (made, log):
        for _ in range(2):
            a_tick(made)
            made.rest(PATIENCE)
        [problem] = [fields for event, fields in log if event == "telemetry.problem"]
        assert problem["consumer"] == "opentelemetry"
        assert "metrics" in problem["problem"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER: must be otlp or none"),
        ("OTEL_METRICS_EXPORTER", "console", "OTEL_METRICS_EXPORTER: must be otlp or none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "opentelemetry cannot use its OTEL_ variables: "),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused_when_the_function_starts(variable, value, says, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=says):
        wire(Settings(store="memory://", telemetry=("opentelemetry",)))


def test_a_missing_extra_is_reported_with_the_line_that_adds_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    monkeypatch.delitem(sys.modules, "dispatcher.telemetry.open_telemetry", raising=False)
    with pytest.raises(SettingsError, match=r"^DISPATCHER_TELEMETRY: .* pip install 'push-dispatcher\[telemetry\]'"):
        wire(Settings(store="memory://", telemetry=("opentelemetry",)))


def test_cloudwatch_is_for_lambda_alone(capsys):
    settings = Settings(store="memory://", telemetry=("cloudwatch",))
    assert wire(settings).telemetry is None
    made = wire(settings, function="function", events=lambda *_, **__: None)
    a_tick(made)
    assert '"FunctionName":"function"' in capsys.readouterr().out


def test_a_tick_reads_the_heads_of_its_queues_only_where_telemetry_reports_them():
    settings = Settings(store="memory://")
    assert wire(settings).dispatch.limits.heads == 0
    assert wire(Settings(store="memory://", telemetry=("cloudwatch",)), function="function").dispatch.limits.heads == 100
