"""`dispatcher deployment schedule`: the schedules of a deployment."""

from __future__ import annotations

from typing import Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, values
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.cli.input.deployment_options import ScheduleOptions, readings, schedule_options, variable_options
from dispatcher.cli.input.parameter_options import parameter_options, parameters_taken
from dispatcher.cli.input.references import deployment_argument
from dispatcher.cli.output import shapes
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Deployment


@click.group(cls=Group)
def schedule() -> None:
    """Define when a deployment runs by itself."""


@schedule.command(
    "create",
    example="dispatcher deployment schedule create etl --cron '30 6 * * 1-5' --timezone Europe/Paris --slug mornings\n"
    "dispatcher deployment schedule create etl --interval 900 --catch-up last",
)
@deployment_argument
@click.option("--slug", help="Its name within the deployment; otherwise cron, interval or rrule, with a number.")
@schedule_options
@variable_options
@parameter_options
@click.option(
    "--priority", type=int, metavar="N", help="The priority of its runs in their queue; by default as its deployment."
)
@click.option("--active/--no-active", default=True, help="Whether it creates runs; the default is yes.")
@click.option("--replace", is_flag=True, help="Remove all other schedules of the deployment.")
@pass_context
def create(
    context: Context, /, name: str, *, slug: str | None, active: bool, replace: bool, priority: int | None, **fields: Any
) -> Output:
    """Add a schedule to a deployment. Its windows become runs an hour ahead, each once.

    Job variables and parameters given here override the deployment's in the runs of this schedule. What the template and the
    deployment's schema require has to be there: in the schedule, in the deployment, or as a default.
    """
    brought = {
        "job_variables": values.job_variables(fields.pop("source"), fields.pop("pairs")),
        "parameters": parameters_taken(fields),
        "priority": priority,
    }
    slugs = [] if replace else [schedule.slug for schedule in context.client.deployment(name).schedules]
    schedules = ScheduleOptions.taken(fields).schedules(slug=slug, slugs=slugs, active=active, **brought)
    if len(schedules) != 1:
        words = f"give exactly one of --cron, --interval and --rrule (got {len(schedules)})"
        raise InvalidInput("schedule", [Fault("options", words)])
    client = context.client
    saved = client.update_deployment(name, schedules=schedules) if replace else client.add_schedule(name, schedules[0])
    made = shaped(context, saved, schedules[0].slug)
    text = f"Created schedule {made['slug']!r} of deployment {name!r}.{_next(made)}{readings(schedules)}"
    return Output(data=made, text=text)


@schedule.command("ls", example="dispatcher deployment schedule ls etl")
@deployment_argument
@wide_option
@pass_context
def ls(context: Context, /, name: str) -> Output:
    """List the schedules of a deployment, each with its next three windows in its time zone."""
    deployment = context.client.deployment(name)
    data = [shaped(context, deployment, schedule.slug) for schedule in deployment.schedules]
    return Output(data=data, view="output.deployment_views:schedules")


@schedule.command("pause", example="dispatcher deployment schedule pause etl mornings")
@deployment_argument
@click.argument("slug", shell_complete=completion.schedules)
@pass_context
def pause(context: Context, /, name: str, slug: str) -> Output:
    """Pause a schedule; its future runs are removed."""
    made = shaped(context, context.client.pause_schedule(name, slug), slug)
    return Output(data=made, text=f"Paused schedule {slug!r} of deployment {name!r}.")


@schedule.command("resume", example="dispatcher deployment schedule resume etl mornings")
@deployment_argument
@click.argument("slug", shell_complete=completion.schedules)
@pass_context
def resume(context: Context, /, name: str, slug: str) -> Output:
    """Resume a schedule from now on."""
    made = shaped(context, context.client.resume_schedule(name, slug), slug)
    return Output(data=made, text=f"Resumed schedule {slug!r} of deployment {name!r}.{_next(made)}")


@schedule.command("delete", example="dispatcher deployment schedule delete etl mornings --yes")
@deployment_argument
@click.argument("slug", shell_complete=completion.schedules)
@yes_option
@pass_context
def delete(context: Context, /, name: str, slug: str, *, yes: bool) -> Output:
    """Delete a schedule and its future runs."""
    context.client.schedule(name, slug)
    consent(f"delete schedule {slug!r} of deployment {name!r} and its future runs", yes=yes)
    context.client.remove_schedule(name, slug)
    return Output(data={"deployment": name, "deleted": [slug]}, text=f"Deleted schedule {slug!r} of deployment {name!r}.")


@schedule.command("clear", example="dispatcher deployment schedule clear etl --yes")
@deployment_argument
@yes_option
@pass_context
def clear(context: Context, /, name: str, *, yes: bool) -> Output:
    """Delete all schedules of a deployment and their future runs."""
    gone = [schedule.slug for schedule in context.client.deployment(name).schedules]
    if gone:
        consent(f"delete all schedules of deployment {name!r} ({', '.join(gone)}) and their future runs", yes=yes)
    context.client.clear_schedules(name)
    text = f"Deleted {len(gone)} schedule{'s' * (len(gone) != 1)} of deployment {name!r}."
    return Output(data={"deployment": name, "deleted": gone}, text=text)


def shaped(context: Context, deployment: Deployment, slug: str) -> shapes.Shape:
    """One schedule with its next windows; a paused one has none."""
    schedule = next(schedule for schedule in deployment.schedules if schedule.slug == slug)
    windows = context.client.next_windows(schedule) if slug in deployment.active_schedules else ()
    return {"deployment": deployment.name, **shapes.with_windows(schedule, windows)}


def _next(made: shapes.Shape) -> str:
    return f" Next: {', '.join(made['next'])}" if made["next"] else ""
