"""One deadline around a whole call.

The timeouts of HTTP clients count from one read to the next, so an answer that arrives a byte at a time has no end. Here a call
runs on its own thread, and the caller waits no longer than it asked to. An abandoned call may still take effect on the server,
so the caller must treat it as a call without an answer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from providers.base import CallFailed

Result = TypeVar("Result")


class NoAnswerInTime(CallFailed):
    """The call as a whole took longer than allowed."""


class OutOfTime(CallFailed):
    """The call was not made: the provider's operation has used up its time."""


class _Call:
    """One call and what became of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.done = threading.Event()
        self.result: Any = None
        self.problem: BaseException | None = None

    def make(self) -> None:
        try:
            self.result = self.function()
        except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
            self.problem = problem
        self.done.set()


class _Threads:
    """Reusable daemon threads: a hanging one is left behind and does not keep the process from ending."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[SimpleQueue[_Call]] = SimpleQueue()

    def make(self, call: _Call) -> None:
        """Make the call on an idle thread, or on a new one."""
        try:
            inbox = self._idle.get_nowait()
        except Empty:
            inbox = SimpleQueue()
            threading.Thread(target=self._work, args=(inbox,), name="provider-call", daemon=True).start()
        inbox.put(call)

    def _work(self, inbox: SimpleQueue[_Call]) -> None:
        while True:
            inbox.get().make()
            self._idle.put(inbox)


_threads = _Threads()


def _forget_threads() -> None:
    """A forked process has none of its parent's threads."""
    global _threads  # noqa: PLW0603 - there is one set of threads in a process
    _threads = _Threads()


os.register_at_fork(after_in_child=_forget_threads)


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """The result of `function()`; raises what the function raises.

    Raises `NoAnswerInTime` after `seconds`; the function then goes on by itself, and its result is dropped.
    """
    call = _Call(function)
    _threads.make(call)
    if not call.done.wait(seconds):
        raise NoAnswerInTime(f"no whole answer within {seconds:g} s")
    if call.problem is not None:
        raise call.problem
    return cast("Result", call.result)
