"""`Dispatcher.serve`: a function that runs on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput
from dispatcher.stores.sqlite import SqliteStore

MODULE = '''
from datetime import timedelta

from dispatcher.client import Dispatcher

def main(day: str, limit: int = 10):
    """Load a day."""
    print(day, limit + 1)

if __name__ == "__main__":
    dispatcher = Dispatcher.from_environment()
    parameters = {"day": "monday"}
    dispatcher.serve(main, name="etl", every=0.1, limit=2, interval=timedelta(days=1), parameters=parameters)
'''


LOOKS = 200_000
"""Looks until an end is seen, a fraction of a millisecond each."""


@pytest.mark.long
def test_a_function_is_served_by_its_own_module_until_ctrl_c(tmp_path):
    """The module is not in the current directory, and a first run waits when it starts."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "etl.py").write_text(MODULE)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    environment = {**os.environ, "DISPATCHER_STORE": store, "DISPATCHER_PROCESS_DIRECTORY": str(tmp_path / "processes")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "jobs/etl.py"], cwd=tmp_path, env=environment, **pipes)
    line = process.stdout.readline()
    try:
        assert line == (
            "Serving etl:main as 'etl' in work pool 'local'. Try: dispatcher deployment run etl. Ctrl-C ends it.\n"
        ), process.stderr.read()
        client = Dispatcher(SqliteStore(tmp_path / "store.db"))
        run = client.create_run(deployment="etl", parameters={"limit": 41})
        for _ in range(LOOKS):
            if client.run(run.id).ended_at or process.poll() is not None:
                break
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")
    assert client.run(run.id).state == "COMPLETED"
    files = [path for path in (tmp_path / "processes").rglob("*") if path.is_file()]
    assert "monday 42\n" in [path.read_text(errors="replace") for path in files]
    pool, deployment = client.work_pool("local"), client.deployment("etl")
    assert (pool.type, pool.concurrency_limit) == ("process", 2)
    assert deployment.job_variables["command"] == [sys.executable, "-m", "dispatcher.job", "etl:main"]
    assert deployment.job_variables["working_dir"] == str(tmp_path)
    assert [schedule.slug for schedule in deployment.schedules] == ["interval"]


def test_a_pool_of_another_type_is_refused(dispatcher):
    dispatcher.create_work_pool("ecs", type="ecs:push")
    with pytest.raises(InvalidInput, match="'ecs' is of type ecs:push, and functions are served by a pool of type process"):
        dispatcher.serve("json:dumps", name="etl", pool="ecs")
