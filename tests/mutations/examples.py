"""How many examples property tests run: few at first, all for a mutant that the few let live. Always the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

FEW = 25
SETTINGS = "_hypothesis_internal_use_settings"


class Examples:
    """The settings of the collected property tests."""

    def __init__(self, tests: Iterable[pytest.Item]) -> None:
        functions = {test.function for test in tests if isinstance(test, pytest.Function)}
        self._asked = {function: getattr(function, SETTINGS) for function in functions if hasattr(function, SETTINGS)}

    def few(self) -> None:
        """A few for each test."""
        self._set(FEW)

    def all(self) -> None:
        """As many as each test asks for."""
        self._set(None)

    def of_properties(self, tests: Sequence[pytest.Item]) -> list[pytest.Item]:
        """The property tests among some tests."""
        return [test for test in tests if isinstance(test, pytest.Function) and test.function in self._asked]

    def _set(self, most: int | None) -> None:
        for function, asked in self._asked.items():
            setattr(function, SETTINGS, _repeatable(asked, min(asked.max_examples, most or asked.max_examples)))


class FewExamples:
    """A pytest plugin."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Few examples for every collected test."""
        Examples(items).few()


def _repeatable(asked: settings, examples: int) -> Any:
    """Without a search for the smallest failure: one failure is enough."""
    return settings(
        asked,
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
