"""`dispatcher run`: create, list, explain, move, cancel and retry runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.commands import bulk
from dispatcher.cli.commands import logs as log_reading
from dispatcher.cli.commands.run_create import create
from dispatcher.cli.commands.watch import follow
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.input.deployment_options import priority_options
from dispatcher.cli.input.lengths import Length
from dispatcher.cli.input.moments import SINCE_HELP, time_of
from dispatcher.cli.input.references import find_run, run_argument
from dispatcher.cli.output import secrets, shapes
from dispatcher.cli.output.listing import RunListing, listing
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.client.arguments import missing, utc
from dispatcher.client.bulk import BulkAction
from dispatcher.errors import Fault, InvalidInput, NotFound
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter

REASON_HELP = "Only runs whose recorded reason (why it ended, was refused or is retried) has this text, in upper or lower case."
STATES = click.Choice(list(RunState), case_sensitive=False)


@click.group(cls=Group)
def run() -> None:
    """Create, list, explain, move, cancel and retry runs."""


run.add_command(create)


@run.command("ls", example="dispatcher run ls --pool nightly --state RUNNING --limit 20")
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Only runs of this work pool.")
@click.option(
    "-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="Only runs of work queues with this name."
)
@click.option("-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="Only runs of this deployment.")
@click.option("-s", "--state", "states", multiple=True, type=STATES, help="Only runs in this state; repeat it for more.")
@click.option("--tag", metavar="TAG", help="Only runs with this tag.")
@click.option("--name", metavar="TEXT", help="Only runs whose name begins with this text.")
@click.option("--since", metavar="TIME", help=f"Only runs created at this time or later, {SINCE_HELP}.")
@click.option("--until", metavar="TIME", help="Only runs created before this time.")
@click.option("--reason", metavar="TEXT", default="", help=REASON_HELP)
@click.option("--to-come", is_flag=True, help="Also show future runs, before those that ended.")
@click.option("-l", "--limit", type=int, default=50, show_default=True, help="How many.")
@click.option("--all", "everywhere", is_flag=True, help="Look at every run, however many there are.")
@wide_option
@pass_context
def ls(
    context: Context,
    /,
    *,
    states: Sequence[RunState],
    to_come: bool,
    limit: int,
    everywhere: bool,
    reason: str,
    pool: str | None,
    queue: str | None,
    deployment: str | None,
    **where: Any,
) -> Output:
    """List runs: running ones, due ones, and the last that ended.

    Due runs are sorted by priority and due time, and show why they wait. Future runs are shown with --to-come or --state
    SCHEDULED; --json has them last.

    Reasons have no index: --reason searches the newest 500 runs that match the other options, and says how to continue. So does
    a list by a name, or by a tag or a queue together with others, after 20,000 runs, or 1,000 on DynamoDB; --all looks at all.
    """
    if pool is not None:
        context.client.work_pool(pool)  # a name that does not exist is an error, not an empty list
    where |= {name: utc(time, name) for name in ("since", "until") if (time := time_of(context, where[name], name))}
    among = RunFilter(pool=pool, queue=queue, deployment=deployment, states=frozenset(states) or None, **where)
    page = listing(context.client, among, limit=limit, reason=reason, everywhere=everywhere)
    _say_how_to_go_on(page)
    if not page.runs and not page.to_come:
        _check_names(context, pool, queue=queue, deployment=deployment)
    shows_future = to_come or RunState.SCHEDULED in states
    first = [entry for entry in page.runs if not entry.run.state.is_terminal]
    ended = [entry for entry in page.runs if entry.run.state.is_terminal]
    ordered = [*first, *page.to_come, *ended] if shows_future else [*first, *ended, *page.to_come]
    shown = [shapes.listed(entry) for entry in ordered[:limit]]
    if context.as_json:
        return Output(data=shown)
    hidden = set() if shows_future else {str(entry.run.id) for entry in page.to_come}
    visible = {"runs": [run for run in shown if run["id"] not in hidden], "later": len(hidden), "limit": limit}
    return Output(data=visible, view="output.run_views:runs_listed")


@run.command("inspect", example="dispatcher run inspect 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@run_argument
@secrets.show_option
@wide_option
@pass_context
def inspect(context: Context, /, run_id: str) -> Output:
    """Show one run: its request, its timeline through all attempts, and its job."""
    run = find_run(context, run_id)
    return Output(data=shapes.whole_run(run), view="output.run_views:run", secrets=secrets.of_runs(context, [run]))


@run.command(
    "cancel",
    example="dispatcher run cancel 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5\n"
    "dispatcher run cancel --pool nightly --state SCHEDULED --tag backfill",
)
@bulk.options
@pass_context
def cancel(context: Context, /, run_id: str | None, **options: Any) -> Output:
    """Cancel a run, or all that match a filter: at once while they wait; otherwise the next tick stops their jobs."""
    if run_id is None or bulk.has_filter(options):
        return bulk.work_on_all(context, run_id, BulkAction.CANCEL, options)
    run = context.client.cancel_run(find_run(context, run_id).id)
    texts = {
        RunState.CANCELLED: f"Cancelled run {run.name!r}.",
        RunState.CANCELLING: f"Run {run.name!r} is being cancelled: the next tick stops its job.",
    }
    return Output(data=shapes.run(run), text=texts.get(run.state, f"Run {run.name!r} has already ended: {run.state}."))


@run.command(
    "move",
    example="dispatcher run move 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5 --queue critical\n"
    "dispatcher run move 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5 --front\n"
    "dispatcher run move --pool nightly --from-queue default --tag backfill --queue slow",
)
@click.option("-q", "--queue", metavar="QUEUE", shell_complete=completion.queues, help="The work queue to wait in.")
@priority_options
@bulk.options_of_move
@pass_context
def move(
    context: Context, /, run_id: str | None, queue: str | None, *, priority: int | None, front: bool, **options: Any
) -> Output:
    """Move a waiting run, or all that match a filter, into another queue of the pool, or change the priority of a run.

    Among the runs of equal priority, due times decide their place.
    """
    if run_id is None or bulk.has_filter(options):
        if front or priority is not None:
            raise InvalidInput("runs", [Fault("options", "--priority and --front go with one run: name it, without a filter")])
        return bulk.work_on_all(context, run_id, BulkAction.MOVE, options, queue=queue)
    run = find_run(context, run_id)
    moved = context.client.move_run(run.id, queue=queue, priority=priority, front=front)
    where = f"in work queue {moved.queue!r}{f' with priority {moved.priority}' if moved.priority else ''}"
    before = repr(run.queue) + (f" with priority {run.priority}" if run.priority else "")
    text = f"Run {run.name!r} now waits {where}; before, in {before}."
    if moved == run:
        text = f"Run {run.name!r} already waits {where}{', before all others' if front else ''}."
    return Output(data=shapes.run(moved), text=text)


@run.command(
    "start-now",
    example="dispatcher run start-now 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5\n"
    "dispatcher run start-now --deployment etl --dry-run",
)
@bulk.options
@pass_context
def start_now(context: Context, /, run_id: str | None, **options: Any) -> Output:
    """Make a waiting run, or all that match, due now, whatever a due time, a delay or a refusal said. Limits still hold.

    A run that is due already keeps its position; `dispatcher run explain` shows what it waits for.
    """
    if run_id is None or bulk.has_filter(options):
        return bulk.work_on_all(context, run_id, BulkAction.START_NOW, options)
    run = find_run(context, run_id)
    started = context.client.start_run_now(run.id)
    text = f"Run {run.name!r} is due already; `dispatcher run explain` shows what it waits for."
    if started != run:
        text = f"Run {run.name!r} is due now: it starts in the next tick in which a slot is free."
    return Output(data=shapes.run(started), text=text)


@run.command(
    "retry",
    example="dispatcher run retry 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5\n"
    "dispatcher run retry --deployment etl --state FAILED --since '24h ago'",
)
@bulk.options
@pass_context
def retry(context: Context, /, run_id: str | None, **options: Any) -> Output:
    """Run an ended run, or all that match a filter, again: new runs with the same pool, queue, variables, tags and retries.

    They are due at once.

    An ended run never changes, so the new run has its own id. Retrying the same run again returns the same new run; to go on
    from there, retry the new run. Automatic retries (--retries) are attempts of one run.
    """
    if run_id is None or bulk.has_filter(options):
        return bulk.work_on_all(context, run_id, BulkAction.RETRY, options)
    old = find_run(context, run_id)
    made = context.client.retry_run(old.id)
    return Output(data=shapes.run(made), text=f"Run {old.name!r} is run again as {made.name}, {made.state}: {made.id}")


@run.command("explain", example="dispatcher run explain 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5")
@run_argument
@pass_context
def explain(context: Context, /, run_id: str) -> Output:
    """Explain why a run is not running: the one primary reason, the runs that hold the slots, and what to do."""
    run = find_run(context, run_id)
    return Output(data=shapes.explanation(run, context.client.explain(run.id)), view="explanation")


@run.command("watch", example="dispatcher run watch 6e0c3f0a-53fd-4cf1-8e6e-9b3f57a3a7a5 --timeout 3600")
@run_argument
@click.option(
    "--every",
    type=Length(0.1, 3600),
    default="2s",
    show_default=True,
    metavar="LENGTH",
    help="The time between two reads of the run.",
)
@click.option("--timeout", type=Length(), metavar="LENGTH", help="Stop watching after this time; the run continues.")
@pass_context
def watch(context: Context, /, run_id: str, every: float, timeout: float | None) -> Output:
    """Follow one run until it ends: a line for each state, and for each reason why it waits.

    Exits with 0 if the run completes, and with 1 if it ends otherwise or the time is up. Ctrl-C stops only the watching.
    """
    return follow(context, find_run(context, run_id).id, every=every, timeout=timeout)


@run.command("logs", example="dispatcher run logs 6e0c3f0a --follow\ndispatcher run logs 6e0c3f0a --attempt 1 --tail 20")
@run_argument
@click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="The logs of this attempt; otherwise of the last one with a job."
)
@click.option("--tail", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Only the last N lines.")
@click.option("-f", "--follow", "following", is_flag=True, help="Continue with new lines until the run ends.")
@click.option(
    "--every",
    type=Length(0.1, 3600),
    default="2s",
    show_default=True,
    metavar="LENGTH",
    help="The time between two reads of the run.",
)
@pass_context
def logs(context: Context, /, run_id: str, *, attempt: int | None, tail: int, following: bool, every: float) -> Output | None:
    """Show the logs of a run's job, or where to find them.

    While the next attempt waits, the logs are those of the previous attempt. --follow continues through all attempts until the
    run has ended, or only until the attempt that --attempt names has ended.
    """
    run = find_run(context, run_id)
    if following:
        return log_reading.follow(context, run, attempt=attempt, tail=tail, every=every)
    return log_reading.logs(context, run, attempt=attempt, tail=tail)


def _say_how_to_go_on(page: RunListing) -> None:
    """Report on standard error how far a search came, if the list continues there."""
    if page.searched is not None and page.searched.searched_to is not None:
        words = f"Searched for the reason: {page.searched.searched} runs. To search older ones"
        click.echo(f"{words}: --until {_just_after(page.searched.searched_to)}", err=True)
    elif page.searched_to is not None:
        words = f"Older runs may match: only runs since {page.searched_to.isoformat()} were looked at. To list older ones"
        click.echo(f"{words}: --until {_just_after(page.searched_to)}; to look at all: --all", err=True)


def _just_after(time: datetime) -> str:
    return (time + timedelta(microseconds=1)).isoformat()


def _check_names(context: Context, pool: str | None, *, queue: str | None, deployment: str | None) -> None:
    """Raise `NotFound` for an unknown deployment or queue; only for an empty list, since a deleted one may have left runs."""
    if deployment is not None:
        context.client.deployment(deployment)
    if queue is not None and pool is not None:
        context.client.work_queue(pool, queue)
    elif queue is not None and not any(pool.queue(queue) for pool in context.client.work_pools()):
        names = [queue.name for pool in context.client.work_pools() for queue in pool.queues]
        raise NotFound(missing("work queue", queue, names))
