"""Hooks, for people."""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.cli.output.views import Shape, say, show, table, text


def hooks(shapes: Sequence[Shape]) -> None:
    """The hooks of the settings, and hooks that are named but not in the settings."""
    if not shapes:
        say('No hooks. Set DISPATCHER_HOOKS, as {"ops": {"url": "https://hooks.example/ops"}}')
        return
    headers = ("Name", "Kind", "To", "Signed", "Work pools", "Deployments")
    out = table(*headers, names=("Name", "To"), words=headers[4:], ranks=("Signed", "Deployments", "Work pools"))
    for shape in shapes:
        cells = (
            shape["name"],
            shape["kind"] or "missing",
            shape["to"],
            "yes" if shape["signed"] else "",
            *map(", ".join, _namers(shape)),
        )
        out.add_row(*map(text, cells))
    show(out)
    if not all(shape["kind"] for shape in shapes):
        say("missing denotes a hook that is named, and no entry of DISPATCHER_HOOKS here")


def _namers(shape: Shape) -> tuple[Sequence[str], Sequence[str]]:
    return shape["work_pools"], shape["deployments"]
