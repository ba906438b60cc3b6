"""`dispatcher store`: migrate its schema, copy it, and check that it is consistent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import cast

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.context import Context, pass_context
from dispatcher.errors import StoreSchemaError
from dispatcher.models import WorkPool
from dispatcher.protocols import Store
from dispatcher.stores.migration import Migrates, Migration
from dispatcher.upkeep.moving import Progress
from dispatcher.upkeep.moving import check as check_store
from dispatcher.upkeep.moving import copy as copy_store
from dispatcher.upkeep.strays import strays
from dispatcher.wiring import open_store, without_password
from providers.base import ProviderError


@click.group(cls=Group)
def store() -> None:
    """Migrate, copy and check the store."""


@store.command("migrate", example="dispatcher store migrate print\ndispatcher store migrate apply")
@click.argument("action", type=click.Choice(["print", "apply", "check"]))
@pass_context
def migrate(context: Context, /, action: str) -> Output:
    """Migrate the store's schema: print what is missing, apply it, or check that nothing is missing (exit code 1).

    `print` writes SQL, or for DynamoDB the parameters of `aws dynamodb create-table --cli-input-json`, so that a person can
    apply them. SQLite is also migrated on first use, and so is PostgreSQL if the role has the rights.
    """
    opened = context.wiring.store
    if not hasattr(opened, "migration"):
        return _migration(Migration(current=0, latest=0), "The store is in memory: it has no schema.")
    migrating = cast("Migrates", opened)
    migration = migrating.migration()
    if action == "print":
        return _migration(
            migration, "\n\n".join(_terminated(statement) for statement in migration.statements) or _well(migration)
        )
    if action == "apply" and migration.is_needed:
        migrating.migrate()
        return _migration(migrating.migration(), f"Migrated from version {migration.current} to {migration.latest}.")
    if migration.is_needed:
        raise StoreSchemaError(f"the schema has version {migration.current}, this code knows {migration.latest}: {_FIX}")
    return _migration(migration, _well(migration))


@store.command("copy", example="dispatcher store copy sqlite:///dispatcher.db postgresql://me@db.example/dispatcher")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--resume", is_flag=True, help="Continue an interrupted copy; what was copied stays.")
@pass_context
def copy(context: Context, /, source: str, target: str, *, resume: bool) -> Output:
    """Copy everything from one store into an empty one. Live runs stay live.

    Stop the schedule of the source first, and never tick both: each would submit the runs that wait. Stores are named by their
    URLs, as in DISPATCHER_STORE.
    """
    with _opened(source) as old, _opened(target) as new, _progress("copied", context) as progress:
        moved = copy_store(old, new, resume=resume, progress=progress)
    data = {"from": without_password(source), "to": without_password(target), **asdict(moved)}
    words = f"Copied {moved.pools} work pools, {moved.deployments} deployments, {moved.automations} automations"
    words += f" and {moved.runs} runs."
    return Output(data=data, text=f"{words} Set DISPATCHER_STORE to the new store wherever ticks run.")


@store.command("check", example="dispatcher store check\ndispatcher store check --provider")
@click.option("--provider", is_flag=True, help="Also ask the providers for live jobs that the store does not know.")
@pass_context
def check(context: Context, /, *, provider: bool) -> Output:
    """Check that the store is consistent: every slot has a run, every ended run has an end. Exit code 1 if it is not.

    Run it while no tick is running: the store is read in parts, and changes in between may look like faults. With --provider,
    a live job whose run holds no slot is a fault too: use it after a restore, before ticks continue.
    """
    looked = 0

    def count(runs: int) -> None:
        nonlocal looked
        looked = runs
        show(runs)

    with _progress("checked", context) as show:
        faults = tuple(dict.fromkeys(check_store(context.wiring.store, progress=count)))
    if provider:
        faults += tuple(stray for pool in context.client.work_pools() for stray in _strays(context, pool))
    text = "" if faults else f"{looked} runs and all that belongs to them fit together."
    return Output(data={"runs": looked, "faults": list(faults)}, text=text or f"Faults: {len(faults)}.", faults=faults)


def _strays(context: Context, pool: WorkPool) -> Iterator[str]:
    """One line for each live job that the store does not know, or one line if the provider did not answer."""
    try:
        names = strays(context.wiring.dispatch, pool)
    except ProviderError as problem:
        yield f"work pool {pool.name!r}: its provider could not be asked for jobs: {problem}"
        return
    for name in names:
        yield f"work pool {pool.name!r}: the job {name} is live and no run of this store holds a slot for it"


_FIX = "run `dispatcher store migrate apply`"


def _migration(migration: Migration, text: str) -> Output:
    data = {**asdict(migration), "statements": list(migration.statements), "is_needed": migration.is_needed}
    return Output(data=data, text=text)


def _well(migration: Migration) -> str:
    return f"Nothing to migrate: the schema has version {migration.current}, this code knows {migration.latest}."


def _terminated(statement: str) -> str:
    return statement if statement.startswith("{") else f"{statement};"


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    opened = open_store(url)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def _progress(verb: str, context: Context) -> Iterator[Progress]:
    """A counting progress line, in a terminal."""
    if context.as_json or not sys.stderr.isatty():
        yield lambda _runs: None
        return
    yield lambda runs: click.echo(f"\r{runs} runs {verb}", err=True, nl=False)
    click.echo("\r\033[K", err=True, nl=False)
