"""A container's command as a local process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

STOP_SECONDS = 30.0
"""Between SIGTERM and SIGKILL; the default of ECS's stopTimeout."""


class LocalProcess:
    """One command in its own process group; `on_exit` gets its exit code, from another thread.

    The environment is the job's, over this process's PATH and nothing else of it. Raises OSError when it cannot be started.
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
        self._process = subprocess.Popen(  # noqa: S603 - running what the caller asks for is the point
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
        self._signal(signal.SIGKILL)  # a container's children end with it
        if self._timer is not None:
            self._timer.cancel()
        # A shell, and every cloud, reports a death by signal as 128 + its number.
        on_exit(code if code >= 0 else 128 - code)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        self._timer = threading.Timer(self._stop_seconds, self.kill)
        self._timer.daemon = True
        self._timer.start()

    def kill(self) -> None:
        """SIGKILL to the command and its children; nothing when it has ended."""
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
