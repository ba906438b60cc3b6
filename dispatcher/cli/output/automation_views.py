"""Automations, for people: see `views` for what else imports rich."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dispatcher.cli.output.views import Shape, pairs, say, short_id, show, table, text, time_and_ago


def automations(shapes: Sequence[Shape]) -> None:
    """A list of automations."""
    if not shapes:
        say("No automations. Try: dispatcher automation create --help")
        return
    headers = ("Name", "When", "Then", "ID")
    out = table(*headers, names=headers[:1], words=("When", "Then"), ranks=("Then", "When"))
    for shape in shapes:
        mark = " (**)" if shape["paused"] else ""
        out.add_row(text(shape["name"] + mark), text(_one(shape["when"])), text(_several(shape["then"])), short_id(shape["id"]))
    show(out)
    if any(shape["paused"] for shape in shapes):
        say("(**) denotes a paused automation")


def automation(shape: Shape) -> None:
    """One automation and what it did last."""
    out = pairs()
    for key in ("name", "id", "description", "owner"):
        if shape[key] or key != "owner":
            out.add_row(key, text(shape[key]))
    out.add_row("created", text(time_and_ago(shape["created_at"])))
    out.add_row("when", text(_one(shape["when"])))
    for then in shape["then"]:
        out.add_row("then", text(_one(then)))
    if shape["paused"]:
        out.add_row("paused", text("it does nothing"))
    if shape["counted"] is not None:
        out.add_row("counted", text(f"{shape['counted']} of {shape['when']['ended'].get('count', 1)}"))
    show(out)
    for firing in shape["firings"]:
        say("")
        _firing(firing)


def _firing(shape: Shape) -> None:
    out = pairs()
    out.add_row("fired", text(time_and_ago(shape["fired_at"])))
    out.add_row("because", text(shape["because"]))
    for line in shape["did"]:
        out.add_row("did", text(line))
    for line in shape["problems"]:
        out.add_row("problem", text(line))
    waiting = [hook for hook in shape["hooks"] if hook not in shape["notified_hooks"]]
    if waiting:
        out.add_row("not yet notified", text(", ".join(waiting)))
    show(out)


def _several(deeds: Sequence[Shape]) -> str:
    return "; ".join(map(_one, deeds))


def _one(entry: Shape) -> str:
    """An entry with one key in short form: `pause pool=nightly`."""
    [(name, value)] = entry.items()
    if not isinstance(value, dict):
        return name if value is True else f"{name} {value}"
    return " ".join([name, *(f"{field}={_value_text(inner)}" for field, inner in value.items())])


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
