"""What is measured, and how each event gives it. Names and units follow OpenTelemetry's semantic conventions.

https://opentelemetry.io/docs/specs/semconv/general/naming/ and https://opentelemetry.io/docs/specs/semconv/general/metrics/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dispatcher.models import TERMINAL_STATES

POOL, QUEUE = "dispatcher.pool.name", "dispatcher.queue.name"
BARRIER, ANSWER, STATE = "dispatcher.barrier", "dispatcher.answer", "dispatcher.run.state"
"""Attributes. Their values are the names of pools and queues, and words of this product: no run is among them."""

Fields = Mapping[str, Any]


class MetricKind(Enum):
    """How measurements of one metric come together."""

    COUNTER = "counter"
    """The values are added up."""
    GAUGE = "gauge"
    """The last value counts. Values of several instances of a function must not be added: they see the same pool."""
    HISTOGRAM = "histogram"
    """The values are counted by size, in buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    kind: MetricKind
    unit: str
    """In UCUM: `s`, or what is counted in braces."""
    attributes: tuple[str, ...]
    description: str
    boundaries: tuple[float, ...] = ()
    """Of a histogram's buckets."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric; `attributes` are in the metric's order."""

    metric: Metric
    value: float
    attributes: tuple[str, ...]

    @property
    def named(self) -> dict[str, str]:
        """The attributes by name."""
        return dict(zip(self.metric.attributes, self.attributes, strict=True))


CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
WAIT_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 86_400.0)


def _counter(name: str, unit: str, attributes: tuple[str, ...], description: str) -> Metric:
    return Metric(name=name, kind=MetricKind.COUNTER, unit=unit, attributes=attributes, description=description)


def _gauge(name: str, unit: str, attributes: tuple[str, ...], description: str) -> Metric:
    return Metric(name=name, kind=MetricKind.GAUGE, unit=unit, attributes=attributes, description=description)


def _seconds(name: str, attributes: tuple[str, ...], boundaries: tuple[float, ...], description: str) -> Metric:
    return Metric(
        name=name, kind=MetricKind.HISTOGRAM, unit="s", attributes=attributes, boundaries=boundaries, description=description
    )


LANE = (POOL, QUEUE)

TICK = _seconds("dispatcher.tick.duration", (POOL,), CALL_SECONDS, "How long a tick of the pool took.")
PROBLEMS = _counter("dispatcher.tick.problems", "{problem}", (POOL,), "Ticks, or looks at live jobs, that were cut short.")
POOL_USAGE = _gauge("dispatcher.pool.slot.usage", "{slot}", (POOL,), "Slots in use, as the tick's last claim left them.")
POOL_LIMIT = _gauge("dispatcher.pool.slot.limit", "{slot}", (POOL,), "The pool's concurrency limit; not there without one.")
QUEUE_USAGE = _gauge("dispatcher.queue.slot.usage", "{slot}", LANE, "Slots in use by runs of the queue.")
QUEUE_LIMIT = _gauge("dispatcher.queue.slot.limit", "{slot}", LANE, "The queue's concurrency limit; not there without one.")
OLDEST = _gauge(
    "dispatcher.queue.oldest_wait", "s", LANE, "How long the first run that was left waiting is due; 0: none waits."
)
STOPS = _counter("dispatcher.queue.stops", "{tick}", (*LANE, BARRIER), "Ticks that left a due run waiting, by what stopped it.")
ADMISSIONS = _counter("dispatcher.run.admissions", "{run}", LANE, "Runs claimed.")
TAKEOVERS = _counter("dispatcher.run.takeovers", "{run}", LANE, "Claims taken over from an invocation that left no outcome.")
WAIT = _seconds("dispatcher.run.wait_time", LANE, WAIT_SECONDS, "From due to claim.")
SUBMISSION = _seconds("dispatcher.run.submission_time", LANE, CALL_SECONDS, "From claim to acceptance by the provider.")
CALL = _seconds("dispatcher.call.duration", (POOL, ANSWER), CALL_SECONDS, "The call that submits, or looks up, one run.")
ANSWERS = _counter("dispatcher.run.answers", "{run}", (*LANE, ANSWER), "What became of claims, by kind.")
ENDED = _counter("dispatcher.run.ended", "{run}", (*LANE, STATE), "Runs that ended, by state.")

METRICS = (
    TICK,
    PROBLEMS,
    POOL_USAGE,
    POOL_LIMIT,
    QUEUE_USAGE,
    QUEUE_LIMIT,
    OLDEST,
    STOPS,
    ADMISSIONS,
    TAKEOVERS,
    WAIT,
    SUBMISSION,
    CALL,
    ANSWERS,
    ENDED,
)
"""All metrics."""


def measured(event: str, fields: Fields) -> Iterable[Measurement]:
    """The measurements of one event."""
    reader = _READERS.get(event)
    return reader(fields) if reader else ()


def _tick(fields: Fields) -> Iterator[Measurement]:
    pool, queues = fields["pool"], fields["queues"]
    yield Measurement(TICK, fields["seconds"], (pool,))
    if not queues:  # it was cut short before a claim saw any
        return
    yield Measurement(POOL_USAGE, sum(queue["in_use"] for queue in queues.values()), (pool,))
    if fields["limit"] is not None:
        yield Measurement(POOL_LIMIT, fields["limit"], (pool,))
    for name, queue in queues.items():
        yield from _queue((pool, name), queue, fields["barriers"].get(name))


def _queue(lane: tuple[str, str], queue: Fields, barrier: str | None) -> Iterator[Measurement]:
    yield Measurement(QUEUE_USAGE, queue["in_use"], lane)
    if queue["limit"] is not None:
        yield Measurement(QUEUE_LIMIT, queue["limit"], lane)
    if queue["waiting"] is not None:
        yield Measurement(OLDEST, queue["oldest_wait"], lane)
    if queue["waiting"] and barrier:
        yield Measurement(STOPS, 1, (*lane, barrier))


def _problem(fields: Fields) -> Iterator[Measurement]:
    yield Measurement(PROBLEMS, 1, (fields["pool"],))


def _admitted(fields: Fields) -> Iterator[Measurement]:
    yield Measurement(ADMISSIONS, 1, _lane(fields))
    yield Measurement(WAIT, fields["waited"], _lane(fields))


def _taken_over(fields: Fields) -> Iterator[Measurement]:
    yield Measurement(TAKEOVERS, 1, _lane(fields))


def _answered(fields: Fields) -> Iterator[Measurement]:
    answer = fields["answer"]
    yield Measurement(ANSWERS, 1, (*_lane(fields), answer))
    yield from _moved(fields)
    if "seconds" in fields:
        yield Measurement(CALL, fields["seconds"], (fields["pool"], answer))
    if "since_claim" in fields and answer == "Accepted":
        yield Measurement(SUBMISSION, fields["since_claim"], _lane(fields))


def _moved(fields: Fields) -> Iterator[Measurement]:
    if fields["to"] in TERMINAL_STATES:
        yield Measurement(ENDED, 1, (*_lane(fields), fields["to"]))


def _lane(fields: Fields) -> tuple[str, str]:
    return fields["pool"], fields["queue"]


_READERS: Mapping[str, Callable[[Fields], Iterable[Measurement]]] = {
    "tick.pool": _tick,
    "pool.problem": _problem,
    "run.admitted": _admitted,
    "run.taken_over": _taken_over,
    "run.answered": _answered,
    "run.moved": _moved,
}
