"""`dispatcher run cancel|retry|move|start-now` by a filter: counted and confirmed first, then done in steps of 200 runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from dispatcher.cli.command import Output
from dispatcher.cli.context import Context
from dispatcher.cli.input import completion
from dispatcher.cli.input.consent import consent
from dispatcher.cli.input.moments import SINCE_HELP, time_of
from dispatcher.cli.output import shapes
from dispatcher.cli.output.progress import progress_bar, running_number
from dispatcher.client.arguments import utc
from dispatcher.client.bulk import BulkAction, Work
from dispatcher.client.counting import Count
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter

Function = TypeVar("Function", bound=Callable[..., Any])

FILTERS = ("pool", "from_queue", "deployment", "states", "tag", "name", "since", "until")
NAMED = 10
"""The most refused runs that are printed; `--json` has all of them."""
DONE: Mapping[BulkAction, str] = {
    BulkAction.CANCEL: "Cancelled",
    BulkAction.RETRY: "Run again",
    BulkAction.MOVE: "Moved",
    BulkAction.START_NOW: "Made due now",
}


def options(function: Function) -> Function:
    """A run's id, or a filter; with `--queue`."""
    return _options(function, "-q", "--queue")


def options_of_move(function: Function) -> Function:
    """The same for a command whose `--queue` is the target of the runs."""
    return _options(function, "--from-queue")


def _options(function: Function, *queue: str) -> Function:
    states = click.Choice(list(RunState), case_sensitive=False)
    every = [
        click.argument("run_id", metavar="[ID]", required=False, shell_complete=completion.runs),
        click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="All runs of this work pool."),
        click.option(
            *queue, "from_queue", metavar="QUEUE", shell_complete=completion.queues, help="All runs of queues with this name."
        ),
        click.option(
            "-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="All runs of this deployment."
        ),
        click.option("-s", "--state", "states", multiple=True, type=states, help="All runs in this state; repeat it for more."),
        click.option("--tag", metavar="TAG", help="All runs with this tag."),
        click.option("--name", metavar="TEXT", help="All runs whose name begins with this text."),
        click.option("--since", metavar="TIME", help=f"All runs created at this time or later, {SINCE_HELP}."),
        click.option("--until", metavar="TIME", help="All runs created before this time."),
        click.option("--all", "everything", is_flag=True, help="All runs of the store, without a filter."),
        click.option("--dry-run", is_flag=True, help="Count the runs that match, and change nothing."),
        click.option("-y", "--yes", is_flag=True, help="Work on many runs without asking; needed where there is no terminal."),
    ]
    for option in reversed(every):
        function = option(function)
    return function


def has_filter(options: Mapping[str, Any]) -> bool:
    """Whether the command applies to many runs."""
    return bool(options["everything"] or any(options[name] not in (None, ()) for name in FILTERS))


def work_on_all(
    context: Context, run_id: str | None, action: BulkAction, options: Mapping[str, Any], *, queue: str | None = None
) -> Output:
    """Count the matching runs, ask for consent, and do the work. Raises `InvalidInput` without a filter, and without
    consent.
    """
    if not has_filter(options):
        words = "name a run, or say which runs: by --pool, --state, --tag and the like, or --all"
        raise InvalidInput("request", [Fault("ID", words)])
    if run_id is not None:
        raise InvalidInput("request", [Fault("ID", "name one run, or give a filter, not both")])
    work = context.client.bulk(action, _filter(context, options), queue=queue)
    count = _counted(context, work)
    shape = {"action": str(action), "id": str(work.id), "as_of": shapes.time(work.as_of), "matching": shapes.matching(count)}
    if options["dry_run"] or not count.total:
        return Output(data={**shape, **_NOTHING}, text=f"Runs that match: {_numbers(count)}. Nothing was changed.")
    moment = work.as_of.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    consent(f"{action.replace('-', ' ')} {_numbers(count)} as of {moment}", yes=options["yes"])
    totals = _work(context, work, count)
    refused = totals["refused"]
    faults = tuple(f"run {fault['path']}: {fault['message']}" for fault in refused[:NAMED])
    more = (f"and {len(refused) - NAMED} more",) if len(refused) > NAMED else ()
    skipped = f"; nothing was left to do for {totals['skipped']:,}" if totals["skipped"] else ""
    text = f"{DONE[action]}: {totals['done']:,} runs{skipped}."
    return Output(data={**shape, **totals}, text=text, faults=(*faults, *more))


_NOTHING: Mapping[str, Any] = {"done": 0, "skipped": 0, "refused": []}


def _counted(context: Context, work: Work) -> Count:
    """The exact count, made in bounded steps: with how far it has come, where the next step may take a while."""
    with running_number(context, "Counting") as show:
        for count in context.client.bulk_counts(work):
            if not count.is_exact:
                show(count.total)
    return count


def _work(context: Context, work: Work, count: Count) -> dict[str, Any]:
    """Work step by step, with a progress bar, until the end or Ctrl-C."""
    totals: dict[str, Any] = {"done": 0, "skipped": 0, "refused": []}
    try:
        with progress_bar(context, f"{work.action}", count.total) as advance:
            for step in context.client.bulk_steps(work):
                shape = shapes.bulk_step(step)
                totals = {name: totals[name] + shape[name] for name in totals}
                advance(step.done + step.skipped + len(step.refused))
    except KeyboardInterrupt:
        words = f"stopped after {totals['done']:,} of {_numbers(count)}; the same command continues, and does none twice"
        click.echo(words, err=True)
        raise
    return totals


def _filter(context: Context, options: Mapping[str, Any]) -> RunFilter:
    since, until = (time_of(context, options[name], name) for name in ("since", "until"))
    names = {name: options[name] for name in ("pool", "deployment", "tag", "name")}
    return RunFilter(
        queue=options["from_queue"],
        states=frozenset(options["states"]) or None,
        since=None if since is None else utc(since, "since"),
        until=None if until is None else utc(until, "until"),
        **names,
    )


def _numbers(count: Count) -> str:
    """The number of runs, by state if there are several states."""
    states = [f"{number:,} {state}" for state, number in count.by_state.items() if number]
    return f"{count.total:,} runs" + (f" ({', '.join(states)})" if states else "")
