"""Work on all runs that match a filter: the caller requests one step after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.bulk import STEP, Work
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.web.api.documents import ASK, body_of, documented
from dispatcher.web.api.requests import Body, Client, JsonAnswer, answer, time_in
from dispatcher.web.cursors import refused

TEXTS = ("pool", "queue", "deployment", "tag", "name", "since", "until")
FIELDS = frozenset({"action", "filter", "queue", "as_of", "id", "cursor", "limit", "dry_run"})

router = APIRouter()


@router.post(
    "/runs/bulk", operation_id="work_on_runs", responses=documented(ASK, "BulkStep"), openapi_extra=body_of("BulkRequest")
)
def work_on_runs(client: Client, body: Body) -> JsonAnswer:
    """Cancel, retry, move or start all runs that match a filter: one step of at most 200 runs, the newest first.

    Send the answer's `next` as the body of the following step, until it is null. Nothing works between two requests; stop
    after any of them, or repeat it: no run is done twice. Runs that are created after `as_of` (the time of the first step) are
    left alone. `dry_run` counts the runs that match, and changes nothing; unless `matching.exact`, send `next` to count on.
    """
    work, cursor = _work(client, body), _text(body, "cursor")
    if _flag(body, "dry_run"):
        with refused():
            count = client.bulk_count(work, cursor)
        counted = {"matching": shapes.matching(count), "step": None}
        return answer({**_shape(work), **counted, "next": _following(body, work, count.cursor)})
    with refused():
        step = client.bulk_step(work, cursor, limit=_limit(body))
    done = {"matching": None, "step": shapes.bulk_step(step)}
    return answer({**_shape(work), **done, "next": _following(body, work, step.cursor)})


def _following(body: Mapping[str, Any], work: Work, cursor: str | None) -> dict[str, Any] | None:
    """The body of the next step."""
    return {**body, "as_of": work.as_of.isoformat(), "id": str(work.id), "cursor": cursor} if cursor else None


def _work(client: Dispatcher, body: Mapping[str, Any]) -> Work:
    """The work that a body describes. Raises `InvalidInput` with every fault."""
    faults = [
        Fault(name, f"is not a field here; the fields are {', '.join(sorted(FIELDS))}") for name in body if name not in FIELDS
    ]
    if faults:
        raise InvalidInput("body", faults)
    queue = body.get("queue")
    if queue is not None and not isinstance(queue, str):
        raise InvalidInput("body", [Fault("queue", "must be a text")])
    return client.bulk(
        _text(body, "action"),
        run_filter_in(body.get("filter", {})),
        queue=queue,
        as_of=time_in(_text(body, "as_of"), "as_of"),
        id=_id(_text(body, "id")),
    )


def run_filter_in(value: Any) -> RunFilter:
    """The filter in a body, with the names of the query of `GET /runs`. Raises `InvalidInput`."""
    if not isinstance(value, dict):
        raise InvalidInput("body", [Fault("filter", "must be an object")])
    names = (*TEXTS, "state")
    faults = [Fault(f"filter.{name}", f"is not part of a filter: {', '.join(names)}") for name in value if name not in names]
    faults += [Fault(f"filter.{name}", "must be a text") for name in TEXTS if not isinstance(value.get(name, ""), str)]
    states = value.get("state", [])
    if not isinstance(states, list) or not all(isinstance(state, str) and state in set(RunState) for state in states):
        faults.append(Fault("filter.state", f"must be a list of {', '.join(RunState)}"))
    if faults:
        raise InvalidInput("body", faults)
    texts = {name: value.get(name) or None for name in TEXTS[:5]}
    since, until = (time_in(value.get(name, ""), f"filter.{name}") for name in ("since", "until"))
    return RunFilter(states=frozenset(map(RunState, states)) or None, since=since, until=until, **texts)


def _shape(work: Work) -> dict[str, Any]:
    return {"action": str(work.action), "id": str(work.id), "as_of": shapes.time(work.as_of)}


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("body", [Fault(name, f"must be a text, not {value!r}")])
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput("body", [Fault(name, "must be true or false")])
    return value


def _limit(body: Mapping[str, Any]) -> int:
    limit = body.get("limit", STEP)
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise InvalidInput("body", [Fault("limit", "must be a whole number")])
    return limit


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidInput("body", [Fault("id", f"{text!r} is not an id")]) from None
