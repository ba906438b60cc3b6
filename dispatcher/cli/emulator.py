"""`dispatcher emulator`: a local cloud, for trying out and for tests."""

from __future__ import annotations

from typing import Any

import click

from dispatcher.cli.command import Command
from dispatcher.cli.session import Session, pass_session
from providers.emulators import command


@click.command(cls=Command, example="dispatcher emulator ecs --port 5005 --job-seconds 30")
@click.argument("name", metavar=f"[{'|'.join(command.EMULATORS)}]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=0, metavar="N", help="The port to listen on; 0 for a free one.")
@click.option("--job-seconds", type=float, metavar="S", help="How long a job runs; otherwise until it is ended or stopped.")
@click.option("--capacity", type=int, metavar="N", help="The most jobs that may be live at once.")
@click.option("--run-commands", is_flag=True, default=None, help="Run the containers' commands as local processes.")
@pass_session
def emulator(session: Session, /, name: str, **settings: Any) -> None:
    """Run an emulator until Ctrl-C. What it prints first, evaluated by a shell, points the vendor's own clients at it."""
    given = {setting: value for setting, value in settings.items() if value is not None}
    command.serve(name, as_json=session.as_json, **given)
