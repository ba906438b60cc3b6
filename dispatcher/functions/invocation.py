"""What an invocation may ask for, whatever platform starts it.

    {}  or a scheduled event                     tick every pool (with fan-out: each busy one by itself)
    {"pool": "name"}                             tick one pool
    {"create_run": {...}}                        create a run (the arguments of `Dispatcher.create_run`) and
                                                 submit what is due in its pool
    an "ECS Task State Change" event             settle one run; when it ended, admit the next of its pool
    an entry of Google's audit log about a job   ask about that one job, and go on in the same way

Anything else is refused with `InvalidInput`, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from dispatcher.core.placeholders import nests_too_deep
from dispatcher.core.run_shape import run_shape
from dispatcher.errors import Fault, InvalidInput, NotFound, SettingsError
from dispatcher.functions.fan_out import Start, fan_out
from dispatcher.ticking import admit_next, tick
from dispatcher.ticking.report import TickReport
from dispatcher.wiring import Wiring
from providers.registry import events_of

MAX_LEVELS = 100
"""The deepest nesting of an event: job variables may nest 64 deep, and stand three levels below it."""
SCHEDULED = frozenset({"Scheduled Event", "Scheduled Tick"})


def invoke(
    wiring: Wiring,
    event: Mapping[str, Any] | None,
    *,
    seconds_left: float | None = None,
    start: Start | None = None,
    function: str = "",
) -> dict[str, Any]:
    """Do what `event` asks for and answer with a JSON object.

    `seconds_left` is what the platform gives this invocation; the tick stops submitting a margin before that. `start`, where
    there is one, gives pools invocations of their own (`dispatcher.functions.fan_out`). `function` is the ARN of the function,
    where it is one of AWS: events of tasks are taken from its account and region. Raises
    `InvalidInput` or `NotFound` for a request that cannot be met, `SettingsError` when the platform's limit leaves no time at
    all, `StoreError` when the store fails.
    """
    request = {} if event is None else event
    deadline = _deadline(wiring, seconds_left)
    if not isinstance(request, Mapping):
        raise InvalidInput("event", [Fault("", f"must be an object, not {type(request).__name__}; {_EVENTS}")])
    if nests_too_deep(request, MAX_LEVELS):
        raise InvalidInput("event", [Fault("", f"nests more than {MAX_LEVELS} levels deep; {_EVENTS}")])
    if events := events_of(request):
        from dispatcher.functions.task_events import settle_job_event  # noqa: PLC0415 - only where such events come

        return settle_job_event(wiring, events, request, deadline, function)
    if request.keys() == {"create_run"}:
        return _create_run(wiring, request["create_run"], deadline)
    if request.keys() == {"pool"}:
        return _tick_pool(wiring, request["pool"], deadline)
    if not request or _is_scheduled(request):
        return fan_out(wiring.dispatch, deadline, start) if start else asdict(tick(wiring.dispatch, deadline))
    raise InvalidInput("event", [Fault("", f"not understood (keys: {', '.join(sorted(map(str, request))[:10])}); {_EVENTS}")])


_EVENTS = (
    'send {} or a scheduled event to tick every pool, {"pool": NAME}, {"create_run": {...}}, '
    'an event of the detail-type "ECS Task State Change", or an entry of Google\'s audit log about a Cloud Run job'
)


def _is_scheduled(event: Mapping[str, Any]) -> bool:
    kind = event.get("detail-type")
    return isinstance(kind, str) and kind in SCHEDULED


def _deadline(wiring: Wiring, seconds_left: float | None) -> datetime:
    seconds, margin = wiring.settings.tick_seconds, wiring.settings.margin_seconds
    if seconds_left is not None and seconds_left <= margin:
        raise SettingsError(
            f"DISPATCHER_MARGIN_SECONDS: {margin:g} leaves no time for a tick (the platform gives {seconds_left:.0f} s): "
            "raise the function's time limit, to 60 s or more"
        )
    if seconds_left is not None:
        seconds = min(seconds, seconds_left - margin)
    return wiring.dispatch.clock.now() + timedelta(seconds=seconds)


def _tick_pool(wiring: Wiring, name: Any, deadline: datetime) -> dict[str, Any]:
    if not isinstance(name, str) or wiring.store.pool(name) is None:
        raise NotFound(f"pool: work pool {name!r} does not exist")
    return asdict(tick(wiring.dispatch, deadline, pools=[name]))


def _create_run(wiring: Wiring, arguments: Any, deadline: datetime) -> dict[str, Any]:
    """Create a run, then claim and submit what is due in its pool. What is live is not observed: that is for the next tick."""
    report = TickReport(wiring.dispatch.clock.now().isoformat())
    from dispatcher.client.requests import run_request  # noqa: PLC0415 - a tick must not load the client

    run = wiring.client.create_run(run_request(arguments, "create_run"))
    report.pools.append(admit_next(wiring.dispatch, run.pool, deadline))
    return {"run": run_shape(wiring.store.get(run.id) or run), **asdict(report)}
