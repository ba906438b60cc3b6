"""Which statements of a module each test reaches, and how long the test takes."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from time import process_time
from typing import Any

import pytest

REACHED = "__reached__"
"""What a marked module calls with the line of each statement."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """One test, the lines at which the statements begin that it reaches, and its CPU time."""

    test: pytest.Item
    lines: frozenset[int]
    seconds: float


def marked(tree: ast.Module) -> ast.Module:
    """The module with a mark before each statement of a function."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        for node in list(ast.walk(function)):
            for field in ("body", "orelse", "finalbody"):
                statements = getattr(node, field, None)
                if isinstance(statements, list) and not any(map(_is_mark, statements)):
                    setattr(node, field, [part for statement in statements for part in (_mark(statement), statement)])
    return ast.fix_missing_locations(tree)


def reaches(tests: Sequence[pytest.Item], lines: set[int], cached: Iterable[_lru_cache_wrapper[Any]]) -> list[Reach]:
    """Run every test once, and return the fastest first. The marks add to `lines`."""
    mapped = []
    for test, following in zip(tests, [*tests[1:], None], strict=True):
        clear(cached)
        lines.clear()
        began = process_time()
        run(test, following)
        mapped.append(Reach(test, frozenset(lines), process_time() - began))
    return sorted(mapped, key=lambda reach: reach.seconds)


def run(test: pytest.Item, following: pytest.Item | None) -> None:
    """Run a test as pytest does, and keep the fixtures that the following one needs."""
    test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)


def caches() -> list[_lru_cache_wrapper[Any]]:
    """The functions of the core that cache. A cached value hides the statements that made it."""
    functions = [thing for thing in gc.get_objects() if isinstance(thing, _lru_cache_wrapper)]
    return [function for function in functions if str(getattr(function, "__module__", "")).startswith("dispatcher.core.")]


def clear(functions: Iterable[_lru_cache_wrapper[Any]]) -> None:
    """Forget what is cached."""
    for function in functions:
        function.cache_clear()


def _mark(statement: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(REACHED, ast.Load()), [ast.Constant(statement.lineno)], [])
    return ast.copy_location(ast.Expr(call), statement)


def _is_mark(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(ast.Call(ast.Name(name))):
            return name == REACHED
    return False
