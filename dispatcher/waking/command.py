"""A wake by a command of this machine."""

from __future__ import annotations

import shlex
import subprocess
from threading import Thread

from dispatcher.errors import SettingsError
from dispatcher.waking import NotWoken

POOL = "{pool}"


class WakeCommand:
    """Runs a command on this machine without waiting for it. `{pool}` in its words becomes the pool's name."""

    def __init__(self, text: str) -> None:
        try:
            self._words = shlex.split(text)
        except ValueError as problem:
            raise SettingsError(f"DISPATCHER_WAKE: the command cannot be read: {problem}") from None
        if not self._words:
            raise SettingsError("DISPATCHER_WAKE: the command is empty")

    def __call__(self, pool: str) -> None:
        """Start it, and do not wait for its end. Raises `NotWoken`."""
        words = [word.replace(POOL, pool) for word in self._words]
        nothing = subprocess.DEVNULL
        try:
            process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)  # noqa: S603 - the settings say which
        except (OSError, ValueError) as problem:
            raise NotWoken(f"{words[0]}: {problem}") from None
        Thread(target=process.wait, name="wake", daemon=True).start()  # so that it leaves no zombie
