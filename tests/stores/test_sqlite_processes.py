"""The default store shared by real processes, forks and threads."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatcher.errors import StoreUnavailable
from dispatcher.models import RunState
from dispatcher.models.records import Decision, RunFilter, Snapshot
from dispatcher.stores import sqlite
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_pool, a_run
from tests.stores.racer import FILES, LIMIT, SHARE
from tests.stores.steps import LEASE, a_claimed_run, a_stored_run, claim, everything, hold

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    made.save_pool(a_pool(limit=LIMIT), expected_version=None)
    yield made
    made.close()


def racer(what: str, path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.stores.racer", what, str(path)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def start(*racers: "subprocess.Popen[str]") -> None:
    """Let them go once all of them are there."""
    assert [racer.stdout.readline() for racer in racers if racer.stdout] == ["ready\n"] * len(racers)
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()


def answers(*racers: "subprocess.Popen[str]") -> list[str]:
    """What each printed; all of them have to end well."""
    start(*racers)
    outputs = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * len(racers), [errors for _, errors in outputs]
    return [output for output, _ in outputs]


def test_processes_that_race_never_exceed_the_limit_and_claim_each_run_once(path: Path, store: SqliteStore):
    runs = [a_run() for _ in range(3 * SHARE)]
    store.add_runs(runs)
    reports = [json.loads(output) for output in answers(*(racer("race", path) for _ in range(3)))]
    claimed = Counter(run for report in reports for run in report["claimed"])
    assert claimed == Counter(run.id.hex for run in runs)
    assert max(report["most"] for report in reports) == LIMIT
    assert {(run.state, run.fence) for run in store.runs(RunFilter(), limit=100)} == {(RunState.COMPLETED, 1)}


def test_a_claim_of_one_process_locks_out_claims_and_changes_of_the_pool_by_others(path: Path, store: SqliteStore):
    before = store.pool("pool")
    decider, impatient = racer("stall", path), SqliteStore(path, busy_timeout=0.01)
    start(decider)
    assert decider.stdout
    assert decider.stdout.readline() == "claiming\n"
    for write in (
        lambda: claim(impatient),
        lambda: impatient.save_pool(a_pool(limit=99), expected_version=1),
        lambda: hold(impatient),
    ):
        with pytest.raises(StoreUnavailable, match="another process was writing"):
            write()
    assert impatient.pool("pool") == before, "a reader sees what is committed, and does not wait"
    assert impatient.look("pool", NOW, lambda snapshot: snapshot.pool) == before, "a look is a reader"
    impatient.close()
    decider.communicate(timeout=60)
    assert decider.returncode == 0


def test_processes_may_open_a_new_file_at_the_same_moment(path: Path):
    answers(*(racer("open", path) for _ in range(4)))
    for place in range(FILES):
        connection = sqlite3.connect(f"{path}-{place}")
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


def test_a_process_killed_within_a_claim_leaves_nothing_behind(path: Path, store: SqliteStore):
    abandoned, waiting = a_claimed_run(store, now=NOW - LEASE), a_stored_run(store)
    before = store.pool("pool")
    victim = racer("stall", path)
    start(victim)
    assert victim.stdout
    assert victim.stdout.readline() == "claiming\n"
    victim.kill()
    victim.communicate(timeout=60)
    assert store.pool("pool") == before
    assert [store.get(run.id) for run in (abandoned, waiting)] == [abandoned, waiting]
    assert [claimed.repeat for claimed in claim(store, takeovers=10, decide=everything).claims] == [True, False]
    assert store._connection
    assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_forked_process_opens_the_file_for_itself(store: SqliteStore):
    run = a_run()

    def fork(_snapshot: Snapshot) -> Decision:
        """Fork where it could do most harm: within a transaction, with the lock held."""
        child = os.fork()
        if child == 0:
            os._exit(_exit_code(store))
        assert os.waitpid(child, 0)[1] == 0
        return Decision()

    claim(store, NOW, decide=fork)
    pool = store.pool("pool")
    assert pool
    assert pool.last_tick_at == NOW
    store.close()
    assert store.add_runs([run]) == {run.id}


def _exit_code(store: SqliteStore) -> int:
    """In the child: 0 when it sees what is committed, and closes nothing but its own."""
    inherited = store._connection
    try:
        pool = store.pool("pool")
        store.close()
    except BaseException:  # noqa: BLE001 - nothing may leave the child
        return 2
    kept = any(connection is inherited for connection in sqlite._inherited)
    return 0 if kept and pool is not None and pool.last_tick_at is None else 1


def test_a_store_may_be_handed_from_thread_to_thread(store: SqliteStore):
    runs = [a_run() for _ in range(40)]
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda run: store.add_runs([run]), runs))
        claims = list(threads.map(lambda _: claim(store), range(8)))
    assert added == [{run.id} for run in runs]
    assert Counter(claimed.run.id for answer in claims for claimed in answer.claims) == Counter(run.id for run in runs)


def test_opening_the_store_loads_no_library_of_the_validation():
    code = (
        "import sys; from dispatcher.stores.sqlite import SqliteStore; SqliteStore(':memory:').pools();"
        "print(sorted({'pydantic', 'jsonschema', 'psycopg', 'boto3', 'rich', 'click'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True).stdout == "[]\n"
