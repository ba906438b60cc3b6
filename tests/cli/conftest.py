"""The command line on a store and a process directory of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dispatcher.cli.root import root
from dispatcher.models import Run, WorkPool
from dispatcher.models.records import RunFilter
from dispatcher.stores.sqlite import SqliteStore
from tests.stores.sqlite_files import fresh_file

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # what a shell gives a job in the background, and its children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Said:
    """What one command line printed, and how it ended."""

    exit_code: int
    out: str
    errors: tuple[str, ...]
    """The lines of standard error."""

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Calls `dispatcher` with words or a line, in this process or in one of its own."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.directory),
            "DISPATCHER_STORE": f"sqlite:///{self.directory / 'store.db'}",
            "DISPATCHER_PROCESS_DIRECTORY": str(self.directory / "processes"),
        }

    def __call__(self, *words: str, stdin: str | None = None) -> Said:
        result = CliRunner().invoke(root, list(words), env=self.environment, input=stdin, prog_name="dispatcher")
        return Said(result.exit_code, result.stdout, tuple(result.stderr.splitlines()))

    def ok(self, *words: str, stdin: str | None = None) -> Any:
        """The JSON of a command that has to succeed."""
        said = self(*words, "--json", stdin=stdin)
        assert said.exit_code == 0, said.errors
        return said.json

    def process(self, *words: str, before: str = "", **arguments: Any) -> subprocess.Popen[str]:
        """The console script in a process of its own; `before` is Python that runs first."""
        code = f"import sys\n{before}\nfrom dispatcher.cli.main import main\nmain()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **arguments,
        )

    def alone(self, *words: str, before: str = "") -> Said:
        """The same, run to its end."""
        with self.process(*words, before=before) as process:
            out, errors = process.communicate(timeout=60)
        return Said(process.returncode, out, tuple(errors.splitlines()))

    def stored(self) -> tuple[list[WorkPool], list[Run]]:
        """Everything that is in the store."""
        store = SqliteStore(self.directory / "store.db")
        try:
            return list(store.pools()), list(store.runs(RunFilter(), limit=1000))
        finally:
            store.close()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    fresh_file(tmp_path / "store.db")
    return Cli(tmp_path)


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[[str, Any], str]:
    """Write a file and give its path; anything but text and bytes is written as JSON."""

    def write(name: str, content: Any) -> str:
        path = tmp_path / name
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    return write
