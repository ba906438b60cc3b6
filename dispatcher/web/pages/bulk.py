"""Work on all runs that match a filter: the count at first, then the progress step by step.

The page requests each step: by script, or by a click if scripts are off. Leaving the page ends the work between two steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from dispatcher.client.arguments import utc
from dispatcher.client.bulk import BulkAction, BulkStep, Work
from dispatcher.client.bulk_words import in_words
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import RunState
from dispatcher.models.records import SEARCHED_AT_ONCE, RunFilter
from dispatcher.web.cursors import refused
from dispatcher.web.pages.runs import filter_in
from dispatcher.web.pages.visit import Visit

EXAMPLES = 3
NAMED = 10
"""The most refused runs that a step names."""
TEXTS = ("pool", "queue", "deployment", "tag", "name")
VERBS: Mapping[BulkAction, tuple[str, str]] = {
    BulkAction.CANCEL: (
        "Cancel",
        "Waiting runs are cancelled at once. The jobs of the others are stopped, and keep their slots until then.",
    ),
    BulkAction.RETRY: ("Retry", "Each gets a new run, due at once. A run that was retried before is passed over."),
    BulkAction.MOVE: (
        "Move",
        "They wait in the other queue, each with the priority that it has.",
    ),
    BulkAction.START_NOW: ("Start now", "They are due at once. Limits still hold."),
}


def confirm(visit: Visit) -> Response:
    """The number of runs that match the address, before anything is done. Raises `InvalidInput`.

    It is counted in steps: until the last one, the page asks for the next (`counted`) and offers nothing else.
    """
    if visit.query("priority"):
        words = "a change of many runs keeps their priorities; change the priority of a run on its page"
        raise InvalidInput("runs", [Fault("priority", words)])
    if visit.query("reason"):
        raise InvalidInput(
            "runs", [Fault("reason", "a reason cannot select all runs that match: leave it out, or tick runs in the list")]
        )
    work = _work_in_address(visit)
    with refused():
        count = visit.client.bulk_count(work, visit.query("counted"))
    examples = visit.client.store.search(work.where, limit=EXAMPLES, most=SEARCHED_AT_ONCE).runs
    return _page(visit, work, {"total": count.total, "done": 0, "skipped": 0, "refused": 0}, count=count, examples=examples)


def _work_in_address(visit: Visit) -> Work:
    """The work of the address: of this moment, or in later steps of its count of the first one's. Raises `InvalidInput`."""
    try:
        as_of = datetime.fromisoformat(visit.query("as_of")) if visit.query("as_of") else None
        identity = UUID(visit.query("id")) if visit.query("id") else None
    except ValueError as problem:
        raise InvalidInput("runs", [Fault("address", f"is not one of this page: {problem}")]) from None
    where = filter_in(visit.request.query_params, visit.client.clock.now())
    return visit.client.bulk(visit.query("action"), where, queue=visit.query("to") or None, as_of=as_of, id=identity)


def step(visit: Visit) -> Response:
    """Do one step, and show the progress."""
    work = _work(visit)
    with refused():
        made = visit.client.bulk_step(work, visit.sent("cursor"))
    numbers = {name: _number(visit.sent(name)) for name in ("total", "done", "skipped", "refused")}
    numbers["done"] += made.done
    numbers["skipped"] += made.skipped
    numbers["refused"] += len(made.refused)
    return _page(visit, work, numbers, made=made)


def _page(visit: Visit, work: Work, numbers: Mapping[str, int], made: BulkStep | None = None, **values: Any) -> Response:
    where = work.where
    fields = {name: getattr(where, name) or "" for name in TEXTS}
    times = {name: moment.isoformat() if (moment := getattr(where, name)) else "" for name in ("since", "until")}
    hidden = {**fields, **times, **numbers, "action": work.action, "to": work.queue or "", "as_of": work.as_of.isoformat()}
    verb, effect = VERBS[work.action]
    return visit.render(
        "bulk.html",
        work=work,
        verb=verb,
        effect=effect,
        words=in_words(where),
        numbers=numbers,
        gone=numbers["done"] + numbers["skipped"] + numbers["refused"],
        hidden={**hidden, "id": str(work.id), "cursor": made.cursor or "" if made else ""},
        states=sorted(where.states or ()),
        faults=made.refused[:NAMED] if made else (),
        is_begun=made is not None,
        is_over=made is not None and made.cursor is None,
        **{"count": None, "examples": (), **values},
    )


def _work(visit: Visit) -> Work:
    """The work that the form describes. Raises `InvalidInput`."""
    try:
        states = frozenset(map(RunState, visit.form.get("state", [])))
        since, until, as_of = (_time(visit, name) for name in ("since", "until", "as_of"))
        identity = UUID(visit.sent("id"))
    except ValueError as problem:
        raise InvalidInput("runs", [Fault("form", f"is not one of this page: {problem}")]) from None
    texts: dict[str, Any] = {name: visit.sent(name) or None for name in TEXTS}
    where = RunFilter(states=states or None, since=since, until=until, **texts)
    return visit.client.bulk(visit.sent("action"), where, queue=visit.sent("to") or None, as_of=as_of, id=identity)


def _time(visit: Visit, name: str) -> datetime | None:
    """Raises `ValueError`, or `InvalidInput` for a time without an offset."""
    text = visit.sent(name)
    return utc(datetime.fromisoformat(text), name) if text else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
