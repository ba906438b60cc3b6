"""Telemetry of a function: what an invocation writes and sends before it is frozen."""

from __future__ import annotations

import json

import pytest

from dispatcher.functions import aws_lambda
from tests.functions.conftest import only
from tests.telemetry.collector import collecting
from tests.telemetry.emf import check


@pytest.fixture
def collector(monkeypatch):
    with collecting() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        yield server


@pytest.fixture
def watched(function, monkeypatch):
    """The function with both kinds of telemetry, under its name."""
    monkeypatch.setenv("DISPATCHER_TELEMETRY", "cloudwatch,opentelemetry")
    monkeypatch.setenv("DISPATCHER_TELEMETRY_SECONDS", "30")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "nightly-dispatcher")
    yield function
    aws_lambda._wiring().telemetry.close()


def lines(capsys):
    return [check(line) for line in capsys.readouterr().out.splitlines()]


def test_an_invocation_writes_a_line_for_each_pool_and_sends_the_rest_before_it_answers(watched, collector, capsys):
    watched.people.create_work_pool("another", type="ecs:push", concurrency_limit=0)
    watched.create(3)
    watched.people.create_run(pool="another", job_variables={"image": "busybox"})
    assert watched()["pools"][0]["problem"] == ""
    documents = {document["Pool"]: document for document in lines(capsys)}
    assert set(documents) == {"batch", "another"}
    batch = documents["batch"]
    metrics = {"FunctionName": "nightly-dispatcher", "Admitted": 2, "Accepted": 2, "SlotsInUse": 2, "SlotLimit": 2}
    assert batch.items() >= {**metrics, "WaitingPoolFull": 1}.items()
    [answers] = collector.metrics["dispatcher.run.answers"].sum.data_points
    assert answers.as_int == 2
    assert collector.spans >= {"dispatcher.tick", "dispatcher.claim", "dispatcher.submit", "dispatcher.call"}


def test_an_end_that_comes_as_an_event_is_in_the_line_of_the_tick_that_it_brings(watched, aws, collector, capsys):
    watched.create(3)
    watched()
    capsys.readouterr()
    aws.finish(aws.jobs()[0].name)
    watched(only(aws.events(), "STOPPED")[0])
    [document] = lines(capsys)
    assert (document["Completed"], document["Admitted"], document["SlotsInUse"]) == (1, 1, 2)
    ends = collector.metrics["dispatcher.run.ended"].sum.data_points
    assert [attribute.value.string_value for attribute in ends[0].attributes] == ["batch", "default", "COMPLETED"]


def test_a_function_whose_collector_is_gone_dispatches_as_before(watched, monkeypatch, capsys):
    with collecting() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    watched.create(2)
    assert watched()["pools"][0]["submitted"] == 2
    assert len(lines(capsys)) == 1


def test_a_function_without_telemetry_settings_prints_no_telemetry(function, capsys):
    function.create()
    function()
    assert capsys.readouterr().out == ""
    assert json.dumps(aws_lambda._wiring().telemetry) == "null"
