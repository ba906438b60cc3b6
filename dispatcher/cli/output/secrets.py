"""Secret texts that their names do not give away, and `--show-secrets`, which shows them.

They are the values of variables that a pool's template calls secret: `writeOnly`, or of the format `password`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from dispatcher.cli.context import Context
from dispatcher.core.redaction import secret_texts
from dispatcher.models import Deployment, Run, WorkPool

Function = TypeVar("Function", bound=Callable[..., Any])


def show_option(function: Function) -> Function:
    """`--show-secrets`."""
    words = "Show hidden values: those under names like DB_PASSWORD, and those that a template calls secret."
    return click.option("--show-secrets", is_flag=True, expose_value=False, is_eager=True, callback=_note, help=words)(function)


def _note(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own signature
    ctx.ensure_object(Context).show_secrets = value


def of_pools(pools: Iterable[WorkPool], deployments: Iterable[Deployment] = (), runs: Iterable[Run] = ()) -> frozenset[str]:
    """The secret texts of pools' templates, and of job variables that deployments and runs set for them."""
    levels = [(deployment.pool, deployment.job_variables) for deployment in deployments] + [
        (run.pool, run.job_variables) for run in runs
    ]
    texts = (
        secret_texts(pool.base_job_template, *(variables for owner, variables in levels if owner == pool.name))
        for pool in pools
    )
    return frozenset().union(*texts)


def of_deployments(context: Context, deployments: Iterable[Deployment]) -> frozenset[str]:
    """The secret texts of deployments and their pools."""
    return of_runs(context, (), deployments)


def of_runs(context: Context, runs: Iterable[Run], deployments: Iterable[Deployment] = ()) -> frozenset[str]:
    """The secret texts of runs, their deployments and their pools."""
    runs, store = list(runs), context.wiring.store
    sources = [store.deployment(name) for name in {run.deployment for run in runs} if name is not None]
    deployments = [source for source in (*sources, *deployments) if source is not None]
    pools = [store.pool(name) for name in {run.pool for run in runs} | {deployment.pool for deployment in deployments}]
    return of_pools([pool for pool in pools if pool is not None], deployments, runs)
