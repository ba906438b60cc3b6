"""Connections to PostgreSQL: their parameters, from a URL, and how long they wait for an answer."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from dispatcher.errors import SettingsError

Result = TypeVar("Result")

CONNECTION: Mapping[str, Any] = {
    "application_name": "push-dispatcher",
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Defaults that a URL may override. A lost peer is noticed after some ten seconds, not after TCP's fifteen minutes."""

AT_ONCE = 5.0
"""Seconds to wait for an answer that a living server gives at once: to BEGIN and to ROLLBACK."""

_SCHEMES = ("postgresql://", "postgres://")
_WHOLE = frozenset(
    {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)
_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}


class NoWholeAnswer(psycopg.OperationalError):
    """The server is connected but sends nothing, or its answer does not end."""


class BoundedConnection(psycopg.Connection[Any]):
    """Waits a limited time for each whole answer. A pooler whose server hangs keeps its clients waiting for ever, and libpq has
    no such limit. `NoWholeAnswer` closes the connection.
    """

    answer_seconds: float = AT_ONCE

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **options: Any) -> Result:
        """See `psycopg.Connection.wait`."""
        try:
            return super().wait(_in_time(gen, self.answer_seconds), *args, **options)
        except NoWholeAnswer:
            self.close()
            raise


def _in_time(generator: Generator[Any, Any, Result], seconds: float) -> Generator[Any, Any, Result]:
    """The same steps, each when data has come or after a tenth of a second, until the time is over."""
    end = time.monotonic() + seconds
    try:
        step = next(generator)
        while True:
            came = yield step
            if time.monotonic() > end:
                generator.close()
                raise NoWholeAnswer(f"no whole answer within {seconds:g} s")
            step = generator.send(came)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]


def parameters(url: str) -> Mapping[str, Any]:
    """The parameters in a URL. libpq's message about a wrong parameter may contain parts of the password, so it is not passed
    on.
    """
    if not url.startswith(_SCHEMES):
        raise _no_url()
    _refuse_unknown(url)
    try:
        values = conninfo_to_dict(url)
    except psycopg.Error:
        raise _no_url() from None
    if any("@" in str(values.get(name, "")) for name in ("host", "dbname")):
        raise _no_url()
    _refuse_values(values)
    return values


def name_of(values: Mapping[str, Any]) -> str:
    """The store's name in errors: without user, password and options."""
    host, port, database = (values.get(name) for name in ("host", "port", "dbname"))
    return f"postgresql://{host or 'localhost'}{f':{port}' if port else ''}/{database or ''}"


def _refuse_unknown(url: str) -> None:
    """Raise an error that names a parameter that PostgreSQL does not have. A `?` in a password looks like one: then nothing is
    named.
    """
    query = urlsplit(url).query
    if "@" in query:
        return
    names = [option.keyword.decode() for option in pq.Conninfo.get_defaults()] + ["ssl"]
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name not in names:
            near = get_close_matches(name, names, 1)
            words = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"DISPATCHER_STORE: PostgreSQL has no connection parameter {name!r}{words}")


def _refuse_values(values: Mapping[str, Any]) -> None:
    ports = str(values.get("port") or "1").split(",")
    if not all(port.isdecimal() and 0 < int(port) < 65_536 for port in ports if port):
        raise SettingsError(
            "DISPATCHER_STORE: `port` is a number from 1 to 65535; if the password holds : or / or @, write %3A, %2F, %40"
        )
    for name in sorted(_WHOLE & values.keys()):
        if not str(values[name]).lstrip("-").isdecimal():
            raise SettingsError(f"DISPATCHER_STORE: `{name}` is a whole number, not {values[name]!r}")
    for name, choices in _ONE_OF.items():
        if values.get(name, choices[0]) not in choices:
            raise SettingsError(f"DISPATCHER_STORE: `{name}` is one of {', '.join(choices)}, not {values[name]!r}")


def _no_url() -> SettingsError:
    return SettingsError(
        "DISPATCHER_STORE: not a PostgreSQL URL; write postgresql://user:password@host:5432/database, and in the password "
        "@ as %40, / as %2F, : as %3A, % as %25"
    )
