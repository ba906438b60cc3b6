"""The log of changes: an entry is written with its change, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.core.transitions import end
from dispatcher.errors import DispatcherError
from dispatcher.models import LogEntry, RunState
from dispatcher.models.records import FORGOTTEN_AT_ONCE, LogFilter, Reconfiguration
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_pool, a_run, an_automation, an_id

FIELD = {"action": "change", "path": "concurrency_limit", "before": 2, "after": None}


def an_entry(name: str = "pool", **fields: Any) -> LogEntry:
    defaults = {"id": an_id(), "changed_at": NOW, "actor": "ada", "via": "cli", "verb": "change", "noun": "work pool"}
    return LogEntry(name=name, **{**defaults, **fields})


def logged(store: Store, limit: int = 1000, **where: Any) -> list[LogEntry]:
    return list(store.log(LogFilter(**where), limit=limit))


def names(store: Store, **where: Any) -> list[str]:
    return [entry.name for entry in logged(store, **where)]


Change = Callable[[Store, LogEntry], Any]


def save_pool(store: Store, entry: LogEntry) -> Any:
    return store.save_pool(a_pool("new"), expected_version=None, entry=entry)


def delete_pool(store: Store, entry: LogEntry) -> Any:
    return store.delete_pool("pool", expected_version=1, entry=entry)


def save_deployment(store: Store, entry: LogEntry) -> Any:
    return store.save_deployment(a_deployment("new"), expected_version=None, now=NOW, entry=entry)


def delete_deployment(store: Store, entry: LogEntry) -> Any:
    return store.delete_deployment("deployment", entry=entry)


def save_automation(store: Store, entry: LogEntry) -> Any:
    return store.save_automation(an_automation("new"), expected_version=None, entry=entry)


def delete_automation(store: Store, entry: LogEntry) -> Any:
    return store.delete_automation("automation", entry=entry)


def reconfigure(store: Store, entry: LogEntry) -> Any:
    read = {"pools_read": {pool.name: pool.version for pool in store.pools()}, "deployments_read": {"deployment": 1}}
    changed = replace(entry, noun="work pool", name="new")
    return store.reconfigure(Reconfiguration(**read, now=NOW, pools=(a_pool("new"),), entries=(changed,)))


CHANGES = (save_pool, delete_pool, save_deployment, delete_deployment, save_automation, delete_automation, reconfigure)


def with_a_deployment(store: Store) -> None:
    store.save_pool(a_pool(), expected_version=None)
    store.save_deployment(a_deployment(), expected_version=None, now=NOW)
    store.save_automation(an_automation(), expected_version=None)


class Log:
    def test_an_entry_comes_back_as_it_was_written(self, store: Store):
        entry = an_entry(fields=(FIELD, {**FIELD, "path": "env.Ä"}), note="too many", kept_until=NOW + HOUR, via="api")
        store.save_pool(a_pool(), expected_version=None, entry=entry)
        assert logged(store) == [entry]

    @pytest.mark.parametrize("change", CHANGES)
    def test_every_change_writes_its_entry(self, store: Store, change: Change):
        with_a_deployment(store)
        change(store, an_entry())
        assert [entry.actor for entry in logged(store)] == ["ada"]

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_that_is_refused_leaves_no_entry(self, store: Store, change: Change):
        store.save_pool(a_pool("new"), expected_version=None)
        store.save_automation(an_automation("new"), expected_version=None)
        with pytest.raises(DispatcherError):  # it exists, or its pool does not
            change(store, an_entry())
        assert logged(store) == []

    def test_the_runs_that_move_are_counted_and_no_others(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        runs = [a_run() for _ in range(3)]
        store.add_runs(runs)
        entry = an_entry("all", noun="runs", verb="cancel")
        moves = [end(run, RunState.CANCELLED, "", NOW, notifies=False) for run in runs]
        store.move(moves[:1])
        assert len(store.move(moves[:2], entry=entry)) == 1
        assert store.move(moves[:2], entry=an_entry("nothing")) == frozenset()
        store.move(moves[2:], entry=entry)
        assert logged(store) == [replace(entry, runs=2)]

    def test_many_runs_are_counted_in_one_entry(self, store: Store):
        store.save_pool(a_pool(), expected_version=None)
        runs = [a_run() for _ in range(120)]
        entry = an_entry("all", noun="runs", verb="retry")
        assert len(store.add_runs(runs, entry=entry)) == 120
        assert store.add_runs(runs, entry=an_entry("nothing")) == frozenset()
        assert logged(store) == [replace(entry, runs=120)]

    def test_the_log_is_listed_latest_first_in_pages(self, store: Store):
        times = [NOW, NOW + MINUTE, NOW + MINUTE, NOW - timedelta(days=40), NOW + HOUR]
        entries = [an_entry(f"pool-{number}", changed_at=time) for number, time in enumerate(times)]
        for entry in entries:
            store.save_pool(a_pool(entry.name), expected_version=None, entry=entry)
        assert names(store) == ["pool-4", "pool-1", "pool-2", "pool-0", "pool-3"]
        pages, after = [], None
        while page := logged(store, limit=2, after=after):
            pages.append([entry.name for entry in page])
            after = page[-1].changed_at, page[-1].id
        assert pages == [["pool-4", "pool-1"], ["pool-2", "pool-0"], ["pool-3"]]

    def test_each_filter_and_all_together(self, store: Store):
        for number in range(4):
            entry = an_entry(f"pool-{number}", actor=f"user-{number % 2}", changed_at=NOW + number * MINUTE)
            store.save_pool(a_pool(entry.name), expected_version=None, entry=entry)
        store.delete_pool("pool-3", expected_version=1, entry=an_entry("pool-3", actor="user-0", changed_at=NOW + HOUR))
        assert names(store, actor="user-1") == ["pool-3", "pool-1"]
        assert [entry.actor for entry in logged(store, name="pool-3")] == ["user-0", "user-1"]
        assert names(store, noun="deployment") == []
        assert names(store, since=NOW + MINUTE, until=NOW + 3 * MINUTE) == ["pool-2", "pool-1"]
        assert names(store, actor="user-0", noun="work pool", name="pool-3", since=NOW, until=NOW + 2 * HOUR) == ["pool-3"]

    def test_old_log_entries_are_forgotten_when_a_new_one_is_added(self, store: Store):
        old = [an_entry(f"old-{number}", kept_until=NOW + HOUR) for number in range(FORGOTTEN_AT_ONCE + 1)]
        store.restore(entries=old)
        store.save_pool(a_pool("new"), expected_version=None, entry=an_entry("new", changed_at=NOW + HOUR))
        assert len(logged(store)) == FORGOTTEN_AT_ONCE + 2
        store.save_pool(a_pool("newer"), expected_version=None, entry=an_entry("newer", changed_at=NOW + 2 * HOUR))
        left = {entry.name for entry in logged(store)}
        assert left in ({"new", "newer", old[-1].name}, {entry.name for entry in old} | {"new", "newer"})  # by time to live

    def test_entries_are_restored_unchanged_and_never_overwritten(self, store: Store):
        entries = [an_entry(f"pool-{number}", changed_at=NOW + number * MINUTE, runs=number) for number in range(3)]
        store.restore(entries=entries)
        store.restore(entries=[replace(entries[0], actor="somebody else")])
        assert logged(store) == entries[::-1]

    def test_the_entries_of_one_change_of_many_are_listed_in_its_order(self, store: Store):
        nouns = [("work pool", f"pool-{number:02}") for number in range(30)]
        nouns += [("deployment", f"deployment-{number:02}") for number in range(90)]
        entries = tuple(an_entry(name, noun=noun) for noun, name in nouns)
        pools = tuple(a_pool(name) for noun, name in nouns if noun == "work pool")
        deployments = tuple(a_deployment(name, "pool-00") for noun, name in nouns if noun == "deployment")
        change = Reconfiguration(
            pools_read={}, deployments_read={}, now=NOW, pools=pools, deployments=deployments, entries=entries
        )
        store.reconfigure(change)
        assert logged(store) == list(entries)
        [first, second] = logged(store, limit=2)
        assert logged(store, limit=1, after=(first.changed_at, first.id)) == [second]
