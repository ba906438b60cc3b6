"""The only logging of the product: one structured event for each decision, as one line of JSON.

event              when                                  fields
tick.pool          one pool was ticked                   the report but for its outcomes: counts, queues, steps, problem
tick.idle          pools had nothing to do, all together  pools (their number), problem
run.admitted       a run was claimed                     run, pool, queue, attempt, fence, waited
run.taken_over     a claim was taken over                run, pool, queue, attempt, fence
run.answered       a submission was answered             run, pool, queue, attempt, answer, to, reason, and of a call that was
                                                         made: called_at, seconds, since_claim
run.moved          an observation moved a run            run, pool, queue, source, to, reason
run.stop           a job was asked to stop               run, pool, problem
deployment.materialised  windows of schedules became runs  pool, deployment, runs, left_out
hook.notified      a hook has confirmed a notification   run, pool, hook, notification
hook.failed        a hook has not confirmed it           run, pool, hook, problem
hook.given_up      ... for about a day                   run, pool, problem
automation.fired   an automation acted                   automation, pool, run (null: none ended), because, did, problem
windows.cut_short  no time was left for some windows     pool, left
pool.held          the provider refused                  pool, until, reason
pool.problem       a tick was cut short or failed in part  pool, problem
event.ignored      an event names a run, and is not about it  reason, and run where it is known
pool.not_invoked   fan-out could not start an invocation pool, problem
setting.unknown    a variable looks like a setting       warning; once for each instance of a function
input.warning      something saved has no effect         warning
invocation.refused  a request over HTTP was refused      status, problem
serve.began        `dispatcher serve` listens           url, every, metrics (whether there are any)
serve.tick_failed  a tick could not be made             problem
serve.ended        it was asked to stop                 ticks
telemetry.problem  metrics or traces were not sent       consumer, problem; once for each consumer

`source` and `to` are states; `to` is null where somebody else has moved the run on. Seconds: `waited` from due to claim,
`since_claim` from the claim to the end of the call, `seconds` the call itself.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

LOGGER = logging.getLogger("dispatcher")


class Events(Protocol):
    """Where events go."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Take note of one event."""
        ...


def log_event(event: str, /, **fields: Any) -> None:
    """Write an event to the `dispatcher` logger as one line of JSON with sorted keys."""
    if LOGGER.isEnabledFor(logging.INFO):
        line = _ENCODER.encode({"event": event, **fields})
        LOGGER.handle(
            LOGGER.makeRecord(LOGGER.name, logging.INFO, __file__, 0, line, (), None)
        )  # the place in the code does not matter


def _plain(value: Any) -> str:
    """Values that JSON does not have: times as ISO 8601, ids as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"an event has a field of {type(value).__name__}, which has no place in JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, default=_plain)
