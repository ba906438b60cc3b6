"""`dispatcher ui`: the page of a store, served to this machine alone."""

from __future__ import annotations

import getpass
import os
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import click

from dispatcher.cli.command import Command
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.page_server import libraries, listening, server_of

HOST = "127.0.0.1"

OPENER = '<!doctype html><meta charset="utf-8"><title>push-dispatcher</title><meta http-equiv="refresh" content="0;url={}">'
"""Leads a browser to the first address, so that its token appears on no command line."""


@click.command(cls=Command, example="dispatcher ui\ndispatcher ui --port 8080 --read-only --no-open")
@click.option("--port", type=click.IntRange(0, 65535), default=4210, show_default=True, help="0: any free port.")
@click.option("--no-open", is_flag=True, help="Open no browser; the address is printed.")
@click.option("--read-only", is_flag=True, help="Show everything, change nothing.")
@pass_context
def ui(context: Context, /, *, port: int, no_open: bool, read_only: bool) -> None:
    """Open the page of the store: see and change pools, queues, deployments and runs.

    The page and the HTTP API (/api/v1) are served to this machine alone, until Ctrl-C. The address works once: it signs in the
    browser that opens it first.
    """
    create_app, access = libraries()
    with listening(HOST, port, "--port") as listener:
        port = listener.getsockname()[1]
        rules, sessions = access.loopback(port, name=_user(), read_only=read_only)
        app = create_app(context.settings, access=rules, wiring=context.wiring)
        address = f"http://{HOST}:{port}/sign-in?token={sessions.token}"
        click.echo(f"The page of {context.store_name} is at {address}\nCtrl-C ends it.")
        with _opened(address, in_browser=not no_open):
            server_of(app).run(sockets=[listener])


def _user() -> str:
    """The user who started the server: changes are made under this name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return f"uid {os.getuid()}"


@contextmanager
def _opened(address: str, *, in_browser: bool) -> Iterator[None]:
    """Open the address in a browser, through a file that only its owner can read and that is deleted at the end."""
    if not in_browser:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="dispatcher-ui-") as directory:
        path = Path(directory) / "open.html"
        path.touch(mode=0o600)
        path.write_text(OPENER.format(escape(address)), encoding="utf-8")
        webbrowser.open(path.as_uri())
        yield
