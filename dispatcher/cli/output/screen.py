"""What `dispatcher dev` draws in a terminal: see `views` for what else imports rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from dispatcher.cli.output import run_views, views


@contextmanager
def live_pools() -> Iterator[Callable[[views.Shape], None]]:
    """A picture that is redrawn with each tick, and stays at the end."""
    with Live(console=views.console(), auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda picture: live.update(pools_picture(picture), refresh=True)


def pools_picture(shape: views.Shape) -> Group:
    """One moment: every pool with its slots and queues, live runs and due runs."""
    parts: list[RenderableType] = [
        Text(f"push-dispatcher  tick {shape['ticks']}  {views.time(shape['at'])}  Ctrl-C stops", "bold")
    ]
    if not shape["pools"]:
        parts.append(views.text("No work pools yet. Try: dispatcher work-pool create NAME --type process"))
    for pool in shape["pools"]:
        parts += [Text(), _slots(pool), _queues(pool)]
    for problem in shape["problems"]:
        parts.append(Text(problem, style="red"))
    return Group(*parts, Text(), _runs(shape))


def _slots(pool: views.Shape) -> Text:
    used, limit = pool["in_use"], pool["concurrency_limit"]
    free = 0 if limit is None else max(0, min(limit, 60) - used)
    line = Text(f"{pool['name']} ", style="bold") + Text("■" * min(used, 60), style="blue") + Text("□" * free, style="dim")
    line += views.text(f" {used} of {views.limit_words(limit)}  ") + views.state(pool["status"])
    return line + views.text(
        "".join(
            f"  held until {views.time(hold['until'])}: {hold['reason']}"
            for hold in pool["holds"]
            if views.is_ahead(hold["until"])
        )
    )


def _queues(pool: views.Shape) -> RenderableType:
    out = views.table("", "Queue", "Limit", "Slots", "Due", "Later", right=(0, 2, 3, 4, 5), names=("Queue",))
    for queue in pool["queues"]:
        name = views.text(queue["name"]) + (Text(" (**)", style="red") if queue["paused"] else Text())
        numbers = [views.text(queue[key]) for key in ("in_use", "due", "later")]
        out.add_row(views.text(queue["priority"]), name, views.limit(queue["concurrency_limit"]), *numbers)
    return out


def _runs(shape: views.Shape) -> RenderableType:
    headers = ("Run", "Pool", "Queue", "State", "Due", "Reason")
    out = views.table(*headers, names=headers[:3], words=("Reason",), ranks=("Due", "Queue", "Pool"))
    for run in shape["runs"]:
        cells = [views.text(run[key]) for key in ("name", "pool", "queue")]
        due = views.text(views.ago(run["due_at"]))
        out.add_row(*cells, run_views.run_state(run), due, views.text(run["waits"] or run["reason"]))
    return out
