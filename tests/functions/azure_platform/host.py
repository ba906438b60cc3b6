"""The host's side: what it asks a worker, of an app that lies unpacked in a directory."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from dispatcher.packaging.targets import target
from tests.functions.lambda_platform.packages import PYTHON, built_once

HERE = Path(__file__).parent


def unpacked(shared: Path, name: str = "azure", **rest: object) -> tuple[Path, Path]:
    """The app and what Azure brings, in a directory that all processes of a test run share.

    `rest` is as in `PackageRequest`; another package has another name.
    """
    where = target("azure-functions", python=PYTHON)
    package = built_once(shared, f"{name}.zip", target=where, extras=where.platform.extras, **rest)
    app, brought = shared / f"{name}-app", shared / "azure-brought"
    with (shared / "azure.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not app.exists():
            with ZipFile(package) as archive:
                archive.extractall(app)
        if not brought.exists():
            _bring(brought)
    return app, brought


def _bring(into: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--ignore-requires-python", "--require-hashes", "--requirement", str(HERE / "worker.lock")]
    unfinished = into.with_suffix(".unfinished")
    subprocess.run([*command, *options, "--target", str(unfinished)], check=True)
    unfinished.rename(into)


class Failed(Exception):
    """An invocation that failed, with what the function raised."""


class Host:
    """A worker process for the app, with the app's settings as its environment."""

    def __init__(self, unpacked: tuple[Path, Path], settings: Mapping[str, str], log: Path) -> None:
        app, brought = unpacked
        self.log = log
        own = {"HOME": str(log.parent), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(brought)}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                # -S: no site-packages of this machine; -P: nothing of the directory that the worker is in
                [sys.executable, "-S", "-P", str(HERE / "worker.py")],
                cwd=app,
                env={**own, "FUNCTIONS_WORKER_RUNTIME": "python", **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started = self._ask(verb="start", app=str(app))
        assert started["result"]["status"] == 1, started["result"]
        self.functions = {function["name"]: function for function in self._ask(verb="metadata")["function_metadata_results"]}

    def bindings(self, function: str) -> list[dict[str, Any]]:
        """The triggers that the worker registers with the host."""
        return [json.loads(binding) for binding in self.functions[function]["raw_bindings"]]

    def timer(self) -> None:
        """The timer has run down. Raises `Failed`."""
        state = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        self._invoke("tick", "timer", {"json": json.dumps(state)})

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
        """Status and answer of a request to the HTTP API."""
        url = f"https://app.azurewebsites.net{path}"
        request = {"method": method, "url": url, "headers": headers, "body": body}
        said = self._invoke("api", "request", {"http": request})["http"]
        return int(said["status_code"]), json.loads(said["body"]["bytes"])

    def post(self, body: Any) -> tuple[int, Any]:
        """Status and answer of a request that had the function's key; the body is text, or becomes JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        request = {"method": "POST", "url": "https://app.azurewebsites.net/api/invoke", "headers": {}, "body": text}
        said = self._invoke("invoke", "request", {"http": request})["http"]
        assert said["headers"]["content-type"].startswith("application/json"), said
        return int(said["status_code"]), json.loads(said["body"]["bytes"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _invoke(self, function: str, name: str, data: Mapping[str, Any]) -> Any:
        answer = self._ask(verb="invoke", function_id=self.functions[function]["function_id"], name=name, data=data)
        if answer["result"]["status"] != 1:
            exception = answer["result"]["exception"]
            raise Failed(f"{exception['message']}\n{exception['stack_trace']}")
        return answer["return_value"]

    def _ask(self, **message: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)
