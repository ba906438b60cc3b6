"""`dispatcher dev`: a schedule in a terminal, with a view of what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.lengths import Length
from dispatcher.cli.input.values import pools_option
from dispatcher.cli.output import shapes
from dispatcher.cli.output.listing import ListedRun, listing
from dispatcher.models.records import RunFilter
from dispatcher.serving.signals import stopped_by_signals
from dispatcher.serving.turns import Turns, stoppable
from dispatcher.ticking import Dispatch, tick
from dispatcher.ticking.report import TickReport

SHOWN_RUNS = 12
"""The most runs that the view shows."""

Show = Callable[[shapes.Shape], None]


@click.command(cls=Command, example="dispatcher dev --every 2\ndispatcher dev --until-done")
@pools_option
@click.option(
    "--every",
    type=Length(0.1, 3600),
    default="2s",
    show_default=True,
    metavar="LENGTH",
    help="The time from one tick to the next.",
)
@click.option("--ticks", type=click.IntRange(min=1), metavar="N", help="Stop after so many ticks.")
@click.option("--until-done", is_flag=True, help="Stop when nothing is due and nothing holds a slot.")
@click.option(
    "--managed",
    type=click.Choice(["docker", "process"]),
    help="What pools of type managed are: containers or processes of this machine. It wins over DISPATCHER_MANAGED.",
)
@pass_context
def dev(
    context: Context, /, *, pools: Sequence[str], every: float, ticks: int | None, until_done: bool, managed: str | None
) -> Output:
    """Tick every few seconds and show queues, slots and runs, until Ctrl-C.

    The first Ctrl-C stops the current tick: no further submission begins, and those under way are recorded. A second one stops
    at once. That loses nothing either, because the next tick continues the work.
    """
    if managed:
        context.settings = replace(context.settings, managed={"type": managed})
    named = [context.client.work_pool(name).name for name in pools] or None
    done, picture, turns = 0, shapes.Shape(), Turns(every)
    dispatch = stoppable(context.wiring.dispatch, turns)
    with stopped_by_signals(turns.stop), _audience(silent=context.as_json) as show:
        for _ in turns:
            picture = _picture_shape(context, _tick(context, dispatch, named), named, done := done + 1)
            show(picture)
            if done == ticks or (until_done and _is_done(picture)):
                break
    return Output(
        data=picture, text=f"Stopped after {done} tick{'s' * (done != 1)}.", faults=tuple(picture.get("problems", ()))
    )


def _tick(context: Context, dispatch: Dispatch, named: Sequence[str] | None) -> TickReport:
    report = tick(dispatch, dispatch.clock.now() + timedelta(seconds=context.settings.tick_seconds), pools=named)
    context.wiring.send_telemetry()
    return report


def _picture_shape(context: Context, report: TickReport, named: Sequence[str] | None, ticks: int) -> shapes.Shape:
    """The picture after a tick; `--json` prints the last one."""
    client = context.client
    names = [pool.name for pool in client.work_pools() if named is None or pool.name in named]
    return {
        "ticks": ticks,
        "at": shapes.time(context.wiring.dispatch.clock.now()),
        "pools": [shapes.watched_pool(client.inspect_work_pool(name)) for name in names],
        "runs": [shapes.listed(run) for run in _runs(context, names)],
        "problems": report.problems,
    }


def _runs(context: Context, pools: Sequence[str]) -> Sequence[ListedRun]:
    """Running runs first, then due ones, then ended ones, so that neither future runs nor a backlog hides them."""
    listed = [run for pool in pools for run in listing(context.client, RunFilter(pool=pool), limit=SHOWN_RUNS).runs]
    return sorted(listed, key=lambda entry: (entry.run.state.is_terminal, not entry.run.state.holds_slot))[:SHOWN_RUNS]


def _is_done(picture: shapes.Shape) -> bool:
    return not any(queue["due"] or queue["in_use"] for pool in picture["pools"] for queue in pool["queues"])


@contextmanager
def _audience(*, silent: bool) -> Iterator[Show]:
    """A terminal shows one picture that changes; a pipe gets a line for each change."""
    if silent:
        yield lambda _picture: None
    elif sys.stdout.isatty():
        from dispatcher.cli.output.screen import live_pools  # noqa: PLC0415 - rich, only where there is a terminal

        with live_pools() as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """Plain lines, without repeats."""

    def __init__(self) -> None:
        self._last: list[str] = []

    def __call__(self, picture: shapes.Shape) -> None:
        lines = [_line(pool) for pool in picture["pools"]] + [f"problem: {problem}" for problem in picture["problems"]]
        for line in lines:
            if line not in self._last:
                click.echo(line)
        self._last = lines


def _line(pool: shapes.Shape) -> str:
    limit = "" if pool["concurrency_limit"] is None else f" of {pool['concurrency_limit']}"
    queues = ", ".join(f"{queue['name']} {queue['due']} due {queue['later']} later" for queue in pool["queues"])
    return f"{pool['name']}: {pool['in_use']}{limit} slots; {queues}"
