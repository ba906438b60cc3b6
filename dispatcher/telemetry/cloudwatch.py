"""Metrics for CloudWatch without a call: lines of the function's log in its Embedded Metric Format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

One line for each pool and tick, of one dimension set: `FunctionName` and `Pool`. Queues are in the line as a plain member,
`Queues`, for Logs Insights: as a dimension, each queue would add a set of metrics, and each metric is billed. For the same
reason a count is there only where it is not 0; CloudWatch begins to bill a metric when it first comes.

The lines go to standard output and not through the logger, whose prefix, or JSON around it, CloudWatch does not look into.
No line holds the name of an event, so that a metric filter on events does not count it.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dispatcher.environment.clock import Clock
from dispatcher.telemetry.measurements import (
    ADMISSIONS,
    ANSWERS,
    CALL,
    ENDED,
    OLDEST,
    POOL,
    POOL_LIMIT,
    POOL_USAGE,
    PROBLEMS,
    STOPS,
    SUBMISSION,
    TAKEOVERS,
    TICK,
    WAIT,
    Measurement,
    Metric,
    measured,
)

NAMESPACE = "PushDispatcher"
MAX_VALUES = 100
"""Numbers that one metric of a line may hold."""
MAX_QUEUES = 100
"""Queues in one line; a line may have 256 KB."""

Write = Callable[[str], None]

GAUGES: Mapping[Metric, tuple[str, str]] = {
    POOL_USAGE: ("SlotsInUse", "Count"),
    POOL_LIMIT: ("SlotLimit", "Count"),
    OLDEST: ("OldestWait", "Seconds"),
}
"""By metric: its name and unit in CloudWatch. The largest of a tick's values counts."""
DISTRIBUTIONS: Mapping[Metric, tuple[str, str]] = {
    TICK: ("TickDuration", "Seconds"),
    WAIT: ("WaitTime", "Seconds"),
    SUBMISSION: ("SubmissionTime", "Seconds"),
    CALL: ("CallDuration", "Seconds"),
}
COUNTS: Mapping[Metric, str] = {PROBLEMS: "Problems", ADMISSIONS: "Admitted", TAKEOVERS: "TakenOver"}
WORDED: Mapping[Metric, str] = {ANSWERS: "", ENDED: "", STOPS: "Waiting"}
"""Counts that are a metric for each value of their last attribute: `Accepted`, `Completed`, `WaitingPoolFull`."""


class CloudWatch:
    """Gathers what one tick of a pool measures, and writes it when the tick is over."""

    def __init__(self, function: str, clock: Clock, write: Write | None = None) -> None:
        self._function, self._clock = function, clock
        self._write = write or _to_standard_output
        self._values: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Record one event."""
        for measurement in measured(event, fields):
            if named := _named(measurement):
                self._values[measurement.named[POOL]][named].append(measurement.value)
        if event == "tick.pool":
            self._write(self._line(fields))

    def flush(self) -> None:
        """Do nothing: a line is written when its tick is over."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _line(self, fields: Mapping[str, Any]) -> str:
        gathered = self._values.pop(fields["pool"])
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["FunctionName", "Pool"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, unit in gathered],
        }
        document = {
            "_aws": {"Timestamp": int(self._clock.now().timestamp() * 1000), "CloudWatchMetrics": [directive]},
            "FunctionName": self._function,
            "Pool": _ascii(fields["pool"]),
            **{named[0]: _together(named, values) for named, values in gathered.items()},
            "Queues": _queues(fields),
        }
        return json.dumps(document, separators=(",", ":"))


def _named(measurement: Measurement) -> tuple[str, str] | None:
    """A measurement's name and unit in CloudWatch; None for a measurement of one queue."""
    metric = measurement.metric
    if metric in WORDED:
        return WORDED[metric] + _camel(measurement.attributes[-1]), "Count"
    if metric in COUNTS:
        return COUNTS[metric], "Count"
    return GAUGES.get(metric) or DISTRIBUTIONS.get(metric)


def _together(named: tuple[str, str], values: Sequence[float]) -> float | list[float]:
    if named in GAUGES.values():
        return max(values)
    if named in DISTRIBUTIONS.values():
        return values[0] if len(values) == 1 else spread(values)
    return sum(values)


def spread(values: Sequence[float]) -> list[float]:
    """The values. Of more than `MAX_VALUES`, that many, evenly spread from the smallest to the largest."""
    if len(values) <= MAX_VALUES:
        return list(values)
    ordered = sorted(values)
    return [ordered[round(place * (len(ordered) - 1) / (MAX_VALUES - 1))] for place in range(MAX_VALUES)]


def _queues(fields: Mapping[str, Any]) -> dict[str, Any]:
    first = list(fields["queues"].items())[:MAX_QUEUES]
    return {name: {**queue, "barrier": fields["barriers"].get(name)} for name, queue in first}


def _camel(word: str) -> str:
    """`POOL_FULL` and `NotSubmitted` as `PoolFull` and `NotSubmitted`."""
    return "".join(part.capitalize() for part in word.split("_")) if word.isupper() else word


def _ascii(name: str) -> str:
    """A dimension's value as CloudWatch takes it: ASCII, and not over 1024 characters."""
    return name.encode("ascii", "backslashreplace").decode()[:1024]


def _to_standard_output(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
