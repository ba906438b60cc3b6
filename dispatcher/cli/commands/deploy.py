"""`dispatcher deploy`: a deployment of a Python function."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, values
from dispatcher.cli.input.default_pool import pool_or_default
from dispatcher.cli.input.deployment_options import (
    ScheduleOptions,
    limit_options,
    limits_taken,
    readings,
    retry_options,
    retry_taken,
    schedule_options,
    variable_options,
)
from dispatcher.cli.input.hook_options import hook_option, hooks_of_options
from dispatcher.cli.input.parameter_options import parameter_options, parameters_taken
from dispatcher.cli.output import secrets, shapes
from dispatcher.models import DEFAULT_QUEUE, Deployment


@click.command(
    cls=Command,
    example="dispatcher deploy etl:main --name etl --pool nightly --image example.com/etl:1 --cron '30 6 * * *'\n"
    "dispatcher deploy jobs/etl.py:main --name etl --pool local --param limit=10",
)
@click.argument("target", metavar="MODULE:FUNCTION")
@click.option("-n", "--name", required=True, metavar="NAME", help="The name of the deployment.")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="The work pool; otherwise the default one.")
@click.option("--image", metavar="IMAGE", help="The image that holds the function, and push-dispatcher.")
@click.option("-q", "--queue", default=DEFAULT_QUEUE, metavar="QUEUE", shell_complete=completion.queues, help="The work queue.")
@variable_options
@parameter_options
@click.option("--tag", "tags", multiple=True, help="A tag of every run; repeat it for more.")
@click.option("-d", "--description", help="What it is for; otherwise the first line of the function's docstring.")
@schedule_options
@retry_options
@limit_options
@hook_option
@pass_context
def deploy(
    context: Context, /, target: str, *, pool: str | None, source: str | None, pairs: Sequence[str], **fields: Any
) -> Output:
    """Create the deployment of a Python function, or make an existing one what the options say.

    The function is imported here, for the parameters of its signature: runs and schedules are checked by them. The command of
    its jobs is `python -m dispatcher.job MODULE:FUNCTION`, unless the variable `command` says otherwise; in a pool of type
    process they start in the current directory. Fields that no option names get their defaults; a pause stays.
    """
    fields |= {"parameters": parameters_taken(fields), "job_variables": values.job_variables(source, pairs)}
    schedules, retry = ScheduleOptions.taken(fields).schedules(), retry_taken(fields)
    fields |= {"hooks": hooks_of_options(fields["hooks"]), "retry": retry if retry and retry.attempts > 1 else None}
    fields |= limits_taken(fields)
    made = context.client.deploy(target, pool=pool_or_default(context, pool), schedules=schedules, **fields)
    words = f"Deployed {target} as {made.name!r} in {made.pool}/{made.queue}.{readings(schedules)}\nTry: {_first_run(made)}"
    return Output(data=shapes.deployment(made), text=words, secrets=secrets.of_deployments(context, [made]))


def _first_run(deployment: Deployment) -> str:
    """The command that runs it, with a placeholder for each missing parameter."""
    schema = deployment.parameter_openapi_schema
    lacking = [name for name in schema.get("required", ()) if name not in deployment.parameters]
    words = ["dispatcher", "deployment", "run", deployment.name]
    return shlex.join(words + [word for name in lacking for word in ("--param", f"{name}=...")])
