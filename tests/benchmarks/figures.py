"""A benchmark's results: figures, their targets, and the table and JSON that show them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

_HEADINGS = ("figure", "median", "half of them within", "n", "target", "")
_COMPARED: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Target:
    """What a figure has to reach: `Target("<=", 1.5)`."""

    relation: str
    bound: float

    def is_met(self, value: float) -> bool:
        return _COMPARED[self.relation](value, self.bound)

    def __str__(self) -> str:
        return f"{self.relation} {number(self.bound)}"


@dataclass(frozen=True)
class Figure:
    """One quantity, measured several times."""

    what: str
    unit: str
    samples: tuple[float, ...]
    target: Target | None = None

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def middle_half(self) -> tuple[float, float]:
        if len(self.samples) < 2:
            return self.median, self.median
        low, _, high = quantiles(self.samples, n=4, method="inclusive")
        return low, high

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.target.is_met(self.median) else "MISSED"


@dataclass(frozen=True)
class Result:
    """What one benchmark found, and what has to be known to read it."""

    name: str
    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default_factory=tuple)


def number(value: float) -> str:
    """Three digits that mean something; none of a large number is left out."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.1g}"


def table(result: Result) -> str:
    """The figures of one benchmark as a table that is Markdown as well."""
    rows = [_HEADINGS, *(_row(figure) for figure in result.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    notes = [f"* {note}" for note in result.notes]
    return "\n".join([f"### {result.title} (`{result.name}`)", "", lines[0], rule, *lines[1:], "", *notes])


def as_json(result: Result) -> dict[str, Any]:
    """All of a result, every sample included."""
    figures = [
        {**asdict(figure), "target": str(figure.target or "") or None, "median": figure.median, "verdict": figure.verdict}
        for figure in result.figures
    ]
    return {"name": result.name, "title": result.title, "figures": figures, "notes": list(result.notes)}


def _row(figure: Figure) -> tuple[str, ...]:
    low, high = figure.middle_half
    return (
        figure.what,
        f"{number(figure.median)} {figure.unit}".rstrip(),
        f"{number(low)} - {number(high)}",
        str(len(figure.samples)),
        str(figure.target or ""),
        figure.verdict,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
