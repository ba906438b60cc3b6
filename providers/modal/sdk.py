"""The interface to the SDK: the first use imports it, and every error of the SDK becomes a `ModalFailure`."""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from pickle import PickleError
from typing import Any, ParamSpec, TypeVar

from providers.base import CallFailed, ProviderUnavailable
from providers.modal.outcomes import describe, is_missing, is_taken

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

HINT = "the Modal provider needs the Modal SDK, which is not installed: pip install 'push-dispatcher[modal]'"


def load() -> Any:
    """The package `modal`, configured to raise at once when it is throttled. Raises `ProviderUnavailable` if it is not
    installed.

    Without `MODAL_MAX_THROTTLE_WAIT` the SDK waits inside the call without limit while it is throttled. An existing value of
    this variable is kept.
    """
    os.environ.setdefault("MODAL_MAX_THROTTLE_WAIT", "0")
    try:
        import modal  # noqa: PLC0415 - a function that pushes elsewhere must not pay for it
    except ModuleNotFoundError as problem:
        raise ProviderUnavailable(f"{HINT} (missing: {problem.name})") from None
    return modal


class ModalFailure(CallFailed):
    """A call that Modal refused or that got no usable answer; `error` is the SDK's exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__(describe(error))
        self.error = error


class MissingObject(ModalFailure):
    """The object does not exist at Modal."""


class NameTaken(ModalFailure):
    """The name is in use."""


def mapped(function: Callable[Parameters, Awaitable[Result]]) -> Callable[Parameters, Awaitable[Result]]:
    """Decorates a coroutine function that calls the SDK, so that its errors become a `ModalFailure`."""

    @functools.wraps(function)
    async def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            return await function(*arguments, **options)
        except _errors() as error:
            raise _failure_of(error) from error

    return call


def _failure_of(error: Exception) -> ModalFailure:
    if is_missing(error):
        return MissingObject(error)
    return NameTaken(error) if is_taken(error) else ModalFailure(error)


@functools.cache
def _errors() -> tuple[type[Exception], ...]:
    """The exceptions of the SDK: its own, those of its transport, and those that an odd answer causes in it."""
    load()
    from google.protobuf.message import Error as ProtobufError  # noqa: PLC0415 - part of the SDK, as all below
    from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError  # noqa: PLC0415
    from h2.exceptions import H2Error  # noqa: PLC0415
    from modal.exception import Error  # noqa: PLC0415

    transport = (GRPCError, ProtocolError, StreamTerminatedError, H2Error, ProtobufError, OSError, EOFError)
    odd = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, PickleError)
    return (Error, *transport, *odd)
