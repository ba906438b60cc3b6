"""One sandbox of a function: a process that holds the package, what the runtime brings, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import wait
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.functions.lambda_platform.runtime_api import Invocation, RuntimeApi

HANDLER = "dispatcher.functions.aws_lambda.handler"
BROUGHT = (
    *("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"),
    *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
)
"""The modules that the Python runtime of Lambda has: its client of the runtime API, and boto3."""
PATIENCE = 60.0
SECONDS = 60.0
"""The function's time limit."""


class TimedOut(Exception):
    """The platform ended the invocation at its time limit; the sandbox is gone."""


def lay_out_runtime(directory: Path) -> Path:
    """A directory with what the runtime brings, and only that, as links to where it is installed."""
    directory.mkdir()
    for module in BROUGHT:
        spec = find_spec(module)
        assert spec is not None, f"{module} is not installed"
        place = Path(next(iter(spec.submodule_search_locations or [str(spec.origin)])))
        (directory / place.name).symlink_to(place)
    return directory


def unpack(package: Path, directory: Path) -> Path:
    """The package alone in an empty directory."""
    with ZipFile(package) as archive:
        archive.extractall(directory)
    return directory


class Sandbox:
    """A process that serves one event after the other, and is killed at a time limit, as Lambda does."""

    def __init__(self, task: Path, runtime: Path, environment: Mapping[str, str], log: Path, *, handler: str = HANDLER) -> None:
        self.api, self.log = RuntimeApi(), log
        own = {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "push-dispatcher",
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "LAMBDA_TASK_ROOT": str(task),
            "PATH": os.defpath,
            "PYTHONPATH": str(runtime),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-m", "awslambdaric", handler],  # -S: no site-packages of this machine
                cwd=task,
                env={**own, **environment},
                stdout=output,
                stderr=output,
            )

    def ready(self) -> None:
        """Until the handler's module is imported. Raises FunctionError when it cannot be."""
        deadline = time.monotonic() + PATIENCE
        while not wait([self.api.initialised], timeout=0.1).done:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
        self.api.initialised.result()

    def invoke(self, event: Any, over: threading.Event | None = None) -> Any:
        """The function's answer. Raises FunctionError, or TimedOut, with the process killed, when its time is over.

        That is after `SECONDS`, which the function is told, or as soon as `over` is set, so that no test has to wait for it.
        """
        self.ready()
        invocation = Invocation(event, time.time() + SECONDS)
        self.api.put(invocation)
        deadline = time.monotonic() + SECONDS
        while not wait([invocation.answer], timeout=0.02).done:
            if (over and over.is_set()) or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise TimedOut
        return invocation.answer.result()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.api.close()
