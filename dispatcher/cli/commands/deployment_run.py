"""`dispatcher deployment run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, values
from dispatcher.cli.input.deployment_options import (
    KEY_HELP,
    expiry_option,
    expiry_taken,
    priority_options,
    retry_options,
    retry_taken,
    variable_options,
)
from dispatcher.cli.input.moments import AT_HELP, time_of
from dispatcher.cli.input.parameter_options import parameter_options, parameters_taken
from dispatcher.cli.input.references import deployment_argument
from dispatcher.cli.output import shapes
from dispatcher.models import RunRequest


@click.command(
    "run",
    cls=Command,
    example="dispatcher deployment run etl -jv env.DAY=2026-01-31 --at 2026-02-01T08:00:00+00:00\n"
    "dispatcher deployment run etl --param day=2026-01-31 --param limit=10",
)
@deployment_argument
@variable_options
@parameter_options
@click.option(
    "-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="The work queue, instead of the deployment's."
)
@click.option("--run-name", help="A name for people; it need not be unique.")
@click.option("--at", "at", metavar="TIME", help=AT_HELP)
@click.option("--tag", "tags", multiple=True, help="A tag, instead of the deployment's; repeat it for more.")
@click.option("--idempotency-key", metavar="KEY", help=KEY_HELP)
@retry_options
@expiry_option
@priority_options
@pass_context
def run(
    context: Context,
    /,
    name: str,
    *,
    source: str | None,
    pairs: Sequence[str],
    run_name: str | None,
    at: str | None,
    **fields: Any,
) -> Output:
    """Create a run of a deployment. It starts with a tick, when a slot is free and its turn has come.

    The run has the retries of the deployment; options for retries change only what they name.
    """
    variables = values.job_variables(source, pairs)
    fields["parameters"] = parameters_taken(fields)
    retry = retry_taken(fields, lambda: context.client.deployment(name).retry)
    due, fields["expires_after"] = time_of(context, at), expiry_taken(fields)
    request = RunRequest(deployment=name, name=run_name, job_variables=variables, scheduled_at=due, retry=retry, **fields)
    made = context.client.create_run(request)
    return Output(data=shapes.run(made), text=f"Created run {made.name} in {made.pool}/{made.queue}: {made.id}")
