"""What Google's build makes of the zip: it is unpacked, and pip installs its requirements.txt."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from dispatcher.packaging.targets import target
from tests.functions.lambda_platform.packages import PYTHON, built_once


def built(shared: Path, name: str = "google", **rest: object) -> tuple[Path, Path]:
    """The unpacked source and what is installed for it, in a directory that all processes of a test run share.

    `rest` is as in `PackageRequest`; another package has another name.
    """
    where = target("google-cloud-function", python=PYTHON)
    package = built_once(shared, f"{name}.zip", target=where, extras=where.platform.extras, **rest)
    source, installed = shared / f"{name}-source", shared / f"{name}-installed"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            with ZipFile(package) as archive:
                archive.extractall(source)
            _install(source / "requirements.txt", installed)
    return source, installed


def _install(requirements: Path, into: Path) -> None:
    """As Google's buildpack does it, but for `--user`, which would put it into this machine's own directory."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    unfinished = into.with_suffix(".unfinished")
    subprocess.run([*command, "--requirement", str(requirements), "--target", str(unfinished)], check=True)
    unfinished.rename(into)
