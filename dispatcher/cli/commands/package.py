"""`dispatcher package`: the zip that a cloud function is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dispatcher.cli.command import Command, Output
from dispatcher.cli.output import shapes
from dispatcher.packaging import build, lock, resolution, targets

NO_BYTECODE = (
    "no CPython {version} was found, so the zip has no bytecode and the function imports 1.4 to 1.8 times as long; "
    "name one with --compile-with, or say --no-compile"
)
EXTRAS = (
    f"Providers, stores, schedules, telemetry, with commas: {', '.join(resolution.EXTRAS)}; "
    "otherwise those of the target's own cloud."
)
A_FILE = click.Path(path_type=Path, dir_okay=False)
A_FOLDER = click.Path(path_type=Path, file_okay=False)
PLATFORMS, MACHINES = click.Choice(list(targets.PLATFORMS)), click.Choice(list(targets.MACHINES))


@click.command(cls=Command, example="dispatcher package --arch arm64 --python 3.13 --extras aws --output function.zip")
@click.option("--target", default="aws-lambda", show_default=True, type=PLATFORMS, help="Where it will run.")
@click.option("--arch", type=MACHINES, help="The function's architecture; arm64 on AWS, elsewhere there is only x86-64.")
@click.option("--python", default="3.13", show_default=True, metavar="X.Y", help="The runtime's Python.")
@click.option("--extras", metavar="NAMES", help=EXTRAS)
@click.option("--validation", is_flag=True, help="Add pydantic and jsonschema, which creating runs needs; ticks do not.")
@click.option("--api", is_flag=True, help="Add the HTTP API and what it needs, for a function of its own; ticks do without.")
@click.option("--with-sdk", is_flag=True, help="Add boto3 in the lock's version, though the runtime of aws-lambda brings one.")
@click.option("--compile/--no-compile", "compiled", default=True, help="Add bytecode, where an interpreter for it exists.")
@click.option(
    "--compile-with", metavar="PYTHON", help="The interpreter for bytecode; otherwise this one, or pythonX.Y on PATH."
)
@click.option("--lock", "lock_file", type=A_FILE, metavar="FILE", help="Another lock file than the one of this package.")
@click.option("--wheels", type=A_FOLDER, metavar="DIRECTORY", help="Keep the wheels there; a second build needs no network.")
@click.option(
    "-o", "--output", default="function.zip", show_default=True, type=A_FILE, help="The zip; NAME.cdx.json goes beside it."
)
def package(**chosen: Any) -> Output:
    """Build the zip of a cloud function from wheels for its platform, without Docker.

    Versions and hashes come from requirements.lock. The same input gives the same zip, byte for byte. A bill of materials
    (CycloneDX) is written beside it.
    """
    order = _order(**chosen)
    built = build.build(order)
    if order.compiled and not built.interpreter and not order.target.platform.installs:
        click.echo(f"warning: {NO_BYTECODE.format(version=order.target.python)}", err=True)
    return Output(data=shapes.package(built), view="package")


def _order(
    *, target: str, arch: str | None, python: str, extras: str | None, with_sdk: bool, lock_file: Path | None, **rest: Any
) -> build.PackageRequest:
    place = targets.target(target, arch=arch, python=python)
    chosen = place.platform.extras if extras is None else tuple(word.strip() for word in extras.split(",") if word.strip())
    return build.PackageRequest(target=place, extras=chosen, whole=with_sdk, lock=lock_file or lock.default_path(), **rest)
