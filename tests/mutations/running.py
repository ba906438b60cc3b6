"""Runs tests against one mutant: in a child of this process, in which the module's source is the changed one."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.mutations.mutants import Mutant

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

BEYOND = {
    "changes": ("client/test_client_configuration.py",),
    "integrity": ("stores/test_moving.py",),
    "names": ("client/test_client_names.py", "client/test_client_schedules.py"),
    "notifications": (
        "core/test_transitions.py",
        "core/test_run_shape.py",
        "tick/test_hooks.py",
        "client/test_client_hooks.py",
    ),
    "pinning": ("core/test_own_values.py", "tick/test_one_tick.py", "tick/test_why_is_my_run_not_running.py"),
    "placeholders": ("core/test_templates_fill.py", "core/test_templates_render.py", "core/test_templates_properties.py"),
    "reasons": ("tick/test_why_is_my_run_not_running.py",),
    "reconciliation": ("core/test_transitions.py", "tick/test_retries.py", "tick/test_answers.py"),
    "samples": ("client/test_client_jobs.py",),
    "schedules": ("core/test_schedules_against_reference.py", "core/test_windows.py"),
    "cron": ("core/test_schedules.py", "core/test_schedules_against_reference.py"),
    "recurrence": ("core/test_schedules.py", "core/test_schedules_against_reference.py"),
    "zones": ("core/test_schedules.py", "core/test_schedules_against_reference.py"),
    "templates": ("core/test_own_values.py", "validation/test_validation_templates.py"),
    "transitions": (
        "core/test_reconciliation.py",
        "tick/test_retries.py",
        "tick/test_answers.py",
        "tick/test_one_tick.py",
    ),
    "written": ("validation/test_validation_coercion.py",),
}
"""Tests of a module beside its own; they are asked only about mutants that its own let live."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


def own_tests(module: str) -> list[str]:
    """The tests in `tests/core` that bear the module's name."""
    return [str(path) for path in sorted((TESTS / "core").glob(f"test_{module}*.py"))]


def tried(mutant: Mutant, seconds: float) -> Fate:
    """Let the module's own tests judge a mutant, then those beyond."""
    for tests in (own_tests(mutant.module), [str(TESTS / path) for path in BEYOND.get(mutant.module, ())]):
        if tests and (fate := _judged(mutant, tests, seconds)) is not Fate.SURVIVED:
            return fate
    return Fate.SURVIVED


def _judged(mutant: Mutant, tests: Sequence[str], seconds: float) -> Fate:
    child = os.fork()
    if child == 0:
        _run(mutant, tests)
    ends = monotonic() + seconds
    while monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return Fate.SURVIVED if os.waitstatus_to_exitcode(status) == 0 else Fate.KILLED
        sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Fate.TIMED_OUT


def _run(mutant: Mutant, tests: Sequence[str]) -> None:
    """In the child: never returns."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.meta_path.insert(0, _Changed(mutant))
    quiet = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-k",
        "not postgres and not dynamodb",
    ]
    code = 1
    try:
        code = int(pytest.main([*quiet, *tests]))
    finally:
        os._exit(code)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._source = f"dispatcher.core.{mutant.module}", mutant.source

    def find_spec(self, name, _path, _target=None):
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module) -> None:
        exec(compile(self._source, f"{self._name}, changed", "exec"), module.__dict__)
