"""What Google Cloud delivers to the function by itself, beside the schedule's requests: events about jobs.

    Pub/Sub     a push subscription sends the message in an envelope, its data in base64
    Eventarc    sends a CloudEvent: its attributes as headers, or as members of the body beside `data`

A delivery can settle a run by the audit log's word that its job changed (`dispatcher.functions.task_events`), and do nothing
else: a message that asks for a tick, or for a run, is ignored as an unknown one is. Whatever cannot be used is confirmed, with
a line of log: it would be no better the next time. Only what a later delivery may meet otherwise (a store that gives no answer)
is left to be sent again.
https://cloud.google.com/pubsub/docs/push  https://cloud.google.com/eventarc/docs/workflows/cloudevents
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.environment.events import log_event
from dispatcher.errors import Fault, InvalidInput
from dispatcher.functions.http_answers import event_of
from providers.registry import events_of

Invoke = Callable[[Any], dict[str, Any]]


def handled(headers: Mapping[str, str], body: bytes, invoke: Invoke) -> dict[str, Any]:
    """Call `invoke` with the event in a request's body and return its report. A delivery may only carry an event about a job.

    Raises what `invoke` raises, and `InvalidInput` for a request that is not a delivery.
    """
    if headers.get("ce-type") is None:
        event = event_of(body)
        if not _is_message(event) and not _is_structured(event):
            return invoke(event)
    try:
        return invoke(_of_a_job(event_of(body)))
    except InvalidInput as problem:
        log_event("event.ignored", reason=str(problem))
        return {"ignored": str(problem)}


def _of_a_job(event: Any) -> Mapping[str, Any]:
    """The event in the envelopes: Eventarc may deliver a message of Pub/Sub. Raises `InvalidInput` for any other."""
    if _is_structured(event):
        event = event["data"] if "data" in event else _decoded(event.get("data_base64"))
    if _is_message(event):
        event = _decoded(event["message"].get("data"))
    if not isinstance(event, Mapping) or events_of(event) is None:
        raise InvalidInput("delivery", [Fault("", "holds no event of a job")])
    return event


def _is_message(event: Any) -> bool:
    return isinstance(event, Mapping) and isinstance(event.get("message"), Mapping) and "subscription" in event


def _is_structured(event: Any) -> bool:
    return isinstance(event, Mapping) and "specversion" in event and "type" in event


def _decoded(data: Any) -> Any:
    try:
        return event_of(b64decode(data, validate=True))
    except (TypeError, ValueError) as problem:
        raise InvalidInput("delivery", [Fault("data", f"is not base64 ({problem})")]) from None
