"""Traces: one for each tick of a pool, made when the tick is over, from the times that its events carry.

dispatcher.tick
├─ dispatcher.observe, .settle, .stop, .materialise, .claim, .submit, .tidy      the steps of the report
└─ under .submit: dispatcher.call                                  each call that submits, or looks up, one run
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from dispatcher.telemetry.measurements import ANSWER, POOL, QUEUE

MAX_CALLS = 100
"""Calls of one tick that get a span; the tick's span counts the rest."""
GOOD = frozenset({"Accepted", "Absent", "NotSubmitted"})
"""The outcomes that do not mark a call's span as an error."""
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Fields = Mapping[str, Any]


class Spans:
    """Gathers the calls of a tick of a pool, and makes its trace when it is over."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._calls: dict[str, list[Fields]] = defaultdict(list)
        self._left_out: dict[str, int] = defaultdict(int)

    def __call__(self, event: str, fields: Fields) -> None:
        """Record one event."""
        if event == "run.answered" and "called_at" in fields:
            self._called(fields)
        elif event == "tick.pool":
            self._ticked(fields)

    def _called(self, fields: Fields) -> None:
        calls = self._calls[fields["pool"]]
        if len(calls) < MAX_CALLS:
            calls.append(fields)
        else:
            self._left_out[fields["pool"]] += 1

    def _ticked(self, fields: Fields) -> None:
        pool, began = fields["pool"], datetime.fromisoformat(fields["began_at"])
        tick = self._tracer.start_span("dispatcher.tick", start_time=_nanoseconds(began), attributes=_counts(fields))
        tick.set_attribute("dispatcher.tick.calls_without_span", self._left_out.pop(pool, 0))
        if fields["problem"]:
            tick.set_status(Status(StatusCode.ERROR, fields["problem"]))
        within = set_span_in_context(tick)
        submits = [self._step(step, began, within, pool) for step in fields["steps"]]
        for call in self._calls.pop(pool, ()):
            self._call(call, _around(submits, call["called_at"]) or within)
        tick.end(_nanoseconds(began + timedelta(seconds=fields["seconds"])))

    def _step(self, step: Fields, began: datetime, within: Context, pool: str) -> tuple[str, datetime, datetime, Context]:
        start = began + timedelta(seconds=step["after"])
        end = start + timedelta(seconds=step["seconds"])
        name = f"dispatcher.{step['step']}"
        span = self._tracer.start_span(name, within, start_time=_nanoseconds(start), attributes={POOL: pool})
        span.end(_nanoseconds(end))
        return step["step"], start, end, set_span_in_context(span)

    def _call(self, call: Fields, within: Context) -> None:
        start = call["called_at"]
        attributes = {POOL: call["pool"], QUEUE: call["queue"], ANSWER: call["answer"]}
        run = {"dispatcher.run.id": str(call["run"]), "dispatcher.run.attempt": call["attempt"]}
        span = self._tracer.start_span(
            "dispatcher.call", within, SpanKind.CLIENT, attributes | run, start_time=_nanoseconds(start)
        )
        if call["answer"] not in GOOD:
            _fail(span, call)
        span.end(_nanoseconds(start + timedelta(seconds=call["seconds"])))


def _fail(span: Span, call: Fields) -> None:
    span.set_attribute("error.type", call["answer"])
    span.set_status(Status(StatusCode.ERROR, call["reason"]))


def _around(steps: Sequence[tuple[str, datetime, datetime, Context]], at: datetime) -> Context | None:
    """The step of submission in which a call was made."""
    return next((within for step, start, end, within in steps if step == "submit" and start <= at <= end), None)


def _counts(fields: Fields) -> dict[str, str | int]:
    """The pool, and the counts of the report that are not 0."""
    counts = {name: value for name, value in fields.items() if type(value) is int and value and name != "limit"}
    return {POOL: fields["pool"], **{f"dispatcher.tick.{name}": value for name, value in counts.items()}}


def _nanoseconds(time: datetime) -> int:
    """Since 1970; by whole microseconds, which a float of seconds does not hold."""
    return (time - EPOCH) // timedelta(microseconds=1) * 1000
