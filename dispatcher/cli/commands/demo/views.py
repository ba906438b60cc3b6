"""The output of the demo: a live picture while it plays, and the summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.text import Text

from dispatcher.cli.commands.demo.picture import Picture
from dispatcher.cli.output.views import Shape, console, limit_words, say, seconds, show, state, table, text


def _bar(mark: str, number: int, style: str) -> Text:
    return Text(mark * number, style=style)


@contextmanager
def live_demo(title: str) -> Iterator[Callable[[Picture], None]]:
    """A table of the demo that is drawn anew with each picture."""
    screen = console()
    with Live(console=screen, auto_refresh=False, transient=True) as live:
        yield lambda picture: live.update(demo_picture(title, picture), refresh=True)


def demo_picture(title: str, picture: Picture) -> Group:
    """One moment of the demo: the slots, the queues, the latest changes."""
    out = table("", "Queue", "Limit", "Waiting", "Running", "Ended", "The next one waits because", right=(0, 2))
    for column in out.columns[3:6]:
        column.min_width = 12  # so that columns do not move while the bars grow
    for queue in picture.queues:
        out.add_row(
            text(queue.priority),
            text(queue.name),
            text("" if queue.limit is None else queue.limit),
            _bar("·", queue.waiting, "yellow"),
            _bar("■", queue.running, "blue"),
            _bar("■", queue.succeeded, "green") + _bar("■", queue.failed, "red"),
            Text(queue.why, style="dim"),
        )
    free = max(0, (picture.limit or picture.in_use) - picture.in_use)
    slots = Text("Slots  ") + _bar("■", picture.in_use, "blue") + _bar("□", free, "dim")
    slots += text(f"  {picture.in_use} of {limit_words(picture.limit)}   {picture.seconds:.1f} s")
    old = len(picture.lines) - picture.new_lines
    lines = [Text(line, style="" if number >= old else "dim") for number, line in enumerate(picture.lines)]
    return Group(Text(f"push-dispatcher on {title}", style="bold"), Text(), slots, Text(), out, Text(), *lines)


def demo_summary(shape: Shape) -> None:
    """The summary of the demo, and what to try next."""
    title = f"{shape['runs']} runs on {shape['stage']} in {shape['seconds']} s: {_ends(shape)}"
    say(f"\n{title}. At most {shape['limit']} at once.\n")
    out = table("Priority", "Queue", "Limit", "Runs", "Median wait", "Longest", "Ended", "Admitted as", right=(0, 2, 3, 4, 5))
    for queue in shape["queues"]:
        waits = queue["wait_seconds"] or {"median": 0, "longest": 0}
        numbers = [
            text(queue["priority"]),
            text(queue["name"]),
            text(queue["limit"]),
            text(queue["runs"]),
        ]
        ended = text(", ".join(f"{count} {state}" for state, count in queue["ends"].items()))
        out.add_row(
            *numbers,
            text(seconds(waits["median"])),
            text(seconds(waits["longest"])),
            ended,
            text(queue["order"]),
        )
    show(out)
    _demo_end(shape)


def demo_clouds(shape: Shape) -> None:
    """The summary of each cloud, and what to try next."""
    say(f"\n{shape['runs']} runs on {shape['stage']} in {shape['seconds']} s: {_ends(shape)}.\n")
    out = table("Pool", "Type", "Run", "State", "Exit code", "Its job there", "Console", right=(4,))
    for job in shape["jobs"]:
        url = job["url"] or ""
        page = Text(url.removeprefix("https://").partition("/")[0], style=f"link {url}" if url else "")
        cells = [
            text(job["pool"]),
            text(job["type"]),
            text(job["run"]),
            state(job["state"]),
            text(job["exit_code"]),
        ]
        out.add_row(*cells, text(job["short"]), page)
    show(out)
    _demo_end(shape)


def _ends(shape: Shape) -> str:
    ends = ", ".join(f"{count} {state}" for state, count in shape["ends"].items())
    return f"{ends} ({shape['meant_to_fail']} are meant to fail)"


def _demo_end(shape: Shape) -> None:
    """The promises, and the next commands."""
    say("")
    for check in shape["checks"]:
        mark = Text("✓ ", style="green") if check["ok"] else Text("✗ ", style="red")
        console().print(mark + text(f"{check['name']} ({check['found']})"), soft_wrap=True)
    say("\nTry next:")
    for line in shape["next"]:
        say(f"  {line}")
