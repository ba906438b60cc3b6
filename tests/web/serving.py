"""A server on a real port, in a thread, and a store with something to look at."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import uvicorn

from dispatcher.models import RunEnded, RunState, Schedule, Target, Then, When
from dispatcher.models.records import Automated
from dispatcher.web.access import loopback
from dispatcher.web.app import create_app
from dispatcher.wiring import Wiring
from tests.builders import a_firing, a_live_run, a_run


@contextmanager
def served(wiring: Wiring) -> Iterator[str]:
    """The first address of the page of a store."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        access, sessions = loopback(port, name="ada")
        app = create_app(wiring.settings, access=access, wiring=wiring)
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/sign-in?token={sessions.token}"
        finally:
            server.should_exit = True
            thread.join(30)


def fill(wiring: Wiring) -> None:
    """A pool with four queues: one over its limit, one paused, one with room, one empty; and two more pools, and a late run."""
    client = wiring.client
    variables = {"command": "true"}
    client.create_work_pool("nightly", type="process", concurrency_limit=20, job_variables=variables, description="Every night")
    for number, (name, limit, paused) in enumerate(
        (("critical", 8, False), ("etl", 6, False), ("reports", None, True)), start=1
    ):
        client.create_work_queue("nightly", name, priority=number, concurrency_limit=limit, paused=paused)
    schedule = Schedule(slug="daily", cron="0 2 * * *", timezone="Europe/Berlin")
    client.create_deployment("etl-daily", pool="nightly", queue="etl", schedules=[schedule], tags=["finance"])
    client.create_work_pool("batch", type="process", concurrency_limit=4, paused=True, job_variables=variables)
    client.create_work_pool("gpu", type="process", share="fair", job_variables=variables)
    now = client.clock.now()
    runs = []
    for queue, pending, running in (("critical", 1, 4), ("etl", 2, 6)):
        for number in range(pending + running):
            state = RunState.PENDING if number < pending else RunState.RUNNING
            claimed = now - timedelta(minutes=3 + number)
            runs.append(a_live_run(pool="nightly", queue=queue, state=state, claimed_at=claimed, created_at=claimed))
    for number in range(6):
        state = RunState.COMPLETED if number % 3 else RunState.FAILED
        ended = now - timedelta(hours=number)
        due = ended - timedelta(minutes=5)
        fields = {"deployment": "etl-daily", "ended_at": ended, "created_at": due, "scheduled_at": due, "due_at": due}
        fields |= dict.fromkeys(("claimed_at", "submitted_at", "started_at"), ended - timedelta(minutes=3))
        runs.append(a_live_run(pool="nightly", queue="etl", state=state, **fields))
    long_ago = now - timedelta(hours=2)
    runs.insert(0, a_run(pool="batch", due_at=long_ago, scheduled_at=long_ago, created_at=long_ago))
    wiring.store.restore(runs=runs)
    for queue, count in (("critical", 1), ("etl", 9), ("reports", 5)):
        for _ in range(count):
            client.create_run(pool="nightly", queue=queue)
    client.create_run(pool="batch")
    for minutes in range(60, -1, -1):
        ticked = ["gpu"] if 27 < minutes < 47 else ["nightly", "gpu"]
        wiring.store.heartbeats(ticked, now - timedelta(minutes=minutes))
    failed = When(ended=RunEnded(states=frozenset({RunState.FAILED}), deployment="etl-daily", count=3))
    client.create_automation("breaker", when=failed, then=[Then(pause=Target(deployment="etl-daily"))])
    because = "3 of the last 3 runs of deployment 'etl-daily' ended FAILED"
    acted = a_firing(
        "breaker", "nightly", fired_at=now, because=because, did=("paused deployment 'etl-daily'",), run=runs[-1].id
    )
    wiring.store.automate(Automated(firings=(acted,), now=now))


def a_day(wiring: Wiring, begin: datetime) -> None:
    """Ended runs of a day in the pool of `fill`: a wave of reports at night, and every hour some of two other queues."""
    waves = [(hour, *wave) for hour in range(23) for wave in _waves(hour)]
    runs = []
    for hour, queue, count, minutes in waves:
        due = begin + timedelta(hours=hour)
        for number in range(count):
            claimed = due + timedelta(minutes=number)
            times = {"claimed_at": claimed, "submitted_at": claimed, "started_at": claimed}
            times |= {"due_at": due, "created_at": due, "ended_at": claimed + timedelta(minutes=minutes)}
            runs.append(a_live_run(pool="nightly", queue=queue, state=RunState.COMPLETED, **times))
    wiring.store.restore(runs=runs)


def _waves(hour: int) -> list[tuple[str, int, int]]:
    """The runs that are due at an hour: queue, how many, and their minutes."""
    return [("critical", 2 + hour % 4, 20), ("etl", 3 + hour * 5 % 7, 35), ("reports", 12 if hour in (4, 5, 6) else 1, 50)]
