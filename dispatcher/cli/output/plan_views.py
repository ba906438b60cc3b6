"""What `plan` and `apply` print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dispatcher.cli.output.views import Shape, console, say, short, text

MARKS = {"create": ("+", "green"), "change": ("~", "yellow"), "delete": ("-", "red")}


def plan(shape: Shape) -> None:
    """What a configuration changes, or has changed."""
    for change in shape["changes"]:
        mark, style = MARKS[change["action"]]
        console().print(Text(f"{mark} ", style) + text(f"{change['noun']} {change['name']}"), soft_wrap=True)
        for field in change["fields"]:
            mark, style = MARKS[field["action"]] if change["action"] == "change" else (" ", "")
            values = [short(field[side]) for side in ("before", "after") if field["action"] in HAS[side]]
            console().print(Text(f"    {mark} ", style) + text(f"{field['path']}: {' → '.join(values)}"), soft_wrap=True)
    whose = f" of {shape['owner']!r}" if shape["owner"] else ""
    say(f"{_did(shape)} Stored configuration{whose}: {shape['hash_after'] if shape['applied'] else shape['hash']}")
    if shape["unnamed"]:
        names = ", ".join(f"{noun['noun']} {noun['name']}" for noun in shape["unnamed"][:10])
        more = f" and {len(shape['unnamed']) - 10} more" if len(shape["unnamed"]) > 10 else ""
        say(f"Not in the file, and left as they are: {names}{more}.")
    drift(shape["drift"])


def drift(lines: Sequence[Shape]) -> None:
    """Changes since the last `apply`: first by people, then by automations."""
    by_hand = [line for line in lines if not line["automation"]]
    if by_hand:
        say("Changed by hand since the last apply:")
    for line in by_hand:
        now = f"is now {short(line['now'])}" if line["is_there"] else "is gone"
        console().print(text(f"    {line['noun']} {line['name']}: {line['path']} {now}"), soft_wrap=True)
    if len(by_hand) < len(lines):
        say("Changed by automations since the last apply:")
    for line in lines:
        if line["automation"]:
            where = f"{line['noun']} {line['name']}: {line['path']}"
            console().print(text(f"    {where}: {line['because']}"), soft_wrap=True)


HAS = {"before": ("change", "delete"), "after": ("create", "change")}


def _did(shape: Shape) -> str:
    """The numbers of changes by action, as a sentence."""
    if not shape["changes"]:
        return "Nothing to change."
    numbers = {action: sum(change["action"] == action for change in shape["changes"]) for action in MARKS}
    summary = ", ".join(f"{number} to {action}" for action, number in numbers.items() if number)
    return f"Applied: {summary.replace(' to ', ' ')}d." if shape["applied"] else f"Plan: {summary}."
