"""`python -m dispatcher.job`: what it calls with what, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

MODULE = """
from __future__ import annotations
import asyncio, signal, sys, time
from datetime import date
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from decimal import Decimal

def main(day: date, limit: int = 10, *, tables: list[str] | None = None):
    print(f"{day.isoformat()} {limit + 1} {tables}")

def plain(day, limit=10):
    print(repr(day), repr(limit))

def others(day, /, limit=1, **more):
    print(day, limit, more)

async def later(day: str):
    await asyncio.sleep(0)
    print("later", day)

class Quota(Exception):
    exit_code = 75

def fails(day=None):
    broken(day)

def broken(day):
    raise ValueError(f"no rows of {day}")

def quota():
    raise Quota("no quota")

def leaves():
    sys.exit(7)

def hidden(day: Decimal):
    pass

class Jobs:
    @staticmethod
    def inner():
        print("inner")

number = 5

def waits():
    try:
        print("ready")
        time.sleep(60)
    finally:
        print("cleaned")
"""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "etl.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import json\njson.loads('[')\n")

    def start(target, parameters=None, before=(), **options):
        values = {} if parameters is None else {"DISPATCHER_PARAMETERS": json.dumps(parameters)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        words = [sys.executable, *before, "-m", "dispatcher.job", *([target] if target else [])]
        return subprocess.Popen(words, cwd=tmp_path, env={**os.environ, **values}, **pipes, **options)

    return start


def ended(process):
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


@pytest.mark.parametrize(
    ("target", "parameters", "out"),
    [
        ("etl:main", {"day": "2026-01-31"}, "2026-01-31 11 None\n"),
        ("etl:main", {"day": "2026-01-31", "limit": 5, "tables": ["a"]}, "2026-01-31 6 ['a']\n"),
        ("etl.py:main", {"day": "2026-01-31"}, "2026-01-31 11 None\n"),
        ("etl:plain", {"day": "x"}, "'x' 10\n"),
        ("etl:others", {"day": "x", "a": 1}, "x 1 {'a': 1}\n"),
        ("etl:later", {"day": "x"}, "later x\n"),
        ("etl:Jobs.inner", None, "inner\n"),
    ],
)
def test_a_function_is_called_with_the_parameters_of_the_run(job, target, parameters, out):
    assert ended(job(target, parameters)) == (0, out, "")


@pytest.mark.parametrize(
    ("target", "parameters", "errors"),
    [
        ("etl:main", {}, ["parameters.day: is required and missing"]),
        (
            "etl:main",
            {"day": "soon", "limit": "many", "lmit": 1},
            [
                "parameters.lmit: is not a parameter of the function; did you mean limit?",
                "parameters.day: Input should be a valid date or datetime, input is too short",
                "parameters.limit: Input should be a valid integer, unable to parse string as an integer",
            ],
        ),
        ("etl:main", {"day": "2026-01-31", "tables": ["a", 5]}, ["parameters.tables[1]: Input should be a valid string"]),
        ("etl:main", [], ["parameters: DISPATCHER_PARAMETERS must be an object of names and values"]),
        ("etl:mian", {}, ["etl has no mian; did you mean main?"]),
        ("etl:number", {}, ["etl:number is not a function (it is of type int)"]),
        ("etl", {}, ["'etl' names no function; write MODULE:FUNCTION, as etl:main"]),
        ("nothing.here:main", {}, ["there is no module nothing.here in "]),
        (
            "etl:hidden",
            {"day": 1},
            ["parameters.day: its annotation 'Decimal' cannot be read: name 'Decimal'"],
        ),
        (None, {}, None),
    ],
)
def test_a_function_that_cannot_be_called_is_reported_with_its_path_and_exit_code_2(job, target, parameters, errors):
    code, out, said = ended(job(target, parameters))
    assert (code, out) == (2, "")
    if errors is None:
        assert said.startswith("usage: python -m dispatcher.job MODULE:FUNCTION")
    else:
        assert all(line.startswith(f"error: {error}") for line, error in zip(said.splitlines(), errors, strict=True)), said


@pytest.mark.parametrize(("target", "code"), [("etl:fails", 1), ("etl:quota", 75), ("etl:leaves", 7), ("broken:main", 1)])
def test_an_exception_becomes_an_exit_code(job, target, code):
    assert ended(job(target))[0] == code


def test_a_traceback_begins_with_the_code_of_the_function(job, tmp_path):
    _, _, said = ended(job("etl:fails", {"day": "monday"}))
    files = [line for line in said.splitlines() if line.startswith("  File")]
    assert [f'"{tmp_path / "etl.py"}"' in line for line in files] == [True, True]
    assert said.endswith("ValueError: no rows of monday\n")
    _, _, said = ended(job("broken:main"))
    first = next(line for line in said.splitlines() if line.startswith("  File"))
    assert "broken.py" in first


def test_sigterm_runs_what_the_function_has_to_clean(job):
    process = job("etl:waits")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert ended(process)[:2] == (143, "cleaned\n")


def test_nothing_but_the_standard_library_is_needed_where_nothing_is_annotated(job):
    code, out, said = ended(job("etl:plain", {"day": 1}, before=("-X", "importtime")))
    names = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    ours = {name for name in names if name.partition(".")[0] in {"dispatcher", "providers"}}
    assert (code, out) == (0, "1 10\n")
    assert {name for name in names if name.partition(".")[0] in {"pydantic", "jsonschema", "annotated_types"}} == set()
    assert {name for name in ours if not name.startswith("dispatcher.job")} <= {"dispatcher"}
