"""Whatever asserts outside a test file is named here, before anything can import it."""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

CONFORMANCE = sorted((Path(__file__).parent / "stores").glob("conformance_*.py"))

# Where the environment forbids bytecode, each worker would rewrite every test and each process compile whatever it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest.register_assert_rewrite(
    "tests.client.schedules",
    "tests.core.windows",
    "tests.providers.contract",
    "tests.providers.contract_leftovers",
    "tests.providers.harness",
    "tests.providers.network_contract",
    "tests.stores.steps",
    *(f"tests.stores.{part.stem}" for part in CONFORMANCE),
)

settings.register_profile("no deadline", deadline=None)  # a machine that is busy proves nothing
settings.load_profile("no deadline")

LONG = frozenset((Path(__file__).parent / "long.txt").read_text(encoding="utf-8").splitlines())
"""Files, and tests with or without their parameters, that take more than 1.5 seconds of CPU: `tests.cpu_times` measures them. A
file stands here where what its tests share takes long."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A worker keeps to its part of the tests, in which neighbours share fixtures, until it can help another: the last to end
    are single tests.
    """
    if config.getoption("dist") == "load":
        from xdist.scheduler import WorkStealingScheduling  # noqa: PLC0415 -- mutation runs leave xdist out

        return WorkStealingScheduling(config, log)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What collecting makes stays to the end: the garbage collector never looks through it, and seldom through what tests make.

    It took a tenth of the CPU time of tests without an SDK, and a third of that of tests with one.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 10, 10)
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """Give them the marker `long`. A name that no test has is an error, where all tests are collected."""
    names = set()
    for item in items:
        own = {item.nodeid, item.nodeid.partition("[")[0], item.nodeid.partition("::")[0]}
        names |= own
        if own & LONG:
            item.add_marker(pytest.mark.long)
    is_whole = [Path(argument).resolve() for argument in config.args] in ([config.rootpath], [Path(__file__).parent])
    if is_whole and (gone := sorted(LONG - names)):
        raise pytest.UsageError(f"tests/long.txt names tests that do not exist: {', '.join(gone)}")
