"""Wraps a command if the platform cannot install packages or enforce a time limit by itself.

Packages and the command are arguments, never part of the program text. Each wrapper replaces itself with the next program
(`exec`) or forwards signals, so that they reach the author's command.
"""

from __future__ import annotations

from collections.abc import Sequence

PIP_FAILED = 97
"""The exit code of a job whose packages could not be installed."""

KILL_AFTER = "10"
"""Seconds between SIGTERM and SIGKILL for a job that exceeds its time limit; `timeout` then exits with 124 or 137."""

_INSTALL = f"""\
import os, subprocess, sys
count = int(sys.argv[1])
packages, command = sys.argv[2:2 + count], sys.argv[2 + count:]
pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "--", *packages]
if subprocess.call(pip):
    sys.stderr.write("installing pip_packages failed\\n")
    sys.exit({PIP_FAILED})
os.execvp(command[0], command)
"""


def with_packages(command: Sequence[str], packages: Sequence[str]) -> list[str]:
    """A command that installs the packages first; the image needs `python` and `pip`."""
    return ["python", "-c", _INSTALL, str(len(packages)), *packages, *command]


def with_timeout(command: Sequence[str], seconds: int) -> list[str]:
    """A command that is ended after this many seconds; the image needs `timeout`, which coreutils and busybox contain."""
    return ["timeout", "-k", KILL_AFTER, str(seconds), *command]
