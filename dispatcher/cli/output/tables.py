"""Tables that fit the terminal: cells break only between words, and no cell makes a row long.

A table that is wider than the terminal is made narrower in this order: cells of prose (a reason) wrap to two lines and end in
`…`; names are cut, but stay distinct; the least important columns are left out. Ids, states, numbers and times stay whole.
`--wide` turns all of this off.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click
from rich.console import Console, ConsoleOptions
from rich.text import Text

from dispatcher.cli.context import Context

GAP, LINES = 2, 2
LEAST, VERY_LEAST = (12, 24), (8, 10)
"""The smallest widths of names and prose: first while a column can still be left out, then when none can."""
SHORT_ID = 8


def is_wide() -> bool:
    """Whether `--wide` was given."""
    ctx = click.get_current_context(silent=True)
    context = ctx.find_object(Context) if ctx else None
    return context is not None and context.wide


@dataclass(kw_only=True)
class Column:
    """A column, and how it may become narrower."""

    header: str
    right: bool = False
    words: bool = False
    """Prose: it wraps to `LINES` lines, and the rest is cut."""
    name: bool = False
    """May be cut."""
    rank: int = 0
    """The order in which columns are left out: the highest rank first, rank 0 never."""
    min_width: int = 0
    cells: list[Text] = field(default_factory=list)

    @property
    def width(self) -> int:
        """The width of the widest cell."""
        return max(self.min_width, len(self.header), *(cell.cell_len for cell in self.cells), 0)


class Grid:
    """A table without frames. `rich` asks for its lines once the available width is known."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns, self._headed = list(columns), any(column.header for column in columns)

    def add_row(self, *cells: Text) -> None:
        """Add a row, a cell for each column."""
        for column, cell in zip(self.columns, cells, strict=True):
            column.cells.append(cell)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines, none wider than the terminal."""
        del console
        columns, widths = _fitted(self.columns, options.max_width)
        if self._headed:
            yield _line([Text(column.header, style="bold") for column in columns], columns, widths)
        for row in zip(*(column.cells for column in columns), strict=True):
            lines = [_cell_lines(cell, column, width) for cell, column, width in zip(row, columns, widths, strict=True)]
            for number in range(max(map(len, lines))):
                yield _line([line[number] if number < len(line) else Text() for line in lines], columns, widths)


class Pairs:
    """Names and values, one pair a line. A long value continues under its own column and breaks only between words."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, Text]] = []

    def add_row(self, name: str, value: Text) -> None:
        """Add a pair."""
        self._rows.append((name, value))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines; a single word that is wider than the terminal stays whole."""
        del console
        left = max((len(name) for name, _ in self._rows), default=0)
        for name, value in self._rows:
            lines = _wrapped(value, max(LEAST[1], options.max_width - left - GAP))
            for number, line in enumerate(lines or [Text()]):
                head = Text(("" if number else name).ljust(left) + " " * GAP, style="dim")
                yield _whole(head + line)


def _fitted(columns: Sequence[Column], room: int) -> tuple[Sequence[Column], Sequence[int]]:
    """The columns that are shown, and their widths."""
    shown = [column for column in columns if any(cell.plain for cell in column.cells) or not column.rank]
    while True:
        widths = [column.width for column in shown]
        over = sum(widths) + GAP * (len(widths) - 1) - room
        if over <= 0 or is_wide():
            return shown, widths
        last = max(shown, key=lambda column: column.rank)
        least = [_least(column, *(LEAST if last.rank else VERY_LEAST)) for column in shown]
        if over <= sum(widths) - sum(least) or not last.rank:
            return shown, _shrunk(shown, widths, least, over)
        shown.remove(last)


def _least(column: Column, name: int, words: int) -> int:
    smallest = words if column.words else name if column.name else column.width
    return min(column.width, max(smallest, len(column.header)))


def _shrunk(columns: Sequence[Column], widths: Sequence[int], least: Sequence[int], over: int) -> Sequence[int]:
    """The widths after shrinking: prose becomes narrower first, then always the widest name."""
    shrunk = list(widths)
    for is_prose in (True, False):
        able = [number for number, column in enumerate(columns) if column.words is is_prose]
        while over > 0 and (able := [number for number in able if shrunk[number] > least[number]]):
            shrunk[max(able, key=lambda number: shrunk[number])] -= 1
            over -= 1
    return shrunk


def _cell_lines(cell: Text, column: Column, width: int) -> list[Text]:
    if cell.cell_len <= width or is_wide():
        return [cell]
    if not column.words:
        return [_cut(cell, width)]
    lines = [_cut(line, width) for line in _wrapped(cell, width)]
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], _cut(lines[LINES - 1] + Text(" …"), width, more=True)]


def _cut(cell: Text, width: int, *, more: bool = False) -> Text:
    """The beginning of a cell, and `…` for the rest."""
    if cell.cell_len <= width:
        return cell
    short = cell.copy()
    short.truncate(width - 1)
    short.rstrip()
    return short + Text("" if more and short.plain.endswith("…") else "…")


def _wrapped(value: Text, width: int) -> list[Text]:
    """Lines broken between words; a word longer than a line stays whole."""
    lines = textwrap.wrap(value.plain, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return [value] if len(lines) < 2 else [Text(line, style=value.style) for line in lines]


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    out = Text()
    for number, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        blanks = " " * (width - cell.cell_len)
        out += Text(blanks) + cell if column.right else cell if number == len(cells) - 1 else cell + Text(blanks)
        out += Text(" " * GAP if number < len(cells) - 1 else "")
    return _whole(out)


def _whole(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ignore"
    return line
