"""Tables for people; each function shows one shape of `dispatcher.cli.output.shapes`.

Only this module, `tables`, `deployment_views`, `screen` and `demo.views` import rich.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from dispatcher.cli.output.tables import SHORT_ID, Column, Grid, Pairs, is_wide
from dispatcher.core.written import REMOVED

Shape = Mapping[str, Any]

STATE_STYLES = {
    "SCHEDULED": "yellow",
    "PENDING": "bright_magenta",
    "RUNNING": "blue",
    "COMPLETED": "green",
    "FAILED": "red",
    "CRASHED": "bold red",
    "CANCELLING": "dim",
    "CANCELLED": "dim",
    "READY": "green",
    "NOT_READY": "yellow",
    "PAUSED": "magenta",
}

PIPE_WIDTH = 200
"""The width of a table outside a terminal: wide enough that lines do not break, so that grep works."""


def console() -> Console:
    """Standard output, as wide as the terminal."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPE_WIDTH if piped else None, highlight=False)


def pools(shapes: Sequence[Shape]) -> None:
    """A list of work pools."""
    if not shapes:
        say("No work pools yet. Try: dispatcher work-pool create NAME --type process")
        return
    out = table("Name", "Type", "Status", "Concurrency Limit", "ID", names=("Name",), ranks=("Type",))
    for pool in shapes:
        name = text(pool["name"]) + (Text(" (**)", style="red") if pool["paused"] else Text())
        out.add_row(name, text(pool["type"]), state(pool["status"]), limit(pool["concurrency_limit"]), short_id(pool["id"]))
    show(out)
    if any(pool["paused"] for pool in shapes):
        say("(**) denotes a paused pool")
    for pool in shapes:
        for hold in pool["held"]:
            say(f"{pool['name']}: held until {time_and_ago(hold['until'])}: {hold['reason']}")
        if pool["late_since"]:
            since = time_and_ago(pool["late_since"])
            say(f"{pool['name']}: runs have been due since {since}; `dispatcher run ls --pool {pool['name']}` says why")


def pool(shape: Shape) -> None:
    """One work pool with its queues."""
    out = pairs()
    for key in ("name", "type", "id", "description"):
        out.add_row(key, text(shape[key]))
    out.add_row("status", state(shape["status"]))
    out.add_row("slots", text(f"{shape['in_use']} of {limit_words(shape['concurrency_limit'])}"))
    if shape["share"] == "fair":
        out.add_row("share", text("fair: queues have equal rank, and get slots by weight"))
    out.add_row("created", text(time_and_ago(shape["created_at"])))
    out.add_row("last tick", text(time_and_ago(shape["last_tick_at"]) or "never"))
    for gap in shape["ticks_last_hour"]["gaps"]:
        out.add_row("no tick", text(f"{time_and_ago(gap['since'])} until {time_and_ago(gap['until'])}"))
    for hold in shape["holds"]:
        label = "held until" if is_ahead(hold["until"]) else "was held until"
        out.add_row(label, text(f"{time_and_ago(hold['until'])}: {hold['reason']}"))
    for hook in shape["hooks"]:
        out.add_row(f"hook {hook['name']}", text(hook_words(hook)))
    variables = shape["base_job_template"].get("variables", {}).get("properties", {})
    out.add_row("job variables", text(", ".join(variables) or "none"))
    show(out)
    say("")
    queues(shape["queues"])
    say("")
    say("The base job template is in --json.")


def queues(shapes: Sequence[Shape]) -> None:
    """Work queues in the order in which they are served."""
    weighted = ("Weight",) if any(queue["weight"] != 1 for queue in shapes) else ()
    headers = ("Priority", "Name", "Status", "Concurrency Limit", "Slots", "Due", "Later", *weighted)
    out = table(*headers, right=(0, 4, 5, 6, 7)[: len(headers) - 3], names=("Name",), ranks=("Later", "Status"))
    for queue in shapes:
        name = text(queue["name"]) + (Text(" (**)", style="red") if queue["paused"] else Text())
        numbers = [text(queue[key]) for key in ("in_use", "due", "later", *(["weight"] if weighted else []))]
        out.add_row(text(queue["priority"]), name, state(queue["status"]), limit(queue["concurrency_limit"]), *numbers)
    show(out)
    if any(queue["paused"] for queue in shapes):
        say("(**) denotes a paused queue")


def queue(shape: Shape) -> None:
    """One work queue."""
    out = pairs()
    for key in ("name", "pool", "priority", *(["weight"] if shape["weight"] != 1 else []), "description"):
        out.add_row(key, text(shape[key]))
    out.add_row("status", state(shape["status"]))
    out.add_row("slots", text(f"{shape['in_use']} of {limit_words(shape['concurrency_limit'])}"))
    out.add_row("due", text(shape["due"]))
    out.add_row("later", text(shape["later"]))
    if shape["share"] == "fair":
        out.add_row("share", text("fair: its deployments have equal rank, and get slots by weight"))
    show(out)


def created(shapes: Sequence[Shape]) -> None:
    """Runs that were just created."""
    for run in shapes[:20]:
        say(f"Created run {run['name']} in {run['pool']}/{run['queue']}: {run['id']}")
    if len(shapes) > 20:
        say(f"... and {len(shapes) - 20} more")
    say(f"Try: dispatcher tick, then dispatcher run ls --pool {shapes[0]['pool']}")


def retry_words(shape: Shape) -> str:
    """A retry policy as a sentence."""
    if shape["attempts"] == 1:
        return "none"
    growing = f", each {shape['backoff']:g} times as long" if shape["backoff"] != 1 else ""
    waits = f" after {seconds(shape['delay_seconds'])}{growing}" if shape["delay_seconds"] else ""
    return f"{shape['attempts'] - 1} more when it ends {' or '.join(shape['states'])}{waits}"


def hook_words(shape: Shape) -> str:
    """What a hook is notified of, as a sentence."""
    late = shape["late_after_seconds"]
    states = f"{' or '.join(shape['states'])}" if shape["states"] else ""
    return ", ".join(word for word in (states, f"late by {seconds(late)}" if late is not None else "") if word)


def holder_words(shape: Shape) -> str:
    """A run that holds a slot: which, in what state, since when."""
    since = f" since {time_and_ago(shape['since'])}" if shape["since"] else ""
    return f"{shape['name']} ({shape['state']}{since})"


def explanation(shape: Shape) -> None:
    """Why a run is in its state."""
    out = pairs()
    out.add_row("run", text(f"{shape['name']} ({shape['id']})"))
    out.add_row("state", state(shape["state"]))
    out.add_row("reason", Text(shape["reason"], style="bold"))
    out.add_row("because", text(shape["text"]))
    if shape["fix"]:
        out.add_row("to change it", text(shape["fix"]))
    if shape["until"]:
        out.add_row("until", text(time_and_ago(shape["until"])))
    if shape["position"]:
        out.add_row("position", text(f"number {shape['position']} of its queue"))
    if shape["holders"]:
        more = f" and {len(shape['holders']) - 5} more" if len(shape["holders"]) > 5 else ""
        out.add_row("slots held by", text(", ".join(map(holder_words, shape["holders"][:5])) + more))
    show(out)


def tick(shape: Shape) -> None:
    """What a tick did, pool by pool."""
    if not (shape["pools"] or shape["idle"] or shape["skipped"]):
        say("No work pools to tick.")
    for pool in shape["pools"]:
        counts = ("live", "started", "ended", "claimed", "submitted", "rejected", "throttled", "unknown")
        acted = (
            [f"automations acted {'once' if pool['fired'] == 1 else str(pool['fired']) + ' times'}"] if pool["fired"] else []
        )
        numbers = ", ".join([*(f"{pool[name]} {name}" for name in counts if pool[name]), *acted])
        say(f"{pool['pool']}: {numbers or ('not ticked' if pool['problem'] else 'nothing to do')}")
        for run_id, outcome in pool["outcomes"].items():
            say(f"  {run_id} {outcome}")
        for queue, barrier in pool["barriers"].items():
            say(f"  {queue}: nothing more, {barrier.lower().replace('_', ' ')}")
    for name in shape["skipped"]:
        say(f"{name}: left for the next tick, the time was up")
    if shape["idle"]:
        say(f"nothing to do in {shape['idle']} {'pool' if shape['idle'] == 1 else 'pools'}")


def dry_run(shapes: Sequence[Shape]) -> None:
    """What a tick would do."""
    for pool in shapes:
        say(f"{pool['pool']}: " + ("cannot be ticked" if pool["problem"] else f"would admit {len(pool['admitted'])}"))
        for run in pool["admitted"]:
            say(f"  {run['id']} {run['name']} ({run['queue']}): {json.dumps(run['job']['configuration'], ensure_ascii=False)}")
        for run in pool["crashes"]:
            say(f"  {run['id']} {run['name']} ({run['queue']}) would crash: {run['reason']}")
        for queue, barrier in pool["barriers"].items():
            say(f"  {queue}: nothing more, {barrier.lower().replace('_', ' ')}")


def package(shape: Shape) -> None:
    """A function's package: the sizes of its parts."""
    out = table("Distribution", "Version", "Files", "Unpacked", "In the zip", right=(2, 3, 4))
    for part in shape["distributions"]:
        sizes = (kilobytes(part["unpacked_bytes"]), kilobytes(part["zipped_bytes"]))
        out.add_row(*(text(cell) for cell in (part["name"], part["version"], part["files"], *sizes)))
    show(out)
    made = f"of Python {shape['bytecode']}" if shape["bytecode"] else "none"
    say(f"\n{shape['output']}: {kilobytes(shape['bytes'])} for {shape['target']} {shape['arch']}, Python {shape['python']}")
    say(f"sha256 {shape['sha256']}\nbytecode: {made}\nbill of materials: {shape['bill_of_materials']}")


def simulation(shape: Shape) -> None:
    """Waits before and after a change of limits."""
    if not shape["runs"]:
        say("No past runs that held a slot. Try more --hours, or another file.")
        return
    out = table("Queue", "Runs", "Median wait", "", "95 %", "", "Longest", "", "Never", "", right=(1, 2, 4, 6, 8))
    for before, after in zip(shape["before"]["queues"], shape["after"]["queues"], strict=True):
        cells = [text(before["name"]), text(before["runs"])]
        for key in ("median", "p95", "longest"):
            cells += [text(_wait(before[key])), text("→ " + _wait(after[key]))]
        out.add_row(*cells, text(before["never"]), text(f"→ {after['never']}"))
    show(out)
    slots = f"{shape['before']['most_slots']} → {shape['after']['most_slots']}"
    say(f"Most slots at once: {slots}. Ticks every {seconds(shape['interval_seconds'])}.")


def short(value: Any) -> str:
    """A value in at most some eighty characters."""
    words = json.dumps(value, ensure_ascii=False, default=str)
    if len(words) <= 80:
        return words
    return f"{{{len(value)} keys}}" if isinstance(value, Mapping) else f"{words[:77]}..."


def _wait(number: float | None) -> str:
    return "-" if number is None else seconds(number)


def table(
    *headers: str,
    right: Sequence[int] = (),
    names: Sequence[str] = (),
    words: Sequence[str] = (),
    ranks: Sequence[str] = (),
) -> Grid:
    """A table without frames. The columns numbered in `right` hold numbers. If there is not enough room, columns with headers
    in `names` are cut, those in `words` wrap to two lines, and those in `ranks` are left out, the first of them first.
    """
    return Grid(
        [
            Column(
                header=header,
                right=number in right,
                name=header in names,
                words=header in words,
                rank=len(ranks) - ranks.index(header) if header in ranks else 0,
            )
            for number, header in enumerate(headers)
        ]
    )


def pairs() -> Pairs:
    """Names and values, one pair a line."""
    return Pairs()


def short_id(identity: str) -> Text:
    """The beginning of an id, which every command accepts instead of the whole."""
    return text(identity if is_wide() else identity[:SHORT_ID])


def text(value: Any) -> Text:
    """A value as one line of plain text, without markup and without characters that move a cursor."""
    words = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() else " " for c in words))


def state(word: str) -> Text:
    """A state or status in its colour."""
    return Text(word, style=STATE_STYLES.get(word, ""))


def limit(number: int | None) -> Text:
    """A concurrency limit."""
    return text("None" if number is None else number)


def limit_words(number: int | None) -> str:
    """The same in a sentence."""
    return "unlimited" if number is None else str(number)


def time(moment: str | None) -> str:
    """A time to the second on the clock of this machine, with its zone."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S %Z}" if moment else ""


def ago(moment: str | None, now: datetime | None = None) -> str:
    """A time as a person says it: how long ago, or in how long."""
    if not moment:
        return ""
    away = (datetime.fromisoformat(moment) - (now or datetime.now(UTC))).total_seconds()
    words = roughly(abs(away))
    return "now" if words is None else f"in {words}" if away > 0 else f"{words} ago"


def roughly(number: float) -> str | None:
    """A duration in its largest unit; None if it is not a time at all."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if number >= (2 * size if unit == "d" else size):
            return f"{int(number // size)} {unit}"
    return None


def is_ahead(moment: str) -> bool:
    """Whether a time is still to come."""
    return datetime.fromisoformat(moment) > datetime.now(UTC)


def time_and_ago(moment: str | None) -> str:
    """Both."""
    return f"{time(moment)} ({ago(moment)})" if moment else ""


def seconds(number: float) -> str:
    """A duration as a person says it."""
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def kilobytes(number: int) -> str:
    """A number of bytes in thousands."""
    return f"{number / 1000:,.0f} kB"


def show(renderable: Grid | Pairs) -> None:
    """Print a table; into a pipe without blanks at the ends of lines."""
    screen = console()
    if screen.is_terminal:
        screen.print(renderable, crop=False)
        return
    with screen.capture() as captured:
        screen.print(renderable, crop=False)
    screen.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def say(words: str) -> None:
    """Print lines as they are."""
    for line in words.split("\n"):
        console().print(text(line), soft_wrap=True)


def as_typed(value: Any) -> str:
    """A job variable's value in the form that `--job-variable` accepts; the only text that cannot be typed is in quotes."""
    if isinstance(value, str) and value != REMOVED:
        return value
    return json.dumps(value, ensure_ascii=False)
