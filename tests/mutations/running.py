"""Judges mutants: the tests of a module are collected once, and each mutant is a fork in which the functions are changed.

A mutant of a function is judged by the tests that reach its statement, the fastest first; a mutant of a constant by all
tests. What cannot be judged so takes effect when the module is imported: a default, a class, a function that no test calls but
the module itself. Its fork imports everything itself and runs all tests of the module.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutations.examples import Examples, FewExamples
from tests.mutations.mutants import Mutant, path_of, tree_of
from tests.mutations.reach import REACHED, Reach, caches, clear, marked, reaches, run

TESTS = Path(__file__).parents[1]
OPTIONS = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
OPTIONS += ["-m", "not long or hypothesis", "-k", "not postgres and not dynamodb"]  # a property test runs few examples here
SECONDS, MAX_SECONDS, MEMORY = 2, 120, 4 * 2**30
"""CPU time for few examples, beside four times the time that the tests take without a change; for all; and address space."""

CONSTANTS = (bool, int, float, str, tuple, dict, frozenset, timedelta, datetime)

BEYOND = {
    "admission": (
        "core/test_sharing.py",
        "core/test_deployment_limits.py",
        "core/test_deployment_shares.py",
        "tick/test_overlap.py",
        "tick/test_pauses.py",
    ),
    "automations": ("tick/test_automations.py", "tick/test_automation_runs.py"),
    "barriers": ("core/test_admission.py", "core/test_sharing.py"),
    "changes": ("client/test_client_configuration.py",),
    "collisions": ("tick/test_overlap.py",),
    "creation": ("tick/test_automation_runs.py", "core/test_windows.py", "core/test_windows_runs.py"),
    "cron": ("core/test_schedules.py", "core/test_schedules_against_reference.py"),
    "deeds": ("tick/test_automations.py", "tick/test_automation_runs.py"),
    "formats": ("validation/test_validation_formats.py",),
    "lines": (
        "core/test_admission.py",
        "core/test_deployment_limits.py",
        "core/test_deployment_shares.py",
        "core/test_priorities.py",
    ),
    "names": ("client/test_client_names.py", "client/test_client_retries.py"),
    "notifications": (
        "core/test_transitions.py",
        "core/test_run_shape.py",
        "tick/test_hooks.py",
        "client/test_client_hooks.py",
    ),
    "own_values": ("core/test_parameters.py",),
    "parameters": ("core/test_deeds.py", "tick/test_automation_runs.py"),
    "pauses": ("tick/test_pauses.py",),
    "pinning": ("core/test_own_values.py", "tick/test_one_tick.py", "tick/test_why_is_my_run_not_running.py"),
    "plain_schemas": ("validation/test_validation_plain_schemas.py",),
    "placeholders": ("core/test_templates_fill.py", "core/test_templates_render.py", "core/test_templates_properties.py"),
    "reasons": ("tick/test_why_is_my_run_not_running.py",),
    "reconciliation": ("core/test_transitions.py", "tick/test_retries.py", "tick/test_answers.py"),
    "samples": ("client/test_client_jobs.py",),
    "surroundings": ("core/test_reasons.py", "client/test_client_shares.py"),
    "schedules": ("core/test_schedules_against_reference.py", "core/test_windows.py", "core/test_windows_once.py"),
    "templates": ("core/test_own_values.py", "validation/test_validation_templates.py"),
    "transitions": (
        "core/test_reconciliation.py",
        "tick/test_retries.py",
        "tick/test_answers.py",
        "tick/test_one_tick.py",
    ),
    "written": ("validation/test_validation_coercion.py",),
}
"""Tests of a module beside those in `tests/core` that bear its name."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


def tests_of(module: str) -> list[str]:
    """The files whose tests judge a module's mutants."""
    own = [str(path) for path in sorted((TESTS / "core").glob(f"test_{module}*.py"))]
    return own + [str(TESTS / path) for path in BEYOND.get(module, ())]


def judged(module: str, mutants: Sequence[Mutant]) -> list[tuple[Mutant, Fate]]:
    """Each mutant with its fate. The process must not have imported anything of the core yet."""
    session = _Session(module, mutants)
    session.run(tests_of(module))
    return session.fates


class _Session:
    """A pytest plugin that judges mutants where pytest would run the collected tests."""

    def __init__(self, module: str, mutants: Sequence[Mutant]) -> None:
        self._module, self._mutants = module, mutants
        self._failed: str | None = None
        self._is_child = False
        self.fates: list[tuple[Mutant, Fate]] = []

    def run(self, tests: Sequence[str]) -> None:
        """Raises `RuntimeError` if a test fails without any change."""
        with _silence():
            code = pytest.main([*OPTIONS, *tests], plugins=[self])
        if self._failed or code:
            raise RuntimeError(f"{self._failed or tests} fails before anything is changed")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Find out what each test reaches, then judge each mutant."""
        if session.testsfailed:
            return None
        gc.unfreeze()  # the tests' conftest freezes what collecting made, and what is frozen is not found
        self._examples, self._cached, self._functions = Examples(session.items), caches(), _functions(self._module)
        if not self._functions:  # each mutant would be imported, at a hundred times the cost and with fewer examples
            self._failed = f"finding the functions of {self._module}"
            return True
        self._examples.few()
        reached = set[int]()
        vars(sys.modules[f"dispatcher.core.{self._module}"])[REACHED] = reached.add
        _replace_functions(self._functions, marked(tree_of(self._module)))
        mapped = reaches(session.items, reached, self._cached)
        gc.freeze()
        if self._failed is None:
            self.fates += [(mutant, self._fate(mutant, mapped)) for mutant in self._mutants]
        return True

    def _fate(self, mutant: Mutant, mapped: Sequence[Reach]) -> Fate:
        chosen = [reach for reach in mapped if mutant.line is None or mutant.line in reach.lines]
        fate = _fate(partial(self._judge, mutant, chosen), sum(reach.seconds for reach in chosen))
        if fate is Fate.SURVIVED and (mutant.line is None or not chosen):
            return _fate(partial(_import_changed, mutant, tests_of(mutant.module)))
        return fate

    def _judge(self, mutant: Mutant, chosen: Sequence[Reach]) -> None:
        self._is_child = True
        _replace_functions(self._functions, mutant.tree)
        if mutant.line is None:
            _replace_constants(mutant)
        clear(self._cached)
        _run_all([reach.test for reach in chosen], self._examples)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first failure decides."""
        if report.failed and self._is_child:
            os._exit(1)
        self._failed = self._failed or (report.nodeid if report.failed else None)


def _run_all(tests: Sequence[pytest.Item], examples: Examples) -> None:
    """Run tests with few examples, then the property tests among them with all that they ask for."""
    for some in (tests, examples.of_properties(tests)):
        for test, following in zip(some, [*some[1:], None], strict=True) if some else ():
            run(test, following)
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
        examples.all()


def _fate(judge: Callable[[], None], seconds: float = MAX_SECONDS) -> Fate:
    """Judge in a child, and wait for its end."""
    child = os.fork()
    if child == 0:
        _bound(math.ceil(SECONDS + 4 * seconds))
        try:
            judge()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 2:
        raise RuntimeError("a mutant could not be put in its place")
    return {0: Fate.SURVIVED, 1: Fate.KILLED}.get(code, Fate.TIMED_OUT)


def _bound(seconds: int) -> None:
    """A mutant may loop for ever, fill the memory, or wait for ever."""
    resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, MAX_SECONDS), MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.alarm(20 * MAX_SECONDS)


def _functions(module: str) -> list[FunctionType]:
    file = str(path_of(module))
    return [thing for thing in gc.get_objects() if isinstance(thing, FunctionType) and thing.__code__.co_filename == file]


def _replace_functions(functions: Sequence[FunctionType], tree: ast.Module) -> None:
    """Give each function the code that it has in the tree; whoever imported it calls the same function."""
    codes = dict(_codes(compile(tree, "changed", "exec")))
    for function in functions:
        function.__code__ = codes[_key(function.__code__)]


def _replace_constants(mutant: Mutant) -> None:
    """Give each module that holds one of the changed constants the new value."""
    before = dict(vars(sys.modules[f"dispatcher.core.{mutant.module}"]))
    unchanged, after = (_executed(tree, before) for tree in (tree_of(mutant.module), mutant.tree))
    constants = {name: value for name, value in before.items() if type(value) in CONSTANTS and unchanged[name] == value}
    changed = [name for name, value in constants.items() if after[name] != value]
    for module in list(sys.modules.values()):
        for name in changed:
            if vars(module).get(name) is before[name]:
                setattr(module, name, after[name])


def _executed(tree: ast.Module, before: Mapping[str, Any]) -> dict[str, Any]:
    """What a module holds once its tree is executed. A table of functions holds others each time, and is not a constant."""
    after = dict(before)
    try:
        exec(compile(tree, "changed", "exec"), after)
    except Exception:  # noqa: BLE001 -- whoever imports the mutant notices
        os._exit(1)
    return after


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    yield _key(code), code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _import_changed(mutant: Mutant, tests: Sequence[str]) -> None:
    """Import everything once more, the mutant in the place of its module, and run all tests."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("dispatcher", "providers", "tests")]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Changed(mutant))
    os._exit(int(pytest.main([*OPTIONS, "-x", *tests], plugins=[FewExamples()]) != 0))


@contextmanager
def _silence() -> Iterator[None]:
    """Send what is printed nowhere."""
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._mutant = f"dispatcher.core.{mutant.module}", mutant

    def find_spec(self, name, _path, _target=None):
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module) -> None:
        exec(compile(self._mutant.tree, f"{self._name}, changed", "exec"), module.__dict__)
