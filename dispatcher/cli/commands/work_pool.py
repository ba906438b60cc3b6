"""`dispatcher work-pool`: create, change and inspect work pools."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.cli.input.default_pool import forget_default, set_default
from dispatcher.cli.input.hook_options import hook_option, hooks_changed, hooks_of_options, no_hooks_option
from dispatcher.cli.input.references import pool_argument
from dispatcher.cli.input.values import job_variables, template, type_option
from dispatcher.cli.output import secrets, shapes
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.client import UNSET, default_base_job_template
from dispatcher.core.holds import active
from dispatcher.models import Share, WorkPool

NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
"""Lets `-1` be a value, so that the error concerns the value and not an unknown option."""
A_DIRECTORY = click.Path(path_type=Path, file_okay=False)


def variables_options(function: Any) -> Any:
    """`--job-variables` and `--job-variable`: defaults for the variables of the template."""
    whole = "Defaults for the template's variables: a JSON object, or a file with one, such as Terraform's output."
    single = "One default; repeat it for more. Text stays as you type it."
    function = click.option("--job-variables", "variables", metavar="FILE|JSON", help=whole)(function)
    return click.option("-jv", "--job-variable", "pairs", multiple=True, metavar="NAME=VALUE", help=single)(function)


def default_option(function: Any) -> Any:
    """`--set-as-default`."""
    words = "Use this pool where none is named, for you and this store (DISPATCHER_DEFAULT_POOL wins)."
    return click.option("--set-as-default", "as_default", is_flag=True, help=words)(function)


def share_option(function: Any) -> Any:
    """`--share`."""
    words = "How queues share the pool's slots: strict, by priority (the default), or fair, by weight and with equal rank."
    return click.option("--share", type=click.Choice([choice.value for choice in Share]), help=words)(function)


@click.group(cls=Group)
def work_pool() -> None:
    """Create, change and inspect work pools."""


@work_pool.command(
    "create",
    example="dispatcher work-pool create nightly --type ecs:push --base-job-template nightly.json --concurrency-limit 9\n"
    "dispatcher work-pool create nightly --type process --hook ops --hook pager=LATE:PT10M",
)
@click.argument("name")
@type_option
@click.option(
    "--base-job-template",
    "source",
    metavar="FILE",
    help="A JSON file, or - for standard input; otherwise the default of the type.",
)
@variables_options
@click.option("-l", "--concurrency-limit", type=int, metavar="N", help="The most runs at once; 0: none; left out: unlimited.")
@click.option("--paused", is_flag=True, help="Create it paused: it starts no runs until it is resumed.")
@click.option("-d", "--description", default="", help="What it is for.")
@share_option
@hook_option
@default_option
@pass_context
def create(
    context: Context,
    /,
    name: str,
    *,
    pool_type: str,
    source: str | None,
    variables: str | None,
    pairs: tuple[str, ...],
    concurrency_limit: int | None,
    paused: bool,
    description: str,
    share: str | None,
    hooks: tuple[str, ...],
    as_default: bool,
) -> Output:
    """Create a work pool, with one work queue named default."""
    pool = context.client.create_work_pool(
        name,
        type=pool_type,
        base_job_template=template(source),
        job_variables=job_variables(variables, pairs),
        concurrency_limit=concurrency_limit,
        paused=paused,
        description=description,
        hooks=hooks_of_options(hooks),
        share=share or Share.STRICT,
    )
    noted = set_default(context, name) if as_default else ""
    next_step = "dispatcher run create" + (f" --pool {name}" if not as_default else "")
    return _changed(context, pool, f"Created work pool {name!r} of type {pool_type}.{noted} Try: {next_step}")


@work_pool.command(
    "update",
    example="dispatcher work-pool update nightly --base-job-template nightly.json\n"
    "dispatcher work-pool update nightly --hook ops=FAILED,CRASHED,LATE:600",
)
@pool_argument
@click.option("--base-job-template", "source", metavar="FILE", help="A JSON file, or - for standard input.")
@variables_options
@click.option("-l", "--concurrency-limit", type=int, metavar="N", help="The most runs at once; 0: none.")
@click.option("-d", "--description", help="What it is for.")
@share_option
@hook_option
@no_hooks_option
@default_option
@pass_context
def update(
    context: Context,
    /,
    name: str,
    *,
    source: str | None,
    variables: str | None,
    pairs: tuple[str, ...],
    concurrency_limit: int | None,
    description: str | None,
    share: str | None,
    hooks: tuple[str, ...],
    no_hooks: bool,
    as_default: bool,
) -> Output:
    """Change the given settings; a new template is checked against every deployment and waiting run of the pool.

    New hooks replace all existing hooks.
    """
    changed = hooks_changed(hooks, none=no_hooks)
    if all(
        value in (None, (), False)
        for value in (source, variables, pairs, concurrency_limit, description, share, changed, as_default)
    ):
        options = (
            "--base-job-template, --job-variable, --concurrency-limit, --description, --share, --hook, --no-hooks, "
            "--set-as-default"
        )
        raise click.UsageError(f"Nothing to change: give {options}.")
    pool = context.client.update_work_pool(
        name,
        base_job_template=UNSET if source is None else template(source),
        job_variables=job_variables(variables, pairs),
        concurrency_limit=UNSET if concurrency_limit is None else concurrency_limit,
        description=UNSET if description is None else description,
        hooks=UNSET if changed is None else changed,
        share=UNSET if share is None else share,
    )
    noted = set_default(context, name) if as_default else ""
    return _changed(context, pool, f"Updated work pool {name!r}.{noted}")


@work_pool.command("ls", example="dispatcher work-pool ls")
@wide_option
@pass_context
def ls(context: Context, /) -> Output:
    """List all work pools."""
    return Output(data=[_listed(context, pool) for pool in context.client.work_pools()], view="pools")


def _listed(context: Context, pool: WorkPool) -> shapes.Shape:
    """A pool in the list, with its present holds."""
    now, oldest = context.wiring.dispatch.clock.now(), context.client.oldest_due(pool.name)
    is_late = oldest is not None and oldest.is_late(now, context.client.heartbeat)
    return {
        **_shape(context, pool),
        "held": [shapes.hold(hold) for hold in active(pool.holds, now)],
        "late_since": shapes.time(oldest.due_at) if oldest and is_late else None,
    }


@work_pool.command("inspect", example="dispatcher work-pool inspect nightly")
@pool_argument
@secrets.show_option
@wide_option
@pass_context
def inspect(context: Context, /, name: str) -> Output:
    """Show one work pool: its limits, its queues with their runs, and its base job template."""
    view = context.client.inspect_work_pool(name)
    return Output(data=shapes.whole_pool(view), view="pool", secrets=secrets.of_pools([view.pool]))


@work_pool.command("preview", example="dispatcher work-pool preview nightly --hours 12")
@pool_argument
@click.option(
    "--hours", type=click.FloatRange(0, 8760), default=1.0, show_default=True, metavar="N", help="How far to look ahead."
)
@click.option("-l", "--limit", type=int, default=100, show_default=True, metavar="N", help="The most runs to show.")
@wide_option
@pass_context
def preview(context: Context, /, name: str, hours: float, limit: int) -> Output:
    """Show the runs of the next hours by due time: late runs are marked, and runs that schedules will create are included."""
    client = context.client
    now, entries = client.clock.now(), client.preview_work_pool(name, within=timedelta(hours=hours), limit=limit)
    shown = [shapes.upcoming(entry, now, client.heartbeat) for entry in entries]
    return Output(data=shown, view="output.run_views:preview")


@work_pool.command("pause", example="dispatcher work-pool pause nightly")
@pool_argument
@pass_context
def pause(context: Context, /, name: str) -> Output:
    """Stop starting runs: running jobs continue, and due runs wait."""
    return _changed(context, context.client.update_work_pool(name, paused=True), f"Paused work pool {name!r}.")


@work_pool.command("resume", example="dispatcher work-pool resume nightly")
@pool_argument
@pass_context
def resume(context: Context, /, name: str) -> Output:
    """Start runs again; all runs that waited are due."""
    return _changed(context, context.client.update_work_pool(name, paused=False), f"Resumed work pool {name!r}.")


@work_pool.command("delete", example="dispatcher work-pool delete nightly --yes")
@pool_argument
@yes_option
@pass_context
def delete(context: Context, /, name: str, *, yes: bool) -> Output:
    """Delete a work pool with its queues, deployments and ended runs. Refused while it has other runs."""
    context.client.work_pool(name)
    consent(f"delete work pool {name!r}, its queues, its deployments and its ended runs", yes=yes)
    context.client.delete_work_pool(name)
    forget_default(context, name)
    return Output(data={"deleted": name}, text=f"Deleted work pool {name!r}.")


@work_pool.command("sweep", example="dispatcher work-pool sweep nightly --yes")
@pool_argument
@yes_option
@pass_context
def sweep(context: Context, /, name: str, *, yes: bool) -> Output:
    """Remove leftovers of ended jobs at the pool's provider that no run needs. A process's log is removed too."""
    from dispatcher.upkeep.strays import strays  # noqa: PLC0415 - likewise
    from dispatcher.upkeep.sweep import sweep as run_sweep  # noqa: PLC0415 - no other command of this module needs a provider

    pool = context.client.work_pool(name)
    consent(f"remove what ended jobs of work pool {name!r} left behind", yes=yes)
    names, unknown = run_sweep(context.wiring.dispatch, pool), strays(context.wiring.dispatch, pool)
    lines = [*names, f"Removed {len(names)} ended jobs."]
    if unknown:
        examples = ", ".join(unknown[:5])
        lines.append(f"Left alone: {len(unknown)} live jobs for which no run of this store holds a slot: {examples}")
    return Output(data={"pool": name, "swept": list(names), "unknown": list(unknown)}, text="\n".join(lines))


@work_pool.command(
    "set-concurrency-limit", example="dispatcher work-pool set-concurrency-limit nightly 20", context_settings=NEGATIVE_NUMBERS
)
@pool_argument
@click.argument("limit", type=int)
@pass_context
def set_concurrency_limit(context: Context, /, name: str, limit: int) -> Output:
    """Limit how many runs of the pool may hold a slot at once; 0 means never."""
    pool = context.client.update_work_pool(name, concurrency_limit=limit)
    return _changed(context, pool, f"Work pool {name!r} now runs at most {limit} at once.")


@work_pool.command("clear-concurrency-limit", example="dispatcher work-pool clear-concurrency-limit nightly")
@pool_argument
@pass_context
def clear_concurrency_limit(context: Context, /, name: str) -> Output:
    """Remove the limit of the pool; the limits of its queues stay."""
    pool = context.client.update_work_pool(name, concurrency_limit=None)
    return _changed(context, pool, f"Work pool {name!r} has no limit any more.")


@work_pool.command(
    "get-default-base-job-template",
    example="dispatcher work-pool get-default-base-job-template --type ecs:push -f nightly.json\n"
    "dispatcher work-pool get-default-base-job-template --type ecs:push -jv cluster=batch -f nightly.json",
)
@type_option
@click.option("-f", "--file", "target", metavar="FILE", help="Write to this file instead of showing it.")
@variables_options
def get_default_base_job_template(pool_type: str, target: str | None, variables: str | None, pairs: tuple[str, ...]) -> Output:
    """Show the default base job template of a pool type: edit it, and pass it to create, here or at a Prefect server."""
    template = default_base_job_template(pool_type, job_variables(variables, pairs))
    text = json.dumps(template, indent=2)
    if target is None:
        return Output(data=template, text=text)
    Path(target).write_text(text + "\n", encoding="utf-8")
    return Output(data={"file": target}, text=f"Wrote the base job template of {pool_type} to {target}.")


@work_pool.command(
    "provision-infrastructure", example="dispatcher work-pool provision-infrastructure nightly --output nightly-infrastructure"
)
@click.argument("name", shell_complete=completion.pools)
@click.option(
    "-t", "--type", "pool_type", metavar="TYPE", help="The type of a pool that does not exist yet; the store is then not read."
)
@click.option("-o", "--output", metavar="DIR", type=A_DIRECTORY, help="Where to write it; by default NAME-infrastructure.")
@click.option("--pool-only", is_flag=True, help="Leave out the dispatcher itself, because there is one already.")
@click.option("--force", is_flag=True, help="Overwrite existing files that differ.")
@pass_context
def provision_infrastructure(
    context: Context, /, name: str, *, pool_type: str | None, output: Path | None, pool_only: bool, force: bool
) -> Output:
    """Write a Terraform root module for a pool and the dispatcher that serves it. It runs nothing."""
    from dispatcher.cli.terraform import writing  # noqa: PLC0415 - of no use to the other commands

    kind = pool_type or context.client.work_pool(name).type
    instead = writing.nothing_to_make(kind)
    if instead is not None:
        data: dict[str, Any] = {"pool": name, "type": kind, "directory": None, "files": [], "next": []}
        return Output(data=data, text=f"Work pool {name!r} is of type {kind}. {instead}")
    module = writing.root_module(name, kind, with_dispatcher=not pool_only, is_stored=pool_type is None)
    directory = output or Path(f"{writing.cloud_name(name)}-infrastructure")
    files = writing.write(module, directory, force=force)
    steps = [f"cd {shlex.quote(str(directory))}", *module.steps]
    text = "\n".join(
        [f"Wrote {len(files)} files to {directory}; {module.page} explains them.", "Next:", *(f"  {s}" for s in steps)]
    )
    return Output(data={"pool": name, "type": kind, "directory": str(directory), "files": files, "next": steps}, text=text)


def _shape(context: Context, pool: WorkPool) -> shapes.Shape:
    return shapes.pool(pool, pool.status(context.client.clock.now(), context.client.heartbeat))


def _changed(context: Context, pool: WorkPool, text: str) -> Output:
    return Output(data=_shape(context, pool), text=text)
