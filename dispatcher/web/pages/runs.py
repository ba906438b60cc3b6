"""The list of runs (the address is the filter), and one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.logs import job_of, log_text
from dispatcher.client.secrets import hide, of_runs
from dispatcher.core.timeline import timeline
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import Run, RunState
from dispatcher.models.records import RunFilter
from dispatcher.web.cursors import runs_of, searched
from dispatcher.web.pages.fixes import fixes
from dispatcher.web.pages.spent import spent
from dispatcher.web.pages.visit import Visit, gone_to, selected
from dispatcher.web.pages.words import priority_in, url, when
from providers.base import ProviderError

PAGE = 50
MAX_SELECTED = 200
"""The most runs that may be ticked for one request. Work on all runs that match a filter has no such limit."""
LOG_LINES = 200
FILTERS = ("pool", "queue", "deployment", "tag", "name")
TIMES = ("since", "until")
OF_AN_INDEX = frozenset(map(frozenset, ((), ("pool",), ("pool", "queue"), ("deployment",))))
"""Filters, beside states and times, for which every store has an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """What a page shows of a job's logs."""

    text: str
    is_followed: bool
    """Whether more lines may come, so that the page must ask again."""


def runs(visit: Visit) -> Response:
    """The newest runs that match the address. With a reason, only runs whose recorded reason contains its words, among the
    newest.
    """
    query = visit.request.query_params
    live = url("live", of="runs", **_kept(query)) if is_live(query) else None
    return visit.render("runs.html", states=list(RunState), live=live, here=_here(visit), **listing(visit.client, query))


def listing(client: Dispatcher, query: QueryParams) -> Mapping[str, Any]:
    """The live part of the list: one page of runs. Raises `InvalidInput`, or `Refused` for a wrong cursor."""
    now, reason, cursor = client.clock.now(), _reason_in(query), query.get("cursor", "")
    where = filter_in(query, now)
    values: dict[str, Any] = {"reason": reason, "searched": None, "searched_to": None, "now": now}
    if reason:
        part = searched(client, where, reason, cursor, PAGE)
        values |= {"runs": part.items, "next": part.next, "searched": part.searched}
    else:
        page = runs_of(client, where, cursor, PAGE)
        values |= {"runs": page.items, "next": page.next, "searched_to": page.searched_to}
    filters = {name: getattr(where, name) or "" for name in FILTERS} | {name: query.get(name, "") for name in TIMES}
    return values | {"filters": filters, "chosen": sorted(where.states or ()), "late_after": client.heartbeat}


def is_live(query: QueryParams) -> bool:
    """Whether every store has an index of the list. Other lists are searched: too much for every second."""
    return not _reason_in(query) and frozenset(name for name in FILTERS if query.get(name)) in OF_AN_INDEX


def live_query(query: QueryParams) -> str:
    """The query of the list alone, the same for all pages that show the same part of it."""
    return urlencode(_kept(query), doseq=True)


def act(visit: Visit) -> Response:
    """Cancel, retry, move or start the ticked runs, one after the other. Refused ones are listed with the reason."""
    action, done, refused = visit.sent("action"), list[Run](), list[Fault]()
    with visit.client.starting_ticks_once() as client:
        step = _step(client, visit, action)
        for reference in selected(visit, "run", MAX_SELECTED):
            try:
                done.append(step(reference))
            except (Conflict, InvalidInput, NotFound) as problem:
                refused.append(Fault(reference, str(problem)))
    queue = visit.sent("to") if action == "move" else ""
    return visit.render("acted.html", action=action, queue=queue, done=done, refused=refused, here=_here(visit))


def run(visit: Visit) -> Response:
    """One run: why it is in its state, and what happened to it."""
    record = visit.client.run(visit.path("run"))
    secrets = of_runs(visit.client.store, [record])
    whole = hide(secrets, shapes.whole_run(record))
    logs = _logs(visit, record, secrets) if visit.query("logs") else None
    return visit.render("run.html", **circumstances(visit.client, record), shape=whole, logs=logs)


def circumstances(client: Dispatcher, record: Run) -> Mapping[str, Any]:
    """The live part of a run's page: why the run is in its state, what can be done about it, and what has happened."""
    explanation, pool = client.explain(record.id), client.store.pool(record.pool)
    entries = timeline(record)
    return {
        "run": record,
        "explanation": explanation,
        "entries": entries,
        "spent": spent(entries),
        "pool": pool,
        "fixes": fixes(record, explanation, pool),
    }


def logs(visit: Visit) -> Response:
    """The part of a run's page with its logs. The page requests it every few seconds until the run has ended."""
    record = visit.client.run(visit.path("run"))
    return visit.render("run_logs.html", run=record, logs=_logs(visit, record, of_runs(visit.client.store, [record])))


def cancel(visit: Visit) -> Response:
    """Cancel a run."""
    record = visit.client.cancel_run(visit.path("run"))
    return gone_to("runs", str(record.id))


def move(visit: Visit) -> Response:
    """Give a waiting run another queue or another priority."""
    record = visit.client.move_run(
        visit.path("run"), queue=visit.sent("queue") or None, priority=priority_in(visit.sent("priority"))
    )
    return gone_to("runs", str(record.id))


def start_now(visit: Visit) -> Response:
    """Make a waiting run due at once."""
    record = visit.client.start_run_now(visit.path("run"))
    return gone_to("runs", str(record.id))


def retry(visit: Visit) -> Response:
    """Run an ended run again."""
    record = visit.client.retry_run(visit.path("run"))
    return gone_to("runs", str(record.id))


def _step(client: Dispatcher, visit: Visit, action: str) -> Callable[[str], Run]:
    """The function to apply to each ticked run. Raises `InvalidInput`."""
    queue = visit.sent("to")
    if action == "move" and not queue:
        raise InvalidInput("runs", [Fault("to", "name the queue into which the selected runs are moved")])
    steps: dict[str, Callable[[str], Run]] = {
        "cancel": partial(_cancelled, client),
        "retry": client.retry_run,
        "move": partial(client.move_run, queue=queue),
        "start-now": client.start_run_now,
    }
    if action not in steps:
        raise InvalidInput("runs", [Fault("action", f"must be one of {', '.join(steps)}, not {action!r}")])
    return steps[action]


def _cancelled(client: Dispatcher, reference: str) -> Run:
    """Cancel a run. Raises `Conflict` if it has already ended in another state: that is not a fault for a single run, but worth
    saying in a list.
    """
    record = client.cancel_run(reference)
    if record.state.is_terminal and record.state is not RunState.CANCELLED:
        raise Conflict(f"run {record.name!r} has ended already, it is {record.state}")
    return record


def _here(visit: Visit) -> str:
    """The address of the list with its filter and its page."""
    return url("runs", **_kept(visit.request.query_params))


def _kept(query: QueryParams) -> dict[str, list[str]]:
    """What says which part of the list it is."""
    names = (*FILTERS, *TIMES, "state", "reason", "cursor")
    return {name: values for name in names if (values := sorted(filter(None, query.getlist(name))))}


def _reason_in(query: QueryParams) -> str:
    return query.get("reason", "").strip()[:200]


def _logs(visit: Visit, record: Run, secrets: frozenset[str]) -> Logs:
    """The last lines of the last job, or a sentence on why there are none."""
    job, is_live = job_of(record, None), not record.state.is_terminal
    if job is None:
        return Logs(text="There is no job yet." if is_live else "It had no job.", is_followed=is_live)
    try:
        provider = visit.pages.clients.providers(visit.client.work_pool(record.pool).type)
        text = log_text(provider, job[1], LOG_LINES)
    except ProviderError as problem:
        return Logs(text=str(hide(secrets, f"The logs cannot be read: {problem}")), is_followed=is_live)
    if text is None:
        return Logs(text="The provider keeps no logs that can be shown here.", is_followed=False)
    return Logs(text=str(hide(secrets, text)) or "It has written nothing yet.", is_followed=is_live)


def filter_in(query: QueryParams, now: datetime) -> RunFilter:
    """The filter in the address. Raises `InvalidInput` for an unknown state or a wrong time."""
    states = frozenset(state for state in query.getlist("state") if state)
    unknown = sorted(states - set(RunState))
    if unknown:
        raise InvalidInput("runs", [Fault("state", f"{unknown[0]!r} is not a state; the states are {', '.join(RunState)}")])
    words: dict[str, Any] = {name: query.get(name, "")[:200] or None for name in FILTERS}
    since, until = (when(query.get(name, "")[:40].strip(), now, name) for name in TIMES)
    return RunFilter(states=frozenset(map(RunState, states)) or None, since=since, until=until, **words)
