"""Jobs that are real processes: they run until the test gives them their exit code, and what they did is read from disk.

Nobody sleeps: a job waits at its gate (a FIFO), and whoever waits for a job's end waits for its lock.
"""

import fcntl
import json
import os
import select
import signal
from itertools import count
from pathlib import Path

from providers.process import ProcessProvider
from providers.process.job_directory import JobDirectory
from tests.providers.harness import ProviderHarness

SCRIPT = 'echo begun; env; until read code < "$1"; do :; done; exit "$code"'
"""`$1` is the gate: the exit code comes through it."""


class ProcessHarness(ProviderHarness):
    def __init__(self, root, **options):
        self.lacks = {
            "lose": "a call to this machine always has its answer; test_crashes.py kills the caller instead",
            "throttle": "only a machine that is out of processes, memory or disk refuses for now",
            "unreachable": "it is this machine",
        }
        self.root, self.options = root, {"directory": root / "jobs", "stop_seconds": 5.0, **options}
        self._provider = self.another()
        self._gates = count(1)

    @property
    def provider(self):
        return self._provider

    def another(self):
        return ProcessProvider(**self.options)

    def configuration(self):
        return {**self.running(), "env": {"A": "1"}, "labels": {"team": "data"}, "name": "a job", "stream_output": True}

    def running(self, script=SCRIPT):
        """The part of a configuration that says what runs: `script`, with a gate of its own."""
        gate = self.root / f"gate-{next(self._gates)}"
        os.mkfifo(gate)
        return {"command": ["sh", "-c", script, "job", str(gate)], "working_dir": str(self.root)}

    def directory(self, name):
        return JobDirectory(self.root / "jobs" / name)

    def settle(self):
        for path in (self.root / "jobs").glob("r*/cancel"):
            self.ended(path.parent.name)

    def ended(self, name):
        """Wait until nobody belongs to the job any more."""
        with (self.directory(name).path / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    def begun(self, name):
        """Wait until the running job is at its gate."""
        os.close(os.open(self.gate(name), os.O_WRONLY))

    def finish(self, name, exit_code):
        gate = os.open(self.gate(name), os.O_RDWR)  # stays open until the job has read what is in it
        os.write(gate, f"{exit_code}\n".encode())
        self.ended(name)
        os.close(gate)

    def kill_supervisor(self, name):
        """Kill what stays with a running job, and wait until it is dead."""
        self.begun(name)
        supervisor = parent_of(self.directory(name).read("started")["pid"])
        descriptor = os.pidfd_open(supervisor)
        os.kill(supervisor, signal.SIGKILL)
        select.select([descriptor], [], [])
        os.close(descriptor)

    def gate(self, name):
        return self.note(name)["command"][-1]

    def note(self, name):
        """What is kept of the submission."""
        return json.loads((self.directory(name).path / "job.json").read_text())

    def starts(self, name):
        if not (self.directory(name).path / "started").exists():
            return 0
        if self.directory(name).is_held() and not (self.directory(name).path / "exit").exists():
            self.begun(name)
        return self.log(name).count("begun")

    def log(self, name):
        return (self.directory(name).path / "log").read_text().splitlines()

    def environment(self, name):
        self.finish(name, 0)
        return dict(line.split("=", 1) for line in self.log(name) if "=" in line)

    def labels(self, name):
        return self.note(name)["labels"]

    def refuse_next(self):
        return {**self.configuration(), "working_dir": "/no/such/place"}, "'/no/such/place' is not a directory on this machine"

    def forget(self, name):
        others = {path.name for path in (self.root / "jobs").iterdir()} - {name}
        assert self.provider.sweep({}, frozenset(others)) == (name,)

    def leftover(self, name):
        return self.directory(name).path.exists()

    def close(self):
        """Stop whatever still runs."""
        names = [path.parent.name for path in (self.root / "jobs").glob("*/lock")]
        for name in names:
            self.directory(name).ask_to_stop(0)
        for name in names:
            self.ended(name)


def parent_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
