"""A command around a command, where the platform itself installs no packages or knows no time limit.

Packages and the command are arguments, never a part of the program text. Each wrapper becomes the next program (`exec`), or
hands its signals on, so that they reach the author's command.
"""

from __future__ import annotations

from collections.abc import Sequence

PIP_FAILED = 97
"""The exit code of a job whose packages could not be installed."""

KILL_AFTER = "10"
"""Seconds between SIGTERM and SIGKILL of a job that ran for too long; `timeout` then ends with 124, or 137."""

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
    """The command after its packages are installed; the image needs `python` and `pip`."""
    return ["python", "-c", _INSTALL, str(len(packages)), *packages, *command]


def with_timeout(command: Sequence[str], seconds: int) -> list[str]:
    """The command, ended after so many seconds; the image needs `timeout`, which coreutils and busybox have."""
    return ["timeout", "-k", KILL_AFTER, str(seconds), *command]
