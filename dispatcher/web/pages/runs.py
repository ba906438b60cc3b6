"""The list of runs (the address is the filter), one run, and a new run."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import shapes
from dispatcher.client.logs import job_of, log_text
from dispatcher.client.secrets import hide, of_runs
from dispatcher.core.timeline import timeline
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import Run, RunState
from dispatcher.records import RunFilter
from dispatcher.web.cursors import page_of
from dispatcher.web.pages.visit import Visit, gone_to
from providers.base import ProviderError

PAGE = 50
MAX_SELECTED = 200
LOG_LINES = 200
FILTERS = ("pool", "queue", "deployment", "tag", "name")


def runs(visit: Visit) -> Response:
    """The newest runs that match the address."""
    where = _filter(visit)
    page, following = page_of(visit.client, where, visit.query("cursor"), PAGE)
    filters = {name: getattr(where, name) or "" for name in FILTERS}
    chosen = sorted(where.states or ())
    now = visit.client.clock.now()
    return visit.render("runs.html", runs=page, next=following, filters=filters, chosen=chosen, states=list(RunState), now=now)


def act(visit: Visit) -> Response:
    """Cancel or retry the runs that were ticked, one after the other; what cannot be done is listed."""
    selected, action = visit.form.get("run", [])[:MAX_SELECTED], visit.sent("action")
    steps = {"cancel": visit.client.cancel_run, "retry": visit.client.retry_run}
    if action not in steps:
        raise InvalidInput("runs", [Fault("action", f"must be cancel or retry, not {action!r}")])
    done, refused = list[Run](), list[Fault]()
    for reference in selected:
        try:
            done.append(steps[action](reference))
        except (Conflict, InvalidInput, NotFound) as problem:
            refused.append(Fault(reference, str(problem)))
    return visit.render("acted.html", action=action, done=done, refused=refused)


def run(visit: Visit) -> Response:
    """One run: why it is where it is, and what happened to it."""
    record = visit.client.run(visit.path("run"))
    secrets = of_runs(visit.client.store, [record])
    whole = hide(secrets, shapes.whole_run(record))
    values: dict[str, Any] = {"run": record, "explanation": visit.client.explain(record.id), "entries": timeline(record)}
    logs = _logs(visit, record) if visit.query("logs") else None
    return visit.render("run.html", **values, shape=whole, logs=hide(secrets, logs) if logs else None)


def cancel(visit: Visit) -> Response:
    """Cancel a run."""
    record = visit.client.cancel_run(visit.path("run"))
    return gone_to("runs", str(record.id))


def retry(visit: Visit) -> Response:
    """Run an ended run again."""
    record = visit.client.retry_run(visit.path("run"))
    return gone_to("runs", str(record.id))


def new(visit: Visit) -> Response:
    """The form of a new run of a pool or a deployment."""
    fields = {name: visit.query(name) for name in ("pool", "deployment", "queue", "name")}
    return _form(visit, fields, "{}")


def create(visit: Visit) -> Response:
    """Create a run, or show the faults beside what was typed."""
    fields = {name: visit.sent(name) for name in ("pool", "deployment", "queue", "name")}
    text = visit.sent("job_variables") or "{}"
    asked: dict[str, Any] = {name: value or None for name, value in fields.items()}
    if asked["deployment"]:
        asked["pool"] = None
    try:
        variables = json.loads(text)
        made = visit.client.create_run(**asked, job_variables=variables, idempotency_key=visit.sent("key") or None)
    except (ValueError, RecursionError) as problem:
        return _form(visit, fields, text, [Fault("job_variables", f"is no JSON: {problem}")])
    except InvalidInput as problem:
        return _form(visit, fields, text, list(problem.faults))
    return gone_to("runs", str(made.id))


def _form(visit: Visit, fields: dict[str, str], text: str, faults: list[Fault] | None = None) -> Response:
    source = visit.client.deployment(fields["deployment"]) if fields["deployment"] else None
    owner = visit.client.work_pool(source.pool if source else fields["pool"])
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    variables = owner.base_job_template["variables"].get("properties") or {}
    required = owner.base_job_template["variables"].get("required") or []
    values = {"fields": fields, "text": text, "faults": faults or [], "pool": owner, "deployment": source}
    key = visit.sent("key") or str(visit.client.clock.new_id())
    return visit.render("new_run.html", status=status, variables=variables, required=required, key=key, **values)


def _logs(visit: Visit, record: Run) -> str | None:
    """The last lines of the last job; why there are none, in words."""
    job = job_of(record, None)
    if job is None:
        return "There is no job yet."
    try:
        provider = visit.pages.clients.providers(visit.client.work_pool(record.pool).type)
        return log_text(provider, job[1], LOG_LINES) or "The provider keeps no logs that can be shown here."
    except ProviderError as problem:
        return f"The logs cannot be read: {problem}"


def _filter(visit: Visit) -> RunFilter:
    query = visit.request.query_params
    states = frozenset(state for state in query.getlist("state") if state)
    unknown = sorted(states - set(RunState))
    if unknown:
        raise InvalidInput("runs", [Fault("state", f"{unknown[0]!r} is no state; the states are {', '.join(RunState)}")])
    words: dict[str, Any] = {name: query.get(name, "")[:200] or None for name in FILTERS}
    return RunFilter(states=frozenset(map(RunState, states)) or None, **words)
