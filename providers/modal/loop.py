"""An event loop in its own thread: it bounds the time of a call whatever the SDK does, and keeps all state in one thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from providers.base import CallFailed

T = TypeVar("T")


class Overdue(CallFailed):
    """The work took too long and was cancelled; its effects are unknown."""


class Loop:
    """Runs coroutines for callers in any thread. A forked child makes a new loop, because the parent's thread does not exist
    there.
    """

    def __init__(self) -> None:
        self._reset()
        renew = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (reset := renew()) and reset())

    def _reset(self) -> None:
        # A thread that does not exist here may hold the parent's lock, and the parent's loop has no thread here.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The work's result or error. Raises `Overdue` after `seconds`, whether or not the work can be cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise Overdue(f"no answer within {seconds:g} s") from None
        except concurrent.futures.CancelledError:
            raise Overdue("the SDK cancelled the call") from None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), daemon=True, name="modal-provider").start()
                weakref.finalize(self, _stop, self._loop, os.getpid()).atexit = False
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


def _stop(loop: asyncio.AbstractEventLoop, owner: int) -> None:
    if os.getpid() == owner:
        loop.call_soon_threadsafe(loop.stop)
