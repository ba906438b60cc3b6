"""The log of changes, for people."""

from __future__ import annotations

from rich.text import Text

from dispatcher.cli.output.plan_views import HAS, MARKS
from dispatcher.cli.output.views import Shape, console, say, short, text, time


def entries(shape: Shape) -> None:
    """A page of the log: a line for each entry, and a line for each field that it changed."""
    for entry in shape["items"]:
        console().print(text(f"{time(entry['changed_at'])}  {entry['actor']} ({entry['via']})  {words(entry)}"), soft_wrap=True)
        for field in entry["fields"] if entry["verb"] != "delete" else ():
            mark, style = MARKS.get(field["action"], (" ", ""))
            values = [short(field[side]) for side in ("before", "after") if field["action"] in HAS[side]]
            console().print(Text(f"    {mark} ", style) + text(f"{field['path']}: {' → '.join(values)}"), soft_wrap=True)
    if not shape["items"]:
        say("No changes.")
    if shape["next"]:
        say(f"There are more: --cursor {shape['next']}")


def words(entry: Shape) -> str:
    """An entry in words: the verb, the noun, and how many runs it changed."""
    many = f", runs: {entry['runs']}" if entry["noun"] == "runs" or entry["runs"] > 1 else ""
    note = f" [{entry['note']}]" if entry["note"] else ""
    return f"{entry['verb']} {entry['noun']} {entry['name']}{many}{note}"
