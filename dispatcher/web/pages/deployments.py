"""Deployments: where they run, when next, and how the last runs ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import Response

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.secrets import hide, of_runs
from dispatcher.core.parameters import as_json
from dispatcher.core.parameters import in_words as parameters_in_words
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import Deployment, RunState, Schedule
from dispatcher.models.records import RunFilter
from dispatcher.web.pages.visit import Visit, gone_to, selected
from dispatcher.web.pages.words import url

LISTED = 20
"""The number of deployments on one page."""
MAX_SELECTED = 200
"""The most deployments that may be ticked for one request."""
LAST = 20
FAILED = frozenset({RunState.FAILED, RunState.CRASHED})
LOOKED_BACK = 200
"""How many of the newest runs of a deployment its page searches for failed and late ones."""


def deployments(visit: Visit) -> Response:
    """One page of deployments, by name, from the one that the address names."""
    first = visit.query("from")
    live = url("live", of="deployments", **{"from": first})
    return visit.render("deployments.html", live=live, here=_here(visit), **listing(visit.client, first))


def listing(client: Dispatcher, first: str) -> Mapping[str, Any]:
    """The live part of the list: the deployments from this name on. The runs of each are a separate read."""
    listed = [record for record in client.deployments() if record.name >= first]
    rows = [(record, _next(client, record), _last(client, record)) for record in listed[:LISTED]]
    return {"rows": rows, "next": listed[LISTED].name if len(listed) > LISTED else None, "in_words": in_words}


def act(visit: Visit) -> Response:
    """Pause or resume the ticked deployments, one after the other. Refused ones are listed with the reason."""
    client, action = visit.client, visit.sent("action")
    steps = {"pause": client.pause_deployment, "resume": client.resume_deployment}
    if action not in steps:
        raise InvalidInput("deployments", [Fault("action", f"must be one of {', '.join(steps)}, not {action!r}")])
    done, refused = list[str](), list[Fault]()
    for name in selected(visit, "deployment", MAX_SELECTED):
        try:
            done.append(steps[action](name).name)
        except (Conflict, InvalidInput, NotFound) as problem:
            refused.append(Fault(name, str(problem)))
    return visit.render("deployments_acted.html", action=action, done=done, refused=refused, here=_here(visit))


def deployment(visit: Visit) -> Response:
    """One deployment."""
    record = visit.client.deployment(visit.path("deployment"))
    shape = hide(of_runs(visit.client.store, (), [record]), shapes.deployment(record))
    return visit.render("deployment.html", shape=shape, takes=list(_takes(shape)), **circumstances(visit.client, record))


def circumstances(client: Dispatcher, record: Deployment) -> Mapping[str, Any]:
    """The live part of a deployment's page: its schedules, its last runs, and those that failed or are late."""
    active = record.active_schedules
    last = client.store.runs(RunFilter(deployment=record.name), limit=LOOKED_BACK)
    now, heartbeat = client.clock.now(), client.heartbeat
    return {
        "deployment": record,
        "in_words": in_words,
        "schedules": [(rule, client.next_windows(rule) if rule.slug in active else ()) for rule in record.schedules],
        "last": last[:LAST],
        "failed": [run for run in last if run.state in FAILED][:LAST],
        "late": [(run, run.waited(now)) for run in last if run.is_late(now, heartbeat)][:LAST],
        "late_after": heartbeat,
        "looked_at": len(last),
    }


def pause(visit: Visit) -> Response:
    """Pause or resume all schedules of a deployment."""
    name = visit.path("deployment")
    client = visit.client
    (client.pause_deployment if visit.sent("paused") == "yes" else client.resume_deployment)(name)
    return gone_to("deployments", name)


def in_words(rule: Schedule) -> str:
    """A schedule in a few words."""
    when = rule.cron or rule.rrule or f"every {rule.interval}"
    return f"{when} ({rule.timezone})"


def _here(visit: Visit) -> str:
    """The address of this page of the list."""
    return url("deployments", **{"from": visit.query("from")})


def _takes(shape: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Every parameter, the values that it accepts, and the deployment's value."""
    declared, values = dict(parameters_in_words(shape["parameter_openapi_schema"])), shape["parameters"]
    for name in {**declared, **values}:
        yield name, declared.get(name, "anything"), as_json(values[name]) if name in values else None


def _next(client: Dispatcher, record: Deployment) -> object:
    windows = [client.next_windows(rule, count=1) for rule in record.active_schedules.values()]
    return min((moment for moments in windows for moment in moments), default=None)


def _last(client: Dispatcher, record: Deployment) -> object:
    """The newest runs, oldest first, because people read from left to right."""
    return list(reversed(client.store.runs(RunFilter(deployment=record.name), limit=LAST)))
