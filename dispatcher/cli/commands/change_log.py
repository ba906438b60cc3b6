"""`dispatcher log`: who changed what, and when."""

from __future__ import annotations

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.input.moments import SINCE_HELP, time_of
from dispatcher.cli.input.references import find_run
from dispatcher.cli.output import shapes


@click.command(
    cls=Command, example="dispatcher log --pool nightly --since '24h ago'\ndispatcher log --actor ada --json --limit 1000"
)
@click.option("-p", "--pool", metavar="POOL", shell_complete=completion.pools, help="Only changes of this work pool.")
@click.option(
    "-d", "--deployment", metavar="NAME", shell_complete=completion.deployments, help="Only changes of this deployment."
)
@click.option("--automation", metavar="NAME", help="Only changes of this automation.")
@click.option("-r", "--run", "run_id", metavar="ID", shell_complete=completion.runs, help="Only changes of this run.")
@click.option("--actor", metavar="NAME", help="Only changes by this person, function or automation.")
@click.option("--since", metavar="TIME", help=f"Only changes at this time or later, {SINCE_HELP}.")
@click.option("--until", metavar="TIME", help="Only changes before this time.")
@click.option("-l", "--limit", type=int, default=50, show_default=True, help="How many.")
@click.option("--cursor", metavar="CURSOR", default="", help="The next page: the cursor that the page before has printed.")
@pass_context
def log(
    context: Context,
    /,
    *,
    pool: str | None,
    deployment: str | None,
    automation: str | None,
    run_id: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str,
) -> Output:
    """Show who changed what, from what to what, and which way it came in; the latest first.

    Changes by the command line, the page, the API, functions, automations and Python are all there, for as long as
    DISPATCHER_HISTORY_DAYS says. A run's creation is not: the run is its own record.
    """
    page = context.client.log(
        pool=pool,
        deployment=deployment,
        automation=automation,
        run=str(find_run(context, run_id).id) if run_id is not None else None,
        actor=actor,
        since=time_of(context, since, "since"),
        until=time_of(context, until, "until"),
        cursor=cursor,
        limit=limit,
    )
    return Output(data={"items": list(map(shapes.log_entry, page.items)), "next": page.next}, view="output.log_views:entries")
