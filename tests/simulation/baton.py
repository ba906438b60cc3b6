"""Threads of which exactly one runs: the one that holds the baton. The product's code is unchanged, and every run is
repeatable.

The scheduler resumes an invocation; the invocation runs until its next IO point, where it gives the baton back. There it can
be killed: from then on every IO point raises `Killed`, since a dead process performs no IO.
"""

from collections.abc import Callable
from threading import Lock, Thread
from typing import Any


class Killed(BaseException):
    """Raised in the thread of an invocation that has crashed. Not an `Exception`: no code may handle its own death."""


class Invocation:
    """Work on a thread of its own, one step at a time."""

    def __init__(self, work: Callable[["Invocation"], Any], name: str = "") -> None:
        self.name = name
        self.point = "start"
        self.points = 0
        self.alive = True
        self.killed = False
        self.result: Any = None
        self.problem: BaseException | None = None
        self._go, self._back = Lock(), Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Let it run to its next IO point, or its end."""
        self._go.release()
        self._back.acquire()

    def kill(self) -> None:
        """Crash it at its present IO point."""
        self.killed = True
        while self.alive:
            self.resume()

    def pause(self, point: str) -> None:
        """Called by the invocation itself at every IO point: give the baton back and wait for it."""
        if self.killed:
            raise Killed
        self.point = point
        self.points += 1
        self._back.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def _run(self, work: Callable[["Invocation"], Any]) -> None:
        self._go.acquire()
        try:
            if not self.killed:
                self.result = work(self)
        except Killed:
            pass
        except BaseException as problem:  # noqa: BLE001 - it is handed to the scheduler, which reports it with the seed
            self.problem = problem
        finally:
            self.alive = False
            self._back.release()
