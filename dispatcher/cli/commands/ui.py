"""`dispatcher ui`: the page of a store, served to this machine alone."""

from __future__ import annotations

import getpass
import os
import socket
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import click

from dispatcher.cli.command import Command
from dispatcher.cli.context import Context, pass_context
from dispatcher.errors import SettingsError

HOST = "127.0.0.1"

OPENER = '<!doctype html><meta charset="utf-8"><title>push-dispatcher</title><meta http-equiv="refresh" content="0;url={}">'
"""Leads a browser to the first address, so that its token stands on no command line."""


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
    server, app_of = _libraries()
    with _listening(port) as listener:
        port = listener.getsockname()[1]
        app, token = app_of(context, port, read_only=read_only)
        address = f"http://{HOST}:{port}/sign-in?token={token}"
        click.echo(f"The page of {context.store_name} is at {address}\nCtrl-C ends it.")
        with _opened(address, wanted=not no_open):
            server(app).run(sockets=[listener])


def _libraries() -> tuple[Any, Any]:
    """The server, and what makes the application. Raises `SettingsError` if the extra is not installed."""
    try:
        import uvicorn  # noqa: PLC0415 - only this command serves

        from dispatcher.web.access import loopback  # noqa: PLC0415 - likewise
        from dispatcher.web.app import create_app  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as problem:
        words = f"{problem.name} is not installed, which the page needs: pip install 'push-dispatcher[ui]'"
        raise SettingsError(words) from None

    def server(app: Any) -> Any:
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1)
        return uvicorn.Server(config)

    def app_of(context: Context, port: int, *, read_only: bool) -> tuple[Any, str | None]:
        access, sessions = loopback(port, name=_user(), read_only=read_only)
        return create_app(context.settings, access=access, wiring=context.wiring), sessions.token

    return server, app_of


def _user() -> str:
    """Who has started it: changes are made under this name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return f"uid {os.getuid()}"


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A socket on this machine's own address. Raises `SettingsError` for a port that is taken."""
    try:
        listener = socket.create_server((HOST, port))
    except OSError as problem:
        raise SettingsError(
            f"--port: {port} cannot be used: {problem.strerror}; choose another, or 0 for any free one"
        ) from None
    with listener:
        yield listener


@contextmanager
def _opened(address: str, *, wanted: bool) -> Iterator[None]:
    """Open the address in a browser, through a file that only its owner can read and that goes away at the end."""
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="dispatcher-ui-") as directory:
        path = Path(directory) / "open.html"
        path.touch(mode=0o600)
        path.write_text(OPENER.format(escape(address)), encoding="utf-8")
        webbrowser.open(path.as_uri())
        yield
