"""Live names for the shell: what is offered when somebody presses Tab.

    eval "$(_DISPATCHER_COMPLETE=bash_source dispatcher)"        # or zsh_source, fish_source

A store that cannot be reached offers nothing, and says nothing: a prompt is no place for errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from dispatcher.cli.session import Session
from dispatcher.errors import DispatcherError

RECENT = 50
"""Runs that are offered, the newest."""

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Callable[[Session, click.Context], Iterable[str]]) -> Complete:
    """A completion of the names that begin with what has been typed."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        session = context.ensure_object(Session)
        session.store_url = context.find_root().params.get("store_url")
        try:
            return [name for name in names(session, context) if name.startswith(incomplete)]
        except DispatcherError:
            return []
        finally:
            session.close()

    return complete


pools = _offering(lambda session, _context: (pool.name for pool in session.client.work_pools()))
queues = _offering(
    lambda session, context: (
        queue.name
        for pool in session.client.work_pools()
        for queue in pool.queues
        if context.params.get("pool") in (None, pool.name)
    )
)
deployments = _offering(lambda session, _context: (each.name for each in session.client.deployments()))
schedules = _offering(
    lambda session, context: (
        each.slug
        for found in session.client.deployments()
        for each in found.schedules
        if context.params.get("name") in (None, found.name)
    )
)
hooks = _offering(lambda session, _context: sorted(session.settings.hooks))
runs = _offering(lambda session, _context: (str(run.id) for run in session.client.runs(limit=RECENT)))
