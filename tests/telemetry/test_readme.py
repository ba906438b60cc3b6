"""The page about telemetry lists what there is."""

from __future__ import annotations

import re
from pathlib import Path

from dispatcher import telemetry
from dispatcher.core.admission import Barrier
from dispatcher.core.reconciliation import Answer
from dispatcher.models import TERMINAL_STATES
from dispatcher.telemetry import cloudwatch
from dispatcher.telemetry.measurements import METRICS

PAGE = Path(str(telemetry.__file__)).with_name("README.md").read_text()
SHORT = {
    "dispatcher.pool.name": "pool",
    "dispatcher.queue.name": "queue",
    "dispatcher.barrier": "barrier",
    "dispatcher.answer": "answer",
    "dispatcher.run.state": "state",
}


def test_the_table_lists_every_metric_with_its_kind_unit_attributes_and_meaning():
    rows = re.findall(r"^\| `(dispatcher\.[a-z._]+)` \| (\w+) \| `(.+?)` \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (
            metric.name,
            metric.kind.value,
            metric.unit,
            ", ".join(SHORT[name] for name in metric.attributes),
            metric.description[0].lower() + metric.description[1:].rstrip("."),
        )
        for metric in METRICS
    ]


def test_every_value_that_an_attribute_may_have_is_documented():
    words = {*Barrier, *TERMINAL_STATES, *(answer.__name__ for answer in Answer.__args__), "RenderError"}
    assert {word for word in words if f"`{word}`" not in PAGE} == set()


def test_every_metric_of_cloudwatch_is_documented():
    named = {name for name, _ in (*cloudwatch.GAUGES.values(), *cloudwatch.DISTRIBUTIONS.values())}
    counted = {*cloudwatch.COUNTS.values(), *(state.capitalize() for state in TERMINAL_STATES)}
    assert {name for name in named | counted if f"`{name}`" not in PAGE} == set()
