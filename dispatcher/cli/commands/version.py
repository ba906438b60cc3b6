"""`dispatcher version`: the installed versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

import click

from dispatcher import __version__
from dispatcher.cli.command import Command, Output

SDKS = ("boto3", "google-cloud-run", "google-auth", "azure-mgmt-containerinstance", "modal", "psycopg", "moto")


@click.command(cls=Command, example="dispatcher version --json")
def version() -> Output:
    """Show the versions of push-dispatcher, Python and the SDKs that are installed."""
    python, sdks = platform.python_version(), {sdk: _version(sdk) for sdk in SDKS}
    lines = [f"push-dispatcher {__version__}", f"python {python}"]
    lines += [f"{sdk} {installed or 'not installed'}" for sdk, installed in sdks.items()]
    return Output(data={"push-dispatcher": __version__, "python": python, "sdks": sdks}, text="\n".join(lines))


def _version(distribution: str) -> str | None:
    try:
        return installed_version(distribution)
    except PackageNotFoundError:
        return None
