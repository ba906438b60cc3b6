"""`dispatcher tick`: one tick by hand, as a function does it on a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input.values import pools_option
from dispatcher.cli.output import secrets, shapes
from dispatcher.models import WorkPool
from dispatcher.models.records import Decision
from dispatcher.ticking import dry_run
from dispatcher.ticking import tick as run_tick
from dispatcher.ticking.report import PoolReport
from providers.base import ProviderError


@click.command(cls=Command, example="dispatcher tick --pool nightly --dry-run")
@pools_option
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="Show the runs that would be admitted now, with their jobs (secrets hidden); change nothing.",
)
@secrets.show_option
@pass_context
def tick(context: Context, /, pools: Sequence[str], *, dry: bool) -> Output:
    """Dispatch once: observe live jobs, admit due runs, submit them. Safe to run as often, and as often at once, as you like.

    Exits with 1 if a pool had a problem; the other pools are ticked anyway.
    """
    named = [context.client.work_pool(name).name for name in pools] or None
    if dry:
        return _dry(context, named)
    dispatch = context.wiring.dispatch
    deadline = dispatch.clock.now() + timedelta(seconds=context.settings.tick_seconds)
    report = run_tick(dispatch, deadline, pools=named)
    return Output(data=shapes.tick(report), view="tick", faults=tuple(report.problems))


def _dry(context: Context, named: Sequence[str] | None) -> Output:
    pools = [pool for pool in context.client.work_pools() if named is None or pool.name in named]
    plans = [_plan(context, pool) for pool in pools]
    faults = tuple(f"{report.pool}: {report.problem}" for _, report in plans if report.problem)
    data = [shapes.dry_run(decision, report) for decision, report in plans]
    granted = [grant.run for decision, _ in plans for grant in decision.grants]
    return Output(data=data, view="dry_run", secrets=secrets.of_runs(context, granted), faults=faults)


def _plan(context: Context, pool: WorkPool) -> tuple[Decision, PoolReport]:
    """The plan of a tick for one pool. A provider that cannot be used is a problem of that pool only."""
    try:
        return dry_run(context.wiring.dispatch, pool)
    except ProviderError as problem:
        return Decision(), PoolReport(pool.name, problem=str(problem))
