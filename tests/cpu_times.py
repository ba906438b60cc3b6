"""A plugin that says which tests take long: `python -m pytest -n 3 -p tests.cpu_times`.

It measures the CPU time of a test's process and of the children that it has waited for: on a shared machine that says more than
the time on the wall. A test that takes more than `LIMIT` belongs into `tests/long.txt`.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

LIMIT = 1.5
"""Seconds of CPU."""

_BEGAN = pytest.StashKey[float]()


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    item.config.stash[_BEGAN] = _cpu()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report, now = (yield), _cpu()
    report.cpu = now - item.config.stash[_BEGAN]
    item.config.stash[_BEGAN] = now
    return report


def pytest_terminal_summary(terminalreporter):
    spent = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            spent[getattr(report, "nodeid", "")] += getattr(report, "cpu", 0)
    terminalreporter.section(f"CPU seconds: {spent.total():.0f} in all; tests with more than {LIMIT}")
    for name, seconds in spent.most_common():
        if seconds > LIMIT:
            terminalreporter.write_line(f"{seconds:7.1f} {name}")
