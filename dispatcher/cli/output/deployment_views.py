"""Deployments and their schedules, for people: see `views` for what else imports rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from dispatcher.cli.output.tables import Grid
from dispatcher.cli.output.views import (
    Shape,
    as_typed,
    hook_words,
    pairs,
    retry_words,
    say,
    seconds,
    short_id,
    show,
    table,
    text,
    time_and_ago,
)
from dispatcher.core.parameters import in_words

DAYS_SHOWN = 3


def deployments(shapes: Sequence[Shape]) -> None:
    """A list of deployments."""
    if not shapes:
        say("No deployments. Try: dispatcher deployment create NAME --pool POOL")
        return
    headers = ("Name", "Pool", "Queue", "Schedules", "Tags", "ID")
    out = table(*headers, right=(3,), names=headers[:3], words=("Tags",), ranks=("Tags", "Schedules", "Queue"))
    for shape in shapes:
        name = text(shape["name"]) + _mark(paused=shape["paused"])
        cells = (shape["pool"], shape["queue"], len(shape["schedules"]) or "", ", ".join(shape["tags"]))
        out.add_row(name, *map(text, cells), short_id(shape["id"]))
    show(out)
    if any(shape["paused"] for shape in shapes):
        say("(**) denotes a paused deployment: its schedules create no runs")


def deployment(shape: Shape) -> None:
    """One deployment with its schedules."""
    out = pairs()
    out.add_row("name", text(shape["name"]) + _mark(paused=shape["paused"]))
    for key in ("id", "pool", "queue", "description"):
        out.add_row(key, text(shape[key]))
    out.add_row("created", text(time_and_ago(shape["created_at"])))
    out.add_row("tags", text(", ".join(shape["tags"])))
    if shape["paused"]:
        out.add_row("paused", text("its schedules create no runs"))
    if shape["retry"]:
        out.add_row("retry", text(retry_words(shape["retry"])))
    for key, value in _limits(shape):
        out.add_row(key, text(value))
    for hook in shape["hooks"]:
        out.add_row(f"hook {hook['name']}", text(hook_words(hook)))
    for name, value in shape["job_variables"].items():
        out.add_row(f"variable {name}", text(as_typed(value)))
    for name, value in shape["parameters"].items():
        out.add_row(f"parameter {name}", text(as_typed(value)))
    for name, words in in_words(shape["parameter_openapi_schema"]):
        out.add_row(f"takes {name}", text(words))
    show(out)
    if shape["schedules"]:
        say("")
        show(_schedules(shape["schedules"]))


def _limits(shape: Shape) -> Iterator[tuple[str, str]]:
    """The limits of the deployment's runs, if there are any."""
    if shape["concurrency_limit"] is not None:
        yield "limit", f"{shape['concurrency_limit']} live, then {shape['on_collision']}"
    if shape["max_waiting"] is not None:
        left_out = f"; windows left out: {shape['windows_left_out']}" if shape["windows_left_out"] else ""
        yield "waiting", f"at most {shape['max_waiting']}{left_out}"
    if shape["priority"]:
        yield "priority", f"{shape['priority']} in its queue"
    if shape["weight"] != 1:
        yield "weight", f"{shape['weight']} where its queue is shared fairly"
    if shape["expires_after_seconds"] is not None:
        yield "expires", f"{seconds(shape['expires_after_seconds'])} after its due time"


def schedules(shapes: Sequence[Shape]) -> None:
    """The schedules of one deployment."""
    if not shapes:
        say("No schedules. Try: dispatcher deployment schedule create NAME --cron '30 6 * * *'")
        return
    show(_schedules(shapes))
    if not all(shape["active"] for shape in shapes):
        say("(**) denotes a paused schedule")


def _schedules(shapes: Sequence[Shape]) -> Grid:
    headers = ("Slug", "Schedule", "Time zone", "Catch-up", "Next")
    out = table(*headers, names=("Slug", "Time zone"), words=("Schedule", "Next"), ranks=("Catch-up",))
    for shape in shapes:
        name = text(shape["slug"]) + _mark(paused=not shape["active"])
        out.add_row(
            name,
            text(_rule(shape)),
            text(shape["timezone"]),
            text(_catch_up(shape)),
            text(", ".join(map(_window, shape["next"]))),
        )
    return out


def _window(moment: str) -> str:
    """A window in its schedule's time zone; the zone has its own column."""
    at = datetime.fromisoformat(moment)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"


def _rule(shape: Shape) -> str:
    """The kind of a schedule, its expression, and what else decides about its windows and runs."""
    return ", ".join([_expression(shape), *_conditions(shape)])


def _conditions(shape: Shape) -> Iterator[str]:
    for key, words in (("start", "from"), ("end", "until")):
        if shape[key]:
            yield f"{words} {shape[key]}"
    if shape["exclude"]:
        yield f"not on {_days(shape['exclude'])}"
    for key in ("when_skipped", "when_repeated"):
        if shape[key]:
            yield f"{key.replace('_', ' ')}: {shape[key]}"
    if shape["spread_seconds"]:
        yield f"spread over {seconds(shape['spread_seconds'])}"
    if brought := [*shape["job_variables"], *shape["parameters"]]:
        yield f"with {', '.join(brought)}"


def _days(days: Sequence[str]) -> str:
    more = len(days) - DAYS_SHOWN
    return ", ".join(days[:DAYS_SHOWN]) + (f" and {more} more days" if more > 0 else "")


def _expression(shape: Shape) -> str:
    if shape["interval_seconds"] is not None:
        anchor = f" from {shape['anchor']}" if shape["anchor"] else ""
        return f"every {seconds(shape['interval_seconds'])}{anchor}"
    if shape["cron"] is not None:
        return f"cron {shape['cron']}" + ("" if shape["day_or"] else " (both days)")
    return f"rrule {shape['rrule']}"


def _catch_up(shape: Shape) -> str:
    return f"all, up to {shape['catch_up_limit']}" if shape["catch_up"] == "all" else str(shape["catch_up"])


def _mark(*, paused: bool) -> Text:
    return Text(" (**)", style="red") if paused else Text()
