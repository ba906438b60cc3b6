"""The walk through Prefect's documentation, `dispatcher/cli/walkthrough.md`, read and carried out.

`python -m tests.cli.walk` prints the document with the output of today wherever that differs, to be looked at and kept.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner

from dispatcher.cli.root import root

DOCUMENT = Path(__file__).parents[2] / "dispatcher" / "cli" / "walkthrough.md"
PROMPT, MORE, ANYTHING = "$ ", "> ", "..."
FOR_A_SHELL = frozenset("$`|&;<>")
"""A command line without these, but for what single quotes hold, is `dispatcher` with words, and needs no shell."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of the document, and what it says beneath it."""

    line: int
    """Where its output begins, counted from 0."""
    command: str
    expected: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that was carried out."""

    step: Step
    exit_code: int
    output: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What differs from one walk to the next, and is read as the same."""

    pattern: re.Pattern[str]
    instead: str


def steps(lines: Sequence[str]) -> Iterator[Step]:
    """The commands in the console blocks, from top to bottom."""
    inside, number = False, 0
    while number < len(lines):
        line, number = lines[number], number + 1
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith(PROMPT):
            command, begin = _taken(lines, number, MORE)
            end = next(at for at in range(begin, len(lines)) if lines[at].startswith((PROMPT, "```")))
            words = "\n".join([line, *command]).replace(f"\n{MORE}", "\n").removeprefix(PROMPT)
            yield Step(line=begin, command=words, expected=tuple(lines[begin:end]))
            number = end


def _taken(lines: Sequence[str], begin: int, start: str) -> tuple[list[str], int]:
    """The lines from there that begin so, and where they end."""
    end = begin
    while lines[end].startswith(start):
        end += 1
    return list(lines[begin:end]), end


def rules(lines: Sequence[str]) -> list[Rule]:
    """The rules of the document: the rows of its table whose second cell is a pattern, and the third what that is read as."""
    rows = (re.fullmatch(r"\| .* \| `(.+)` \| `(.+)` \|", line) for line in lines)
    return [Rule(pattern=re.compile(row[1]), instead=row[2]) for row in rows if row]


def read(line: str, by: Sequence[Rule]) -> str:
    """A line of output as the rules read it."""
    for rule in by:
        line = rule.pattern.sub(rule.instead, line)
    return line.rstrip()


def is_as_expected(done: Done, by: Sequence[Rule]) -> bool:
    """True when the output is what the document says; there a line `...` stands for any lines."""
    pattern = "".join("(.*\n)*" if line == ANYTHING else re.escape(read(line, by)) + "\n" for line in done.step.expected)
    return re.fullmatch(pattern, "".join(read(line, by) + "\n" for line in done.output)) is not None


def walk(document: Sequence[Step], home: Path) -> list[Done]:
    """Carry the commands out, one after another, by somebody new in an empty directory."""
    shell = Shell(home)
    with chdir(home):
        return [Done(step=step, exit_code=shell.run(step.command), output=shell.said()) for step in document]


def walk_within_an_hour(document: Sequence[Step], homes: Iterator[Path]) -> list[Done]:
    """The same, and once more where a full hour has struck: schedules by the hour are then at another window."""
    while True:
        began = datetime.now(UTC)
        done = walk(document, next(homes))
        if datetime.now(UTC).hour == began.hour:
            return done


class Shell:
    """A shell that calls `dispatcher` in this process, which spares every command its cold start."""

    def __init__(self, home: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._home, self._environment = home, {"HOME": str(home), "PATH": path}
        self._exit_code, self._said = 0, ""

    def run(self, command: str) -> int:
        """Run a command; the answer is its exit code."""
        is_plain = command.startswith("dispatcher ") and not FOR_A_SHELL & set(re.sub(r"'[^']*'", "", command))
        self._exit_code = self._in_process(command) if is_plain else self._in_a_shell(command)
        return self._exit_code

    def said(self) -> tuple[str, ...]:
        """What the last command printed on either stream."""
        return tuple(self._said.splitlines())

    def _in_process(self, command: str) -> int:
        hidden = dict.fromkeys(os.environ)  # the walk begins with nothing set: neither a store nor a width
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(root, words, env={**hidden, **self._environment}, prog_name="dispatcher")
        self._said = result.output
        return result.exit_code

    def _in_a_shell(self, command: str) -> int:
        """What it sets and exports stays for the next command, and so does the exit code."""
        kept = self._home / ".environment"
        script = f"set -a\n(exit {self._exit_code})\n{command}\ncode=$?; env -0 > {shlex.quote(str(kept))}; exit $code"
        with tempfile.TemporaryFile() as output:  # no pipe: what goes on in the background would keep it open
            code = subprocess.run(
                ["bash", "-c", script],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
                check=False,
            ).returncode
            output.seek(0)
            self._said = output.read().decode()
        pairs = (pair.partition("=") for pair in kept.read_text().split("\0") if pair)
        self._environment = {name: value for name, _, value in pairs if name not in ("_", "SHLVL", "code")}
        return code


def renewed(lines: Sequence[str], done: Sequence[Done]) -> list[str]:
    """The document with the output of these commands, where it says something else."""
    copy, by = list(lines), rules(lines)
    for command in reversed(done):
        if not is_as_expected(command, by):
            begin = command.step.line
            copy[begin : begin + len(command.step.expected)] = command.output
    return copy


def main() -> None:
    """Print the document as it would be today."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as home:
        print("\n".join(renewed(lines, walk(list(steps(lines)), Path(home)))))


if __name__ == "__main__":
    main()
