"""The overview, a pool with its waterfall, and every change of it as a plan before it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import PoolPicture, PoolPlan
from dispatcher.client.arguments import share_of
from dispatcher.client.secrets import hide, of_pools
from dispatcher.client.versions import VersionChanged
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.pages.visit import Visit, back_of, gone_back, gone_to
from dispatcher.web.pages.words import url

UPCOMING = timedelta(hours=6)
SHOWN = 50
MAX_SLOTS = 200
"""The most free slots that are drawn; more are shown as a number."""


def overview(visit: Visit) -> Response:
    """Every pool. The ones that need attention come first."""
    return visit.render("overview.html", pools=attention_first(visit.client.overview()))


def attention_first(pictures: Sequence[PoolPicture]) -> list[PoolPicture]:
    """Pools by name, but first the ones that have waiting runs and start none."""
    return sorted(pictures, key=lambda picture: (not (picture.due and picture.status != "READY"), picture.pool.name))


def pool(visit: Visit) -> Response:
    """One pool: its queues in order, who holds the slots, and why the next run waits."""
    return visit.render("pool.html", picture=visit.client.picture(visit.path("pool")), max_slots=MAX_SLOTS)


def upcoming(visit: Visit) -> Response:
    """The runs of the next hours, including those that schedules will create."""
    record = visit.client.work_pool(visit.path("pool"))
    runs = visit.client.preview_work_pool(record.name, within=UPCOMING, limit=SHOWN)
    now = visit.client.clock.now()
    return visit.render("upcoming.html", pool=record, runs=runs, now=now, late_after=visit.client.heartbeat, within=UPCOMING)


def plan(visit: Visit) -> Response:
    """The plan of a change. The change is in the query, so that everybody who may read can view and share it."""
    query = visit.request.query_params
    fields = {name: query.getlist(name) for name in query}
    try:
        return _plan_page(visit, planned(visit, fields), fields)
    except VersionChanged:
        return _planned_anew(visit, fields)


def change(visit: Visit) -> Response:
    """Apply a change that was shown as a plan."""
    try:
        saved = visit.client.apply_pool(planned(visit, visit.form))
    except VersionChanged:
        return _planned_anew(visit, visit.form)
    queue = saved.queue(visit.sent("queue"))
    return gone_back(visit, url("pools", saved.name) + (f"#queue-{queue.priority}" if queue else ""))


def _planned_anew(visit: Visit, form: Mapping[str, Sequence[str]]) -> Response:
    """The plan for the pool's present state, and who has changed the pool since the form was made."""
    fields = {name: values for name, values in form.items() if name != "version"}
    made = planned(visit, fields)
    latest = next(iter(visit.client.log(pool=made.before.name, limit=1).items), None)
    return _plan_page(visit, made, fields, status=HTTPStatus.PRECONDITION_FAILED, is_anew=True, latest=latest)


def _plan_page(visit: Visit, made: PoolPlan, fields: Mapping[str, Sequence[str]], **values: Any) -> Response:
    secrets = of_pools([made.before, made.after])
    changes = [(change.path, hide(secrets, change.before), hide(secrets, change.after)) for change in made.changes]
    asked = [(name, value) for name, texts in fields.items() for value in texts if name != "version"]
    values = {"status": HTTPStatus.OK, "is_anew": False, "latest": None, **values}
    return visit.render("plan.html", plan=made, fields=asked, changes=changes, back=back_of(visit), **values)


def add_queue(visit: Visit) -> Response:
    """Add a queue, which is served after all others."""
    visit.client.create_work_queue(visit.path("pool"), visit.sent("name"))
    return gone_to("pools", visit.path("pool"))


def planned(visit: Visit, fields: Mapping[str, Sequence[str]]) -> PoolPlan:
    """The plan that a form's fields describe. Raises `VersionChanged` if somebody else changed the pool meanwhile."""
    version = fields.get("version", [""])[0]
    client = visit.client.only_at(pool=int(version) if _is_number(version) else None)
    queue = fields.get("queue", [""])[0]
    values = {**_limit(fields), **_pause(fields), **_share(fields)}
    order = [name for name in fields.get("order", []) if name]
    if queue:
        return client.plan_pool(visit.path("pool"), queues={queue: {**values, **_weight(fields)}}, order=order)
    return client.plan_pool(visit.path("pool"), queues=limits_in(fields), order=order or positions_in(fields), **values)


def limits_in(fields: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """The limits of queues, from the fields `limit:QUEUE`. Raises `InvalidInput`."""
    names = {name.removeprefix("limit:"): texts[0] for name, texts in fields.items() if name.startswith("limit:")}
    return {name: {"concurrency_limit": limit_in(text)} for name, text in names.items()}


def positions_in(fields: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of queues in the order of the fields `position:QUEUE`. Between equal numbers, the previous order counts."""
    names = {name.removeprefix("position:"): texts[0].strip() for name, texts in fields.items() if name.startswith("position:")}
    wrong = [text for text in names.values() if not _is_number(text)]
    if wrong:
        raise InvalidInput("work pool", [Fault("position", f"must be a whole number, not {wrong[0]!r}")])
    return sorted(names, key=lambda name: int(names[name]))


def limit_in(text: str) -> int | None:
    """The limit in a typed text; None for an empty field. Raises `InvalidInput`."""
    text = text.strip()
    if text and not _is_number(text):
        words = f"must be a whole number, or empty for no limit, not {text!r}"
        raise InvalidInput("work pool", [Fault("concurrency_limit", words)])
    return int(text) if text else None


def _limit(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"concurrency_limit": limit_in(fields["limit"][0])} if "limit" in fields else {}


def _pause(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"paused": fields["paused"][0] == "yes"} if "paused" in fields else {}


def _share(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"share": share_of(fields["share"][0])} if "share" in fields else {}


def _weight(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The weight of a queue. Raises `InvalidInput`."""
    if "weight" not in fields:
        return {}
    text = fields["weight"][0].strip()
    if not _is_number(text):
        raise InvalidInput("work queue", [Fault("weight", f"must be a whole number, not {text!r}")])
    return {"weight": int(text)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12
