"""One of several processes on one SQLite file: `python -m tests.stores.racer WHAT PATH`, from the root of the repository.

* `open`: open the files PATH-0, PATH-1, ... as if each were the first time.
* `race`: claim up to the limit, and end what was claimed one claim later, until a fair share is done; then print, as JSON, the
  claimed ids and the most slots that were in use after a claim.
* `stall`: stop in the middle of a claim, after its first writes, and wait to be killed.
"""

import json
import sys
from pathlib import Path

from dispatcher.models import Run, RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW
from tests.stores.steps import claim, granting

FILES = 15
LIMIT = 3
SHARE = 30
PONDERING = 100_000
"""Steps between the count of slots and the look at the queue, so that others have the time to come between if they can."""


def opening(path: str) -> None:
    for place in range(FILES):
        store = SqliteStore(f"{path}-{place}")
        assert store.pools() == []
        store.close()


def race(path: str) -> None:
    store = SqliteStore(path, busy_timeout=60)
    claimed: list[Run] = []
    seen: list[int] = []

    def decide(snapshot: Snapshot) -> Decision:
        in_use = sum(snapshot.in_use.values())
        sum(range(PONDERING))
        runs = snapshot.due("default", min(2, LIMIT - in_use, SHARE - len(claimed)))
        seen.append(in_use + len(runs))
        return granting(*runs)(snapshot)

    live: list[Run] = []
    while live or len(claimed) < SHARE:
        granted = [claimed.run for claimed in claim(store, decide=decide).claims]
        claimed += granted
        sum(
            range(4 * PONDERING)
        )  # without the lock: SQLite's lock is not fair, and one that spins for a slot starves its holder
        assert store.move([Move.of(run, RunState.COMPLETED) for run in live]) == {run.id for run in live}
        live = granted
    store.close()
    sys.stdout.write(json.dumps({"claimed": [run.id.hex for run in claimed], "most": max(seen)}))


def stall(path: str) -> None:
    def decide(snapshot: Snapshot) -> Decision:
        snapshot.due("default", 1)
        sys.stdout.write("claiming\n")
        sys.stdout.flush()
        sys.stdin.read()
        return Decision()

    claim(SqliteStore(Path(path)), NOW, takeovers=10, decide=decide)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    {"open": opening, "race": race, "stall": stall}[sys.argv[1]](sys.argv[2])
