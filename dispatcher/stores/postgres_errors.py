"""PostgreSQL's errors as ours: one line that says what to do and never shows a password."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import errors

from dispatcher.errors import StoreError, StoreSchemaError, StoreUnavailable


class RolledBackByServer(StoreUnavailable):
    """The server rolled a transaction back in favour of another one. It had no effect and can be repeated."""


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Translate psycopg's exceptions into ours; others pass."""
    try:
        yield
    except psycopg.Error as error:
        raise _translation(error, f"store {name}") from error


_REFUSED_ON_CONNECTING = (
    ("password authentication failed", "give the URL the right user and password"),
    ("no password supplied", "give the URL a password, or set PGPASSWORD"),
    ("no pg_hba.conf entry", "let the server's pg_hba.conf admit this user from here, perhaps with ?sslmode=require"),
    ("role", "create the role, or name another in the URL"),
    ("database", "create the database, or name another in the URL"),
    ("permission denied for database", "GRANT CONNECT ON DATABASE to this role"),
)
"""While connecting, libpq returns texts without codes. Each pair is a part of such a text, and the fix."""

_WRONG_PARAMETERS = (
    ("does not support SSL", "sslmode"),
    ("SSL support is not compiled in", "sslmode"),
    ("invalid sslmode value", "sslmode"),
    ("root certificate file", "sslrootcert"),
    ("certificate verify failed", "sslrootcert"),
    ("does not match host name", "sslmode"),
    ("could not read certificate file", "sslcert"),
    ("certificate present, but not private key", "sslkey"),
    ("private key file", "sslkey"),
    ("channel binding", "channel_binding"),
    ("definition of service", "service"),
    ("target_session_attrs", "target_session_attrs"),
    ("session is read-only", "target_session_attrs"),
    ("session is not read-only", "target_session_attrs"),
    ("unrecognized configuration parameter", "options"),
    ("invalid command-line argument", "options"),
)
"""A part of libpq's text, and the parameter that is wrong."""


_WORDS: Sequence[tuple[tuple[type[psycopg.Error], ...], type[StoreError], str]] = (
    (
        (errors.DeadlockDetected, errors.SerializationFailure),
        RolledBackByServer,
        "rolled back by the server, so that another transaction could go on: try again",
    ),
    (
        (errors.LockNotAvailable,),
        StoreUnavailable,
        "another invocation holds the work pool for too long ({detail}): try again",
    ),
    ((errors.QueryCanceled,), StoreUnavailable, "too slow ({detail}): try again, and find out what the server is busy with"),
    (
        (errors.IdleInTransactionSessionTimeout,),
        StoreUnavailable,
        "this invocation stood still within a transaction, which the server rolled back: try again",
    ),
    (
        (errors.InsufficientPrivilege,),
        StoreError,
        "{detail}: GRANT SELECT, INSERT, UPDATE, DELETE on the tables to this role",
    ),
    (
        (errors.UndefinedTable, errors.UndefinedColumn),
        StoreSchemaError,
        "{detail}: its schema was changed by hand or by other code: restore it",
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        StoreUnavailable,
        "it can only be read (a standby?): name the primary server in the URL",
    ),
    ((errors.DiskFull,), StoreUnavailable, "the server's disk is full ({detail}): make room"),
    (
        (errors.TooManyConnections,),
        StoreUnavailable,
        "the server takes no more connections ({detail}): put a pooler before it",
    ),
)
"""By the server's error code: our exception, and its text. The first match counts."""


def _translation(error: psycopg.Error, store: str) -> StoreError:
    detail = _line(error)
    for codes, kind, words in _WORDS:
        if isinstance(error, codes):
            return kind(f"{store}: {words.format(detail=detail)}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _unreachable(detail, store)
    return StoreError(f"{store}: {detail}")


def _unreachable(detail: str, store: str) -> StoreError:
    for words, fix in _REFUSED_ON_CONNECTING:
        if words in detail and ("does not exist" in detail or " " in words):
            return StoreError(f"{store}: {detail}: {fix}")
    for words, parameter in _WRONG_PARAMETERS:
        if words in detail:
            return StoreError(f"{store}: {detail}: correct `{parameter}` in the URL, or its environment variable")
    if detail.startswith("connection"):
        return StoreUnavailable(f"{store}: cannot be reached ({detail}): check that the server runs and admits this host")
    return StoreUnavailable(f"{store}: no answer ({detail}): the request may have been carried out; repeating it is safe")


def _line(error: psycopg.Error) -> str:
    """The server's message, or else the first line of the client's."""
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    return " ".join(message.split("\n")[0].split())
