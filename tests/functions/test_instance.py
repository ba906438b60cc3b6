"""What a process keeps between invocations, and how much time it says is left."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from dispatcher.errors import SettingsError
from dispatcher.functions.instance import Instance
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_pool

SECOND = timedelta(seconds=1)


class Clock:
    """It stands still, and can hold whoever asks until as many ask at once."""

    def __init__(self, at_once=1):
        self.barrier = threading.Barrier(at_once)
        self.met = threading.local()

    def now(self):
        if not getattr(self.met, "others", False):
            self.met.others = True
            self.barrier.wait(timeout=60)
        return NOW


@pytest.fixture
def url(tmp_path):
    store = SqliteStore(tmp_path / "runs.db")
    store.save_pool(a_pool(), expected_version=None)
    store.close()
    return f"sqlite:///{tmp_path}/runs.db"


def test_invocations_that_overlap_have_stores_of_their_own_and_later_ones_use_them_again(url):
    instance = Instance({"DISPATCHER_STORE": url}, clock=Clock(at_once=2))
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: instance.invoke({}, since=NOW), range(2)))
    assert [report["idle"] for report in reports] == [1, 1]
    kept = list(instance._idle)
    assert len({id(wiring.store) for wiring in kept}) == 2
    instance.clock.met.others = True
    instance.invoke({}, since=NOW)
    assert {id(wiring) for wiring in instance._idle} == {id(wiring) for wiring in kept}


def test_invocations_one_after_the_other_share_one_store(url):
    instance = Instance({"DISPATCHER_STORE": url}, clock=Clock())
    for _ in range(3):
        instance.invoke({}, since=NOW)
    assert len(instance._idle) == 1


@pytest.mark.parametrize(("passed", "left"), [(0, 48), (30, 18)])
def test_the_time_limit_counts_from_when_the_platform_began(url, passed, left):
    settings = {"DISPATCHER_STORE": url, "DISPATCHER_TIMEOUT_SECONDS": "60"}
    instance = Instance({**settings, "DISPATCHER_MARGIN_SECONDS": "12"}, clock=Clock())
    assert instance.invoke({}, since=NOW - passed * SECOND)["skipped"] == []
    over = Instance({**settings, "DISPATCHER_MARGIN_SECONDS": str(12 + left)}, clock=Clock())
    with pytest.raises(SettingsError, match=rf"the platform gives {left + 12} s\): raise the function's time limit"):
        over.invoke({}, since=NOW - passed * SECOND)


def test_without_a_time_limit_a_tick_has_the_time_that_its_settings_give_it(url):
    instance = Instance({"DISPATCHER_STORE": url, "DISPATCHER_MARGIN_SECONDS": "86400"}, clock=Clock())
    assert instance.invoke({}, since=NOW - timedelta(days=1))["idle"]


def test_wrong_settings_are_read_anew_with_the_next_invocation(url):
    environment = {"DISPATCHER_STORE": url, "DISPATCHER_TICK_SECONDS": "soon"}
    instance = Instance(environment, clock=Clock())
    with pytest.raises(SettingsError, match="DISPATCHER_TICK_SECONDS"):
        instance.invoke({}, since=NOW)
    del environment["DISPATCHER_TICK_SECONDS"]
    assert instance.invoke({}, since=NOW)["idle"]


def test_a_variable_that_looks_like_a_setting_is_logged_with_the_nearest_setting(caplog):
    caplog.set_level("INFO", logger="dispatcher")
    environment = {"DISPATCHER_STORE": "memory://", "DISPATCHER_FANOUT": "lambda", "DISPATCHER_SCHEDULE": "x", "HOME": "/"}
    assert Instance(environment).settings.fan_out is None
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    warning = "DISPATCHER_FANOUT is not a setting; did you mean DISPATCHER_FAN_OUT?"
    assert lines == [{"event": "setting.unknown", "warning": warning}]
