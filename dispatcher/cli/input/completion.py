"""Completion of existing names in the shell.

    eval "$(_DISPATCHER_COMPLETE=bash_source dispatcher)"        # or zsh_source, fish_source

If the store cannot be reached, there are no completions and no error, because an error would disturb the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from dispatcher.cli.context import Context
from dispatcher.errors import DispatcherError

RECENT = 50
"""How many runs are offered, newest first."""

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Callable[[Context, click.Context], Iterable[str]]) -> Complete:
    """Complete the names that begin with the typed text."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        context = ctx.ensure_object(Context)
        context.store_url = ctx.find_root().params.get("store_url")
        try:
            return [name for name in names(context, ctx) if name.startswith(incomplete)]
        except DispatcherError:
            return []
        finally:
            context.close()

    return complete


pools = _offering(lambda context, _ctx: (pool.name for pool in context.client.work_pools()))
queues = _offering(
    lambda context, ctx: (
        queue.name
        for pool in context.client.work_pools()
        for queue in pool.queues
        if ctx.params.get("pool") in (None, pool.name)
    )
)
deployments = _offering(lambda context, _ctx: (deployment.name for deployment in context.client.deployments()))
schedules = _offering(
    lambda context, ctx: (
        schedule.slug
        for deployment in context.client.deployments()
        for schedule in deployment.schedules
        if ctx.params.get("name") in (None, deployment.name)
    )
)
automations = _offering(lambda context, _ctx: (automation.name for automation in context.client.automations()))
hooks = _offering(lambda context, _ctx: sorted(context.settings.hooks))
runs = _offering(lambda context, _ctx: (str(run.id) for run in context.client.runs(limit=RECENT)))
