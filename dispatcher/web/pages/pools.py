"""The overview, a pool with its waterfall, and every change of it as a plan before it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from dispatcher.client import PoolPicture, PoolPlan
from dispatcher.client.arguments import share_of
from dispatcher.client.secrets import hide, of_pools
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.pages.visit import Visit, gone_to

UPCOMING = timedelta(hours=6)
SHOWN = 50
MAX_SLOTS = 200
"""Free slots that are drawn; more are a number."""


def overview(visit: Visit) -> Response:
    """Every pool, those that need a look first."""
    return visit.render("overview.html", pools=attention_first(visit.client.overview()))


def attention_first(pictures: Sequence[PoolPicture]) -> list[PoolPicture]:
    """Pools whose runs wait and that start none come first, then by name."""
    return sorted(pictures, key=lambda picture: (not (picture.due and picture.status != "READY"), picture.pool.name))


def pool(visit: Visit) -> Response:
    """One pool: its queues in order, who holds the slots, and why the next run waits."""
    return visit.render("pool.html", picture=visit.client.picture(visit.path("pool")), max_slots=MAX_SLOTS)


def upcoming(visit: Visit) -> Response:
    """The runs of the next hours, of schedules too."""
    record = visit.client.work_pool(visit.path("pool"))
    runs = visit.client.preview_work_pool(record.name, within=UPCOMING, limit=SHOWN)
    now = visit.client.clock.now()
    return visit.render("upcoming.html", pool=record, runs=runs, now=now, late_after=visit.client.heartbeat, within=UPCOMING)


def plan(visit: Visit) -> Response:
    """What a change would change: the query holds it, so that whoever may read can look at it and share it."""
    query = visit.request.query_params
    made = planned(visit, {name: query.getlist(name) for name in query})
    fields = [(name, value) for name, value in query.multi_items() if name != "version"]
    secrets = of_pools([made.before, made.after])
    changes = [(change.path, hide(secrets, change.before), hide(secrets, change.after)) for change in made.changes]
    return visit.render("plan.html", plan=made, fields=fields, changes=changes)


def change(visit: Visit) -> Response:
    """Make a change that was shown as a plan."""
    visit.client.apply_pool(planned(visit, visit.form))
    return gone_to("pools", visit.path("pool"))


def add_queue(visit: Visit) -> Response:
    """Add a queue, which is served after all others."""
    visit.client.create_work_queue(visit.path("pool"), visit.sent("name"))
    return gone_to("pools", visit.path("pool"))


def planned(visit: Visit, fields: Mapping[str, Sequence[str]]) -> PoolPlan:
    """The plan that the fields of a form ask for. Raises `VersionChanged` if somebody else changed the pool meanwhile."""
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
    """The names of queues by the fields `position:QUEUE`; of two with the same number, the former comes first."""
    names = {name.removeprefix("position:"): texts[0].strip() for name, texts in fields.items() if name.startswith("position:")}
    wrong = [text for text in names.values() if not _is_number(text)]
    if wrong:
        raise InvalidInput("work pool", [Fault("position", f"must be a whole number, not {wrong[0]!r}")])
    return sorted(names, key=lambda name: int(names[name]))


def limit_in(text: str) -> int | None:
    """A limit as it was typed; None for an empty field. Raises `InvalidInput`."""
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
