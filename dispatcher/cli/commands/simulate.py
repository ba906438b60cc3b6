"""`dispatcher simulate`: past runs under other limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion, history
from dispatcher.cli.input.lengths import Length
from dispatcher.client import Dispatcher, simulation_shapes
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import WorkPool
from dispatcher.stores.memory import MemoryStore

UNLIMITED = "none"


@click.command(
    cls=Command,
    example="dispatcher simulate --pool nightly --concurrency-limit 20 --queue-limit critical=5\n"
    "dispatcher simulate --pool nightly --from runs.json --queue-priority critical=1\n"
    "dispatcher simulate -f changed.yaml --from runs.json",
)
@click.option(
    "-p",
    "--pool",
    metavar="POOL",
    shell_complete=completion.pools,
    help="The work pool whose limits change; not needed where the file names only one.",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="A configuration file with the changed limits; repeat it for more.",
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="A file of past runs, as `run ls --json` prints them; otherwise those of the store.",
)
@click.option(
    "--hours", type=click.FloatRange(min=0), default=24.0, show_default=True, help="How far to look back in the store."
)
@click.option("-c", "--concurrency-limit", "limit", metavar="N|none", help="The pool's limit.")
@click.option(
    "--queue-limit", "limits", multiple=True, metavar="QUEUE=N|none", help="The limit of a queue; repeat it for more."
)
@click.option(
    "--queue-priority", "priorities", multiple=True, metavar="QUEUE=N", help="The priority of a queue; repeat it for more."
)
@click.option("--every", type=Length(1), metavar="LENGTH", help="The time between ticks; by default that of the settings.")
@pass_context
def simulate(
    context: Context,
    /,
    pool: str | None,
    files: Sequence[str],
    *,
    source: str | None,
    hours: float,
    limit: str | None,
    limits: Sequence[str],
    priorities: Sequence[str],
    every: float | None,
) -> Output:
    """Show how long past runs would have waited under other limits. It changes nothing.

    The real admission code admits the runs again, at their due times. Each run holds its slot for as long as it did then.
    """
    filed = _filed(context, pool, files)
    before = context.client.work_pool(filed.name if filed else pool or "")
    after = _changed(filed or before, limit, limits, priorities)
    since = context.wiring.dispatch.clock.now() - timedelta(hours=hours)
    past = history.of_file(source, before.name) if source else None
    interval = timedelta(seconds=every or context.settings.tick_interval_seconds)
    simulation = context.client.simulate(before, after, since=since, interval=interval, past=past)
    return Output(data=simulation_shapes.simulation(simulation), view="simulation")


def _filed(context: Context, pool: str | None, files: Sequence[str]) -> WorkPool | None:
    """The pool of a configuration file; None without a file. Raises `InvalidInput` unless the file names exactly one pool."""
    if not files:
        if pool is None:
            raise InvalidInput("simulation", [Fault("pool", "name a work pool, or a configuration file of one")])
        return None
    from dispatcher.cli.commands.configuration import located  # noqa: PLC0415 - YAML, only where there is a file
    from dispatcher.cli.input.configuration_file import read  # noqa: PLC0415 - likewise

    document, file = read(files), ", ".join(files)
    with located(document):
        configuration = context.client.plan(document.value).target
    names = [name for name in document.value.get("pools", {}) if pool in (None, name)]
    if len(names) != 1:
        words = (
            f"{file} names {len(names)} work pools: name one with --pool" if pool is None else f"{file} does not name {pool!r}"
        )
        raise InvalidInput("simulation", [Fault("pool", words)])
    return next(pool for pool in configuration.pools if pool.name == names[0])


def _changed(pool: WorkPool, limit: str | None, limits: Sequence[str], priorities: Sequence[str]) -> WorkPool:
    """A copy of the pool, changed through the public API, so that its rules for names and priorities hold here too."""
    client = Dispatcher(MemoryStore())
    client.store.save_pool(replace(pool, version=0), expected_version=None)
    if limit is not None:
        client.update_work_pool(pool.name, concurrency_limit=_number("concurrency_limit", limit))
    for name, number in _pairs("queue_limit", limits, _number):
        client.update_work_queue(pool.name, name, concurrency_limit=number)
    for name, number in _pairs("queue_priority", priorities, _number):
        if number is None:
            raise InvalidInput("queue", [Fault("queue_priority", f"{name}: give a number from 1")])
        client.update_work_queue(pool.name, name, priority=number)
    return client.work_pool(pool.name)


def _pairs(field: str, pairs: Sequence[str], read: Callable[[str, str], int | None]) -> Sequence[tuple[str, int | None]]:
    named = [pair.rpartition("=") for pair in pairs]
    for pair, (name, _, _) in zip(pairs, named, strict=True):
        if not name:
            raise InvalidInput("queue", [Fault(field, f"{pair!r} is not queue=number; write it as critical=5")])
    return [(name, read(field, value)) for name, _, value in named]


def _number(field: str, text: str) -> int | None:
    if text.lower() == UNLIMITED:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput("limit", [Fault(field, f"{text!r} is neither a whole number nor {UNLIMITED!r}")])
    return int(text)
