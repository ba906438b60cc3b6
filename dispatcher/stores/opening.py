"""Opens a store from its URL: the only module that knows every store. Each store is imported on first use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from dispatcher.errors import SettingsError

if TYPE_CHECKING:
    from dispatcher.protocols import Store

STORES: Mapping[str, str] = {
    "memory": "dispatcher.stores.memory:open_url",
    "sqlite": "dispatcher.stores.sqlite:open_url",
    "postgresql": "dispatcher.stores.postgres:open_url",
    "postgres": "dispatcher.stores.postgres:open_url",
    "dynamodb": "dispatcher.stores.dynamodb:open_url",
}
"""URL scheme -> the function that opens a store from such a URL; imported on first use."""

_DYNAMODB = re.compile(r"dynamodb://(\*\*\*@)?[A-Za-z0-9_.-]*")

EXTRAS: Mapping[str, str] = {"postgresql": "postgres", "postgres": "postgres", "dynamodb": "aws"}


def open_store(url: str) -> Store:
    """Open the store that a URL names. Raises `SettingsError` if it names none, `StoreError` if opening fails."""
    scheme = scheme_of(url)
    if scheme not in STORES:
        schemes = ", ".join(f"{name}://" for name in STORES)
        raise SettingsError(f"DISPATCHER_STORE: {without_password(url)!r} names no store; it begins with one of {schemes}")
    module, function = STORES[scheme].split(":")
    try:
        opener: Callable[[str], Store] = getattr(import_module(module), function)
    except ImportError as problem:  # psycopg without libpq names no module
        fix = f"pip install 'push-dispatcher[{EXTRAS[scheme]}]'" if scheme in EXTRAS else "use a Python that has it"
        raise SettingsError(
            f"DISPATCHER_STORE: {scheme}:// needs {problem.name or problem}, which is not installed: {fix}"
        ) from None
    return opener(url)


def without_password(url: str) -> str:
    """The URL without its secrets: without everything before its last @ (a password may contain any other character) and
    without its parameters.
    """
    _, at, location = url.rpartition("@")
    scheme = scheme_of(url)
    shown = (f"{scheme}://***@{location}" if at else url).partition("?")[0]
    if scheme == "dynamodb" and not _DYNAMODB.fullmatch(shown):
        return "dynamodb://***"  # the text in the table's place may be a key
    return shown


def scheme_of(url: str) -> str:
    """The part of the URL before its first colon."""
    return url.partition(":")[0].lower()
