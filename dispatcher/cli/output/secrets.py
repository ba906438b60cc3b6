"""Secret texts whose names do not show that they are secret, and `--show-secrets`, which shows them.

They are the values of variables that a pool's template declares secret: `writeOnly`, or with the format `password`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from dispatcher.cli.context import Context
from dispatcher.client import secrets
from dispatcher.client.secrets import of_pools
from dispatcher.models import Automation, Deployment, Run

__all__ = ["of_automations", "of_deployments", "of_pools", "of_runs", "show_option"]

Function = TypeVar("Function", bound=Callable[..., Any])


def show_option(function: Function) -> Function:
    """`--show-secrets`."""
    words = "Show hidden values: those under names like DB_PASSWORD, and those that a template calls secret."
    return click.option("--show-secrets", is_flag=True, expose_value=False, is_eager=True, callback=_note, help=words)(function)


def _note(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own signature
    ctx.ensure_object(Context).show_secrets = value


def of_deployments(context: Context, deployments: Iterable[Deployment]) -> frozenset[str]:
    """The secret texts of deployments and their pools."""
    return of_runs(context, (), deployments)


def of_automations(context: Context, automations: Iterable[Automation]) -> frozenset[str]:
    """The secret texts that automations set for the runs that they create."""
    return secrets.of_automations(context.wiring.store, automations)


def of_runs(context: Context, runs: Iterable[Run], deployments: Iterable[Deployment] = ()) -> frozenset[str]:
    """The secret texts of runs, their deployments and their pools."""
    return secrets.of_runs(context.wiring.store, runs, deployments)
