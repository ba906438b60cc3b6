"""A container's command as a local process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

STOP_SECONDS = 30.0
"""Seconds between SIGTERM and SIGKILL; the default of ECS's stopTimeout."""


class LocalProcess:
    """One command in its own process group; `on_exit` gets its exit code, from another thread.

    Its environment is the job's plus this process's PATH. Raises OSError if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_exit: Callable[[int], None],
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._stop_seconds = stop_seconds
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - its purpose is to run the caller's command
            list(command),
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._timer: threading.Timer | None = None
        threading.Thread(target=self._watch, args=(on_exit,), daemon=True, name=f"job-{self._process.pid}").start()

    def _watch(self, on_exit: Callable[[int], None]) -> None:
        code = self._process.wait()
        self._signal(signal.SIGKILL)  # a container's children end together with it
        if self._timer is not None:
            self._timer.cancel()
        # A shell, and every cloud, reports a death by signal as 128 + its number.
        on_exit(code if code >= 0 else 128 - code)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the command does not end."""
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        self._timer = threading.Timer(self._stop_seconds, self.kill)
        self._timer.daemon = True
        self._timer.start()

    def kill(self) -> None:
        """Send SIGKILL to the command and its children; does nothing if it has ended."""
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
