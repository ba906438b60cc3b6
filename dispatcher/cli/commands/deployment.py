"""`dispatcher deployment`: define what runs where and when, and run it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.commands.deployment_run import run
from dispatcher.cli.commands.deployment_schedule import schedule
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, values
from dispatcher.cli.input.consent import consent, yes_option
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
from dispatcher.cli.input.hook_options import hook_option, hooks_changed, hooks_of_options, no_hooks_option
from dispatcher.cli.input.parameter_options import parameter_options, parameters_taken, schema_option
from dispatcher.cli.input.references import deployment_argument
from dispatcher.cli.output import secrets, shapes
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE, Deployment, RetryPolicy


@click.group(cls=Group)
def deployment() -> None:
    """Define what runs where and when, and run it by name."""


@deployment.command(
    "create",
    example="dispatcher deployment create etl --pool nightly --queue critical -jv 'command=echo hi' --tag finance\n"
    "dispatcher deployment create etl -p nightly -jv command=date --cron '30 6 * * 1-5' --timezone Europe/Paris --retries 2 "
    "--hook team",
)
@click.argument("name")
@click.option(
    "-p",
    "--pool",
    metavar="POOL",
    shell_complete=completion.pools,
    help="The work pool of its runs; otherwise the default one.",
)
@click.option("-q", "--queue", default=DEFAULT_QUEUE, metavar="QUEUE", shell_complete=completion.queues, help="The work queue.")
@variable_options
@parameter_options
@schema_option
@click.option("--tag", "tags", multiple=True, help="A tag of every run; repeat it for more.")
@click.option("-d", "--description", default="", help="What it is for.")
@schedule_options
@retry_options
@limit_options
@hook_option
@click.option("--paused", is_flag=True, help="Create it paused: its schedules create no runs yet.")
@pass_context
def create(
    context: Context, /, name: str, *, pool: str | None, source: str | None, pairs: Sequence[str], **fields: Any
) -> Output:
    """Create a deployment. Its job variables override the pool's defaults; those of a run override them.

    Its parameters are what its jobs get in DISPATCHER_PARAMETERS; a run may bring others, which the schema has to allow.
    """
    owner, variables = pool_or_default(context, pool), values.job_variables(source, pairs)
    fields |= {
        "parameters": parameters_taken(fields),
        "parameter_openapi_schema": values.schema(fields.pop("parameter_schema")),
    }
    schedules, retry = ScheduleOptions.taken(fields).schedules(), _kept(retry_taken(fields))
    hooks, limits = hooks_of_options(fields.pop("hooks")), limits_taken(fields)
    made = context.client.create_deployment(
        name, pool=owner, job_variables=variables, schedules=schedules, retry=retry, hooks=hooks, **limits, **fields
    )
    then = f"Try: dispatcher deployment {'schedule ls' if schedules else 'run'} {name}"
    return _changed(context, made, f"Created deployment {name!r} in {made.pool}/{made.queue}.{readings(schedules)}\n{then}")


@deployment.command(
    "update",
    example="dispatcher deployment update etl --queue default -jv cpu=512\ndispatcher deployment update etl --retries 3",
)
@deployment_argument
@click.option("--name", "new_name", metavar="NAME", help="Rename it; new runs replace its waiting runs.")
@click.option(
    "-p",
    "--pool",
    metavar="POOL",
    shell_complete=completion.pools,
    help="Move it to another work pool; new runs replace its waiting runs.",
)
@click.option("-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="The work queue.")
@variable_options
@parameter_options
@schema_option
@click.option("--tag", "tags", multiple=True, help="A tag; repeat it for more. The tags replace all existing ones.")
@click.option("-d", "--description", help="What it is for.")
@schedule_options
@retry_options
@limit_options
@hook_option
@no_hooks_option
@click.option("--paused/--resumed", default=None, help="Pause or resume its schedules.")
@pass_context
def update(
    context: Context,
    /,
    name: str,
    *,
    new_name: str | None,
    source: str | None,
    pairs: Sequence[str],
    tags: Sequence[str],
    **fields: Any,
) -> Output:
    """Change the given settings. --job-variables replaces all variables; each --job-variable replaces one.

    --params and --param do the same with parameters.

    New schedules and hooks replace all existing ones; `dispatcher deployment schedule` changes one schedule. Options for
    retries change only what they name; --retries 0 removes the retries.
    """
    if source is None and pairs:
        fields["job_variables"] = {**context.client.deployment(name).job_variables, **values.job_variables(None, pairs)}
    elif source is not None:
        fields["job_variables"] = values.job_variables(source, pairs)
    fields |= _parameters(context, name, fields)
    schedules = ScheduleOptions.taken(fields).schedules()
    retry = retry_taken(fields, lambda: context.client.deployment(name).retry)
    hooks, limits = hooks_changed(fields.pop("hooks"), none=fields.pop("no_hooks")), limits_taken(fields)
    options = {**fields, "tags": tags or None, "schedules": schedules or None, "retry": retry, "hooks": hooks}
    changes = {name: value for name, value in options.items() if value is not None} | limits
    if not changes and new_name is None:
        raise InvalidInput("deployment", [Fault("options", "nothing to change; see --help")])
    if retry is not None:
        changes["retry"] = _kept(retry)
    made = context.client.update_deployment(name, **changes) if changes else context.client.deployment(name)
    words = f"Updated deployment {name!r}.{readings(schedules)}"
    if new_name is not None and new_name != name:
        made, words = context.client.rename_deployment(name, new_name), f"Deployment {name!r} is {new_name!r} now."
    return _changed(context, made, words)


@deployment.command("ls", example="dispatcher deployment ls --pool nightly")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Only runs of this work pool.")
@wide_option
@pass_context
def ls(context: Context, /, pool: str | None) -> Output:
    """List deployments by name."""
    if pool is not None:
        context.client.work_pool(pool)  # a name that does not exist is an error, not an empty list
    deployments = context.client.deployments(pool)
    data = [shapes.deployment(deployment) for deployment in deployments]
    return Output(data=data, view="output.deployment_views:deployments", secrets=secrets.of_deployments(context, deployments))


@deployment.command("inspect", example="dispatcher deployment inspect etl")
@deployment_argument
@secrets.show_option
@wide_option
@pass_context
def inspect(context: Context, /, name: str) -> Output:
    """Show one deployment: its variables, retries, hooks, and schedules with their next windows."""
    deployment = context.client.deployment(name)
    data = shapes.whole_deployment(deployment, context.client.next_windows)
    return Output(data=data, view="output.deployment_views:deployment", secrets=secrets.of_deployments(context, [deployment]))


deployment.add_command(run)
deployment.add_command(schedule)


@deployment.command("pause", example="dispatcher deployment pause etl")
@deployment_argument
@pass_context
def pause(context: Context, /, name: str) -> Output:
    """Pause the schedules of a deployment; their future runs are removed. People can still run it."""
    return _changed(
        context, context.client.pause_deployment(name), f"Paused deployment {name!r}: its schedules create no runs."
    )


@deployment.command("resume", example="dispatcher deployment resume etl")
@deployment_argument
@pass_context
def resume(context: Context, /, name: str) -> Output:
    """Resume the schedules of a deployment from now on."""
    return _changed(context, context.client.resume_deployment(name), f"Resumed deployment {name!r}.")


@deployment.command("delete", example="dispatcher deployment delete etl --yes")
@deployment_argument
@yes_option
@pass_context
def delete(context: Context, /, name: str, *, yes: bool) -> Output:
    """Delete a deployment and its waiting runs that schedules made and nobody claimed; other waiting runs crash when due."""
    left = context.client.stranded_runs(name)
    fate = f"; {left} waiting run{'s' * (left != 1)} of it would crash when due" if left else ""
    consent(f"delete deployment {name!r} and the future runs of its schedules{fate}", yes=yes)
    context.client.delete_deployment(name)
    then = f" {left} waiting run{'s' * (left != 1)} of it will crash when due: dispatcher run ls -d {name}" if left else ""
    return Output(data={"deleted": name}, text=f"Deleted deployment {name!r}.{then}")


def _changed(context: Context, deployment: Deployment, text: str) -> Output:
    return Output(data=shapes.deployment(deployment), text=text, secrets=secrets.of_deployments(context, [deployment]))


def _parameters(context: Context, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The changes of the options to the parameters; None for what they leave unchanged."""
    replaced, schema = fields["parameters"] is not None, values.schema(fields.pop("parameter_schema"))
    parameters = parameters_taken(fields)
    if parameters and not replaced:
        parameters = {**context.client.deployment(name).parameters, **parameters}
    return {"parameters": parameters if parameters or replaced else None, "parameter_openapi_schema": schema}


def _kept(retry: RetryPolicy | None) -> RetryPolicy | None:
    """The policy to save: None for a policy of a single attempt."""
    return retry if retry is not None and retry.attempts > 1 else None
