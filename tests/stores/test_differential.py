"""The same random operations, with the same `now`, on the oracle and on a store: equal answers, and equal state after each."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.models.records import LogFilter, RunFilter
from dispatcher.protocols import Store
from tests.builders import MINUTE
from tests.stores.factories import FACTORIES
from tests.stores.operations import IN_LANES, READS, WEIGHTS
from tests.stores.operations_of_people import waiting_in_lanes
from tests.stores.operations_of_ticks import claim
from tests.stores.world import POOLS, Call, World

SEEDS = range(12)
FEW_AMONG = range(30)
"""The seeds from which some are taken for a store whose emulator takes its time: enough for everything to happen."""
STEPS = 200
LOOK_EVERYWHERE = 8
"""After so many steps, what `live` and `lingering` answer is compared too; in between they are drawn as operations."""

Tally = Counter[tuple[str, str]]


@pytest.mark.parametrize("name", [name for name in FACTORIES if name not in ("memory", "dynamodb")])
def test_a_store_answers_as_the_oracle_does_and_holds_the_same(tmp_path: Path, name: str):
    tally: Tally = Counter()
    for seed in SEEDS:
        tally += _walk(seed, (name,), tmp_path / str(seed), lanes=True)
    _check(tally, _everything(IN_LANES))


@pytest.mark.long
def test_dynamodb_answers_as_the_oracle_does_and_holds_the_same(tmp_path: Path):
    _walk_few(tmp_path, _everything(WEIGHTS), lanes=False)


@pytest.mark.long
def test_dynamodb_answers_as_the_oracle_does_where_runs_wait_in_lanes(tmp_path: Path):
    expected = {("claim", "granted"), *((verb, "succeeded") for verb in ("requeue", "materialise", "ahead"))}
    _walk_few(tmp_path, expected, lanes=True)


def _everything(verbs: Iterable[Callable[[World], Call]]) -> set[tuple[str, str]]:
    """Each verb does what it is there for, and is refused; a claim comes to each of its ends."""
    ends = {(verb.__name__, end) for verb in verbs for end in ("succeeded", "refused")}
    return ends | {("claim", mark) for mark in ("granted", "taken over", "crashed", "raised")}


def _check(tally: Tally, expected: set[tuple[str, str]]) -> None:
    missing = expected - tally.keys()
    assert not missing, f"the walk proves nothing: {missing} never happened"


def _walk_few(directory: Path, expected: set[tuple[str, str]], *, lanes: bool) -> None:
    """Walk with DynamoDB the few seeds by which everything expected happens. A seed does the same on every store, so the oracle
    alone, which is quick, shows which those are.
    """
    alone = {seed: _walk(seed, (), directory, lanes=lanes) for seed in FEW_AMONG}
    left, tally = set(expected), Counter()
    while left:
        seed = max(alone, key=lambda seed: len(left & alone[seed].keys()))
        if not left & alone[seed].keys():
            break
        left -= alone[seed].keys()
        tally += _walk(seed, ("dynamodb",), directory / str(seed), lanes=lanes)
    _check(tally, expected)


def _walk(seed: int, names: Sequence[str], directory: Path, *, lanes: bool) -> Tally:
    """What happened in the walk of a seed on the oracle and on these stores, each new and empty."""
    tally: Tally = Counter()
    directory.mkdir(exist_ok=True)
    stores = {name: FACTORIES[name](directory) for name in ("memory", *names)}
    world = World(seed, stores["memory"], lanes=lanes)
    try:
        for step in range(STEPS):
            _take(world, stores, tally, seed, step)
    finally:
        for store in stores.values():
            store.close()
    return tally


def _take(world: World, stores: Mapping[str, Store], tally: Tally, seed: int, step: int) -> None:
    """One operation on each store. Afterwards time may pass, and a store may be closed and opened."""
    weights = IN_LANES if world.lanes else WEIGHTS
    verb = world.random.choices(list(weights), weights=list(weights.values()))[0]
    call = verb(world)
    where = f"seed {seed}, step {step}"
    before = _state(world.oracle)
    outcomes = {name: _outcome(call, store) for name, store in stores.items()}
    everything = step % LOOK_EVERYWHERE == 0
    after = {name: _state(store, everything=everything) for name, store in stores.items()}
    for name in stores:
        assert outcomes[name] == outcomes["memory"], f"{where}: {verb.__name__} on {name}"
        assert after[name] == after["memory"], f"{where}: state of {name} after {verb.__name__}"
    _count(
        tally,
        verb.__name__,
        outcomes["memory"],
        changed=after["memory"][:-1] != before[:-1],
        reads=verb in (*READS, waiting_in_lanes),
    )
    world.now += world.random.choice([0, 0, 1, 3]) * MINUTE
    if world.random.random() < 0.02:
        for store in stores.values():
            store.close()


def _outcome(call: Call, store: Store) -> tuple[str, Any]:
    try:
        return "answered", call(store)
    except Exception as error:  # noqa: BLE001 - whatever it is, each store has to raise the same
        return "raised", (type(error), str(error))


def _state(store: Store, *, everything: bool = False) -> tuple[Any, ...]:
    """All that is stored, and with `everything` also as the tick sees it."""
    pools = POOLS if everything else ()
    by_pool = [(store.live(pool, limit=1000), store.lingering(pool, limit=1000)) for pool in pools]
    return (
        store.pools(),
        store.deployments(),
        store.runs(RunFilter(), limit=10_000),
        store.automations(),
        store.firings(None, limit=1000),
        store.log(LogFilter(), limit=1000),
        by_pool,
    )


def _count(tally: Tally, verb: str, outcome: tuple[str, Any], *, changed: bool, reads: bool) -> None:
    """A read succeeds when it finds something, a write when it changes something."""
    kind, answer = outcome
    succeeded = kind == "answered" and (bool(answer) if reads else changed)
    tally[verb, "succeeded" if succeeded else "refused"] += 1
    if verb == claim.__name__:
        _count_claim(tally, kind, answer)


def _count_claim(tally: Tally, kind: str, answer: Any) -> None:
    if kind == "raised":
        tally["claim", "raised"] += answer[0] is KeyError
        return
    for claimed in answer[0]:
        mark = "crashed" if not hasattr(claimed, "repeat") else "taken over" if claimed.repeat else "granted"
        tally["claim", mark] += 1
