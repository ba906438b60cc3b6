"""The list of runs (the address is the filter), and one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

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
    where, reason, cursor = filter_in(visit), visit.query("reason").strip()[:200], visit.query("cursor")
    values: dict[str, Any] = {"reason": reason, "searched": None, "searched_to": None, "here": _here(visit)}
    values |= {"now": visit.client.clock.now(), "late_after": visit.client.heartbeat}
    if reason:
        part = searched(visit.client, where, reason, cursor, PAGE)
        values |= {"runs": part.items, "next": part.next, "searched": part.searched}
    else:
        page = runs_of(visit.client, where, cursor, PAGE)
        values |= {"runs": page.items, "next": page.next, "searched_to": page.searched_to}
    values["filters"] = {name: getattr(where, name) or "" for name in FILTERS} | {name: visit.query(name) for name in TIMES}
    return visit.render("runs.html", chosen=sorted(where.states or ()), states=list(RunState), **values)


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
    query = visit.request.query_params
    return url("runs", **{name: query.getlist(name) for name in (*FILTERS, *TIMES, "state", "reason", "cursor")})


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


def filter_in(visit: Visit) -> RunFilter:
    """The filter in the address. Raises `InvalidInput` for an unknown state or a wrong time."""
    query = visit.request.query_params
    states = frozenset(state for state in query.getlist("state") if state)
    unknown = sorted(states - set(RunState))
    if unknown:
        raise InvalidInput("runs", [Fault("state", f"{unknown[0]!r} is not a state; the states are {', '.join(RunState)}")])
    words: dict[str, Any] = {name: query.get(name, "")[:200] or None for name in FILTERS}
    since, until = (when(query.get(name, "")[:40].strip(), visit.client.clock.now(), name) for name in TIMES)
    return RunFilter(states=frozenset(map(RunState, states)) or None, since=since, until=until, **words)
