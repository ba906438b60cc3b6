"""A plan as Markdown, for the comment on a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

Shape = Mapping[str, Any]

LONGEST = 60_000
"""Characters: GitHub takes 65,536 for a comment."""
VALUE = 200
"""Characters of one value."""
VERBS = {"create": "create", "change": "change", "delete": "**delete**"}


def show_plan(shape: Shape) -> None:
    """Print a plan as Markdown."""
    click.echo(plan(shape))


def plan(shape: Shape) -> str:
    """What a configuration would change: a sentence, a table of fields, and the hash that `apply --expect` takes."""
    rows = [row for change in shape["changes"] for row in _rows(change)]
    shown = _within(rows, LONGEST)
    lines = [f"### {_sentence(shape)}", ""]
    if rows:
        lines += ["| | | field | before | after |", "| --- | --- | --- | --- | --- |", *shown, ""]
    if len(shown) < len(rows):
        lines += [f"{len(rows) - len(shown)} more fields: `dispatcher plan` shows them.", ""]
    if shape["unnamed"]:
        lines += [f"Not in the files, and left as they are: {len(shape['unnamed'])}.", ""]
    if shape["drift"]:
        lines += ["Changed since the last apply:", "", "| | field | now | by |", "| --- | --- | --- | --- |"]
        lines += [*_within([_drifted(line) for line in shape["drift"]], VALUE * 20), ""]
    whose = f" of {_code(shape['owner'])}" if shape["owner"] else ""
    return "\n".join([*lines, f"Stored configuration{whose}: `{shape['hash']}`"])


def _sentence(shape: Shape) -> str:
    numbers = {verb: sum(change["action"] == verb for change in shape["changes"]) for verb in VERBS}
    counts = ", ".join(f"{number} to {verb}" for verb, number in numbers.items() if number)
    return f"dispatcher plan: {counts or 'nothing to change'}"


def _rows(change: Shape) -> Iterator[str]:
    noun = f"{change['noun']} {_code(change['name'])}"
    fields = change["fields"] if change["action"] != "delete" else ()
    if not fields:
        yield f"| {VERBS[change['action']]} | {noun} | | | |"
    for field in fields:
        before = _code(_short(field["before"])) if field["action"] != "create" else ""
        after = _code(_short(field["after"])) if field["action"] != "delete" else ""
        yield f"| {VERBS[change['action']]} | {noun} | {_code(field['path'])} | {before} | {after} |"


def _drifted(line: Shape) -> str:
    now = _code(_short(line["now"])) if line["is_there"] else "gone"
    who = f"automation {_code(line['automation'])}" if line["automation"] else "hand"
    return f"| {line['noun']} {_code(line['name'])} | {_code(line['path'])} | {now} | {who} |"


def _within(rows: list[str], most: int) -> list[str]:
    shown, length = list[str](), 0
    for row in rows:
        length += len(row) + 1
        if length > most:
            break
        shown.append(row)
    return shown


def _short(value: Any) -> str:
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= VALUE else f"{words[: VALUE - 3]}..."


def _code(text: str) -> str:
    """Text as code in a cell of a table. Any text stays in one cell and one code span."""
    plain = text.replace("\n", " ").replace("\r", " ").replace("|", "\\|")
    ticks = "``" if "`" in plain else "`"
    pad = " " if "`" in plain else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"
