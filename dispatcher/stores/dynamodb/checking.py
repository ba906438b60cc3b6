"""What `store check` checks: whether the counted slots match the slots that runs hold, and whether ticks can find every run and
every deployment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from dispatcher.models import Run
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, entries_of, is_run, key_in, run_in, used_in
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table

_ENTRIES = ("DUE/", "EXPIRES/", "CLAIMED/", "LIVE/", "LINGERS/", "NEWS/", "OWED/")


def contradictions(table: Table) -> Sequence[str]:
    """Every contradiction in the table, one line each."""
    items = {key_in(item): item for item in table.scan()}
    runs = [run_in(item).run for key, item in items.items() if is_run(key)]
    return [*_counts(items, runs), *_entries(items, runs), *_windows(items)]


def _counts(items: dict[Key, Item], runs: Sequence[Run]) -> Iterator[str]:
    held = Counter((run.pool, run.queue) for run in runs if run.state.holds_slot)
    for pool in sorted(key[1] for key in items if key[0] == keys.NAMES):
        counted = used_in(items.get(keys.slots(pool), {}))
        for queue in sorted({*counted, *(name for of, name in held if of == pool)}):
            if counted.get(queue, 0) != held[pool, queue]:
                noun = f"work queue {queue!r} of {pool!r}"
                yield f"{noun}: {counted.get(queue, 0)} slots are counted, {held[pool, queue]} runs hold one"


def _entries(items: dict[Key, Item], runs: Sequence[Run]) -> Iterator[str]:
    expected = {key: run for run in runs for key in entries_of(run)}
    present = {key for key in items if key[0].startswith(_ENTRIES)}
    for key in sorted(expected.keys() - present):
        yield f"run {expected[key].id} ({expected[key].state}) has no entry in {key[0]}"
    for key in sorted(present - expected.keys()):
        yield f"{key[0]} has an entry {key[1]} without such a run"


def _windows(items: dict[Key, Item]) -> Iterator[str]:
    """Contradictions between the items of the pools' windows and the deployments."""
    expected: dict[tuple[str, str], Any] = {}
    present: dict[tuple[str, str], Any] = {}
    for (partition, name), item in items.items():
        if partition == keys.DEPLOYMENTS:
            expected |= windows.entries_of(item)
        elif name == keys.WINDOWS:
            present |= {(partition.partition("/")[2], entry): item[entry] for entry in windows.names_in(item)}
    for pool, entry in sorted(expected.keys() | present.keys()):
        ours, theirs = present.get((pool, entry)), expected.get((pool, entry))
        if ours != theirs:
            yield f"the windows of work pool {pool!r} have {entry} as {ours}, its deployment as {theirs}"
