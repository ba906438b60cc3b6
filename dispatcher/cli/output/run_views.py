"""Runs, for people: see `views` for what else imports rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dispatcher.cli.output.tables import Grid
from dispatcher.cli.output.views import (
    Shape,
    ago,
    as_typed,
    pairs,
    retry_words,
    say,
    seconds,
    short_id,
    show,
    state,
    table,
    text,
    time,
)


def runs(shapes: Sequence[Shape]) -> None:
    """A list of runs."""
    if not shapes:
        say("No runs. Try: dispatcher run create --pool NAME")
        return
    headers = ("Name", "ID", "Pool", "Queue", "State", "Due", "Reason")
    out = table(*headers, names=headers[:1] + headers[2:4], words=("Reason",), ranks=("Queue", "Pool"))
    for run in shapes:
        place = [text(run["name"]), short_id(run["id"]), text(run["pool"]), text(run["queue"])]
        out.add_row(*place, run_state(run), text(ago(run["due_at"])), text(run["waits"] or run["reason"]))
    show(out)
    if any(run["attempt"] > 1 for run in shapes):
        say("(2) denotes a second attempt")


def run_state(run: Shape) -> Text:
    """A run's state, with the number of a later attempt, and whether it is late."""
    again = Text(f" ({run['attempt']})" if run["attempt"] > 1 else "", style="dim")
    return state(run["state"]) + again + Text(" late" if run["late"] else "", style="red")


def runs_listed(shape: Shape) -> None:
    """A list of runs, and the number of waiting runs that it leaves out."""
    later = shape["later"]
    if shape["runs"] or not later:
        runs(shape["runs"])
    if later:
        least = "at least " if later == shape["limit"] else ""
        say(f"To come: {least}{later}. See: dispatcher run ls --to-come")


def preview(shapes: Sequence[Shape]) -> None:
    """Waiting runs, sorted by due time."""
    if not shapes:
        say("No runs are due in this time.")
        return
    headers = ("Due", "", "Name", "ID", "Queue", "Deployment")
    out = table(*headers, names=("Name", "Queue", "Deployment"), ranks=("Queue", "Deployment"))
    for run in shapes:
        mark = Text("late", style="red") if run["late"] else Text("" if run["created"] else "to come", style="dim")
        out.add_row(
            text(time(run["due_at"])),
            mark,
            text(run["name"]),
            short_id(run["id"]),
            text(run["queue"]),
            text(run["deployment"]),
        )
    show(out)
    made, late = sum(run["created"] for run in shapes), sum(run["late"] for run in shapes)
    coming = f", to come by schedules: {len(shapes) - made}" if made < len(shapes) else ""
    say(f"Runs: {made}, late: {late}{coming}.")


def run(shape: Shape) -> None:
    """One run with its timeline."""
    out = pairs()
    for key in ("name", "id", "pool", "queue", "deployment", "schedule", "attempt", "exit_code", "reason", "url"):
        if shape[key] not in (None, ""):
            out.add_row(key.replace("_", " "), text(shape[key]))
    if shape["priority"]:
        out.add_row("priority", text(str(shape["priority"])))
    out.add_row("state", state(shape["state"]))
    if shape["retry"]:
        out.add_row("retry", text(retry_words(shape["retry"])))
    if shape["tags"]:
        out.add_row("tags", text(", ".join(shape["tags"])))
    for name, value in shape["job_variables"].items():
        out.add_row(f"variable {name}", text(as_typed(value)))
    for name, value in shape["parameters"].items():
        out.add_row(f"parameter {name}", text(as_typed(value)))
    show(out)
    say("")
    show(timeline(shape["timeline"]))


def timeline(events: Sequence[Shape]) -> Grid:
    """The entries of a timeline with the waits between them; with attempts if there were several."""
    several = len({event["attempt"] for event in events}) > 1
    headers = ("Event", "At", "After", *(("Attempt",) if several else ()), "How")
    out = table(*headers, right=(2, 3) if several else (2,), words=("How",))
    for event in events:
        wait = event["wait_seconds"]
        cells = [text(event["event"]), text(time(event["at"])), text("" if wait is None else seconds(wait))]
        end = state(event["state"] or "") + text(f" {event['reason']}" if event["reason"] else "")
        out.add_row(*cells, *((text(event["attempt"]),) if several else ()), end)
    return out
