"""The README's blocks, from top to bottom in one shell, by somebody new: an empty home, nothing set."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "\n## Five minutes\n", "\n## Deploy it\n"
"""Between these stands what is typed one after another; before, how to install, and after, what needs a cloud."""

CHANGES = "dispatcher plan"
"""Ends with 2 where there is something to change, as its line says."""


def blocks() -> Iterator[tuple[str, str]]:
    """The language and the text of each block, in order."""
    text = README.read_text(encoding="utf-8")
    part = text[text.index(BEGIN) : text.index(END)]
    for block in re.finditer(r"^```(\w+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
        yield block[1], block[2]


BLOCKS = tuple(blocks())


def shell_script() -> str:
    """All blocks as one script that says how each command ended."""
    lines = ["trap 'echo \"FAILED $? $BASH_COMMAND\" >&3' ERR"]
    for language, text in BLOCKS:
        lines += [text] if language == "sh" else [f"python - <<'END'\n{text}END"]
    return "\n".join([*lines, "echo RAN >&3", "env > environment"])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Everything, once: what was said, and which commands failed."""
    home = tmp_path_factory.mktemp("readme")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (home / "output").open("w") as output:
        subprocess.run(
            ["bash", "-c", f'exec 3>"{home}/ends"\n{shell_script()}'],
            env={"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=1800,
            check=False,
        )
    return home


def test_the_readme_has_the_expected_code_blocks():
    assert [language for language, _ in BLOCKS] == ["sh", "sh", "sh", "python"]


@pytest.mark.long
def test_every_command_of_the_readme_does_what_it_says(done):
    ends = (done / "ends").read_text().splitlines()
    said = (done / "output").read_text()
    assert ends == [f"FAILED 2 {CHANGES}", "RAN"], said
    assert "error:" not in said
    assert "Traceback" not in said


def test_runs_have_ended_where_the_readme_says_so(done):
    said = (done / "output").read_text()
    assert "\nhello\n" in said
    assert re.search(r"^state +COMPLETED$", said, re.MULTILINE), said
    assert "Nothing to change." in said


def test_the_file_does_not_write_over_what_was_made_before(done):
    text = (done / "everything.yaml").read_text()
    assert re.findall(r"^  ([\w-]+):$", text, re.MULTILINE) == ["my-pool", "nightly", "hello", "report"]
    assert "command: echo reported" in text


def test_the_shell_is_left_as_it_was(done):
    assert "AWS_" not in (done / "environment").read_text().replace("AWS_CA_BUNDLE", "")


def test_the_python_example_uses_the_store_of_the_command_line(done):
    listed = subprocess.run(
        [sys.executable, "-m", "dispatcher", "work-pool", "ls"],
        env={"HOME": str(done), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {"nightly", "batch", "hourly", "my-pool"} <= set(listed.split())
