"""Slots over time as a chart: stacked steps, one per queue, with the limit as a line. The template writes the SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 960, 240
LEFT, FLOOR = 36, HEIGHT - 24
"""The left and the lower edge of the drawing. The space outside is for the numbers."""
KINDS = 6
"""How many colours there are. If there are more queues, the ones that held fewest slots share the last colour."""
OTHERS = "others"
ROWS = 12
"""The number of rows of the table with the same numbers."""
LABELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One queue of the drawing."""

    queue: str
    kind: int
    """The number of its colour and pattern."""
    path: str
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing of `WIDTH` by `HEIGHT`, and a table of the same numbers."""

    areas: tuple[Area, ...]
    times: tuple[tuple[float, datetime], ...]
    """The labels of the time axis: x position and time."""
    slots: tuple[tuple[float, int], ...]
    """The labels of the slots axis: y position and number."""
    limit: float | None
    """The y position of the limit's line; None without a limit, or if the line is above the drawing."""
    rows: tuple[tuple[datetime, tuple[float, ...]], ...]
    """For each part of the time: when it begins, and the slots of each area in it."""
    left: int = LEFT
    width: int = WIDTH
    height: int = HEIGHT


def chart(
    queues: Mapping[str, Sequence[float]], begin: datetime, end: datetime, *, limit: int | None, top: float = 0.0
) -> Chart:
    """Draw the slots of each queue, the first one lowest. The scale reaches at least up to `top`."""
    lanes = _few(queues)
    parts, top = max(map(len, lanes.values()), default=1), max(top, highest(queues, limit))
    scale, base, areas = (FLOOR - 8) / top, [0.0] * parts, list[Area]()
    for kind, (queue, lane) in enumerate(lanes.items()):
        upper = [low + slots for low, slots in zip(base, lane, strict=True)]
        areas.append(Area(queue=queue, kind=kind, path=_path(base, upper, scale), most=max(lane)))
        base = upper
    return Chart(
        areas=tuple(areas),
        times=tuple((LEFT + (WIDTH - LEFT) * n / LABELS, begin + (end - begin) * n / LABELS) for n in range(LABELS)),
        slots=tuple((_down(number, scale), number) for number in _numbers(top)),
        limit=_down(limit, scale) if limit is not None and limit <= top else None,
        rows=tuple(_rows(lanes, begin, (end - begin) / parts)),
    )


def highest(queues: Mapping[str, Sequence[float]], limit: int | None) -> float:
    """The top of the scale: the most slots of all queues together, or the limit unless it is far above them."""
    most = max((sum(slots) for slots in zip(*queues.values(), strict=True)), default=0.0)
    most = max(1.0, most)
    return max(most, float(limit)) if limit is not None and limit <= 4 * most else most


def _few(queues: Mapping[str, Sequence[float]]) -> Mapping[str, Sequence[float]]:
    """At most `KINDS` areas: the queues that held fewest slots are added up."""
    if len(queues) <= KINDS:
        return queues
    by_size = sorted(queues, key=lambda name: sum(queues[name]), reverse=True)
    kept = {name: queues[name] for name in queues if name in by_size[: KINDS - 1]}
    rest = [sum(slots) for slots in zip(*(queues[name] for name in by_size[KINDS - 1 :]), strict=True)]
    return {**kept, OTHERS: rest}


def _path(base: Sequence[float], upper: Sequence[float], scale: float) -> str:
    """The outline of one area: along the top from left to right, and back along its base."""
    width = (WIDTH - LEFT) / len(upper)
    heights = [(part, _down(slots, scale)) for part, slots in enumerate(upper)]
    back = [(part, _down(slots, scale)) for part, slots in reversed(list(enumerate(base)))]
    steps = [f"{LEFT + part * width:.1f},{y:.1f} {LEFT + (part + 1) * width:.1f},{y:.1f}" for part, y in heights]
    steps += [f"{LEFT + (part + 1) * width:.1f},{y:.1f} {LEFT + part * width:.1f},{y:.1f}" for part, y in back]
    return f"M{' '.join(steps)}Z"


def _down(slots: float, scale: float) -> float:
    return round(FLOOR - slots * scale, 1)


def _numbers(highest: float) -> Sequence[int]:
    """Some whole numbers up to the highest."""
    step = max(1, round(highest / 4))
    return range(0, int(highest) + 1, step)


def _rows(
    lanes: Mapping[str, Sequence[float]], begin: datetime, length: timedelta
) -> Sequence[tuple[datetime, tuple[float, ...]]]:
    if not lanes:
        return []
    parts = len(next(iter(lanes.values())))
    size = -(-parts // ROWS)
    return [
        (begin + first * length, tuple(_average(lane[first : first + size]) for lane in lanes.values()))
        for first in range(0, parts, size)
    ]


def _average(slots: Sequence[float]) -> float:
    return sum(slots) / len(slots)
