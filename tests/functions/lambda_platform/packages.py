"""The package for this machine, built once for all processes of a test run."""

from __future__ import annotations

import fcntl
import platform
import sys
from pathlib import Path

from dispatcher.packaging.build import PackageRequest, build
from dispatcher.packaging.lock import default_path
from dispatcher.packaging.targets import MACHINES, BuildTarget, target

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCH = next((arch for arch, machine in MACHINES.items() if machine == platform.machine()), "arm64")


def here() -> BuildTarget:
    """Lambda with this Python on this machine's architecture."""
    return target("aws-lambda", arch=ARCH, python=PYTHON)


def order(output: Path, **rest: object) -> PackageRequest:
    return PackageRequest(**{"target": here(), "extras": ("aws",), "lock": default_path(), "output": output, **rest})


def built_once(shared: Path, name: str = "function.zip", **rest: object) -> Path:
    """The package of that name in a directory that several processes share; `rest` is as in `PackageRequest`."""
    package = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not package.exists():
            build(order(package, **rest))
    return package
