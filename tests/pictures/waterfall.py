"""A pool's waterfall as an SVG: one line a run, grey while it waits, coloured while it holds a slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from dispatcher.models import Run, RunState, WorkPool, WorkQueue

WIDTH, LEFT, RIGHT = 860, 176, 24
LEGEND = "grey: waits for a slot; blue: holds a slot, completed; red: failed or crashed"
ROW, GAP, HEADER, AXIS = 11, 12, 40, 26

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 11px; fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .waits { stroke: #d0d7de; stroke-width: 3 }
  .completed { fill: #2f81f7 }
  .other { fill: #d1242f }
  .slots { fill: none; stroke: #2f81f7; stroke-width: 2 }
  .limit { stroke: #d1242f; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .grid, .waits { stroke: #3d444d }
  }
"""


@dataclass(frozen=True)
class Axis:
    """Time from left to right."""

    begin: datetime
    seconds: float

    def at(self, moment: datetime) -> float:
        return self.of((moment - self.begin).total_seconds())

    def of(self, seconds: float) -> float:
        return round(LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT), 1)


def draw(pool: WorkPool, runs: Sequence[Run]) -> str:
    """The picture of runs that have all ended."""
    begin = min(run.created_at for run in runs)
    axis = Axis(begin, max((_ended(run) - begin).total_seconds() for run in runs))
    queues = sorted(pool.queues, key=lambda queue: queue.priority)
    below = HEADER + len(runs) * ROW + len(queues) * GAP
    height = below + 70 + AXIS
    title = _title(pool, runs)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
            f"<style>{STYLE}</style>",
            f'<text x="0" y="16">{title}</text>',
            f'<text class="small" x="0" y="31">{LEGEND}</text>',
            *_grid(axis, height),
            *_queues(queues, runs, axis),
            *_slots(pool, runs, axis, top=below),
            "</svg>\n",
        ]
    )


def _title(pool: WorkPool, runs: Sequence[Run]) -> str:
    return f"{len(runs)} runs, {len(pool.queues)} queues, {pool.concurrency_limit} slots: what one real run of the demo did"


def _grid(axis: Axis, height: int) -> Iterator[str]:
    for second in range(0, int(axis.seconds) + 1, 2):
        x = axis.of(second)
        yield f'<line class="grid" x1="{x}" y1="{HEADER}" x2="{x}" y2="{height - AXIS}"/>'
        yield f'<text class="small" x="{x}" y="{height - 8}" text-anchor="middle">{second} s</text>'


def _queues(queues: Sequence[WorkQueue], runs: Sequence[Run], axis: Axis) -> Iterator[str]:
    y = HEADER
    for queue in queues:
        of_queue = sorted((run for run in runs if run.queue == queue.name), key=lambda run: (_began(run), run.due_at))
        limit = "no limit" if queue.concurrency_limit is None else f"limit {queue.concurrency_limit}"
        yield f'<text x="0" y="{y + 12}">{escape(queue.name)}</text>'
        yield f'<text class="small" x="0" y="{y + 26}">priority {queue.priority}, {limit}</text>'
        for run in of_queue:
            yield from _bar(run, axis, y)
            y += ROW
        y += GAP


def _bar(run: Run, axis: Axis, y: int) -> Iterator[str]:
    created, began, ended = axis.at(run.created_at), axis.at(_began(run)), axis.at(_ended(run))
    kind = "completed" if run.state is RunState.COMPLETED else "other"
    yield f'<line class="waits" x1="{created}" y1="{y + 5}" x2="{began}" y2="{y + 5}"/>'
    yield (
        f'<rect class="{kind}" x="{began}" y="{y + 1}" width="{round(ended - began, 1)}" height="{ROW - 3}" rx="2">'
        f"<title>{escape(run.name)}: {run.state}</title></rect>"
    )


def _slots(pool: WorkPool, runs: Sequence[Run], axis: Axis, *, top: int) -> Iterator[str]:
    """How many slots were in use, below the runs."""
    limit = pool.concurrency_limit or len(runs)
    changes = sorted([(_began(run), 1) for run in runs] + [(_ended(run), -1) for run in runs])
    used, points = 0, [f"M {axis.of(0)} {top + 60}"]
    for moment, change in changes:
        used += change
        points.append(f"H {axis.at(moment)} V {round(top + 60 - used / limit * 50, 1)}")
    yield f'<text x="0" y="{top + 24}">slots in use</text>'
    yield f'<text class="small" x="0" y="{top + 38}">limit {limit}</text>'
    yield f'<line class="limit" x1="{LEFT}" y1="{top + 9}" x2="{WIDTH - RIGHT}" y2="{top + 9}"/>'
    yield f'<path class="slots" d="{" ".join(points)}"/>'


def _began(run: Run) -> datetime:
    assert run.claimed_at is not None
    return run.claimed_at


def _ended(run: Run) -> datetime:
    assert run.ended_at is not None
    return run.ended_at
