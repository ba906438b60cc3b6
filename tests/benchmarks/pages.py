"""What every page of `dispatcher ui` costs after a long history with many waiting runs, and one read of the live stream; and
whether, by the planners' word, any statement looks through a table that grows.
"""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.testclient import TestClient

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.models import Run, RunState, Schedule
from dispatcher.models.records import RunFilter
from dispatcher.stores.postgres import _NOT_PLANNED, PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.web.access import loopback
from dispatcher.web.app import create_app
from dispatcher.web.clients import ClientLender
from dispatcher.web.pages.live import LivePages
from dispatcher.web.pages.visit import Pages
from dispatcher.wiring import Providers, wire
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.benchmarks.worlds import JOB_VARIABLES, POOL, QUEUES, add_copies, add_copies_to_postgres, add_ecs_pool, waiting_run
from tests.builders import a_live_run
from tests.stores.postgres_server import PostgresServer

PORT = 4210
LIMIT = 40
LIVE = 34
DEPLOYMENTS = 20
LONG_AGO = timedelta(days=20)
HELD = timedelta(minutes=5)
WAITING_SHARE = 10
"""Of so many ended runs, one waits."""
GROWING = re.compile(r"\b(runs|run_tags|log|firings)\b")
"""The tables whose size follows use."""
MOST = Target("<=", 150)
REPLAYED = "pool, what-if of a day"
"""Not a page that people open, but what they ask for: up to 20,000 runs, replayed twice; one at a time."""


def measure(options: Options) -> Result:
    """A world on SQLite, and one on a PostgreSQL server of this machine."""
    size = options.size or (20_000 if options.quick else 1_000_000)
    server = PostgresServer(autovacuum=True)
    try:
        with workspace() as directory:
            worlds = [
                _Sqlite(_on_sqlite(directory / "pages.db", size), size),
                _Postgres(_on_postgres(server, size), size),
            ]
            measured = [_figures(world, options.runs) for world in worlds]
    finally:
        server.stop()
    return Result(
        "pages",
        f"CPU of every page after {size:,} ended runs, with {size // WAITING_SHARE:,} waiting",
        [figure for figures, _ in measured for figure in figures],
        [note for _, notes in measured for note in notes]
        + ["whole requests in this process; PostgreSQL: CPU of this process and of its backend together"],
    )


def _figures(world: _World, rounds: int) -> tuple[list[Figure], list[str]]:
    """The CPU and the statements of each page, and what a planner looks through, by page."""
    verbs = world.verbs()
    statements = {name: world.statements_of(verb) for name, verb in verbs.items()}
    scans = {name: [scan for statement in made for scan in world.scans(statement)] for name, made in statements.items()}
    took = in_turns(rounds, {name: world.cpu_of(verb) for name, verb in verbs.items()})
    world.close()
    figures = [
        Figure(
            f"{world.name}: {name} ({len(statements[name])} statements)",
            "ms",
            samples,
            Target("<=", 5000) if name == REPLAYED else MOST,
        )
        for name, samples in took.items()
    ]
    found = {name: sorted(set(lines)) for name, lines in scans.items() if lines}
    total = Figure(f"{world.name}: pages with a full scan", "", (float(len(found)),), Target("<=", 0))
    return [*figures, total], [f"{world.name}, {name}: {'; '.join(lines)}" for name, lines in found.items()]


class _World(ABC):
    """A store, the application over it, and somebody who is signed in."""

    name: str

    def __init__(self, store: SqliteStore | PostgresStore, size: int) -> None:
        self.store, self.size, self.seen = store, size, list[str]()
        settings = Settings.from_environment({"DISPATCHER_STORE": "memory://"})
        clients = ClientLender(lambda: Dispatcher(store, heartbeat=settings.heartbeat), Providers(settings))
        access, sessions = loopback(PORT, name="ada")
        app = create_app(settings, access=access, wiring=wire(settings), clients=clients)
        self.browser = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
        self.browser.get("/sign-in", params={"token": sessions.token})
        self.live = LivePages(Pages(clients=clients))
        self._listen()

    @abstractmethod
    def _listen(self) -> None:
        """Note every statement in `seen` from now on."""

    @abstractmethod
    def scans(self, statement: str) -> Sequence[str]:
        """Which growing tables a statement would look through as a whole."""

    def cpu(self) -> float:
        """Seconds so far."""
        return time.process_time()

    def close(self) -> None:
        """End the application and the store."""
        self.browser.close()
        self.store.close()

    def statements_of(self, verb: Callable[[], object]) -> Sequence[str]:
        """What a page asks the database."""
        verb()
        self.seen.clear()
        verb()
        return list(self.seen)

    def cpu_of(self, verb: Callable[[], object]) -> Callable[[], float]:
        """Milliseconds."""

        def once() -> float:
            begin = self.cpu()
            verb()
            return 1000 * (self.cpu() - begin)

        return once

    def verbs(self) -> Mapping[str, Callable[[], object]]:
        """By page."""
        [waiting] = self.store.runs(RunFilter(states=frozenset({RunState.SCHEDULED})), limit=1)
        pages = {name: self._page(address) for name, address in self._addresses(waiting).items()}
        topics = {
            "overview": ("", ""),
            "pool": ("pool", POOL),
            "run": ("run", str(waiting.id)),
            "runs": ("runs", ""),
            "runs of a queue that wait": ("runs", f"pool={POOL}&queue=critical&state=SCHEDULED"),
            "deployments": ("deployments", ""),
            "deployment": ("deployment", "deployment-1"),
        }
        return {**pages, **{f"one read of the live stream, {name}": self._read(topic) for name, topic in topics.items()}}

    def _read(self, topic: tuple[str, str]) -> Callable[[], Any]:
        return lambda: self.live._rendered(topic, may_change=True)

    def _addresses(self, waiting: Run) -> Mapping[str, str]:
        [failed] = self.store.runs(RunFilter(states=frozenset({RunState.FAILED})), limit=1)
        pool = f"/pools/{POOL}"
        return {
            "overview": "/",
            "pool": pool,
            **{f"pool, {part}": f"{pool}/{part}" for part in ("upcoming", "template", "plan?limit=7", "slots", "what-if")},
            "pool, slots of a week": f"{pool}/slots?hours=168",
            REPLAYED: f"{pool}/what-if?limit=7&limit:critical=3",
            "runs": "/runs",
            "runs that failed": f"/runs?pool={POOL}&state=FAILED",
            "runs of a queue that wait": f"/runs?pool={POOL}&queue=critical&state=SCHEDULED",
            "runs with a tag": "/runs?tag=often",
            "runs by name": "/runs?name=run-77",
            "runs by a name that many have": "/runs?name=run-7",
            "runs with a tag, by name": "/runs?tag=often&name=run-1",
            "runs with a tag, of another pool": "/runs?tag=often&pool=none",
            "runs of a queue that no pool has": "/runs?queue=none",
            "runs of a deployment": "/runs?deployment=deployment-1",
            "a run that waits": f"/runs/{waiting.id}",
            "a run that failed": f"/runs/{failed.id}",
            "new run": f"/runs/new?pool={POOL}",
            "cancel all that wait: the count": f"/runs/bulk?action=cancel&pool={POOL}&state=SCHEDULED",
            "deployments": "/deployments",
            "deployment": "/deployments/deployment-1",
            "deployment, edit": "/deployments/deployment-1/edit",
            "deployment, schedule": "/deployments/deployment-1/schedule?slug=daily",
            "automations": "/automations",
            "log": "/log",
            "log of a pool": f"/log?pool={POOL}",
            "find": "/find?q=run-77",
            "new pool": "/new-pool?type=ecs:push",
            "help": "/help",
        }

    def _page(self, address: str) -> Callable[[], object]:
        def read() -> object:
            answer = self.browser.get(address, headers={"Accept": "text/html"})
            assert answer.status_code == 200, (address, answer.status_code, answer.text[:500])
            return answer

        return read


class _Sqlite(_World):
    name = "SQLite"
    store: SqliteStore

    def _listen(self) -> None:
        self.store.pools()
        assert self.store._connection
        self.store._connection.set_trace_callback(self._note)

    def _note(self, statement: str) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH", "--")):
            self.seen.append(statement)

    def scans(self, statement: str) -> Sequence[str]:
        """A step `SCAN` of a table reads all of it, or all of an index."""
        assert self.store._connection
        rows = self.store._connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        return [row[3] for row in rows if row[3].startswith("SCAN") and GROWING.search(row[3])]


class _Postgres(_World):
    name = "PostgreSQL"
    store: PostgresStore

    def _listen(self) -> None:
        self.store.pools()
        connection = self.store._connection
        assert connection
        self._statistics = Path(f"/proc/{connection.info.backend_pid}/schedstat")
        execute = connection.execute

        def noting(statement: Any, *arguments: Any, **options: Any) -> Any:
            text = statement.decode() if isinstance(statement, bytes) else str(statement)
            self.seen += [part for part in text.split(";\n") if part.lstrip().upper().startswith(("SELECT", "WITH", "--"))]
            return execute(statement, *arguments, **options)

        connection.execute = noting  # type: ignore[method-assign]

    def cpu(self) -> float:
        """Of this process and of the backend."""
        return super().cpu() + int(self._statistics.read_text().split()[0]) / 1e9

    def scans(self, statement: str) -> Sequence[str]:
        """A sequential scan of a table."""
        connection = self.store._connection
        assert connection
        with connection.transaction():  # planned as in a transaction of the store's
            connection.execute("".join(f"SET LOCAL {name} = off;" for name in _NOT_PLANNED).encode())
            [(answer,)] = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode()).fetchall()
        plans = answer if isinstance(answer, list) else json.loads(answer)
        return [f"Seq Scan on {name}" for name in _looked_through(plans[0]["Plan"]) if GROWING.fullmatch(name)]


def _looked_through(step: Mapping[str, Any]) -> list[str]:
    own = [step["Relation Name"]] if step["Node Type"] == "Seq Scan" else []
    return own + [name for part in step.get("Plans", ()) for name in _looked_through(part)]


def _contents(store: SqliteStore | PostgresStore) -> tuple[Run, Run]:
    """Everything but the copies of the two runs that are returned: one has ended, the other waits."""
    now = datetime.now(UTC)
    add_ecs_pool(store, limit=LIMIT)
    client = Dispatcher(store)
    schedule = Schedule(slug="daily", cron="0 2 * * *")
    for number in range(DEPLOYMENTS):
        values = {"job_variables": JOB_VARIABLES, "schedules": [schedule]}
        client.create_deployment(f"deployment-{number}", pool=POOL, queue=QUEUES[number % 3], **values)
    live = [a_live_run(pool=POOL, queue=QUEUES[n % 3], id=uuid4(), claimed_at=now, created_at=now) for n in range(LIVE)]
    waiting = replace(waiting_run(), deployment="deployment-0")
    begun = now - LONG_AGO
    ended = replace(
        waiting_run(),
        name="run",
        deployment="deployment-0",
        tags=("often",),
        state=RunState.COMPLETED,
        fence=1,
        **dict.fromkeys(("created_at", "scheduled_at", "due_at", "claimed_at", "submitted_at", "started_at"), begun),
        ended_at=begun + HELD,
    )
    store.restore(runs=[*live, ended, waiting])
    return ended, waiting


TIMES = ("created_at", "scheduled_at", "due_at", "claimed_at", "submitted_at", "started_at", "ended_at")


def _differs(number: str, size: int) -> dict[str, str]:
    """Of ended copies: their times are spread over `LONG_AGO`."""
    step = LONG_AGO // size // timedelta(microseconds=1)
    return {
        "name": f"'run-' || {number}",
        "queue": _one_of(number, QUEUES),
        "deployment": f"'deployment-' || ({number} % {DEPLOYMENTS})",
        "tags": f"CASE {number} % 2 WHEN 0 THEN tags ELSE '[]' END",
        "state": f"CASE {number} % 1000 WHEN 0 THEN 'FAILED' ELSE state END",
        **{name: f"{name} + {step} * {number}" for name in TIMES},
    }


def _waits(number: str) -> dict[str, str]:
    """Of waiting copies: each has times of its own."""
    return {
        "name": f"'waiting-' || {number}",
        "queue": _one_of(number, QUEUES),
        "deployment": f"'deployment-' || ({number} % {DEPLOYMENTS})",
        "due_at": f"due_at + 1000 * {number}",
        "created_at": f"created_at - 1000 * {number}",
    }


def _one_of(number: str, names: Sequence[str]) -> str:
    cases = " ".join(f"WHEN {index} THEN '{name}'" for index, name in enumerate(names))
    return f"CASE {number} % {len(names)} {cases} END"


def _on_sqlite(path: Path, size: int) -> SqliteStore:
    store = SqliteStore(path)
    ended, waiting = _contents(store)
    store.close()
    add_copies(path, ended, size, _differs("i", size))
    add_copies(path, waiting, size // WAITING_SHARE, _waits("i"))
    return SqliteStore(path)


def _on_postgres(server: PostgresServer, size: int) -> PostgresStore:
    database = server.fresh_database()
    store = PostgresStore(server.url(database), statement_timeout=600)
    ended, waiting = _contents(store)
    add_copies_to_postgres(server, database, ended, size, _differs("n", size))
    copies = {"id": "md5('waiting' || n::text)", **_waits("n")}
    add_copies_to_postgres(server, database, waiting, size // WAITING_SHARE, copies)
    return store
