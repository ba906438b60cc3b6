"""The server of the page and the HTTP API, for the commands that serve them: `ui` and `serve --ui`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from dispatcher.errors import SettingsError

SECONDS = 5.0
"""How long a server in the background may take to stop; after that, it ends with the process."""


def libraries() -> Any:
    """The functions that make the application, and the rules of who may use it. Raises `SettingsError` if the extra is
    missing.
    """
    try:
        import uvicorn  # noqa: F401, PLC0415 - only these commands serve

        from dispatcher.web import access, app  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as problem:
        words = f"the page needs {problem.name}, which is not installed: pip install 'push-dispatcher[ui]'"
        raise SettingsError(words) from None
    return app.create_app, access


def server_of(app: Any) -> Any:
    """A server that does not log requests."""
    import uvicorn  # noqa: PLC0415 - only these commands serve

    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


@contextmanager
def listening(host: str, port: int, option: str) -> Iterator[socket.socket]:
    """A socket at an address of this machine. Raises `SettingsError` that names the option if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as problem:
        words = f"{option}: {port} cannot be used: {problem.strerror or problem}; choose another, or 0 for any free one"
        raise SettingsError(words) from None
    with listener:
        yield listener


@contextmanager
def in_background(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serve on a separate thread."""
    server = server_of(app)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(SECONDS)
